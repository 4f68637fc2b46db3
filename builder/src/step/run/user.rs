//! Who runs a command: what `USER` means in the image at hand (passwd(5),
//! group(5)), as runtimes of containers read it. `--chown` reads the same
//! words in another way: see `owner`.

use crate::error::Error;
use crate::step::owner::{self, Names};

/// Is who runs a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// The number of the user.
    pub(crate) uid: u32,
    /// The number of the group.
    pub(crate) gid: u32,
    /// All groups: the one above first, then the further ones in the order of
    /// the image's file. Without the first one a process could leave it by
    /// starting a program that sets the group.
    pub(crate) groups: Vec<u32>,
    /// The home directory, where the image knows one.
    pub(crate) home: Option<String>,
}

/// The user of an image that names none.
const ROOT: &str = "0";

/// Finds a user: `user`, or `user:group`, each a name or a number; nothing is
/// root. The home directory is that of the user's line.
///
/// Without a group the image says which groups the user has, also of one that
/// is given by number; a number that it does not know has the group 0. With a
/// group there are no further ones.
pub(crate) fn find(text: &str, names: &Names) -> Result<User, Error> {
    let text = if text.is_empty() { ROOT } else { text };
    let (name, group) = owner::split(text)?;
    let by_number = !owner::needs_names(name);
    // Says what is wrong with a name, too.
    let owner::Owner { uid, gid: own } = owner::find(name, names)?;
    let line = lines(&names.passwd).find(|line| {
        if by_number {
            line.uid == uid
        } else {
            line.name == name.as_bytes()
        }
    });
    let (gid, further) = match (group, &line) {
        (Some(group), _) => {
            let owner = owner::find(&format!("{ROOT}:{group}"), names)?;
            (owner.gid, Vec::new())
        }
        (None, Some(line)) => (line.gid, memberships(&names.group, line.name)),
        (None, None) if by_number => (0, Vec::new()),
        (None, None) => (own, Vec::new()),
    };
    let mut groups = vec![gid];
    for number in further {
        if !groups.contains(&number) && groups.len() < GROUPS_LIMIT {
            groups.push(number);
        }
    }
    let home = line.and_then(|line| line.home);
    Ok(User {
        uid,
        gid,
        groups,
        home,
    })
}

/// The most groups that the kernel takes (`NGROUPS_MAX`).
const GROUPS_LIMIT: usize = 65_536;

/// Is a line of `/etc/passwd`.
#[derive(Debug)]
struct Line<'a> {
    name: &'a [u8],
    uid: u32,
    gid: u32,
    home: Option<String>,
}

/// Reads the lines that name a user and its numbers.
fn lines(passwd: &[u8]) -> impl Iterator<Item = Line<'_>> {
    split_lines(passwd).filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let uid = number(fields.nth(1)?)?;
        let gid = number(fields.next()?)?;
        let home = fields.nth(1).unwrap_or_default();
        let home = std::str::from_utf8(home).ok();
        let home = home.filter(|home| !home.is_empty() && !home.contains('\0'));
        Some(Line {
            name,
            uid,
            gid,
            home: home.map(str::to_owned),
        })
    })
}

/// Lists the groups that have a user among their members.
fn memberships(group: &[u8], user: &[u8]) -> Vec<u32> {
    let gids = split_lines(group).filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let gid = number(fields.nth(2)?)?;
        let mut members = fields.next()?.split(|byte| *byte == b',');
        members.any(|member| member == user).then_some(gid)
    });
    gids.collect()
}

fn split_lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = file.split(|byte| *byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn number(field: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(field).ok()?;
    (!owner::needs_names(text)).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            passwd: b"root:x:0:0:root:/root:/bin/sh\r\nbroken:x:y:0::/:\n# no line\n:x:9:9::/x:\n\
                app:x:1000:1001:App,,,:/home/app:/bin/sh\nother:x:1000:7::/other:\n\
                bare:x:5:6\nhomeless:x:8:8:::\n"
                .to_vec(),
            group: b"root:x:0:\nstaff:x:50:app,root\nbroken:x:z:app\napp:x:1001:app\n\
                wheel:x:10:approval,app\r\nmore:x:50:app\nothers:x:60:other"
                .to_vec(),
        }
    }

    #[test]
    fn forms_of_users() {
        for (text, uid, gid, groups, home) in [
            ("", 0, 0, &[0, 50][..], Some("/root")),
            ("root", 0, 0, &[0, 50], Some("/root")),
            ("app", 1000, 1001, &[1001, 50, 10], Some("/home/app")),
            // A number is the first user that has it.
            ("1000", 1000, 1001, &[1001, 50, 10], Some("/home/app")),
            ("other", 1000, 7, &[7, 60], Some("/other")),
            ("bare", 5, 6, &[6], None),
            ("homeless", 8, 8, &[8], None),
            // A number that the image does not know.
            ("55", 55, 0, &[0], None),
            // No further groups where one is said.
            ("app:staff", 1000, 50, &[50], Some("/home/app")),
            ("1000:7", 1000, 7, &[7], Some("/home/app")),
            ("55:66", 55, 66, &[66], None),
            ("55:wheel", 55, 10, &[10], None),
        ] {
            let expected = User {
                uid,
                gid,
                groups: groups.to_vec(),
                home: home.map(str::to_owned),
            };
            assert_eq!(find(text, &names()).expect(text), expected, "{text}");
        }
        let root = find("", &Names::default()).expect("root");
        assert_eq!((root.uid, root.gid, root.groups), (0, 0, vec![0]));
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (text, part) in [
            ("nobody", "no user `nobody`"),
            ("broken", "no user `broken`"),
            ("app:nogroup", "no group `nogroup`"),
            ("app:broken", "no group `broken`"),
            ("4294967295", "no user `4294967295`"),
            ("0:4294967295", "no group `4294967295`"),
            ("app:", "no owner"),
            (":app", "no owner"),
            ("a:b:c", "no owner"),
        ] {
            let error = find(text, &names()).expect_err(text);
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert!(error.hint().is_some(), "{text}");
        }
    }
}
