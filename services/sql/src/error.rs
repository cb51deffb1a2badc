//! What stores report.

use thiserror::Error;

/// What a store reports.
#[derive(Debug, Error)]
pub enum Error {
    /// The engine refused or failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema is not one that this program can use.
    #[error("{0}")]
    Schema(String),
    /// The id of a request was used for another request before.
    #[error(
        "the request id {0:?} was used for another request: take a new id, or send the request as it was sent first"
    )]
    RequestReused(String),
    /// A stored value is not what this program wrote.
    #[error("stored {what} cannot be read: {detail}")]
    Corrupt {
        /// Table and column.
        what: &'static str,
        /// What was found.
        detail: String,
    },
}

/// Why a server lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody answers there.
    Unreachable,
    /// User or password is wrong, or the server's rules keep this machine out.
    Credentials,
    /// It has no such database.
    NoDatabase,
    /// The user may not do this.
    Privilege,
}

impl Error {
    /// Why the server let nobody in, where that was the matter, and its words for it.
    #[must_use]
    pub fn refusal(&self) -> Option<(Refusal, String)> {
        let Self::Database(error) = self else { return None };
        let refusal = match error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => Refusal::Unreachable,
            sqlx::Error::Database(error) => match error.code()?.as_ref() {
                "28000" | "28P01" => Refusal::Credentials,
                "3D000" => Refusal::NoDatabase,
                "42501" => Refusal::Privilege,
                _ => return None,
            },
            _ => return None,
        };
        let words = match error {
            sqlx::Error::Database(error) => error.message().to_owned(),
            // Without the number that the system gives it.
            other => other
                .to_string()
                .trim_start_matches("error communicating with database: ")
                .split(" (os error")
                .next()
                .unwrap_or_default()
                .to_owned(),
        };
        Some((refusal, words))
    }

    /// A stored value that this program cannot have written.
    pub fn corrupt(what: &'static str, detail: impl ToString) -> Self {
        Self::Corrupt {
            what,
            detail: detail.to_string(),
        }
    }

    /// Whether the same again may succeed: the engine could not be reached, or gave way to another transaction.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(
                sqlx::Error::Io(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed,
            ) => true,
            // A lost connection, too many of them, serialization failure, deadlock, a lock that was not to be had in
            // time, shutdown of the server; and what SQLite calls busy and locked, in all of its kinds.
            Self::Database(sqlx::Error::Database(error)) => error.code().is_some_and(|code| {
                code.starts_with("08")
                    || matches!(
                        code.as_ref(),
                        "40001" | "40P01" | "53300" | "55P03" | "57P01" | "57P02" | "57P03"
                    )
                    || matches!(code.as_ref(), "5" | "6" | "261" | "262" | "517" | "773")
            }),
            _ => false,
        }
    }

    /// Whether what was to be written cannot be kept, whoever tries it and whenever: all else, such as a full disk or a
    /// statement that was cancelled, says nothing of it.
    #[must_use]
    pub fn is_of_content(&self) -> bool {
        match self {
            Self::Corrupt { .. } => true,
            // Of PostgreSQL "data exception" and "integrity constraint violation", of SQLite "too big", "constraint" and
            // "mismatch" in all of their kinds, whose lowest byte is that of the kind.
            Self::Database(sqlx::Error::Database(error)) => error.code().is_some_and(|code| {
                let of_sqlite = |number: u32| matches!(number & 0xFF, 18..=20);
                match code.len() {
                    5 => code.starts_with("22") || code.starts_with("23"),
                    _ => code.parse().is_ok_and(of_sqlite),
                }
            }),
            _ => false,
        }
    }

    /// Whether a rule of the schema of this name refused the change.
    #[must_use]
    pub fn is_refused_by(&self, constraint: &str) -> bool {
        match self {
            // SQLite names the rule in its message only.
            Self::Database(sqlx::Error::Database(error)) => {
                error.constraint() == Some(constraint) || error.message().contains(constraint)
            }
            _ => false,
        }
    }
}
