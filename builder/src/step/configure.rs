//! The instructions that change nothing but the config (Dockerfile
//! reference; image-spec, "Image Configuration").

use std::time::Duration;

use dockerfile::{Command, Escape, Heredoc, Instruction, Kind, Pair, Source, Text};

use crate::error::{Error, ErrorKind};
use crate::image::{Health, ImageConfig, Runtime};
use crate::plan::{Arguments, Scope, excerpt, misexpanded};
use crate::step;
use crate::step::port::{self, Ports};
use crate::step::signal;

/// Is what the config of a stage has become so far.
#[derive(Debug, Clone)]
pub(crate) struct Configured {
    pub(crate) config: ImageConfig,
    pub(crate) scope: Scope,
    /// Whether this stage has said what to start: an `ENTRYPOINT` takes the
    /// `CMD` of the base away, not that of the stage.
    pub(crate) has_command: bool,
}

/// What runs the lines of a shell where `SHELL` names nothing else.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// The most ports that one image names, all ports of the three protocols.
const PORTS_LIMIT: usize = 3 * 65_536;

impl Configured {
    /// Starts from the config of a base.
    pub(crate) fn new(config: ImageConfig) -> Self {
        Self {
            config,
            scope: Scope::default(),
            has_command: false,
        }
    }

    /// Expands a text, with the environment before the arguments.
    pub(crate) fn expand(&self, text: &Text, escape: Escape) -> Result<String, Error> {
        let variables = self.scope.with(&self.config.config);
        dockerfile::expand_word(text.as_str(), escape, &variables)
            .map(|expanded| expanded.value)
            .map_err(|error| misexpanded(text, error))
    }

    /// Expands the content of a heredoc.
    pub(crate) fn expand_heredoc(
        &self,
        heredoc: &dockerfile::Heredoc,
        escape: Escape,
    ) -> Result<String, Error> {
        if !heredoc.expands {
            return Ok(heredoc.content.clone());
        }
        let variables = self.scope.with(&self.config.config);
        dockerfile::expand_heredoc(&heredoc.content, escape, &variables)
            .map(|expanded| expanded.value)
            .map_err(|error| Error::new(ErrorKind::Step, error.to_string()).at(heredoc.body))
    }

    /// Does an instruction that changes nothing but the config; `false` for
    /// any other.
    pub(crate) fn apply(
        &mut self,
        instruction: &Instruction,
        arguments: &Arguments,
    ) -> Result<bool, Error> {
        let escape = arguments.escape();
        match &instruction.kind {
            Kind::Arg(declared) => {
                let runtime = &self.config.config;
                self.scope.declare(declared, arguments, runtime)?;
            }
            Kind::Env(pairs) => {
                for (name, value) in self.pairs(pairs, escape)? {
                    self.runtime().set_variable(&name, &value);
                }
            }
            Kind::Label(pairs) => {
                for (name, value) in self.pairs(pairs, escape)? {
                    self.runtime().labels.insert(name, value);
                }
            }
            Kind::User(user) => {
                let value = self.expand(user, escape)?;
                self.runtime().user = not_empty(value, user, "USER")?;
            }
            Kind::Expose(ports) => self.expose(ports, escape)?,
            Kind::Volume(volumes) => {
                for volume in volumes {
                    let value = self.expand(volume, escape)?;
                    let value = not_empty(value.trim().to_owned(), volume, "VOLUME")?;
                    self.runtime().volumes.entry(value).or_default();
                }
            }
            Kind::StopSignal(text) => {
                let value = self.expand(text, escape)?;
                signal::check(&value).map_err(|error| error.at(text.span()))?;
                self.runtime().stop_signal = Some(value);
            }
            Kind::Shell(shell) => self.runtime().shell = Some(shell.clone()),
            Kind::Cmd(command) => {
                self.runtime().cmd = Some(self.started(command));
                self.has_command = true;
            }
            Kind::Entrypoint(command) => {
                self.runtime().entrypoint = Some(self.started(command));
                if !self.has_command {
                    self.runtime().cmd = None;
                }
            }
            Kind::Healthcheck(check) => {
                self.runtime().healthcheck = Some(health(check));
            }
            Kind::Maintainer(author) => self.config.author = Some(author.as_str().to_owned()),
            Kind::Onbuild(trigger) => {
                let triggers = self.runtime().on_build.get_or_insert_default();
                triggers.push(written(instruction, trigger));
            }
            Kind::Add(_) | Kind::Copy(_) | Kind::Run(_) | Kind::Workdir(_) => return Ok(false),
        }
        Ok(true)
    }

