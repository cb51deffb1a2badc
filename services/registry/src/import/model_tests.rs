//! Random sequences of snapshots against a model that keeps every one of them whole and answers by the words of
//! RULES, "Status on a date".

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{Days, NaiveDate, TimeZone as _, Utc};
use nopic_cache::RevisionChoice;
use nopic_chassis::clock::ManualClock;
use nopic_domain::registry::{Dated, Scope, Statement, Status, StatusOnDate};
use nopic_formats::oid::{Fields, OidItem, OidList, OidRow};
use nopic_formats::reject::Reject;
use nopic_sql::testing::{Engine, TestDatabase};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rstest::rstest;

use super::*;
use crate::Config;

const OPERATIONS: u64 = 5;
const DAYS: u64 = 30;

/// What the model keeps of one row.
#[derive(Debug, Clone, PartialEq)]
enum Row {
    Listed(Statement, Vec<u8>),
    Refused,
}

#[derive(Debug, Clone)]
struct Snapshot {
    published_on: Date,
    is_full: bool,
    with_items: bool,
    rows: BTreeMap<u64, Row>,
}

fn day(number: u64) -> Date {
    NaiveDate::from_ymd_opt(2024, 1, 1).unwrap() + Days::new(number)
}

fn dated() -> impl Strategy<Value = Dated> {
    let status = prop_oneof![
        3 => Just(Status::Certified),
        1 => Just(Status::Other("Suspended".into())),
    ];
    (status, proptest::option::of(0..DAYS)).prop_map(|(status, from)| Dated {
        status,
        from: from.map(day),
    })
}

fn row() -> impl Strategy<Value = Row> {
    let handling = proptest::option::of(dated());
    prop_oneof![
        6 => (dated(), handling, proptest::collection::vec(0u8..2, 0..2)).prop_map(|(status, handling, items)| {
            Row::Listed(Statement { status, scopes: [None, None, None, handling] }, items)
        }),
        1 => Just(Row::Refused),
    ]
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    (
        0..DAYS,
        prop::bool::weighted(0.7),
        any::<bool>(),
        proptest::collection::btree_map(0..OPERATIONS, row(), 1..5),
    )
        .prop_map(|(published, is_full, with_items, rows)| Snapshot {
            published_on: day(published),
            is_full,
            with_items,
            rows,
        })
        .prop_filter("a content without a readable row is refused", |snapshot| {
            snapshot.rows.values().any(|row| matches!(row, Row::Listed(..)))
        })
}

/// Sequences in which a snapshot often comes again as it was, on another day.
fn snapshots() -> impl Strategy<Value = Vec<Snapshot>> {
    proptest::collection::vec(
        (
            snapshot(),
            proptest::option::weighted(0.3, any::<prop::sample::Index>()),
        ),
        1..7,
    )
    .prop_map(|drawn| {
        let mut snapshots: Vec<Snapshot> = Vec::new();
        for (mut snapshot, again) in drawn {
            if let Some(again) = again.filter(|_| !snapshots.is_empty()) {
                snapshot.rows = snapshots[again.index(snapshots.len())].rows.clone();
            }
            snapshots.push(snapshot);
        }
        snapshots
    })
}

fn id(number: u64) -> NopId {
    NopId::from_number(1_500_000_000 + number).unwrap()
}

fn item(number: u64, item: u8) -> Fields {
    Fields::from_pairs([
        ("ci_nopOpID", id(number).to_string()),
        ("ci_nopItemID", item.to_string()),
    ])
}

fn events(snapshot: &Snapshot) -> Vec<OidEvent> {
    let mut events = Vec::new();
    for (number, row) in &snapshot.rows {
        match row {
            Row::Refused => events.push(OidEvent::Reject(Box::new(OidReject {
                reject: Reject::new(*number, "is empty"),
                nop_id: Some(id(*number)),
                list: OidList::Operations,
                part: 0,
            }))),
            Row::Listed(statement, _) => events.push(OidEvent::Row(OidRow {
                record: *number,
                part: 0,
                nop_id: id(*number),
                name: format!("Farm {number}"),
                other_names: Vec::new(),
                certifier: "C".into(),
                country: "Peru".into(),
                statement: statement.clone(),
                published: None,
                fields: Fields::from_pairs([("op_name", format!("{statement:?}"))]),
            })),
        }
    }
    if snapshot.with_items {
        for (number, row) in &snapshot.rows {
            if let Row::Listed(_, items) = row {
                events.extend(items.iter().map(|which| {
                    OidEvent::Item(OidItem {
                        record: 0,
                        part: 0,
                        nop_id: id(*number),
                        published: None,
                        fields: item(*number, *which),
                    })
                }));
            }
        }
    }
    events
}

