//! The instructions of stages, one after the other, with what is known at
//! each of them.

use crate::ast::{Command, Copy, Dockerfile, Flag, Instruction, Kind, Pair, Source};
use crate::check::casing::keyword;
use crate::check::finding::Findings;
use crate::check::from::{Bases, find_variable, variable};
use crate::check::scope::{Origin, Resolved, Scopes, Value};
use crate::check::{Facts, copying, expose, rules, run, secret};
use crate::diagnostic::excerpt;
use crate::expand::{Variables, expand_heredoc};
use crate::span::Span;
use crate::text::Text;

/// Variables that only a builder reads, and that no file has to define.
const BUILDER_VARIABLES: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];
/// Is how many bytes of a path are remembered.
const MAX_PATH: usize = 4_096;
/// Is how many directories of a stage are remembered.
const MAX_COPIED: usize = 100;

/// Checks the instructions of all stages.
pub(super) fn check(
    file: &Dockerfile,
    source: &[u8],
    facts: &Facts<'_>,
    bases: &Bases,
    findings: &mut Findings<'_>,
) {
    for argument in &file.arguments {
        if let Some(default) = &argument.default {
            secret::check_value(default, findings);
        }
    }
    let mut walk = Walk {
        file,
        source,
        facts,
        scopes: Scopes::new(file.escape, &bases.globals, &facts.arguments),
        stages: Vec::with_capacity(file.stages.len()),
        now: Stage::default(),
        findings,
    };
    for (number, stage) in file.stages.iter().enumerate() {
        walk.begin(bases.origin(number, facts));
        for instruction in &stage.instructions {
            walk.instruction(instruction);
        }
        let now = std::mem::take(&mut walk.now);
        walk.stages.push(now);
    }
}

/// Is what is known of a stage, but for its variables.
#[derive(Debug, Default)]
struct Stage {
    /// The working directory, if it is known.
    directory: Option<String>,
    /// It was set in this file.
    directory_set: bool,
    /// A shell was chosen, here or by the image.
    shell_set: bool,
    /// The directories to which files were copied.
    copied: Vec<String>,
}

struct Walk<'a, 'f, 'o> {
    file: &'a Dockerfile,
    source: &'a [u8],
    facts: &'a Facts<'a>,
    scopes: Scopes<'a>,
    stages: Vec<Stage>,
    now: Stage,
    findings: &'f mut Findings<'o>,
}

impl<'a> Walk<'a, '_, '_> {
    fn begin(&mut self, origin: Origin<'a>) {
        self.scopes.begin(origin);
        self.now = Stage::default();
        match origin {
            Origin::Scratch => self.now.directory = Some("/".to_owned()),
            Origin::Image(facts) => {
                self.now.directory = Some(copying::absolute(&facts.working_directory, "/"));
                self.now.shell_set = facts.has_shell;
            }
            Origin::Stage(above) => {
                if let Some(above) = self.stages.get(above) {
                    self.now.directory.clone_from(&above.directory);
                    self.now.directory_set = above.directory_set;
                    self.now.shell_set = above.shell_set;
                }
            }
            Origin::Unknown => {}
        }
    }

    fn instruction(&mut self, instruction: &Instruction) {
        self.check_variables(&instruction.kind);
        self.check_anywhere(instruction);
        match &instruction.kind {
            Kind::Onbuild(inner) => self.trigger(inner),
            Kind::Add(copy) => self.copied("ADD", copy),
            Kind::Copy(copy) => self.copied("COPY", copy),
            Kind::Arg(arguments) => {
                for argument in arguments {
                    self.scopes.declare(argument);
                }
            }
            Kind::Env(pairs) => self.scopes.set(pairs),
            Kind::Shell(_) => self.now.shell_set = true,
            Kind::Workdir(path) => self.directory(path),
            Kind::Run(run) => {
                let scopes = &self.scopes;
                let expand = |word: &str| known(scopes.resolve(word)?);
                let place = run::Place {
                    directory: self.now.directory.as_deref(),
                    copied: &self.now.copied,
                    expand: &expand,
                };
                run::check(run, self.source, &place, self.findings);
            }
            _ => {}
        }
    }

    /// Checks an instruction that is for images built on this one: what files
    /// and variables there are then is not known.
    fn trigger(&mut self, inner: &Instruction) {
        self.check_anywhere(inner);
        if let Kind::Run(run) = &inner.kind {
            let place = run::Place {
                directory: None,
                copied: &[],
                expand: &|_| None,
            };
            run::check(run, self.source, &place, self.findings);
        }
    }

