//! What lines do to the entry that is on record: add, replace, take back, and that a pre-check says the same.

use nopic_domain::identifier::EntryNumber;
use nopic_formats::entries::{AbiTransmission, write_abi};
use nopic_proto::common::Reject;
use nopic_proto::entry_validation::document_options::Form;
use nopic_proto::entry_validation::file_document_request::Part;
use nopic_proto::entry_validation::verdict::Outcome;
use nopic_proto::entry_validation::{
    Decision, DocumentOptions, EntryLine, FileDocumentEnd, FileDocumentOptions, FileDocumentRequest,
    FileOptions, FileStreamRequest, Freshness, GetEntryRequest, ValidateDocumentRequest, Verdict,
    validate_document_request,
};
use nopic_proto::registry::import_options::Completeness;
use nopic_sql::testing::Engine;
use nopic_tests::services::{Services, Setup};
use rstest::rstest;
use tokio_stream::StreamExt as _;

const OPERATIONS: &str = r#"{"success":true,"operations":[
    {"op_certifierName":"C","op_nopOpID":"0120000001","op_name":"E","op_status":"Certified","op_statusEffectiveDate":"2020-01-01","opSC_HANDLING":"Certified"},
    {"op_certifierName":"C","op_nopOpID":"0990000001","op_name":"I","op_status":"Certified","op_statusEffectiveDate":"2020-01-01","opSC_HANDLING":"Certified"}]}"#;
/// For 100 kg.
const CERTIFICATE: &str = r#"{"number":"012-0120000001-000001","status":"ISSUED","certifierId":"012","exporterNopId":"0120000001","importerNopId":"0990000001","product":"Coffee","htsCode":"0901110015","kind":"TIME_FRAME","issuedOn":"2025-01-01","validFrom":"2025-01-02","validTo":"2026-12-31","totalWeightKg":"100"}"#;

