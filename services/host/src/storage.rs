//! Where the services of this process keep their data: SQLite files in the data folder, or a PostgreSQL database.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nopic_chassis::dependencies::{Dependency, Need};
use nopic_sql::{Location, Refusal, Schema, SchemaUpdate};

use crate::failure::Failure;

/// How long a server may take until it lets us in.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where data are.
#[derive(Debug, Clone)]
pub struct Storage {
    /// The database, or the folder with one for each service.
    pub location: Location,
    /// For the lock and for temporary copies of uploads.
    pub folder: PathBuf,
}

impl Storage {
    /// The database of this URL, with a folder for the lock and temporary files; without one SQLite files in the folder.
    ///
    /// # Errors
    /// The URL is none.
    pub fn of(folder: &Path, database: Option<&str>) -> Result<Self, Failure> {
        let location = match database {
            None => Location::from(folder),
            Some(url) => Location::postgres(url).map_err(|error| {
                Failure::new(format!("--database (NOPIC_DATABASE) cannot be used: {error}."))
            })?,
        };
        Ok(Self {
            location,
            folder: folder.to_owned(),
        })
    }

    /// SQLite files in a folder.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            location: Location::from(folder),
            folder: folder.to_owned(),
        }
    }

    /// The database in words, where it is a server's.
    #[must_use]
    pub fn server(&self) -> Option<String> {
        match &self.location {
            Location::Folder(_) => None,
            Location::Postgres(_) => Some(self.location.to_string()),
        }
    }

    /// Finds out at once whether the server lets us in.
    ///
    /// # Errors
    /// It does not.
    pub async fn check(&self) -> Result<(), Failure> {
        match tokio::time::timeout(PATIENCE, self.location.check()).await {
            Ok(checked) => checked.map_err(|error| self.unusable(&error)),
            Err(_) => Err(self.refused(Refusal::Unreachable, "it does not answer")),
        }
    }

    /// Brings the tables of a part up to date; gives the steps that were missing.
    ///
    /// # Errors
    /// The database cannot be used, or its schema is one that this program cannot use.
    pub async fn migrate(&self, schema: &Schema) -> Result<Vec<&'static str>, Failure> {
        self.location
            .migrate(schema)
            .await
            .map_err(|error| self.unusable(&error))
    }

    /// How many steps the tables of a part lack; nothing is changed.
    ///
    /// # Errors
    /// As for [`Storage::migrate`].
    pub async fn missing(&self, schema: &Schema) -> Result<usize, Failure> {
        self.location
            .missing(schema)
            .await
            .map_err(|error| self.unusable(&error))
    }

    /// The database as what a server needs, where it is a server's.
    pub(crate) fn dependency(&self) -> Option<Dependency> {
        self.server()?;
        let location = self.location.clone();
        Some(Dependency::new("database", Need::Hard, move || {
            let location = location.clone();
            async move { location.check().await.map_err(|error| error.to_string()) }
        }))
    }

    /// The database cannot be used.
    pub(crate) fn unusable(&self, error: &nopic_sql::Error) -> Failure {
        if let nopic_sql::Error::Schema(what) = error
            && self.location.schema_update() == SchemaUpdate::Refuse
        {
            // Which says what to do.
            return Failure::new(format!("{self} cannot be used: {what}."));
        }
        match error.refusal() {
            Some((refusal, words)) if self.server().is_some() => self.refused(refusal, &words),
            _ => self.broken(error),
        }
    }

    /// The server lets us not in, or not far enough.
    fn refused(&self, refusal: Refusal, words: &str) -> Failure {
        let words = words.trim_end_matches('.');
        let (what, advice) = match refusal {
            Refusal::Unreachable => (
                "cannot be reached",
                "Check host and port of --database (NOPIC_DATABASE), and that PostgreSQL runs there and listens.",
            ),
            Refusal::Credentials => (
                "does not let us in",
                "Check the user in --database (NOPIC_DATABASE), and the password: it is taken from there, from \
                 PGPASSWORD or from ~/.pgpass.",
            ),
            Refusal::NoDatabase => (
                "does not exist",
                "Make it (`createdb NAME`), then run `nopic migrate`; or name another with --database.",
            ),
            Refusal::Privilege => (
                "does not allow this",
                "Migrate as a user who may make schemas in it, and give the user of the services the right to use \
                 these.",
            ),
        };
        if refusal == Refusal::NoDatabase {
            // The server would only say it again.
            return Failure::new(format!("{self} {what}.")).advice(advice);
        }
        Failure::new(format!("{self} {what}: {words}.")).advice(advice)
    }

    /// Anything else. The causes are the system's words, which say what is wrong.
    pub(crate) fn broken(&self, error: &dyn Error) -> Failure {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(deeper) = cause {
            let said = deeper.to_string();
            if !text.contains(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = deeper.source();
        }
        match self.location {
            Location::Folder(_) => Failure::new(format!("The data in {self} cannot be used: {text}.")).advice(
                "Check that the folder is writable and has room, and that it was made by this version or an older \
                 one; or name another folder with --data.",
            ),
            Location::Postgres(_) => Failure::new(format!("{self} cannot be used: {text}.")).advice(
                "Check that it was migrated by this version or an older one; the server's log may say more.",
            ),
        }
    }
}

impl std::fmt::Display for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.location.fmt(f)
    }
}
