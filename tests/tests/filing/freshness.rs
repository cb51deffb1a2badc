//! What a pre-check remembers of a certificate, and what it asks anew, belong together.

use nopic_domain::weight::Weight;
use nopic_proto::entry_validation::{AmendEntryRequest, EntryLine, Freshness, ValidateEntryRequest, Verdict};
use nopic_sql::testing::Engine;
use rstest::rstest;

use crate::support::{Filing, an_entry_that_draws};

const EXCEEDED: &str = "CERTIFICATE_QUANTITY_EXCEEDED";

async fn check(filing: &mut Filing, line: &EntryLine, latest: bool) -> Verdict {
    let request = ValidateEntryRequest {
        line: Some(line.clone()),
        freshness: Some(Freshness {
            latest_certificates: latest,
            ..Freshness::default()
        }),
        ..ValidateEntryRequest::default()
    };
    let answer = filing.services.entries.validate_entry(request).await.unwrap();
    answer.into_inner().verdict.unwrap()
}

/// What is said of the weight, if it is too much.
fn exceeded(verdict: &Verdict) -> Option<&str> {
    verdict
        .findings
        .iter()
        .find(|finding| finding.code().as_str_name() == EXCEEDED)
        .map(|finding| finding.message.as_str())
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_gives_back_what_the_sum_beside_it_holds(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[values(false, true)] is_less: bool,
) {
    let mut filing = Filing::new(engine, 200).await;
    let decisions = filing.file("one", filing.lines.clone()).await.unwrap();
    let (entry_number, lines) = an_entry_that_draws(&filing.lines, &decisions);
    let drawn = decisions
        .iter()
        .find(|decision| {
            decision.verdict.as_ref().unwrap().entry_number == entry_number
                && !decision.drawn_kg.is_empty()
                && decision.drawn_kg != "0"
        })
        .unwrap();
    let of_verdict = drawn.verdict.as_ref().unwrap();
    let line = lines
        .iter()
        .find(|line| line.line_number == of_verdict.line_number && line.certificate_number.len() > 15)
        .unwrap();
    let weighing = |weight: Weight| EntryLine {
        net_weight_kg: weight.to_string(),
        ..line.clone()
    };
    // What is left for it, its own draw given back.
    let whole = weighing("999999999999".parse().unwrap());
    let verdict = check(&mut filing, &whole, true).await;
    let said = exceeded(&verdict).unwrap();
    let left = said
        .split(" has ")
        .nth(1)
        .unwrap()
        .split(" kg left")
        .next()
        .unwrap();
    let left: Weight = left.parse().unwrap();

    // What was drawn in all is remembered; then the entry draws less, or all that is left.
    let weight: Weight = drawn.drawn_kg.parse().unwrap();
    let other = if is_less {
        Weight::from_units(weight.units() / 2)
    } else {
        left
    };
    let amended: Vec<EntryLine> = lines
        .iter()
        .map(|one| if one == line { weighing(other) } else { one.clone() })
        .collect();
    let amend = AmendEntryRequest {
        request_id: "two".to_owned(),
        entry_number,
        current_version: 1,
        lines: amended,
        reason: "weighed again".to_owned(),
    };
    filing.services.records.amend_entry(amend).await.unwrap();
    let cases = [(left, false), (Weight::from_units(left.units() + 1), true)];
    // First by what is remembered.
    for latest in [false, true] {
        for (weight, is_too_much) in cases {
            let verdict = check(&mut filing, &weighing(weight), latest).await;
            assert_eq!(
                exceeded(&verdict).is_some(),
                is_too_much,
                "{weight} of {left}, latest: {latest}: {verdict:?}"
            );
        }
    }
}
