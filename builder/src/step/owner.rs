//! Owners by name: what `USER` and `--chown` mean in the image at hand
//! (passwd(5), group(5)).

use crate::error::{Error, ErrorKind};
use crate::plan::excerpt;

/// Is a user and a group by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Holds the files of an image that say what names mean; empty where the image
/// has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Names {
    pub(crate) passwd: Vec<u8>,
    pub(crate) group: Vec<u8>,
}

/// Says whether names have to be looked up to know an owner.
pub(crate) fn needs_names(text: &str) -> bool {
    let parts = text.split(':');
    parts.into_iter().any(|part| number(part).is_none())
}

/// Finds an owner: `user`, or `user:group`, each a name or a number. A user
/// alone means the group that the image gives to it, or for a number that it
/// does not know the group of the same number.
pub(crate) fn find(text: &str, names: &Names) -> Result<Owner, Error> {
    let (user, group) = split(text)?;
    let (uid, own) = match number(user) {
        Some(uid) => (uid, None),
        None => match lookup(&names.passwd, user, 3) {
            Some((uid, gid)) => (uid, Some(gid)),
            None => return Err(unknown("user", user, "/etc/passwd")),
        },
    };
    let gid = match group {
        None => own.unwrap_or(uid),
        Some(group) => match number(group) {
            Some(gid) => gid,
            None => match lookup(&names.group, group, 2) {
                Some((gid, _)) => gid,
                None => return Err(unknown("group", group, "/etc/group")),
            },
        },
    };
    Ok(Owner { uid, gid })
}

/// Reads an owner for a layer that knows of no names: by numbers alone.
pub(crate) fn find_number(text: &str) -> Result<Owner, Error> {
    split(text)?;
    if needs_names(text) {
        let message = format!(
            "`{}` is a name, and a layer of `--link` knows no names: it is made without what is below it",
            excerpt(text)
        );
        return Err(Error::new(ErrorKind::Step, message)
            .with_hint("write numbers, as in `--chown=1000:1000`, or leave `--link` out"));
    }
    find(text, &Names::default())
}

/// Takes an owner apart, into a user and a group if there is one.
pub(crate) fn split(text: &str) -> Result<(&str, Option<&str>), Error> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    if user.is_empty() || group == Some("") || group.is_some_and(|group| group.contains(':')) {
        return Err(
            Error::new(ErrorKind::Step, format!("`{}` is no owner", excerpt(text)))
                .with_hint("an owner is `user` or `user:group`, each a name or a number"),
        );
    }
    Ok((user, group))
}

fn unknown(what: &str, name: &str, file: &str) -> Error {
    let name = excerpt(name);
    Error::new(ErrorKind::Step, format!("the image has no {what} `{name}`")).with_hint(format!(
        "add `{name}` to `{file}` of the image first, or write its number"
    ))
}

/// Reads the number of a user or group.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // The largest number means none to the kernel.
    text.parse()
        .ok()
        .filter(|number| digits && *number != u32::MAX)
}

/// Finds the line of a name, and reads its third field and another one.
fn lookup(file: &[u8], name: &str, other: usize) -> Option<(u32, u32)> {
    for line in file.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let field = |at: usize| number(std::str::from_utf8(fields.get(at)?).ok()?);
        if fields.first() == Some(&name.as_bytes())
            && let (Some(number), Some(other)) = (field(2), field(other))
        {
            return Some((number, other));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            passwd: b"root:x:0:0:root:/root:/bin/sh\nbroken\napp:x:1000:1001::/:\n".to_vec(),
            group: b"root:x:0:\nstaff:x:50:app,root\napp:x:1001:\n".to_vec(),
        }
    }

    #[test]
    fn names_and_numbers() {
        for (text, uid, gid) in [
            ("root", 0, 0),
            ("app", 1000, 1001),
            ("app:staff", 1000, 50),
            ("app:7", 1000, 7),
            ("55", 55, 55),
            ("55:staff", 55, 50),
            ("55:66", 55, 66),
            ("4294967294", 4_294_967_294, 4_294_967_294),
        ] {
            assert_eq!(
                find(text, &names()).expect(text),
                Owner { uid, gid },
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (text, part) in [
            ("nobody", "no user `nobody`"),
            ("root:nobody", "no group `nobody`"),
            ("4294967295", "no user `4294967295`"),
            ("broken", "no user `broken`"),
            ("", "no owner"),
            (":", "no owner"),
            ("app:", "no owner"),
            (":app", "no owner"),
            ("a:b:c", "no owner"),
        ] {
            let error = find(text, &names()).expect_err(text);
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
        assert_eq!(
            find_number("5").expect("a number"),
            Owner { uid: 5, gid: 5 }
        );
        for text in ["app", "5:app", "", "a:b:c"] {
            assert!(find_number(text).is_err(), "{text}");
        }
        assert!(needs_names("a"));
        assert!(needs_names("1:a"));
        assert!(!needs_names("1:2"));
    }
}
