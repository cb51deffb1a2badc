//! What can go wrong, and the one mapping of it to a gRPC status.

use std::time::Duration;

use nopic_chassis::requests::RequestError;
use nopic_formats::oid::{OidError, OidProblem};
use thiserror::Error;
use tonic::Status;

/// Why the registry did not do what it was asked.
#[derive(Debug, Error)]
pub enum Error {
    /// The request is wrong: what and how to put it right.
    #[error("{0}")]
    Invalid(String),
    /// A field of the request is wrong.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The content of an import is wrong.
    #[error("{0}")]
    Content(String),
    /// A file of an import cannot be read.
    #[error(transparent)]
    File(#[from] OidError),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// Not now: something else must be done first.
    #[error("{0}")]
    NotNow(String),
    /// The caller of an import went silent.
    #[error(
        "nothing of the upload came for {} s: nothing was imported; send it again",
        .0.as_secs_f32()
    )]
    Stalled(Duration),
    /// A bound was passed.
    #[error("{0}")]
    TooLarge(String),
    /// The registry is shutting down.
    #[error("the registry is shutting down: ask again in a moment")]
    Closing,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] nopic_sql::Error),
    /// The temporary copy of an upload failed.
    #[error("the temporary copy of the upload failed: {0}")]
    Spool(#[source] std::io::Error),
    /// A defect of this program.
    #[error("internal: {0}")]
    Internal(String),
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Request(error) => error.into(),
            Error::Invalid(message) | Error::Content(message) => Self::invalid_argument(message),
            Error::File(error) => match *error.problem {
                // The copy that this service made cannot be read again: that is ours, and names no path of ours.
                OidProblem::Io(cause) => internal(&cause),
                _ => Self::invalid_argument(error.to_string()),
            },
            Error::NotFound(message) => Self::not_found(message),
            Error::NotNow(message) => Self::failed_precondition(message),
            Error::Stalled(_) => Self::deadline_exceeded(error.to_string()),
            Error::TooLarge(message) => Self::resource_exhausted(message),
            Error::Closing => Self::unavailable(Error::Closing.to_string()),
            Error::Store(cause) if cause.is_transient() => {
                tracing::error!(
                    error = &cause as &dyn std::error::Error,
                    "the store of the registry failed"
                );
                Self::unavailable("the registry is busy: try again")
            }
            Error::Store(cause) => internal(&cause),
            Error::Spool(cause) => internal(&cause),
            Error::Internal(ref message) => {
                tracing::error!(reason = %message, "a call failed for an internal reason");
                Self::internal(INTERNAL)
            }
        }
    }
}

const INTERNAL: &str = "the registry failed for an internal reason; its log says more";

fn internal(cause: &(dyn std::error::Error + 'static)) -> Status {
    tracing::error!(error = cause, "a call failed for an internal reason");
    Status::internal(INTERNAL)
}
