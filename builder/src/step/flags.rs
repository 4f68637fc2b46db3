//! The flags of `COPY` and `ADD` that are not on every one of them, as the
//! parser leaves them: it knows which there are and what values they can have.

use dockerfile::{Copy, Text};

use crate::error::{Error, ErrorKind};

/// Says whether a flag without need of a value is given: `None` where it is
/// not, `false` where it is taken back.
pub(crate) fn switch(copy: &Copy, name: &str) -> Option<bool> {
    let flag = copy.flags.iter().find(|flag| flag.name == name)?;
    let value = flag.value.as_ref();
    Some(!value.is_some_and(|value| value.as_str().eq_ignore_ascii_case("false")))
}

/// Says whether a flag is given that is not taken back.
pub(crate) fn is_set(copy: &Copy, name: &str) -> bool {
    switch(copy, name) == Some(true)
}

/// Gives the values of a flag, in their order.
pub(crate) fn values<'a>(copy: &'a Copy, name: &'a str) -> impl Iterator<Item = &'a Text> {
    let flags = copy.flags.iter().filter(move |flag| flag.name == name);
    flags.filter_map(|flag| flag.value.as_ref())
}

/// Says what a checksum can be of.
pub(crate) fn no_use_of_checksum() -> Error {
    let message = "`--checksum` is of one file from a URL, or of one git repository";
    Error::new(ErrorKind::Step, message).with_hint(
        "give each source that is fetched an `ADD` of its own, and leave the flag out elsewhere",
    )
}

#[cfg(test)]
mod tests {
    use dockerfile::Kind;

    use super::*;

    #[test]
    fn what_is_given_and_taken_back() {
        let text = "FROM scratch\nADD --link --unpack=False --exclude=a --exclude=b x /\n";
        let (file, _) = dockerfile::parse(text.as_bytes());
        let Kind::Add(copy) = &file.stages[0].instructions[0].kind else {
            panic!("not an `ADD`");
        };
        assert_eq!(switch(copy, "link"), Some(true));
        assert_eq!(switch(copy, "unpack"), Some(false));
        assert_eq!(switch(copy, "keep-git-dir"), None);
        assert!(is_set(copy, "link") && !is_set(copy, "unpack"));
        let excluded: Vec<&str> = values(copy, "exclude").map(Text::as_str).collect();
        assert_eq!(excluded, ["a", "b"]);
    }
}
