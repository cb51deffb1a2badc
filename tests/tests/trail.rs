//! Trails of entries over gRPC, on both engines.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::path::Path;

use nopic_chassis::principal::AttachPrincipal;
use nopic_domain::principal::{Principal, Role};
use nopic_proto::entry_validation::trail_item::Content;
use nopic_proto::entry_validation::{
    CancelEntryRequest, CustodyStep, EntryLine, FileEntriesRequest, GetTrailRequest, GetTrailResponse,
    OrganicCheck, RecordTrailRequest, TrailDocument, TrailItem, TrailParty, TrailStatement, TrailWithdrawal,
    Treatment,
};
use nopic_proto::registry::import_options::Completeness;
use nopic_sql::testing::Engine;
use nopic_tests::services::{Services, Setup};
use rstest::rstest;
use tonic::service::Interceptor as _;
use tonic::{Code, Request};

const ENTRY: &str = "ZZ900000037";
const CERTIFICATE: &str = r#"{"number":"555-5550000001-000001","status":"ISSUED","certifierId":"555","exporterNopId":"5550000001","importerNopId":"7770000001","product":"Green coffee","htsCode":"0901110015","kind":"MULTIPLE_SHIPMENTS","issuedOn":"2022-12-20","validFrom":"2023-01-01","validTo":"2026-12-31","totalWeightKg":"10000","countriesOfOrigin":["PE"],"lots":["LOT-1"]}"#;

async fn filed(engine: Engine) -> Services {
    let mut services = Services::start(&Setup {
        engine,
        ..Setup::default()
    })
    .await;
    let operations = concat!(env!("CARGO_MANIFEST_DIR"), "/data/cases/operations-1.json");
    services
        .import_snapshot(Path::new(operations), Completeness::Full)
        .await
        .unwrap();
    services
        .import_certificates(CERTIFICATE.as_bytes())
        .await
        .unwrap();
    let line = EntryLine {
        entry_number: ENTRY.to_owned(),
        line_number: 1,
        entry_date: "2025-11-03".to_owned(),
        export_date: "2025-10-20".to_owned(),
        importer_nop_id: "7770000001".to_owned(),
        hts_code: "0901110015".to_owned(),
        organic_claim: Some(true),
        message_set: "OR2".to_owned(),
        certificate_number: "555-5550000001-000001".to_owned(),
        net_weight_kg: "100".to_owned(),
        country_of_origin: "PE".to_owned(),
        treatment: Some(Treatment {
            emergency_action_notice: Some(true),
            ..Treatment::default()
        }),
        ..EntryLine::default()
    };
    let request = FileEntriesRequest {
        request_id: "file".to_owned(),
        lines: vec![line],
        ..FileEntriesRequest::default()
    };
    services.records.file_entries(request).await.unwrap();
    services
}

fn item(content: Content) -> TrailItem {
    TrailItem {
        content: Some(content),
    }
}

fn step(name: &str) -> TrailItem {
    item(Content::Step(CustodyStep {
        role: "CARRIER".to_owned(),
        party: Some(TrailParty {
            name: name.to_owned(),
            nop_id: String::new(),
        }),
        ..CustodyStep::default()
    }))
}

fn invoice(sha256: &[u8]) -> TrailItem {
    item(Content::Document(TrailDocument {
        kind: "INVOICE".to_owned(),
        reference: "4711".to_owned(),
        sha256: sha256.to_vec().into(),
        organic: Some(OrganicCheck {
            says_organic: true,
            how: "PERSON".to_owned(),
            ..OrganicCheck::default()
        }),
        ..TrailDocument::default()
    }))
}

fn verification(change: impl FnOnce(&mut TrailStatement)) -> TrailItem {
    let mut statement = TrailStatement {
        kind: "VERIFICATION".to_owned(),
        ..TrailStatement::default()
    };
    change(&mut statement);
    item(Content::Statement(statement))
}

fn request(request_id: &str, items: Vec<TrailItem>) -> RecordTrailRequest {
    RecordTrailRequest {
        request_id: request_id.to_owned(),
        entry_number: "ZZ9-0000003-7".to_owned(),
        items,
    }
}

async fn record(services: &mut Services, request: RecordTrailRequest) -> Result<Vec<u64>, tonic::Status> {
    Ok(services
        .trails
        .record_trail(request)
        .await?
        .into_inner()
        .record_ids)
}

async fn trail(services: &mut Services, as_of: &str) -> Result<GetTrailResponse, tonic::Status> {
    let request = GetTrailRequest {
        entry_number: ENTRY.to_owned(),
        as_of: as_of.to_owned(),
    };
    Ok(services.trails.get_trail(request).await?.into_inner())
}

fn codes(trail: &GetTrailResponse) -> Vec<&str> {
    trail.gaps.iter().map(|gap| gap.code.as_str()).collect()
}

