//! The commands: one file each, the doc comment of its arguments is its help.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod copy;
pub(crate) mod delete;
pub(crate) mod dockerfile;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod serve;
pub(crate) mod tag;
pub(crate) mod version;

use crate::arguments::{Arguments, Command};
use crate::environment::Environment;

/// Runs the command that was typed.
pub(crate) fn run(environment: &Environment, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { global, command } = arguments;
    match command {
        Command::Build(arguments) => build::run(environment, &global, &arguments),
        Command::Check(arguments) => check::run(environment, &global, &arguments),
        Command::Dockerfile(arguments) => dockerfile::run(&global, &arguments),
        Command::Serve(arguments) => serve::run(environment, &global, &arguments),
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

/// Waits for what runs over the network.
fn wait<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}
