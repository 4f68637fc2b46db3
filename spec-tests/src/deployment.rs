//! Where the registries of this process keep their data, and how many processes serve it.

use std::ffi::OsString;
use std::path::Path;

use crate::environment::{skip, variable};
use crate::fixtures::digest;
use crate::s3::{BUCKET, S3};

/// Processes of a deployment with replicas.
const REPLICAS: usize = 3;

/// How the registries of this process are deployed.
///
/// `WHARF_TEST_DEPLOYMENT` says it, else the name of the test binary does, so that one
/// suite stands in several binaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployment {
    /// One process on a directory.
    Directory,
    /// One process on a bucket of the server in `spec-tests/s3`.
    S3,
    /// One process on a bucket of moto.
    Moto,
    /// Three processes on one bucket, behind a balancer without stickiness.
    Replicas,
}

impl Deployment {
    /// Returns the deployment of this process.
    ///
    /// # Panics
    /// When `WHARF_TEST_DEPLOYMENT` names none.
    #[must_use]
    pub fn here() -> Self {
        let asked = variable("WHARF_TEST_DEPLOYMENT");
        let program = std::env::current_exe().unwrap_or_default();
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        // Cargo adds a dash and sixteen digits.
        let binary = name.split('-').next().unwrap_or_default();
        match asked.as_deref().unwrap_or(binary) {
            "s3" | "distribution_s3" => Self::S3,
            "moto" | "distribution_moto" => Self::Moto,
            "replicas" | "distribution_replicas" => Self::Replicas,
            other => {
                let known = asked.is_none() || other == "directory";
                assert!(known, "no deployment is called `{other}`");
                Self::Directory
            }
        }
    }

    /// Says whether the data lie in a directory.
    #[must_use]
    pub fn is_directory(self) -> bool {
        self == Self::Directory
    }

    /// Returns how many processes there are.
    pub(crate) fn processes(self) -> usize {
        if self == Self::Replicas { REPLICAS } else { 1 }
    }

    /// Returns what stands behind `--storage`, and the variables it needs, for what would
    /// be this directory: each has a place of its own in the bucket.
    pub(crate) fn storage(self, directory: &Path) -> (OsString, Vec<(String, String)>) {
        let server = match self {
            Self::Directory => return (directory.into(), Vec::new()),
            Self::Moto => S3::shared_moto().unwrap_or_else(|| {
                skip("moto is not installed; another S3 server takes its place");
                S3::shared()
            }),
            Self::S3 | Self::Replicas => S3::shared(),
        };
        let name = digest(directory.as_os_str().as_encoded_bytes());
        let prefix = name.split_once(':').map_or("", |(_, digits)| &digits[..12]);
        let storage = format!("s3://{BUCKET}/{prefix}");
        (storage.into(), server.environment())
    }
}
