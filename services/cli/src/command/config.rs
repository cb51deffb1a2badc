//! `nopic config`: look at the configuration of a server.

use std::io::Write as _;
use std::path::PathBuf;

use nopic_host::{PARTS, Settings};

use crate::context::Done;
use crate::failure::Failure;
use crate::output;

/// Look at the configuration of a server
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic config check registry.toml"
)]
pub(crate) enum Command {
    Check(CheckArguments),
}

/// Check a configuration file, with what the environment says above it
///
/// The keys are those that `nopic serve --help` lists. Every problem is said at once. Exit status: 0 it can be used; 2
/// it cannot.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  nopic config check registry.toml")]
pub(crate) struct CheckArguments {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn run(command: Command) -> Result<Done, Failure> {
    let Command::Check(arguments) = command;
    Settings::read(PARTS, Some(&arguments.file))?;
    let mut out = output::results();
    writeln!(out, "{} can be used", arguments.file.display())?;
    out.flush()?;
    Ok(Done::Well)
}
