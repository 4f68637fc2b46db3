//! Instructions that come from an image in place of a file: what a base has
//! in `ONBUILD` (image-spec has no word for it; Docker's `OnBuild`).

use crate::ast::{Command, Copy, Flag, Healthcheck, Instruction, Kind, Run, Source};
use crate::diagnostic::{Diagnostic, Severity, excerpt};
use crate::parse::parse;
use crate::span::Span;
use crate::text::Text;

/// Stands above the instruction, so that what is read is a file.
const ABOVE: &str = "FROM scratch\n";
/// Names a text that is something else than one instruction for a stage.
const INVALID_TRIGGER: &str = "invalid-trigger";

/// Reads the instruction that an image has for the stages on it. All of it
/// stands at `at`, the place in the Dockerfile that asks for the image.
///
/// # Errors
///
/// Gives the first mistake, if there is one; and one for more than one
/// instruction, and for one that no `ONBUILD` may hold.
pub fn parse_trigger(text: &str, at: Span) -> Result<Instruction, Diagnostic> {
    let (file, said) = parse(format!("{ABOVE}{text}\n").as_bytes());
    let mistake = said
        .into_iter()
        .find(|said| said.severity == Severity::Error);
    if let Some(mistake) = mistake {
        return Err(Diagnostic {
            span: at,
            ..mistake
        });
    }
    let invalid = || {
        let message = format!("`{}` is not one instruction for a stage", excerpt(text));
        Diagnostic::error(INVALID_TRIGGER, at, message)
    };
    let mut stages = file.stages.into_iter();
    let (Some(stage), None) = (stages.next(), stages.next()) else {
        return Err(invalid());
    };
    let mut instructions = stage.instructions.into_iter();
    let (Some(mut instruction), None) = (instructions.next(), instructions.next()) else {
        return Err(invalid());
    };
    if matches!(instruction.kind, Kind::Onbuild(_) | Kind::Maintainer(_)) {
        return Err(invalid());
    }
    place(&mut instruction, at);
    Ok(instruction)
}

/// Has an instruction and all of its parts stand at one place.
fn place(instruction: &mut Instruction, at: Span) {
    instruction.span = at;
    match &mut instruction.kind {
        Kind::Add(copy) | Kind::Copy(copy) => place_copy(copy, at),
        Kind::Arg(arguments) => {
            for argument in arguments {
                argument.name.place(at);
                argument.default.iter_mut().for_each(|text| text.place(at));
            }
        }
        Kind::Env(pairs) | Kind::Label(pairs) => {
            for pair in pairs {
                pair.key.place(at);
                pair.value.place(at);
            }
        }
        Kind::Cmd(command) | Kind::Entrypoint(command) => place_command(command, at),
        Kind::Healthcheck(Healthcheck::Command { flags, command }) => {
            place_flags(flags, at);
            place_command(command, at);
        }
        Kind::Healthcheck(Healthcheck::None) | Kind::Shell(_) => {}
        Kind::Run(Run {
            flags,
            command,
            heredocs,
        }) => {
            place_flags(flags, at);
            place_command(command, at);
            for heredoc in heredocs {
                (heredoc.span, heredoc.body) = (at, at);
            }
        }
        Kind::Onbuild(inner) => place(inner, at),
        Kind::Expose(texts) | Kind::Volume(texts) => place_all(texts, at),
        Kind::Maintainer(text)
        | Kind::StopSignal(text)
        | Kind::User(text)
        | Kind::Workdir(text) => text.place(at),
    }
}

fn place_copy(copy: &mut Copy, at: Span) {
    let flags = [&mut copy.from, &mut copy.chown, &mut copy.chmod];
    for text in flags.into_iter().flatten() {
        text.place(at);
    }
    place_flags(&mut copy.flags, at);
    copy.destination.place(at);
    for source in &mut copy.sources {
        match source {
            Source::Path(path) => path.place(at),
            Source::Heredoc(heredoc) => (heredoc.span, heredoc.body) = (at, at),
        }
    }
}

fn place_flags(flags: &mut [Flag], at: Span) {
    for flag in flags {
        flag.span = at;
        flag.value.iter_mut().for_each(|text| text.place(at));
    }
}

fn place_command(command: &mut Command, at: Span) {
    if let Command::Shell(text) = command {
        text.place(at);
    }
}

fn place_all(texts: &mut [Text], at: Span) {
    texts.iter_mut().for_each(|text| text.place(at));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_trigger_stands_where_it_is_asked_for() {
        let at = Span::new(3, 9);
        let copy = "COPY --chown=1 --exclude=x <<A <<\"B\" /srv/\na $X\nA\nb\nB";
        let read = parse_trigger(copy, at).expect("an instruction");
        assert_eq!(read.span, at);
        let Kind::Copy(copy) = &read.kind else {
            panic!("a copy")
        };
        assert_eq!(copy.destination.as_str(), "/srv/");
        assert_eq!(copy.destination.span(), at);
        assert_eq!(copy.flags[0].span, at);
        let contents = copy.sources.iter().map(|source| match source {
            Source::Heredoc(heredoc) => (heredoc.content.as_str(), heredoc.expands, heredoc.body),
            Source::Path(path) => panic!("{path}"),
        });
        let contents: Vec<_> = contents.collect();
        assert_eq!(contents, [("a $X\n", true, at), ("b\n", false, at)]);
    }

    #[test]
    fn what_is_not_one_instruction_is_refused() {
        for text in [
            "",
            "# only a comment",
            "NOTHING x",
            "ENV A=1\nENV B=2",
            "FROM scratch",
            "ONBUILD ENV A=1",
            "MAINTAINER x",
            "COPY <<A /x\nunterminated",
        ] {
            let error = parse_trigger(text, Span::new(1, 2)).expect_err(text);
            assert_eq!(error.span, Span::new(1, 2), "{text}");
        }
    }
}
