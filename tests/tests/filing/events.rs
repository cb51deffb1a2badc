//! What others hear of entries, notices and flags: each once, with the change that makes it, and nothing else.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use nopic_proto::entry_validation::trail_item::Content;
use nopic_proto::entry_validation::{
    AmendEntryRequest, CancelEntryRequest, EntryLine, FileEntriesRequest, RecordTrailRequest, TrailItem,
    TrailStatement, ValidateEntriesRequest,
};
use nopic_proto::events::entry_recorded::Kind;
use nopic_proto::events::event::What;
use nopic_proto::events::{EntryRecorded, Event};
use nopic_sql::testing::Engine;
use nopic_sql::{Location, SchemaUpdate, postgres, sqlite};
use prost::Message as _;
use rstest::rstest;

use super::support::Filing;

/// What was told behind the first so many: tenant, subject, what.
async fn told(filing: &Filing, known: &mut usize) -> Vec<(String, String, What)> {
    const MESSAGES: &str = "SELECT tenant, subject, content FROM outbox ORDER BY outbox_id";
    let schema = &nopic_entry_validation::SCHEMA;
    macro_rules! messages {
        ($engine:ident, $place:expr) => {{
            let database = $engine::Database::open($place, schema, SchemaUpdate::Refuse)
                .await
                .unwrap();
            let messages = sqlx::query_as(MESSAGES)
                .fetch_all(database.readers())
                .await
                .unwrap();
            database.close().await;
            messages
        }};
    }
    let messages: Vec<(String, String, Vec<u8>)> = match &filing.services.database.location {
        Location::Folder(folder) => messages!(sqlite, folder),
        Location::Postgres(options) => messages!(postgres, options),
    };
    let told: Vec<_> = messages
        .into_iter()
        .skip(*known)
        .map(|(tenant, subject, content)| {
            let what = Event::decode(&content[..]).unwrap().what.unwrap();
            (tenant, subject, what)
        })
        .collect();
    *known += told.len();
    told
}

/// The same where all of it are entries of the caller.
async fn entries(filing: &Filing, known: &mut usize) -> Vec<EntryRecorded> {
    let told = told(filing, known).await;
    told.into_iter()
        .map(|(tenant, subject, what)| {
            let What::EntryRecorded(entry) = what else {
                panic!("{what:?}");
            };
            assert_eq!(
                (tenant.as_str(), subject),
                ("default", entry.entry_number.clone())
            );
            entry
        })
        .collect()
}

fn numbers(lines: &[EntryLine]) -> BTreeSet<&str> {
    lines.iter().map(|line| line.entry_number.as_str()).collect()
}

fn lines_of(filing: &Filing, entry_number: &str) -> Vec<EntryLine> {
    let mut lines = filing.lines.clone();
    lines.retain(|line| line.entry_number == entry_number);
    lines
}

/// The entry of the sample with the most lines.
fn longest(filing: &Filing) -> String {
    let numbers = numbers(&filing.lines);
    let longest = numbers
        .into_iter()
        .max_by_key(|number| lines_of(filing, number).len());
    longest.unwrap().to_owned()
}

