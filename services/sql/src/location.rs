//! Where a service's database is.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use thiserror::Error;

/// A text that names no database.
#[derive(Debug, Error)]
#[error("the database is not a PostgreSQL URL of the form postgres://USER@HOST:PORT/NAME: {0}")]
pub struct LocationError(String);

/// Where the databases of a deployment are: one schema, or one file, for each service.
#[derive(Debug, Clone)]
pub enum Location {
    /// A folder with an SQLite file for each service.
    Folder(PathBuf),
    /// One PostgreSQL database with a schema for each service.
    Postgres(Box<PgConnectOptions>),
}

impl Location {
    /// The database behind a URL of the form `postgres://USER@HOST:PORT/NAME`.
    ///
    /// # Errors
    /// The text is no such URL.
    pub fn postgres(url: &str) -> Result<Self, LocationError> {
        // The reason that the parser gives repeats no part of the URL, which may hold a password.
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(LocationError("it does not begin with postgres://".to_owned()));
        }
        let options = PgConnectOptions::from_str(url).map_err(|error| LocationError(error.to_string()))?;
        Ok(Self::Postgres(Box::new(options)))
    }
}

/// The file of a service's schema in a folder.
pub(crate) fn file(folder: &Path, schema: &str) -> PathBuf {
    folder.join(format!("{}.sqlite", schema.replace('_', "-")))
}

impl From<&Path> for Location {
    fn from(folder: &Path) -> Self {
        Self::Folder(folder.to_owned())
    }
}

impl std::fmt::Display for Location {
    /// For messages: without user and password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Postgres(options) => write!(
                f,
                "PostgreSQL database {} on {}:{}",
                options.get_database().unwrap_or("(default)"),
                options.get_host(),
                options.get_port()
            ),
        }
    }
}