/// RULES word for word over whole snapshots, in the order of publication. Outer `None`: never listed.
fn naive(snapshots: &[&Snapshot], number: u64, scope: bool, on: Date) -> Option<Option<Status>> {
    let lists = |snapshot: &&&Snapshot| snapshot.rows.contains_key(&number);
    snapshots.iter().find(lists)?;
    for (index, snapshot) in snapshots.iter().enumerate().rev() {
        let said = match snapshot.rows.get(&number) {
            Some(Row::Refused) => None,
            Some(Row::Listed(statement, _)) => {
                let effective = statement.status.from.unwrap_or(snapshot.published_on);
                if scope {
                    statement.scopes[Scope::Handling as usize]
                        .as_ref()
                        .map(|dated| (dated.from.unwrap_or(effective), dated.status.clone()))
                } else {
                    Some((effective, statement.status.status.clone()))
                }
            }
            None if !scope && snapshot.is_full && snapshots[..index].iter().any(|older| lists(&older)) => {
                Some((snapshot.published_on, Status::Unlisted))
            }
            None => None,
        };
        if let Some((_, status)) = said.filter(|(from, _)| on >= *from) {
            return Some(Some(status));
        }
    }
    Some(None)
}

async fn core(database: &TestDatabase) -> Arc<Core> {
    let clock = ManualClock::new(Utc.with_ymd_and_hms(2025, 1, 1, 0, 0, 0).unwrap());
    let mut config = Config::new(database.location.clone(), database.folder.path());
    config.schema_update = nopic_sql::SchemaUpdate::Apply;
    config.heartbeat = Duration::from_secs(1);
    Arc::new(Core::open(config, Arc::new(clock)).await.unwrap())
}

async fn import(core: &Arc<Core>, snapshot: &Snapshot) -> Imported {
    let (events, mut received) = mpsc::channel(64);
    tokio::spawn(async move { while received.recv().await.is_some() {} });
    let run = Run {
        core: Arc::clone(core),
        options: Options {
            published_on: Some(snapshot.published_on),
            ..Options::default()
        },
        max_rejects: MaxRejects::parse("100").unwrap(),
        form: OidForm::Json,
        is_full: snapshot.is_full,
        names: vec!["pages.json".into()],
        events,
        place: Place::new(Arc::clone(&core.changing).lock_owned().await),
    };
    let what = self::events(snapshot);
    let writing = core.store.begin().await.unwrap().unwrap();
    run.import(writing, move |sink| {
        for event in what {
            sink(event).map_err(|error| Error::Internal(error.to_string()))?;
        }
        Ok(OidSummary {
            form: OidForm::Json,
            rows: 0,
            items: 0,
            rejected_rows: 0,
            rejected_items: 0,
            latest_pub_date: None,
            columns: Vec::new(),
            other_sheets: Vec::new(),
        })
    })
    .await
    .unwrap()
}

async fn agrees(core: &Core, imported: &[Snapshot]) -> Result<(), TestCaseError> {
    for revision in 1..=core.current.load().revision {
        let mut visible: Vec<&Snapshot> = imported[..revision as usize].iter().collect();
        visible.sort_by_key(|snapshot| snapshot.published_on);
        let answering = core.answering(RevisionChoice::Exact(revision)).await.unwrap();
        let status = core.status_of(&answering).await.unwrap();
        for number in 0..OPERATIONS {
            for on in (0..DAYS + 2).map(day) {
                let timeline = status.timeline(id(number));
                let found = timeline.map(|timeline| match timeline.status_on(on) {
                    StatusOnDate::Known(status) => Some(status.clone()),
                    StatusOnDate::Unknown => None,
                });
                let expected = naive(&visible, number, false, on);
                prop_assert_eq!(found, expected, "{} on {} at {}", number, on, revision);
                let found = timeline.map(|timeline| timeline.scope_on(Scope::Handling, on).cloned());
                let expected = naive(&visible, number, true, on);
                prop_assert_eq!(
                    found,
                    expected,
                    "handling of {} on {} at {}",
                    number,
                    on,
                    revision
                );
            }
        }
    }
    Ok(())
}

/// The items of the newest snapshot that states any and lists the operation.
fn naive_items(snapshots: &[&Snapshot], number: u64) -> Vec<Fields> {
    let stating = snapshots
        .iter()
        .rev()
        .filter(|snapshot| states_items(snapshot))
        .find_map(|snapshot| match snapshot.rows.get(&number) {
            Some(Row::Listed(_, items)) => Some(items.clone()),
            _ => None,
        });
    let mut items: Vec<_> = stating
        .unwrap_or_default()
        .into_iter()
        .map(|which| item(number, which))
        .collect();
    items.sort_by(|left, right| left.as_bytes().cmp(right.as_bytes()));
    items
}

