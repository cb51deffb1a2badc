//! Letters that are sent without a person.

use std::sync::Arc;

use nopic_chassis::rpc::client::Client;
use nopic_domain::enforcement::{Deployment, StepState};
use nopic_domain::policy::{LetterSending, Policy};
use nopic_proto::events::entry_recorded::Kind;
use nopic_sql::audit::{Audit, Heads};
use nopic_sql::testing::{Engine, TestDatabase};
use nopic_sql::{Location, SchemaUpdate};
use rstest::rstest;
use sqlx::Connection as _;
use tonic::transport::Endpoint;

use crate::cases::CaseRules;
use crate::cases::testing::{ACME, BAYVIEW, ENTRY, Still, bad, day, recorded, told};
use crate::intake::timed::Askable;
use crate::intake::{Intake, IntakeError};
use crate::metrics::Numbers;
use crate::store::{self, NoticeFilter, SentLetter, StoredNotice, Taken};

use nopic_domain::enforcement::Step;
use nopic_domain::identifier::NopId;

const FIRST: Step = Step::FirstWarningLetter;

/// A process that looks at this moment.
async fn process(database: &TestDatabase, rules: &CaseRules, now: &str) -> Intake {
    Intake {
        store: store::open(&database.location, SchemaUpdate::Apply, rules.clone())
            .await
            .unwrap(),
        clock: Arc::new(Still(now.parse().unwrap())),
        numbers: Numbers::default(),
        operators: "default".into(),
        policy: Arc::new(Policy::shipped()),
        rules: rules.clone(),
    }
}

/// Tells of an entry of an importer that is not certified.
async fn tell(intake: &Intake, entry: &str, on: &str, kind: Kind, importer: &str) {
    let version = recorded(entry, 1, kind, on, vec![bad(1, importer)]);
    let taken = Taken {
        entries: vec![told("default", &version)],
        ..Taken::default()
    };
    let now = intake.clock.now();
    intake.store.take(None, &taken, now).await.unwrap();
}

async fn look(intake: &Intake) -> Result<(), IntakeError> {
    intake.look(&Askable::default()).await
}

fn id(importer: &str) -> NopId {
    importer.parse().unwrap()
}

async fn letters(intake: &Intake, importer: &str, step: Step, on: &str) -> Vec<SentLetter> {
    let store = &intake.store;
    store
        .letters("default", id(importer), step, day(on))
        .await
        .unwrap()
}

/// The oldest first.
async fn notices(intake: &Intake) -> Vec<StoredNotice> {
    let filter = NoticeFilter::default();
    let mut notices = intake
        .store
        .notices("default", &filter, i64::MAX, 100)
        .await
        .unwrap();
    notices.reverse();
    notices
}

#[rstest]
#[tokio::test]
async fn a_letter_that_is_due_is_sent_once_by_however_many_processes(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = engine.database().await;
    let rules = CaseRules::automatic();
    let one = process(&database, &rules, "2026-01-07T12:00:00.123456789Z").await;
    let other = process(&database, &rules, "2026-01-07T12:00:00Z").await;
    tell(&one, ENTRY, "2026-01-05", Kind::Filed, ACME).await;
    // What was brought in from before makes no letter.
    tell(&one, "99920000017", "2026-01-05", Kind::Imported, BAYVIEW).await;
    let (first, second) = tokio::join!(look(&one), look(&other));
    first.unwrap();
    second.unwrap();
    look(&one).await.unwrap();

    let sent = letters(&one, ACME, FIRST, "2026-01-07").await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].sent_by, "notification");
    let cases = one.store.cases("default", id(ACME)).await.unwrap();
    let step = cases.open_case().unwrap().step(FIRST).unwrap();
    assert_eq!(
        step.state,
        StepState::Sent {
            on: day("2026-01-07")
        }
    );
    let cases = one.store.cases("default", id(BAYVIEW)).await.unwrap();
    assert_eq!(cases.open_case().unwrap().steps(), []);

    let told = notices(&one).await;
    let titles: Vec<&str> = told.iter().map(|told| told.notice.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "Importer 8150000001: a first warning letter is due since 2026-01-05",
            "Importer 8150000001: a first warning letter was sent automatically, dated 2026-01-07",
        ]
    );
    let to_do = |place: usize| &told[place].notice.to_do[0].what;
    assert!(to_do(0).starts_with("Nothing yet: "), "{}", to_do(0));
    assert!(
        to_do(1).contains("`nopic case letter 8150000001 FIRST_WARNING_LETTER --html letter.html`"),
        "{}",
        to_do(1)
    );

    // The next step, once its days are over, and by whoever looks first. A finding between keeps the case open.
    tell(&one, "99940000013", "2026-01-20", Kind::Filed, ACME).await;
    let later = process(&database, &rules, "2026-02-08T12:00:00Z").await;
    tell(&later, "99930000015", "2026-02-07", Kind::Filed, ACME).await;
    look(&later).await.unwrap();
    look(&other).await.unwrap();
    let second = letters(&later, ACME, Step::SecondWarningLetter, "2026-02-08").await;
    assert_eq!(second.len(), 1);
    assert_eq!(notices(&later).await.len(), 4);

    let heads = Heads::in_data_folder(database.folder.path());
    let log = Audit::new(one.store.journal().audit, heads);
    let verified = log.verify(Vec::new()).await.unwrap();
    assert_eq!(verified.findings, []);
    // Four versions, and of each letter its step and itself.
    assert_eq!(verified.rows, 8);
}

