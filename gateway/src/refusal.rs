//! Refusals for want of room: they say which limit it was, and when to come again.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::limits::Limit;

/// Too much of this by this tenant.
pub(crate) fn over_limit(
    limit: Limit,
    tenant: &str,
    bound: impl std::fmt::Display,
    retry_after: Duration,
) -> Status {
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

/// Too much by everybody.
pub(crate) fn too_busy() -> Status {
    Status::with_error_details(
        Code::ResourceExhausted,
        "too many calls are under way at this gateway: try again in a second",
        ErrorDetails::with_retry_info(Some(Duration::from_secs(1))),
    )
}
