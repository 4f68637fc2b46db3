//! The parts of a platform's name that rules compare. Whether there is such a
//! platform is not looked at.

/// Names that can be nothing but an architecture.
const ARCHITECTURES: [&str; 12] = [
    "386", "aarch64", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64",
    "s390x", "x86-64", "x86_64",
];

/// Is a platform such as `linux/arm64/v8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Platform {
    pub(super) os: String,
    /// By the name that images use.
    pub(super) architecture: String,
    /// It may be empty.
    pub(super) variant: String,
}

impl Platform {
    /// Reads one. A name without `/` is an architecture of Linux, or none: it
    /// may be a system on whatever machine this is.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let first = parts.next()?;
        let (os, architecture) = match parts.next() {
            Some(architecture) => (first, architecture),
            None if ARCHITECTURES.contains(&first) => ("linux", first),
            None => return None,
        };
        let variant = parts.next().unwrap_or_default();
        // A version of the system may stand in parentheses behind it.
        let os = os.split('(').next().unwrap_or_default();
        if os.is_empty() || architecture.is_empty() || parts.next().is_some() {
            return None;
        }
        let architecture = match architecture.to_ascii_lowercase().as_str() {
            "x86_64" | "x86-64" => "amd64".to_owned(),
            "aarch64" => "arm64".to_owned(),
            "i386" => "386".to_owned(),
            "armhf" | "armel" => "arm".to_owned(),
            other => other.to_owned(),
        };
        Some(Self {
            os: os.to_ascii_lowercase(),
            architecture,
            variant: variant.to_owned(),
        })
    }

    /// Says whether programs for the one are meant for the other; variants may
    /// differ.
    pub(super) fn matches(&self, other: &Self) -> bool {
        self.os == other.os && self.architecture == other.architecture
    }
}
