//! Where git works: a directory of its own with a home, so that nothing of the
//! machine's users is read or changed.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::error::{Error, ErrorKind};
use crate::fetch::Network;

/// The settings that hold for every repository, submodules too. What takes
/// from elsewhere is checked; what would run is not there.
const SETTINGS: &str = "\
[core]
\thooksPath = /dev/null
\tattributesFile = /dev/null
\texcludesFile = /dev/null
\tfsmonitor = false
\tautocrlf = false
\tlogAllRefUpdates = false
\tprotectHFS = true
\tprotectNTFS = true
\tfsync = none
[init]
\tdefaultBranch = main
[advice]
\tdetachedHead = false
[transfer]
\tfsckObjects = true
[fetch \"fsck\"]
\tzeroPaddedFilemode = ignore
\tbadTimezone = ignore
\tmissingSpaceBeforeDate = ignore
[gc]
\tauto = 0
[maintenance]
\tauto = false
[submodule]
\trecurse = false
[http]
\tlowSpeedLimit = 100
\tlowSpeedTime = 60
[credential]
\thelper =
\thelper = store
";

/// The file of the settings.
const SETTINGS_FILE: &str = "settings";
/// The certificates that are trusted, where some were handed in.
const ROOTS_FILE: &str = "roots.pem";
/// The most characters in a line of PEM (RFC 7468, section 2).
const PEM_LINE: usize = 64;

/// Is a directory that git works in; it is gone with this value.
#[derive(Debug)]
pub(super) struct Room {
    directory: TempDir,
    has_roots: bool,
}

impl Room {
    /// Makes one. It blocks.
    pub(super) fn create(scratch: &Path, network: &Network) -> Result<Self, Error> {
        let stored = |error: std::io::Error| {
            let message = format!("git can not work in `{}`", scratch.display());
            Error::caused(ErrorKind::Storage, message, error)
        };
        let roots = network.roots.get().map_err(|error| {
            Error::caused(ErrorKind::Fetch, "no connection can be set up", error)
        })?;
        let directory = tempfile::Builder::new()
            .prefix("git-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(scratch)
            .map_err(stored)?;
        let room = Self {
            directory,
            has_roots: !roots.is_empty(),
        };
        fs_err::create_dir(room.home()).map_err(stored)?;
        fs_err::create_dir(room.files()).map_err(stored)?;
        fs_err::write(room.settings(), SETTINGS).map_err(stored)?;
        if room.has_roots {
            fs_err::write(room.home().join(ROOTS_FILE), pem(roots)).map_err(stored)?;
        }
        Ok(room)
    }

    /// Names the directory above all that git looks at.
    pub(super) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// Names the directory of the repository.
    pub(super) fn files(&self) -> PathBuf {
        self.root().join("files")
    }

    pub(super) fn settings(&self) -> PathBuf {
        self.home().join(SETTINGS_FILE)
    }

    /// Names the file of certificates, where there is one.
    pub(super) fn roots(&self) -> Option<PathBuf> {
        self.has_roots.then(|| self.home().join(ROOTS_FILE))
    }

    /// Removes the home. It blocks.
    pub(super) fn remove_home(&self) -> Result<(), Error> {
        fs_err::remove_dir_all(self.home())
            .map_err(|error| Error::caused(ErrorKind::Storage, "git can not be cleaned up", error))
    }
}

fn pem(certificates: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for certificate in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = STANDARD.encode(certificate);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, further) = rest.split_at(rest.len().min(PEM_LINE));
            text.push_str(line);
            text.push('\n');
            rest = further;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