#[rstest]
#[tokio::test]
async fn nothing_is_sent_where_a_person_sends_or_nobody(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let no_authority = CaseRules {
        letters: LetterSending::Automatically,
        ..CaseRules::shipped(Deployment::Other)
    };
    for rules in [CaseRules::shipped(Deployment::Authority), no_authority] {
        let database = engine.database().await;
        let intake = process(&database, &rules, "2026-01-07T12:00:00Z").await;
        tell(&intake, ENTRY, "2026-01-05", Kind::Filed, ACME).await;
        look(&intake).await.unwrap();
        assert_eq!(letters(&intake, ACME, FIRST, "2026-01-07").await, []);
        assert_eq!(notices(&intake).await.len(), 1);
    }
}

/// Makes what is kept of an importer unreadable.
async fn spoil(database: &TestDatabase, importer: &str) {
    const SPOIL: &str = "UPDATE case_event SET content = '{\"WHAT\": 1}' WHERE importer = $1";
    match &database.location {
        Location::Folder(folder) => {
            let url = format!("sqlite:{}", folder.join("notification.sqlite").display());
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            let spoiling = sqlx::query(SPOIL).bind(importer);
            spoiling.execute(&mut connection).await.unwrap();
        }
        Location::Postgres(options) => {
            let options = options
                .as_ref()
                .clone()
                .options([("search_path", "notification")]);
            let mut connection = sqlx::PgConnection::connect_with(&options).await.unwrap();
            let spoiling = sqlx::query(SPOIL).bind(importer);
            spoiling.execute(&mut connection).await.unwrap();
        }
    }
}

#[rstest]
#[tokio::test]
async fn trouble_with_one_importer_keeps_no_other_from_its_letter(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = engine.database().await;
    let rules = CaseRules::automatic();
    let intake = process(&database, &rules, "2026-03-20T12:00:00Z").await;
    tell(&intake, ENTRY, "2026-03-19", Kind::Filed, ACME).await;
    tell(&intake, "99920000017", "2026-03-19", Kind::Filed, BAYVIEW).await;
    spoil(&database, ACME).await;
    let failed = look(&intake).await;
    assert!(matches!(failed, Err(IntakeError::Store(_))), "{failed:?}");
    assert_eq!(letters(&intake, BAYVIEW, FIRST, "2026-03-20").await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn no_letter_goes_out_in_a_case_that_may_be_over(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = engine.database().await;
    let rules = CaseRules::automatic();
    let intake = process(&database, &rules, "2026-03-20T12:00:00Z").await;
    // On the 31st day after its finding the case may be over; the other one is not.
    tell(&intake, ENTRY, "2026-02-17", Kind::Filed, ACME).await;
    tell(&intake, "99920000017", "2026-03-19", Kind::Filed, BAYVIEW).await;
    // Nobody is in reach, and nobody listens.
    let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
    let nobody = Client::by_channel(channel, "registry");
    for registry in [None, Some(&nobody)] {
        let waits = intake.send_letters(registry).await;
        assert!(matches!(waits, Err(IntakeError::NotKnown(_))), "{waits:?}");
    }
    assert_eq!(letters(&intake, ACME, FIRST, "2026-03-20").await, []);
    assert_eq!(letters(&intake, BAYVIEW, FIRST, "2026-03-20").await.len(), 1);
    // The day before, it was not.
    let before = process(&database, &rules, "2026-03-19T12:00:00Z").await;
    before.send_letters(None).await.unwrap();
    assert_eq!(letters(&before, ACME, FIRST, "2026-03-19").await.len(), 1);
}
