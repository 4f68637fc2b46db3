//! Secrets: names that promise one, values that are one, and files that hold
//! one. No secret is ever shown.

use crate::ast::{Copy, Heredoc, Source};
use crate::check::finding::Findings;
use crate::check::rules;
use crate::diagnostic::excerpt;
use crate::span::Span;
use crate::text::Text;

/// Words of a name that promise a secret.
const SECRET_WORDS: [&str; 10] = [
    "apikey",
    "auth",
    "credential",
    "credentials",
    "key",
    "passwd",
    "password",
    "pword",
    "secret",
    "token",
];
/// Words of a name that promise none, whatever the others say.
const HARMLESS_WORDS: [&str; 3] = ["file", "public", "version"];

/// Is how the secrets of one issuer are written.
struct Form {
    /// What they begin with.
    prefix: &'static str,
    /// How many letters follow at least.
    length: usize,
    /// Other characters than letters and digits may follow.
    separators: bool,
    /// What they are.
    what: &'static str,
}

const fn form(prefix: &'static str, length: usize, what: &'static str) -> Form {
    Form {
        prefix,
        length,
        separators: false,
        what,
    }
}

const fn separated(prefix: &'static str, length: usize, what: &'static str) -> Form {
    Form {
        separators: true,
        ..form(prefix, length, what)
    }
}

/// Forms that nothing else has.
const FORMS: [Form; 19] = [
    form("AKIA", 16, "an access key of AWS"),
    form("ASIA", 16, "an access key of AWS"),
    separated("AIza", 35, "a key of Google"),
    separated("dckr_pat_", 20, "a token of Docker Hub"),
    form("ghp_", 36, "a token of GitHub"),
    form("gho_", 36, "a token of GitHub"),
    form("ghu_", 36, "a token of GitHub"),
    form("ghs_", 36, "a token of GitHub"),
    form("ghr_", 36, "a token of GitHub"),
    separated("github_pat_", 60, "a token of GitHub"),
    separated("glpat-", 20, "a token of GitLab"),
    form("hf_", 34, "a token of Hugging Face"),
    form("npm_", 36, "a token of npm"),
    separated("pypi-AgEI", 50, "a token of PyPI"),
    form("rk_live_", 20, "a key of Stripe"),
    form("sk_live_", 20, "a key of Stripe"),
    separated("xoxb-", 40, "a token of Slack"),
    separated("xoxp-", 40, "a token of Slack"),
    separated("SG.", 60, "a key of SendGrid"),
];
/// Is how many different letters a secret has at least.
const MIN_DIFFERENT: usize = 8;
/// Begins and ends the first line of a private key.
const KEY_BEGIN: &str = "-----BEGIN ";
const KEY_END: &str = "PRIVATE KEY-----";
/// Is how far behind the beginning the end stands at most.
const KEY_LINE: usize = 32;

/// Names of files that hold a secret, in lower case.
const SECRET_NAMES: [&str; 24] = [
    ".boto",
    ".dockercfg",
    ".dockerconfigjson",
    ".env",
    ".git-credentials",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".pypirc",
    ".vault-token",
    "_netrc",
    "client.key",
    "client_secret.json",
    "id_dsa",
    "id_ecdsa",
    "id_ecdsa_sk",
    "id_ed25519",
    "id_ed25519_sk",
    "id_rsa",
    "privkey.pem",
    "private.key",
    "server.key",
    "service-account.json",
    "tls.key",
];
/// Ends of paths to files that hold a secret.
const SECRET_PATHS: [&str; 5] = [
    ".aws/credentials",
    ".cargo/credentials.toml",
    ".docker/config.json",
    ".gem/credentials",
    ".kube/config",
];
/// Directories that hold little else.
const SECRET_DIRECTORIES: [&str; 3] = [".aws", ".gnupg", ".ssh"];
/// Ends of names of files with keys.
const KEY_ENDINGS: [&str; 4] = [".pem", ".p12", ".pfx", ".ppk"];
/// Words in the names of such files that hold no key.
const CERTIFICATE_WORDS: [&str; 9] = [
    "bundle",
    "ca",
    "cacert",
    "cert",
    "certificate",
    "certs",
    "chain",
    "fullchain",
    "root",
];
/// Words in them that say that it is one, but for a public one.
const KEY_WORDS: [&str; 4] = ["key", "priv", "private", "privkey"];
const PUBLIC_WORDS: [&str; 2] = ["pub", "public"];
/// Words at the end of `.env.` files that are not meant for others. What other
/// such files hold is often meant to be seen.
const PRIVATE_SETTINGS: [&str; 3] = ["local", "secret", "secrets"];

/// Checks the name of an argument or variable.
pub(super) fn check_name(keyword: &str, name: &Text, findings: &mut Findings<'_>) {
    let text = name.as_str().trim_matches(['"', '\'']);
    let lower = text.to_ascii_lowercase();
    let has = |words: &[&str]| lower.split('_').any(|word| words.contains(&word));
    if !has(&SECRET_WORDS) || has(&HARMLESS_WORDS) {
        return;
    }
    let kept = if keyword == "ARG" {
        "the history of the image"
    } else {
        "the image"
    };
    let message = format!("the value of `{}` stays in {kept}", excerpt(text));
    let hint =
        "if it is a secret, give it to the steps that need it: `RUN --mount=type=secret,id=...`";
    findings.say(
        rules::SECRETS_USED_IN_ARG_OR_ENV,
        name.span(),
        message,
        hint,
    );
}