fn states_items(snapshot: &Snapshot) -> bool {
    snapshot.with_items
        && snapshot
            .rows
            .values()
            .any(|row| matches!(row, Row::Listed(_, items) if !items.is_empty()))
}

async fn items_agree(core: &Core, imported: &[Snapshot]) -> Result<(), TestCaseError> {
    let current = core.current.load_full();
    let mut visible: Vec<&Snapshot> = imported.iter().collect();
    visible.sort_by_key(|snapshot| snapshot.published_on);
    for number in 0..OPERATIONS {
        // Of an operation that the newest snapshot with items does not list, the last known items are shown; which
        // these are does not matter, so only listed ones are compared.
        let newest = visible.iter().rev().find(|snapshot| states_items(snapshot));
        if !newest.is_some_and(|newest| matches!(newest.rows.get(&number), Some(Row::Listed(..)))) {
            continue;
        }
        let mut found = Vec::new();
        for place in core
            .store
            .items_of(id(number), &current.order, current.revision)
            .await
            .unwrap()
        {
            let run = core.store.entry(place).await.unwrap();
            found.extend(crate::store::entries_of(&run).map(|item| Fields::from_bytes(item).unwrap()));
        }
        found.sort_by(|left, right| left.as_bytes().cmp(right.as_bytes()));
        prop_assert_eq!(found, naive_items(&visible, number), "items of {}", number);
    }
    Ok(())
}

async fn every_revision_answers(engine: Engine, snapshots: Vec<Snapshot>) -> Result<(), TestCaseError> {
    let database = engine.database().await;
    let core = core(&database).await;
    let mut imported = Vec::new();
    for snapshot in snapshots {
        let result = import(&core, &snapshot).await;
        prop_assert_ne!(result.outcome, Outcome::Held);
        if result.outcome == Outcome::Imported {
            imported.push(snapshot);
        }
        items_agree(&core, &imported).await?;
    }
    agrees(&core, &imported).await?;
    core.store.close().await;
    // What was built step by step is what the database says.
    let core = self::core(&database).await;
    agrees(&core, &imported).await?;
    core.store.close().await;
    Ok(())
}

// Each case imports into a database of its own, and one on a server takes longer than a file.
#[rstest]
#[case::sqlite(Engine::Sqlite, 3)]
#[case::postgres(Engine::Postgres, 16)]
fn every_revision_answers_as_whole_snapshots_would(#[case] engine: Engine, #[case] fewer: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let cases = ProptestConfig::default().cases / fewer;
    let mut runner = TestRunner::new(ProptestConfig::with_cases(cases));
    runner
        .run(&snapshots(), |snapshots| {
            runtime.block_on(every_revision_answers(engine, snapshots))
        })
        .unwrap();
}

#[rstest]
#[case::sqlite(Engine::Sqlite, 100)]
#[case::postgres(Engine::Postgres, 20)]
#[tokio::test]
async fn many_revisions_of_equal_content_cost_less_than_two(#[case] engine: Engine, #[case] revisions: u32) {
    let database = engine.database().await;
    let core = core(&database).await;
    let rows: BTreeMap<u64, Row> = (0..2_000)
        .map(|number| {
            let statement = Statement {
                status: Dated {
                    status: Status::Certified,
                    from: Some(day(number % 20)),
                },
                scopes: [None, None, None, None],
            };
            (number, Row::Listed(statement, vec![1, 2]))
        })
        .collect();
    let mut size = Vec::new();
    let mut counts = Vec::new();
    for number in 0..u64::from(revisions) {
        let snapshot = Snapshot {
            published_on: day(number),
            // Full ones and partial ones.
            is_full: number < u64::from(revisions / 2),
            with_items: true,
            rows: rows.clone(),
        };
        let imported = import(&core, &snapshot).await;
        assert_eq!(imported.outcome, Outcome::Imported);
        let bytes: i64 = core.store.size().await;
        size.push(bytes);
        counts.push(core.store.counts().await);
    }
    assert_eq!(core.current.load().revision, revisions);
    let last = size[size.len() - 1];
    assert!(last < 2 * size[0], "{} bytes became {last}", size[0]);
    // Each writes its own row and nothing else.
    assert!(matches!(counts[0], (2_000, 2_000, 1..)), "{:?}", counts[0]);
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    core.store.close().await;
}
