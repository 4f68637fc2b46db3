//! The values of a mount's options. What is wrong is said as what would be right.

use crate::mount::{MountKind, Sharing};
use crate::parse::nearest;

/// Is the largest mode: the permissions, and the three bits above them.
const MAX_MODE: u32 = 0o7777;
/// Is how many digits behind the point of a size count.
const MAX_FRACTION: usize = 18;

/// Reads a truth, in every spelling that there is.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it is `true` or `false`".to_owned()),
    }
}

/// Reads the value of `type`, in any case.
pub(super) fn kind(text: &str) -> Result<MountKind, String> {
    let names = MountKind::ALL.map(MountKind::name);
    let is = |kind: &MountKind| kind.name().eq_ignore_ascii_case(text);
    let found = MountKind::ALL.into_iter().find(is);
    found.ok_or_else(|| choice(text, &names))
}

/// Reads the value of `sharing`, in any case.
pub(super) fn sharing(text: &str) -> Result<Sharing, String> {
    let names = Sharing::ALL.map(Sharing::name);
    let is = |sharing: &Sharing| sharing.name().eq_ignore_ascii_case(text);
    let found = Sharing::ALL.into_iter().find(is);
    found.ok_or_else(|| choice(text, &names))
}

fn choice(text: &str, names: &[&str]) -> String {
    match nearest(text, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it is one of `{}`", names.join("`, `")),
    }
}

/// Reads a mode in octal digits.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| digits);
    mode.filter(|mode| *mode <= MAX_MODE)
        .ok_or_else(|| "it is octal, such as `0755`".to_owned())
}

/// Reads the number of a user or group.
pub(super) fn number(text: &str) -> Result<u32, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or_else(|| format!("it is a number from 0 to {}, and no name", u32::MAX))
}

/// Reads a number of bytes such as `64m`; units are of 1024.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "it is a number of bytes, such as `64m` or `1.5g`".to_owned();
    let end = text
        .rfind(|letter: char| letter.is_ascii_digit() || letter == '.')
        .map_or(0, |at| at + 1);
    let (number, unit) = text.split_at_checked(end).unwrap_or_default();
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    bytes(number, &unit).ok_or_else(wrong)
}

fn bytes(number: &str, unit: &str) -> Option<u64> {
    let shift = match unit {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let unit = 1_u64 << shift;
    // More digits than these are less than a byte, and could overflow.
    let fraction = fraction.get(..MAX_FRACTION).unwrap_or(fraction);
    let places = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part: u64 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    let total = u128::from(whole.checked_mul(unit)?) + u128::from(part) * u128::from(unit) / places;
    // Signed, as file systems count.
    i64::try_from(total).ok()?.try_into().ok()
}
