//! What can be typed behind `nopic`.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use clap::builder::{FalseyValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand};
use nopic_chassis::config::Secret;

use crate::command::{
    audit, certificate, completions, config, demo, dev_certs, entry, flags, importer, migrate, policy,
    registry, sample, serve,
};

/// The data folder, unless another one is named.
const DEFAULT_DATA: &str = "./nopic-data";

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

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct GlobalOptions {
    /// Folder with the registry, the certificates and the links, or with --database for temporary files only: used by
    /// one process at a time [default: ./nopic-data]
    #[arg(long, global = true, env = "NOPIC_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// PostgreSQL database to use instead of files in the folder, such as postgres://nopic@db.example:5432/nopic (see
    /// `nopic migrate`); a password is better put into PGPASSWORD or ~/.pgpass
    #[arg(
        long,
        global = true,
        env = "NOPIC_DATABASE",
        hide_env_values = true,
        value_name = "URL",
        value_parser = clap::builder::NonEmptyStringValueParser::new().map(DatabaseUrl)
    )]
    pub(crate) database: Option<DatabaseUrl>,
    /// Address of a running server to ask instead, such as http://127.0.0.1:50051
    #[arg(long, global = true, env = "NOPIC_ENDPOINT", value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Policy file in place of the shipped one (see `nopic policy`)
    #[arg(long, global = true, env = "NOPIC_POLICY", value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Say only errors on standard error
    #[arg(long, global = true, env = "NOPIC_QUIET", value_parser = FalseyValueParser::new())]
    pub(crate) quiet: bool,
}

impl GlobalOptions {
    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        self.data.as_deref().unwrap_or(Path::new(DEFAULT_DATA))
    }
}

/// The URL of a database. It may hold a password, so nothing shows it; whoever needs it says so.
#[derive(Clone)]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL as it was given.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl From<&Secret> for DatabaseUrl {
    fn from(secret: &Secret) -> Self {
        Self(secret.reveal().to_owned())
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabaseUrl")
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Arguments),
    Serve(serve::Arguments),
    #[command(subcommand)]
    Config(config::Command),
    DevCerts(dev_certs::Arguments),
    Migrate(migrate::Arguments),
    #[command(subcommand)]
    Registry(registry::Command),
    #[command(subcommand)]
    Certificate(certificate::Command),
    #[command(subcommand)]
    Entry(entry::Command),
    #[command(subcommand)]
    Importer(importer::Command),
    #[command(subcommand)]
    Flags(flags::Command),
    #[command(subcommand)]
    Policy(policy::Command),
    #[command(subcommand)]
    Audit(audit::Command),
    Sample(sample::Arguments),
    Completions(completions::Arguments),
}

/// Reads a date of the command line.
pub(crate) fn date(text: &str) -> Result<NaiveDate, String> {
    nopic_domain::date::parse_iso(text).ok_or_else(|| "expected a date as YYYY-MM-DD".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn dates_have_one_form() {
        assert!(date("2026-02-28").is_ok());
        assert!(date("02/28/2026").is_err());
        assert!(date("2026-02-30").is_err());
    }
}
