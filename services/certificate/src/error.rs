//! What the service refuses or cannot do, and the one mapping to what callers see.

use nopic_chassis::requests::RequestError;
use nopic_chassis::uploads::UploadError;
use nopic_domain::identifier::{CertificateNumber, EntryNumber, NopId};
use nopic_domain::lifecycle::refusal::Refusal;
use nopic_formats::certificates::CertificateFileError;
use thiserror::Error;
use tonic::Status;

/// Why a call fails.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// A field of the request is wrong.
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("certificate {0} is not known here")]
    NotFound(CertificateNumber),
    #[error("request {0} is not known here")]
    RequestNotFound(u64),
    /// A step of a certificate's life that is not taken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("certificate {0} exists already: check the number")]
    NumberExists(CertificateNumber),
    /// An import brought it back, by a program that let it.
    #[error(
        "certificate {number} was amended before: {successor} has taken its place; amend that one, and void this one \
         where an import has brought it back"
    )]
    SucceededBefore {
        number: CertificateNumber,
        successor: CertificateNumber,
    },
    #[error("operation {0} has used every certificate number up to 999999")]
    SerialsUsedUp(NopId),
    #[error("entry {0} is not under a filer code of this tenant")]
    NotTheFiler(EntryNumber),
    #[error("certificate {number} was not known here at {moment}")]
    NotKnownThen {
        number: CertificateNumber,
        moment: String,
    },
    /// The messages of an import come in another order than options, bytes, end.
    #[error("{0}; nothing was imported")]
    Upload(#[from] UploadError),
    #[error("{0}; nothing was imported")]
    ImportFile(#[from] CertificateFileError),
    #[error("the file states more than {limit} {what}: give it in parts; nothing was imported")]
    ImportTooLarge { what: &'static str, limit: usize },
    #[error(transparent)]
    Store(#[from] nopic_sql::Error),
}

impl Error {
    pub(crate) fn invalid(field: impl Into<String>, reason: impl ToString) -> Self {
        RequestError::invalid(field, reason).into()
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Request(_) | Error::Upload(_) | Error::ImportFile(_) | Error::ImportTooLarge { .. } => {
                Self::invalid_argument(message)
            }
            Error::NotFound(_) | Error::RequestNotFound(_) | Error::NotKnownThen { .. } => {
                Self::not_found(message)
            }
            Error::NotTheFiler(_) => Self::permission_denied(message),
            Error::NumberExists(_) => Self::already_exists(message),
            Error::SerialsUsedUp(_) | Error::SucceededBefore { .. } => Self::failed_precondition(message),
            Error::Refused(refusal) => match refusal {
                Refusal::NotTheCertifier(_) | Refusal::NotTheExporter(_) => Self::permission_denied(message),
                Refusal::OtherVersion { .. } => Self::aborted(message),
                Refusal::Invalid { .. } | Refusal::NothingChanges => Self::invalid_argument(message),
                Refusal::IllegalStep { .. }
                | Refusal::ChecksFailed(_)
                | Refusal::FindingsOpen(_)
                | Refusal::IssuedAfterExport { .. }
                | Refusal::ValidBeforeIssue { .. }
                | Refusal::NumberInconsistent { .. }
                | Refusal::LessThanDrawn { .. }
                | Refusal::SeveralHaveDrawn(_) => Self::failed_precondition(message),
            },
            Error::Store(error) => store_failure(&error),
        }
    }
}

/// What went wrong inside is for the log; the caller hears whether asking again may help.
fn store_failure(error: &nopic_sql::Error) -> Status {
    if let nopic_sql::Error::RequestReused(_) = error {
        return Status::already_exists(error.to_string());
    }
    tracing::error!(
        error = error as &dyn std::error::Error,
        "the store of certificates failed"
    );
    if error.is_transient() {
        Status::unavailable("the certificate service is busy: try again")
    } else {
        Status::internal("the certificate service failed; its log says why")
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use nopic_chassis::requests::{MAX_BATCH, at_most};

    use super::*;

    #[test]
    fn internals_stay_inside() {
        let status = Status::from(Error::from(nopic_sql::Error::Corrupt {
            what: "certificate.status",
            detail: "secret".into(),
        }));
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("secret") && !status.message().contains("certificate.status"));
    }

    #[test]
    fn a_limit_is_named() {
        let status = Status::from(Error::from(at_most("numbers", 10_001, MAX_BATCH).unwrap_err()));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(
            status.message(),
            "numbers: 10001 given, at most 10000 allowed: ask in parts"
        );
    }
}
