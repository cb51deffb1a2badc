//! What an earlier version stored by value is read as it was written, and proved again.

use std::collections::BTreeSet;

use nopic_proto::entry_validation as wire;
use prost::Message as _;
use tokio_stream::StreamExt as _;

use crate::support::{Copy, Served};

/// Of each decision: its number, its entry, and verdict and line as they are stored.
async fn stored(copy: &Copy) -> Vec<(i64, String, Vec<u8>, Vec<u8>)> {
    let mut database = copy.database().await;
    sqlx::query_as(
        "SELECT d.decision_id, e.entry_number, d.verdict, d.line
        FROM decision d JOIN entry e ON e.entry_id = d.entry_id ORDER BY d.decision_id",
    )
    .fetch_all(&mut database)
    .await
    .unwrap()
}

#[tokio::test]
async fn every_decision_is_read_and_comes_out_the_same_to_the_byte() {
    let copy = Copy::new().await;
    let mut served = Served::on(&copy).await;
    let stored = stored(&copy).await;
    assert_eq!(stored.len(), 35);
    let mut policies = BTreeSet::new();
    let mut flags = BTreeSet::new();
    for (decision_id, entry_number, verdict, line) in stored {
        let request = wire::ExplainDecisionRequest {
            decision_id: decision_id.unsigned_abs(),
        };
        let answer = served
            .records
            .explain_decision(request)
            .await
            .unwrap()
            .into_inner();
        let decision = answer.decision.unwrap();
        // The rules of then are not in this program: it says so, and gives the verdict as it stands on record.
        assert!(answer.not_replayed.contains("rules version 1"), "{entry_number}");
        assert!(!answer.is_the_same && answer.replayed.is_none(), "{entry_number}");
        let mut shown = decision.verdict.unwrap();
        assert_ne!(shown.declaration(), wire::verdict::Declaration::Unspecified);
        shown.set_declaration(wire::verdict::Declaration::Unspecified);
        assert_eq!(shown.encode_to_vec(), verdict, "{entry_number}");
        assert_eq!(decision.line.unwrap().encode_to_vec(), line, "{entry_number}");
        let inputs = answer.inputs.unwrap();
        policies.insert(inputs.policy_version);
        flags.insert(inputs.flags_version);
        assert!(!inputs.certificates.is_empty() && !inputs.operations.is_empty());
        assert!(answer.ledger.is_some());
    }
    assert_eq!((policies.len(), flags.len()), (2, 2));
}

