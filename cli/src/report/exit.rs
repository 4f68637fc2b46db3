//! Exit codes: what a failure means to a script.

use client::ErrorKind;

/// Says how a failed command ends. `docs/reference/exit-codes.md` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something went wrong.
    Failure = 1,
    /// The arguments or the configuration are wrong.
    Usage = 2,
    /// What was named is not there.
    NotFound = 3,
    /// The registry wants other credentials, or these do not suffice.
    Denied = 4,
    /// Content is not what its digest promises.
    Mismatch = 5,
    /// The registry could not be reached or failed.
    Unavailable = 6,
    /// A command of the Dockerfile failed.
    Command = 7,
    /// Commands can not be run here.
    Sandbox = 8,
    /// A second build came to something else.
    Different = 9,
    /// The terminal went away: 128 and the number of `SIGHUP`.
    HungUp = 129,
    /// Somebody pressed Ctrl-C: 128 and the number of `SIGINT`.
    Interrupted = 130,
    /// Somebody asked for it: 128 and the number of `SIGTERM`.
    Terminated = 143,
}

/// Every way to fail, with what it means, for the reference.
#[cfg(test)]
pub(crate) const MEANINGS: [(Exit, &str); 12] = [
    (
        Exit::Failure,
        "Something else went wrong: a full disk, a refused request, a certificate that is not trusted. Or a check found something: `wharf check` warnings and no errors, `wharf check --storage` what is damaged and was not healed, `wharf dockerfile fmt --check` a file that it would change.",
    ),
    (
        Exit::Usage,
        "The arguments or the configuration are wrong, or a Dockerfile, an ignore file or a context says what can not be done. The same command fails again.",
    ),
    (
        Exit::NotFound,
        "What was named is not there: no such image, tag, repository, Dockerfile, file to copy, file of an archive or storage of a registry.",
    ),
    (
        Exit::Denied,
        "The registry wants credentials, did not take those it got, or does not permit this with them. `wharf login` may help.",
    ),
    (
        Exit::Mismatch,
        "Content did not verify: it is not what its digest or size promises. Nothing of it was kept.",
    ),
    (
        Exit::Unavailable,
        "A registry, a URL or a git repository could not be reached, or failed, also when tried again. The same command may succeed later.",
    ),
    (
        Exit::Command,
        "A command of a `RUN` failed, was killed or took too long; its own code is in the message.",
    ),
    (
        Exit::Sandbox,
        "Commands can not be run here, or the sandbox broke. `wharf doctor` says what was tried and what would help; it ends so itself where no sandbox works, or not the one it was asked about.",
    ),
    (
        Exit::Different,
        "`wharf build --verify` built twice, and not to the same. The image of the first build is in the library; it was neither pushed nor written elsewhere.",
    ),
    (
        Exit::HungUp,
        "The terminal went away (`SIGHUP`). What was begun was given up, and nothing of it was left.",
    ),
    (Exit::Interrupted, "The same after Ctrl-C (`SIGINT`)."),
    (
        Exit::Terminated,
        "The same after `SIGTERM`. `wharf serve` ends with 0 after either: it has nothing to give up.",
    ),
];

/// Decides how a failed command ends: by the outermost error that tells.
pub(super) fn of(error: &anyhow::Error) -> Exit {
    // Whatever was asked for, it is not the arguments that are wrong.
    if error.chain().any(is_full) {
        return Exit::Failure;
    }
    error.chain().find_map(told_by).unwrap_or(Exit::Failure)
}

fn is_full(level: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let kind = level.downcast_ref().map(std::io::Error::kind);
    kind.is_some_and(|kind| [StorageFull, QuotaExceeded].contains(&kind))
}

/// Says whether something could not be read, rather than being wrong.
fn is_unreadable(level: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    let wrong = [InvalidData, InvalidInput, UnexpectedEof];
    let failed =
        |cause: &std::io::Error| cause.get_ref().is_none() && !wrong.contains(&cause.kind());
    let mut causes = std::iter::successors(Some(level), |level| level.source());
    causes.any(|cause| cause.downcast_ref().is_some_and(failed))
}

