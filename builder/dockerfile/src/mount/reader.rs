//! From the options of a mount to what they ask for, or all that is wrong.

use std::ops::Range;

use crate::diagnostic::excerpt;
use crate::mount::option::Key;
use crate::mount::{Mount, MountError, MountKind, fields, value};
use crate::parse::nearest;

/// Is what can be known of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// What it says.
    Value(String),
    /// It depends on variables: what it says is known later.
    Later,
}

/// Says what a value is, or why it can have none.
pub(super) type Expand<'a> = dyn FnMut(&str, Range<usize>) -> Result<Known, MountError> + 'a;

/// Is one option with what can be known of it.
#[derive(Debug)]
struct Given {
    key: Key,
    /// How it is spelled.
    name: String,
    /// As it is written; none for a switch alone.
    written: Option<String>,
    value: Known,
    /// Where its name stands.
    name_range: Range<usize>,
    /// Where its value stands, or else its name.
    value_range: Range<usize>,
}

/// Reads one mount.
#[derive(Debug)]
pub(super) struct Reader {
    given: Vec<Given>,
    errors: Vec<MountError>,
    /// Some option was not understood: it could have said what the mount is.
    broken: bool,
    /// Where the whole value stands.
    whole: Range<usize>,
}

impl Reader {
    /// Reads the options; `expand` gives what their values are.
    pub(super) fn read(text: &str, expand: &mut Expand<'_>) -> Self {
        let mut reader = Self {
            given: Vec::new(),
            errors: Vec::new(),
            broken: false,
            whole: 0..text.len(),
        };
        match fields::split(text) {
            Err(error) => reader.errors.push(error),
            Ok(fields) => {
                for field in &fields {
                    match option(field, expand) {
                        Ok(given) => reader.given.push(given),
                        Err(error) => reader.errors.push(error),
                    }
                }
            }
        }
        reader.broken = !reader.errors.is_empty();
        reader
    }

    /// Says that `from` can not be expanded: which stages a build needs is known
    /// before any variable is.
    pub(super) fn check_from(&mut self) {
        for given in self.given.iter().filter(|given| given.key == Key::From) {
            // A `$` at the end is one of the name.
            let written = given.written.as_deref().unwrap_or_default();
            let at = written.find('$').unwrap_or(written.len());
            if at + 1 < written.len() {
                self.errors.push(MountError::new(
                    given.value_range.clone(),
                    "`from` can not have a variable",
                    "give the image a stage: `FROM IMAGE AS NAME`, and write `from=NAME`",
                ));
            }
        }
    }

    /// Makes the mount of the options. Without an error there is none only if a
    /// value is known later.
    pub(super) fn mount(mut self) -> Result<Mount, Vec<MountError>> {
        let later = self.given.iter().any(|given| given.value == Known::Later);
        let kind = self.kind().filter(|_| !self.broken);
        let mut mount = self.options(kind);
        if let Some(kind) = kind {
            self.check_kind(kind);
            self.complete(&mut mount);
        }
        if later || !self.errors.is_empty() {
            self.errors.sort_by_key(|error| error.range.start);
            return Err(self.errors);
        }
        Ok(mount)
    }

    /// Gives what is mounted, if that is known.
    fn kind(&mut self) -> Option<MountKind> {
        match self.last(Key::Type).map(|given| &given.value) {
            None => Some(MountKind::default()),
            Some(Known::Later) => None,
            Some(Known::Value(_)) => self.parsed(Key::Type, value::kind),
        }
    }

    /// Reads every value that is known.
    fn options(&mut self, kind: Option<MountKind>) -> Mount {
        Mount {
            kind: kind.unwrap_or_default(),
            target: self.text(Key::Target),
            source: self.text(Key::Source),
            from: self.text(Key::From),
            id: self.text(Key::Id),
            read_only: self.read_only(kind.unwrap_or_default()),
            required: self.parsed(Key::Required, value::truth).unwrap_or(false),
            mode: self.parsed(Key::Mode, value::mode),
            uid: self.parsed(Key::Uid, value::number),
            gid: self.parsed(Key::Gid, value::number),
            size: self
                .parsed(Key::Size, value::size)
                .filter(|size| *size != 0),
            sharing: self
                .parsed(Key::Sharing, value::sharing)
                .unwrap_or_default(),
            env: self.parsed(Key::Env, variable),
        }
    }

    /// Says whether what is mounted can not be written to: the last option that
    /// says so counts.
    fn read_only(&mut self, kind: MountKind) -> bool {
        let only = self.parsed(Key::ReadOnly, value::truth);
        let write = self
            .parsed(Key::ReadWrite, value::truth)
            .map(|write| !write);
        let last = self
            .given
            .iter()
            .rev()
            .find(|given| matches!(given.key, Key::ReadOnly | Key::ReadWrite));
        let said = match last.map(|given| given.key) {
            Some(Key::ReadOnly) => only,
            _ => write,
        };
        said.unwrap_or(!matches!(kind, MountKind::Cache | MountKind::Tmpfs))
    }

    /// Says which options are none of the kind's.
    fn check_kind(&mut self, kind: MountKind) {
        for given in &self.given {
            let kinds = given.key.kinds();
            if kinds.contains(&kind) {
                continue;
            }
            let takers: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            let own = Key::of(kind).join("`, `");
            self.errors.push(MountError::new(
                given.name_range.clone(),
                format!(
                    "a mount of type `{}` does not take `{}`",
                    kind.name(),
                    excerpt(&given.name)
                ),
                format!(
                    "`{}` belongs to `{}`; `{}` takes `{own}`",
                    excerpt(&given.name),
                    takers.join("`, `"),
                    kind.name()
                ),
            ));
        }
    }

