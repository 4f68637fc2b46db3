//! The instructions and their flags, by name.

/// Is the first word of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keyword {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
}

/// Is a flag that an instruction takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// Its name, without `--`.
    pub(crate) name: &'static str,
    pub(crate) form: Form,
}

/// Says what a flag takes, and how often it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `true`, `false` or no value.
    Switch,
    /// Any value.
    Text,
    /// Any value, any number of times.
    Texts,
    /// One of a few values.
    Choice(&'static [&'static str]),
    /// A time such as `1m30s`.
    Duration,
    /// A number from 0.
    Count,
}

const fn rule(name: &'static str, form: Form) -> Rule {
    Rule { name, form }
}

const ADD: &[Rule] = &[
    rule("checksum", Form::Text),
    rule("chmod", Form::Text),
    rule("chown", Form::Text),
    rule("exclude", Form::Texts),
    rule("keep-git-dir", Form::Switch),
    rule("link", Form::Switch),
    rule("unpack", Form::Switch),
];
const COPY: &[Rule] = &[
    rule("chmod", Form::Text),
    rule("chown", Form::Text),
    rule("exclude", Form::Texts),
    rule("from", Form::Text),
    rule("link", Form::Switch),
    rule("parents", Form::Switch),
];
const FROM: &[Rule] = &[rule("platform", Form::Text)];
const HEALTHCHECK: &[Rule] = &[
    rule("interval", Form::Duration),
    rule("retries", Form::Count),
    rule("start-interval", Form::Duration),
    rule("start-period", Form::Duration),
    rule("timeout", Form::Duration),
];
const RUN: &[Rule] = &[
    rule("mount", Form::Texts),
    rule("network", Form::Choice(&["default", "host", "none"])),
    rule("security", Form::Choice(&["insecure", "sandbox"])),
];

impl Keyword {
    /// Every one, in the order of the alphabet.
    pub(crate) const ALL: [Self; 18] = [
        Self::Add,
        Self::Arg,
        Self::Cmd,
        Self::Copy,
        Self::Entrypoint,
        Self::Env,
        Self::Expose,
        Self::From,
        Self::Healthcheck,
        Self::Label,
        Self::Maintainer,
        Self::Onbuild,
        Self::Run,
        Self::Shell,
        Self::StopSignal,
        Self::User,
        Self::Volume,
        Self::Workdir,
    ];

    /// Finds one by its name, in any case.
    pub(crate) fn find(word: &str) -> Option<Self> {
        let is = |keyword: &Self| keyword.name().eq_ignore_ascii_case(word);
        Self::ALL.into_iter().find(is)
    }

    /// Gives its name, in capitals.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Arg => "ARG",
            Self::Cmd => "CMD",
            Self::Copy => "COPY",
            Self::Entrypoint => "ENTRYPOINT",
            Self::Env => "ENV",
            Self::Expose => "EXPOSE",
            Self::From => "FROM",
            Self::Healthcheck => "HEALTHCHECK",
            Self::Label => "LABEL",
            Self::Maintainer => "MAINTAINER",
            Self::Onbuild => "ONBUILD",
            Self::Run => "RUN",
            Self::Shell => "SHELL",
            Self::StopSignal => "STOPSIGNAL",
            Self::User => "USER",
            Self::Volume => "VOLUME",
            Self::Workdir => "WORKDIR",
        }
    }

    /// Lists the flags it takes.
    pub(crate) fn flags(self) -> &'static [Rule] {
        match self {
            Self::Add => ADD,
            Self::Copy => COPY,
            Self::From => FROM,
            Self::Healthcheck => HEALTHCHECK,
            Self::Run => RUN,
            _ => &[],
        }
    }

    /// Says whether its lines may hold heredocs.
    pub(crate) fn takes_heredocs(self) -> bool {
        matches!(self, Self::Add | Self::Copy | Self::Run)
    }
}