fn told_by(level: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    // What an error of reading carries is no level of its own.
    if let Some(carried) = level.downcast_ref().and_then(std::io::Error::get_ref) {
        return std::iter::successors(Some(carried as &dyn std::error::Error), |level| {
            level.source()
        })
        .find_map(told_by);
    }
    if let Some(ending) = level.downcast_ref::<super::Ending>() {
        return Some(ending.exit);
    }
    if let Some(told) = level.downcast_ref::<super::Told>() {
        return Some(told.0);
    }
    if level.is::<oci::ParseError>() || level.is::<client::OptionsError>() {
        return Some(Exit::Usage);
    }
    if let Some(error) = level.downcast_ref::<builder::Error>() {
        return match error.kind() {
            builder::ErrorKind::Mistakes
            | builder::ErrorKind::Step
            | builder::ErrorKind::Unsupported => Some(Exit::Usage),
            builder::ErrorKind::Context if !is_unreadable(level) => Some(Exit::Usage),
            builder::ErrorKind::NotFound => Some(Exit::NotFound),
            builder::ErrorKind::Mismatch => Some(Exit::Mismatch),
            builder::ErrorKind::Fetch => Some(Exit::Unavailable),
            builder::ErrorKind::Command => Some(Exit::Command),
            builder::ErrorKind::Sandbox => Some(Exit::Sandbox),
            // The cause may tell more.
            _ => None,
        };
    }
    if let Some(error) = level.downcast_ref::<image::Error>() {
        return of_image(error.kind());
    }
    if let Some(error) = level.downcast_ref::<client::Error>() {
        return match error.kind() {
            ErrorKind::NotFound => Some(Exit::NotFound),
            ErrorKind::Denied => Some(Exit::Denied),
            ErrorKind::Mismatch => Some(Exit::Mismatch),
            ErrorKind::Unavailable => Some(Exit::Unavailable),
            ErrorKind::Rejected | ErrorKind::Tls | ErrorKind::Protocol => Some(Exit::Failure),
            // Whoever was read from knows better.
            ErrorKind::Source => None,
        };
    }
    if let Some(error) = level.downcast_ref::<blob::Error>() {
        return match error.kind() {
            blob::ErrorKind::Mismatch | blob::ErrorKind::Corrupt => Some(Exit::Mismatch),
            _ => None,
        };
    }
    None
}

fn of_image(kind: image::ErrorKind) -> Option<Exit> {
    use image::ErrorKind as Kind;
    match kind {
        Kind::NotFound => Some(Exit::NotFound),
        Kind::Ambiguous | Kind::Home => Some(Exit::Usage),
        Kind::Mismatch => Some(Exit::Mismatch),
        Kind::Invalid | Kind::Unsupported => Some(Exit::Failure),
        // The cause tells more.
        Kind::Storage | Kind::Registry => None,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::super::{WithHint as _, missing, usage};
    use super::*;

    #[test]
    fn the_outermost_error_that_tells_counts() {
        let io = || anyhow::Error::new(std::io::Error::other("x"));
        let bad_name = "A".parse::<oci::Tag>().err().map(|_| ());
        assert_eq!(bad_name, None);
        let parse = "..".parse::<oci::Tag>().expect_err("refused");
        let corrupt = blob::Error::new(blob::ErrorKind::Corrupt, "x");
        for (error, exit) in [
            (io(), Exit::Failure),
            (usage("x").context("y"), Exit::Usage),
            (missing("x"), Exit::NotFound),
            (
                Err::<(), _>(usage("x"))
                    .hint("y")
                    .context("z")
                    .expect_err("it"),
                Exit::Usage,
            ),
            (
                Err::<(), _>(io()).or_usage(|| "y".into()).expect_err("it"),
                Exit::Usage,
            ),
            (anyhow::Error::new(parse).context("x"), Exit::Usage),
            (anyhow::Error::new(corrupt).context("x"), Exit::Mismatch),
            (
                anyhow::Error::new(std::io::Error::other(blob::Error::new(
                    blob::ErrorKind::Mismatch,
                    "x",
                )))
                .context("y"),
                Exit::Mismatch,
            ),
            (
                anyhow::Error::new(std::io::Error::from(std::io::ErrorKind::StorageFull))
                    .context(usage("x")),
                Exit::Failure,
            ),
        ] {
            assert_eq!(of(&error), exit, "{error:?}");
        }
    }

    #[test]
    fn codes_are_listed_in_order() {
        let codes: Vec<u8> = MEANINGS.iter().map(|(exit, _)| *exit as u8).collect();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 129, 130, 143]);
    }
}
