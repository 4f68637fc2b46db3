//! All keys below a key, for tests that look at the whole effect.

use crate::backend::Backend;
use crate::error::Error;
use crate::key::Key;

/// Names asked for at once.
const PAGE: usize = 1000;

/// Lists the keys below a key that hold a record or blob, at any depth, in
/// byte order, as they are written. The key itself is not among them.
///
/// # Errors
///
/// Fails when the backend does.
pub async fn listing(backend: &dyn Backend, key: &Key) -> Result<Vec<String>, Error> {
    let mut keys = Vec::new();
    let mut directories = vec![key.clone()];
    while let Some(directory) = directories.pop() {
        let mut after = String::new();
        loop {
            let page = backend.page(&directory, &after, PAGE).await?;
            for name in &page.names {
                let child = directory.child(&unescape(name));
                if backend.head(&child).await?.is_some() {
                    keys.push(child.to_string());
                } else {
                    directories.push(child);
                }
            }
            match page.names.last() {
                Some(last) if page.more => after.clone_from(last),
                _ => break,
            }
        }
    }
    keys.sort_unstable();
    Ok(keys)
}

/// Gives the text that [`Key`] has escaped.
fn unescape(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next(), rest.next()].map(|digit| digit.map_or(0, hex));
            // A lone `%` is the escape of nothing.
            if name.len() > 1 {
                bytes.push(digits[0] << 4 | digits[1]);
            }
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> u8 {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_are_unescaped(text: String) {
            let key = Key::top(&text);
            prop_assert_eq!(unescape(key.name()), text);
        }
    }

    #[test]
    fn nothing_is_unescaped() {
        assert_eq!(unescape(Key::top("").name()), "");
    }
}
