//! Whatever single thing is done to whatever log, it is found and named.

use nopic_sql::audit::Kind;
use nopic_sql::testing::Engine;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rstest::rstest;

use crate::support::{World, moment};

/// One thing that is done to a log. Places are taken modulo what is there.
#[derive(Debug, Clone)]
enum Mutation {
    Change(usize, &'static str),
    Remove(usize),
    Swap(usize, usize),
    Insert(usize),
    ChangeSeal(usize, &'static str),
    RemoveSeal(usize),
    CutOff(usize),
}

const COLUMNS: [&str; 6] = ["tenant", "actor", "action", "subject", "reason", "detail"];
const NUMBERS: [&str; 4] = ["first_sequence", "last_sequence", "record_count", "seal_hash"];

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<prop::sample::Index>().prop_map(|index| index.index(10_000));
    prop_oneof![
        (place.clone(), prop::sample::select(&COLUMNS[..]))
            .prop_map(|(place, column)| Mutation::Change(place, column)),
        place.clone().prop_map(Mutation::Remove),
        (place.clone(), place.clone()).prop_map(|(one, other)| Mutation::Swap(one, other)),
        place.clone().prop_map(Mutation::Insert),
        (place.clone(), prop::sample::select(&NUMBERS[..]))
            .prop_map(|(place, column)| Mutation::ChangeSeal(place, column)),
        place.clone().prop_map(Mutation::RemoveSeal),
        place.prop_map(Mutation::CutOff),
    ]
}

/// Does it to a log of seals with these sizes; what must be found: its kinds and the record or the seal.
async fn apply(world: &World, sizes: &[u32], mutation: &Mutation) -> (Vec<Kind>, Option<i64>, Option<i64>) {
    let records = i64::from(sizes.iter().sum::<u32>());
    let seals = i64::try_from(sizes.len()).unwrap();
    let record = |place: usize| i64::try_from(place).unwrap() % records + 1;
    let seal = |place: usize| i64::try_from(place).unwrap() % seals + 1;
    match mutation {
        Mutation::Change(place, column) => {
            let record = record(*place);
            let sql = format!("UPDATE audit_record SET {column} = {column} || 'x' WHERE sequence = {record}");
            world.run(&sql).await;
            (vec![Kind::RecordChanged], Some(record), None)
        }
        Mutation::Remove(place) => {
            let record = record(*place);
            world
                .run(&format!("DELETE FROM audit_record WHERE sequence = {record}"))
                .await;
            (vec![Kind::RecordRemoved], Some(record), None)
        }
        Mutation::Swap(one, other) => {
            let (one, mut other) = (record(*one), record(*other));
            if one == other {
                other = one % records + 1;
            }
            if one == other {
                // There is only one record.
                world.run("UPDATE audit_record SET sequence = 5").await;
                return (vec![Kind::RecordRemoved], Some(1), None);
            }
            for (from, to) in [(one, -1), (other, one), (-1, other)] {
                let sql = format!("UPDATE audit_record SET sequence = {to} WHERE sequence = {from}");
                world.run(&sql).await;
            }
            (
                vec![Kind::RecordsReordered, Kind::RecordChanged],
                Some(one.min(other)),
                None,
            )
        }
        Mutation::Insert(place) => {
            let record = record(*place);
            for moved in (record..=records).rev() {
                let sql = format!(
                    "UPDATE audit_record SET sequence = {} WHERE sequence = {moved}",
                    moved + 1
                );
                world.run(&sql).await;
            }
            let copied = if record == 1 { "2" } else { "1" };
            let insert = world.insert(9_999, &record.to_string());
            world
                .run(&insert.replace("WHERE sequence = 1", &format!("WHERE sequence = {copied}")))
                .await;
            // At the end of a seal it takes the place of a record that is not there any more.
            (
                vec![Kind::RecordInserted, Kind::RecordChanged],
                Some(record),
                None,
            )
        }
        Mutation::ChangeSeal(place, column) => {
            let seal = seal(*place);
            let value = match *column {
                "seal_hash" => "record_hashes".to_owned(),
                column => format!("{column} + 1"),
            };
            // A seal of one record would have its hash only by chance.
            let sql = format!("UPDATE audit_seal SET {column} = {value} WHERE seal = {seal}");
            world.run(&sql).await;
            (vec![Kind::SealChanged], None, Some(seal))
        }
        Mutation::RemoveSeal(place) => {
            let seal = seal(*place);
            world
                .run(&format!("DELETE FROM audit_seal WHERE seal = {seal}"))
                .await;
            (vec![Kind::SealRemoved], None, Some(seal))
        }
        Mutation::CutOff(place) => {
            let seal = seal(*place);
            let before: u32 = sizes[..usize::try_from(seal - 1).unwrap()].iter().sum();
            world
                .run(&format!(
                    "DELETE FROM audit_seal WHERE seal >= {seal}; DELETE FROM audit_record WHERE sequence > {before}"
                ))
                .await;
            (vec![Kind::CutOff], Some(i64::from(before)), None)
        }
    }
}

async fn check(engine: Engine, sizes: Vec<u32>, mutation: Mutation) {
    let world = World::new(engine).await;
    world.unprotect().await;
    world.note(0..sizes.iter().sum::<u32>() as usize).await;
    for size in &sizes {
        world.seal_batch("sealer", moment(0), *size).await;
    }
    // The head, after the sealer's time.
    world.audit.seal(moment(60)).await.unwrap();
    let verified = world.verify().await;
    assert_eq!(verified.findings, []);
    assert_eq!(verified.seals, sizes.len() as u64);

    let (kinds, record, seal) = apply(&world, &sizes, &mutation).await;
    let found = world.verify().await.findings;
    let is_named = found.iter().any(|finding| {
        kinds.contains(&finding.kind)
            && (record.is_none() || finding.record == record)
            && (seal.is_none() || finding.seal == seal)
    });
    assert!(
        is_named,
        "{mutation:?} of {sizes:?}: {kinds:?} {record:?} {seal:?} is not among {found:#?}"
    );
}

#[rstest]
fn any_single_mutation_is_found_and_named(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let cases = match engine {
        Engine::Sqlite => 96,
        Engine::Postgres => 32,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let log = prop::collection::vec(1u32..6, 1..6);
    runner
        .run(&(log, mutation()), |(sizes, mutation)| {
            runtime.block_on(check(engine, sizes, mutation));
            Ok(())
        })
        .unwrap();
}
