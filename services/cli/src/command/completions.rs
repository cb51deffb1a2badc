//! `nopic completions`: what a shell needs to complete the commands.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::context::Done;
use crate::failure::Failure;
use crate::output;

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  nopic completions bash > ~/.local/share/bash-completion/completions/nopic"
)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    use std::io::Write as _;
    // Into memory first: the generator panics where it cannot write, as into a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut crate::arguments::Arguments::command(),
        "nopic",
        &mut script,
    );
    let mut out = output::results();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Done::Well)
}
