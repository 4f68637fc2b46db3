//! Permissions as `--chmod` says them: in octal (Dockerfile reference,
//! "COPY --chown --chmod").

use crate::error::{Error, ErrorKind};

/// Reads permission bits.
pub(crate) fn parse(text: &str) -> Result<u16, Error> {
    let digits = !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u16::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777);
    match (digits, mode) {
        (true, Some(mode)) => Ok(mode),
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "`--chmod={}` is no octal number up to 7777",
                crate::plan::excerpt(text)
            ),
        )
        .with_hint("write permissions as in `--chmod=755`; letters are not supported yet")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_numbers_alone() {
        for (text, mode) in [
            ("0", 0),
            ("755", 0o755),
            ("0644", 0o644),
            ("7777", 0o7777),
            ("0007777", 0o7777),
        ] {
            assert_eq!(parse(text).expect("valid"), mode, "{text}");
        }
        for text in [
            "",
            "8",
            "+7",
            "-1",
            "u+x",
            "0o755",
            "10000",
            "99999999999",
            " 7",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
