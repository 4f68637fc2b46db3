//! The form of an image's name. Whether there is such an image is not known
//! here.

/// Is how many bytes a repository's name has at most.
const MAX_NAME: usize = 255;
/// Is how many bytes a tag has at most.
const MAX_TAG: usize = 128;
/// Begins the name of a layout in a directory.
const LAYOUT: &str = "oci-layout://";
/// Is how many digits the name of an image by its identity has, which is no
/// name of a repository.
const IDENTITY: usize = 64;

/// Is an image's name in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    pub(super) name: &'a str,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Reads one; what no image can be named gives nothing.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let is_layout = name.starts_with(LAYOUT);
        let valid =
            (is_layout || is_name(name)) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
        valid.then_some(Self { name, tag, digest })
    }

    /// Says whether it names a directory.
    pub(super) fn is_layout(&self) -> bool {
        self.name.starts_with(LAYOUT)
    }
}

fn is_name(name: &str) -> bool {
    let is_identity = name.len() == IDENTITY
        && name
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if name.is_empty() || name.len() > MAX_NAME || is_identity {
        return false;
    }
    let (domain, path) = match name.split_once('/') {
        Some((first, path)) if is_host(first) => (Some(first), path),
        _ => (None, name),
    };
    domain.is_none_or(is_domain) && path.split('/').all(is_component)
}

/// Says whether the first part of a name is a host's name and no repository's.
fn is_host(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':', '['])
        || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    let is_digits = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_host = match address {
        Some(address) => {
            !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
        }
        None => host.split('.').all(is_label),
    };
    is_host && port.is_none_or(is_digits)
}

/// Says whether a text is letters and digits with separators between them.
fn is_component(text: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let mut separators = text.split(is_plain);
    // The first and the last are empty: it begins and ends with a letter.
    let ends = text.starts_with(is_plain) && text.ends_with(is_plain);
    ends && separators.all(|separator| {
        matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
    })
}

fn is_tag(tag: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    tag.len() <= MAX_TAG
        && tag.starts_with(is_word)
        && tag
            .chars()
            .all(|letter| is_word(letter) || ".-".contains(letter))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return false;
    };
    algorithm.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && hex.len() >= 32
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}
