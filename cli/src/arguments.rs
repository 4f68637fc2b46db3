//! The command line: what can be typed, and what it means. Help texts are
//! here or on the arguments of each command.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands::copy::{pull, push};
use crate::commands::store::{df, prune};
use crate::commands::{
    build, check, config, copy, delete, dockerfile, doctor, gc, inspect, list, login, logout,
    serve, tag, version,
};

/// Builds container images and keeps them.
#[derive(Debug, Parser)]
#[command(
    name = "wharf",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    /// The options of every command.
    #[command(flatten)]
    pub(crate) global: Global,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command has.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Global {
    /// The configuration file [default: $XDG_CONFIG_HOME/wharf/config.toml, else ~/.config/wharf/config.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Say nothing but the result
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// The commands, in the order of the help. What each says of itself is on its
/// arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Build(Box<build::Arguments>),
    Check(Box<check::Arguments>),
    Dockerfile(dockerfile::Arguments),
    Doctor(doctor::Arguments),
    Df(df::Arguments),
    Prune(prune::Arguments),
    Serve(Box<serve::Arguments>),
    Gc(gc::Arguments),
    Copy(copy::Arguments),
    Push(push::Arguments),
    Pull(pull::Arguments),
    Inspect(inspect::Arguments),
    List(list::Arguments),
    Tag(tag::Arguments),
    Delete(delete::Arguments),
    Login(login::Arguments),
    Logout(logout::Arguments),
    Config(config::Arguments),
    Version(version::Arguments),
}
