//! What the store says about trails.

use chrono::{DateTime, Utc};
use nopic_domain::trail::Item;

/// What is to be added to the trail of an entry.
#[derive(Debug, Clone)]
pub(crate) struct NewTrail<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) actor: &'a str,
    pub(crate) role: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) request_hash: [u8; 32],
    pub(crate) entry_number: &'a str,
    pub(crate) items: Vec<Item>,
    pub(crate) now: DateTime<Utc>,
    /// How many records an entry may have.
    pub(crate) most: u32,
}

/// What became of it.
#[derive(Debug, Clone)]
pub(crate) enum TrailAnswer {
    /// It is on record, now or since the same request was answered before.
    Recorded(Vec<u64>),
    /// The entry is not on record.
    NoEntry,
    /// The entry would have more records than it may.
    Full,
    /// The entry has no such record that could be withdrawn.
    NoRecord(u64),
    /// It does not count any more as it is.
    WithdrawnBefore(u64),
}

/// A record as stored, a withdrawal or another.
#[derive(Debug, Clone)]
pub(crate) struct StoredTrailRecord {
    pub(crate) record_id: u64,
    pub(crate) item: Item,
    pub(crate) actor: String,
    pub(crate) recorded_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nopic_domain::decision::{FiledEntry, Inputs, Kind};
    use nopic_domain::principal::Principal;
    use nopic_domain::trail::{Party, Role, Step, Withdrawal};
    use nopic_sql::testing::Engine;
    use nopic_sql::{Error, SchemaUpdate};
    use rstest::rstest;

    use super::*;
    use crate::store::{Begun, Lease, NewFiling, NewRequest, Store, open};

    const ENTRY: &str = "B7603245278";

    fn at(minute: i64) -> DateTime<Utc> {
        let first: DateTime<Utc> = "2024-02-28T23:58:00Z".parse().unwrap();
        first + chrono::TimeDelta::minutes(minute)
    }

    /// Puts an entry without lines on record.
    async fn file(store: &dyn Store, tenant: &str) {
        let lease = Lease {
            holder: "test",
            now: at(0),
            until: at(1),
        };
        let begun = store
            .begin_filing(NewFiling {
                request: NewRequest {
                    tenant,
                    request_id: "file",
                    request_hash: [0; 32],
                    refused: &[],
                },
                looked_at: &rustc_hash::FxHashMap::default(),
                inputs: Inputs {
                    evidence: Arc::default(),
                    lines: Vec::new(),
                    certificates: std::collections::BTreeMap::new(),
                    unavailable_certificates: std::collections::BTreeSet::new(),
                    issuing_for: std::collections::BTreeSet::new(),
                    operations: std::collections::BTreeMap::new(),
                    importers: std::collections::BTreeMap::new(),
                    entries: vec![FiledEntry {
                        entry_number: ENTRY.to_owned(),
                        ..FiledEntry::default()
                    }],
                    principal: Principal::built_in("test"),
                    reason: String::new(),
                    filed_on: nopic_domain::date::day_of(at(0)),
                    kind: Kind::Filed,
                },
                current_version: None,
                lease,
            })
            .await
            .unwrap();
        let Begun::Open(filing) = begun else {
            panic!("{begun:?}");
        };
        let finished = store
            .finish_filing(*filing, Vec::new(), &[], lease)
            .await
            .unwrap();
        assert!(finished.is_some());
    }

    fn step(name: &str) -> Item {
        Item::Step(Step {
            role: Role::Carrier,
            party: Party {
                name: name.to_owned(),
                nop_id: None,
            },
            place: None,
            from: None,
            to: None,
            owner: None,
            lines: Vec::new(),
            lots: Vec::new(),
        })
    }

    fn withdrawal(record_id: u64) -> Item {
        Item::Withdrawal(Withdrawal {
            record_id,
            reason: "wrong".to_owned(),
        })
    }