#[rstest]
#[tokio::test]
async fn each_version_of_an_entry_is_told_with_its_lines_as_they_were_decided(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (mut filing, mut known) = (Filing::new(engine, 150).await, 0);
    let lines = filing.lines.clone();
    // Whoever only asks changes nothing.
    let request = ValidateEntriesRequest {
        lines: lines.clone(),
        ..ValidateEntriesRequest::default()
    };
    filing.services.entries.validate_entries(request).await.unwrap();
    assert_eq!(told(&filing, &mut known).await, []);

    let decisions = filing.file("filed", lines.clone()).await.unwrap();
    let filed = entries(&filing, &mut known).await;
    let told_of: BTreeSet<&str> = filed.iter().map(|entry| entry.entry_number.as_str()).collect();
    assert_eq!((told_of, filed.len()), (numbers(&lines), numbers(&lines).len()));
    for entry in &filed {
        assert_eq!((entry.kind(), entry.version), (Kind::Filed, 1));
        assert!(
            !entry.keeps_other_lines && entry.recorded_on.len() == 10,
            "{entry:?}"
        );
    }
    for decision in decisions {
        let verdict = decision.verdict.unwrap();
        let entry = filed
            .iter()
            .find(|entry| entry.entry_number == verdict.entry_number);
        let line = entry
            .unwrap()
            .lines
            .iter()
            .find(|line| (line.line, line.pga_line) == (verdict.line_number, verdict.pga_line_number))
            .unwrap();
        assert!(
            verdict.verdict().as_str_name().ends_with(&line.outcome),
            "{line:?}"
        );
        assert!(!line.phase.is_empty(), "{line:?}");
        assert!(!line.taken_back);
        let is_named = |code: &str| {
            verdict
                .findings
                .iter()
                .any(|finding| finding.code().as_str_name().ends_with(code))
        };
        assert!(
            line.findings
                .iter()
                .all(|finding| is_named(&finding.code) && !finding.message.is_empty())
        );
        assert!(line.findings.iter().all(|finding| finding.severity != "INFO"));
        assert!(line.outcome == "ACCEPT" || !line.findings.is_empty(), "{line:?}");
    }
    // The same request again gets its first answer.
    filing.file("filed", lines.clone()).await.unwrap();
    assert_eq!(told(&filing, &mut known).await, []);

    // Filed again by lines: the others stand.
    let number = longest(&filing);
    let own = lines_of(&filing, &number);
    assert!(own.len() > 1);
    filing.file("lines", own[..1].to_vec()).await.unwrap();
    let amended = entries(&filing, &mut known).await;
    assert_eq!(amended.len(), 1);
    assert_eq!((amended[0].kind(), amended[0].version), (Kind::Filed, 2));
    assert!(amended[0].keeps_other_lines);
    assert_eq!(amended[0].lines.len(), 1);

    // Whole: the others are gone.
    let amend = AmendEntryRequest {
        request_id: "whole".to_owned(),
        entry_number: number.clone(),
        current_version: 2,
        lines: own[1..].to_vec(),
        reason: "one line too many".to_owned(),
    };
    filing.services.records.amend_entry(amend.clone()).await.unwrap();
    let amended = entries(&filing, &mut known).await;
    assert_eq!(amended.len(), 1);
    assert_eq!((amended[0].kind(), amended[0].version), (Kind::Amended, 3));
    assert!(!amended[0].keeps_other_lines);
    assert_eq!(amended[0].lines.len(), own.len() - 1);
    // One that comes too late changes nothing.
    let late = AmendEntryRequest {
        request_id: "late".to_owned(),
        ..amend
    };
    filing.services.records.amend_entry(late).await.unwrap_err();
    assert_eq!(told(&filing, &mut known).await, []);

    let cancel = CancelEntryRequest {
        request_id: "cancel".to_owned(),
        entry_number: number,
        current_version: 3,
        reason: "never shipped".to_owned(),
    };
    filing.services.records.cancel_entry(cancel).await.unwrap();
    let cancelled = entries(&filing, &mut known).await;
    assert_eq!(cancelled.len(), 1);
    assert_eq!((cancelled[0].kind(), cancelled[0].version), (Kind::Cancelled, 4));
    assert_eq!(cancelled[0].lines, []);
}