    fn runtime(&mut self) -> &mut Runtime {
        &mut self.config.config
    }

    /// Expands pairs, all with the variables as they were before.
    fn pairs(&self, pairs: &[Pair], escape: Escape) -> Result<Vec<(String, String)>, Error> {
        let mut all = Vec::with_capacity(pairs.len());
        for Pair { key, value } in pairs {
            let name = self.expand(key, escape)?;
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(Error::new(
                    ErrorKind::Step,
                    format!("`{}` is no name once it is expanded", excerpt(&name)),
                )
                .at(key.span()));
            }
            all.push((name, self.expand(value, escape)?));
        }
        Ok(all)
    }

    /// Gives the words that a container is started with.
    fn started(&self, command: &Command) -> Vec<String> {
        match command {
            Command::Exec(words) => words.clone(),
            Command::Shell(line) => {
                let own = self
                    .config
                    .config
                    .shell
                    .clone()
                    .filter(|shell| !shell.is_empty());
                let mut words = own.unwrap_or_else(|| SHELL.map(str::to_owned).into());
                words.push(line.as_str().to_owned());
                words
            }
        }
    }

    fn expose(&mut self, ports: &[Text], escape: Escape) -> Result<(), Error> {
        for text in ports {
            let variables = self.scope.with(&self.config.config);
            let words = dockerfile::expand_words(text.as_str(), escape, &variables)
                .map_err(|error| misexpanded(text, error))?;
            for word in words {
                let Ports { numbers, protocol } =
                    port::parse(&word).map_err(|error| error.at(text.span()))?;
                let exposed = &mut self.config.config.exposed_ports;
                for port in numbers {
                    exposed.entry(format!("{port}/{protocol}")).or_default();
                }
                if exposed.len() > PORTS_LIMIT {
                    let message = format!("the image names more than {PORTS_LIMIT} ports");
                    return Err(Error::new(ErrorKind::Step, message).at(text.span()));
                }
            }
        }
        Ok(())
    }
}

/// Says how a container is checked.
fn health(check: &dockerfile::Healthcheck) -> Health {
    let command = match check {
        dockerfile::Healthcheck::None => return Health::none(),
        dockerfile::Healthcheck::Command { command, .. } => command,
    };
    let mut test = Vec::new();
    match command {
        Command::Shell(line) => test.extend(["CMD-SHELL", line.as_str()].map(str::to_owned)),
        Command::Exec(words) => {
            test.push("CMD".to_owned());
            test.extend(words.iter().cloned());
        }
    }
    let options = check.options();
    Health {
        test,
        interval: nanoseconds(options.interval),
        timeout: nanoseconds(options.timeout),
        start_period: nanoseconds(options.start_period),
        start_interval: nanoseconds(options.start_interval),
        retries: options.retries.unwrap_or_default().into(),
        ..Health::default()
    }
}

/// Counts a time in the unit of configs; what is not said is 0 there.
fn nanoseconds(time: Option<Duration>) -> i64 {
    let time = time.unwrap_or_default();
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// Gives what an `ONBUILD` keeps for the images on this one: its instruction
/// as it is written, with its heredocs behind it.
fn written(onbuild: &Instruction, trigger: &Instruction) -> String {
    let kept = onbuild.text.split_once(char::is_whitespace);
    let mut text = kept.map_or(String::new(), |(_, kept)| kept.trim_start().to_owned());
    let mut add = |heredoc: &Heredoc| {
        text.push('\n');
        text.push_str(&heredoc.content);
        text.push_str(&heredoc.name);
    };
    match &trigger.kind {
        Kind::Run(run) => run.heredocs.iter().for_each(add),
        Kind::Add(copy) | Kind::Copy(copy) => {
            for source in &copy.sources {
                if let Source::Heredoc(heredoc) = source {
                    add(heredoc);
                }
            }
        }
        _ => {}
    }
    text
}

/// Sees to it that something is left of a value.
fn not_empty(value: String, text: &Text, instruction: &str) -> Result<String, Error> {
    step::not_empty(instruction, &value).map_err(|error| error.at(text.span()))?;
    Ok(value)
}

#[cfg(test)]
mod tests;