/// Checks a value.
pub(super) fn check_value(value: &Text, findings: &mut Findings<'_>) {
    if let Some((range, what)) = find(value.as_str()) {
        say(what, value.span_of(range), findings);
    }
}

/// Checks the lines of a heredoc.
pub(super) fn check_heredoc(heredoc: &Heredoc, source: &[u8], findings: &mut Findings<'_>) {
    let body = source.get(heredoc.body.range()).unwrap_or_default();
    let Ok(text) = str::from_utf8(body) else {
        return;
    };
    if let Some((range, what)) = find(text) {
        let start = heredoc.body.start;
        let span = Span::new(start + range.start, start + range.end);
        say(what, span, findings);
    }
}

fn say(what: &str, span: Span, findings: &mut Findings<'_>) {
    let message = format!("{what} stands in this file, and will in the image or its history");
    let hint = "revoke it, and give the new one to the steps that need it: `RUN --mount=type=secret,id=...`";
    findings.say(rules::SECRET_IN_VALUE, span, message, hint);
}

/// Checks a source of `ADD`, whose URL may have a password.
pub(super) fn check_url(source: &Text, findings: &mut Findings<'_>) {
    if let Some(range) = find_password(source.as_str()) {
        say("a password", source.span_of(range), findings);
    }
}

/// Finds the password in a URL, if it is one that stands there.
fn find_password(text: &str) -> Option<std::ops::Range<usize>> {
    let (before, behind) = text.split_once("://")?;
    let authority = behind.split(['/', '?', '#']).next().unwrap_or_default();
    let (who, _) = authority.rsplit_once('@')?;
    let (user, password) = who.split_once(':')?;
    let start = before.len() + "://".len() + user.len() + ":".len();
    let is_written = !password.is_empty() && !password.contains('$');
    is_written.then_some(start..start + password.len())
}

/// Finds what can be nothing but a secret.
fn find(text: &str) -> Option<(std::ops::Range<usize>, &'static str)> {
    find_key(text).or_else(|| find_token(text))
}

fn find_key(text: &str) -> Option<(std::ops::Range<usize>, &'static str)> {
    text.match_indices(KEY_BEGIN).find_map(|(at, begin)| {
        let rest = text.get(at + begin.len()..)?;
        let end = rest.find(KEY_END).filter(|end| *end <= KEY_LINE)?;
        let end = at + begin.len() + end + KEY_END.len();
        Some((at..end, "a private key"))
    })
}

fn find_token(text: &str) -> Option<(std::ops::Range<usize>, &'static str)> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    let mut at = 0;
    for word in text.split(|letter: char| !is_word(letter)) {
        for form in &FORMS {
            let Some(rest) = word.strip_prefix(form.prefix) else {
                continue;
            };
            if rest.len() >= form.length && is_random(rest, form) {
                return Some((at..at + word.len(), form.what));
            }
        }
        at += word.len();
        at += text
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8);
    }
    None
}

/// Says whether letters were chosen by chance: a place for a secret, such as
/// `ghp_xxxx`, has few different ones, and words have no digits.
fn is_random(letters: &str, form: &Form) -> bool {
    let is_plain = letters.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let has_digit = letters.bytes().any(|byte| byte.is_ascii_digit());
    let mut bytes = letters.as_bytes().to_vec();
    bytes.sort_unstable();
    bytes.dedup();
    bytes.len() >= MIN_DIFFERENT && has_digit && (is_plain || form.separators)
}

/// Checks the names of the files that a `COPY` or `ADD` takes from the context.
pub(super) fn check_copy(copy: &Copy, findings: &mut Findings<'_>) {
    if copy.from.is_some() {
        return;
    }
    for source in &copy.sources {
        let Source::Path(path) = source else {
            continue;
        };
        let text = path.as_str();
        if text.contains("://") || !is_secret(&text.to_ascii_lowercase()) {
            continue;
        }
        let message = format!("`{}` is a file of secrets by its name", excerpt(text));
        let hint = "give it to the steps that need it, `RUN --mount=type=secret,id=...`, and name it in `.dockerignore`";
        findings.say(rules::SECRET_COPIED, path.span(), message, hint);
    }
}

fn is_secret(path: &str) -> bool {
    let path = path.trim_matches(['"', '\'']);
    let is_directory = path.ends_with('/');
    let path = path.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or_default();
    if SECRET_DIRECTORIES.contains(&name) {
        return true;
    }
    if is_directory || name.contains(['*', '?', '[', '$']) {
        return false;
    }
    let in_path = |end: &str| {
        let head = path.strip_suffix(end);
        head.is_some_and(|head| head.is_empty() || head.ends_with('/'))
    };
    if SECRET_NAMES.contains(&name) || SECRET_PATHS.iter().any(|end| in_path(end)) {
        return true;
    }
    if let Some(kind) = name.strip_prefix(".env.") {
        let last = kind.rsplit('.').next().unwrap_or_default();
        return PRIVATE_SETTINGS.contains(&last);
    }
    let has = |words: &[&str]| {
        name.split(['.', '-', '_'])
            .any(|word| words.contains(&word))
    };
    let is_certificate = has(&CERTIFICATE_WORDS) && !has(&KEY_WORDS);
    KEY_ENDINGS.iter().any(|end| name.ends_with(end)) && !has(&PUBLIC_WORDS) && !is_certificate
}
