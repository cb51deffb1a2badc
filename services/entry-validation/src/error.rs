//! What goes wrong, and the one place that tells callers.

use nopic_chassis::balance::asked_again_already;
use nopic_chassis::requests::RequestError;
use nopic_domain::rules::RULES_VERSION;
use thiserror::Error;
use tonic::Status;

/// Why a call has no answer.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// A field of the request is wrong.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The caller asked for something that cannot be; the sentence says what and how to mend it.
    #[error("{0}")]
    Invalid(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The caller may not do this to this thing.
    #[error("{0}")]
    NotYours(String),
    /// Another request is in the way; the same again may succeed.
    #[error("{0}")]
    Busy(String),
    /// The thing is not as the caller takes it to be.
    #[error("{0}")]
    Outdated(String),
    /// Another service does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// It was taken back before, or was never on record.
    #[error("entry {0}")]
    NothingToTakeBack(String),
    /// Other rules decided it than those of this program, which knows no others.
    #[error(
        "it was decided by rules version {0}, and this program has version {RULES_VERSION}: it cannot be judged again; \
         the verdict on record stands"
    )]
    OtherRules(String),
    /// Something that cannot be.
    #[error("{0}")]
    Internal(String),
    /// A bound was passed.
    #[error("{0}")]
    TooMuch(String),
    /// The service's own database failed.
    #[error("the database failed")]
    Store(#[from] nopic_sql::Error),
    /// A task of the service itself ended.
    #[error("a task ended before its work was done")]
    Task(#[from] tokio::task::JoinError),
}

impl Error {
    pub(crate) fn invalid(field: impl Into<String>, reason: impl ToString) -> Self {
        RequestError::invalid(field, reason).into()
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Request(error) => error.into(),
            Error::Invalid(message) | Error::TooMuch(message) => Self::invalid_argument(message),
            Error::NotFound(message) => Self::not_found(message),
            Error::NotYours(message) => Self::permission_denied(message),
            Error::Busy(message) => Self::aborted(message),
            Error::Outdated(message) => Self::failed_precondition(message),
            Error::OtherRules(_) | Error::NothingToTakeBack(_) => {
                Self::failed_precondition(error.to_string())
            }
            Error::Unavailable(message) => asked_again_already(Self::unavailable(message)),
            Error::Internal(message) => {
                tracing::error!(message, "entry validation failed");
                Self::internal("internal error; the log has the details")
            }
            Error::Store(source @ nopic_sql::Error::RequestReused(_)) => {
                Self::already_exists(source.to_string())
            }
            Error::Store(source) => {
                tracing::error!(
                    error = &source as &dyn std::error::Error,
                    "the database of entry validation failed"
                );
                if source.is_transient() {
                    Self::unavailable("the database of entry validation does not answer: try again")
                } else {
                    // A row that cannot be read is there the next time, too.
                    Self::internal("internal error; the log has the details")
                }
            }
            Error::Task(source) => {
                tracing::error!(
                    error = &source as &dyn std::error::Error,
                    "a task ended before its work was done"
                );
                Self::internal("internal error; the log has the details")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn only_what_may_succeed_the_next_time_is_unavailable() {
        let status = |error: nopic_sql::Error| Status::from(Error::from(error));
        let corrupt = status(nopic_sql::Error::corrupt("filing.inputs", "secret"));
        assert_eq!(corrupt.code(), Code::Internal);
        assert!(!corrupt.message().contains("secret"));
        let away = nopic_sql::Error::Database(sqlx::Error::PoolTimedOut);
        assert_eq!(status(away).code(), Code::Unavailable);
        let reused = nopic_sql::Error::RequestReused("one".to_owned());
        assert_eq!(status(reused).code(), Code::AlreadyExists);
    }
}
