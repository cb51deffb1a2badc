//! Where the services of this process keep their data: SQLite files in the data folder, or a PostgreSQL database.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nopic_sql::{Location, Refusal, SchemaUpdate};

use crate::arguments::GlobalOptions;
use crate::failure::Failure;

/// How long a server may take until it lets us in.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where data are.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    pub(crate) location: Location,
    /// A folder belongs to one process, which brings it up to date; on a shared database that is a job of its own.
    pub(crate) schema_update: SchemaUpdate,
    /// For the lock and for temporary copies of uploads.
    pub(crate) folder: PathBuf,
}

impl Storage {
    /// What the options name.
    pub(crate) fn of(options: &GlobalOptions) -> Result<Self, Failure> {
        let Some(url) = &options.database else {
            return Ok(Self::in_folder(options.data()));
        };
        let location = Location::postgres(url.secret())
            .map_err(|error| Failure::new(format!("--database (NOPIC_DATABASE) cannot be used: {error}.")))?;
        Ok(Self {
            location,
            schema_update: SchemaUpdate::Refuse,
            folder: options.data().to_path_buf(),
        })
    }

    /// SQLite files in a folder.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self {
            location: Location::from(folder),
            schema_update: SchemaUpdate::Apply,
            folder: folder.to_owned(),
        }
    }

    /// The database in words, where it is a server's.
    pub(crate) fn server(&self) -> Option<String> {
        match &self.location {
            Location::Folder(_) => None,
            Location::Postgres(_) => Some(self.location.to_string()),
        }
    }

    /// Finds out at once whether the server lets us in.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        match tokio::time::timeout(PATIENCE, self.location.check()).await {
            Ok(checked) => checked.map_err(|error| self.unusable(&error)),
            Err(_) => Err(self.refused(Refusal::Unreachable, "it does not answer")),
        }
    }

    /// The database cannot be used.
    pub(crate) fn unusable(&self, error: &nopic_sql::Error) -> Failure {
        if let nopic_sql::Error::Schema(what) = error
            && self.schema_update == SchemaUpdate::Refuse
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
