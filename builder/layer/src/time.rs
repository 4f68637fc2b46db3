//! Times of files, as archives write them (POSIX.1-2024, `pax`, "pax Extended
//! Header File Times").

use std::fmt;

/// Is when a file was changed, to the nanosecond.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(try_from = "(i64, u32)", into = "(i64, u32)")]
pub struct Time {
    seconds: i64,
    /// What has passed of the second after that.
    nanoseconds: u32,
}

const NANOSECONDS: u32 = 1_000_000_000;
/// The digits of a nanosecond behind the point.
const DIGITS: usize = 9;

impl Time {
    /// Makes a time of whole seconds since 1970.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self {
            seconds,
            nanoseconds: 0,
        }
    }

    /// Makes a time of seconds since 1970, and of what has passed of the next
    /// one in nanoseconds; `None` where that is a second or more.
    #[must_use]
    pub fn new(seconds: i64, nanoseconds: u32) -> Option<Self> {
        (nanoseconds < NANOSECONDS).then_some(Self {
            seconds,
            nanoseconds,
        })
    }

    /// Gives the whole seconds since 1970; below it those of the second before.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Gives what has passed of the second after those, in nanoseconds.
    #[must_use]
    pub const fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// Reads seconds with or without a fraction, of which all behind a
    /// nanosecond is cut off, below 1970 too towards the past, as clocks do.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let seconds: i64 = whole.parse().ok()?;
        let (kept, cut) = fraction.split_at(fraction.len().min(DIGITS));
        let nanoseconds: u32 = format!("{kept:0<DIGITS$}").parse().ok()?;
        let negative = whole.starts_with('-');
        let further = negative && cut.bytes().any(|digit| digit != b'0');
        let passed = nanoseconds + u32::from(further);
        Some(match passed {
            _ if !negative => Self {
                seconds,
                nanoseconds,
            },
            0 => Self::from_seconds(seconds),
            NANOSECONDS => Self::from_seconds(seconds.saturating_sub(1)),
            passed => Self {
                seconds: seconds.saturating_sub(1),
                nanoseconds: NANOSECONDS - passed,
            },
        })
    }
}

impl TryFrom<(i64, u32)> for Time {
    type Error = &'static str;

    fn try_from((seconds, nanoseconds): (i64, u32)) -> Result<Self, Self::Error> {
        Self::new(seconds, nanoseconds).ok_or("a fraction of a second is less than one")
    }
}

impl From<Time> for (i64, u32) {
    fn from(time: Time) -> Self {
        (time.seconds, time.nanoseconds)
    }
}

/// Writes seconds, with a fraction where there is one, without zeros at its
/// end.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanoseconds == 0 {
            return self.seconds.fmt(f);
        }
        // Below 1970 the fraction counts towards the past.
        let (sign, whole, fraction) = match self.seconds {
            0.. => ("", self.seconds.unsigned_abs(), self.nanoseconds),
            _ => (
                "-",
                self.seconds.unsigned_abs() - 1,
                NANOSECONDS - self.nanoseconds,
            ),
        };
        let fraction = format!("{fraction:0>DIGITS$}");
        write!(f, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fractions_count_towards_the_past_below_1970() {
        for (text, seconds, nanoseconds, written) in [
            ("0", 0, 0, "0"),
            ("5", 5, 0, "5"),
            ("5.", 5, 0, "5"),
            ("5.25", 5, 250_000_000, "5.25"),
            ("5.000000001", 5, 1, "5.000000001"),
            ("5.0000000019", 5, 1, "5.000000001"),
            ("-5", -5, 0, "-5"),
            ("-5.25", -6, 750_000_000, "-5.25"),
            ("-0.5", -1, 500_000_000, "-0.5"),
            ("-0", 0, 0, "0"),
            ("-5.0000000001", -6, 999_999_999, "-5.000000001"),
            ("-5.9999999991", -6, 0, "-6"),
        ] {
            let time = Time::parse(text.as_bytes()).expect(text);
            assert_eq!(
                (time.seconds(), time.nanoseconds()),
                (seconds, nanoseconds),
                "{text}"
            );
            assert_eq!(time.to_string(), written, "{text}");
        }
        for text in [
            "",
            ".",
            ".5",
            "x",
            "1.x",
            "1.-5",
            "1.5.5",
            "99999999999999999999",
        ] {
            assert_eq!(Time::parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in any::<i64>(), nanoseconds in 0..NANOSECONDS) {
            let time = Time::new(seconds, nanoseconds).expect("below a second");
            // The least number of all has no room for a fraction below it.
            prop_assume!(seconds > i64::MIN);
            prop_assert_eq!(Time::parse(time.to_string().as_bytes()), Some(time));
        }

        #[test]
        fn any_bytes_have_an_answer(text in proptest::collection::vec(any::<u8>(), 0..30)) {
            let _ = Time::parse(&text);
        }
    }
}
