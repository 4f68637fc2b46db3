//! The rules once more, with every way tried in turn and nothing remembered.
//! Paths and patterns are letters here; classes are those of letters and
//! ranges alone.

/// Is what one line says.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) exception: bool,
    pub(super) pattern: String,
}

/// Says whether a path is left out, by walking down to it.
pub(super) fn excludes(lines: &[Line], path: &str) -> bool {
    let names: Vec<&str> = path.split('/').collect();
    let mut above = vec![false; lines.len()];
    let mut excluded = false;
    for depth in 1..=names.len() {
        let path = names[..depth].join("/");
        excluded = false;
        let mut here = Vec::new();
        for (line, above) in lines.iter().zip(&above) {
            let can_change = line.exception == excluded;
            let matches = *above || (can_change && matches(&line.pattern, &path));
            if matches {
                excluded = !line.exception;
            }
            here.push(matches);
        }
        above = here;
    }
    excluded
}

/// Says whether a pattern matches a path itself.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let inner = pattern.strip_prefix("**").unwrap_or(pattern);
    let special = |text: &str| text.contains(['*', '?', '[', '\\']);
    if pattern.starts_with("**") && !special(inner) {
        // What stands behind it is the end of the path; as a name, all of it.
        return path.ends_with(inner) || inner.strip_prefix('/') == Some(path);
    }
    if let Some(before) = pattern.strip_suffix("**")
        && !special(before)
    {
        return path.starts_with(before);
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let path: Vec<char> = path.chars().collect();
    expression(&pattern, &path)
}

fn expression(pattern: &[char], path: &[char]) -> bool {
    match pattern {
        [] => path.is_empty(),
        ['*', '*', '/', rest @ ..] | ['*', '*', rest @ ..] => {
            if rest.is_empty() {
                return true;
            }
            let slashes = (0..path.len()).filter(|at| path[*at] == '/');
            expression(rest, path) || slashes.clone().any(|at| expression(rest, &path[at + 1..]))
        }
        ['*', rest @ ..] => {
            let end = path
                .iter()
                .position(|letter| *letter == '/')
                .unwrap_or(path.len());
            (0..=end).any(|at| expression(rest, &path[at..]))
        }
        ['?', rest @ ..] => {
            path.first().is_some_and(|letter| *letter != '/') && expression(rest, &path[1..])
        }
        ['\\', letter, rest @ ..] => path.first() == Some(letter) && expression(rest, &path[1..]),
        ['[', rest @ ..] => {
            let end = rest.iter().position(|letter| *letter == ']').unwrap();
            let Some(letter) = path.first() else {
                return false;
            };
            class(&rest[..end], *letter) && expression(&rest[end + 1..], &path[1..])
        }
        [letter, rest @ ..] => path.first() == Some(letter) && expression(rest, &path[1..]),
    }
}

fn class(inside: &[char], letter: char) -> bool {
    match inside {
        ['^', rest @ ..] => !class(rest, letter),
        [low, '-', high, rest @ ..] => (*low..=*high).contains(&letter) || class(rest, letter),
        [one, rest @ ..] => *one == letter || class(rest, letter),
        [] => false,
    }
}