    /// Checks what holds of an instruction wherever it is run.
    fn check_anywhere(&mut self, instruction: &Instruction) {
        let findings = &mut *self.findings;
        match &instruction.kind {
            Kind::Arg(arguments) => {
                for argument in arguments {
                    secret::check_name("ARG", &argument.name, findings);
                    if let Some(default) = &argument.default {
                        secret::check_value(default, findings);
                    }
                }
            }
            Kind::Env(pairs) => {
                for pair in pairs {
                    secret::check_name("ENV", &pair.key, findings);
                    secret::check_value(&pair.value, findings);
                }
            }
            Kind::Label(pairs) => {
                for Pair { value, .. } in pairs {
                    secret::check_value(value, findings);
                }
            }
            Kind::Add(copy) => {
                if let Some(word) = keyword(self.source, instruction.span, &instruction.text) {
                    copying::check_add(copy, word.span, findings);
                }
                check_copied_secrets(copy, self.source, findings);
            }
            Kind::Copy(copy) => check_copied_secrets(copy, self.source, findings),
            Kind::Run(run) => {
                if let Command::Shell(text) = &run.command {
                    secret::check_value(text, findings);
                }
                for heredoc in &run.heredocs {
                    secret::check_heredoc(heredoc, self.source, findings);
                }
            }
            Kind::Cmd(command) => self.command("CMD", command),
            Kind::Entrypoint(command) => self.command("ENTRYPOINT", command),
            Kind::Expose(ports) => {
                for port in ports {
                    let value = self.scopes.resolve(port.as_str()).and_then(known);
                    for value in value.iter().flat_map(|value| value.split_whitespace()) {
                        expose::check(port, value, findings);
                    }
                }
            }
            _ => {}
        }
    }

    /// Checks that no shell stands between the runtime and a program.
    fn command(&mut self, keyword: &str, command: &Command) {
        let Command::Shell(text) = command else {
            return;
        };
        if self.now.shell_set || text.is_empty() {
            return;
        }
        let message = format!(
            "`{keyword}` starts a shell, which keeps signals such as `SIGTERM` from the program"
        );
        let words: Vec<String> = text.as_str().split_whitespace().map(quoted).collect();
        // What a shell would read differently is not put into words for it.
        let is_plain =
            |letter: char| letter.is_ascii_alphanumeric() || " ./:=_,+@-".contains(letter);
        let hint = if text.as_str().chars().all(is_plain) && !text.as_str().contains('=') {
            format!("write `{keyword} [{}]`", words.join(", "))
        } else {
            format!(
                "write `{keyword} [\"PROGRAM\", \"ARGUMENT\"]`, or choose the shell with `SHELL`"
            )
        };
        self.findings
            .say(rules::JSON_ARGS_RECOMMENDED, text.span(), message, hint);
    }

    /// Checks and remembers where files are copied to.
    fn copied(&mut self, keyword: &str, copy: &Copy) {
        let expand = |text: &Text| self.scopes.resolve(text.as_str()).and_then(known);
        let destination = expand(&copy.destination);
        if let (Some(ignore), None) = (self.facts.ignore, &copy.from) {
            let paths = copy.sources.iter().filter_map(|source| match source {
                Source::Path(path) => Some((path, expand(path))),
                Source::Heredoc(_) => None,
            });
            let paths: Vec<(&Text, Option<String>)> = paths.collect();
            copying::check_ignored(keyword, &paths, ignore, self.findings);
        }
        let Some(destination) = destination else {
            return;
        };
        let directory = match (&self.now.directory, destination.starts_with('/')) {
            (_, true) => "/",
            (Some(directory), false) => directory,
            (None, false) => return,
        };
        if self.now.copied.len() < MAX_COPIED {
            let path = copying::absolute(&destination, directory);
            self.now.copied.push(path);
        }
    }

    /// Checks and remembers the working directory.
    fn directory(&mut self, path: &Text) {
        let value = self.scopes.resolve(path.as_str()).and_then(known);
        let first = !self.now.directory_set;
        self.now.directory_set = true;
        let is_relative = match &value {
            Some(value) => !is_absolute(value) && !value.is_empty(),
            // A variable may hold anything; letters before it can not.
            None => !path.as_str().starts_with(['/', '$', '"', '\'', '\\', '`']),
        };
        if first && is_relative {
            let shown = excerpt(path.as_str());
            let message = format!("`{shown}` is relative to the working directory of the image");
            let hint = format!(
                "write the whole path, such as `/{}`",
                shown.trim_start_matches("./")
            );
            self.findings
                .say(rules::WORKDIR_RELATIVE_PATH, path.span(), message, hint);
        }
        let now = self.now.directory.take();
        self.now.directory = match (value, now) {
            (Some(value), _) if value.starts_with('/') => Some(copying::absolute(&value, "/")),
            (Some(value), Some(now)) => Some(copying::absolute(&value, &now)),
            _ => None,
        };
        let path = self.now.directory.take();
        self.now.directory = path.filter(|path| path.len() <= MAX_PATH);
    }

