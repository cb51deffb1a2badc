//! One line of log for each call of a service that others ask: what, by whom, how it ended and how long it took. The door
//! has lines of its own, under the same target and with the same words.

use std::time::Duration;

use nopic_domain::principal::Principal;
use tonic::Code;
use tonic::codegen::http::{HeaderName, Request};
use tonic::metadata::MetadataMap;
use tracing::Level;

use crate::incoming::Peer;
use crate::principal::{PRINCIPAL_KEY, from_metadata};

/// Longest identifier of a call that is noted.
const LONGEST_ID: usize = 64;

/// What is known of a call when it begins.
#[derive(Debug)]
pub(super) struct Access {
    request_id: Option<String>,
    /// The name of the caller's certificate.
    client: Option<String>,
    /// For whom it asks.
    caller: Option<Principal>,
}

impl Access {
    /// `None`: nobody reads it.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        if !tracing::enabled!(target: "nopic::access", Level::INFO) {
            return None;
        }
        let headers = request.headers();
        let id = headers.get("x-request-id").and_then(|id| id.to_str().ok());
        let client = request
            .extensions()
            .get::<Peer>()
            .and_then(|peer| peer.name.as_deref());
        let named = headers.get(PRINCIPAL_KEY).into_iter();
        let metadata = named.map(|value| (HeaderName::from_static(PRINCIPAL_KEY), value.clone()));
        let metadata = MetadataMap::from_headers(metadata.collect());
        Some(Self {
            request_id: id.filter(|id| id.len() <= LONGEST_ID).map(str::to_owned),
            client: client.map(str::to_owned),
            // Whoever names somebody in a form that cannot be read is refused inside.
            caller: from_metadata(&metadata).ok().flatten(),
        })
    }

    pub(super) fn ended(self, method: &str, code: Code, took: Duration) {
        let caller = self.caller.as_ref();
        tracing::info!(
            target: "nopic::access",
            request_id = self.request_id,
            method,
            client = self.client,
            tenant = caller.map(|caller| caller.tenant.as_str()),
            actor = caller.map(|caller| caller.actor.as_str()),
            role = caller.map(|caller| caller.role.as_str()),
            grpc_status = code as i32,
            milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "call"
        );
    }
}
