//! What the service refuses or cannot do, and the one mapping to what callers see.

use nopic_chassis::requests::RequestError;
use thiserror::Error;
use tonic::Status;

/// Why a call fails.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// A field of the request is wrong.
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    AlreadyThere(String),
    #[error("{0}")]
    NotNow(String),
    #[error(transparent)]
    Store(#[from] nopic_sql::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Request(_) => Self::invalid_argument(message),
            Error::NotFound(_) => Self::not_found(message),
            Error::AlreadyThere(_) => Self::already_exists(message),
            Error::NotNow(_) => Self::failed_precondition(message),
            Error::Store(error) => store_failure(&error),
        }
    }
}

/// A store error is said without its insides, and logged with them.
fn store_failure(error: &nopic_sql::Error) -> Status {
    if let nopic_sql::Error::RequestReused(_) = error {
        return Status::already_exists(error.to_string());
    }
    tracing::error!(
        error = error as &dyn std::error::Error,
        "the store of notices failed"
    );
    if error.is_transient() {
        Status::unavailable("the notification service is busy: try again")
    } else {
        Status::internal("the notification service failed; its log says why")
    }
}