    /// Checks that the variables of an instruction are defined.
    fn check_variables(&mut self, kind: &Kind) {
        if !self.scopes.is_complete() || !self.findings.asks_for(rules::UNDEFINED_VAR) {
            return;
        }
        for text in expanded(kind) {
            let unset = self.scopes.resolve(text.as_str()).map(|it| it.unset);
            for name in unset.unwrap_or_default() {
                if self.findings.is_full() {
                    return;
                }
                self.undefined(&name, variable(text, &name));
            }
        }
        let (Kind::Add(copy) | Kind::Copy(copy)) = kind else {
            return;
        };
        for source in &copy.sources {
            let Source::Heredoc(heredoc) = source else {
                continue;
            };
            if !heredoc.expands {
                continue;
            }
            let unset = expand_heredoc(&heredoc.content, self.file.escape, &Names(&self.scopes));
            let body = self.source.get(heredoc.body.range()).unwrap_or_default();
            let body = String::from_utf8_lossy(body);
            for name in unset.map(|it| it.unset).unwrap_or_default() {
                if self.findings.is_full() {
                    return;
                }
                let start = heredoc.body.start;
                let found = find_variable(&body, &name);
                let span = found.map_or(heredoc.span, |range| {
                    Span::new(start + range.start, start + range.end)
                });
                self.undefined(&name, span);
            }
        }
    }

    fn undefined(&mut self, name: &str, span: Span) {
        let declared = self.scopes.find(name).is_some();
        if declared || BUILDER_VARIABLES.contains(&name) {
            return;
        }
        let shown = excerpt(name);
        let message = format!("nothing above defines the variable `{shown}`");
        let hint = match self.findings.suggest(name, self.scopes.names()) {
            _ if self.scopes.is_global(name) => {
                format!("a stage knows it once it says `ARG {shown}`")
            }
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("define it with `ARG {shown}` or `ENV {shown}=...`"),
        };
        self.findings.say(rules::UNDEFINED_VAR, span, message, hint);
    }
}

/// Knows which variables there are, and no value.
struct Names<'a>(&'a Scopes<'a>);

impl Variables for Names<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        match self.0.find(name)? {
            Value::Declared => None,
            Value::Known(_) | Value::Unknown => Some(""),
        }
    }
}

/// Gives the value of a text of which each variable has a known one.
fn known(resolved: Resolved) -> Option<String> {
    let is_known = resolved.certain && resolved.unset.is_empty();
    is_known.then_some(resolved.value)
}

/// Writes a word as JSON does; it has nothing to be escaped.
fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}

fn is_absolute(path: &str) -> bool {
    let mut letters = path.chars();
    let drive = letters
        .next()
        .is_some_and(|letter| letter.is_ascii_alphabetic());
    let is_drive = drive && letters.next() == Some(':');
    path.starts_with(['/', '\\']) || is_drive
}

fn check_copied_secrets(copy: &Copy, source: &[u8], findings: &mut Findings<'_>) {
    secret::check_copy(copy, findings);
    for source in &copy.sources {
        if let Source::Path(path) = source {
            secret::check_url(path, findings);
        }
    }
    for source_of in &copy.sources {
        if let Source::Heredoc(heredoc) = source_of {
            secret::check_heredoc(heredoc, source, findings);
        }
    }
}

/// Lists the texts of an instruction in which variables are expanded.
fn expanded(kind: &Kind) -> Vec<&Text> {
    match kind {
        Kind::Add(copy) | Kind::Copy(copy) => copy_texts(copy),
        Kind::Arg(arguments) => {
            let defaults = arguments.iter().map(|argument| argument.default.as_ref());
            defaults.flatten().collect()
        }
        Kind::Env(pairs) | Kind::Label(pairs) => pairs
            .iter()
            .flat_map(|pair| [&pair.key, &pair.value])
            .collect(),
        Kind::Expose(texts) | Kind::Volume(texts) => texts.iter().collect(),
        Kind::Run(run) => mounts(&run.flags).collect(),
        Kind::StopSignal(text) | Kind::User(text) | Kind::Workdir(text) => vec![text],
        Kind::Cmd(_)
        | Kind::Entrypoint(_)
        | Kind::Healthcheck(_)
        | Kind::Maintainer(_)
        | Kind::Onbuild(_)
        | Kind::Shell(_) => Vec::new(),
    }
}

fn copy_texts(copy: &Copy) -> Vec<&Text> {
    let mut texts: Vec<&Text> = [&copy.chown, &copy.chmod].into_iter().flatten().collect();
    texts.extend(copy.flags.iter().filter_map(|flag| flag.value.as_ref()));
    texts.extend(copy.sources.iter().filter_map(|source| match source {
        Source::Path(path) => Some(path),
        Source::Heredoc(_) => None,
    }));
    texts.push(&copy.destination);
    texts
}

fn mounts(flags: &[Flag]) -> impl Iterator<Item = &Text> {
    let mounts = flags.iter().filter(|flag| flag.name == "mount");
    mounts.filter_map(|flag| flag.value.as_ref())
}
