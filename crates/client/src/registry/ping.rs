//! Asking a registry whether it is one (distribution-spec, "Determining
//! Support").

use http::Method;

use super::Registry;
use crate::auth::Ask;
use crate::error::Error;
use crate::transport::Request;

/// The most of a greeting that is read, in bytes.
const GREETING_LIMIT: usize = 64 * 1024;

/// Says how a registry let one in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It did not ask who it is; the credentials, if any, were not looked at.
    Open,
    /// It asked, and took the answer.
    Granted,
}

impl Registry {
    /// Asks whether the registry is there, and whether it takes the
    /// credentials: `GET /v2/`.
    ///
    /// # Errors
    ///
    /// Fails with [`crate::ErrorKind::Denied`] where the credentials are not
    /// taken, and with [`crate::ErrorKind::NotFound`] where there is no
    /// registry.
    pub async fn ping(&self) -> Result<Access, Error> {
        let url = self.url("").await?;
        let request = Request::new(Method::GET, url, Ask::nothing());
        let answer = self.exchange(&request, GREETING_LIMIT).await?;
        answer.successful(&request)?;
        Ok(if self.endpoint.auth.has_demanded() {
            Access::Granted
        } else {
            Access::Open
        })
    }
}
