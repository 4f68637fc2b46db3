//! What wharf and its peers build, as tables: each case is a Dockerfile, the peers that
//! build it too, and all that wharf does otherwise on purpose.
//!
//! `BASE` is what each calls the base, the context is that of
//! [`shelves`](super::shelves), the base that of [`base`](super::base), and `WEB` is
//! where [`web`](super::web) listens.

mod adding;
mod configured;
mod copying;
mod fetched;
mod inheriting;
mod placing;
mod refused;
mod running;

pub(crate) use adding::ADDING;
pub(crate) use configured::CONFIGURED;
pub(crate) use copying::COPYING;
pub(crate) use fetched::FETCHED;
pub(crate) use inheriting::INHERITING;
pub(crate) use placing::PLACING;
pub(crate) use refused::{REFUSED, Refusal};
pub(crate) use running::{AROUND, LEAVING, MOUNTING, PACKAGING, RUN_REFUSED};

use crate::build::peers::Peer;

/// Every table of what is built.
pub(crate) const TABLES: &[&[Comparison]] = &[
    COPYING, PLACING, CONFIGURED, ADDING, FETCHED, INHERITING, LEAVING, AROUND, MOUNTING, PACKAGING,
];

/// Both peers.
pub(crate) const EACH: &[Peer] = &[Peer::Docker, Peer::Buildah];

/// On which root file system a case builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// Busybox, users and links of every kind.
    Small,
    /// The small one with every command of busybox, to run commands on.
    Equipped,
    /// Debian as mmdebstrap makes it.
    Debian,
    /// What another Dockerfile made of the small one, and who built that; wharf where
    /// it is no peer.
    Built(&'static str, Option<Peer>),
}

impl Base {
    /// Returns the Dockerfile of which it is made; empty where there is none.
    pub(crate) fn lines(self) -> &'static str {
        match self {
            Self::Built(lines, _) => lines,
            Self::Small | Self::Equipped | Self::Debian => "",
        }
    }
}

/// What wharf does otherwise than one peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Differs {
    pub(crate) peer: Peer,
    /// A path, or a part of the config; with `*` at the end all that begin so.
    pub(crate) what: &'static str,
    /// The row of the reference's list of differences.
    pub(crate) reason: &'static str,
}

/// One Dockerfile, who else builds it, and all that wharf does otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Comparison {
    pub(crate) name: &'static str,
    pub(crate) base: Base,
    pub(crate) lines: &'static str,
    /// The context's `.dockerignore`; none when empty.
    pub(crate) ignored: &'static str,
    /// Flags of the command line that all programs take.
    pub(crate) flags: &'static str,
    /// Where times are compared as well: below this path, and nowhere when empty.
    pub(crate) timed: &'static str,
    /// Who builds it beside wharf.
    pub(crate) peers: &'static [Peer],
    pub(crate) differs: &'static [Differs],
}

/// A case that both peers build, on the small base.
const fn small(name: &'static str, lines: &'static str) -> Comparison {
    Comparison {
        name,
        base: Base::Small,
        lines,
        ignored: "",
        flags: "",
        timed: "",
        peers: EACH,
        differs: &[],
    }
}

/// A case that both peers build, with commands of busybox to run.
const fn runs(name: &'static str, lines: &'static str) -> Comparison {
    let mut case = small(name, lines);
    case.base = Base::Equipped;
    case
}

/// A difference from docker.
const fn docker(what: &'static str, reason: &'static str) -> Differs {
    Differs {
        peer: Peer::Docker,
        what,
        reason,
    }
}

/// A difference from buildah.
const fn buildah(what: &'static str, reason: &'static str) -> Differs {
    Differs {
        peer: Peer::Buildah,
        what,
        reason,
    }
}

impl Comparison {
    const fn debian(mut self) -> Self {
        self.base = Base::Debian;
        self
    }

    /// Builds on what wharf makes of another Dockerfile.
    const fn upon(mut self, parent: &'static str) -> Self {
        self.base = Base::Built(parent, None);
        self
    }

    /// Builds on what a peer makes of another Dockerfile.
    const fn upon_that_of(mut self, peer: Peer, parent: &'static str) -> Self {
        self.base = Base::Built(parent, Some(peer));
        self
    }

    const fn ignoring(mut self, ignored: &'static str) -> Self {
        self.ignored = ignored;
        self
    }

    const fn flags(mut self, flags: &'static str) -> Self {
        self.flags = flags;
        self
    }

    const fn timed(mut self, below: &'static str) -> Self {
        self.timed = below;
        self
    }

    /// Leaves out the other peer: Debian's version refuses the case, or cannot build it.
    const fn only(mut self, peers: &'static [Peer]) -> Self {
        self.peers = peers;
        self
    }

    const fn differs(mut self, differs: &'static [Differs]) -> Self {
        self.differs = differs;
        self
    }

    /// Looks for a reason for every difference from a peer, and for a difference for
    /// every reason.
    ///
    /// # Panics
    /// Panics with the differences that have none.
    pub(crate) fn explains(&self, peer: Peer, differences: &[String]) {
        let reasons = || self.differs.iter().filter(|differs| differs.peer == peer);
        let is_of = |differs: &Differs, line: &str| match differs.what.strip_suffix('*') {
            Some(start) => line.starts_with(start),
            None => line.starts_with(&format!("{}: ", differs.what)),
        };
        let unknown: Vec<_> = differences
            .iter()
            .filter(|line| !reasons().any(|differs| is_of(differs, line)))
            .collect();
        assert!(unknown.is_empty(), "{peer:?}: {unknown:#?}");
        // A reason for what does not differ has outlived its difference.
        let outlived: Vec<_> = reasons()
            .filter(|differs| !differences.iter().any(|line| is_of(differs, line)))
            .collect();
        assert!(outlived.is_empty(), "{outlived:#?} of {differences:#?}");
    }
}
