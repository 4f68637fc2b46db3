//! Helper programs that keep credentials: `docker-credential-NAME`.
//!
//! The registry goes in by standard input, and JSON comes out by standard
//! output. A helper that does not know the registry says so and fails, which
//! is no error.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use client::{Credential, Secret};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::file::basic;

/// How long a helper may take. It may ask its owner to unlock something.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What a helper says of a registry that it does not know.
const NOT_FOUND: &str = "credentials not found";

/// The longest excerpt of a helper's complaint in a message, in characters.
const EXCERPT: usize = 200;

/// Is a helper program.
#[derive(Debug)]
pub(crate) struct Helper {
    program: String,
    path: String,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

impl Helper {
    /// Names a helper by the last part of its program's name, and says where
    /// programs are, as in `PATH`.
    pub(crate) fn new(name: &str, path: &str) -> Self {
        Self {
            program: format!("docker-credential-{name}"),
            path: path.to_owned(),
        }
    }

    /// Asks for the credential of a server, if it knows one.
    pub(crate) async fn get(&self, server: &str) -> anyhow::Result<Option<Credential>> {
        let output = self.call("get", server.as_bytes()).await?;
        if !output.status.success() {
            if says_not_found(&output) {
                return Ok(None);
            }
            bail!("`{} get` failed: {}", self.program, complaint(&output));
        }
        let answer: Answer = serde_json::from_slice(&output.stdout)
            // What is wrong with it may be a secret.
            .map_err(|_secret| anyhow::anyhow!("`{} get` did not answer in JSON", self.program))?;
        Ok(basic(&answer.username, &answer.secret))
    }

    /// Hands a credential over to be kept.
    pub(crate) async fn store(
        &self,
        server: &str,
        username: &str,
        password: &Secret,
    ) -> anyhow::Result<()> {
        let message = serde_json::json!({
            "ServerURL": server,
            "Username": username,
            "Secret": password.expose(),
        });
        let output = self.call("store", message.to_string().as_bytes()).await?;
        if !output.status.success() {
            bail!("`{} store` failed: {}", self.program, complaint(&output));
        }
        Ok(())
    }

    /// Makes it forget a server; one that it does not know is forgotten.
    pub(crate) async fn erase(&self, server: &str) -> anyhow::Result<()> {
        let output = self.call("erase", server.as_bytes()).await?;
        if !output.status.success() && !says_not_found(&output) {
            bail!("`{} erase` failed: {}", self.program, complaint(&output));
        }
        Ok(())
    }

    async fn call(&self, verb: &str, input: &[u8]) -> anyhow::Result<Output> {
        if self.program.contains('/') {
            bail!("`{}` is no name of a program", self.program.escape_debug());
        }
        let talk = async {
            let mut child = Command::new(self.find()?)
                .arg(verb)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // A helper that answers without reading is as good.
                let _ = stdin.write_all(input).await;
            }
            child.wait_with_output().await
        };
        tokio::time::timeout(TIMEOUT, talk)
            .await
            .map_err(|_elapsed| {
                let seconds = TIMEOUT.as_secs();
                anyhow::anyhow!(
                    "`{} {verb}` took longer than {seconds} seconds",
                    self.program
                )
            })?
            .with_context(|| format!("can not run `{} {verb}`", self.program))
    }

    /// Finds the program: the search of the system would take the `PATH` of
    /// the process rather than the one that was handed in.
    fn find(&self) -> std::io::Result<std::path::PathBuf> {
        let directories = self.path.split(':').filter(|part| !part.is_empty());
        let mut files = directories.map(|directory| Path::new(directory).join(&self.program));
        files
            .find(|file| file.is_file())
            .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::NotFound, "not found in `PATH`"))
    }
}

fn says_not_found(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stdout).contains(NOT_FOUND)
        || String::from_utf8_lossy(&output.stderr).contains(NOT_FOUND)
}

/// Says what a helper complained of. Helpers complain on either output.
fn complaint(output: &Output) -> String {
    let said = if output.stdout.is_empty() {
        &output.stderr
    } else {
        &output.stdout
    };
    let said: String = String::from_utf8_lossy(said)
        .trim()
        .chars()
        .take(EXCERPT)
        .collect();
    if said.is_empty() {
        return output.status.to_string();
    }
    said.escape_debug().to_string()
}
