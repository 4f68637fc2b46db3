//! What a `RUN` is made of, as far as that is known without any file of its
//! stage: so a command that was run before is found without any of them.

use std::collections::BTreeMap;

use dockerfile::{Mount, MountKind};

use crate::cache::{Definition, InputKind};
use crate::error::Error;
use crate::plan::{CopyFrom, Step};
use crate::solve::run::Run;
use crate::solve::running::{Brought, takes_files};
use crate::solve::stage::StageState;
use crate::step::run::command;
use crate::step::run::environment;
use crate::step::run::key::RUN_FORMAT;

impl Run<'_> {
    /// Defines a command, and gives what its mounts bring of contexts.
    pub(super) async fn defined(
        &self,
        number: usize,
        stage: &StageState,
        (run, step): (&dockerfile::Run, &Step),
        written: &[(Mount, dockerfile::Span)],
    ) -> Result<(Definition, Brought), Error> {
        let mut definition = self.defined_alone(stage, run)?;
        let mut brought = BTreeMap::new();
        for (at, (mount, span)) in written.iter().enumerate() {
            let name = format!("mount {}", at + 1);
            definition.add(InputKind::Mount, &name, format!("{mount:?}"));
            if mount.kind == MountKind::Ssh {
                let id = mount.id.as_deref().unwrap_or_default();
                let has_agent = self.request().running.agents.contains_key(id);
                definition.add(
                    InputKind::Mount,
                    format!("{name}, agent"),
                    has_agent.to_string(),
                );
            }
            let Some(from) = step.mounts.get(at).filter(|_| takes_files(mount)) else {
                continue;
            };
            let name = format!("{name}, files");
            match from {
                CopyFrom::Context | CopyFrom::Files(_) => {
                    let brings = self.brings(number, from, mount).await;
                    let brings = brings.map_err(|error| error.at(*span))?;
                    definition.add_digest(InputKind::File, name, brings.digest);
                    brought.insert(at, brings);
                }
                _ => {
                    let chain = self.chain_of(number, from).await;
                    let chain = chain.map_err(|error| error.at(*span))?;
                    definition.add_digest(InputKind::Source, name, chain);
                }
            }
        }
        Ok((definition, brought))
    }

    /// Defines a command without its mounts.
    fn defined_alone(
        &self,
        stage: &StageState,
        run: &dockerfile::Run,
    ) -> Result<Definition, Error> {
        let mut definition = self.definition("RUN", Some(stage));
        let mut add = |kind, name: &str, value: &str| definition.add(kind, name, value);
        add(InputKind::Option, "format", &RUN_FORMAT.to_string());
        let config = &stage.configured.config;
        let started = command::started(run, &config.config)?;
        for (number, word) in started.arguments.iter().enumerate() {
            add(
                InputKind::Instruction,
                &format!("word {}", number + 1),
                word,
            );
        }
        for script in &started.scripts {
            let name = format!("the heredoc {}", script.name);
            add(InputKind::Instruction, &name, &script.content);
        }
        let (network, security) = self.allowed(run)?;
        add(InputKind::Instruction, "--network", &format!("{network:?}"));
        add(
            InputKind::Instruction,
            "--security",
            &format!("{security:?}"),
        );
        add(InputKind::Platform, "", &format!("{:?}", config.platform));
        add(InputKind::User, "", &config.config.user);
        add(InputKind::Directory, "", stage.working_directory());
        for (name, value) in stage.configured.scope.declared() {
            add(InputKind::Argument, name, value);
        }
        for (name, value) in environment::of_config(&config.config.env) {
            add(InputKind::Environment, name, value);
        }
        for (name, address) in &self.request().running.hosts {
            add(InputKind::Host, name, &address.to_string());
        }
        Ok(definition)
    }
}
