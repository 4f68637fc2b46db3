//! Which variables are known where, as far as a file and what is known from
//! outside can say it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{Argument, Dockerfile, Escape, Pair};
use crate::check::platform::Platform;
use crate::check::{BaseFacts, Facts};
use crate::expand::{Variables, expand_word};

/// Is how many bytes of a value are kept; what is longer counts as not known.
const MAX_VALUE: usize = 1 << 10;
/// Arguments that every build knows, in `FROM` and wherever they are declared.
const AUTOMATIC: [&str; 11] = [
    "BUILDARCH",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDPLATFORM",
    "BUILDVARIANT",
    "TARGETARCH",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETPLATFORM",
    "TARGETSTAGE",
    "TARGETVARIANT",
];
/// The variable that every image has.
const PATH: &str = "PATH";

/// Is what is known of the value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// It is this.
    Known(String),
    /// It is set to something.
    Unknown,
    /// It is declared and may have no value.
    Declared,
}

impl Value {
    fn new(value: String, certain: bool) -> Self {
        if certain && value.len() <= MAX_VALUE {
            Self::Known(value)
        } else {
            Self::Unknown
        }
    }
}

/// Is a text with the values of its variables in it.
#[derive(Debug)]
pub(super) struct Resolved {
    /// What it says, if `certain` is set.
    pub(super) value: String,
    /// Each of its variables is known.
    pub(super) certain: bool,
    /// The variables it uses that are not set.
    pub(super) unset: Vec<String>,
    /// All variables it looks at.
    pub(super) used: BTreeSet<String>,
}

/// Looks variables up, and remembers which.
struct Lookup<'f, 'a> {
    find: &'f dyn Fn(&str) -> Option<&'a Value>,
    certain: Cell<bool>,
    used: RefCell<BTreeSet<String>>,
}

impl Variables for Lookup<'_, '_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.used.borrow_mut().insert(name.to_owned());
        match (self.find)(name)? {
            Value::Known(value) => Some(value),
            Value::Unknown => {
                self.certain.set(false);
                Some("")
            }
            Value::Declared => None,
        }
    }
}

/// Expands a text; one that can not be expanded gives nothing.
fn resolve<'a>(
    text: &str,
    escape: Escape,
    find: &dyn Fn(&str) -> Option<&'a Value>,
) -> Option<Resolved> {
    let lookup = Lookup {
        find,
        certain: Cell::new(true),
        used: RefCell::default(),
    };
    let expanded = expand_word(text, escape, &lookup).ok()?;
    Some(Resolved {
        value: expanded.value,
        certain: lookup.certain.get(),
        unset: expanded.unset,
        used: lookup.used.into_inner(),
    })
}

/// Holds the arguments outside of stages.
#[derive(Debug)]
pub(super) struct Globals {
    escape: Escape,
    values: BTreeMap<String, Value>,
    /// Those that the file declares.
    declared: BTreeSet<String>,
}

impl Globals {
    /// Reads the arguments above the first stage with the values that are
    /// given to them.
    pub(super) fn new(file: &Dockerfile, facts: &Facts<'_>) -> Self {
        Self::read(file, &facts.arguments, &facts.target_platform)
    }

    /// Reads the arguments above the first stage as if no values were given.
    pub(super) fn defaults(file: &Dockerfile, facts: &Facts<'_>) -> Self {
        Self::read(file, &BTreeMap::new(), &facts.target_platform)
    }

    fn read(file: &Dockerfile, given: &BTreeMap<String, String>, target: &str) -> Self {
        let mut globals = Self {
            escape: file.escape,
            values: automatic(target),
            declared: BTreeSet::new(),
        };
        for argument in &file.arguments {
            let name = argument.name.as_str();
            let value = match (given.get(name), &argument.default) {
                (Some(given), _) => Value::new(given.clone(), true),
                (None, Some(default)) => globals
                    .resolve(default.as_str())
                    .map_or(Value::Unknown, |it| Value::new(it.value, it.certain)),
                (None, None) => globals.values.get(name).cloned().unwrap_or(Value::Declared),
            };
            globals.values.insert(name.to_owned(), value);
            globals.declared.insert(name.to_owned());
        }
        globals
    }

    /// Expands a text of a `FROM`.
    pub(super) fn resolve(&self, text: &str) -> Option<Resolved> {
        resolve(text, self.escape, &|name| self.values.get(name))
    }

    /// Says whether the file declares an argument.
    pub(super) fn declares(&self, name: &str) -> bool {
        self.declared.contains(name)
    }

    /// Lists the names of all arguments.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

/// Gives the arguments that every build knows.
fn automatic(target: &str) -> BTreeMap<String, Value> {
    let mut values: BTreeMap<String, Value> = AUTOMATIC
        .iter()
        .map(|name| ((*name).to_owned(), Value::Unknown))
        .collect();
    if let Some(platform) = Platform::parse(target) {
        let known = [
            ("TARGETPLATFORM", target.to_owned()),
            ("TARGETOS", platform.os),
            ("TARGETARCH", platform.architecture),
            ("TARGETVARIANT", platform.variant),
        ];
        for (name, value) in known {
            values.insert(name.to_owned(), Value::new(value, true));
        }
    }
    values
}

/// Holds the variables of one stage; those it has from a stage above are
/// looked up there.
#[derive(Debug, Default)]
struct Stage<'a> {
    /// The stage it starts from, or else one further up that has variables.
    above: Option<usize>,
    /// The names of the variables of its image.
    image: Option<&'a BTreeSet<String>>,
    /// Every variable of its image is known by name.
    complete: bool,
    environment: BTreeMap<String, Value>,
    arguments: BTreeMap<String, Value>,
}