#[tokio::test]
async fn frozen_inputs_are_answered_as_they_are_stored() {
    let copy = Copy::new().await;
    let mut served = Served::on(&copy).await;
    let mut database = copy.database().await;
    let filings: Vec<(i64, Vec<u8>, i64)> = sqlx::query_as(
        "SELECT f.filing_id, f.inputs, MIN(d.decision_id) FROM filing f JOIN decision d ON d.filing_id = f.filing_id
        GROUP BY f.filing_id, f.inputs",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    assert_eq!(filings.len(), 4);
    for (filing_id, inputs, decision_id) in filings {
        let request = wire::ExplainDecisionRequest {
            decision_id: decision_id.unsigned_abs(),
        };
        let answer = served.records.explain_decision(request).await.unwrap();
        let answered = answer.into_inner().inputs.unwrap();
        assert_eq!(answered.encode_to_vec(), inputs, "filing {filing_id}");
    }
}

#[tokio::test]
async fn versions_and_trail_are_read() {
    let copy = Copy::new().await;
    let mut served = Served::on(&copy).await;
    let request = |entry_number: &str| wire::GetEntryRequest {
        entry_number: entry_number.to_owned(),
        as_of: String::new(),
    };
    for (entry_number, kinds, lines) in [
        ("S1P10000015", ["FILED", "AMENDED"], 2),
        ("J4R10000018", ["FILED", "CANCELLED"], 0),
    ] {
        let entry = served.records.get_entry(request(entry_number)).await.unwrap();
        let entry = entry.into_inner();
        let found: Vec<&str> = entry
            .versions
            .iter()
            .map(|version| version.kind.as_str())
            .collect();
        assert_eq!((found, entry.decisions.len()), (kinds.to_vec(), lines));
    }
    let request = wire::GetTrailRequest {
        entry_number: "S1P10000015".to_owned(),
        as_of: String::new(),
    };
    let trail = served.trails.get_trail(request).await.unwrap().into_inner();
    assert_eq!((trail.lines.len(), trail.records.len()), (2, 5));
    assert!(
        trail
            .lines
            .iter()
            .all(|line| line.is_organic && line.importer_nop_id == "1113908885")
    );
    let withdrawn: Vec<u64> = trail
        .records
        .iter()
        .filter(|record| record.withdrawn.is_some())
        .map(|record| record.record_id)
        .collect();
    assert_eq!(withdrawn, [2]);
    let mut database = copy.database().await;
    let stored: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT record_id, content FROM trail_record WHERE kind <> 'WITHDRAWAL' ORDER BY record_id",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    let answered: Vec<(i64, Vec<u8>)> = trail
        .records
        .into_iter()
        .map(|record| {
            (
                record.record_id.cast_signed(),
                record.item.unwrap().encode_to_vec(),
            )
        })
        .collect();
    assert_eq!(answered, stored);
}

#[tokio::test]
async fn a_request_that_was_answered_before_is_answered_again() {
    let copy = Copy::new().await;
    let mut served = Served::on(&copy).await;
    let mut database = copy.database().await;
    let (request_id, inputs): (String, Vec<u8>) =
        sqlx::query_as("SELECT request_id, inputs FROM filing WHERE filing_id = 3")
            .fetch_one(&mut database)
            .await
            .unwrap();
    let lines = wire::FilingInputs::decode(inputs.as_slice()).unwrap().lines;
    let request = wire::FileStreamRequest {
        options: Some(wire::FileOptions {
            request_id: request_id.strip_suffix("/1").unwrap().to_owned(),
            ..wire::FileOptions::default()
        }),
        lines: lines.clone(),
        end: true,
    };
    let answers = served
        .records
        .file_stream(tokio_stream::iter([request]))
        .await
        .unwrap();
    let answers: Vec<_> = answers.into_inner().collect::<Result<_, _>>().await.unwrap();
    let answered: Vec<wire::EntryLine> = answers
        .into_iter()
        .flat_map(|answer| answer.decisions)
        .map(|decision| decision.line.unwrap())
        .collect();
    assert_eq!(answered, lines);
    // Other lines under the same name are refused.
    let request = wire::FileStreamRequest {
        options: Some(wire::FileOptions {
            request_id: request_id.strip_suffix("/1").unwrap().to_owned(),
            ..wire::FileOptions::default()
        }),
        lines: lines[1..].to_vec(),
        end: true,
    };
    let answers = served
        .records
        .file_stream(tokio_stream::iter([request]))
        .await
        .unwrap();
    let refused: Result<Vec<_>, _> = answers.into_inner().collect().await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::AlreadyExists);
}

#[tokio::test]
async fn what_was_recorded_before_is_answered_again() {
    let copy = Copy::new().await;
    let mut served = Served::on(&copy).await;
    let mut database = copy.database().await;
    // Two steps and a withdrawal: of those nothing is filled in, so they were sent as they are stored.
    for (request_id, records) in [
        ("123c16fb8885ad8e13b21d646336c036", [1, 2].as_slice()),
        ("c9e93afbb382995c91e0e7c5e6517fb0", &[6]),
    ] {
        let mut items = Vec::new();
        for record_id in records {
            let content: Vec<u8> =
                sqlx::query_scalar("SELECT content FROM trail_record WHERE record_id = $1")
                    .bind(record_id)
                    .fetch_one(&mut database)
                    .await
                    .unwrap();
            items.push(wire::TrailItem::decode(content.as_slice()).unwrap());
        }
        let request = wire::RecordTrailRequest {
            request_id: request_id.to_owned(),
            entry_number: "S1P10000015".to_owned(),
            items,
        };
        let answer = served.trails.record_trail(request.clone()).await.unwrap();
        let answered = answer.into_inner().record_ids;
        assert_eq!(
            answered,
            records
                .iter()
                .map(|id: &i64| id.unsigned_abs())
                .collect::<Vec<_>>()
        );
        let other = wire::RecordTrailRequest {
            items: vec![request.items[0].clone(); 3],
            ..request
        };
        let refused = served.trails.record_trail(other).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::AlreadyExists);
    }
}
