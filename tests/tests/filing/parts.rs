//! Long filings go in parts, by their lines alone.

use nopic_domain::identifier::EntryNumber;
use nopic_proto::entry_validation::EntryLine;
use nopic_sql::testing::Engine;
use tonic::Code;

use crate::support::{Filing, an_entry_that_draws, verdicts};

/// The most lines of one entry, and of one call to the ledger.
const MOST: usize = 10_000;

/// The first line of each entry with a number that is one.
fn one_of_each(lines: &[EntryLine]) -> Vec<EntryLine> {
    lines
        .chunk_by(|line, next| line.entry_number == next.entry_number)
        .map(|entry| entry[0].clone())
        .filter(|line| EntryNumber::parse(&line.entry_number).is_some())
        .collect()
}

/// An entry of so many lines that draw nothing.
fn long(line: &EntryLine, count: usize) -> Vec<EntryLine> {
    (1..=count)
        .map(|number| EntryLine {
            line_number: u32::try_from(number).unwrap(),
            certificate_number: String::new(),
            ..line.clone()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_entry_behind_short_ones_is_a_part_of_its_own() {
    let mut answers = Vec::new();
    for size in [7, MOST] {
        let mut filing = Filing::new(Engine::Sqlite, 1_000).await;
        let mut lines = one_of_each(&filing.lines);
        assert!(lines.len() > 100, "{}", lines.len());
        // Together they are more than the ledger takes at a time.
        let last = lines.pop().unwrap();
        lines.extend(long(&last, MOST));
        let decisions = filing.stream("long", &lines, size).await.unwrap();
        assert_eq!(decisions.len(), lines.len());
        filing.assert_the_ledger_agrees().await;
        answers.push(verdicts(&decisions));
    }
    assert!(answers[0] == answers[1], "how the lines came changes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_is_too_long_is_refused_and_not_begun() {
    let mut filing = Filing::new(Engine::Sqlite, 20).await;
    let line = one_of_each(&filing.lines).remove(0);
    let lines = long(&line, MOST + 1);
    for size in [7, MOST] {
        let filed = filing.stream(&format!("in {size}"), &lines, size).await;
        assert_eq!(filed.unwrap(), []);
    }
    // Nothing keeps anybody from the entry.
    let decisions = filing.file("short", vec![line]).await.unwrap();
    assert_eq!(decisions[0].entry_version, 1);
}

/// A hundred times the heaviest line, and one line more, on a day when exceeding a certificate rejects nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_can_be_counted_is_refused_and_not_begun() {
    let mut filing = Filing::new(Engine::Sqlite, 200).await;
    let decisions = filing.file("one", filing.lines.clone()).await.unwrap();
    let (_, lines) = an_entry_that_draws(&filing.lines, &decisions);
    let line = lines
        .into_iter()
        .find(|line| line.certificate_number.len() > 15)
        .unwrap();
    let heavy = |count: u32| -> Vec<EntryLine> {
        (1..=count)
            .map(|number| EntryLine {
                line_number: number,
                entry_date: "2023-09-10".to_owned(),
                net_weight_kg: "1000000000000".to_owned(),
                ..line.clone()
            })
            .collect()
    };
    let refused = filing.file("two", heavy(101)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert!(refused.message().contains("correct their weights"), "{refused}");
    filing.file("three", heavy(50)).await.unwrap();
    filing.assert_the_ledger_agrees().await;
}
