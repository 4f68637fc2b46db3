//! Values that stand in the file as they are: no variable can make them
//! right, so that they are checked before anything is built, by what also
//! checks them when their step is done.

use std::cell::Cell;

use dockerfile::{
    Copy, Diagnostic, Dockerfile, Escape, Instruction, Kind, Source, Text, Variables,
};

use super::code;
use crate::error::{Error, ErrorKind};
use crate::step::{copy, mode, not_empty, owner, port, signal};

/// Finds values that are none.
pub(crate) fn check(file: &Dockerfile, diagnostics: &mut Vec<Diagnostic>) {
    let mut checking = Checking {
        escape: file.escape,
        diagnostics,
    };
    for stage in &file.stages {
        for instruction in &stage.instructions {
            checking.instruction(instruction);
        }
    }
}

/// Gives no variable a value, and remembers that one was asked for.
#[derive(Default)]
struct Asked(Cell<bool>);

impl Variables for Asked {
    fn value(&self, _: &str) -> Option<&str> {
        self.0.set(true);
        None
    }
}

/// Is the check of a file under way.
struct Checking<'a> {
    escape: Escape,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Checking<'_> {
    fn instruction(&mut self, instruction: &Instruction) {
        match &instruction.kind {
            Kind::Add(copy) | Kind::Copy(copy) => self.copy(copy),
            Kind::Expose(ports) => ports.iter().for_each(|ports| self.ports(ports)),
            Kind::StopSignal(signal) => self.value(signal, signal::check),
            Kind::User(user) => self.value(user, |user| not_empty("USER", user)),
            Kind::Workdir(path) => self.value(path, |path| not_empty("WORKDIR", path)),
            _ => {}
        }
    }

    fn copy(&mut self, copy: &Copy) {
        for source in &copy.sources {
            if let Source::Path(path) = source {
                self.value(path, copy::check_source);
            }
        }
        if let Some(owner) = &copy.chown {
            self.value(owner, |text| owner::split(text).map(drop));
        }
        if let Some(mode) = &copy.chmod {
            self.value(mode, |text| mode::parse(text).map(drop));
        }
        // A pattern may find a single thing.
        let certain = copy.sources.iter().filter(|source| match source {
            Source::Path(path) => {
                let path = self.literal(path);
                path.is_some_and(|path| !copy::is_pattern(&path))
            }
            Source::Heredoc(_) => true,
        });
        let count = certain.count();
        let has_comment = copy
            .sources
            .iter()
            .any(|source| matches!(source, Source::Path(path) if path.as_str().starts_with('#')));
        self.value(&copy.destination, |path| match count {
            2.. if !path.ends_with('/') => {
                let error = copy::no_directory(path, count);
                Err(match has_comment {
                    true => error.with_hint(copy::COMMENT_HINT),
                    false => error,
                })
            }
            _ => Ok(()),
        });
    }

    fn ports(&mut self, text: &Text) {
        let asked = Asked::default();
        let words = dockerfile::expand_words(text.as_str(), self.escape, &asked);
        // What can not be expanded was told already.
        let words = words.ok().filter(|_| !asked.0.get()).unwrap_or_default();
        for word in words {
            self.tell(text, port::parse(&word).map(drop));
        }
    }

    /// Checks a value that no variable is in.
    fn value(&mut self, text: &Text, check: impl FnOnce(&str) -> Result<(), Error>) {
        if let Some(value) = self.literal(text) {
            self.tell(text, check(&value));
        }
    }

    fn literal(&self, text: &Text) -> Option<String> {
        let asked = Asked::default();
        let expanded = dockerfile::expand_word(text.as_str(), self.escape, &asked).ok()?;
        (!asked.0.get()).then_some(expanded.value)
    }

    fn tell(&mut self, text: &Text, checked: Result<(), Error>) {
        let Err(error) = checked else { return };
        let code = match error.kind() {
            ErrorKind::Unsupported => code::UNSUPPORTED,
            _ => code::INVALID_VALUE,
        };
        let diagnostic = Diagnostic::error(code, text.span(), error.to_string());
        self.diagnostics.push(match error.hint() {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        });
    }
}