#[rstest]
#[tokio::test]
async fn a_trail_grows_and_can_be_read_as_of_any_moment(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut services = filed(engine).await;
    let empty = trail(&mut services, "").await.unwrap();
    assert_eq!(empty.lines.len(), 1);
    assert_eq!(empty.certificates.len(), 1);
    let notice = &empty.gaps[0];
    assert_eq!(
        (notice.code.as_str(), notice.level.as_str()),
        ("EMERGENCY_ACTION_NOTICE", "FINDING")
    );
    let tell: Vec<&str> = notice
        .tell
        .iter()
        .map(|tell| tell.certifier_id.as_str())
        .collect();
    assert_eq!(tell, ["777", "555"]);
    assert!(codes(&empty).contains(&"CUSTODY_MISSING"));

    let items = vec![step("Naviera"), invoice(&[7; 32])];
    let ids = record(&mut services, request("1", items.clone())).await.unwrap();
    assert_eq!(record(&mut services, request("1", items)).await.unwrap(), ids);
    let other = record(&mut services, request("1", vec![step("Other")])).await;
    assert_eq!(other.unwrap_err().code(), Code::AlreadyExists);
    let verified = verification(|_| {});
    record(&mut services, request("2", vec![verified])).await.unwrap();
    let withdrawal = item(Content::Withdrawal(TrailWithdrawal {
        record_id: ids[1],
        reason: "of another entry".to_owned(),
    }));
    record(&mut services, request("3", vec![withdrawal]))
        .await
        .unwrap();

    let now = trail(&mut services, "").await.unwrap();
    assert_eq!(now.records.len(), 3);
    let withdrawn = now.records[1].withdrawn.clone().unwrap();
    assert_eq!(
        (withdrawn.by.as_str(), withdrawn.reason.as_str()),
        ("test", "of another entry")
    );
    let Some(Content::Statement(statement)) = now.records[2].item.clone().unwrap().content else {
        panic!("{now:?}");
    };
    // Who and when are filled in.
    assert_eq!(statement.stated_by, "test");
    assert!(nopic_domain::date::parse_iso(&statement.stated_on).is_some());
    assert_eq!(
        codes(&now)
            .iter()
            .filter(|code| **code == "DOCUMENT_MISSING")
            .count(),
        4
    );
    assert!(!codes(&now).contains(&"VERIFICATION_MISSING"));

    let then = now.records[1].recorded_at.clone();
    let before = trail(&mut services, &then).await.unwrap();
    assert_eq!(before.records.len(), 2);
    assert_eq!(before.records[1].withdrawn, None);
    assert_eq!(
        codes(&before)
            .iter()
            .filter(|code| **code == "DOCUMENT_MISSING")
            .count(),
        3
    );
    let never = trail(&mut services, "2001-01-01T00:00:00Z").await;
    assert_eq!(never.unwrap_err().code(), Code::NotFound);

    // Taken back: what was recorded stays, nothing is to be traced.
    let cancel = CancelEntryRequest {
        request_id: "cancel".to_owned(),
        entry_number: ENTRY.to_owned(),
        current_version: 1,
        reason: "never shipped".to_owned(),
    };
    services.records.cancel_entry(cancel).await.unwrap();
    let cancelled = trail(&mut services, "").await.unwrap();
    assert_eq!((cancelled.lines.len(), cancelled.gaps.len()), (0, 0));
    assert_eq!((cancelled.versions.len(), cancelled.records.len()), (2, 3));
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_is_refused(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut services = filed(engine).await;
    let mut long = step("x");
    if let Some(Content::Step(step)) = &mut long.content {
        step.place = "x".repeat(201);
    }
    let cases = [
        (request("", vec![step("a")]), Code::InvalidArgument, "request_id"),
        (request("1", Vec::new()), Code::InvalidArgument, "items"),
        (
            request("1", vec![step("a"); 1_001]),
            Code::InvalidArgument,
            "items",
        ),
        (
            request("1", vec![TrailItem::default()]),
            Code::InvalidArgument,
            "items[0]",
        ),
        (
            request("1", vec![step("a"), step(" ")]),
            Code::InvalidArgument,
            "items[1].party.name",
        ),
        (request("1", vec![long]), Code::InvalidArgument, "items[0].place"),
        (
            request("1", vec![invoice(&[7; 31])]),
            Code::InvalidArgument,
            "sha256",
        ),
        (
            request(
                "1",
                vec![item(Content::Withdrawal(TrailWithdrawal {
                    record_id: 1,
                    reason: String::new(),
                }))],
            ),
            Code::InvalidArgument,
            "reason",
        ),
        (
            request(
                "1",
                vec![verification(|statement| statement.kind = "NEW".to_owned())],
            ),
            Code::InvalidArgument,
            "items[0].kind",
        ),
        (
            request(
                "1",
                vec![verification(|statement| statement.reference = "523".to_owned())],
            ),
            Code::InvalidArgument,
            "items[0].reference",
        ),
        (
            RecordTrailRequest {
                entry_number: "ZZ900000045".to_owned(),
                ..request("1", vec![step("a")])
            },
            Code::NotFound,
            "not on record",
        ),
    ];
    for (request, code, words) in cases {
        let status = record(&mut services, request.clone()).await.unwrap_err();
        assert_eq!(status.code(), code, "{request:?}: {status}");
        assert!(status.message().contains(words), "{status}");
    }
    assert!(trail(&mut services, "").await.unwrap().records.is_empty());
}

#[rstest]
#[tokio::test]
async fn a_tenant_sees_its_own_trails_and_not_every_role_records(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut services = filed(engine).await;
    let as_caller = |principal: &Principal, message: RecordTrailRequest| {
        let extended = AttachPrincipal::new(principal).call(Request::new(())).unwrap();
        let mut request = Request::new(message);
        *request.metadata_mut() = extended.metadata().clone();
        request
    };
    let mut stranger = Principal::built_in("stranger");
    stranger.tenant = "other".to_owned();
    let status = services
        .trails
        .record_trail(as_caller(&stranger, request("1", vec![step("a")])))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "{status}");
    let mut exporter = Principal::built_in("exporter");
    exporter.role = Role::Exporter;
    let status = services
        .trails
        .record_trail(as_caller(&exporter, request("1", vec![step("a")])))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
}
