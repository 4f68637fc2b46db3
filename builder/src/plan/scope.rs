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

/// Arguments that have a value without being declared. `FROM` sees them, and
/// so it does what is given in their place.
pub(crate) const AUTOMATIC: [&str; 9] = [
    "BUILDARCH",
    "BUILDOS",
    "BUILDPLATFORM",
    "BUILDVARIANT",
    "TARGETARCH",
    "TARGETOS",
    "TARGETPLATFORM",
    "TARGETSTAGE",
    "TARGETVARIANT",
];

/// Arguments that need not be declared either, and that say how to build; see
/// where each is read. They do not become variables unless they are declared.
pub(crate) const OF_THE_BUILD: [&str; 3] = [
    // `true` as for `ADD --keep-git-dir`, for a context in a git repository.
    KEEP_GIT_DIR,
    // In place of `# check=`.
    "BUILDKIT_DOCKERFILE_CHECK",
    // In place of `# syntax=`.
    SYNTAX,
];
/// Says whether a context in a git repository keeps its `.git`.
pub(crate) const KEEP_GIT_DIR: &str = "BUILDKIT_CONTEXT_KEEP_GIT_DIR";
/// Names the version of the language, in place of `# syntax=`.
pub(crate) const SYNTAX: &str = "BUILDKIT_SYNTAX";

/// The value of `TARGETSTAGE` where nobody says which stage to build.
const DEFAULT_TARGET: &str = "default";

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
        arguments.add("TARGETSTAGE", wish.target.unwrap_or(DEFAULT_TARGET));
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
            self.add(&format!("{prefix}{name}"), &value);
        }
    }

    /// Adds what is true of the build, unless it is told otherwise.
    fn add(&mut self, name: &str, value: &str) {
        let given = self.given.get(name).map_or(value, String::as_str);
        self.automatic.insert(name.to_owned(), given.to_owned());
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
    /// Declares the arguments of one `ARG` in a stage: each sees the variables
    /// as they were above it.
    pub(crate) fn declare(
        &mut self,
        declared: &[Argument],
        arguments: &Arguments,
        runtime: &Runtime,
    ) -> Result<(), Error> {
        let mut values = Vec::with_capacity(declared.len());
        for argument in declared {
            let name = argument.name.as_str();
            let value = arguments
                .value_of(argument, &self.with(runtime))
                .map_err(|(text, error)| misexpanded(text, error))?;
            // A bare `ARG` takes over what is known outside of the stage.
            let value = value.or_else(|| arguments.value(name).map(str::to_owned));
            values.extend(value.map(|value| (name.to_owned(), value)));
        }
        self.declared.extend(values);
        Ok(())
    }

    /// Gives the arguments that are declared, with their values.
    pub(crate) fn declared(&self) -> &BTreeMap<String, String> {
        &self.declared
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
