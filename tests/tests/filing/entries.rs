//! Entries on record: what is filed stays, once, however it is sent, and can be proved.

use std::collections::BTreeMap;

use nopic_domain::finding::Severity;
use nopic_domain::weight::Weight;
use nopic_proto::entry_validation::verdict::Declaration;
use nopic_proto::entry_validation::{
    AmendEntryRequest, CancelEntryRequest, Decision, EntryLine, ExplainDecisionRequest, FileEntriesRequest,
    GetEntryRequest, GetStatisticsRequest, ListDecisionsRequest,
};
use nopic_sql::testing::Engine;
use rstest::rstest;
use tonic::Code;

use crate::support::{Filing, an_entry_that_draws, ids, verdicts};

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_filed_is_on_record_once(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut filing = Filing::new(engine, 400).await;
    let lines = filing.lines.clone();
    let first = filing.file("first", lines.clone()).await.unwrap();
    assert_eq!(first.len(), lines.len());
    assert!(first.iter().any(|decision| !decision.drawn_kg.is_empty()));
    filing.assert_the_ledger_agrees().await;

    let again = filing.file("first", lines.clone()).await.unwrap();
    assert_eq!(again, first, "the same request gets its first answer");

    let other = filing.file("first", lines[1..].to_vec()).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists, "{other}");

    // Filed anew, each entry gives back what it drew, and sees what the others drew.
    let anew = filing.file("second", lines).await.unwrap();
    assert_ne!(ids(&anew), ids(&first));
    assert!(anew.iter().all(|decision| decision.entry_version == 2));
    filing.assert_the_ledger_agrees().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verdict_on_record_can_be_proved(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut filing = Filing::new(engine, 200).await;
    let decisions = filing.file("one", filing.lines.clone()).await.unwrap();
    for decision in decisions {
        let request = ExplainDecisionRequest {
            decision_id: decision.decision_id,
        };
        let explained = filing
            .services
            .records
            .explain_decision(request)
            .await
            .unwrap()
            .into_inner();
        assert!(explained.is_the_same, "{:?}", explained.decision);
        assert_eq!(explained.decision, Some(decision));
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_a_stream_is_cut_changes_nothing(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut answers = Vec::new();
    for size in [7, 10_000] {
        let mut filing = Filing::new(engine, 1_500).await;
        let lines = filing.lines.clone();
        // Sent twice: the second time it gets the answers of the first.
        let mut twice = Vec::new();
        for _ in 0..2 {
            twice.push(filing.stream("stream", &lines, size).await.unwrap());
        }
        assert_eq!(twice[0], twice[1]);
        filing.assert_the_ledger_agrees().await;
        answers.push(verdicts(&twice[0]));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].len(), 1_500);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_amend_at_once_one_wins(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut filing = Filing::new(engine, 100).await;
    let decisions = filing.file("one", filing.lines.clone()).await.unwrap();
    let (entry_number, lines) = an_entry_that_draws(&filing.lines, &decisions);
    let amend = |request_id: &str| AmendEntryRequest {
        request_id: request_id.to_owned(),
        entry_number: entry_number.clone(),
        current_version: 1,
        lines: lines.clone(),
        reason: "weight corrected".to_owned(),
    };
    let mut other = filing.services.records.clone();
    let (one, two) = tokio::join!(
        filing.services.records.amend_entry(amend("a")),
        other.amend_entry(amend("b"))
    );
    let (won, lost) = match (one, two) {
        (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won.into_inner(), lost),
        both => panic!("{both:?}"),
    };
    assert!(won.decisions.iter().all(|decision| decision.entry_version == 2));
    assert_eq!(lost.code(), Code::FailedPrecondition, "{lost}");
    assert!(lost.message().contains("version 2"), "{lost}");
    filing.assert_the_ledger_agrees().await;

    let cancel = CancelEntryRequest {
        request_id: "c".to_owned(),
        entry_number: entry_number.clone(),
        current_version: 2,
        reason: "never shipped".to_owned(),
    };
    let answer = filing
        .services
        .records
        .cancel_entry(cancel)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.version, 3);
    filing.assert_the_ledger_agrees().await;

    let entry = |as_of: &str| GetEntryRequest {
        entry_number: entry_number.clone(),
        as_of: as_of.to_owned(),
    };
    let now = filing
        .services
        .records
        .get_entry(entry(""))
        .await
        .unwrap()
        .into_inner();
    let kinds: Vec<&str> = now.versions.iter().map(|version| version.kind.as_str()).collect();
    assert_eq!(kinds, ["FILED", "AMENDED", "CANCELLED"]);
    assert!(now.decisions.is_empty());
    // As it stood when the second version was made.
    let then = &now.versions[1].recorded_at;
    let then = filing
        .services
        .records
        .get_entry(entry(then))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(then.versions.len(), 2);
    assert_eq!(verdicts(&then.decisions), verdicts(&won.decisions));
}

/// By the verdict and the shipped policy alone.
fn has_valid_certificate(decision: &Decision) -> bool {
    let verdict = decision.verdict.as_ref().unwrap();
    let policy = nopic_domain::policy::Policy::shipped();
    let strict = policy.phase_on(None);
    let about = [
        "CERTIFICATE_",
        "WRONG_",
        "WEIGHT_",
        "IMPORTER_",
        "EXPORTER_",
        "REGISTRY_",
    ];
    let stands = |finding: &nopic_proto::entry_validation::Finding| {
        let name = finding.code().as_str_name();
        let code = nopic_domain::finding::Code::parse(name).unwrap();
        let severity = policy.severity(code, strict, None);
        about.iter().any(|start| name.starts_with(start)) && severity >= Severity::Indeterminate
    };
    verdict.declaration() == Declaration::Organic
        && verdict.evidence.as_ref().unwrap().certificate_version.is_some()
        && !verdict.findings.iter().any(stands)
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_counted(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    use nopic_proto::entry_validation::get_statistics_request::Group;
    let mut filing = Filing::new(engine, 300).await;
    let lines = filing.lines.clone();
    let decisions = filing.file("one", lines).await.unwrap();
    let standing = filing
        .services
        .records
        .list_decisions(ListDecisionsRequest {
            page_size: 1_000,
            ..ListDecisionsRequest::default()
        })
        .await
        .unwrap()
        .into_inner()
        .decisions;
    for group in [Group::Day, Group::Importer, Group::Reason] {
        let mut request = GetStatisticsRequest::default();
        request.set_group(group);
        let answer = filing
            .services
            .records
            .get_statistics(request)
            .await
            .unwrap()
            .into_inner();
        let total = answer.total.unwrap();
        assert_eq!(total.lines, standing.len() as u64);
        let valid = standing.iter().filter(|decision| has_valid_certificate(decision));
        assert_eq!(total.with_valid_certificate, valid.count() as u64);
        let declared = |declaration: Declaration| {
            let declares =
                |decision: &&Decision| decision.verdict.as_ref().unwrap().declaration() == declaration;
            standing.iter().filter(declares).count() as u64
        };
        assert_eq!(total.declared_organic, declared(Declaration::Organic));
        assert_eq!(total.disclaimed, declared(Declaration::Disclaimed));
        assert_eq!(total.undeclared, declared(Declaration::None));
        assert!(total.disclaimed > 0 && total.undeclared > 0);
        let outcomes = total.accepted + total.warned + total.rejected + total.indeterminate;
        assert_eq!(outcomes, total.lines);
        let sum: u64 = answer.statistics.iter().map(|group| group.lines).sum();
        match group {
            Group::Reason => {
                let findings = standing
                    .iter()
                    .map(|decision| {
                        let verdict = decision.verdict.as_ref().unwrap();
                        let codes: std::collections::BTreeSet<i32> =
                            verdict.findings.iter().map(|finding| finding.code).collect();
                        codes.len() as u64
                    })
                    .sum::<u64>();
                assert_eq!(sum, findings);
            }
            _ => assert_eq!(sum, total.lines),
        }
    }
    assert!(decisions.len() >= standing.len());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_file_on_the_same_certificates_never_overdraw(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let filing = Filing::new(engine, 800).await;
    let same_entry = |one: &EntryLine, next: &EntryLine| one.entry_number == next.entry_number;
    let entries: Vec<Vec<EntryLine>> = filing.lines.chunk_by(same_entry).map(<[_]>::to_vec).collect();
    let mut tasks = Vec::new();
    for worker in 0..8usize {
        let mut records = filing.services.records.clone();
        let mine: Vec<(usize, Vec<EntryLine>)> = entries
            .iter()
            .cloned()
            .enumerate()
            .filter(|(number, _)| number % 8 == worker || number % 5 == worker)
            .collect();
        tasks.push(tokio::spawn(async move {
            let mut answers = Vec::new();
            for (number, lines) in mine {
                // A fifth is sent by two at once, with one id.
                let request = FileEntriesRequest {
                    request_id: format!("entry {number}"),
                    lines,
                    ..FileEntriesRequest::default()
                };
                answers.push((
                    number,
                    records
                        .file_entries(request)
                        .await
                        .unwrap()
                        .into_inner()
                        .decisions,
                ));
            }
            answers
        }));
    }
    let mut answers: BTreeMap<usize, Vec<Decision>> = BTreeMap::new();
    for task in tasks {
        for (number, decisions) in task.await.unwrap() {
            if let Some(other) = answers.insert(number, decisions.clone()) {
                assert_eq!(other, decisions, "one request has one answer");
            }
        }
    }
    assert_eq!(answers.len(), entries.len());
    let mut filing = filing;
    filing.assert_the_ledger_agrees().await;
    let list = nopic_proto::certificate::ListCertificatesRequest {
        page_size: 1_000,
        ..Default::default()
    };
    let states = filing
        .services
        .certificates
        .list_certificates(list)
        .await
        .unwrap()
        .into_inner()
        .states;
    let excess: BTreeMap<String, Weight> = answers
        .values()
        .flatten()
        .filter(|decision| !decision.excess_kg.is_empty())
        .fold(BTreeMap::new(), |mut sums, decision| {
            let number = decision.line.as_ref().unwrap().certificate_number.clone();
            let sum: &mut Weight = sums.entry(number).or_default();
            *sum = sum.saturating_add(decision.excess_kg.parse().unwrap());
            sums
        });
    for state in states {
        let number = state.certificate.unwrap().number;
        // Below what is left only what a warning phase permitted.
        let (is_negative, left) = match state.left_kg.strip_prefix('-') {
            Some(over) => (true, over.parse::<Weight>().unwrap()),
            None => (false, state.left_kg.parse::<Weight>().unwrap()),
        };
        let permitted = excess.get(&number).copied().unwrap_or_default();
        assert!(
            !is_negative || left <= permitted,
            "{number} is overdrawn by {left} kg"
        );
    }
}

#[tokio::test]
async fn a_request_without_a_name_or_out_of_order_is_refused() {
    let mut filing = Filing::new(Engine::Sqlite, 60).await;
    let lines = filing.lines.clone();
    let nameless = filing.file("", lines.clone()).await.unwrap_err();
    assert_eq!(nameless.code(), Code::InvalidArgument);
    assert!(nameless.message().starts_with("request_id"), "{nameless}");
    let mut apart = lines.clone();
    let first = apart[0].clone();
    let other = apart
        .iter()
        .position(|line| line.entry_number != first.entry_number)
        .unwrap();
    apart = vec![
        first.clone(),
        apart[other].clone(),
        EntryLine {
            line_number: 99,
            ..first
        },
    ];
    let apart = filing.file("apart", apart).await.unwrap_err();
    assert!(apart.message().contains("two places"), "{apart}");
    let missing = filing
        .services
        .records
        .amend_entry(AmendEntryRequest {
            request_id: "x".to_owned(),
            entry_number: "B76-9999999-9".to_owned(),
            current_version: 1,
            lines: Vec::new(),
            reason: "why".to_owned(),
        })
        .await
        .unwrap_err();
    assert_eq!(missing.code(), Code::InvalidArgument, "{missing}");
}
