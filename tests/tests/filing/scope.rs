//! Which lines of a file or stream are an entry's: what is refused by name, and what its neighbours get.

use nopic_domain::identifier::EntryNumber;
use nopic_proto::common::Reject;
use nopic_proto::entry_validation::file_document_request::Part;
use nopic_proto::entry_validation::{
    Decision, EntryLine, FileDocumentEnd, FileDocumentOptions, FileDocumentRequest, FileEntriesRequest,
    FileOptions, FileStreamRequest, GetEntryRequest, ResumeAfter, ValidateEntriesRequest,
    ValidateStreamRequest, document_options,
};
use nopic_sql::testing::Engine;
use nopic_tests::services::{Services, Setup, validate_document};
use rstest::rstest;
use tokio_stream::StreamExt as _;

/// A line that needs nothing: no message set, and a code without flag.
fn line(entry: u32, line_number: u32) -> EntryLine {
    EntryLine {
        entry_number: EntryNumber::from_parts("B76", entry).unwrap().to_string(),
        line_number,
        entry_date: "2026-03-05".to_owned(),
        hts_code: "6109100012".to_owned(),
        ..EntryLine::default()
    }
}

fn jsonl(lines: &[EntryLine]) -> String {
    lines
        .iter()
        .map(|line| {
            let action = if line.entry_action.is_empty() { "ADD" } else { &line.entry_action };
            format!(
                "{{\"entryNumber\":\"{}\",\"lineNumber\":{},\"entryDate\":\"{}\",\"htsCode\":\"{}\",\"entryAction\":\"{action}\"}}\n",
                line.entry_number, line.line_number, line.entry_date, line.hts_code
            )
        })
        .collect()
}

/// What was decided, by entry and line, and what was refused, by entry and record.
type Told = (Vec<(String, u32)>, Vec<(String, u32)>);

fn told(decisions: &[Decision], rejects: &[Reject]) -> Told {
    let decided = |decision: &Decision| {
        let verdict = decision.verdict.as_ref().unwrap();
        (verdict.entry_number.clone(), verdict.line_number)
    };
    (
        decisions.iter().map(decided).collect(),
        rejects
            .iter()
            .map(|reject| (reject.key.clone(), reject.record))
            .collect(),
    )
}

