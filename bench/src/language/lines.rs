//! One long Dockerfile of many: those of the parser's corpus of styles, one below the
//! other and again from the first, the same in every run.

use std::path::Path;

use dockerfile::{Escape, parse};

use crate::error::Error;

/// The files, from the folder of this package.
const STYLES: &str = "../builder/dockerfile/corpus/styles";

/// Makes a file of so many lines. What stands above the first `FROM` of each is above
/// the first of all, since it is not allowed elsewhere; the last stage needs all others,
/// and has labels up to the last line.
///
/// # Errors
/// Fails when there are no styles.
pub(super) fn make(count: usize) -> Result<String, Error> {
    let styles = read()?;
    let mut head = Vec::new();
    let mut body = Vec::new();
    let mut stages = 0;
    for style in styles.iter().cycle() {
        let lines = head.len() + style.above.len() + body.len() + style.below.len();
        // One line for each stage, and one for the last.
        if lines + stages + style.stages + 1 > count {
            break;
        }
        head.extend(style.above.iter().cloned());
        body.extend(style.below.iter().cloned());
        stages += style.stages;
    }
    let mut lines = head;
    lines.append(&mut body);
    lines.push("FROM scratch".to_owned());
    lines.extend((0..stages).map(|number| format!("COPY --from={number} / /{number}/")));
    for number in lines.len()..count {
        lines.push(format!("LABEL line-{number}=\"${{number:-{number}}}\""));
    }
    Ok(lines.join("\n") + "\n")
}

/// One of the files.
#[derive(Debug)]
struct Style {
    /// The lines above the first `FROM` that matter.
    above: Vec<String>,
    /// All others.
    below: Vec<String>,
    /// How many stages it has.
    stages: usize,
}

fn read() -> Result<Vec<Style>, Error> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(STYLES);
    let mut paths = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        paths.push(entry?.path().join("Dockerfile"));
    }
    paths.sort();
    let mut styles = Vec::new();
    for path in paths {
        let text = fs_err::read_to_string(path)?;
        let (file, _) = parse(text.as_bytes());
        let first = file.stages.first().map_or(0, |stage| stage.from.span.start);
        // A file has one escape character.
        let (Escape::Backslash, Some((above, below))) = (file.escape, text.split_at_checked(first))
        else {
            continue;
        };
        let arguments = above.lines().filter(|line| line.starts_with("ARG "));
        styles.push(Style {
            above: arguments.map(str::to_owned).collect(),
            below: below.lines().map(str::to_owned).collect(),
            stages: file.stages.len(),
        });
    }
    if styles.is_empty() {
        return Err(Error::new(format!("there is nothing in `{STYLES}`")));
    }
    Ok(styles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_lines_as_were_asked_for_and_none_is_wrong() {
        for count in [1, 20, 2_000] {
            let text = make(count).unwrap();
            assert_eq!(text.lines().count(), count);
            let (file, said) = parse(text.as_bytes());
            let wrong = said
                .iter()
                .find(|said| said.severity == dockerfile::Severity::Error);
            assert_eq!(wrong, None);
            assert!(count < 2_000 || file.stages.len() > 100);
            assert_eq!(text, make(count).unwrap());
        }
    }
}
