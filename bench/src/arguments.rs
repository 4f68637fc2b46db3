//! Numbers on command lines.

use crate::error::Error;

/// Reads the number after an option.
///
/// # Errors
/// Says which option wants one.
pub(crate) fn number<N: std::str::FromStr + PartialOrd + Default>(
    word: Option<String>,
    after: &str,
) -> Result<N, Error> {
    let number = word.and_then(|word| word.parse().ok());
    let number = number.filter(|number| *number > N::default());
    number.ok_or_else(|| Error::new(format!("`{after}` needs a number above 0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_above_0() {
        assert_eq!(number::<u32>(Some("7".to_owned()), "--rounds").unwrap(), 7);
        for word in [None, Some("x"), Some("0"), Some("-1")] {
            let words = number::<i64>(word.map(str::to_owned), "--rounds");
            let words = words.unwrap_err().to_string();
            assert_eq!(words, "`--rounds` needs a number above 0");
        }
    }
}
