//! The flags that say how commands are run.

use builder::{
    Grant, Launch, Limits, OciRuntime, Reach, RunNetwork, Running, SandboxChoice,
};

use crate::environment::Environment;

/// Says how commands are run where nothing else is said.
pub(crate) fn usual(environment: &Environment) -> anyhow::Result<Running> {
    Ok(Running {
        sandbox: SandboxChoice::Best,
        launch: Launch {
            program: "/proc/self/exe".into(),
        },
        store: environment.library_directory()?.join("run"),
        runtime: OciRuntime::Own,
        network: RunNetwork::Host,
        insecure: Grant::Refused,
        secrets: std::collections::BTreeMap::new(),
        agents: std::collections::BTreeMap::new(),
        hosts: Vec::new(),
        resolver: fs_err::read("/etc/resolv.conf").unwrap_or_default(),
        limits: Limits::default(),
        reach: Reach::Open,
    })
}
