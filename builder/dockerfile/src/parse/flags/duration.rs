//! Times such as `1m30s`, which `HEALTHCHECK` takes.

use std::time::Duration;

/// Is the least time above none that a check may have, in nanoseconds.
const MIN_NANOSECONDS: i128 = 1_000_000;

/// Checks a time; what is wrong is said as a hint.
pub(crate) fn check(text: &str) -> Result<(), &'static str> {
    let time = nanoseconds(text).ok_or("a time is such as `30s`, `1m30s` or `500ms`")?;
    if time != 0 && time < MIN_NANOSECONDS {
        return Err("it is at least `1ms`, or `0` for the default");
    }
    Ok(())
}

/// Reads a time of a `HEALTHCHECK`: numbers with units in a row, such as
/// `1m30s`, `1.5h` or `500ms`, and `0`. There is none if it is less than a
/// millisecond and not 0, or more than 64 bits hold in nanoseconds.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let time = nanoseconds(text)?;
    if time != 0 && time < MIN_NANOSECONDS {
        return None;
    }
    u64::try_from(time).ok().map(Duration::from_nanos)
}

/// Reads numbers and units in a row, or `0`.
fn nanoseconds(text: &str) -> Option<i128> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return Some(0);
    }
    let mut rest = unsigned;
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
        let (number, tail) = rest.split_at(rest.find(|letter| !is_number(letter))?);
        let (unit, tail) = tail.split_at(tail.find(is_number).unwrap_or(tail.len()));
        total += amount(number, unit_nanoseconds(unit)?)?;
        // What 64 bits hold, which is some 292 years.
        i64::try_from(total).ok()?;
        rest = tail;
    }
    let negative = text.starts_with('-');
    let whole = (!unsigned.is_empty()).then_some(total)?;
    Some(if negative { -whole } else { whole })
}

fn amount(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut total = i128::from(whole).checked_mul(unit)?;
    let mut unit = unit;
    for digit in fraction.chars() {
        unit /= 10;
        total += unit * i128::from(digit.to_digit(10)?);
    }
    Some(total)
}

fn unit_nanoseconds(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}
