//! Which variables an instruction sees (Dockerfile reference, "Scope" of
//! `ARG`, "Predefined ARGs" and "Automatic platform ARGs").

use std::collections::BTreeMap;

use dockerfile::{Argument, Diagnostic, Dockerfile, Escape, Variables};
use oci::Platform;

use crate::error::{Error, ErrorKind};
use crate::image::Runtime;
use crate::plan::{Wish, syntax};

/// Arguments that need not be declared for a value to be given. They are for
/// programs that are run, and never become part of an image by themselves.
pub(crate) const PREDEFINED: [&str; 11] = [
    "ALL_PROXY",
    "FTP_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SOURCE_DATE_EPOCH",
    "all_proxy",
    "ftp_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Holds the arguments that are known outside of stages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Arguments {
    escape: Escape,
    /// Values from outside.
    given: BTreeMap<String, String>,
    /// What is true of every build: the platforms.
    automatic: BTreeMap<String, String>,
    /// What is declared before the first `FROM`, with its value if it has one.
    declared: BTreeMap<String, Option<String>>,
}

impl Arguments {
    /// Works out the arguments before the first `FROM`, one after the other.
    pub(crate) fn new(
        file: &Dockerfile,
        wish: &Wish<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut arguments = Self {
            escape: file.escape,
            given: wish.arguments.clone(),
            automatic: BTreeMap::new(),
            declared: BTreeMap::new(),
        };
        arguments.add_platform("TARGET", wish.platform);
        arguments.add_platform("BUILD", wish.build_platform);
        for argument in &file.arguments {
            let value = match arguments.value_of(argument, &arguments) {
                Ok(value) => value,
                Err((text, error)) => {
                    diagnostics.push(syntax::diagnose(text, error));
                    None
                }
            };
            let name = argument.name.as_str().to_owned();
            let value = value.or_else(|| arguments.automatic.get(&name).cloned());
            arguments.declared.insert(name, value);
        }
        arguments
    }

    pub(crate) fn escape(&self) -> Escape {
        self.escape
    }

    fn add_platform(&mut self, prefix: &str, platform: &Platform) {
        let variant = platform.variant.clone().unwrap_or_default();
        for (name, value) in [
            ("PLATFORM", platform.to_string()),
            ("OS", platform.os.clone()),
            ("ARCH", platform.architecture.clone()),
            ("VARIANT", variant),
        ] {
            self.automatic.insert(format!("{prefix}{name}"), value);
        }
    }

    /// Gives an argument its value: from outside, or else its default.
    fn value_of<'a>(
        &self,
        argument: &'a Argument,
        variables: &dyn Variables,
    ) -> Result<Option<String>, (&'a dockerfile::Text, dockerfile::ExpandError)> {
        if let Some(given) = self.given.get(argument.name.as_str()) {
            return Ok(Some(given.clone()));
        }
        let Some(default) = &argument.default else {
            return Ok(None);
        };
        dockerfile::expand_word(default.as_str(), self.escape, variables)
            .map(|expanded| Some(expanded.value))
            .map_err(|error| (default, error))
    }
}

impl Variables for Arguments {
    fn value(&self, name: &str) -> Option<&str> {
        match self.declared.get(name) {
            Some(value) => value.as_deref(),
            None => self.automatic.get(name).map(String::as_str),
        }
    }
}

/// Holds the arguments that a stage has declared so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Scope {
    declared: BTreeMap<String, String>,
}

impl Scope {
    /// Declares an argument in a stage.
    pub(crate) fn declare(
        &mut self,
        argument: &Argument,
        arguments: &Arguments,
        runtime: &Runtime,
    ) -> Result<(), Error> {
        let name = argument.name.as_str();
        let value = arguments
            .value_of(argument, &self.with(runtime))
            .map_err(|(text, error)| misexpanded(text, error))?;
        // A bare `ARG` takes over what is known outside of the stage.
        match value.or_else(|| arguments.value(name).map(str::to_owned)) {
            Some(value) => self.declared.insert(name.to_owned(), value),
            None => None,
        };
        Ok(())
    }

    /// Gives the variables that an instruction sees: the environment before
    /// the arguments.
    pub(crate) fn with<'a>(&'a self, runtime: &'a Runtime) -> Visible<'a> {
        Visible {
            scope: self,
            runtime,
        }
    }
}

/// Holds the variables that an instruction sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visible<'a> {
    scope: &'a Scope,
    runtime: &'a Runtime,
}

impl Variables for Visible<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.runtime
            .variable(name)
            .or_else(|| self.scope.declared.get(name).map(String::as_str))
    }
}

/// Reports a text that can not be expanded.
pub(crate) fn misexpanded(text: &dockerfile::Text, error: dockerfile::ExpandError) -> Error {
    let diagnostic = syntax::diagnose(text, error);
    let error = Error::new(ErrorKind::Step, diagnostic.message).at(diagnostic.span);
    match diagnostic.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
