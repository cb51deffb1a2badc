//! Search by name.

use nopic_proto::registry as wire;

use crate::current::Core;
use crate::error::Error;

pub(super) async fn search(
    _core: &Core,
    _request: wire::SearchOperationsRequest,
) -> Result<wire::SearchOperationsResponse, Error> {
    Err(Error::Internal("to come".to_owned()))
}
