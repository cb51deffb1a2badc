//! A clock that is put back: what is recorded of an entry or a certificate is never before what was recorded of it.

use chrono::{DateTime, TimeDelta, Utc};
use nopic_chassis::clock::{Clock as _, ManualClock};
use nopic_proto::certificate::ListDrawsRequest;
use nopic_proto::entry_validation::{
    AmendEntryRequest, CancelEntryRequest, Decision, GetEntryRequest, GetEntryResponse, ListDecisionsRequest,
};
use nopic_sql::testing::Engine;
use nopic_tests::services::Setup;
use rstest::rstest;

use crate::support::{Filing, an_entry_that_draws};

fn moment(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

async fn entry(filing: &mut Filing, entry_number: &str, as_of: &str) -> GetEntryResponse {
    let request = GetEntryRequest {
        entry_number: entry_number.to_owned(),
        as_of: as_of.to_owned(),
    };
    let answer = filing.services.records.get_entry(request).await;
    answer.unwrap().into_inner()
}

async fn every_decision(filing: &mut Filing) -> Vec<Decision> {
    let request = ListDecisionsRequest {
        with_ended: true,
        page_size: 1_000,
        ..ListDecisionsRequest::default()
    };
    let page = filing.services.records.list_decisions(request).await.unwrap();
    let page = page.into_inner();
    assert!(page.complete);
    page.decisions
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_ends_before_it_was_recorded(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    // In the time of the sample, so that its entries are filed on days that may be.
    let clock = ManualClock::new(moment("2025-03-01T12:00:00Z"));
    let setup = Setup {
        engine,
        clock: Some(clock.clone()),
        ..Setup::default()
    };
    let mut filing = Filing::with(&setup, 100).await;
    let (first, second) = filing.lines.split_at(50);
    let (first, second) = (first.to_vec(), second.to_vec());
    let decisions = filing.file("one", first.clone()).await.unwrap();
    let (entry_number, lines) = an_entry_that_draws(&first, &decisions);
    let filed_at = clock.now();

    // By an hour. Filed anew beside entries that nothing is recorded of, it alone stays where it was.
    clock.advance(TimeDelta::hours(-1));
    let mut both = lines.clone();
    let others = second.iter().filter(|line| line.entry_number != entry_number);
    both.extend(others.cloned());
    let mut filed_again = filing.file("two", both).await.unwrap();
    for decision in &filed_again {
        let is_ahead = decision.verdict.as_ref().unwrap().entry_number == entry_number;
        let at = moment(&decision.recorded_at);
        let numbers: Vec<&str> = first.iter().map(|line| line.entry_number.as_str()).collect();
        let was_filed = numbers.contains(&decision.verdict.as_ref().unwrap().entry_number.as_str());
        assert_eq!(at >= filed_at, is_ahead || was_filed, "{decision:?}");
    }
    filed_again.retain(|decision| decision.verdict.as_ref().unwrap().entry_number == entry_number);
    assert!(!filed_again.is_empty());
    filing.assert_the_ledger_agrees().await;

    let amend = AmendEntryRequest {
        request_id: "three".to_owned(),
        entry_number: entry_number.clone(),
        current_version: 2,
        lines: lines[..1].to_vec(),
        reason: "weight corrected".to_owned(),
    };
    filing.services.records.amend_entry(amend).await.unwrap();
    clock.advance(TimeDelta::hours(-1));
    let cancel = CancelEntryRequest {
        request_id: "four".to_owned(),
        entry_number: entry_number.clone(),
        current_version: 3,
        reason: "never shipped".to_owned(),
    };
    filing.services.records.cancel_entry(cancel).await.unwrap();
    filing.assert_the_ledger_agrees().await;

    let now = entry(&mut filing, &entry_number, "").await;
    let moments: Vec<_> = now
        .versions
        .iter()
        .map(|version| moment(&version.recorded_at))
        .collect();
    assert_eq!(moments.len(), 4);
    assert!(moments.is_sorted(), "{moments:?}");
    for decision in every_decision(&mut filing).await {
        let ended = Some(decision.ended_at.as_str()).filter(|ended| !ended.is_empty());
        assert!(
            ended.is_none_or(|ended| moment(ended) >= moment(&decision.recorded_at)),
            "{decision:?}"
        );
    }
    for line in &lines {
        let request = ListDrawsRequest {
            number: line.certificate_number.trim().to_owned(),
            page_size: 1_000,
            ..ListDrawsRequest::default()
        };
        let Ok(page) = filing.services.ledger.list_draws(request).await else {
            continue;
        };
        let mut last = DateTime::<Utc>::MIN_UTC;
        for draw in page.into_inner().draws {
            let recorded = moment(&draw.recorded_at);
            assert!(recorded >= last, "{draw:?}");
            last = recorded;
            let ended = Some(draw.ended_at.as_str()).filter(|ended| !ended.is_empty());
            assert!(ended.is_none_or(|ended| moment(ended) >= recorded), "{draw:?}");
        }
    }
    // Before it was filed there was nothing, as of the moment of each version it stood as that says.
    let before = (filed_at - TimeDelta::minutes(1)).to_rfc3339();
    let request = GetEntryRequest {
        entry_number: entry_number.clone(),
        as_of: before,
    };
    assert!(filing.services.records.get_entry(request).await.is_err());
}