    fn new<'a>(request_id: &'a str, items: Vec<Item>, minute: i64) -> NewTrail<'a> {
        NewTrail {
            tenant: "one",
            actor: "ann",
            role: "OPERATOR",
            request_id,
            request_hash: [7; 32],
            entry_number: ENTRY,
            items,
            now: at(minute),
            most: 5,
        }
    }

    async fn record(store: &dyn Store, new: NewTrail<'_>) -> Vec<u64> {
        match store.record_trail(new).await.unwrap() {
            TrailAnswer::Recorded(record_ids) => record_ids,
            other => panic!("{other:?}"),
        }
    }

    async fn count(store: &dyn Store, as_of: Option<DateTime<Utc>>) -> usize {
        store.trail_records("one", ENTRY, as_of).await.unwrap().len()
    }

    #[rstest]
    #[tokio::test]
    async fn records_are_added_once_and_read_as_of_a_moment(
        #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    ) {
        let database = engine.database().await;
        let store = open(&database.location, SchemaUpdate::Apply).await.unwrap();
        let store = store.as_ref();
        assert!(matches!(
            store.record_trail(new("1", vec![step("a")], 1)).await.unwrap(),
            TrailAnswer::NoEntry
        ));
        file(store, "one").await;
        let first = record(store, new("1", vec![step("a"), step("b")], 1)).await;
        assert_eq!(first.len(), 2);
        assert_eq!(
            record(store, new("1", vec![step("a"), step("b")], 2)).await,
            first
        );
        let reused = NewTrail {
            request_hash: [8; 32],
            ..new("1", vec![step("c")], 2)
        };
        assert!(matches!(
            store.record_trail(reused).await,
            Err(Error::RequestReused(_))
        ));
        // Over midnight and into the leap day.
        record(store, new("2", vec![step("c")], 2)).await;
        assert_eq!(count(store, Some(at(0))).await, 0);
        assert_eq!(count(store, Some(at(1))).await, 2);
        assert_eq!(count(store, Some(at(2))).await, 3);
        assert_eq!(count(store, None).await, 3);
        let found = store.trail_records("one", ENTRY, None).await.unwrap();
        assert_eq!(found[0].item, step("a"));
        assert_eq!((found[0].record_id, found[0].recorded_at), (first[0], at(1)));
        assert_eq!(found[2].actor, "ann");
        // A clock that goes back does not change the order.
        record(store, new("3", vec![step("d")], 1)).await;
        assert_eq!(count(store, Some(at(1))).await, 2);
        assert_eq!(count(store, Some(at(2))).await, 4);
        assert!(matches!(
            store
                .record_trail(new("4", vec![step("e"), step("f")], 3))
                .await
                .unwrap(),
            TrailAnswer::Full
        ));
        assert_eq!(count(store, None).await, 4);
        store.close().await;
    }

    #[rstest]
    #[tokio::test]
    async fn a_record_is_withdrawn_once_and_by_its_own_entry(
        #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    ) {
        let database = engine.database().await;
        let store = open(&database.location, SchemaUpdate::Apply).await.unwrap();
        let store = store.as_ref();
        file(store, "one").await;
        file(store, "two").await;
        let id = record(store, new("1", vec![step("a")], 1)).await[0];
        for (request_id, record_id) in [("2", id + 1), ("3", u64::MAX), ("4", 0)] {
            assert!(matches!(
                store
                    .record_trail(new(request_id, vec![withdrawal(record_id)], 1))
                    .await
                    .unwrap(),
                TrailAnswer::NoRecord(unknown) if unknown == record_id
            ));
        }
        let of_another_tenant = NewTrail {
            tenant: "two",
            ..new("5", vec![withdrawal(id)], 1)
        };
        assert!(matches!(
            store.record_trail(of_another_tenant).await.unwrap(),
            TrailAnswer::NoRecord(_)
        ));
        // Twice in one request: all or nothing.
        assert!(matches!(
            store
                .record_trail(new("6", vec![withdrawal(id), withdrawal(id)], 1))
                .await
                .unwrap(),
            TrailAnswer::WithdrawnBefore(_)
        ));
        assert_eq!(count(store, None).await, 1);
        let by = record(store, new("7", vec![withdrawal(id)], 1)).await[0];
        assert!(matches!(
            store
                .record_trail(new("8", vec![withdrawal(id)], 1))
                .await
                .unwrap(),
            TrailAnswer::WithdrawnBefore(_)
        ));
        assert!(matches!(
            store
                .record_trail(new("9", vec![withdrawal(by)], 1))
                .await
                .unwrap(),
            TrailAnswer::NoRecord(_)
        ));
        assert!(store.trail_records("two", ENTRY, None).await.unwrap().is_empty());
        store.close().await;
    }
}
