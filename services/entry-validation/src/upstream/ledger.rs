//! The ledger of the certificate service, over its gRPC client.

use std::time::Duration;

use nopic_chassis::deadline;
use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::rpc::client::Client;
use nopic_domain::decision::{Draws, EntryAnswer, EntryAsk};
use nopic_domain::identifier::CertificateNumber;
use nopic_domain::ledger::{Ask, LineDraw};
use nopic_domain::principal::Principal;
use nopic_proto::certificate as wire;
use nopic_proto::certificate::ledger_service_client::LedgerServiceClient;
use nopic_proto::certificate::line_draw::Mode;
use tonic::{Code, Status};

use crate::convert::answer_from_wire;

/// How long the ledger may take for one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The ledger as entry validation sees it.
#[derive(Debug, Clone)]
pub(crate) struct LedgerClient {
    client: Client,
}

/// What the ledger answered.
#[derive(Debug)]
pub(crate) enum SetDraws {
    /// What each entry drew, in order.
    Set(Vec<EntryAnswer>),
    /// Certificates have changed since they were read, so nothing was set.
    Outdated,
}

/// Why the ledger gave no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// It may answer later; whether it did what was asked is not known.
    Unavailable,
    /// It never will.
    Refused(Status),
}

impl LedgerClient {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Sets draws in the name of who files.
    pub(crate) async fn set_draws(
        &self,
        principal: &Principal,
        request_id: String,
        draws: Draws,
    ) -> Result<SetDraws, NoAnswer> {
        let request = to_wire(request_id, draws);
        let attach = AttachPrincipal::new(principal);
        let mut client = LedgerServiceClient::with_interceptor(self.client.clone(), attach)
            .max_decoding_message_size(nopic_chassis::transport::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(nopic_chassis::transport::MAX_MESSAGE_BYTES);
        match deadline::timeout(PATIENCE, client.set_draws(request)).await {
            Ok(Ok(response)) => {
                let response = response.into_inner();
                if !response.changed.is_empty() {
                    return Ok(SetDraws::Outdated);
                }
                let answers = response.entries.into_iter().map(answer_from_wire);
                answers
                    .collect::<Result<_, _>>()
                    .map(SetDraws::Set)
                    .map_err(|error| {
                        NoAnswer::Refused(Status::internal(format!("a malformed answer: {error}")))
                    })
            }
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

fn to_wire(request_id: String, draws: Draws) -> wire::SetDrawsRequest {
    let entry = |entry: EntryAsk| wire::EntryDraws {
        entry_number: entry.entry_number,
        entry_version: entry.version,
        keep_other_lines: entry.keep_other_lines,
        lines: entry.lines.iter().map(line_draw).collect(),
    };
    wire::SetDrawsRequest {
        request_id,
        entries: draws.entries.into_iter().map(entry).collect(),
        certificates: draws
            .certificates
            .iter()
            .map(|judged| wire::JudgedCertificate {
                number: judged.number.number(),
                version: judged.version,
                tolerance_units: judged.tolerance.units(),
            })
            .collect(),
    }
}

fn line_draw(line: &LineDraw) -> wire::LineDraw {
    let (mode, take) = match line.ask {
        Ask::Nothing(_) => (Mode::Nothing, None),
        Ask::Count(take) => (Mode::Count, Some(take)),
        Ask::Draw(take) => (Mode::Draw, Some(take)),
    };
    wire::LineDraw {
        line_number: line.line_number,
        pga_line_number: line.pga_line_number,
        mode: mode.into(),
        number: line.ask.number().map_or(0, CertificateNumber::number),
        weight_units: take.map_or(0, |take| take.weight.units()),
        may_exceed: take.is_some_and(|take| take.may_exceed),
        may_reuse: take.is_some_and(|take| take.may_reuse),
        beside_replaced: take.is_some_and(|take| take.beside_replaced),
    }
}
