//! `ValidateStream`, drained anywhere.

use nopic_proto::entry_validation::{EntryLine, ValidateStreamRequest, Verdict};
use nopic_sql::testing::Engine;
use nopic_tests::services::{Replica, validate_stream};

use crate::calls::{Ended, MOST_DRAINS, Manner, Seeded, call, is_boundary, seeds};
use crate::support::Filing;

/// Sends the lines; gives the verdicts, and how many lines are answered for good.
async fn stream(replica: &Replica, pieces: &[&[EntryLine]], manner: Manner) -> (Vec<Verdict>, Option<usize>) {
    let mut sent = 0;
    let messages = pieces.iter().map(|lines| {
        sent += lines.len();
        let request = ValidateStreamRequest {
            lines: lines.to_vec(),
            freshness: None,
            finding_detail: 0,
        };
        (request, sent)
    });
    let mut client = replica.entries.clone();
    let Ended {
        answers,
        resume_after,
    } = call(
        messages.collect(),
        manner,
        &replica.draining,
        async move |requests| client.validate_stream(requests).await,
        |answer| (answer.verdicts.len(), answer.resume_after),
    )
    .await;
    let verdicts = answers.into_iter().flat_map(|answer| answer.verdicts).collect();
    let place = resume_after.map(|after| {
        assert_eq!((after.records, after.rejects, after.parts), (after.lines, 0, 0));
        usize::try_from(after.records).unwrap()
    });
    (verdicts, place)
}

