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

use crate::asking::in_time;

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
    let mut registry = RegistryServiceClient::with_interceptor(client.clone(), attach)
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let answer = in_time(registry.batch_get_status(request)).await?.into_inner();
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

#[cfg(test)]
mod tests {
    use nopic_proto::registry::StatusPeriod;

    use super::*;
    use crate::cases::testing::day;

    #[test]
    fn an_importer_is_certified_until_the_registry_says_something_else() {
        let period = |from: &str, status: &str| StatusPeriod {
            from: from.to_owned(),
            status: status.to_owned(),
        };
        let answer = StatusAnswer {
            history: vec![
                period("2024-01-01", "Certified"),
                period("2025-03-01", "Suspended"),
                period("2025-06-01", "Certified"),
                period("2026-01-01", "Unlisted"),
                period("2026-02-01", "certified"),
            ],
            ..StatusAnswer::default()
        };
        let span = |from: &str, to: Option<&str>| Period {
            from: Some(day(from)),
            to: to.map(day),
        };
        assert_eq!(
            periods(&answer),
            [
                span("2024-01-01", Some("2025-02-28")),
                span("2025-06-01", Some("2025-12-31")),
                span("2026-02-01", None),
            ]
        );
        assert_eq!(periods(&StatusAnswer::default()), []);
    }
}
