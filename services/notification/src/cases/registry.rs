//! On which days importers are certified, as the registry has it.

use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::rpc::client::Client;
use nopic_chassis::transport::MAX_MESSAGE_BYTES;
use nopic_domain::date::{Date, Period, parse_iso};
use nopic_domain::enforcement::certified_periods;
use nopic_domain::identifier::NopId;
use nopic_domain::principal::Principal;
use nopic_domain::registry::{Segment, Status as Word, Timeline};
use nopic_proto::registry::registry_service_client::RegistryServiceClient;
use nopic_proto::registry::{BatchGetStatusRequest, StatusAnswer, StatusQuestion};
use tonic::Status;

/// Of each importer, in their order. One that was never listed is certified on no day.
pub(crate) async fn certified(
    client: &Client,
    importers: &[NopId],
    today: Date,
) -> Result<Vec<Vec<Period>>, Status> {
    let question = |importer: &NopId| StatusQuestion {
        nop_id: importer.to_string(),
        on: today.to_string(),
    };
    let request = BatchGetStatusRequest {
        questions: importers.iter().map(question).collect(),
        revision: None,
        with_history: true,
    };
    let attach = AttachPrincipal::new(&Principal::built_in("notification"));
    let answer = RegistryServiceClient::with_interceptor(client.clone(), attach)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .batch_get_status(request)
        .await?
        .into_inner();
    if answer.answers.len() != importers.len() {
        return Err(Status::internal("the registry did not answer every question"));
    }
    Ok(answer.answers.iter().map(periods).collect())
}

fn periods(answer: &StatusAnswer) -> Vec<Period> {
    let status = answer.history.iter().filter_map(|period| {
        Some(Segment {
            from: parse_iso(&period.from)?,
            status: if period.status == "Unlisted" {
                Word::Unlisted
            } else {
                Word::parse(&period.status)?
            },
        })
    });
    certified_periods(&Timeline {
        status: status.collect(),
        ..Timeline::default()
    })
}
