//! The calls: convert, load, decide, save, convert. One file a topic.

mod document;
mod fields;
mod file_document;
mod file_stream;
mod flags;
mod links;
mod parts;
mod policy;
mod record;
mod resuming;
mod room;
mod trail;
mod validate;

pub(crate) use record::RecordRpc;
pub(crate) use trail::TrailRpc;

use std::sync::Arc;

use nopic_chassis::answers::{AnswerStream, answer};
use nopic_chassis::cut::Ending;
use nopic_chassis::requests::{MAX_BATCH, at_most, day};
use nopic_chassis::uploads::MAX_CHUNK_BYTES;
use nopic_domain::entry::{EntryLine, NormalisedLine};
use nopic_domain::principal::Principal;
use nopic_domain::rules::MAX_LINES_PER_ENTRY;
use nopic_proto::answers::WithVerdicts;
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::entry_validation_service_server::EntryValidationService;
use prost::Message as _;
use tonic::{Request, Response, Status, Streaming};

use crate::engine::Engine;
use crate::error::Error;
use crate::inquiry::{Inquiry, Purpose};

/// Bytes of a line: far more than any has, and so few that an answer about it has room in a message.
const MAX_LINE_BYTES: usize = 256 << 10;
/// Verdicts in one message of an answer: large enough to cost little each, small enough to keep the reader busy.
const VERDICTS_PER_MESSAGE: usize = 512;
/// Messages of an answer that wait for a slow reader; then the work waits, too.
const MESSAGES_AHEAD: usize = 4;

/// The service's methods on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Rpc(pub(crate) Arc<Engine>);

#[tonic::async_trait]
impl EntryValidationService for Rpc {
    async fn validate_entry(
        &self,
        request: Request<wire::ValidateEntryRequest>,
    ) -> Result<Response<WithVerdicts<wire::ValidateEntryResponse>>, Status> {
        let (principal, request) = open(request)?;
        self.0.charge.take(&principal, 1).await?;
        let inquiry = inquiry(principal, request.freshness);
        Ok(Response::new(validate::one(&self.0, &inquiry, request).await?))
    }

    async fn validate_entries(
        &self,
        request: Request<wire::ValidateEntriesRequest>,
    ) -> Result<Response<WithVerdicts<wire::ValidateEntriesResponse>>, Status> {
        let (principal, request) = open(request)?;
        some(&request.lines)?;
        at_most("lines", request.lines.len(), MAX_BATCH)?;
        self.0.charge.take(&principal, request.lines.len()).await?;
        let inquiry = inquiry(principal, request.freshness);
        Ok(Response::new(validate::batch(&self.0, &inquiry, request).await?))
    }

    type ValidateStreamStream = AnswerStream<WithVerdicts<wire::ValidateStreamResponse>>;

    async fn validate_stream(
        &self,
        request: Request<Streaming<wire::ValidateStreamRequest>>,
    ) -> Result<Response<Self::ValidateStreamStream>, Status> {
        let ending = Ending::of(request.extensions(), &self.0.draining);
        let (principal, requests) = open(request)?;
        let engine = Arc::clone(&self.0);
        let answers = answer(MESSAGES_AHEAD, |answers| {
            validate::stream(engine, ending, principal, requests, answers)
        });
        // A pre-check that nobody hears is not worth its end.
        Ok(Response::new(answers.ending_with_caller()))
    }

    type ValidateDocumentStream = AnswerStream<WithVerdicts<wire::ValidateDocumentResponse>>;

    async fn validate_document(
        &self,
        request: Request<Streaming<wire::ValidateDocumentRequest>>,
    ) -> Result<Response<Self::ValidateDocumentStream>, Status> {
        let ending = Ending::of(request.extensions(), &self.0.draining);
        let (principal, requests) = open(request)?;
        let engine = Arc::clone(&self.0);
        Ok(Response::new(
            document::validate(engine, ending, principal, requests).await?,
        ))
    }

