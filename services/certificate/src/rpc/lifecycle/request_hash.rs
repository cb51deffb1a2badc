//! The hash of a request: two with the same id must be the same.

use nopic_domain::lifecycle::Step;
use nopic_domain::principal::Principal;
use prost::Message;
use sha2::{Digest as _, Sha256};

/// What makes a call the same: who may act, what is done, and the message.
pub(super) fn of(principal: &Principal, step: Step, message: &impl Message) -> [u8; 32] {
    let mut hash = Sha256::new();
    let ids: Vec<String> = principal.nop_ids.iter().map(ToString::to_string).collect();
    let certifier = principal
        .certifier_id
        .map(|id| id.to_string())
        .unwrap_or_default();
    for part in [step.as_str(), principal.role.as_str(), &certifier, &ids.join(",")] {
        hash.update(part);
        hash.update([0]);
    }
    hash.update(message.encode_to_vec());
    hash.finalize().into()
}
