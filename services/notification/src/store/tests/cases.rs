//! Cases on both engines.

use nopic_domain::date::Period;
use nopic_domain::enforcement::{Case, End, Step as CaseStep, StepState};
use nopic_proto::events::EntryRecorded;
use nopic_proto::events::entry_recorded::Kind;
use nopic_sql::audit::{Audit, Heads};

use super::*;
use crate::cases::testing::{ACME, BAYVIEW, ENTRY, bad, day, line, recorded, told};
use nopic_domain::identifier::NopId;
use nopic_domain::principal::Role;

struct Book {
    store: Arc<dyn NotificationStore>,
    now: DateTime<Utc>,
    database: TestDatabase,
}

impl Book {
    async fn new(engine: Engine, deployment: Deployment) -> Self {
        let database = engine.database().await;
        let rules = CaseRules::shipped(deployment);
        Self {
            store: open(&database.location, SchemaUpdate::Apply, rules)
                .await
                .unwrap(),
            now: "2026-06-01T12:00:00.123456789Z".parse().unwrap(),
            database,
        }
    }

    /// How many notices a page of events makes, on the day of the last of them.
    async fn tell(&self, tenant: &str, versions: &[EntryRecorded]) -> usize {
        let last = versions.iter().map(|version| version.recorded_on.as_str()).max();
        let now = format!("{}T12:00:00.123456789Z", last.unwrap()).parse().unwrap();
        let taken = Taken {
            entries: versions.iter().map(|version| told(tenant, version)).collect(),
            ..Taken::default()
        };
        self.store.take(None, &taken, now).await.unwrap().unwrap()
    }

    /// The cases of an importer in words.
    async fn cases(&self, tenant: &str, importer: &str) -> Vec<String> {
        let cases = self.store.cases(tenant, id(importer)).await.unwrap();
        cases.cases().iter().map(in_words).collect()
    }

    /// Whether an importer is certified for ever.
    async fn close(&self, importer: &str, today: &str, is_certified: bool) -> usize {
        let certified = is_certified.then_some(Period::default());
        self.store
            .close_cases(
                "default",
                id(importer),
                day(today),
                certified.as_slice(),
                self.now,
            )
            .await
            .unwrap()
    }

    async fn send(&self, request_id: &str, step: CaseStep, date: &str) -> Result<SentLetter, String> {
        let act = Act {
            principal: Principal {
                role: Role::Authority,
                ..Principal::built_in("Anna")
            },
            request_id: request_id.to_owned(),
            hash: [0; 32],
            now: "2026-06-01T12:00:00.123456Z".parse().unwrap(),
        };
        self.store
            .send_letter(&act, id(ACME), (step, day(date)), By::Person)
            .await
            .map(|(sent, told)| {
                assert_eq!(told, 0);
                sent
            })
            .map_err(|refusal| refusal.to_string())
    }

    async fn titles(&self, tenant: &str) -> Vec<String> {
        let found = self
            .store
            .notices(tenant, &NoticeFilter::default(), i64::MAX, 100)
            .await
            .unwrap();
        assert!(
            found
                .iter()
                .all(|stored| stored.notice.kind == NoticeKind::CaseStep)
        );
        found
            .into_iter()
            .rev()
            .map(|stored| stored.notice.title)
            .collect()
    }

    /// What happened is in the log, row by row.
    async fn verify(&self, rows: u64) {
        let heads = Heads::in_data_folder(self.database.folder.path());
        let verified = Audit::new(self.store.journal().audit, heads)
            .verify(Vec::new())
            .await
            .unwrap();
        assert_eq!(verified.findings, []);
        assert_eq!(verified.rows, rows);
    }
}

fn id(text: &str) -> NopId {
    text.parse().unwrap()
}

/// `2026-01-05 FIRST_WARNING_LETTER EXPECTED 2026-01-05; 2 lines; open`.
fn in_words(case: &Case<'_>) -> String {
    let steps: Vec<String> = case
        .steps()
        .iter()
        .map(|taken| {
            let state = taken.state;
            format!("{} {} {}", taken.step, state.as_str(), state.day())
        })
        .collect();
    let end = match case.end() {
        None => "open".to_owned(),
        Some(End::Closed { on }) => format!("closed {on}"),
        Some(End::Withdrawn { on }) => format!("withdrawn {on}"),
    };
    format!(
        "{} {}; {} lines; {end}",
        case.opened_on(),
        steps.join(", "),
        case.lines().count()
    )
}

