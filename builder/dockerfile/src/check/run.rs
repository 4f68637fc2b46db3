//! What is run in `RUN`, as far as it can be known before.

use crate::ast::{self, Run};
use crate::check::copying::absolute;
use crate::check::finding::Findings;
use crate::check::rules;
use crate::check::shell::{self, Command, Word};
use crate::diagnostic::excerpt;
use crate::span::Span;
use crate::text::Text;

/// Where apt keeps its lists of packages.
const APT_LISTS: &str = "/var/lib/apt/lists";
/// Commands that change nothing but the shell that runs them.
const SHELL_ONLY: [&str; 8] = [
    "alias", "cd", "export", "popd", "pushd", "set", "ulimit", "umask",
];
/// Ends the names of files that only set variables of the shell that reads
/// them; others may do anything.
const SETTINGS: &str = "bin/activate";
/// Shells that read a heredoc as commands.
const SHELLS: [&str; 6] = ["ash", "bash", "dash", "ksh", "sh", "zsh"];

/// Is the text of a shell, and where it stands.
enum Script<'a> {
    Line(&'a Text),
    Heredoc { text: &'a str, start: usize },
}

impl Script<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Line(text) => text.as_str(),
            Self::Heredoc { text, .. } => text,
        }
    }

    fn span_of(&self, range: std::ops::Range<usize>) -> Span {
        match self {
            Self::Line(text) => text.span_of(range),
            Self::Heredoc { start, .. } => Span::new(start + range.start, start + range.end),
        }
    }
}

/// Is a place of a stage, for the rules about what is run there.
pub(super) struct Place<'a> {
    /// The working directory, if it is known.
    pub(super) directory: Option<&'a str>,
    /// The directories to which files were copied in this stage.
    pub(super) copied: &'a [String],
    /// Gives what a word says once it is expanded, if that is known.
    pub(super) expand: &'a dyn Fn(&str) -> Option<String>,
}

/// Checks a `RUN`.
pub(super) fn check(run: &Run, source: &[u8], place: &Place<'_>, findings: &mut Findings<'_>) {
    for script in scripts(run, source) {
        let commands = shell::commands(script.text());
        check_apt(run, &script, &commands, findings);
        check_effect(&script, &commands, findings);
        check_tree(&script, &commands, place, findings);
    }
}

/// Lists what a shell reads.
fn scripts<'a>(run: &'a Run, source: &'a [u8]) -> Vec<Script<'a>> {
    let ast::Command::Shell(line) = &run.command else {
        return Vec::new();
    };
    let [heredoc] = run.heredocs.as_slice() else {
        return if run.heredocs.is_empty() {
            vec![Script::Line(line)]
        } else {
            Vec::new()
        };
    };
    let before = line.as_str().split("<<").next().unwrap_or_default().trim();
    if !before.is_empty() && !SHELLS.contains(&before.rsplit('/').next().unwrap_or_default()) {
        return Vec::new();
    }
    let body = source.get(heredoc.body.range()).unwrap_or_default();
    let Ok(text) = str::from_utf8(body) else {
        return Vec::new();
    };
    let first = text.lines().next().unwrap_or_default();
    let program = first.strip_prefix("#!").map(|line| {
        let mut words = line.split([' ', '/']).rev();
        words.find(|word| !word.is_empty()).unwrap_or_default()
    });
    if program.is_some_and(|program| !SHELLS.contains(&program)) {
        return Vec::new();
    }
    let start = heredoc.body.start;
    vec![Script::Heredoc { text, start }]
}

/// Checks what apt leaves behind.
fn check_apt(run: &Run, script: &Script<'_>, commands: &[Command], findings: &mut Findings<'_>) {
    let is_apt = |command: &&Command| matches!(command.name(), "apt" | "apt-get" | "aptitude");
    let mut update = None;
    let mut others = 0;
    for command in commands.iter().filter(is_apt) {
        let mut arguments = command.arguments().iter();
        let verb = arguments.find(|word| !word.text.starts_with('-') && !word.text.contains("::"));
        match verb {
            Some(verb) if verb.text == "update" => {
                update.get_or_insert(command.up_to(verb));
            }
            Some(verb) if matches!(verb.text.as_str(), "distclean" | "dist-clean") => return,
            _ => others += 1,
        }
    }
    let Some(update) = update else {
        return;
    };
    if run.flags.iter().any(keeps_out) {
        return;
    }
    let span = script.span_of(update.clone());
    let shown = excerpt(script.text().get(update).unwrap_or_default());
    // Other programs may use the lists too.
    if others == 0 && commands.len() == 1 {
        let message = format!(
            "`{shown}` is a step of its own: the cache keeps its lists while packages change"
        );
        let hint = "update and install in one `RUN`: `apt-get update && apt-get install ...`";
        findings.say(rules::APT_UPDATE_ALONE, span, message, hint);
        return;
    }
    if script.text().contains("/var/lib/apt") || script.text().contains("/var/lib/{") {
        return;
    }
    let message = format!("`{shown}` leaves lists of packages in the layer");
    let hint = format!("end the same `RUN` with `&& rm -rf {APT_LISTS}/*`");
    findings.say(rules::APT_WITHOUT_CLEANUP, span, message, hint);
}

