//! The ranges of numbers that a user namespace could have here.

use rustix::process::{getegid, geteuid, getuid};

use crate::error::{Error, ErrorKind};
use crate::probe::check::Check;
use crate::probe::hint::{HOW_TO_INSTALL, hint};
use crate::probe::surroundings::{CAP_SETGID, CAP_SETUID, Surroundings};
use crate::tier::{IdRange, Ids};
use crate::worker::{find_program, is_privileged};

#[cfg(test)]
mod tests;

/// How many ranges the kernel takes for a namespace.
const RANGES_LIMIT: usize = 340;

/// Gives the ranges to try, the best first, or why there are none; and what
/// is at stake with each.
pub(crate) fn candidates() -> [(Check, Result<Ids, Error>); 2] {
    let (check, ranges) = match programs() {
        Ok(()) => match subordinate_ids() {
            Ok(ids) => (Check::MapPrograms, Ok(ids)),
            Err(error) => (Check::SubordinateIds, Err(error)),
        },
        Err(error) => (Check::MapPrograms, Err(error)),
    };
    [(Check::DirectRange, direct()), (check, ranges)]
}

/// Gives every number that there is here, as itself.
fn direct() -> Result<Ids, Error> {
    let here = Surroundings::read();
    if !here.has(CAP_SETUID) || !here.has(CAP_SETGID) {
        let context = "this process may not give numbers to a user namespace by itself";
        return Err(with_hint(
            Error::new(ErrorKind::Denied, context),
            Check::DirectRange,
        ));
    }
    let identity = |path: &str| {
        let text = fs_err::read_to_string(path)
            .map_err(|source| Error::system(format!("reading `{path}`"), source))?;
        Ok(identity(&text))
    };
    Ok(Ids::Mapped {
        users: identity("/proc/self/uid_map")?,
        groups: identity("/proc/self/gid_map")?,
    })
}

/// Reads the map of a namespace as one onto itself.
fn identity(text: &str) -> Vec<IdRange> {
    let lines = text.lines().take(RANGES_LIMIT);
    let ranges = lines.filter_map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u32>);
        let first = numbers.next()?.ok()?;
        let count = numbers.nth(1)?.ok()?;
        Some(IdRange {
            inside: first,
            outside: first,
            count,
        })
    });
    ranges.collect()
}

/// Looks for the programs that give numbers.
fn programs() -> Result<(), Error> {
    for name in ["newuidmap", "newgidmap"] {
        let refusal = match find_program(name) {
            Some(path) if is_privileged(&path) || geteuid().is_root() => continue,
            Some(path) => format!("`{}` does not run as root", path.display()),
            None => format!("there is no `{name}`"),
        };
        let error = Error::new(ErrorKind::Unsupported, refusal);
        return Err(error.with_hint(HOW_TO_INSTALL));
    }
    Ok(())
}

/// Gives the numbers that the user has in `/etc/subuid` and `/etc/subgid`.
fn subordinate_ids() -> Result<Ids, Error> {
    let user = getuid().as_raw();
    let passwd = fs_err::read_to_string("/etc/passwd").unwrap_or_default();
    let name = name_of(&passwd, user);
    let ranges = |path: &str, own: u32| {
        let text = fs_err::read_to_string(path).unwrap_or_default();
        let ranges = mapped(own, &subordinate(&text, name, user));
        if ranges.len() > 1 {
            return Ok(ranges);
        }
        let who = name.map_or_else(|| user.to_string(), str::to_owned);
        let error = Error::new(
            ErrorKind::Unsupported,
            format!("`{path}` has no range for the user `{who}`"),
        );
        Err(with_hint(error, Check::SubordinateIds))
    };
    Ok(Ids::Mapped {
        users: ranges("/etc/subuid", geteuid().as_raw())?,
        groups: ranges("/etc/subgid", getegid().as_raw())?,
    })
}

/// Finds the name of a user in the text of `/etc/passwd`.
fn name_of(passwd: &str, user: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == user).then_some(name)
    })
}

/// Finds the ranges of a user, as first number and count, by name and by
/// number.
fn subordinate(text: &str, name: Option<&str>, user: u32) -> Vec<(u32, u32)> {
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let who = fields.next()?;
        let first: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        let is_user = Some(who) == name || who.parse() == Ok(user);
        let is_range = count > 0 && first.checked_add(count).is_some();
        (is_user && is_range).then_some((first, count))
    });
    let mut ranges: Vec<(u32, u32)> = lines.take(RANGES_LIMIT.saturating_sub(1)).collect();
    ranges.dedup();
    ranges
}

/// Puts the user at 0 and the ranges behind it, without gaps.
fn mapped(own: u32, ranges: &[(u32, u32)]) -> Vec<IdRange> {
    let mut next: u32 = 1;
    let mut mapped = vec![IdRange {
        inside: 0,
        outside: own,
        count: 1,
    }];
    for &(outside, count) in ranges {
        let count = count.min(u32::MAX.saturating_sub(next));
        if count > 0 {
            mapped.push(IdRange {
                inside: next,
                outside,
                count,
            });
            next = next.saturating_add(count);
        }
    }
    mapped
}

fn with_hint(error: Error, check: Check) -> Error {
    match hint(check) {
        Some(text) => error.with_hint(text),
        None => error,
    }
}
