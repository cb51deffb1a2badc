//! What of a request is not filed, and how it is kept.

use nopic_proto::common::Reject;
use nopic_proto::entry_validation as wire;
use nopic_sql::Error;
use prost::Message as _;

/// A line or an entry of a request that is not filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Place of the line among those of the request, of an entry of its first one, from 0.
    pub(crate) place: u32,
    pub(crate) entry_number: String,
    pub(crate) reason: String,
}

/// The places of what was refused count from 0.
pub(super) fn write_refused(refused: &[Refused]) -> Vec<u8> {
    let reject = |refused: &Refused| Reject {
        record: refused.place,
        key: refused.entry_number.clone(),
        reason: refused.reason.clone(),
        ..Reject::default()
    };
    let message = wire::FileStreamResponse {
        rejects: refused.iter().map(reject).collect(),
        ..wire::FileStreamResponse::default()
    };
    message.encode_to_vec()
}

pub(super) fn read_refused(bytes: &[u8]) -> Result<Vec<Refused>, Error> {
    let message =
        wire::FileStreamResponse::decode(bytes).map_err(|error| Error::corrupt("request.answer", error))?;
    let refused = |reject: Reject| Refused {
        place: reject.record,
        entry_number: reject.key,
        reason: reject.reason,
    };
    Ok(message.rejects.into_iter().map(refused).collect())
}
