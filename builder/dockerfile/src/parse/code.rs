//! The codes of what the parser says. They do not change between versions;
//! each occurs in the corpus. Those with capital letters are rules of the
//! checks, and can be skipped as such.

/// `# escape=` with something else than one of the two bytes.
pub(super) const INVALID_ESCAPE: &str = "invalid-escape";
/// A directive that is given twice.
pub(super) const DUPLICATE_DIRECTIVE: &str = "duplicate-directive";
/// A directive below a line that ends the directives.
pub(super) const LATE_DIRECTIVE: &str = "late-directive";

/// A file that is larger than a Dockerfile may be.
pub(super) const FILE_TOO_LARGE: &str = "file-too-large";
/// Bytes that are no UTF-8.
pub(super) const NOT_UTF_8: &str = "not-utf-8";
/// A byte that no text has.
pub(super) const NUL_BYTE: &str = "nul-byte";
/// A line that is longer than one may be.
pub(super) const LINE_TOO_LONG: &str = "line-too-long";
/// More instructions than a file may have.
pub(super) const TOO_MANY_INSTRUCTIONS: &str = "too-many-instructions";
/// More mistakes than are said.
pub(super) const TOO_MANY_MISTAKES: &str = "too-many-mistakes";
/// More warnings than are said.
pub(super) const TOO_MANY_WARNINGS: &str = "too-many-warnings";
/// A file without instructions.
pub(super) const NO_INSTRUCTIONS: &str = "no-instructions";
/// A file without `FROM`.
pub(super) const NO_STAGE: &str = "no-stage";

/// An empty line inside of an instruction.
pub(super) const EMPTY_CONTINUATION: &str = "NoEmptyContinuation";
/// A line that continues nothing with nothing.
pub(super) const EMPTY_INSTRUCTION: &str = "empty-instruction";
/// A first word that is no instruction.
pub(super) const UNKNOWN_INSTRUCTION: &str = "unknown-instruction";
/// An instruction that needs a stage, above the first `FROM`.
pub(super) const BEFORE_FIRST_STAGE: &str = "before-first-stage";
/// An instruction that another one replaces.
pub(super) const DEPRECATED_INSTRUCTION: &str = "MaintainerDeprecated";
/// An instruction whose effect a later one of its stage undoes.
pub(super) const REPEATED_INSTRUCTION: &str = "MultipleInstructionsDisallowed";

/// A flag that the instruction does not know.
pub(super) const UNKNOWN_FLAG: &str = "unknown-flag";
/// A flag that is given twice and may not be.
pub(super) const DUPLICATE_FLAG: &str = "duplicate-flag";
/// A flag without a value that needs one.
pub(super) const MISSING_FLAG_VALUE: &str = "missing-flag-value";
/// A flag with a value it does not know.
pub(super) const INVALID_FLAG_VALUE: &str = "invalid-flag-value";
/// A `--mount` that asks for nothing that there is.
pub(super) const INVALID_MOUNT: &str = "invalid-mount";
/// A flag behind the first word that is none.
pub(super) const LATE_FLAG: &str = "late-flag";
/// A flag that does nothing here.
pub(super) const UNUSED_FLAG: &str = "unused-flag";

/// An instruction that lacks something.
pub(super) const MISSING_ARGUMENT: &str = "missing-argument";
/// An instruction with more than it takes.
pub(super) const TOO_MANY_ARGUMENTS: &str = "too-many-arguments";
/// A command of no words.
pub(super) const EMPTY_COMMAND: &str = "empty-command";
/// A word that should be a pair.
pub(super) const MISSING_EQUALS: &str = "missing-equals";
/// A pair without a name.
pub(super) const EMPTY_NAME: &str = "empty-name";
/// The old form of a pair, with a blank.
pub(super) const LEGACY_PAIR: &str = "LegacyKeyValueFormat";
/// A path of no characters.
pub(super) const EMPTY_PATH: &str = "empty-path";

/// A JSON array with something else than strings.
pub(super) const JSON_NOT_STRINGS: &str = "json-not-strings";
/// No JSON where only JSON is taken.
pub(super) const JSON_REQUIRED: &str = "json-required";
/// Something that was meant as JSON and is none.
pub(super) const MALFORMED_JSON: &str = "malformed-json";

/// A heredoc without its last line.
pub(super) const UNTERMINATED_HEREDOC: &str = "unterminated-heredoc";
/// A heredoc where a path must stand.
pub(super) const HEREDOC_DESTINATION: &str = "heredoc-destination";
/// A heredoc whose name is not one word.
pub(super) const HEREDOC_NAME: &str = "heredoc-name";

/// A name that no stage may have.
pub(super) const INVALID_STAGE_NAME: &str = "invalid-stage-name";
/// A name that two stages have.
pub(super) const DUPLICATE_STAGE_NAME: &str = "DuplicateStageName";
/// A name that means something else.
pub(super) const RESERVED_STAGE_NAME: &str = "ReservedStageName";

/// An instruction that no `ONBUILD` may hold.
pub(super) const INVALID_TRIGGER: &str = "invalid-trigger";
/// A `HEALTHCHECK` that is neither `CMD` nor `NONE`.
pub(super) const UNKNOWN_HEALTHCHECK: &str = "unknown-healthcheck";
