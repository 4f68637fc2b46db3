//! The rules by name, and what each of them finds in one sentence.
//! `docs/reference/checks.md` says more.

/// Is the page that describes each rule under its name.
const DOCUMENT: &str = "docs/reference/checks.md";

/// Is a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name, which is the code of what it finds and what `# check=skip=`
    /// takes.
    pub name: &'static str,
    /// Whose rule it is.
    pub family: Family,
    /// What it finds, in one sentence.
    pub summary: &'static str,
    /// Says when it speaks.
    pub asked: Asked,
}

/// Says when a rule speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// Unless it is skipped.
    Always,
    /// Only if `# check=experimental=` names it or says `all`.
    Experimental,
}

/// Says whose rule a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Docker's builder has it too, with the same meaning.
    Dockerfile,
    /// Only wharf has it.
    Wharf,
}

impl Family {
    /// Gives its name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dockerfile => "dockerfile",
            Self::Wharf => "wharf",
        }
    }
}

impl Rule {
    /// Gives where it is described: a path in the repository and an anchor.
    #[must_use]
    pub fn document(&self) -> String {
        format!("{DOCUMENT}#{}", self.name.to_ascii_lowercase())
    }
}

pub(super) const CONSISTENT_INSTRUCTION_CASING: &str = "ConsistentInstructionCasing";
pub(super) const COPY_IGNORED_FILE: &str = "CopyIgnoredFile";
pub(super) const EXPOSE_INVALID_FORMAT: &str = "ExposeInvalidFormat";
pub(super) const EXPOSE_PROTO_CASING: &str = "ExposeProtoCasing";
pub(super) const FROM_AS_CASING: &str = "FromAsCasing";
pub(super) const FROM_PLATFORM_CONST: &str = "FromPlatformFlagConstDisallowed";
pub(super) const INVALID_BASE_IMAGE_PLATFORM: &str = "InvalidBaseImagePlatform";
pub(super) const INVALID_DEFAULT_ARG_IN_FROM: &str = "InvalidDefaultArgInFrom";
pub(super) const INVALID_DEFINITION_DESCRIPTION: &str = "InvalidDefinitionDescription";
pub(super) const JSON_ARGS_RECOMMENDED: &str = "JSONArgsRecommended";
pub(super) const REDUNDANT_TARGET_PLATFORM: &str = "RedundantTargetPlatform";
pub(super) const SECRETS_USED_IN_ARG_OR_ENV: &str = "SecretsUsedInArgOrEnv";
pub(super) const STAGE_NAME_CASING: &str = "StageNameCasing";
pub(super) const UNDEFINED_ARG_IN_FROM: &str = "UndefinedArgInFrom";
pub(super) const UNDEFINED_VAR: &str = "UndefinedVar";
pub(super) const WORKDIR_RELATIVE_PATH: &str = "WorkdirRelativePath";

pub(super) const ADD_COULD_BE_COPY: &str = "AddCouldBeCopy";
pub(super) const APT_UPDATE_ALONE: &str = "AptUpdateAlone";
pub(super) const APT_WITHOUT_CLEANUP: &str = "AptWithoutCleanup";
pub(super) const EFFECT_LOST: &str = "EffectLost";
pub(super) const LATEST_TAG: &str = "LatestTag";
pub(super) const SECRET_COPIED: &str = "SecretCopied";
pub(super) const SECRET_IN_VALUE: &str = "SecretInValue";
pub(super) const UNPINNED_BASE: &str = "UnpinnedBase";
pub(super) const WHOLE_TREE_REWRITTEN: &str = "WholeTreeRewritten";

