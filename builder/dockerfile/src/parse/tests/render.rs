//! A stable text of what a parse gave, with lines and columns.

use std::fmt::Write as _;

use crate::ast::{
    Argument, Command, Copy, Dockerfile, Flag, From, Healthcheck, Heredoc, Instruction, Kind, Pair,
    Source,
};
use crate::diagnostic::{Diagnostic, Severity};
use crate::span::Span;
use crate::text::Text;

/// Writes an AST and diagnostics.
pub(crate) fn render(source: &[u8], file: &Dockerfile, diagnostics: &[Diagnostic]) -> String {
    let mut page = Page {
        source,
        out: String::new(),
        depth: 0,
        plain: false,
    };
    page.file(file);
    for diagnostic in diagnostics {
        page.diagnostic(diagnostic);
    }
    page.out
}

/// Writes an AST without where it stands and how it is written.
pub(crate) fn render_plain(file: &Dockerfile) -> String {
    let mut page = Page {
        source: &[],
        out: String::new(),
        depth: 0,
        plain: true,
    };
    page.file(file);
    page.out
}

struct Page<'a> {
    source: &'a [u8],
    out: String,
    depth: usize,
    plain: bool,
}

impl Page<'_> {
    fn line(&mut self, words: &str) {
        writeln!(self.out, "{:1$}{words}", "", self.depth * 2).unwrap();
    }

    fn place(&self, at: usize) -> String {
        let before = &self.source[..at];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        format!("{line}:{column}")
    }

    fn span(&self, span: Span) -> String {
        if self.plain {
            return "-".to_owned();
        }
        format!("{}-{}", self.place(span.start), self.place(span.end))
    }

    fn text(&self, text: &Text) -> String {
        format!("{:?} {}", text.as_str(), self.span(text.span()))
    }

    fn written(&self, text: &str) -> String {
        if self.plain {
            return String::new();
        }
        format!("{text:?}")
    }

    fn named(&mut self, name: &str, text: &Text) {
        let text = self.text(text);
        self.line(&format!("{name} {text}"));
    }

    fn optional(&mut self, name: &str, text: Option<&Text>) {
        if let Some(text) = text {
            self.named(name, text);
        }
    }

    fn file(&mut self, file: &Dockerfile) {
        self.line(&format!("escape {}", file.escape.character()));
        for directive in &file.directives {
            let name = self.text(&directive.name);
            self.named(&format!("directive {name}"), &directive.value);
        }
        self.arguments(&file.arguments);
        for stage in &file.stages {
            self.from(&stage.from);
            self.depth += 1;
            for instruction in &stage.instructions {
                self.instruction(instruction);
            }
            self.depth -= 1;
        }
    }

    fn from(&mut self, from: &From) {
        let span = self.span(from.span);
        let text = self.written(&from.text);
        self.line(&format!("stage {span} {text}"));
        self.depth += 1;
        self.named("base", &from.base);
        self.optional("platform", from.platform.as_ref());
        self.optional("name", from.name.as_ref());
        self.depth -= 1;
    }

    fn instruction(&mut self, instruction: &Instruction) {
        let span = self.span(instruction.span);
        let text = self.written(&instruction.text);
        self.line(&format!("{span} {text}"));
        self.depth += 1;
        self.kind(&instruction.kind);
        self.depth -= 1;
    }

    fn kind(&mut self, kind: &Kind) {
        match kind {
            Kind::Add(copy) => self.copy("add", copy),
            Kind::Copy(copy) => self.copy("copy", copy),
            Kind::Arg(arguments) => self.arguments(arguments),
            Kind::Cmd(command) => self.command("cmd", command),
            Kind::Entrypoint(command) => self.command("entrypoint", command),
            Kind::Env(pairs) => self.pairs("env", pairs),
            Kind::Label(pairs) => self.pairs("label", pairs),
            Kind::Expose(texts) => texts.iter().for_each(|text| self.named("expose", text)),
            Kind::Volume(texts) => texts.iter().for_each(|text| self.named("volume", text)),
            Kind::Maintainer(text) => self.named("maintainer", text),
            Kind::StopSignal(text) => self.named("stopsignal", text),
            Kind::User(text) => self.named("user", text),
            Kind::Workdir(text) => self.named("workdir", text),
            Kind::Shell(words) => self.line(&format!("shell {words:?}")),
            Kind::Onbuild(inner) => {
                self.line("onbuild");
                self.instruction(inner);
            }
            Kind::Run(run) => {
                self.flags(&run.flags);
                self.command("run", &run.command);
                run.heredocs
                    .iter()
                    .for_each(|heredoc| self.heredoc(heredoc));
            }
            Kind::Healthcheck(Healthcheck::None) => self.line("healthcheck none"),
            Kind::Healthcheck(Healthcheck::Command { flags, command }) => {
                self.flags(flags);
                self.command("healthcheck", command);
            }
        }
    }

    fn arguments(&mut self, arguments: &[Argument]) {
        for argument in arguments {
            self.named("arg", &argument.name);
            self.depth += 1;
            self.optional("default", argument.default.as_ref());
            self.depth -= 1;
        }
    }

    fn pairs(&mut self, name: &str, pairs: &[Pair]) {
        for pair in pairs {
            let key = self.text(&pair.key);
            self.named(&format!("{name} {key} ="), &pair.value);
        }
    }

    fn command(&mut self, name: &str, command: &Command) {
        match command {
            Command::Shell(text) => self.named(&format!("{name} shell"), text),
            Command::Exec(words) => self.line(&format!("{name} exec {words:?}")),
        }
    }

    fn flags(&mut self, flags: &[Flag]) {
        for flag in flags {
            let span = self.span(flag.span);
            let value = flag
                .value
                .as_ref()
                .map(|value| format!(" = {}", self.text(value)));
            self.line(&format!(
                "flag {} {span}{}",
                flag.name,
                value.unwrap_or_default()
            ));
        }
    }

    fn copy(&mut self, name: &str, copy: &Copy) {
        self.line(name);
        self.depth += 1;
        self.optional("from", copy.from.as_ref());
        self.optional("chown", copy.chown.as_ref());
        self.optional("chmod", copy.chmod.as_ref());
        self.flags(&copy.flags);
        for source in &copy.sources {
            match source {
                Source::Path(path) => self.named("source", path),
                Source::Heredoc(heredoc) => self.heredoc(heredoc),
            }
        }
        self.named("destination", &copy.destination);
        self.depth -= 1;
    }

    fn heredoc(&mut self, heredoc: &Heredoc) {
        let expands = if heredoc.expands {
            "expands"
        } else {
            "literal"
        };
        let span = self.span(heredoc.span);
        let body = self.span(heredoc.body);
        let Heredoc { name, content, .. } = heredoc;
        self.line(&format!(
            "heredoc {name:?} {expands} {span} body {body} {content:?}"
        ));
    }

    fn diagnostic(&mut self, diagnostic: &Diagnostic) {
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let span = self.span(diagnostic.span);
        let Diagnostic { code, message, .. } = diagnostic;
        self.line(&format!("{span} {severity} {code} {message}"));
        if let Some(hint) = &diagnostic.hint {
            self.line(&format!("  hint: {hint}"));
        }
    }
}