fn filed(version: u32, on: &str, lines: Vec<nopic_proto::events::RecordedLine>) -> EntryRecorded {
    let kind = if version == 1 { Kind::Filed } else { Kind::Amended };
    recorded(ENTRY, version, kind, on, lines)
}

#[rstest]
#[tokio::test]
async fn lines_that_an_amendment_keeps_stay_on_their_day(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let book = Book::new(engine, Deployment::Other).await;
    assert_eq!(
        book.tell(
            "default",
            &[filed(1, "2026-01-05", vec![bad(1, ACME), bad(2, ACME)])]
        )
        .await,
        1
    );
    // The second line is put right; the first, of which nothing is said, stands.
    let put_right = EntryRecorded {
        keeps_other_lines: true,
        ..filed(2, "2026-01-07", vec![line(2, ACME, &[])])
    };
    assert_eq!(book.tell("default", std::slice::from_ref(&put_right)).await, 0);
    let kept = ["2026-01-05 FIRST_WARNING_LETTER EXPECTED 2026-01-05; 1 lines; open"];
    assert_eq!(book.cases("default", ACME).await, kept);
    // Told again, and out of its order, nothing changes.
    let first = filed(1, "2026-01-05", vec![bad(1, ACME), bad(2, ACME)]);
    assert_eq!(book.tell("default", &[put_right, first]).await, 0);
    assert_eq!(book.cases("default", ACME).await, kept);
    // A third version that adds a line, two months later.
    let more = EntryRecorded {
        keeps_other_lines: true,
        ..filed(3, "2026-03-05", vec![bad(3, ACME)])
    };
    // Meanwhile the case may have closed: until somebody has looked, nothing is told of it.
    assert_eq!(book.tell("default", &[more]).await, 0);
    assert_eq!(
        book.cases("default", ACME).await,
        [
            "2026-01-05 FIRST_WARNING_LETTER EXPECTED 2026-01-05, SECOND_WARNING_LETTER EXPECTED 2026-03-05; 2 lines; open"
        ]
    );
    // One that keeps none.
    book.tell("default", &[filed(4, "2026-03-06", vec![bad(1, ACME)])])
        .await;
    assert_eq!(
        book.cases("default", ACME).await,
        ["2026-03-06 FIRST_WARNING_LETTER EXPECTED 2026-03-06; 1 lines; open"]
    );
    book.verify(4).await;
}

#[rstest]
#[tokio::test]
async fn history_that_is_brought_in_is_no_news(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let book = Book::new(engine, Deployment::Other).await;
    let entries = ["99920000017", "99920000025", "99920000033", "99920000041"];
    let history = |entry: &str, on: &str| recorded(entry, 1, Kind::Imported, on, vec![bad(1, ACME)]);
    let days = ["2024-01-05", "2024-05-05", "2024-09-05", "2025-01-05"];
    let brought: Vec<_> = entries
        .iter()
        .zip(days)
        .map(|(entry, on)| history(entry, on))
        .collect();
    assert_eq!(book.tell("default", &brought[..2]).await, 0);
    assert_eq!(book.tell("default", &brought[2..]).await, 0);
    // Nor that it closed long ago.
    assert_eq!(book.close(ACME, "2026-01-02", true).await, 0);
    // What is filed now is, by itself.
    assert_eq!(
        book.tell("default", &[filed(1, "2026-01-05", vec![bad(1, ACME)])])
            .await,
        1
    );
    let told = book.titles("default").await;
    assert!(told[0].contains("first warning letter"), "{told:?}");
    // And history that comes later, of the same case, tells nothing more of it.
    let later = history("99920000058", "2026-01-04");
    assert_eq!(book.tell("default", &[later]).await, 0);
}

#[rstest]
#[tokio::test]
async fn a_case_that_is_opened_again_on_the_same_day_is_told_again(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let book = Book::new(engine, Deployment::Other).await;
    assert_eq!(
        book.tell("default", &[filed(1, "2026-01-05", vec![bad(1, ACME)])])
            .await,
        1
    );
    let cancelled = recorded(ENTRY, 2, Kind::Cancelled, "2026-01-05", Vec::new());
    assert_eq!(book.tell("default", &[cancelled]).await, 1);
    let another = recorded("99920000017", 1, Kind::Filed, "2026-01-05", vec![bad(1, ACME)]);
    assert_eq!(book.tell("default", &[another]).await, 1);
    let told = book.titles("default").await;
    assert_eq!(told.len(), 3);
    assert_eq!(told[0], told[2]);
}

