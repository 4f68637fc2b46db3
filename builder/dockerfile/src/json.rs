//! A file and what there is to say about it, as JSON for other programs.
//!
//! What each field says stands in `docs/reference/dockerfile-json.md`. The
//! text is the same for the same file, and a field that is there stays there
//! as long as `version` is the same. Nothing is expanded.

mod place;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::ast::{
    Argument, Command, Copy, Dockerfile, Flag, From, Healthcheck, Heredoc, Instruction, Kind, Pair,
    Run, Source, Stage,
};
use crate::diagnostic::{Diagnostic, Severity};
use crate::print;
use crate::text::Text;

pub(crate) use place::Places;

/// Is the version of what is written. It changes when a field is taken away
/// or means something else, not when one is added.
const VERSION: u32 = 1;

/// Writes a file and its diagnostics as one line of JSON, without a line break
/// at its end. The form is that of `docs/reference/dockerfile-json.md`.
///
/// `source` is what the file was read from; places that do not lie in it are
/// those of its end.
#[must_use]
pub fn to_json(source: &[u8], file: &Dockerfile, diagnostics: &[Diagnostic]) -> String {
    let page = Page {
        places: Places::new(source),
    };
    json!({
        "version": VERSION,
        "escape": file.escape.character().to_string(),
        "directives": page.list(&file.directives, |directive| json!({
            "name": page.text(&directive.name),
            "value": page.text(&directive.value),
        })),
        "arguments": page.arguments(&file.arguments),
        "stages": page.list(&file.stages, |stage| page.stage(stage)),
        "diagnostics": page.list(diagnostics, |said| page.diagnostic(said)),
    })
    .to_string()
}

/// Writes parts of one file.
struct Page {
    places: Places,
}

impl Page {
    fn list<T>(&self, items: &[T], write: impl Fn(&T) -> Value) -> Value {
        items.iter().map(write).collect()
    }

    fn diagnostic(&self, said: &Diagnostic) -> Value {
        let severity = match said.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        json!({
            "severity": severity,
            "code": said.code,
            "message": said.message,
            "hint": said.hint,
            "span": self.places.span(said.span),
        })
    }

    fn stage(&self, stage: &Stage) -> Value {
        json!({
            "from": self.from(&stage.from),
            "instructions": self.list(&stage.instructions, |step| self.instruction(step)),
        })
    }

    fn from(&self, from: &From) -> Value {
        json!({
            "text": from.text,
            "span": self.places.span(from.span),
            "platform": self.optional(from.platform.as_ref()),
            "base": self.text(&from.base),
            "name": self.optional(from.name.as_ref()),
        })
    }

    fn instruction(&self, instruction: &Instruction) -> Value {
        let mut fields = Map::new();
        let name = print::keyword(&instruction.kind).name();
        fields.insert("instruction".to_owned(), name.into());
        fields.insert("text".to_owned(), instruction.text.as_str().into());
        fields.insert("span".to_owned(), self.places.span(instruction.span));
        if let Value::Object(own) = self.kind(&instruction.kind) {
            fields.extend(own);
        }
        Value::Object(fields)
    }

    fn kind(&self, kind: &Kind) -> Value {
        match kind {
            Kind::Add(copy) | Kind::Copy(copy) => self.copy(copy),
            Kind::Arg(arguments) => json!({ "arguments": self.arguments(arguments) }),
            Kind::Cmd(command) | Kind::Entrypoint(command) => {
                json!({ "command": self.command(command) })
            }
            Kind::Env(pairs) | Kind::Label(pairs) => json!({ "pairs": self.pairs(pairs) }),
            Kind::Expose(ports) => json!({ "ports": self.texts(ports) }),
            Kind::Healthcheck(Healthcheck::None) => json!({ "flags": [], "command": null }),
            Kind::Healthcheck(Healthcheck::Command { flags, command }) => json!({
                "flags": self.flags(flags),
                "command": self.command(command),
            }),
            Kind::Onbuild(inner) => json!({ "trigger": self.instruction(inner) }),
            Kind::Run(run) => self.run(run),
            Kind::Shell(words) => json!({ "words": words }),
            Kind::Volume(paths) => json!({ "paths": self.texts(paths) }),
            Kind::Maintainer(text)
            | Kind::StopSignal(text)
            | Kind::User(text)
            | Kind::Workdir(text) => json!({ "value": self.text(text) }),
        }
    }

    fn copy(&self, copy: &Copy) -> Value {
        json!({
            "from": self.optional(copy.from.as_ref()),
            "chown": self.optional(copy.chown.as_ref()),
            "chmod": self.optional(copy.chmod.as_ref()),
            "flags": self.flags(&copy.flags),
            "sources": self.list(&copy.sources, |source| match source {
                Source::Path(path) => json!({ "path": self.text(path) }),
                Source::Heredoc(heredoc) => json!({ "heredoc": self.heredoc(heredoc) }),
            }),
            "destination": self.text(&copy.destination),
        })
    }

    fn run(&self, run: &Run) -> Value {
        json!({
            "flags": self.flags(&run.flags),
            "command": self.command(&run.command),
            "heredocs": self.list(&run.heredocs, |heredoc| self.heredoc(heredoc)),
        })
    }

    fn command(&self, command: &Command) -> Value {
        match command {
            Command::Shell(text) => json!({ "shell": self.text(text) }),
            Command::Exec(words) => json!({ "exec": words }),
        }
    }

    fn heredoc(&self, heredoc: &Heredoc) -> Value {
        json!({
            "name": heredoc.name,
            "span": self.places.span(heredoc.span),
            "expands": heredoc.expands,
            "content": heredoc.content,
            "body": self.places.span(heredoc.body),
        })
    }

    fn flags(&self, flags: &[Flag]) -> Value {
        self.list(flags, |flag| {
            json!({
                "name": flag.name,
                "value": self.optional(flag.value.as_ref()),
                "span": self.places.span(flag.span),
            })
        })
    }

    fn arguments(&self, arguments: &[Argument]) -> Value {
        self.list(arguments, |argument| {
            json!({
                "name": self.text(&argument.name),
                "default": self.optional(argument.default.as_ref()),
            })
        })
    }

    fn pairs(&self, pairs: &[Pair]) -> Value {
        self.list(
            pairs,
            |pair| json!({ "key": self.text(&pair.key), "value": self.text(&pair.value) }),
        )
    }

    fn texts(&self, texts: &[Text]) -> Value {
        self.list(texts, |text| self.text(text))
    }

    fn optional(&self, text: Option<&Text>) -> Value {
        text.map_or(Value::Null, |text| self.text(text))
    }

    fn text(&self, text: &Text) -> Value {
        json!({ "value": text.as_str(), "span": self.places.span(text.span()) })
    }
}