/// Services that know a certificate, its exporter and its importer.
async fn start(engine: Engine) -> Services {
    let mut services = Services::start(&Setup {
        engine,
        ..Setup::default()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("operations.json");
    std::fs::write(&path, OPERATIONS).unwrap();
    services
        .import_published(&path, Completeness::Full, "2026-03-01")
        .await
        .unwrap();
    services
        .import_certificates(CERTIFICATE.as_bytes())
        .await
        .unwrap();
    services
}

fn entry(number: u32) -> String {
    EntryNumber::from_parts("B76", number).unwrap().to_string()
}

fn line(action: &str, number: u32, line_number: u32, weight: &str) -> EntryLine {
    EntryLine {
        entry_number: entry(number),
        entry_action: action.to_owned(),
        line_number,
        entry_date: "2026-03-05".to_owned(),
        hts_code: "0901110015".to_owned(),
        message_set: "OR2".to_owned(),
        certificate_number: "012-0120000001-000001".to_owned(),
        importer_nop_id: "0990000001".to_owned(),
        net_weight_kg: weight.to_owned(),
        ..EntryLine::default()
    }
}

fn jsonl(lines: &[EntryLine]) -> String {
    lines
        .iter()
        .map(|line| {
            format!(
                "{}\n",
                serde_json::to_string(&nopic_domain::entry::EntryLine::from(line.clone())).unwrap()
            )
        })
        .collect()
}

/// Blocks of a transmission, each with the action of its header.
fn abi(blocks: &[(char, &[EntryLine])]) -> String {
    let mut all = Vec::new();
    for (action, lines) in blocks {
        let lines: Vec<_> = lines.iter().cloned().map(Into::into).collect();
        let mut written = Vec::new();
        write_abi(&mut written, &AbiTransmission::default(), &lines).unwrap();
        let text = String::from_utf8(written).unwrap();
        let records: Vec<&str> = text.lines().collect();
        for record in &records[2..records.len() - 2] {
            all.push(match record.strip_prefix("10") {
                Some(header) => format!("10{action}{}", &header[1..]),
                None => (*record).to_owned(),
            });
        }
    }
    all.join("\n")
}

async fn file(services: &mut Services, request_id: &str, document: &str) -> (Vec<Decision>, Vec<Reject>) {
    let options = FileDocumentOptions {
        filing: Some(FileOptions {
            request_id: request_id.to_owned(),
            ..FileOptions::default()
        }),
        ..FileDocumentOptions::default()
    };
    let parts = [
        Part::Options(options),
        Part::Chunk(document.as_bytes().to_vec().into()),
        Part::End(FileDocumentEnd {}),
    ];
    let requests = parts.map(|part| FileDocumentRequest { part: Some(part) });
    let answers = services.records.file_document(tokio_stream::iter(requests)).await;
    let mut answers = answers.unwrap().into_inner();
    let (mut decisions, mut rejects) = (Vec::new(), Vec::new());
    while let Some(answer) = answers.next().await {
        let answer = answer.unwrap();
        decisions.extend(answer.decisions);
        rejects.extend(answer.rejects);
    }
    (decisions, rejects)
}

/// The last version of an entry and its kind, and what each line of it drew.
async fn on_record(services: &mut Services, number: u32) -> (u32, String, Vec<(u32, String)>) {
    let request = GetEntryRequest {
        entry_number: entry(number),
        ..GetEntryRequest::default()
    };
    let found = services.records.get_entry(request).await.unwrap().into_inner();
    let mut drawn: Vec<_> = found
        .decisions
        .into_iter()
        .map(|decision| (decision.verdict.unwrap().line_number, decision.drawn_kg))
        .collect();
    drawn.sort_unstable();
    let last = found.versions.last().unwrap();
    (last.version, last.kind.clone(), drawn)
}

fn drew(lines: &[(u32, &str)]) -> Vec<(u32, String)> {
    lines
        .iter()
        .map(|(line, drew)| (*line, (*drew).to_owned()))
        .collect()
}

/// Line, outcome and codes.
fn said<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> Vec<(u32, Outcome, Vec<i32>)> {
    verdicts
        .into_iter()
        .map(|verdict| {
            let codes = verdict.findings.iter().map(|finding| finding.code).collect();
            (verdict.line_number, verdict.verdict(), codes)
        })
        .collect()
}

/// What a pre-check says of a document, by certificates as they are now.
async fn check(services: &mut Services, form: Form, document: &str) -> (Vec<Verdict>, usize) {
    let options = DocumentOptions {
        form: form.into(),
        freshness: Some(Freshness {
            latest_certificates: true,
            ..Freshness::default()
        }),
        ..DocumentOptions::default()
    };
    let parts = [
        validate_document_request::Part::Options(options),
        validate_document_request::Part::Chunk(document.as_bytes().to_vec().into()),
    ];
    let requests = parts.map(|part| ValidateDocumentRequest { part: Some(part) });
    let answers = services
        .entries
        .validate_document(tokio_stream::iter(requests))
        .await;
    let mut answers = answers.unwrap().into_inner();
    let (mut verdicts, mut rejects) = (Vec::new(), 0);
    while let Some(answer) = answers.next().await {
        let answer = answer.unwrap();
        verdicts.extend(answer.verdicts);
        rejects += answer.rejects.len();
    }
    (verdicts, rejects)
}

/// Files a document of which a pre-check says the same; whether each line may be filed.
async fn filed_as_checked(
    services: &mut Services,
    form: Form,
    request_id: &str,
    document: &str,
) -> Vec<bool> {
    let checked = check(services, form, document).await;
    let (decisions, rejects) = file(services, request_id, document).await;
    assert_eq!((checked.1, rejects.len()), (0, 0), "{rejects:?}");
    let filed = said(
        decisions
            .iter()
            .map(|decision| decision.verdict.as_ref().unwrap()),
    );
    assert_eq!(said(&checked.0), filed, "{request_id}");
    filed
        .iter()
        .map(|(_, outcome, _)| matches!(outcome, Outcome::Accept | Outcome::Warn))
        .collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_mixed_actions_are_filed_as_a_pre_check_judges_them(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut services = start(engine).await;
    let document = jsonl(&[line("ADD", 1, 1, "90")]);
    assert_eq!(
        filed_as_checked(&mut services, Form::Jsonl, "first", &document).await,
        [true]
    );
    // What the first line drew counts for the one that adds, not for the one that replaces; the entry is replaced.
    let mixed = jsonl(&[line("REPLACE", 1, 3, "5"), line("ADD", 1, 2, "50")]);
    assert_eq!(
        filed_as_checked(&mut services, Form::Jsonl, "mixed", &mixed).await,
        [true, false]
    );
    let record = on_record(&mut services, 1).await;
    assert_eq!(record, (2, "FILED".to_owned(), drew(&[(2, ""), (3, "5")])));
    // A line that is not valid replaces nothing, nor does one that repeats another.
    for (id, lines) in [
        ("invalid", [line("ADD", 1, 4, "1"), line("REPLACE", 1, 5, "x")]),
        ("repeated", [line("ADD", 1, 4, "1"), line("REPLACE", 1, 4, "1")]),
    ] {
        let filed = filed_as_checked(&mut services, Form::Jsonl, id, &jsonl(&lines)).await;
        assert_eq!(filed, [true, false], "{id}");
    }
    let record = on_record(&mut services, 1).await;
    assert_eq!(record.2, drew(&[(2, ""), (3, "5"), (4, "1"), (5, "")]));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_transmission_takes_back_does_not_count_behind_it(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut services = start(engine).await;
    file(&mut services, "first", &jsonl(&[line("ADD", 1, 1, "90")])).await;
    let (before, anew) = ([line("ADD", 1, 2, "8")], [line("ADD", 1, 2, "50")]);
    for (id, blocks) in [
        ("deleted first", vec![('D', &anew[..]), ('A', &anew)]),
        (
            "filed, deleted and filed",
            vec![('A', &before), ('D', &before), ('A', &anew)],
        ),
    ] {
        let filed = filed_as_checked(&mut services, Form::Abi, id, &abi(&blocks)).await;
        assert!(filed.iter().all(|may_file| *may_file), "{id}: {filed:?}");
        let (_, kind, drawn) = on_record(&mut services, 1).await;
        assert_eq!((kind.as_str(), drawn), ("FILED", drew(&[(2, "50")])), "{id}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_is_not_replaced_without_its_lines_in_a_second_place(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut services = start(engine).await;
    file(
        &mut services,
        "first",
        &jsonl(&[line("ADD", 1, 1, "10"), line("ADD", 1, 2, "10")]),
    )
    .await;
    let apart = |action| {
        [
            line(action, 1, 1, "11"),
            line("ADD", 2, 1, "1"),
            line(action, 1, 2, "12"),
        ]
    };
    let unchanged = (1, "FILED".to_owned(), drew(&[(1, "10"), (2, "10")]));
    let lines = apart("REPLACE");
    let blocks: Vec<(char, &[EntryLine])> = vec![('R', &lines[..1]), ('A', &lines[1..2]), ('R', &lines[2..])];
    for (id, document) in [("lines", jsonl(&lines)), ("blocks", abi(&blocks))] {
        // Sent again, it gets the same answer.
        for _ in 0..2 {
            let (decisions, rejects) = file(&mut services, id, &document).await;
            let decided: Vec<&str> = decisions
                .iter()
                .map(|decision| decision.verdict.as_ref().unwrap().entry_number.as_str())
                .collect();
            assert_eq!(decided, [entry(2)], "{id}");
            assert!(rejects.iter().all(|reject| reject.key == entry(1)), "{rejects:?}");
            let reasons: Vec<&str> = rejects.iter().map(|reject| reject.reason.as_str()).collect();
            assert_eq!(reasons.len(), 2, "{reasons:?}");
            assert!(reasons[0].contains("stood before"), "{reasons:?}");
            assert!(reasons[1].contains("so the entry is not replaced"), "{reasons:?}");
        }
        assert_eq!(on_record(&mut services, 1).await, unchanged, "{id}");
    }
    // However a stream brings them.
    for size in [1, 3] {
        let mut requests: Vec<FileStreamRequest> = lines
            .chunks(size)
            .map(|lines| FileStreamRequest {
                lines: lines.to_vec(),
                ..FileStreamRequest::default()
            })
            .collect();
        requests[0].options = Some(FileOptions {
            request_id: format!("stream {size}"),
            ..FileOptions::default()
        });
        requests.last_mut().unwrap().end = true;
        let answers = services.records.file_stream(tokio_stream::iter(requests)).await;
        let mut answers = answers.unwrap().into_inner();
        while let Some(answer) = answers.next().await {
            answer.unwrap();
        }
        assert_eq!(on_record(&mut services, 1).await, unchanged, "{size}");
    }
    // What adds is filed without them.
    file(&mut services, "added", &jsonl(&apart("ADD"))).await;
    let (_, _, drawn) = on_record(&mut services, 1).await;
    assert_eq!(drawn, drew(&[(1, "11"), (2, "10")]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_comes_when_its_entry_was_replaced_is_said_to_come_too_late() {
    let mut services = start(Engine::Sqlite).await;
    file(
        &mut services,
        "first",
        &jsonl(&[line("ADD", 1, 1, "10"), line("ADD", 1, 2, "10")]),
    )
    .await;
    let plain = |number| EntryLine {
        hts_code: "6109100012".to_owned(),
        message_set: String::new(),
        certificate_number: String::new(),
        ..line("ADD", number, 1, "1")
    };
    let mut lines = vec![line("REPLACE", 1, 1, "11")];
    lines.extend((100..1_200).map(plain));
    lines.extend([line("REPLACE", 1, 2, "12"), line("REPLACE", 1, 3, "1")]);
    let unreadable = format!("{{\"entryNumber\":\"{}\",\"lineNumber\":0}}\n", entry(1));
    for (id, document) in [
        ("apart", jsonl(&lines)),
        ("unreadable", jsonl(&lines[..lines.len() - 2]) + &unreadable),
    ] {
        let (_, rejects) = file(&mut services, id, &document).await;
        let too_late: Vec<_> = rejects
            .iter()
            .filter(|reject| {
                reject
                    .reason
                    .contains("was replaced before this line of it was read")
            })
            .map(|reject| (reject.key.clone(), reject.record))
            .collect();
        assert_eq!(too_late, [(entry(1), 1_102)], "{id}: {rejects:?}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_line_is_taken_back_and_one_that_repeats_it_stands_nowhere(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut services = start(engine).await;
    file(
        &mut services,
        "first",
        &jsonl(&[line("ADD", 1, 1, "10"), line("ADD", 1, 2, "10")]),
    )
    .await;
    // No date is implausible of what is not put on record.
    let old = EntryLine {
        entry_date: "2019-03-05".to_owned(),
        ..line("DELETE", 1, 1, "10")
    };
    let filed = filed_as_checked(&mut services, Form::Jsonl, "old", &jsonl(&[old])).await;
    assert_eq!(filed, [true]);
    let record = on_record(&mut services, 1).await;
    assert_eq!(record, (2, "FILED".to_owned(), drew(&[(2, "10")])));
    let twice = jsonl(&[line("DELETE", 1, 2, "10"), line("ADD", 1, 2, "10")]);
    let filed = filed_as_checked(&mut services, Form::Jsonl, "twice", &twice).await;
    assert_eq!(filed, [true, false]);
    let record = on_record(&mut services, 1).await;
    assert_eq!(record, (3, "CANCELLED".to_owned(), drew(&[])));
}
