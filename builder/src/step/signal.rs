//! Signals as `STOPSIGNAL` names them (Dockerfile reference, "STOPSIGNAL";
//! signal(7)).

use crate::error::{Error, ErrorKind};
use crate::plan::excerpt;

/// The signals of Linux by name, without `SIG`, and the bounds of the
/// real-time ones.
const NAMES: [&str; 37] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS",
    "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "UNUSED", "URG", "USR1", "USR2", "VTALRM", "WINCH",
    "XCPU", "XFSZ",
];

/// The largest number of a signal.
const LIMIT: u8 = 64;

/// How many real-time signals have names counted from one of the bounds.
const OFFSET_LIMIT: u8 = 15;

/// Says whether a text is the name or the number of a signal.
pub(crate) fn check(text: &str) -> Result<(), Error> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset = ["RTMIN+", "RTMAX-"]
        .iter()
        .find_map(|bound| name.strip_prefix(bound));
    let is_number = |text: &str, limit| {
        let number = text.parse::<u8>();
        number.is_ok_and(|number| (1..=limit).contains(&number))
    };
    if is_number(text, LIMIT)
        || NAMES.contains(&name)
        || offset.is_some_and(|offset| is_number(offset, OFFSET_LIMIT))
    {
        return Ok(());
    }
    let message = format!("`{}` is no signal", excerpt(text));
    Err(Error::new(ErrorKind::Step, message)
        .with_hint("a signal is a name as in `SIGTERM`, or a number from 1 to 64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for text in [
            "SIGTERM",
            "term",
            "9",
            "64",
            "RTMIN",
            "SIGRTMIN+3",
            "rtmax-15",
        ] {
            assert!(check(text).is_ok(), "{text}");
        }
        for text in ["", "FOO", "0", "65", "RTMIN+16", "RTMIN+", "SIG", "SIG9"] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
