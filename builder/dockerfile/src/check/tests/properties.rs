//! What holds of every file.

use proptest::prelude::*;

use crate::check::tests::corpus::cases;
use crate::{BaseFacts, Facts, Ignore, Severity, check, parse};

/// Checks what holds of any bytes.
fn holds(bytes: &[u8], facts: &Facts<'_>) {
    let (file, parsed) = parse(bytes);
    let valid = parsed.iter().all(|said| said.severity != Severity::Error);
    let errors = parsed.len();
    let said = check(&file, bytes, parsed, facts);
    let text = str::from_utf8(bytes);
    for said in &said {
        let span = said.span;
        assert!(
            span.start <= span.end && span.end <= bytes.len(),
            "{said:?}"
        );
        if let Ok(text) = text {
            assert!(
                text.get(span.range()).is_some(),
                "{said:?} cuts a character"
            );
        }
        assert!(said.hint.is_some() || errors > 0, "{said:?}");
    }
    assert!(said.is_sorted_by_key(|said| (said.span.start, said.span.end)));
    let asked = file.directives.iter().any(|it| it.name.as_str() == "check");
    if valid && !asked {
        assert!(
            said.iter().all(|said| said.severity == Severity::Warning),
            "{said:?}"
        );
    }
}

fn facts(ignore: &Ignore) -> Facts<'_> {
    let base = BaseFacts {
        variables: ["HOME", "LANG"].map(str::to_owned).into(),
        working_directory: "/srv".to_owned(),
        platform: "linux/arm64".to_owned(),
        has_shell: false,
    };
    Facts {
        ignore: Some(ignore),
        bases: (0..4).map(|number| (number, base.clone())).collect(),
        target_platform: "linux/amd64".to_owned(),
        ..Facts::default()
    }
}

/// Lines that rules look at, in all orders.
const PIECES: [&str; 40] = [
    "# check=skip=all",
    "# check=error=true;skip=LatestTag",
    "# check=experimental=all;skip=;x",
    "# V says how",
    "ARG V=1",
    "ARG v W=$V",
    "FROM scratch AS A",
    "FROM alpine:$V",
    "from --platform=$TARGETPLATFORM a as B",
    "FROM --platform=linux/arm64 debian",
    "FROM b",
    "ARG TOKEN=$V",
    "ENV A=$A B=\"$V\" API_KEY=é",
    "ENV $V=x",
    "ENV A $B",
    "WORKDIR a/é",
    "WORKDIR $A",
    "WORKDIR /srv",
    "COPY . /app",
    "COPY --from=a . .",
    "COPY <<EOF /a\n$Z é ${A:-$Y}\nEOF",
    "ADD x.tar .env id_rsa $V /",
    "ADD a \\\n# x\n  b",
    "RUN chown -R 1 /app $A .",
    "RUN apt-get update && apt-get install -y 'a' # b",
    "RUN apt-get \\\n  update",
    "RUN cd é; export A=\"b",
    "RUN <<EOF\n\tapt-get update\nset -e\nEOF",
    "RUN --mount=type=cache,target=$A apt-get update; x",
    "RUN [\"a\"]",
    "EXPOSE 80/TCP 1:2 $A [::1]:1:2/Udp",
    "CMD a b",
    "SHELL [\"a\"]",
    "ENTRYPOINT a | b",
    "ONBUILD run cd x",
    "ONBUILD ADD .env /",
    "HEALTHCHECK CMD x",
    "LABEL a=$b",
    "MAINTAINER é",
    "",
];

proptest! {
    #[test]
    fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        holds(&bytes, &Facts::default());
    }

    #[test]
    fn any_text_has_an_answer(text in "\\PC{0,300}") {
        holds(format!("FROM a\nRUN {text}\nCOPY {text}\nENV {text}").as_bytes(), &Facts::default());
    }

    #[test]
    fn any_lines_have_an_answer(
        lines in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..12),
        end in "\\PC{0,20}",
    ) {
        let (ignore, _) = Ignore::parse(b"*\n!b\n.env\n");
        let text = format!("{}\n{end}", lines.join("\n"));
        holds(text.as_bytes(), &facts(&ignore));
        holds(text.as_bytes(), &Facts::default());
    }

    #[test]
    fn any_options_have_an_answer(value in "[a-zA-Z=;, é]{0,60}") {
        let text = format!("# check={value}\nFROM alpine AS X\ncmd a\n");
        holds(text.as_bytes(), &Facts::default());
        let facts = Facts {
            arguments: [("BUILDKIT_DOCKERFILE_CHECK".to_owned(), value)].into(),
            ..Facts::default()
        };
        let (file, parsed) = parse(b"FROM alpine AS X\ncmd a\n");
        let said = check(&file, b"FROM alpine AS X\ncmd a\n", parsed, &facts);
        for said in said {
            prop_assert!(said.span.end <= 23);
        }
    }
}

#[test]
fn the_corpus_holds_what_every_file_holds() {
    let (ignore, _) = Ignore::parse(b"*\n");
    for case in cases() {
        holds(&case.source, &Facts::default());
        holds(&case.source, &facts(&ignore));
        // Cut anywhere, it is another file.
        for end in 0..case.source.len() {
            holds(&case.source[..end], &Facts::default());
        }
    }
}

#[test]
fn large_files_take_no_long_time() {
    let names: String = (0..8_000).map(|number| format!(" $a{number}")).collect();
    let wide = format!("FROM scratch\n{}", format!("EXPOSE{names}\n").repeat(60));
    let deep: String = (0..3_000)
        .map(|n| {
            format!(
                "FROM s{n} AS s{}\nENV A{n}=$A{}$B\nARG X{n}\n",
                n + 1,
                n / 2
            )
        })
        .collect();
    let deep = format!("FROM scratch AS s0\n{deep}");
    let doubled = "ENV A=x$A$A$A B=$A\n".repeat(9_000);
    let doubled = format!("FROM scratch\n{doubled}");
    let paths = format!(
        "FROM scratch\n{}",
        "WORKDIR aaaaaaaaaaaaaaaa\n".repeat(9_000)
    );
    for text in [wide, deep, doubled, paths] {
        let (file, parsed) = parse(text.as_bytes());
        let said = check(&file, text.as_bytes(), parsed, &Facts::default());
        assert!(said.len() < 2_500, "{}", said.len());
    }
}
