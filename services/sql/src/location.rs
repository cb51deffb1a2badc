//! Where a service's database is.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use thiserror::Error;

use crate::{Error, Schema, SchemaUpdate, postgres, sqlite};

/// A text that names no database.
#[derive(Debug, Error)]
#[error("the database is not a PostgreSQL URL of the form postgres://USER@HOST:PORT/NAME: {0}")]
pub struct LocationError(String);

/// Where the databases of a deployment are: one schema, or one file, for each service.
#[derive(Clone)]
pub enum Location {
    /// A folder with an SQLite file for each service.
    Folder(PathBuf),
    /// One PostgreSQL database with a schema for each service.
    Postgres(Box<PgConnectOptions>),
}

/// PostgreSQL's code of "too many connections".
const TOO_MANY_CONNECTIONS: &str = "53300";

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
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| LocationError(error.to_string().replace("error with configuration: ", "")))?;
        Ok(Self::Postgres(Box::new(options)))
    }

    /// What a process that is no migration does about a schema that is not up to date: a folder belongs to one process,
    /// which brings it up to date; on a shared database that is a job of its own.
    #[must_use]
    pub const fn schema_update(&self) -> SchemaUpdate {
        match self {
            Self::Folder(_) => SchemaUpdate::Apply,
            Self::Postgres(_) => SchemaUpdate::Refuse,
        }
    }

    /// Whether the server lets us in; there is none for a folder. A pool would try for seconds, and then not say why. A
    /// server that has no connection left for us is there: those that we have work on.
    ///
    /// # Errors
    /// What the server, or the way to it, reports.
    pub async fn check(&self) -> Result<(), Error> {
        match self {
            Self::Folder(_) => Ok(()),
            Self::Postgres(options) => match PgConnection::connect_with(options).await {
                Ok(connection) => Ok(connection.close().await?),
                Err(sqlx::Error::Database(error))
                    if error.code().as_deref() == Some(TOO_MANY_CONNECTIONS) =>
                {
                    Ok(())
                }
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Brings a schema up to date; gives the names of the steps that were missing.
    ///
    /// # Errors
    /// The database cannot be used, or the schema is one that this program cannot use.
    pub async fn migrate(&self, schema: &Schema) -> Result<Vec<&'static str>, Error> {
        match self {
            Self::Folder(folder) => sqlite::migrate(folder, schema).await,
            Self::Postgres(options) => postgres::migrate(options, schema).await,
        }
    }

    /// How many steps a schema lacks; nothing is changed. Who opens a folder brings it up to date, so none is lacking there.
    ///
    /// # Errors
    /// The database cannot be used, or the schema is one that this program cannot use.
    pub async fn missing(&self, schema: &Schema) -> Result<usize, Error> {
        match self {
            Self::Folder(_) => Ok(0),
            Self::Postgres(options) => postgres::missing(options, schema).await,
        }
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

impl std::fmt::Debug for Location {
    /// As for messages: the options of PostgreSQL would show the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Location({self})")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let location = Location::postgres("postgres://user:secret@db.example:5433/nopic").unwrap();
        assert_eq!(
            location.to_string(),
            "PostgreSQL database nopic on db.example:5433"
        );
        assert!(!format!("{location:?}").contains("secret"));
        for wrong in [
            "postgres://user:secret@db:no-port/nopic",
            "mysql://user:secret@db/nopic",
            "postgres://user:secret@[/x",
            "postgres://user:secret%zz@db/nopic?sslmode=odd",
            "secret",
        ] {
            let error = Location::postgres(wrong).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
            assert!(error.contains("postgres://USER@HOST"), "{error}");
        }
    }
}