/// Lists every rule: Docker's in their order, then those of wharf by name.
pub static RULES: &[Rule] = &[
    docker(
        STAGE_NAME_CASING,
        "The name of a stage has capital letters.",
    ),
    docker(
        FROM_AS_CASING,
        "`FROM` and `AS` of one line are not both in capitals or both in lower case.",
    ),
    docker(
        "NoEmptyContinuation",
        "An empty line stands inside of an instruction.",
    ),
    docker(
        CONSISTENT_INSTRUCTION_CASING,
        "An instruction is not in the case that most instructions of the file have.",
    ),
    docker("DuplicateStageName", "Two stages have one name."),
    docker(
        "ReservedStageName",
        "The name of a stage means something else.",
    ),
    docker(
        JSON_ARGS_RECOMMENDED,
        "`CMD` or `ENTRYPOINT` starts a shell, which keeps signals from the program.",
    ),
    docker(
        "MaintainerDeprecated",
        "`MAINTAINER` is used in place of a label.",
    ),
    docker(
        UNDEFINED_ARG_IN_FROM,
        "`FROM` uses an argument that is not declared above it.",
    ),
    docker(
        WORKDIR_RELATIVE_PATH,
        "The first `WORKDIR` of a stage depends on the working directory of its image.",
    ),
    docker(
        UNDEFINED_VAR,
        "A variable is used that nothing above it defines.",
    ),
    docker(
        "MultipleInstructionsDisallowed",
        "A later instruction of the stage takes the place of this one.",
    ),
    docker(
        "LegacyKeyValueFormat",
        "A pair is written with a blank in place of `=`.",
    ),
    docker(
        INVALID_BASE_IMAGE_PLATFORM,
        "The image of a stage is for another platform than the stage.",
    ),
    docker(
        REDUNDANT_TARGET_PLATFORM,
        "`--platform=$TARGETPLATFORM` says what holds without it.",
    ),
    docker(
        SECRETS_USED_IN_ARG_OR_ENV,
        "The name of an argument or variable says that its value is a secret.",
    ),
    docker(
        INVALID_DEFAULT_ARG_IN_FROM,
        "Without values from outside, `FROM` names no image.",
    ),
    docker(
        FROM_PLATFORM_CONST,
        "`FROM --platform` always names the same platform.",
    ),
    docker(
        COPY_IGNORED_FILE,
        "A path is copied that the ignore file leaves out.",
    ),
    Rule {
        asked: Asked::Experimental,
        ..docker(
            INVALID_DEFINITION_DESCRIPTION,
            "The comment above an argument or stage does not begin with its name.",
        )
    },
    docker(
        EXPOSE_PROTO_CASING,
        "The protocol of a port has capital letters.",
    ),
    docker(
        EXPOSE_INVALID_FORMAT,
        "`EXPOSE` names an address or a port of the host.",
    ),
    wharf(
        ADD_COULD_BE_COPY,
        "`ADD` does nothing here that `COPY` does not.",
    ),
    wharf(
        APT_UPDATE_ALONE,
        "A step only updates apt's lists of packages, which then grow old in the cache.",
    ),
    wharf(
        APT_WITHOUT_CLEANUP,
        "A step leaves apt's lists of packages in its layer.",
    ),
    wharf(
        EFFECT_LOST,
        "A step changes only its own shell, which ends with it.",
    ),
    wharf(
        LATEST_TAG,
        "The image of a stage has no tag, or the tag `latest`.",
    ),
    wharf(
        SECRET_COPIED,
        "A file is copied whose name says that it holds a secret.",
    ),
    wharf(SECRET_IN_VALUE, "The file itself holds a secret."),
    wharf(
        UNPINNED_BASE,
        "The image of a stage is not named by its digest.",
    ),
    wharf(
        WHOLE_TREE_REWRITTEN,
        "A step changes owner or mode of files that a step above copied, and so stores them twice.",
    ),
];

/// Finds a rule by its name.
pub(super) fn find(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

const fn docker(name: &'static str, summary: &'static str) -> Rule {
    Rule {
        name,
        family: Family::Dockerfile,
        summary,
        asked: Asked::Always,
    }
}

const fn wharf(name: &'static str, summary: &'static str) -> Rule {
    Rule {
        family: Family::Wharf,
        ..docker(name, summary)
    }
}