#[rstest]
#[tokio::test]
async fn history_is_told_as_such_and_a_filing_that_was_left_is_told_once(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (mut filing, mut known) = (Filing::new(engine, 60).await, 0);
    let number = longest(&filing);
    let (own, mut others) = (lines_of(&filing, &number), filing.lines.clone());
    others.retain(|line| line.entry_number != number);
    let request = FileEntriesRequest {
        request_id: "history".to_owned(),
        lines: own,
        filed_on: "2025-11-03".to_owned(),
        ..FileEntriesRequest::default()
    };
    filing.services.records.file_entries(request).await.unwrap();
    let imported = entries(&filing, &mut known).await;
    assert_eq!(imported.len(), 1);
    assert_eq!(
        (imported[0].kind(), imported[0].recorded_on.as_str()),
        (Kind::Imported, "2025-11-03")
    );

    // The ledger goes away before it is known what was drawn: what was begun is told when it is finished.
    filing.services.ledger_is_away.store(true, Ordering::Relaxed);
    filing.file("left", others.clone()).await.unwrap_err();
    assert_eq!(told(&filing, &mut known).await, []);
    filing.services.ledger_is_away.store(false, Ordering::Relaxed);
    filing.services.finish_what_was_left().await;
    let finished = entries(&filing, &mut known).await;
    assert_eq!(finished.len(), numbers(&others).len());
    filing.services.finish_what_was_left().await;
    filing.file("left", others).await.unwrap();
    assert_eq!(told(&filing, &mut known).await, []);
}

#[rstest]
#[tokio::test]
async fn a_notice_and_other_flags_are_told_and_no_other_statement_is(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (mut filing, mut known) = (Filing::new(engine, 20).await, 0);
    let line = filing.lines[0].clone();
    filing.file("filed", vec![line.clone()]).await.unwrap();
    assert_eq!(entries(&filing, &mut known).await.len(), 1);
    let statement = |kind: &str, reference: &str| TrailItem {
        content: Some(Content::Statement(TrailStatement {
            kind: kind.to_owned(),
            reference: reference.to_owned(),
            ..TrailStatement::default()
        })),
    };
    for request_id in ["notice", "notice", "verified"] {
        let item = match request_id {
            "notice" => statement("EMERGENCY_ACTION_NOTICE", "EAN 7"),
            _ => statement("VERIFICATION", ""),
        };
        let request = RecordTrailRequest {
            request_id: request_id.to_owned(),
            entry_number: line.entry_number.clone(),
            items: vec![item],
        };
        let answer = filing.services.trails.record_trail(request).await.unwrap();
        let record = answer.into_inner().record_ids[0];
        let told = told(&filing, &mut known).await;
        if let Some((tenant, subject, What::EmergencyActionNoticeRecorded(notice))) = told.first() {
            assert_eq!((tenant.as_str(), subject), ("default", &line.entry_number));
            assert_eq!(u64::try_from(notice.record), Ok(record));
            assert_eq!(notice.entry_number, line.entry_number);
        }
        assert!(told.len() <= 1);
    }
    assert_eq!(known, 2, "of three requests, one is news");

    let flags = b"hts,flag,from,to\n0106110001,AM8,2024-01-01,\n0106110002,AM8,2024-01-01,\n";
    for _ in 0..2 {
        filing.services.import_flags(flags, false).await.unwrap();
    }
    let changed = told(&filing, &mut known).await;
    assert_eq!(changed.len(), 1, "the same again is nothing new: {changed:?}");
    let (tenant, _, What::FlagsChanged(changed)) = &changed[0] else {
        panic!("{changed:?}");
    };
    assert_eq!(tenant, "", "flags are everybody's");
    assert_eq!(changed.codes, 2);
    assert_eq!(changed.hts_codes, ["0106110001", "0106110002"]);
    // One of them alone is another than before.
    let flags = b"hts,flag,from,to\n0106110001,AM8,2024-01-01,\n0106110002,AM8,2024-01-01,2024-12-31\n";
    filing.services.import_flags(flags, false).await.unwrap();
    let changed = told(&filing, &mut known).await;
    let (_, _, What::FlagsChanged(changed)) = &changed[0] else {
        panic!("{changed:?}");
    };
    assert_eq!(changed.hts_codes, ["0106110002"]);
}
