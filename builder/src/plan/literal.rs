//! Values that stand in the file as they are: no variable can make them
//! right, so that they are checked before anything is built, by what also
//! checks them when their step is done.

use std::cell::Cell;

use dockerfile::{
    Copy, Diagnostic, Dockerfile, Escape, Instruction, Kind, Source, Span, Text, Variables,
};

use super::code;
use crate::error::{Error, ErrorKind};
use crate::fetch::{self, Checksum, Remote};
use crate::plan::excerpt;
use crate::step::copy::{self, Excluded};
use crate::step::{mode, not_empty, owner, port, remote, signal};

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
            Kind::Add(copy) => {
                self.copy(copy);
                self.add(copy);
            }
            Kind::Copy(copy) => {
                self.copy(copy);
                self.refuse_remote(copy);
            }
            Kind::Expose(ports) => ports.iter().for_each(|ports| self.ports(ports)),
            Kind::Onbuild(trigger) => self.instruction(trigger),
            Kind::StopSignal(signal) => self.value(signal, signal::check),
            Kind::User(user) => self.value(user, |user| not_empty("USER", user)),
            Kind::Workdir(path) => self.value(path, |path| not_empty("WORKDIR", path)),
            _ => {}
        }
    }

    fn copy(&mut self, copy: &Copy) {
        let keeps_parents = copy.keeps_parents();
        for source in &copy.sources {
            if let Source::Path(path) = source
                && !self.is_remote(path)
            {
                self.value(path, |path| copy::check_source(path, keeps_parents));
            }
        }
        if let Some(owner) = &copy.chown {
            self.value(owner, |text| match copy.is_link() {
                true => owner::find_number(text).map(drop),
                false => owner::split(text).map(drop),
            });
        }
        if let Some(mode) = &copy.chmod {
            self.value(mode, |text| mode::parse(text).map(drop));
        }
        for pattern in copy.excludes() {
            self.value(pattern, |text| Excluded::parse([text]).map(drop));
        }
        if !keeps_parents {
            self.destination(copy);
        }
    }

    /// Checks what only `ADD` has.
    fn add(&mut self, copy: &Copy) {
        let remotes: Vec<Option<Remote>> = copy
            .sources
            .iter()
            .map(|source| self.remote(source))
            .collect();
        self.refuse_schemes(copy);
        if let Some(text) = copy.checksum() {
            match remotes.as_slice() {
                [Some(Remote::Url(_))] => {
                    self.value(text, |text| text.parse::<Checksum>().map(drop));
                }
                [Some(Remote::Git(source))] => {
                    let source = source.clone();
                    self.value(text, |text| source.demanding(text).map(drop));
                }
                // What a variable names may be one thing that is fetched.
                [None] if self.is_open(copy.sources.first()) => {}
                _ => self.tell(text, Err(remote::no_use_of_checksum())),
            }
        }
        if copy.keep_git_dir() == Some(true) {
            let may_be = |(source, remote): (&Source, &Option<Remote>)| match remote {
                Some(remote) => matches!(remote, Remote::Git(_)),
                None => self.is_open(Some(source)),
            };
            if !copy.sources.iter().zip(&remotes).any(may_be) {
                let flag = copy.flags.iter().find(|flag| flag.name == "keep-git-dir");
                let span = flag.map_or(copy.destination.span(), |flag| flag.span);
                self.say(span, &remote::no_use_of_git_dir());
            }
        }
        for (source, remote) in copy.sources.iter().zip(remotes) {
            if let (Source::Path(text), Some(Remote::Git(remote)), Some(keep)) =
                (source, remote, copy.keep_git_dir())
            {
                self.tell(text, remote.keeping_git_dir(keep).map(drop));
            }
        }
    }

    /// Says that nothing is fetched by ways that are not known.
    fn refuse_schemes(&mut self, copy: &Copy) {
        for source in &copy.sources {
            if let Source::Path(text) = source
                && let Some(path) = self.literal(text)
                && let Some((scheme, _)) = path.split_once("://")
                && fetch::remote(&path).is_none()
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
            {
                let message = format!("nothing is fetched by `{}://`", excerpt(scheme));
                let error = Error::new(ErrorKind::Step, message);
                let hint = "`https://`, `http://`, `git://` and `ssh://` are known";
                self.tell(text, Err(error.with_hint(hint)));
            }
        }
    }

    /// Reads a source that is elsewhere, and says what is wrong with it.
    fn remote(&mut self, source: &Source) -> Option<Remote> {
        let Source::Path(text) = source else {
            return None;
        };
        match fetch::remote(&self.literal(text)?)? {
            Ok(remote) => Some(remote),
            Err(error) => {
                self.tell(text, Err(error));
                None
            }
        }
    }

    /// Says whether a source may become anything yet.
    fn is_open(&self, source: Option<&Source>) -> bool {
        matches!(source, Some(Source::Path(text)) if self.literal(text).is_none_or(|text| fetch::remote(&text).is_some()))
    }

    fn is_remote(&self, text: &Text) -> bool {
        let literal = self.literal(text);
        literal.is_some_and(|text| fetch::remote(&text).is_some())
    }

    /// Says that `COPY` fetches nothing.
    fn refuse_remote(&mut self, copy: &Copy) {
        for source in &copy.sources {
            if let Source::Path(text) = source
                && self.is_remote(text)
            {
                let message = "`COPY` takes no URLs and no git repositories";
                let error = Error::new(ErrorKind::Step, message);
                self.tell(text, Err(error.with_hint("`ADD` does")));
            }
        }
    }

    /// Checks whether the destination is a directory where it has to be one.
    fn destination(&mut self, copy: &Copy) {
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
        if let Err(error) = checked {
            self.say(text.span(), &error);
        }
    }

    fn say(&mut self, span: Span, error: &Error) {
        let code = match error.kind() {
            ErrorKind::Unsupported => code::UNSUPPORTED,
            _ => code::INVALID_VALUE,
        };
        let diagnostic = Diagnostic::error(code, span, error.to_string());
        self.diagnostics.push(match error.hint() {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        });
    }
}

#[cfg(test)]
mod tests;