/// Drains server after server; gives how often the drain came in the middle of an answered entry.
async fn resumed_is_undisturbed(
    filing: &Filing,
    lines: &[EntryLine],
    expected: &[Verdict],
    waits: bool,
) -> usize {
    let mut inside = 0;
    for seed in seeds(8, 200) {
        let mut seeded = Seeded::new(seed);
        let longest = 1 + seeded.below(60);
        let mut found: Vec<Verdict> = Vec::new();
        let mut drains = 0;
        loop {
            let replica = filing.services.replica().await;
            let start = found.len();
            let pieces = seeded.pieces(&lines[start..], longest);
            let drain_after = if drains < MOST_DRAINS {
                seeded.below(pieces.len() + 2)
            } else {
                usize::MAX
            };
            drains += 1;
            let manner = Manner {
                drain_after,
                waits,
                falls_silent: false,
            };
            let (mut verdicts, place) = stream(&replica, &pieces, manner).await;
            let sent = pieces
                .iter()
                .take(drain_after)
                .map(|lines| lines.len())
                .sum::<usize>();
            if !is_boundary(lines, start + sent) {
                inside += 1;
            }
            let Some(place) = place else {
                found.append(&mut verdicts);
                break;
            };
            assert!(
                is_boundary(lines, start + place),
                "seed {seed}: {place} behind {start} is in the middle of an entry"
            );
            assert_eq!(
                verdicts.len(),
                place,
                "seed {seed}: a caller that goes on gets no verdict twice"
            );
            found.append(&mut verdicts);
        }
        assert!(
            found == expected,
            "seed {seed}: NOPIC_DRAINING_SEED={seed} repeats it"
        );
    }
    inside
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_drained_anywhere_goes_on_exactly() {
    let mut filing = Filing::new(Engine::Sqlite, 400).await;
    let lines = filing.lines.clone();
    for has_draws in [false, true] {
        if has_draws {
            // Now verdicts on an entry wait for all of its lines.
            filing.file("all", lines.clone()).await.unwrap();
        }
        // One that has cached nothing from before.
        let mut undisturbed = filing.services.replica().await;
        let expected = validate_stream(&mut undisturbed.entries, &lines, 100)
            .await
            .unwrap();
        assert_eq!(expected.len(), lines.len());
        let inside = resumed_is_undisturbed(&filing, &lines, &expected, false).await;
        assert!(inside > 0);
        if !has_draws {
            // Where verdicts wait, a caller that waits for them would wait for ever.
            let inside = resumed_is_undisturbed(&filing, &lines, &expected, true).await;
            assert!(inside > 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verdicts_on_an_entry_that_a_silent_caller_left_open_are_given_anew() {
    let mut filing = Filing::new(Engine::Sqlite, 60).await;
    let lines = filing.lines.clone();
    let expected = validate_stream(&mut filing.services.entries, &lines, 60)
        .await
        .unwrap();
    let pieces: Vec<&[EntryLine]> = lines.chunks(1).collect();
    let mut discarded = 0;
    let replicas = futures::future::join_all(lines.iter().map(|_| filing.services.replica())).await;
    let ended = replicas.iter().enumerate().map(|(place, replica)| {
        let manner = Manner {
            drain_after: place,
            waits: true,
            falls_silent: true,
        };
        stream(replica, &pieces, manner)
    });
    for (sent, (mut verdicts, place)) in futures::future::join_all(ended).await.into_iter().enumerate() {
        let place = place.unwrap();
        assert!(is_boundary(&lines, place) && place <= sent, "{place} of {sent}");
        assert_eq!(verdicts.len(), sent, "each line that was sent is answered");
        discarded += sent - place;
        verdicts.truncate(place);
        let rest = validate_stream(&mut filing.services.entries, &lines[place..], 7)
            .await
            .unwrap();
        verdicts.extend(rest);
        assert!(verdicts == expected, "after {sent}");
    }
    assert!(discarded > 0, "the drain came in the middle of an entry");
}

/// A client that has sent everything is answered, whatever waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_finished_gets_everything() {
    let mut filing = Filing::new(Engine::Sqlite, 200).await;
    let lines = filing.lines.clone();
    filing.file("all", lines.clone()).await.unwrap();
    // The last entry: its verdicts wait for the end of the requests, for there are draws on record.
    let last = &lines[lines.len() - 1].entry_number;
    let start = lines.iter().position(|line| line.entry_number == *last).unwrap();
    let replica = filing.services.replica().await;
    let expected = validate_stream(&mut replica.entries.clone(), &lines[start..], 10)
        .await
        .unwrap();
    let mut answers = replica
        .entries
        .clone()
        .validate_stream(tokio_stream::iter([ValidateStreamRequest {
            lines: lines[start..].to_vec(),
            freshness: None,
            finding_detail: 0,
        }]))
        .await
        .unwrap()
        .into_inner();
    let first = answers.message().await.unwrap().unwrap();
    replica.draining.begin();
    let mut verdicts = first.verdicts;
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!(answer.resume_after, None);
        verdicts.extend(answer.verdicts);
    }
    assert_eq!(verdicts, expected);
}

/// The end of the requests is not taken for the end of what is answered where lines were left behind an entry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_behind_the_open_entry_are_left_though_the_caller_has_finished() {
    let mut filing = Filing::new(Engine::Sqlite, 200).await;
    let lines = filing.lines.clone();
    let expected = validate_stream(&mut filing.services.entries, &lines, 100)
        .await
        .unwrap();
    let inside = (1..lines.len())
        .find(|place| !is_boundary(&lines, *place))
        .unwrap();
    for _ in 0..5 {
        let replica = filing.services.replica().await;
        let (requests, receiver) = tokio::sync::mpsc::channel(2);
        let message = |lines: &[EntryLine]| ValidateStreamRequest {
            lines: lines.to_vec(),
            freshness: None,
            finding_detail: 0,
        };
        requests.send(message(&lines[..inside])).await.unwrap();
        let mut answers = replica
            .entries
            .clone()
            .validate_stream(tokio_stream::wrappers::ReceiverStream::new(receiver))
            .await
            .unwrap()
            .into_inner();
        let mut verdicts = answers.message().await.unwrap().unwrap().verdicts;
        assert_eq!(verdicts.len(), inside);
        // One message more, and the end right behind it, before the server looks.
        requests.try_send(message(&lines[inside..])).unwrap();
        drop(requests);
        replica.draining.begin();
        let mut place = lines.len();
        while let Some(answer) = answers.message().await.unwrap() {
            verdicts.extend(answer.verdicts);
            place = answer
                .resume_after
                .map_or(place, |after| usize::try_from(after.lines).unwrap());
        }
        assert_eq!(verdicts.len(), place);
        let rest = validate_stream(&mut filing.services.entries, &lines[place..], 9)
            .await
            .unwrap();
        verdicts.extend(rest);
        assert!(verdicts == expected);
    }
}