/// Holds the variables of all stages so far; the last one is being read.
#[derive(Debug)]
pub(super) struct Scopes<'a> {
    escape: Escape,
    globals: &'a Globals,
    given: &'a BTreeMap<String, String>,
    stages: Vec<Stage<'a>>,
    /// Is the value of a variable of an image.
    of_image: Value,
}

/// Says what a stage starts from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// Nothing.
    Scratch,
    /// A stage above.
    Stage(usize),
    /// An image of which this is known.
    Image(&'a BaseFacts),
    /// An image of which nothing is known.
    Unknown,
}

impl<'a> Scopes<'a> {
    /// Makes one without stages.
    pub(super) fn new(
        escape: Escape,
        globals: &'a Globals,
        given: &'a BTreeMap<String, String>,
    ) -> Self {
        Self {
            escape,
            globals,
            given,
            stages: Vec::new(),
            of_image: Value::Unknown,
        }
    }

    /// Begins the next stage.
    pub(super) fn begin(&mut self, origin: Origin<'a>) {
        let mut stage = Stage::default();
        match origin {
            Origin::Scratch => stage.complete = true,
            Origin::Image(facts) => {
                stage.complete = true;
                stage.image = Some(&facts.variables);
            }
            Origin::Stage(above) => {
                if let Some(other) = self.stages.get(above) {
                    stage.complete = other.complete;
                    let own = !other.environment.is_empty() || !other.arguments.is_empty();
                    let is_link = own || other.image.is_some();
                    stage.above = if is_link { Some(above) } else { other.above };
                }
            }
            Origin::Unknown => {}
        }
        self.stages.push(stage);
    }

    /// Says whether all variables of the stage are known by name.
    pub(super) fn is_complete(&self) -> bool {
        self.stages.last().is_some_and(|stage| stage.complete)
    }

    /// Says whether a name is known outside of stages.
    pub(super) fn is_global(&self, name: &str) -> bool {
        self.globals.values.contains_key(name)
    }

    /// Expands a text of an instruction.
    pub(super) fn resolve(&self, text: &str) -> Option<Resolved> {
        let mut resolved = resolve(text, self.escape, &|name| self.find(name))?;
        if !self.is_complete() {
            let known = |name: &String| self.find(name).is_some();
            resolved.certain &= resolved.used.iter().all(known);
        }
        Some(resolved)
    }

    /// Finds a variable: the environment comes before the arguments.
    pub(super) fn find(&self, name: &str) -> Option<&Value> {
        let environment = self
            .chain()
            .find_map(|stage| self.in_environment(stage, name));
        if environment.is_some() {
            return environment;
        }
        if name == PATH {
            return Some(&self.of_image);
        }
        self.chain().find_map(|stage| stage.arguments.get(name))
    }

    fn in_environment<'b>(&'b self, stage: &'b Stage<'a>, name: &str) -> Option<&'b Value> {
        let of_image = || {
            stage
                .image
                .is_some_and(|names| names.contains(name))
                .then_some(&self.of_image)
        };
        stage.environment.get(name).or_else(of_image)
    }

    /// Walks from the stage being read to those it starts from.
    fn chain(&self) -> impl Iterator<Item = &Stage<'a>> {
        let first = self.stages.last();
        std::iter::successors(first, |stage| self.stages.get(stage.above?))
    }

    /// Lists the names of all variables.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.chain().flat_map(|stage| {
            let image = stage.image.into_iter().flatten();
            let names = stage.environment.keys().chain(stage.arguments.keys());
            names.chain(image).map(String::as_str)
        });
        own.chain([PATH])
    }

    /// Adds what an `ENV` sets. All its values see what was set before it.
    pub(super) fn set(&mut self, pairs: &[Pair]) {
        let values: Vec<(Option<Resolved>, Value)> = pairs
            .iter()
            .map(|pair| {
                let value = self.resolve(pair.value.as_str());
                let value = value.map_or(Value::Unknown, |it| Value::new(it.value, it.certain));
                (self.resolve(pair.key.as_str()), value)
            })
            .collect();
        let Some(stage) = self.stages.last_mut() else {
            return;
        };
        for (key, value) in values {
            match key {
                Some(key) if key.certain => {
                    stage.environment.insert(key.value, value);
                }
                // It may be any variable.
                _ => stage.complete = false,
            }
        }
    }

    /// Adds what an `ARG` declares.
    pub(super) fn declare(&mut self, argument: &Argument) {
        let name = argument.name.as_str();
        let value = match (self.given.get(name), &argument.default) {
            (Some(given), _) => Value::new(given.clone(), true),
            (None, Some(default)) => self
                .resolve(default.as_str())
                .map_or(Value::Unknown, |it| Value::new(it.value, it.certain)),
            (None, None) => match self.globals.values.get(name) {
                Some(value) => value.clone(),
                // A value may be given without the file's knowledge.
                None if name.to_ascii_lowercase().ends_with("_proxy") => Value::Unknown,
                None => Value::Declared,
            },
        };
        if let Some(stage) = self.stages.last_mut() {
            stage.arguments.insert(name.to_owned(), value);
        }
    }
}