    /// Puts defaults where nothing is said, and says what is missing.
    fn complete(&mut self, mount: &mut Mount) {
        match mount.kind {
            MountKind::Bind | MountKind::Tmpfs => self.check_target(mount),
            MountKind::Cache => {
                self.check_target(mount);
                let target = mount.target.as_deref();
                mount.id = mount.id.take().or_else(|| target.map(clean));
            }
            MountKind::Ssh => {
                mount.id.get_or_insert_with(|| "default".to_owned());
            }
            MountKind::Secret => self.complete_secret(mount),
        }
    }

    fn complete_secret(&mut self, mount: &mut Mount) {
        let range = self.last(Key::Source).map(|given| given.name_range.clone());
        if let (Some(range), Some(_), Some(_)) = (range, &mount.source, &mount.id) {
            self.errors.push(MountError::new(
                range,
                "`source` and `id` of a secret are one thing",
                "delete one of the two",
            ));
        }
        let named = mount.id.take().or_else(|| mount.source.take());
        mount.source = None;
        mount.id = named.or_else(|| mount.target.as_deref().map(base));
        let later = [Key::Id, Key::Source, Key::Target]
            .into_iter()
            .any(|key| self.is_later(key));
        let Some(id) = &mount.id else {
            if !later {
                self.errors.push(MountError::new(
                    self.whole.clone(),
                    "the secret has no name",
                    "write `id=NAME`, as `--secret id=NAME` has it",
                ));
            }
            return;
        };
        if mount.target.is_none() && mount.env.is_none() {
            mount.target = Some(format!("/run/secrets/{}", base(id)));
        }
    }

    /// Says that a mount has no place, or takes the place of everything.
    fn check_target(&mut self, mount: &Mount) {
        let Some(target) = &mount.target else {
            if !self.is_later(Key::Target) {
                self.errors.push(MountError::new(
                    self.whole.clone(),
                    format!("a mount of type `{}` lacks `target`", mount.kind.name()),
                    "write `target=PATH`; `target=.` is the working directory",
                ));
            }
            return;
        };
        if target.starts_with('/') && clean(target) == "/" {
            let range = self
                .last(Key::Target)
                .map(|given| given.value_range.clone());
            self.errors.push(MountError::new(
                range.unwrap_or_else(|| self.whole.clone()),
                "`/` can not be the target of a mount",
                "choose a directory in it",
            ));
        }
    }

    /// Gives the option that counts.
    fn last(&self, key: Key) -> Option<&Given> {
        self.given.iter().rev().find(|given| given.key == key)
    }

    fn is_later(&self, key: Key) -> bool {
        self.last(key)
            .is_some_and(|given| given.value == Known::Later)
    }

    /// Gives a value as it is; an empty one is none.
    fn text(&self, key: Key) -> Option<String> {
        match &self.last(key)?.value {
            Known::Value(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    /// Reads every value of a key, and gives the last.
    fn parsed<T>(&mut self, key: Key, read: fn(&str) -> Result<T, String>) -> Option<T> {
        let mut last = None;
        for given in self.given.iter().filter(|given| given.key == key) {
            let Known::Value(text) = &given.value else {
                last = None;
                continue;
            };
            // A switch alone.
            let text = if given.written.is_none() {
                "true"
            } else {
                text
            };
            let name = &given.name;
            let message = match read(text) {
                Ok(value) => {
                    last = Some(value);
                    continue;
                }
                Err(hint) if text.is_empty() => (format!("the value of `{name}` is empty"), hint),
                Err(hint) => {
                    let shown = excerpt(text);
                    (format!("`{shown}` is not a value of `{name}`"), hint)
                }
            };
            let range = given.value_range.clone();
            self.errors
                .push(MountError::new(range, message.0, message.1));
        }
        last
    }
}

/// Reads one option.
fn option(field: &fields::Field, expand: &mut Expand<'_>) -> Result<Given, MountError> {
    let (name, written) = field.split();
    let shown = excerpt(&name);
    if field.text.is_empty() {
        return Err(MountError::new(
            field.range.clone(),
            "an option is empty",
            "between options stands one comma and no blank, and none at the end",
        ));
    }
    let Some(key) = Key::find(&name) else {
        let names = Key::names();
        let hint = match nearest(&name, &names) {
            _ if name.trim() != name => "no blanks stand between options".to_owned(),
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the options are `{}`", names.join("`, `")),
        };
        let message = format!("a mount has no option `{shown}`");
        return Err(MountError::new(field.key_range(), message, hint));
    };
    let value = match written {
        Some(value) => expand(value, field.value_range())?,
        None if key.is_switch() => Known::Value(String::new()),
        None => {
            let message = format!("the option `{shown}` has no value");
            let hint = format!("write `{shown}=VALUE`");
            return Err(MountError::new(field.range.clone(), message, hint));
        }
    };
    Ok(Given {
        key,
        written: written.map(str::to_owned),
        value,
        name_range: field.key_range(),
        value_range: field.value_range(),
        name,
    })
}

/// Reads the name of an environment variable.
fn variable(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(['=', '\0']) {
        return Err("it is the name of a variable, such as `TOKEN`".to_owned());
    }
    Ok(text.to_owned())
}

/// Gives the last part of a path.
fn base(path: &str) -> String {
    let part = path.trim_end_matches('/').rsplit('/').next();
    let part = part.filter(|part| !part.is_empty());
    part.unwrap_or("/").to_owned()
}

/// Gives a path without what leads nowhere: `.`, `..` and repeated slashes.
fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
