//! The ledger of the certificate service, over its gRPC client.

use std::time::Duration;

use nopic_chassis::deadline;
use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::retry::Retry;
use nopic_chassis::rpc::client::Client;
use nopic_domain::principal::Principal;
use nopic_proto::certificate::ledger_service_client::LedgerServiceClient;
use nopic_proto::certificate::{SetDrawsRequest, SetDrawsResponse};
use tonic::{Code, Status};

/// How long the ledger may take for one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The ledger as entry validation sees it.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    client: Client,
    retry: Retry,
}

/// Why the ledger gave no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// It may answer later; whether it did what was asked is not known.
    Unavailable,
    /// It never will.
    Refused(Status),
}

impl Ledger {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            retry: Retry::default(),
        }
    }

    /// Sets draws in the name of who files.
    pub(crate) async fn set_draws(
        &self,
        principal: &Principal,
        request: SetDrawsRequest,
    ) -> Result<SetDrawsResponse, NoAnswer> {
        let attach = AttachPrincipal::new(principal);
        let client = LedgerServiceClient::with_interceptor(self.client.clone(), attach)
            .max_decoding_message_size(nopic_chassis::transport::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(nopic_chassis::transport::MAX_MESSAGE_BYTES);
        // What was set is answered again to whoever asks again with the same request id.
        let answer = self.retry.call(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.set_draws(request).await }
        });
        match deadline::timeout(PATIENCE, answer).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => match status.code() {
                Code::InvalidArgument
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::Unimplemented
                | Code::FailedPrecondition => Err(NoAnswer::Refused(status)),
                _ => {
                    tracing::warn!(%status, "the ledger did not answer");
                    Err(NoAnswer::Unavailable)
                }
            },
            Err(_) => {
                tracing::warn!("the ledger did not answer in time");
                Err(NoAnswer::Unavailable)
            }
        }
    }
}