    async fn explain_policy(
        &self,
        request: Request<wire::ExplainPolicyRequest>,
    ) -> Result<Response<wire::ExplainPolicyResponse>, Status> {
        let on = day("on", &request.get_ref().on)?;
        Ok(Response::new(policy::explain(&self.0.policy, on)))
    }

    async fn link_importer(
        &self,
        request: Request<wire::LinkImporterRequest>,
    ) -> Result<Response<wire::LinkImporterResponse>, Status> {
        let (principal, request) = open(request)?;
        Ok(Response::new(links::link(&self.0, &principal, &request).await?))
    }

    async fn unlink_importer(
        &self,
        request: Request<wire::UnlinkImporterRequest>,
    ) -> Result<Response<wire::UnlinkImporterResponse>, Status> {
        let (principal, request) = open(request)?;
        Ok(Response::new(links::unlink(&self.0, &principal, &request).await?))
    }

    async fn list_importer_links(
        &self,
        request: Request<wire::ListImporterLinksRequest>,
    ) -> Result<Response<wire::ListImporterLinksResponse>, Status> {
        let (principal, request) = open(request)?;
        Ok(Response::new(links::list(&self.0, &principal, request).await?))
    }

    async fn import_flags(
        &self,
        request: Request<Streaming<wire::ImportFlagsRequest>>,
    ) -> Result<Response<wire::ImportFlagsResponse>, Status> {
        let (principal, requests) = open(request)?;
        Ok(Response::new(flags::import(&self.0, &principal, requests).await?))
    }

    async fn get_flag(
        &self,
        request: Request<wire::GetFlagRequest>,
    ) -> Result<Response<wire::GetFlagResponse>, Status> {
        Ok(Response::new(flags::get(&self.0, request.get_ref())?))
    }

    async fn list_flag_changes(
        &self,
        request: Request<wire::ListFlagChangesRequest>,
    ) -> Result<Response<wire::ListFlagChangesResponse>, Status> {
        Ok(Response::new(flags::changes(&self.0, request.get_ref())?))
    }

    async fn get_limits(
        &self,
        _: Request<wire::GetLimitsRequest>,
    ) -> Result<Response<wire::GetLimitsResponse>, Status> {
        // The bounds are far below 2^32.
        let bound = |bound: usize| u32::try_from(bound).unwrap_or(u32::MAX);
        Ok(Response::new(wire::GetLimitsResponse {
            max_lines_per_message: bound(MAX_BATCH),
            max_lines_per_entry: bound(MAX_LINES_PER_ENTRY),
            max_chunk_bytes: bound(MAX_CHUNK_BYTES),
            max_message_bytes: nopic_chassis::messages::MAX_REQUEST_BYTES,
        }))
    }
}

/// Takes a request apart: who asks, and what.
fn open<T>(request: Request<T>) -> Result<(Principal, T), Status> {
    let principal = nopic_chassis::principal::of(request.extensions())?.clone();
    Ok((principal, request.into_inner()))
}

/// A pre-check.
fn inquiry(principal: Principal, freshness: Option<wire::Freshness>) -> Inquiry {
    let freshness = freshness.unwrap_or_default();
    Inquiry {
        principal,
        at_least_revision: freshness.at_least_revision,
        latest_certificates: freshness.latest_certificates,
        purpose: Purpose::PreCheck,
    }
}

/// Refuses a request about no line: that nothing was found against nothing would look like a success.
fn some(lines: &[wire::EntryLine]) -> Result<(), Error> {
    if lines.is_empty() {
        return Err(Error::invalid("lines", "give at least one"));
    }
    Ok(())
}

/// Lines of a message in the form that is judged.
fn lines(lines: Vec<wire::EntryLine>) -> Result<Vec<NormalisedLine>, Error> {
    at_most("lines", lines.len(), MAX_BATCH)?;
    if let Some(place) = lines.iter().position(|line| line.encoded_len() > MAX_LINE_BYTES) {
        let problem = format!("it has more than {MAX_LINE_BYTES} bytes, the most that a line may have");
        return Err(Error::invalid(format!("lines[{place}]"), problem));
    }
    Ok(lines
        .into_iter()
        .map(|line| EntryLine::from(line).normalise())
        .collect())
}
