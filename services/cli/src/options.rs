//! What every command may be told.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use clap::Args;
use clap::builder::{FalseyValueParser, TypedValueParser as _};
use nopic_chassis::config::Secret;
use nopic_host::{Failure, Storage};

/// The data folder, unless another one is named.
const DEFAULT_DATA: &str = "./nopic-data";

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct GlobalOptions {
    /// Folder with the registry, the certificates and the links, or with --database for temporary files and the heads of
    /// the audit logs: used by one process at a time [default: ./nopic-data]
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
    /// Address of a running server to ask instead, such as http://127.0.0.1:50051; typed, it goes before NOPIC_DATABASE
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

    /// Where the data are.
    pub(crate) fn storage(&self) -> Result<Storage, Failure> {
        Storage::of(self.data(), self.database.as_ref().map(|url| url.0.as_str()))
    }
}

/// The URL of a database. It may hold a password, so nothing shows it; whoever needs it says so.
#[derive(Clone)]
pub(crate) struct DatabaseUrl(String);

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

/// Reads a date of the command line.
pub(crate) fn date(text: &str) -> Result<NaiveDate, String> {
    nopic_domain::date::parse_iso(text).ok_or_else(|| "expected a date as YYYY-MM-DD".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_one_form() {
        assert!(date("2026-02-28").is_ok());
        assert!(date("02/28/2026").is_err());
        assert!(date("2026-02-30").is_err());
    }
}
