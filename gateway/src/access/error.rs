//! What goes wrong, and the one place that tells callers.

use nopic_chassis::requests::RequestError;
use thiserror::Error;
use tonic::Status;

use super::record::NotRotated;

/// Why a call has no answer.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// A field of the request is wrong.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// There is such a thing already.
    #[error("{0}")]
    AlreadyThere(String),
    /// The key of this prefix was made by the same request before.
    #[error(
        "the key {0} was made by this request before, and shown once: if it is lost, revoke it and ask with another \
         request_id"
    )]
    KeyMade(String),
    /// The key has no successor.
    #[error(transparent)]
    NotRotated(#[from] NotRotated),
    /// The system has none to make a key of.
    #[error("the system has no randomness")]
    NoRandomness(#[from] getrandom::Error),
    /// The gateway's own database failed.
    #[error("the database failed")]
    Store(#[from] nopic_sql::Error),
}

impl Error {
    pub(crate) fn invalid(field: impl Into<String>, reason: impl ToString) -> Self {
        RequestError::invalid(field, reason).into()
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Request(error) => error.into(),
            Error::NotFound(message) => Self::not_found(message),
            Error::AlreadyThere(message) => Self::already_exists(message),
            Error::KeyMade(_) => Self::already_exists(error.to_string()),
            Error::Store(source @ nopic_sql::Error::RequestReused(_)) => {
                Self::already_exists(source.to_string())
            }
            Error::NotRotated(why) => Self::failed_precondition(why.to_string()),
            Error::NoRandomness(source) => {
                tracing::error!(%source, "no key can be made");
                Self::unavailable("no key can be made at present: try again")
            }
            Error::Store(source) => {
                tracing::error!(
                    error = &source as &dyn std::error::Error,
                    "the database of the gateway failed"
                );
                if source.is_transient() {
                    Self::unavailable("the database of the gateway does not answer: try again")
                } else {
                    Self::internal("internal error; the log has the details")
                }
            }
        }
    }
}
