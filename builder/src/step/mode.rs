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
        _ => Err(refused(text)),
    }
}

/// Says why a text is no mode: letters would be one.
fn refused(text: &str) -> Error {
    let message = format!(
        "`--chmod={}` is no octal number up to 7777",
        crate::plan::excerpt(text)
    );
    let is_symbolic =
        !text.is_empty() && text.bytes().all(|byte| b"ugoarwxXst+-=,".contains(&byte));
    match is_symbolic {
        true => Error::new(ErrorKind::Unsupported, message)
            .with_hint("write permissions as in `--chmod=755`; letters are not supported yet"),
        false => {
            Error::new(ErrorKind::Step, message).with_hint("write permissions as in `--chmod=755`")
        }
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
            let kind = parse(text).expect_err(text).kind();
            let letters = text == "u+x";
            assert_eq!(kind == ErrorKind::Unsupported, letters, "{text}");
        }
    }
}
