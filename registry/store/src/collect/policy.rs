//! How long things stay that nothing needs.

use std::time::Duration;

use crate::records::UploadRecord;

/// Says how long things stay that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long a blob stays that no manifest needs, since it was pushed,
    /// mounted or asked for: a client needs this time to push the manifest.
    /// Nothing that was acknowledged depends on it.
    pub grace: Duration,
    /// How long a manifest stays that no tag means, that no index here
    /// references and whose subject is not here; for ever where it is absent.
    pub untagged_after: Option<Duration>,
    /// How long an upload stays to which nothing was written.
    pub upload_expiry: Duration,
}

impl Policy {
    /// The time for which a push may rest between its blobs and its manifest.
    pub const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

    /// The time for which an upload may rest.
    pub const UPLOAD_EXPIRY: Duration = Duration::from_secs(24 * 60 * 60);

    pub(crate) fn grace_millis(&self) -> u64 {
        millis(self.grace)
    }

    pub(crate) fn untagged_millis(&self) -> Option<u64> {
        self.untagged_after.map(millis)
    }

    pub(crate) fn expiry_millis(&self) -> u64 {
        millis(self.upload_expiry)
    }

    /// Says whether an upload that goes on was given up by its client.
    pub(crate) fn is_abandoned(&self, upload: &UploadRecord, now: u64) -> bool {
        let touched = upload.touched.max(upload.started).min(now);
        touched.saturating_add(self.expiry_millis()) <= now
    }
}

impl Default for Policy {
    /// Keeps untagged manifests, and everything else for a day.
    fn default() -> Self {
        Self {
            grace: Self::GRACE,
            untagged_after: None,
            upload_expiry: Self::UPLOAD_EXPIRY,
        }
    }
}

/// Counts the milliseconds of a time.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
