//! What `${name/pattern/replacement}` and `${name//pattern/replacement}` make
//! of a value.

use crate::expand::pattern::{Budget, Exhausted, Pattern};

/// Replaces the first match.
pub(super) fn first(
    pattern: &Pattern,
    value: &str,
    with: &str,
    steps: &mut Budget,
) -> Result<String, Exhausted> {
    let letters: Vec<char> = value.chars().collect();
    let Some(found) = pattern.find(&letters, 0, steps)? else {
        return Ok(value.to_owned());
    };
    let mut result = String::with_capacity(value.len());
    result.extend(letters.iter().take(found.start));
    result.push_str(with);
    result.extend(letters.iter().skip(found.longest));
    Ok(result)
}

/// Replaces every match, as long as the result is not much larger than `most`
/// bytes: then it ends early, too large all the same.
///
/// In the replacement `$` has the meaning that it has there: `$0` is what
/// matched, `$$` is `$`, and any other name is nothing.
pub(super) fn all(
    pattern: &Pattern,
    value: &str,
    with: &str,
    most: usize,
    steps: &mut Budget,
) -> Result<String, Exhausted> {
    let letters: Vec<char> = value.chars().collect();
    let mut result = String::new();
    // Behind the last match, and where the next one may start.
    let (mut behind, mut from) = (0, 0);
    while from <= letters.len() && result.len() <= most {
        let Some(found) = pattern.find(&letters, from, steps)? else {
            break;
        };
        result.extend(letters.get(behind..found.start).unwrap_or_default());
        // Nothing, right behind a match, is not replaced again.
        if found.longest > behind || found.start == 0 {
            let matched = letters.get(found.start..found.longest).unwrap_or_default();
            fill(with, matched, most, &mut result);
        }
        behind = found.longest;
        from = found.longest.max(from + 1);
    }
    result.extend(letters.iter().skip(behind));
    Ok(result)
}

/// Writes a replacement with what matched in it; no more once it is too large.
fn fill(with: &str, matched: &[char], most: usize, to: &mut String) {
    let mut rest = with;
    while let Some((before, after)) = rest.split_once('$') {
        if to.len() > most {
            return;
        }
        to.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            to.push('$');
            rest = after;
            continue;
        }
        match name(rest) {
            Some((name, after)) => {
                if name == "0" {
                    to.extend(matched);
                }
                rest = after;
            }
            None => to.push('$'),
        }
    }
    to.push_str(rest);
}

/// Takes a name, in `{}` or not, from the front of a text.
fn name(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('{');
    let start = inside.unwrap_or(text);
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let end = start.find(|letter| !is_name(letter)).unwrap_or(start.len());
    let (name, after) = start.split_at(end);
    if name.is_empty() {
        return None;
    }
    match inside {
        Some(_) => after.strip_prefix('}').map(|after| (name, after)),
        None => Some((name, after)),
    }
}
