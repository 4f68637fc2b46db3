//! Dockerfiles that wharf or one of its peers refuses, on the small base.

/// Who builds a Dockerfile, and who refuses it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    pub(crate) lines: &'static str,
    /// Whether wharf, docker and buildah build it.
    pub(crate) built_by: Builds,
    /// The row of the reference's list of differences; empty where all refuse.
    pub(crate) reason: &'static str,
}

/// Who builds it: wharf, docker, buildah.
pub(crate) type Builds = (bool, bool, bool);

/// Refused by all.
pub(super) const fn all(lines: &'static str) -> Refusal {
    let built_by = (false, false, false);
    Refusal {
        lines,
        built_by,
        reason: "",
    }
}

/// Built by some.
pub(super) const fn some(lines: &'static str, built_by: Builds, reason: &'static str) -> Refusal {
    Refusal {
        lines,
        built_by,
        reason,
    }
}

/// All cases.
pub(crate) const REFUSED: &[Refusal] = &[
    all("FROM BASE\nCOPY missing /x\n"),
    some(
        "FROM BASE\nCOPY *.none /x/\n",
        (false, true, false),
        "nothing-matched",
    ),
    some(
        "FROM BASE\nCOPY a.txt b.txt /srv/new\n",
        (false, true, true),
        "several-sources",
    ),
    some(
        "FROM BASE\nCOPY a.txt b.txt /srv/real\n",
        (false, true, true),
        "several-sources",
    ),
    some(
        "FROM BASE\nCOPY *.txt /srv/new\n",
        (false, true, true),
        "several-sources",
    ),
    some(
        "FROM BASE\nCOPY rootfs/ /\n",
        (false, false, true),
        "buildah-over-directories",
    ),
    some(
        "FROM BASE\nCOPY none/*.x a.txt /x/\n",
        (true, false, true),
        "pattern-through-nothing",
    ),
    all("FROM BASE\nCOPY a.txt /srv/file/x\n"),
    all("FROM BASE\nCOPY dir /srv/file\n"),
    all("FROM BASE\nCOPY dir /opt/file\n"),
    some(
        "FROM BASE\nCOPY clash /\n",
        (false, false, true),
        "buildah-over-directories",
    ),
    some(
        "FROM BASE\nCOPY --chown=who a.txt /x\n",
        (false, true, false),
        "unknown-owner",
    ),
    some(
        "FROM BASE\nCOPY --chmod=9 a.txt /x\n",
        (false, true, false),
        "chmod-digits",
    ),
    all("FROM BASE\nWORKDIR /srv/file/sub\n"),
    all("FROM BASE AS s\nFROM BASE\nCOPY --from=s /srv/missing /x\n"),
    some(
        "FROM BASE\nCOPY */one /x/\n",
        (true, false, true),
        "pattern-through-nothing",
    ),
    // Of the text alone.
    all("FROM BASE\nCOPPY a.txt /x\n"),
    all("FROM BASE\nCOPY a.txt\n"),
    all("FROM BASE\nCOPY --chwon=7 a.txt /x\n"),
    all("FROM BASE\nADD\n"),
    all("FROM BASE\nWORKDIR\n"),
    all("FROM BASE\nUSER\n"),
    all("FROM BASE\nVOLUME\n"),
    all("FROM BASE\nVOLUME [\"\"]\n"),
    all("FROM BASE\nENV A\n"),
    some(
        "FROM BASE\nENV =b\n",
        (false, false, true),
        "buildah-unchecked",
    ),
    all("FROM BASE\nLABEL a=b c\n"),
    some(
        "FROM BASE\nEXPOSE 80/none\n",
        (false, false, true),
        "buildah-unchecked",
    ),
    some(
        "FROM BASE\nEXPOSE 99999\n",
        (false, false, true),
        "buildah-unchecked",
    ),
    all("FROM BASE\nSTOPSIGNAL NEVER\n"),
    all("FROM BASE\nSHELL /bin/sh\n"),
    all("FROM BASE\nHEALTHCHECK\n"),
    all("FROM BASE\nHEALTHCHECK TRUE\n"),
    all("FROM BASE\nHEALTHCHECK --interval=never CMD true\n"),
    all("FROM BASE\nHEALTHCHECK --interval=1 CMD true\n"),
    all("FROM BASE\nHEALTHCHECK --retries=-1 CMD true\n"),
    all("FROM BASE\nHEALTHCHECK CMD\n"),
    all("FROM BASE\nMAINTAINER\n"),
    all("FROM BASE\nONBUILD\n"),
    all("FROM BASE\nONBUILD ONBUILD COPY a.txt /x\n"),
    all("FROM BASE\nONBUILD FROM BASE\n"),
    all("FROM BASE\nONBUILD MAINTAINER me\n"),
    some(
        "FROM BASE\nONBUILD COPPY a.txt /x\n",
        (false, true, true),
        "trigger-mistakes",
    ),
    all("COPY a.txt /x\n"),
    some(
        "FROM BASE AS 1st\n",
        (false, false, true),
        "buildah-unchecked",
    ),
    all("FROM BASE AS\n"),
    all("FROM BASE\nCOPY --from=5 a.txt /x\n"),
    all("FROM BASE\nENV A=${B?not set}\n"),
    all("FROM BASE\nENV A=${\n"),
    // Of files and the web.
    some(
        "FROM BASE\nADD packed/removing.tar /etc/\n",
        (false, true, true),
        "archive-removals",
    ),
    all("FROM BASE\nADD packed/sparse-gnu.tar /x/\n"),
    some(
        "FROM BASE\nADD packed/sparse-pax.tar /x/\n",
        (false, true, true),
        "archive-holes",
    ),
    all("FROM BASE\nADD missing.tar /x/\n"),
    all("FROM BASE\nADD http://WEB/missing /x/\n"),
    some(
        "FROM BASE\nADD http://WEB/ /x/\n",
        (false, true, false),
        "url-without-name",
    ),
    all("FROM BASE\nADD packed/flat.tar /srv/file\n"),
    all("FROM BASE AS first\nONBUILD COPY missing /x\nFROM first\n"),
];