#[rstest]
#[tokio::test]
async fn lines_that_are_taken_back_and_entries_that_are_cancelled_count_no_more(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let book = Book::new(engine, Deployment::Other).await;
    let taken_back = nopic_proto::events::RecordedLine {
        taken_back: true,
        ..bad(1, ACME)
    };
    let second = EntryRecorded {
        keeps_other_lines: true,
        ..filed(2, "2026-01-06", vec![taken_back])
    };
    // Both in one page: the case came and went before anybody could be told.
    let versions = [
        filed(1, "2026-01-05", vec![bad(1, ACME), bad(2, BAYVIEW)]),
        second,
    ];
    assert_eq!(book.tell("default", &versions).await, 1);
    assert_eq!(
        book.cases("default", ACME).await,
        ["2026-01-05 ; 0 lines; withdrawn 2026-01-06"]
    );
    assert_eq!(
        book.cases("default", BAYVIEW).await,
        ["2026-01-05 FIRST_WARNING_LETTER EXPECTED 2026-01-05; 1 lines; open"]
    );
    let cancelled = recorded(ENTRY, 3, Kind::Cancelled, "2026-01-07", Vec::new());
    // Whoever was told of the case is told that nothing of it counts any more.
    assert_eq!(book.tell("default", &[cancelled]).await, 1);
    assert_eq!(
        book.titles("default").await.last().unwrap(),
        &format!("Nothing of the case against importer {BAYVIEW} counts any more since 2026-01-07")
    );
    assert_eq!(
        book.cases("default", BAYVIEW).await,
        ["2026-01-05 ; 0 lines; withdrawn 2026-01-07"]
    );
    // What never counted leaves nothing behind.
    let fine = recorded(
        "99920000017",
        1,
        Kind::Filed,
        "2026-01-05",
        vec![line(1, ACME, &[])],
    );
    book.tell("default", &[fine]).await;
    book.verify(5).await;
}

#[rstest]
#[tokio::test]
async fn an_importer_that_an_amendment_changes_is_told_to_both(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let book = Book::new(engine, Deployment::Other).await;
    book.tell("default", &[filed(1, "2026-01-05", vec![bad(1, ACME)])])
        .await;
    book.tell("default", &[filed(2, "2026-01-06", vec![bad(1, BAYVIEW)])])
        .await;
    assert_eq!(
        book.cases("default", ACME).await,
        ["2026-01-05 ; 0 lines; withdrawn 2026-01-06"]
    );
    assert_eq!(
        book.cases("default", BAYVIEW).await,
        ["2026-01-06 FIRST_WARNING_LETTER EXPECTED 2026-01-06; 1 lines; open"]
    );
}

#[rstest]
#[tokio::test]
async fn history_makes_no_letters(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let history = recorded(ENTRY, 1, Kind::Imported, "2026-01-05", vec![bad(1, ACME)]);
    let book = Book::new(engine, Deployment::Authority).await;
    assert_eq!(book.tell("default", std::slice::from_ref(&history)).await, 0);
    assert_eq!(book.cases("default", ACME).await, ["2026-01-05 ; 1 lines; open"]);
    let refused = book
        .send("a", CaseStep::FirstWarningLetter, "2026-06-01")
        .await
        .unwrap_err();
    assert!(refused.contains("is not due"), "{refused}");
    let other = Book::new(engine, Deployment::Other).await;
    assert_eq!(other.tell("default", &[history]).await, 0);
    assert_eq!(
        other.cases("default", ACME).await,
        ["2026-01-05 FIRST_WARNING_LETTER EXPECTED 2026-01-05; 1 lines; open"]
    );
}

