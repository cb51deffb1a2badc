//! What can be typed behind `nopic`.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use crate::command::Command;
use crate::options::GlobalOptions;

/// Can this entry line be filed as organic, and if not, why, and who must act?
#[derive(Debug, Parser)]
#[command(
    name = "nopic",
    version,
    long_about = "Can this entry line be filed as organic, and if not, why, and who must act?\n\n\
                  nopic keeps a mirror of USDA's Organic INTEGRITY Database and of NOP Import Certificates, and \
                  validates US customs entry lines against them: ABI transmissions, CSV or JSON lines in, verdicts \
                  with reasons in words out.",
    after_long_help = "Examples:\n  \
                       nopic demo\n  \
                       nopic registry import INTEGRITY_Export_20260901.xlsx\n  \
                       nopic certificate import certificates.jsonl\n  \
                       nopic entry validate entries.abi\n\n\
                       Results go to standard output, everything else to standard error.\n\
                       Exit status: 0 done; 1 done, but something was found or refused; 2 the command could not do \
                       its work.\n\
                       API keys are read from NOPIC_API_KEY or from the file that NOPIC_API_KEY_FILE names, never \
                       from the command line; the files of a certificate to show to a server by \
                       NOPIC_CLIENT_CERTIFICATE, NOPIC_CLIENT_KEY and NOPIC_CLIENT_AUTHORITY. NOPIC_LOG filters the \
                       log (as in NOPIC_LOG=debug)."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// What was typed, beside what stands in the environment.
    ///
    /// # Errors
    /// It is no command; or help was asked for.
    pub(crate) fn read(
        typed: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(typed)?;
        let mut arguments = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        let is_typed = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        // A shell that has exported the one says nothing against the other.
        match (is_typed("endpoint"), is_typed("database")) {
            (true, false) => arguments.global.database = None,
            (false, true) => arguments.global.endpoint = None,
            _ => {}
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Arguments::command().debug_assert();
    }
}