async fn file_document(
    services: &mut Services,
    request_id: &str,
    document: &str,
) -> (Vec<Decision>, Vec<Reject>) {
    let options = FileDocumentOptions {
        filing: Some(FileOptions {
            request_id: request_id.to_owned(),
            ..FileOptions::default()
        }),
        ..FileDocumentOptions::default()
    };
    let mut parts = vec![Part::Options(options)];
    let chunks = document.as_bytes().chunks(1 << 18);
    parts.extend(chunks.map(|chunk| Part::Chunk(chunk.to_vec().into())));
    parts.push(Part::End(FileDocumentEnd {}));
    let requests = parts
        .into_iter()
        .map(|part| FileDocumentRequest { part: Some(part) });
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

async fn start(engine: Engine) -> Services {
    Services::start(&Setup {
        engine,
        ..Setup::default()
    })
    .await
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_in_two_places_is_refused_from_the_second_on_however_far(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[values(1, 1_500)] between: u32,
) {
    let mut services = start(engine).await;
    let mut lines = vec![line(1, 1)];
    lines.extend((0..between).map(|entry| line(100 + entry, 1)));
    lines.extend([line(1, 2), line(3, 1), line(1, 3)]);
    let again = |place: usize| (lines[0].entry_number.clone(), u32::try_from(place + 1).unwrap());
    let refused = vec![again(lines.len() - 3), again(lines.len() - 1)];
    let taken: Vec<(String, u32)> = [
        &lines[..lines.len() - 3],
        &lines[lines.len() - 2..lines.len() - 1],
    ]
    .concat()
    .iter()
    .map(|line| (line.entry_number.clone(), line.line_number))
    .collect();
    let document = jsonl(&lines);
    let validated = validate_document(
        &mut services.entries,
        document_options::Form::Jsonl,
        document.as_bytes(),
        4_096,
    )
    .await
    .unwrap();
    assert_eq!(validated.verdicts.len(), taken.len());
    assert_eq!(told(&[], &validated.rest.rejects).1, refused);
    // In a stream alike.
    let requests: Vec<ValidateStreamRequest> = lines
        .chunks(7)
        .map(|lines| ValidateStreamRequest {
            lines: lines.to_vec(),
            ..ValidateStreamRequest::default()
        })
        .collect();
    let answers = services
        .entries
        .validate_stream(tokio_stream::iter(requests))
        .await;
    let mut answers = answers.unwrap().into_inner();
    let (mut verdicts, mut rejects) = (Vec::new(), Vec::new());
    while let Some(answer) = answers.next().await {
        let answer = answer.unwrap();
        verdicts.extend(answer.verdicts);
        rejects.extend(answer.rejects);
    }
    assert_eq!(verdicts, validated.verdicts);
    assert_eq!(told(&[], &rejects).1, refused);
    // In one call the whole request is refused, by the line.
    let request = ValidateEntriesRequest {
        lines: lines.clone(),
        ..ValidateEntriesRequest::default()
    };
    let error = services.entries.validate_entries(request).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::InvalidArgument);
    assert!(
        error.message().contains(&format!("lines[{}]", lines.len() - 3)),
        "{error}"
    );
    // Filed, and sent again, alike.
    for _ in 0..2 {
        let (decisions, rejects) = file_document(&mut services, "document", &document).await;
        assert_eq!(told(&decisions, &rejects), (taken.clone(), refused.clone()));
    }
    let mut requests: Vec<FileStreamRequest> = lines
        .chunks(9)
        .map(|lines| FileStreamRequest {
            lines: lines.to_vec(),
            ..FileStreamRequest::default()
        })
        .collect();
    requests[0].options = Some(FileOptions {
        request_id: "stream".to_owned(),
        ..FileOptions::default()
    });
    requests.last_mut().unwrap().end = true;
    let answers = services.records.file_stream(tokio_stream::iter(requests)).await;
    let mut answers = answers.unwrap().into_inner();
    let (mut decisions, mut rejects) = (Vec::new(), Vec::new());
    while let Some(answer) = answers.next().await {
        let answer = answer.unwrap();
        decisions.extend(answer.decisions);
        rejects.extend(answer.rejects);
    }
    assert_eq!(told(&decisions, &rejects), (taken, refused));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_too_many_lines_is_refused_by_name_and_its_neighbours_are_filed() {
    let mut services = start(Engine::Sqlite).await;
    let mut lines = vec![line(1, 1)];
    lines.extend((1..=10_002).map(|number| line(2, number)));
    lines.push(line(3, 1));
    let refused: Vec<(String, u32)> = (10_002..=10_003)
        .map(|place| (lines[1].entry_number.clone(), place))
        .collect();
    let document = jsonl(&lines);
    let validated = validate_document(
        &mut services.entries,
        document_options::Form::Jsonl,
        document.as_bytes(),
        4_096,
    )
    .await
    .unwrap();
    assert_eq!(validated.verdicts.len(), 10_002);
    assert_eq!(told(&[], &validated.rest.rejects).1, refused);
    let (decisions, rejects) = file_document(&mut services, "document", &document).await;
    let neighbours = [&lines[0], lines.last().unwrap()].map(|line| (line.entry_number.clone(), 1));
    let whole = vec![(lines[1].entry_number.clone(), 2)];
    assert_eq!(
        told(&decisions, &rejects),
        (neighbours.to_vec(), [whole, refused].concat())
    );
    assert!(rejects[0].reason.contains("none of them is filed"), "{rejects:?}");
    assert!(rejects[1].reason.contains("more than 10000 lines"), "{rejects:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_which_a_line_cannot_be_read_is_not_replaced() {
    let mut services = start(Engine::Sqlite).await;
    let replacing = |entry, number| EntryLine {
        entry_action: "REPLACE".to_owned(),
        ..line(entry, number)
    };
    let whole = [replacing(1, 1), replacing(1, 2), line(2, 1), replacing(3, 1)];
    let (decisions, rejects) = file_document(&mut services, "first", &jsonl(&whole)).await;
    assert_eq!((decisions.len(), rejects.len()), (4, 0));
    // The second line of the first entry cannot be read; nor can one of an entry that is added to.
    let broken = [
        jsonl(&whole[..1]),
        "{\"entryNumber\":\"B76\n".to_owned(),
        jsonl(&whole[2..3]),
        "{\n".to_owned(),
        jsonl(
            &whole[2..3]
                .iter()
                .map(|line| EntryLine {
                    line_number: 2,
                    ..line.clone()
                })
                .collect::<Vec<_>>(),
        ),
        jsonl(&whole[3..]),
    ];
    for _ in 0..2 {
        let (decisions, rejects) = file_document(&mut services, "second", &broken.concat()).await;
        let (decided, refused) = told(&decisions, &rejects);
        let of = |place: usize, number| (whole[place].entry_number.clone(), number);
        assert_eq!(decided, [of(2, 1), of(2, 2), of(3, 1)]);
        assert_eq!(refused.len(), 3, "{rejects:?}");
        assert!(refused.contains(&of(0, 1)), "{rejects:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_number_gets_its_finding_wherever_it_stands() {
    let mut services = start(Engine::Sqlite).await;
    let none = |number| EntryLine {
        entry_number: "B7600000010".to_owned(),
        ..line(1, number)
    };
    let lines = [none(1), line(2, 1), none(2)];
    let document = jsonl(&lines);
    for _ in 0..2 {
        let (decisions, rejects) = file_document(&mut services, "document", &document).await;
        assert_eq!((decisions.len(), rejects.len()), (3, 0));
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_taken_back_once_and_only_where_they_are(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut services = start(engine).await;
    let taking_back = |entry, number| EntryLine {
        entry_action: "DELETE".to_owned(),
        ..line(entry, number)
    };
    let (decisions, _) = file_document(&mut services, "first", &jsonl(&[line(1, 1), line(1, 2)])).await;
    assert_eq!(decisions.len(), 2);
    let kinds = async |services: &mut Services| -> Vec<String> {
        let request = GetEntryRequest {
            entry_number: line(1, 1).entry_number,
            ..GetEntryRequest::default()
        };
        let entry = services.records.get_entry(request).await.unwrap().into_inner();
        entry.versions.into_iter().map(|version| version.kind).collect()
    };
    for (request_id, number, expected) in [("second", 1, "FILED"), ("third", 2, "CANCELLED")] {
        let (decisions, rejects) =
            file_document(&mut services, request_id, &jsonl(&[taking_back(1, number)])).await;
        assert_eq!((decisions.len(), rejects.len()), (1, 0));
        assert_eq!(kinds(&mut services).await.last().unwrap(), expected);
    }
    // Nothing is left of it, and of another entry nothing ever was; a neighbour is filed.
    let both = jsonl(&[taking_back(1, 1), line(3, 1), taking_back(2, 1)]);
    let (decisions, rejects) = file_document(&mut services, "fourth", &both).await;
    let (decided, refused) = told(&decisions, &rejects);
    assert_eq!(decided, [(line(3, 1).entry_number, 1)]);
    assert_eq!(
        refused,
        [(line(1, 1).entry_number, 1), (line(2, 1).entry_number, 3)]
    );
    assert_eq!(kinds(&mut services).await, ["FILED", "FILED", "CANCELLED"]);
}

/// The versions of the first entry, by their kinds, and the lines that stand.
async fn on_record(services: &mut Services) -> (Vec<String>, Vec<u32>) {
    let request = GetEntryRequest {
        entry_number: line(1, 1).entry_number,
        ..GetEntryRequest::default()
    };
    let entry = services.records.get_entry(request).await.unwrap().into_inner();
    let number = |decision: Decision| decision.verdict.unwrap().line_number;
    (
        entry.versions.into_iter().map(|version| version.kind).collect(),
        entry.decisions.into_iter().map(number).collect(),
    )
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_is_taken_back_only_where_it_stands_and_by_a_valid_line(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut services = start(engine).await;
    let taking_back = |number, entry_date: &str| EntryLine {
        entry_action: "DELETE".to_owned(),
        entry_date: entry_date.to_owned(),
        ..line(1, number)
    };
    file_document(&mut services, "first", &jsonl(&[line(1, 1), line(1, 2)])).await;
    let (absent, invalid) = (taking_back(9, "2026-03-05"), taking_back(1, "never"));
    for (request_id, refused, words) in [
        ("absent", &absent, "line 9 of this entry is not on record"),
        ("invalid", &invalid, "LINE_INVALID: The field entryDate"),
    ] {
        // Sent again, it gets the same answer.
        for _ in 0..2 {
            let document = jsonl(std::slice::from_ref(refused));
            let (decisions, rejects) = file_document(&mut services, request_id, &document).await;
            assert_eq!((decisions.len(), rejects.len()), (0, 1), "{request_id}");
            assert_eq!((&rejects[0].key, rejects[0].record), (&refused.entry_number, 1));
            assert!(rejects[0].reason.contains(words), "{rejects:?}");
        }
        let request = FileEntriesRequest {
            request_id: format!("whole {request_id}"),
            lines: vec![line(1, 7), refused.clone()],
            ..FileEntriesRequest::default()
        };
        let error = services.records.file_entries(request).await.unwrap_err();
        assert!(error.message().contains(words), "{error}");
    }
    assert_eq!(
        on_record(&mut services).await,
        (vec!["FILED".to_owned()], vec![1, 2])
    );
    // Neighbours of the same entry are filed.
    let document = jsonl(&[line(1, 3), absent, invalid, taking_back(2, "2026-03-05")]);
    for _ in 0..2 {
        let (decisions, rejects) = file_document(&mut services, "together", &document).await;
        let (decided, refused) = told(&decisions, &rejects);
        let of = |number| (line(1, 1).entry_number, number);
        assert_eq!((decided, refused), (vec![of(3), of(2)], vec![of(2), of(3)]));
    }
    let kinds = vec!["FILED".to_owned(); 2];
    assert_eq!(on_record(&mut services).await, (kinds, vec![1, 3]));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_which_all_is_refused_is_on_record(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut services = start(engine).await;
    let taking_back = |entry| EntryLine {
        entry_action: "DELETE".to_owned(),
        ..line(entry, 1)
    };
    let refused = jsonl(&[taking_back(1)]);
    let first = file_document(&mut services, "refused", &refused).await;
    assert_eq!((first.0.len(), first.1.len()), (0, 1));
    file_document(&mut services, "filed", &jsonl(&[line(1, 1)])).await;
    assert_eq!(file_document(&mut services, "refused", &refused).await, first);
    for lines in [vec![taking_back(2)], vec![line(3, 1)]] {
        let request = FileStreamRequest {
            options: Some(FileOptions {
                request_id: "refused".to_owned(),
                ..FileOptions::default()
            }),
            lines,
            end: true,
        };
        let answers = services.records.file_stream(tokio_stream::iter([request])).await;
        let answer = answers.unwrap().into_inner().next().await.unwrap();
        assert_eq!(answer.unwrap_err().code(), tonic::Code::AlreadyExists);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_resumed_knows_which_entries_were_complete(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut services = start(engine).await;
    let mut stream = async |resume_after, lines: Vec<EntryLine>| {
        let request = FileStreamRequest {
            options: Some(FileOptions {
                request_id: "stream".to_owned(),
                resume_after,
                ..FileOptions::default()
            }),
            lines,
            end: true,
        };
        let answers = services.records.file_stream(tokio_stream::iter([request])).await;
        let answers: Vec<_> = answers.unwrap().into_inner().map(Result::unwrap).collect().await;
        let (decisions, rejects) = answers
            .into_iter()
            .map(|answer| (answer.decisions, answer.rejects))
            .unzip::<_, _, Vec<_>, Vec<_>>();
        told(&decisions.concat(), &rejects.concat())
    };
    let taking_back = EntryLine {
        entry_action: "DELETE".to_owned(),
        ..line(2, 1)
    };
    let of = |entry, number| (line(entry, 1).entry_number, number);
    let first = stream(None, vec![line(1, 1), taking_back]).await;
    assert_eq!(first, (vec![of(1, 1)], vec![of(2, 2)]));
    let reached = ResumeAfter {
        records: 2,
        lines: 2,
        parts: 1,
        ..ResumeAfter::default()
    };
    let rest = stream(Some(reached), vec![line(3, 1), line(1, 2), line(2, 1)]).await;
    assert_eq!(rest, (vec![of(3, 1)], vec![of(1, 2), of(2, 3)]));
}
