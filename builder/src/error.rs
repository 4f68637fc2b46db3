//! The error of a build.

use std::fmt;

use client::BoxError;
use dockerfile::{Diagnostic, Span};
use oci::ImageName;

/// Says what a caller can do about a failed build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The Dockerfile or the ignore file has mistakes; see
    /// [`Error::diagnostics`].
    Mistakes,
    /// An instruction can not be done with what is there: a file is missing,
    /// a name is not in the image.
    Step,
    /// The context can not be read, or is not of the form that it should be.
    Context,
    /// There is no such Dockerfile, or nothing of such a name to copy.
    NotFound,
    /// A layer is not what the config of its image promises, or what was
    /// fetched not what its checksum says.
    Mismatch,
    /// A file of the context changed while it was read.
    Changed,
    /// What was asked for is known, but not done.
    Unsupported,
    /// A base, the library or an output failed; the cause says how.
    Image,
    /// A URL or a git repository can not be had.
    Fetch,
    /// Commands can not be run here, or the sandbox broke.
    Sandbox,
    /// A command failed, or was killed.
    Command,
    /// A file or directory can not be read or written.
    Storage,
}

/// Reports a build that failed: doing what, and where in the Dockerfile.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    place: Place,
    hint: Option<String>,
    base: Option<Box<ImageName>>,
    warnings: Vec<Diagnostic>,
    source: Option<BoxError>,
}

/// Says where an error has its reason.
#[derive(Debug, Clone, Default)]
enum Place {
    /// Not in a file.
    #[default]
    Nowhere,
    /// At one place in the Dockerfile.
    Dockerfile(Span),
    /// At every place that a diagnostic names.
    Mistakes(Mistaken, Vec<Diagnostic>),
}

/// Names the file that mistakes are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistaken {
    /// The Dockerfile.
    Dockerfile,
    /// The ignore file.
    IgnoreFile,
}

impl Error {
    /// Says what can be done about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Gives the place in the Dockerfile that the error is about.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        match &self.place {
            Place::Dockerfile(span) => Some(*span),
            Place::Nowhere | Place::Mistakes(..) => None,
        }
    }

    /// Says what would help.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Names the image that `FROM` or `COPY --from` asks for, where it was the
    /// one that could not be had.
    #[must_use]
    pub fn base(&self) -> Option<&ImageName> {
        self.base.as_deref()
    }

    /// Lists what there is to say of a Dockerfile that could be planned, and
    /// whose build failed at a step.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Lists the mistakes of a file, warnings among them, where there are any.
    #[must_use]
    pub fn diagnostics(&self) -> Option<(Mistaken, &[Diagnostic])> {
        match &self.place {
            Place::Mistakes(file, diagnostics) => Some((*file, diagnostics)),
            Place::Nowhere | Place::Dockerfile(_) => None,
        }
    }

    pub(crate) fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self {
            kind,
            context: context.into(),
            place: Place::Nowhere,
            hint: None,
            base: None,
            warnings: Vec::new(),
            source: None,
        }
    }

    pub(crate) fn caused(
        kind: ErrorKind,
        context: impl Into<String>,
        source: impl Into<BoxError>,
    ) -> Self {
        Self {
            source: Some(source.into()),
            ..Self::new(kind, context)
        }
    }

    /// Reports what the layers said.
    pub(crate) fn layer(context: impl Into<String>, source: layer::Error) -> Self {
        let kind = match source.kind() {
            layer::ErrorKind::Changed => ErrorKind::Changed,
            layer::ErrorKind::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::Storage,
        };
        Self::caused(kind, context, source)
    }

    /// Reports what the library, a registry or another place of images said.
    pub(crate) fn image(context: impl Into<String>, source: image::Error) -> Self {
        Self::caused(ErrorKind::Image, context, source)
    }

    /// Reports all mistakes of a file.
    pub(crate) fn mistakes(file: Mistaken, diagnostics: Vec<Diagnostic>) -> Self {
        let errors = diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == dockerfile::Severity::Error)
            .count();
        let plural = if errors == 1 { "mistake" } else { "mistakes" };
        let name = match file {
            Mistaken::Dockerfile => "the Dockerfile",
            Mistaken::IgnoreFile => "the ignore file",
        };
        Self {
            place: Place::Mistakes(file, diagnostics),
            ..Self::new(ErrorKind::Mistakes, format!("{name} has {errors} {plural}"))
        }
    }

    /// Says where in the Dockerfile it happened, unless that is known more
    /// closely.
    pub(crate) fn at(mut self, span: Span) -> Self {
        if matches!(self.place, Place::Nowhere) {
            self.place = Place::Dockerfile(span);
        }
        self
    }

    /// Says what there was to say of the Dockerfile.
    pub(crate) fn after(mut self, warnings: Vec<Diagnostic>) -> Self {
        self.warnings = warnings;
        self
    }

    /// Says which image could not be had.
    pub(crate) fn of_base(mut self, name: &ImageName) -> Self {
        self.base = Some(Box::new(name.clone()));
        self
    }

    /// Says the same in other words.
    pub(crate) fn saying(mut self, context: impl Into<String>) -> Self {
        self.context = context.into();
        self
    }

    /// Says what would help.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Reports what the writer of layers said of the whole; who hands in entries
/// says more of each.
impl From<layer::Error> for Error {
    fn from(source: layer::Error) -> Self {
        Self::layer("the layer can not be packed", source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
