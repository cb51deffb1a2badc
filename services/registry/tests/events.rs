//! What imports, releases and discards tell others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use nopic_proto::events::Event;
use nopic_proto::events::event::What;
use nopic_proto::registry as wire;
use nopic_sql::testing::Engine;
use nopic_sql::{Location, SchemaUpdate, postgres, sqlite};
use prost::Message as _;
use rstest::rstest;
use support::{Fixture, farms, operation};

/// Everything that was told so far, in words.
async fn told(registry: &Fixture) -> Vec<String> {
    const MESSAGES: &str = "SELECT tenant, subject, content FROM outbox ORDER BY outbox_id";
    let schema = &nopic_registry::SCHEMA;
    macro_rules! messages {
        ($engine:ident, $place:expr) => {{
            let database = $engine::Database::open($place, schema, SchemaUpdate::Refuse)
                .await
                .unwrap();
            let messages = sqlx::query_as(MESSAGES)
                .fetch_all(database.readers())
                .await
                .unwrap();
            database.close().await;
            messages
        }};
    }
    let messages: Vec<(String, String, Vec<u8>)> = match &registry.database.location {
        Location::Folder(folder) => messages!(sqlite, folder),
        Location::Postgres(options) => messages!(postgres, options),
    };
    messages
        .into_iter()
        .map(|(tenant, subject, content)| {
            assert_eq!(tenant, "", "the registry is everybody's");
            let what = Event::decode(&content[..]).unwrap().what.unwrap();
            assert_eq!(subject, subject_of(&what));
            in_words(&what)
        })
        .collect()
}

fn subject_of(what: &What) -> String {
    match what {
        What::RevisionPublished(told) => told.revision.to_string(),
        What::OperationStatusChanged(told) => told.nop_id.clone(),
        What::SnapshotHeld(told) => told.revision.to_string(),
        other => panic!("{other:?} is not the registry's"),
    }
}

fn in_words(what: &What) -> String {
    match what {
        What::RevisionPublished(told) => format!(
            "revision {} of {}, {}, {}: +{} ~{} -{}",
            told.revision,
            told.published_on,
            if told.is_full { "full" } else { "partial" },
            if told.is_newest { "newest" } else { "older" },
            told.added,
            told.changed,
            told.unlisted
        ),
        What::OperationStatusChanged(told) => format!(
            "{} ({}) in {}: {:?} -> {:?} since {}",
            told.nop_id, told.name, told.revision, told.before, told.after, told.since
        ),
        What::SnapshotHeld(told) => {
            assert!(!told.because.is_empty());
            format!("held {} of {}", told.revision, told.published_on)
        }
        other => panic!("{other:?} is not the registry's"),
    }
}

#[rstest]
#[tokio::test]
async fn a_revision_and_the_statuses_that_it_changes_are_told(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = Fixture::new(engine).await;
    let (one, two, three, four) = ("0150000001", "0150000002", "0150000003", "0150000004");
    let first = [
        operation(one, "Certified", "2020-01-01"),
        operation(two, "Certified", "2020-01-01"),
        operation(three, "Suspended", "2023-01-01"),
    ];
    registry.import_json("2024-01-01", true, &first).await.unwrap();
    let mut expected = vec!["revision 1 of 2024-01-01, full, newest: +3 ~0 -0".to_owned()];
    assert_eq!(told(&registry).await, expected);

    // The same again is nothing new.
    registry.import_json("2024-01-01", true, &first).await.unwrap();
    assert_eq!(told(&registry).await, expected);

    // Another name is a change, and not of the status.
    let mut renamed = operation(three, "Suspended", "2023-01-01");
    renamed["op_name"] = "Other Farm".into();
    let second = [
        operation(one, "Suspended", "2024-01-20"),
        renamed,
        operation(four, "Certified", "2024-01-25"),
    ];
    registry.import_json("2024-02-01", true, &second).await.unwrap();
    expected.extend([
        "revision 2 of 2024-02-01, full, newest: +1 ~2 -1".to_owned(),
        format!("{one} (Farm {one}) in 2: \"Certified\" -> \"Suspended\" since 2024-01-20"),
        format!("{two} (Farm {two}) in 2: \"Certified\" -> \"Unlisted\" since 2024-02-01"),
        format!("{four} (Farm {four}) in 2: \"\" -> \"Certified\" since 2024-01-25"),
    ]);
    assert_eq!(told(&registry).await, expected);

    // Brought in late, a snapshot says nothing about today.
    let between = [operation(one, "Surrendered", "2024-01-10")];
    registry.import_json("2024-01-15", false, &between).await.unwrap();
    let last = told(&registry).await.split_off(expected.len());
    assert_eq!(last.len(), 1, "{last:?}");
    assert!(
        last[0].starts_with("revision 3 of 2024-01-15, partial, older: "),
        "{last:?}"
    );
    expected.extend(last);

    // One that comes back was unlisted, and a part of the registry says nothing of the rest.
    let back = [operation(two, "Certified", "2024-02-20")];
    registry.import_json("2024-03-01", false, &back).await.unwrap();
    let last = told(&registry).await.split_off(expected.len());
    assert!(
        last[0].starts_with("revision 4 of 2024-03-01, partial, newest: "),
        "{last:?}"
    );
    assert_eq!(
        last[1..],
        [format!(
            "{two} (Farm {two}) in 4: \"Unlisted\" -> \"Certified\" since 2024-02-20"
        )]
    );
}

#[rstest]
#[tokio::test]
async fn a_held_snapshot_is_told_and_what_it_says_only_once_it_serves(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = Fixture::new(engine).await;
    let certifier = |_| "Certifier 1".into();
    let all = farms(1_200, |_| "Certified", certifier);
    let fewer = farms(
        1_001,
        |number| if number == 7 { "Suspended" } else { "Certified" },
        certifier,
    );
    registry.import_json("2024-01-01", true, &all).await.unwrap();
    let mut expected = vec!["revision 1 of 2024-01-01, full, newest: +1200 ~0 -0".to_owned()];
    registry.import_json("2024-02-01", true, &fewer).await.unwrap();
    expected.push("held 2 of 2024-02-01".to_owned());
    assert_eq!(told(&registry).await, expected);
    registry
        .client
        .discard_snapshot(wire::DiscardSnapshotRequest {})
        .await
        .unwrap();
    assert_eq!(told(&registry).await, expected);
    registry.import_json("2024-02-01", true, &fewer).await.unwrap();
    expected.push("held 2 of 2024-02-01".to_owned());
    registry
        .client
        .release_snapshot(wire::ReleaseSnapshotRequest {})
        .await
        .unwrap();
    expected.push("revision 2 of 2024-02-01, full, newest: +0 ~1 -199".to_owned());
    let told = told(&registry).await;
    let (head, changes) = told.split_at(expected.len());
    assert_eq!(head, expected);
    assert_eq!(changes.len(), 200);
    let suspended = "0150000007 (Farm 0150000007) in 2: \"Certified\" -> \"Suspended\" since 2020-01-01";
    assert_eq!(changes.iter().filter(|change| *change == suspended).count(), 1);
    // They had a name while they were listed.
    let unlisted = |number: u64| {
        let id = 150_000_000 + number;
        format!("{id:010} (Farm {id:010}) in 2: \"Certified\" -> \"Unlisted\" since 2024-02-01")
    };
    for number in [1_001, 1_199] {
        assert!(changes.contains(&unlisted(number)), "{:?}", changes.last());
    }
}