/// Says whether a mount keeps apt's lists out of the layer, or may do so.
fn keeps_out(flag: &ast::Flag) -> bool {
    let Some(value) = &flag.value else {
        return false;
    };
    if flag.name != "mount" {
        return false;
    }
    let fields = value
        .as_str()
        .split(',')
        .filter_map(|it| it.split_once('='));
    let mut kind = "bind";
    let mut target = "";
    for (key, value) in fields {
        match key.trim().to_ascii_lowercase().as_str() {
            "type" => kind = value,
            "target" | "dst" | "destination" => target = value,
            _ => {}
        }
    }
    let target = target.trim_end_matches('/');
    let is_above = APT_LISTS
        .strip_prefix(target)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let is_unknown = kind.contains('$') || target.contains('$');
    is_unknown || (matches!(kind, "cache" | "tmpfs") && is_above && !target.is_empty())
}

/// Checks that something is left of what a step does.
fn check_effect(script: &Script<'_>, commands: &[Command], findings: &mut Findings<'_>) {
    let (Some(first), Some(last)) = (commands.first(), commands.last()) else {
        return;
    };
    // Text in parentheses may leave anything.
    if !commands.iter().all(is_lost) || script.text().contains(['`', '(', '>', '<']) {
        return;
    }
    if last.name() == "set" {
        return;
    }
    let start = first.words.first().map_or(0, |word| word.range.start);
    let end = last.words.last().map_or(start, |word| word.range.end);
    let shown = excerpt(script.text().get(start..end).unwrap_or_default());
    let message = format!("`{shown}` changes only the shell of this `RUN`, which ends with it");
    let only = match (commands, last.arguments()) {
        ([_], [word]) => script.text().get(word.range.clone()),
        _ => None,
    };
    let hint = match last.name() {
        "cd" | "pushd" | "popd" => format!("write `WORKDIR {}`", excerpt(only.unwrap_or("PATH"))),
        "export" => format!("write `ENV {}`", excerpt(only.unwrap_or("NAME=VALUE"))),
        "." | "source" => "put the directory of its programs first in `ENV PATH=...`".to_owned(),
        _ => "write it into the `RUN` that needs it".to_owned(),
    };
    findings.say(
        rules::EFFECT_LOST,
        script.span_of(start..end),
        message,
        hint,
    );
}

/// Says whether nothing is left of a command.
fn is_lost(command: &Command) -> bool {
    match (command.words.first(), command.arguments()) {
        (Some(name), [file]) if matches!(name.text.as_str(), "." | "source") => {
            file.text.ends_with(SETTINGS)
        }
        (Some(name), _) => SHELL_ONLY.contains(&name.text.as_str()),
        (None, _) => true,
    }
}

/// Checks that no copied tree is written a second time.
fn check_tree(
    script: &Script<'_>,
    commands: &[Command],
    place: &Place<'_>,
    findings: &mut Findings<'_>,
) {
    let mut directory = place.directory;
    for command in commands {
        let flag = match command.name() {
            "chown" => "--chown",
            "chmod" => "--chmod",
            "cd" | "pushd" | "popd" => {
                directory = None;
                continue;
            }
            _ => continue,
        };
        if !command.arguments().iter().any(is_recursive) {
            continue;
        }
        let mut words = command.arguments().iter();
        let paths: Vec<&Word> = words.by_ref().filter(|word| !is_flag(word)).collect();
        // The first is the owner or mode.
        for word in paths.iter().skip(1) {
            // A variable may have another value in a shell that sets some.
            if word.expands && script.text().contains('=') {
                continue;
            }
            let Some(path) = path_of(word, directory, place) else {
                continue;
            };
            let inside = |copied: &&String| is_inside(copied, &path);
            let Some(copied) = place.copied.iter().find(inside) else {
                continue;
            };
            let message = format!(
                "all that was copied to `{}` is stored a second time",
                excerpt(copied)
            );
            let hint = format!("write `COPY {flag}=...`, and leave this out");
            let span = script.span_of(command.up_to(word));
            findings.say(rules::WHOLE_TREE_REWRITTEN, span, message, hint);
            break;
        }
    }
}

fn is_flag(word: &Word) -> bool {
    word.text.starts_with('-') && word.text.len() > 1
}

fn is_recursive(word: &Word) -> bool {
    let text = word.text.as_str();
    text == "--recursive"
        || (text.starts_with('-') && !text.starts_with("--") && text.contains('R'))
}

/// Gives the directory that a word names, if that is known.
fn path_of(word: &Word, directory: Option<&str>, place: &Place<'_>) -> Option<String> {
    let text = if word.expands {
        (place.expand)(&word.text)?
    } else {
        word.text.clone()
    };
    let text = text.strip_suffix("/*").unwrap_or(&text);
    if text.contains(['*', '?', '[', '{', '~', '>', '<']) || text.is_empty() {
        return None;
    }
    if text.starts_with('/') {
        return Some(absolute(text, "/"));
    }
    Some(absolute(text, directory?))
}

/// Says whether a path is a directory or lies in it.
fn is_inside(path: &str, directory: &str) -> bool {
    let directory = directory.trim_end_matches('/');
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
