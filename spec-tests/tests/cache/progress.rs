//! What a build says of its steps.
//!
//! The one place that knows how it is said.

/// One step of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// Its instruction, in one line.
    pub(crate) text: String,
    pub(crate) fate: Fate,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A command was run, or content was packed.
    Ran,
    /// An earlier build had done it.
    Cached,
    /// It changes the config alone, or nothing.
    Idle,
}

/// Reads what `wharf build` wrote on standard error.
pub(crate) fn steps(words: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in words.lines() {
        if let Some(text) = heading(line) {
            steps.push(Step {
                text: text.to_owned(),
                fate: Fate::Idle,
            });
            continue;
        }
        let Some(step) = steps.last_mut() else {
            continue;
        };
        let line = line.trim_start();
        let is_cached = line.starts_with("cached layer") || line.starts_with("cached: ");
        let ran = line.starts_with("packed layer") || line.starts_with("no file changed");
        if is_cached {
            step.fate = Fate::Cached;
        } else if ran {
            step.fate = Fate::Ran;
        }
    }
    steps
}

/// Returns the instruction of a line such as `[stage, 2/7] RUN true`; where there is one
/// stage, its name is not said.
fn heading(line: &str) -> Option<&str> {
    let (place, text) = line.strip_prefix('[')?.split_once("] ")?;
    let (_, number) = place.rsplit_once(", ").unwrap_or(("", place));
    let (number, count) = number.trim().split_once('/')?;
    let are_numbers = [number, count].map(|text| text.parse::<usize>().is_ok());
    (are_numbers == [true, true]).then_some(text)
}

#[test]
fn steps_are_read() {
    let words = "[a,  1/10] FROM scratch AS a\n[a,  2/10] COPY d /d\n      packed layer 71 of 5 B\n\
                 [a, 10/10] RUN true\n      unpacking 7\n      no file changed in 0.2 s\n\
                 [1/2] RUN echo\n      cached: it changes no file\n[ 2/2] WORKDIR /w\n      \
                 cached layer 1 of 2 B\nbuilt `x`\n";
    let fates: Vec<Fate> = steps(words).iter().map(|step| step.fate).collect();
    let wanted = [Fate::Idle, Fate::Ran, Fate::Ran, Fate::Cached, Fate::Cached];
    assert_eq!(fates, wanted);
    assert_eq!(steps(words)[2].text, "RUN true");
}
