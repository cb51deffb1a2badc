//! Refusals for want of room at this gateway.

use tonic::Status;

/// Too many calls by everybody.
pub(crate) fn too_busy() -> Status {
    nopic_chassis::refusal::too_busy("too many calls are under way at this gateway: try again in a second")
}
