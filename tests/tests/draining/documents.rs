//! `ValidateDocument`, drained anywhere: lines, and records that cannot be read.

use nopic_proto::common::Reject;
use nopic_proto::entry_validation::validate_document_request::Part;
use nopic_proto::entry_validation::{
    DocumentOptions, DocumentSummary, ResumeAfter, ValidateDocumentRequest, Verdict, document_options,
};
use nopic_sql::testing::Engine;
use nopic_tests::services::{Replica, validate_document};

use crate::calls::{MOST_DRAINS, Manner, Seeded, call, seeds};
use crate::support::{Filing, with_rejects};

#[derive(Default)]
struct Told {
    verdicts: Vec<Verdict>,
    rejects: Vec<Reject>,
    summary: Option<DocumentSummary>,
}

/// A part of a document, and how many lines and rejects there are up to its end.
type Chunk<'a> = (&'a [u8], [u64; 2]);

/// Sends a document in these chunks.
async fn send(
    replica: &Replica,
    chunks: &[Chunk<'_>],
    place: Option<ResumeAfter>,
    manner: Manner,
    told: &mut Told,
) -> Option<ResumeAfter> {
    let options = DocumentOptions {
        form: document_options::Form::Jsonl.into(),
        file_name: "test".to_owned(),
        freshness: None,
        resume_after: place,
        finding_detail: 0,
    };
    let [lines_before, rejects_before] = place.map_or([0, 0], |place| [place.lines, place.rejects]);
    let mut messages = vec![(Part::Options(options), 0)];
    messages.extend(chunks.iter().map(|(chunk, [lines, rejects])| {
        let awaited = lines.saturating_sub(lines_before) + rejects.saturating_sub(rejects_before);
        let awaited = usize::try_from(awaited).unwrap();
        (Part::Chunk(chunk.to_vec().into()), awaited)
    }));
    let messages = messages
        .into_iter()
        .map(|(part, awaited)| (ValidateDocumentRequest { part: Some(part) }, awaited));
    let mut client = replica.entries.clone();
    let ended = call(
        messages.collect(),
        manner,
        &replica.draining,
        async move |requests| client.validate_document(requests).await,
        |answer| (answer.verdicts.len() + answer.rejects.len(), answer.resume_after),
    )
    .await;
    for answer in ended.answers {
        told.verdicts.extend(answer.verdicts);
        told.rejects.extend(answer.rejects);
        told.summary = answer.summary.or(told.summary);
    }
    ended.resume_after
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_drained_anywhere_goes_on_exactly() {
    let filing = Filing::new(Engine::Sqlite, 120).await;
    let document = with_rejects(&filing.document, 7);
    let mut undisturbed = filing.services.replica().await;
    let form = document_options::Form::Jsonl;
    let expected = validate_document(&mut undisturbed.entries, form, &document, 1 << 20)
        .await
        .unwrap();
    assert_eq!(expected.verdicts.len(), filing.lines.len());
    assert!(expected.rest.rejects.len() > 10);
    let texts: Vec<&[u8]> = document.split_inclusive(|byte| *byte == b'\n').collect();
    let mut drained = 0;
    for seed in seeds(12, 100) {
        let mut seeded = Seeded::new(seed);
        let (waits, falls_silent) = (seeded.below(3) > 0, seeded.below(4) == 0);
        let mut told = Told::default();
        let (mut place, mut drains) = (None, 0);
        loop {
            let replica = filing.services.replica().await;
            // Cut at the ends of records, so that a caller knows what to wait for.
            let (mut start, mut counts) = (0, [0, 0]);
            let chunks: Vec<Chunk<'_>> = seeded
                .pieces(&texts, 20)
                .iter()
                .map(|piece| {
                    let end = start + piece.iter().map(|text| text.len()).sum::<usize>();
                    for text in *piece {
                        counts[usize::from(text.starts_with(b"{\"number\""))] += 1;
                    }
                    let chunk = &document[start..end];
                    start = end;
                    (chunk, counts)
                })
                .collect();
            let manner = Manner {
                drain_after: if drains < MOST_DRAINS {
                    1 + seeded.below(chunks.len() + 2)
                } else {
                    usize::MAX
                },
                waits,
                falls_silent,
            };
            let reached = send(&replica, &chunks, place, manner, &mut told).await;
            let Some(after) = reached else { break };
            drains += 1;
            let lines = usize::try_from(after.lines).unwrap();
            assert!(
                falls_silent || told.verdicts.len() == lines,
                "seed {seed}: a caller that goes on gets no verdict twice"
            );
            told.verdicts.truncate(lines);
            assert_eq!(told.rejects.len() as u64, after.rejects, "seed {seed}");
            place = Some(after);
        }
        drained += drains;
        let differing = told
            .verdicts
            .iter()
            .zip(&expected.verdicts)
            .find(|(told, expected)| told != expected);
        assert_eq!(
            differing, None,
            "seed {seed}: NOPIC_DRAINING_SEED={seed} repeats it"
        );
        assert_eq!(told.verdicts.len(), expected.verdicts.len(), "seed {seed}");
        assert_eq!(told.rejects, expected.rest.rejects, "seed {seed}");
        assert_eq!(
            told.summary, expected.rest.summary,
            "seed {seed}: the summary is the document's"
        );
    }
    assert!(drained > 6, "{drained}");
}

/// Each record is judged before the next one comes: also one that cannot be read, in the middle of an entry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_comes_record_by_record_is_judged_as_a_whole() {
    let filing = Filing::new(Engine::Sqlite, 120).await;
    let document = with_rejects(&filing.document, 7);
    let mut replica = filing.services.replica().await;
    let form = document_options::Form::Jsonl;
    let expected = validate_document(&mut replica.entries, form, &document, 1 << 20)
        .await
        .unwrap();
    let mut counts = [0, 0];
    let chunks: Vec<Chunk<'_>> = document
        .split_inclusive(|byte| *byte == b'\n')
        .map(|text| {
            counts[usize::from(text.starts_with(b"{\"number\""))] += 1;
            (text, counts)
        })
        .collect();
    let manner = Manner {
        waits: true,
        ..Manner::UNDISTURBED
    };
    let mut told = Told::default();
    assert_eq!(send(&replica, &chunks, None, manner, &mut told).await, None);
    for (told, expected) in told.verdicts.iter().zip(&expected.verdicts) {
        assert_eq!(told, expected);
    }
    assert_eq!(told.verdicts.len(), expected.verdicts.len());
    assert_eq!(told.rejects, expected.rest.rejects);
    assert_eq!(told.summary, expected.rest.summary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_the_document_does_not_have_is_refused() {
    let filing = Filing::new(Engine::Sqlite, 10).await;
    let document = with_rejects(&filing.document, 3);
    let replica = filing.services.replica().await;
    let options = DocumentOptions {
        resume_after: Some(ResumeAfter {
            records: 1_000,
            ..ResumeAfter::default()
        }),
        ..DocumentOptions::default()
    };
    let parts = [Part::Options(options), Part::Chunk(document.into())];
    let requests = parts.map(|part| ValidateDocumentRequest { part: Some(part) });
    let mut answers = replica
        .entries
        .clone()
        .validate_document(tokio_stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    let refused = loop {
        match answers.message().await {
            Ok(Some(answer)) => assert_eq!(answer.summary, None),
            Ok(None) => panic!("a document that lacks what was answered is taken for the same"),
            Err(status) => break status,
        }
    };
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().contains("resume_after"), "{refused}");
}
