use dockerfile::Kind;

use super::*;

/// Reads the last instruction of a file below a `FROM`.
fn run(text: &str) -> Run {
    let (mut file, diagnostics) = dockerfile::parse(format!("FROM a\n{text}").as_bytes());
    let mistakes: Vec<_> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == dockerfile::Severity::Error)
        .collect();
    assert!(mistakes.is_empty(), "{text}: {mistakes:?}");
    let last = file.stages.remove(0).instructions.pop().expect("one");
    match last.kind {
        Kind::Run(run) => run,
        other => panic!("{other:?}"),
    }
}

fn words(text: &str) -> Vec<String> {
    let started = started(&run(text), &Runtime::default()).expect(text);
    assert_eq!(started.scripts, [], "{text}");
    started.arguments
}

#[test]
fn lines_go_to_the_shell_as_they_are() {
    for (text, line) in [
        ("RUN echo $A '${B}'", "echo $A '${B}'"),
        ("RUN a && \\\n  b", "a &&   b"),
        ("RUN --network=none x", "x"),
        ("RUN ['a']", "['a']"),
        // The document alone is the command; a descriptor changes nothing.
        ("RUN <<EOF\na $A\nb\nEOF\n", "a $A\nb\n"),
        ("RUN <<'EOF'\na\nEOF\n", "a\n"),
        ("RUN <<\"a b\"\nx\na b\n", "x\n"),
        ("RUN 3<<EOF\na\nEOF\n", "a\n"),
        ("RUN <<-EOF\n\t\ta\n\tEOF\n", "a\n"),
        ("RUN <<EOF\nEOF\n", ""),
        // The shell reads the rest.
        ("RUN <<EOF cat\na\nEOF\n", "<<EOF cat\na\nEOF"),
        ("RUN cat <<EOF\n#!x\nEOF\n", "cat <<EOF\n#!x\nEOF"),
        ("RUN <<A <<B\n#!a\nA\nb\nB\n", "<<A <<B\n#!a\nA\nb\nB"),
        (
            "RUN cat <<-'A' 4<<B > /x\n\ta\n\tA\nb\nB\n",
            "cat <<-'A' 4<<B > /x\na\nA\nb\nB",
        ),
    ] {
        assert_eq!(words(text), ["/bin/sh", "-c", line], "{text}");
    }
}

#[test]
fn a_script_is_a_file_that_the_shell_starts() {
    for (text, name, content) in [
        ("RUN <<EOF\n#!/bin/x\na\nEOF\n", "EOF", "#!/bin/x\na\n"),
        ("RUN <<-'E-1'\n\t#!x\nE-1\n", "E-1", "#!x\n"),
        ("RUN <<\"a b\"\n#!x\na b\n", "script", "#!x\n"),
        ("RUN <<'$A'\n#!x\n$A\n", "script", "#!x\n"),
        ("RUN <<..\n#!x\n..\n", "script", "#!x\n"),
        ("RUN <<a/b\n#!x\na/b\n", "script", "#!x\n"),
    ] {
        let started = started(&run(text), &Runtime::default()).expect(text);
        let path = format!("/dev/pipes/{name}");
        assert_eq!(started.arguments, ["/bin/sh", "-c", &path], "{text}");
        let script = Script {
            name: name.to_owned(),
            content: content.to_owned(),
        };
        assert_eq!(started.scripts, [script], "{text}");
    }
}

#[test]
fn the_shell_of_the_config_is_used() {
    let runtime = Runtime {
        shell: Some(["bash", "-o", "pipefail", "-c"].map(str::to_owned).into()),
        ..Runtime::default()
    };
    let begun = started(&run("RUN a | b"), &runtime).expect("begun");
    assert_eq!(begun.arguments, ["bash", "-o", "pipefail", "-c", "a | b"]);
    let begun = started(&run("RUN [\"/a\", \"$B\", \"\"]"), &runtime).expect("begun");
    assert_eq!(begun.arguments, ["/a", "$B", ""]);
    let runtime = Runtime {
        shell: Some(Vec::new()),
        ..Runtime::default()
    };
    let begun = started(&run("RUN a"), &runtime).expect("begun");
    assert_eq!(begun.arguments, ["/bin/sh", "-c", "a"]);
}

#[test]
fn nothing_to_start_is_a_mistake() {
    let run = |words: &[&str]| Run {
        flags: Vec::new(),
        command: Command::Exec(words.iter().map(|&word| word.to_owned()).collect()),
        heredocs: Vec::new(),
    };
    for (words, part) in [
        (&[][..], "no command"),
        (&[""][..], "empty program"),
        (&["", "a"][..], "empty program"),
        (&["a", "b\0c"][..], "NUL"),
    ] {
        let error = started(&run(words), &Runtime::default()).expect_err(part);
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
}
