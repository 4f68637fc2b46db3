//! `wharf logout`.

use oci::{DEFAULT_REGISTRY, RegistryHost};

use crate::arguments::Global;
use crate::commands::login::registry;
use crate::commands::wait;
use crate::credentials::{self, Editor, Helper, Keychain, Removed};
use crate::environment::Environment;
use crate::registries::Reach;
use crate::report::say;

/// Forgets the credentials for a registry.
///
/// They are taken from where `wharf login` puts them. Where another place
/// still has some, that is said.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The registry, as in localhost:5000
    #[arg(default_value = DEFAULT_REGISTRY, value_parser = registry)]
    registry: RegistryHost,

    #[command(flatten)]
    reach: Reach,
}

/// Forgets, and says what is still known.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let registry = &arguments.registry;
    let authfile = arguments.reach.authfile.as_deref();
    let file = credentials::login_file(environment, authfile)?;
    let mut editor = Editor::open(&file)?;
    let mut known = false;
    if let Some(name) = editor.helper(registry) {
        let helper = Helper::new(name, environment.variable("PATH").unwrap_or_default());
        let server = registry.auth_key();
        known = wait(async {
            let known = helper.get(server).await?.is_some();
            helper.erase(server).await?;
            Ok(known)
        })?;
    }
    if editor.remove(registry) == Removed::Entry {
        editor.save()?;
        known = true;
    }
    if !global.quiet {
        say(&if known {
            format!("logged out of `{registry}`")
        } else {
            format!("was not logged in to `{registry}`")
        });
    }
    for place in Keychain::read(environment, authfile).places_of(registry) {
        say(&format!("{place} still has credentials for `{registry}`"));
    }
    Ok(())
}
