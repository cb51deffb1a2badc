//! Many clients at once, on few certificates, with requests that are sent twice: the ledger stays what it should be.
//! With `NOPIC_TESTS_FULL` set, each client draws ten thousand times.

use std::collections::BTreeMap;

use nopic_domain::certificate::CertificateKind;
use nopic_proto::certificate as wire;
use nopic_proto::certificate::line_draw_result::Outcome;
use nopic_sql::testing::Engine;
use rstest::rstest;
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::ledger::{Client, added, draw, issued, judged, kilograms, outcomes, request};
use crate::support::sample::Random;
use crate::support::{Deployment, file_of};

const CLIENTS: u32 = 64;
const CERTIFICATES: u32 = 50;
const SEED: u64 = 20_250_930;

struct Size {
    requests: u32,
    lines: u32,
}

fn size() -> Size {
    if std::env::var_os("NOPIC_TESTS_FULL").is_some() {
        Size {
            requests: 20,
            lines: 500,
        }
    } else {
        Size {
            requests: 5,
            lines: 8,
        }
    }
}

/// What was drawn from each certificate: draws and units.
type Drawn = BTreeMap<u32, (u32, i64)>;

/// As a client does that hears that the service is busy.
async fn until_answered(mut client: Client, asked: wire::SetDrawsRequest) -> wire::SetDrawsResponse {
    loop {
        match client.set_draws(asked.clone()).await {
            Ok(answer) => return answer.into_inner(),
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{}", status.message()),
        }
    }
}

/// One client's requests, one after the other; a fifth of them twice, at once or later.
async fn draw_all(client: Client, client_number: u32, size: Size) -> Drawn {
    let mut random = Random(SEED + u64::from(client_number));
    let mut drawn = Drawn::new();
    let mut earlier = None;
    for number in 0..size.requests {
        let lines: Vec<(u32, i64)> = (0..size.lines)
            .map(|_| {
                let serial = 1 + u32::try_from(random.below(CERTIFICATES.into())).unwrap();
                (serial, i64::try_from(random.below(100)).unwrap())
            })
            .collect();
        let certificates: Vec<_> = (1..=CERTIFICATES).map(judged).collect();
        // Half the lines each in one of two entries.
        let entries: Vec<_> = [0, 1]
            .map(|half| {
                let lines: Vec<_> = (1..)
                    .zip(&lines)
                    .filter(|(line, _)| line % 2 == half)
                    .map(|(line, (serial, units))| draw(line, *serial, *units))
                    .collect();
                added((client_number * size.requests + number) * 2 + half, 1, &lines)
            })
            .to_vec();
        let asked = request(&format!("{client_number}/{number}"), &certificates, &entries);
        let twice = random.below(5) == 0;
        let answer = if twice && random.below(2) == 0 {
            let (first, second) = tokio::join!(
                until_answered(client.clone(), asked.clone()),
                until_answered(client.clone(), asked.clone())
            );
            assert_eq!(first, second);
            first
        } else {
            until_answered(client.clone(), asked.clone()).await
        };
        let asked_of = entries.iter().flat_map(|entry| &entry.lines);
        for (line, (outcome, excess)) in asked_of.zip(outcomes(&answer)) {
            assert_eq!(excess, 0);
            let serial = lines[line.line_number as usize - 1].0;
            match outcome {
                Outcome::Drawn => {
                    let (count, units) = drawn.entry(serial).or_default();
                    *count += 1;
                    *units += line.weight_units;
                }
                Outcome::Exceeded => {}
                other => panic!("{other:?}"),
            }
        }
        if let Some((asked, answer)) = earlier.take() {
            assert_eq!(until_answered(client.clone(), asked).await, answer);
        }
        if twice {
            earlier = Some((asked, answer));
        }
    }
    drawn
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_drawn_twice_or_past_the_limit(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    println!("seed {SEED}");
    let deployment = Deployment::new(engine).await;
    let Size { requests, lines } = size();
    // Some are too small for what is asked, some are not.
    let asked_of_each = i64::from(CLIENTS * requests * lines / CERTIFICATES) * 50;
    let limits: Vec<i64> = (1..=CERTIFICATES)
        .map(|serial| asked_of_each * i64::from(serial) / i64::from(CERTIFICATES / 2))
        .collect();
    let certificates: Vec<_> = (1..)
        .zip(&limits)
        .map(|(serial, limit)| (issued(serial, CertificateKind::TimeFrame, *limit), None))
        .collect();
    deployment.import(&file_of(&certificates)).await;

    let mut clients = JoinSet::new();
    let begun = tokio::time::Instant::now();
    for number in 0..CLIENTS {
        clients.spawn(draw_all(
            deployment.ledger("ours"),
            number,
            Size { requests, lines },
        ));
    }
    let mut drawn = Drawn::new();
    while let Some(of_client) = clients.join_next().await {
        for (serial, (count, units)) in of_client.unwrap() {
            let (all, sum) = drawn.entry(serial).or_default();
            *all += count;
            *sum += units;
        }
    }
    let all = CLIENTS * requests * lines;
    let fit: u32 = drawn.values().map(|(count, _)| count).sum();
    println!("{engine:?}: {fit} of {all} lines drew, in {:?}", begun.elapsed());
    assert!(fit < all && fit > all / 2);

    for (serial, limit) in (1..).zip(limits) {
        let (count, units) = drawn.get(&serial).copied().unwrap_or_default();
        assert!(units <= limit, "certificate {serial}");
        let balance = deployment.balance(serial).await;
        assert_eq!(
            (balance.drawn_kg, balance.draw_count),
            (kilograms(units), count),
            "certificate {serial}"
        );
        // The sum over the draws themselves.
        let summed = deployment.balance_at(serial, "2030-01-01T00:00:00Z").await;
        assert_eq!((summed.drawn_kg, summed.draw_count), (kilograms(units), count));
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_filed_twice_at_once_draws_once(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = Deployment::new(engine).await;
    let certificates: Vec<_> = (1..=4)
        .map(|serial| (issued(serial, CertificateKind::TimeFrame, 1_000), None))
        .collect();
    deployment.import(&file_of(&certificates)).await;
    for version in 1..=15 {
        // Each moves the line to another certificate, without holding those that the others move it to.
        let mut clients = JoinSet::new();
        for serial in 1..=4 {
            let asked = request(
                &format!("{version}/{serial}"),
                &[judged(serial)],
                &[added(1, version, &[draw(1, serial, 7)])],
            );
            clients.spawn(until_answered(deployment.ledger("ours"), asked));
        }
        while let Some(answer) = clients.join_next().await {
            assert_eq!(outcomes(&answer.unwrap()), [(Outcome::Drawn, 0)]);
        }
        let mut draws = 0;
        for serial in 1..=4 {
            let balance = deployment.balance(serial).await;
            draws += balance.draw_count;
            assert_eq!(balance.drawn_kg, kilograms(7 * i64::from(balance.draw_count)));
        }
        assert_eq!(draws, 1, "version {version}");
    }
}
