//! What the end of a call says about who was called.

use std::error::Error as StdError;

use tonic::codegen::http::{HeaderMap, StatusCode};
use tonic::metadata::MetadataValue;
use tonic::{Code, ConnectError, Status, TimeoutExpired};

/// How a call ended, as far as it tells something of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It did its work, whatever the answer.
    Answered,
    /// It has too much to do: it lives, and is slow.
    Refused,
    /// It is at fault.
    Failed,
    /// It came to no end in the time that the caller gave: its fault, where that was any time at all.
    Late,
    /// It did not answer HTTP/2's own question whether it lives.
    Silent,
    /// Nothing can be told: the call never came to it, or the caller left.
    Unknown,
}

impl Outcome {
    /// By the status of a call.
    ///
    /// At fault is who cannot be reached or cannot serve (`UNAVAILABLE`), has a defect (`INTERNAL`, `DATA_LOSS`), panics
    /// or says nothing that is gRPC (`UNKNOWN`), or does not come to an end (`DEADLINE_EXCEEDED`: one whose database hangs
    /// says so, one that is frozen is said so about). Everything else is the caller's doing, and work that was done.
    pub(super) const fn of(code: Code) -> Self {
        match code {
            Code::Unavailable | Code::Internal | Code::DataLoss | Code::Unknown => Self::Failed,
            Code::DeadlineExceeded => Self::Late,
            Code::ResourceExhausted => Self::Refused,
            _ => Self::Answered,
        }
    }

    /// By an answer without a gRPC status, such as a proxy's.
    pub(super) fn of_http(status: StatusCode) -> Self {
        match status {
            StatusCode::TOO_MANY_REQUESTS => Self::Refused,
            status if status.is_client_error() => Self::Answered,
            _ => Self::Failed,
        }
    }

    /// By the status at the end of an answer that had begun. That one has no end within the time that its caller gave, or
    /// tells much for as long as it had, is no fault.
    pub(super) const fn at_end(code: Code, has_said: bool, is_time_over: bool) -> Self {
        match Self::of(code) {
            Self::Late if has_said || is_time_over => Self::Unknown,
            outcome => outcome,
        }
    }

    /// By an error of the connection.
    pub(super) fn of_error(error: &(dyn StdError + 'static)) -> Self {
        let is_silent = |error: &(dyn StdError + 'static)| {
            error
                .downcast_ref::<hyper::Error>()
                .is_some_and(hyper::Error::is_timeout)
        };
        if was_not_taken(error) {
            Self::Unknown
        } else if chain(error).any(is_silent) {
            Self::Silent
        } else {
            Self::Failed
        }
    }
}

/// The status in these headers or trailers.
pub(crate) fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers
        .get("grpc-status")
        .map(|code| Code::from_bytes(code.as_bytes()))
}

/// Says with a refusal, as gRPC does, whether and when a call may be made again.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// A refusal for the sake of a service behind this one, which was asked again already: nobody on the way here need do so,
/// or a service in trouble would be asked by each of them as often as by all behind it.
#[must_use]
pub fn asked_again_already(mut refusal: Status) -> Status {
    let never = MetadataValue::from_static("-1");
    refusal.metadata_mut().insert(PUSHBACK, never);
    refusal
}

/// Whether a refusal says so.
pub(super) fn was_asked_again_behind(headers: &HeaderMap) -> bool {
    headers
        .get(PUSHBACK)
        .is_some_and(|value| value.as_bytes().starts_with(b"-"))
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Whether a call that failed so has certainly not been read by the server.
pub(crate) fn was_not_taken(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|error| {
        let is_unsent = error
            .downcast_ref::<hyper::Error>()
            // The connection had ended before the call was sent.
            .is_some_and(hyper::Error::is_canceled);
        let is_refused = error.downcast_ref::<h2::Error>().is_some_and(|error| {
            // What a server refuses, or says when it goes that it will not look at.
            let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            let is_left = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
            error.is_remote() && (is_refused || is_left)
        });
        is_unsent || is_refused || error.is::<ConnectError>()
    })
}

/// What a caller is told of it. `UNAVAILABLE` says that the call may be made again: it was not taken, or may be made twice.
/// What may have been done says so, in a status of its own: whoever asks again by that one alone must not do it twice.
pub(crate) fn status_of(error: Box<dyn StdError + Send + Sync>, is_idempotent: bool) -> Status {
    if was_not_taken(&*error) {
        return Status::unavailable(format!("the server did not take the call: {error}"));
    }
    let is_said = |error: &(dyn StdError + 'static)| error.is::<Status>() || error.is::<TimeoutExpired>();
    if chain(&*error).any(is_said) {
        return Status::from_error(error);
    }
    let mut status = if is_idempotent {
        Status::unavailable("the call broke off: try again")
    } else {
        Status::unknown(
            "the call broke off, and whether it was done is not known: look, or send it again with the same request_id",
        )
    };
    // What broke it is for whoever runs this.
    tracing::warn!(error = &*error as &dyn StdError, "a call broke off");
    status.set_source(error.into());
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_done_is_not_said_to_be_untaken() {
        let broken = || Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        let told = status_of(broken(), false);
        assert!(
            told.code() == Code::Unknown && told.message().contains("request_id"),
            "{told}"
        );
        assert!(told.source().is_some());
        assert_eq!(status_of(broken(), true).code(), Code::Unavailable);
        // What somebody says stands.
        let said = Box::new(Status::out_of_range("too long"));
        assert_eq!(status_of(said, false).code(), Code::OutOfRange);
    }
}