#[rstest]
#[tokio::test]
async fn a_letter_is_sent_once_and_stays_as_it_was(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let book = Book::new(engine, Deployment::Authority).await;
    assert_eq!(
        book.tell("default", &[filed(1, "2026-01-05", vec![bad(1, ACME)])])
            .await,
        1
    );
    assert_eq!(
        book.titles("default").await,
        ["Importer 8150000001: a first warning letter is due since 2026-01-05"]
    );
    let first = CaseStep::FirstWarningLetter;
    let refused = book.send("a", CaseStep::CeaseAndDesist, "2026-01-07").await;
    assert!(refused.unwrap_err().contains("is not due"));
    let sent = book.send("a", first, "2026-01-07").await.unwrap();
    assert_eq!(book.send("a", first, "2026-01-07").await.unwrap(), sent);
    assert_eq!(
        book.send("b", first, "2026-01-08").await.unwrap_err(),
        "importer 8150000001: a first warning letter was sent on 2026-01-07"
    );
    // Withdrawing what made it does not unsend it.
    let cancelled = recorded(ENTRY, 2, Kind::Cancelled, "2026-01-09", Vec::new());
    book.tell("default", &[cancelled]).await;
    assert_eq!(
        book.cases("default", ACME).await,
        ["2026-01-05 FIRST_WARNING_LETTER SENT 2026-01-07; 0 lines; open"]
    );
    let kept = book
        .store
        .letters("default", id(ACME), first, day("2026-01-07"))
        .await
        .unwrap();
    assert_eq!(kept, std::slice::from_ref(&sent));
    assert!(
        sent.text.contains("is not certified on 2026-01-05"),
        "{}",
        sent.text
    );
    // Two versions, the letter in the history, and the letter.
    book.verify(4).await;
    let cases = book.store.cases("default", id(ACME)).await.unwrap();
    let step = cases.open_case().unwrap().step(first).unwrap();
    assert_eq!(
        step.state,
        StepState::Sent {
            on: day("2026-01-07")
        }
    );
}

#[rstest]
#[tokio::test]
async fn a_case_closes_once_where_its_importer_is_certified(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let book = Book::new(engine, Deployment::Other).await;
    book.tell("default", &[filed(1, "2026-01-05", vec![bad(1, ACME)])])
        .await;
    assert_eq!(book.close(ACME, "2026-02-04", true).await, 0);
    assert_eq!(book.close(ACME, "2026-02-05", false).await, 0);
    assert_eq!(book.close(ACME, "2026-03-01", true).await, 1);
    assert_eq!(book.close(ACME, "2026-03-02", true).await, 0);
    assert_eq!(
        book.cases("default", ACME).await,
        ["2026-01-05 FIRST_WARNING_LETTER EXPECTED 2026-01-05; 1 lines; closed 2026-02-05"]
    );
    assert_eq!(
        book.titles("default").await[1..],
        ["The case against importer 8150000001 closed on 2026-02-05"]
    );
    // A later finding opens the next.
    let later = recorded("99920000017", 1, Kind::Filed, "2026-03-01", vec![bad(1, ACME)]);
    book.tell("default", &[later]).await;
    assert_eq!(book.cases("default", ACME).await.len(), 2);
    book.verify(3).await;
}

#[rstest]
#[tokio::test]
async fn a_tenant_has_its_own_cases(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let book = Book::new(engine, Deployment::Other).await;
    let entry = filed(1, "2026-01-05", vec![bad(1, ACME)]);
    book.tell("one", std::slice::from_ref(&entry)).await;
    book.tell("other", &[filed(1, "2026-02-02", vec![bad(1, BAYVIEW)])])
        .await;
    assert_eq!(book.cases("one", BAYVIEW).await, [""; 0]);
    assert_eq!(book.cases("other", ACME).await, [""; 0]);
    assert_eq!(book.titles("other").await.len(), 1);
    let of = |tenant: &'static str| book.store.histories_of(tenant, None, 10);
    let importers = |found: Vec<super::super::cases::History>| -> Vec<String> {
        found
            .into_iter()
            .map(|history| history.importer.to_string())
            .collect()
    };
    assert_eq!(importers(of("one").await.unwrap()), ["8150000001"]);
    assert_eq!(importers(of("other").await.unwrap()), ["8150000002"]);
    let first = book.store.importers(None, 1).await.unwrap();
    assert_eq!(first, [("one".to_owned(), ACME.to_owned())]);
    let rest = book.store.importers(first.first(), 10).await.unwrap();
    assert_eq!(rest, [("other".to_owned(), BAYVIEW.to_owned())]);
}
