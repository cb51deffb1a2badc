//! Refusals for want of room: they say which limit it was, and when to come again.

use std::fmt::Display;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Too much of this, by this tenant; `bound` says how much there may be.
#[must_use]
pub fn over_limit(limit: &str, tenant: &str, bound: impl Display, retry_after: Duration) -> Status {
    let mut details = ErrorDetails::with_retry_info(Some(retry_after));
    details.add_quota_failure_violation(format!("tenant:{tenant}/{limit}"), format!("at most {bound}"));
    Status::with_error_details(
        Code::ResourceExhausted,
        format!(
            "the limit of {limit} of this tenant is reached ({bound}): try again in {} ms",
            retry_after.as_millis().max(1)
        ),
        details,
    )
}

/// Too much by everybody; `what` says of what, and what can be done.
#[must_use]
pub fn too_busy(what: &str) -> Status {
    Status::with_error_details(
        Code::ResourceExhausted,
        what,
        ErrorDetails::with_retry_info(Some(Duration::from_secs(1))),
    )
}
