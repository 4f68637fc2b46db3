//! The commands: one file each, the doc comment of its arguments is its help.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod copy;
pub(crate) mod delete;
pub(crate) mod dockerfile;
pub(crate) mod doctor;
pub(crate) mod gc;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod tag;
pub(crate) mod version;

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::{Arguments, Command};
use crate::commands::copy::{pull, push};
use crate::commands::store::{df, prune};
use crate::environment::Environment;
use crate::report::{self, Exit};

/// Runs the command that was typed.
pub(crate) fn run(environment: &Environment, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { global, command } = arguments;
    match command {
        Command::Build(arguments) => build::run(environment, &global, &arguments),
        Command::Check(arguments) => check::run(environment, &global, &arguments),
        Command::Dockerfile(arguments) => dockerfile::run(&global, &arguments),
        Command::Doctor(arguments) => doctor::run(environment, &global, &arguments),
        Command::Df(arguments) => df::run(environment, &global, &arguments),
        Command::Prune(arguments) => prune::run(environment, &global, &arguments),
        Command::Serve(arguments) => serve::run(environment, &global, &arguments),
        Command::Gc(arguments) => gc::run(environment, &global, &arguments),
        Command::Copy(arguments) => copy::run(environment, &global, &arguments),
        Command::Push(arguments) => push::run(environment, &global, &arguments),
        Command::Pull(arguments) => pull::run(environment, &global, &arguments),
        Command::Inspect(arguments) => inspect::run(environment, &global, &arguments),
        Command::List(arguments) => list::run(environment, &global, &arguments),
        Command::Tag(arguments) => tag::run(environment, &global, &arguments),
        Command::Delete(arguments) => delete::run(environment, &global, &arguments),
        Command::Login(arguments) => login::run(environment, &global, &arguments),
        Command::Logout(arguments) => logout::run(environment, &global, &arguments),
        Command::Config(arguments) => config::run(environment, &global, &arguments),
        Command::Version(arguments) => version::run(&arguments),
    }
}

/// How long work that can not be cut short may go on after a signal.
const GRACE: Duration = Duration::from_secs(2);

/// Waits for what runs over the network. A signal that asks the program to end
/// ends the work first, so that nothing of it is left: no file, no process.
fn wait<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(async {
        let asked = asked_to_end()?;
        Ok::<_, anyhow::Error>(tokio::select! {
            biased;
            done = work => Ok(done),
            exit = asked => Err(exit),
        })
    })?;
    match done {
        Ok(done) => done,
        Err(exit) => {
            runtime.shutdown_timeout(GRACE);
            Err(report::ended(exit))
        }
    }
}

/// Waits for the signals by which a program is asked to end.
fn asked_to_end() -> anyhow::Result<impl Future<Output = Exit>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = hangup.recv() => Exit::HungUp,
            _ = interrupt.recv() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Terminated,
        }
    })
}
