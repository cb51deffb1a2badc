//! The registry's store: snapshots, what they say about operations, and their complete rows.

mod audited;
mod blocks;
pub(crate) mod events;
mod item_list;
mod observation;
mod postgres;
mod row;
mod snapshot;
mod sqlite;

use std::sync::Arc;

use nopic_domain::identifier::NopId;
use nopic_sql::Journal;
use nopic_sql::outbox::NewMessage;
use nopic_sql::{
    AUDIT_ROWS, Error, Location, Migration, OUTBOX_FLOOR, SHARED, Schema, SchemaUpdate, on_engine,
};
use rustc_hash::FxHashMap;

use crate::status::StatusIndexBuilder;
pub(crate) use audited::{Note, Who};
pub(crate) use blocks::{Block, BlockBuilder, BlockRef, entries_of};
pub(crate) use item_list::NewItems;
pub(crate) use observation::{
    AllLatest, Change, ChangedOperation, Latest, NewContent, NewObservation, Seen, WhatIsNew,
};
pub(crate) use row::{
    Heading, Kind, StoredObservation, statement_from_json, statement_to_json, status_of_json,
};
pub(crate) use snapshot::{Listed, Order, Ranks, SnapshotRow, State};

/// The schema of the service.
pub const SCHEMA: Schema = Schema {
    name: "registry",
    migrations: &[
        Migration {
            name: "create_snapshots",
            sqlite: include_str!("../../migrations/sqlite/0001_create_snapshots.sql"),
            postgres: include_str!("../../migrations/postgres/0001_create_snapshots.sql"),
            oldest_compatible: 1,
        },
        Migration {
            name: "create_lineage",
            sqlite: include_str!("../../migrations/sqlite/0002_create_lineage.sql"),
            postgres: include_str!("../../migrations/postgres/0002_create_lineage.sql"),
            oldest_compatible: 1,
        },
        SHARED,
        AUDIT_ROWS,
        OUTBOX_FLOOR,
    ],
    audited: audited::AUDITED,
};

/// The store, on whichever engine.
pub(crate) type Store = dyn RegistryStore;

/// The name of this database's history.
#[tonic::async_trait]
pub(crate) trait LineageStore: Send + Sync {
    /// The name; this fresh one where there is none yet.
    async fn lineage(&self, fresh: [u8; 16]) -> Result<[u8; 16], Error>;

    /// Gives it a fresh name, unless another process did so meanwhile.
    async fn replace_lineage(&self, old: [u8; 16], fresh: [u8; 16]) -> Result<(), Error>;
}

/// Reading which snapshots there are.
#[tonic::async_trait]
pub(crate) trait SnapshotStore: Send + Sync {
    /// Every snapshot by rising revision, the held one too.
    async fn snapshots(&self) -> Result<Vec<SnapshotRow>, Error>;

    /// Whether the snapshot of the highest revision is still this one: if so, nothing has changed.
    async fn newest_is(&self, known: Option<&SnapshotRow>) -> Result<bool, Error>;
}

/// Reading what snapshots say about operations.
#[tonic::async_trait]
pub(crate) trait ObservationStore: Send + Sync {
    /// The timeline of every operation as known at a revision, by rising NOP id.
    async fn timelines(
        &self,
        order: &Order,
        revision: u32,
        into: &mut StatusIndexBuilder,
    ) -> Result<(), Error>;

    /// What was last said about every operation as known at a revision.
    async fn latest(&self, order: &Order, revision: u32) -> Result<AllLatest, Error>;

    /// Every observation of every operation, each operation's by rank.
    async fn seen(&self, order: &Order) -> Result<FxHashMap<NopId, Vec<Seen>>, Error>;

    /// The observations of some operations as known at a revision, each operation's in the order of publication.
    async fn observations_of(
        &self,
        ids: &[NopId],
        order: &Order,
        revision: u32,
    ) -> Result<FxHashMap<NopId, Vec<StoredObservation>>, Error>;

    /// Some of the operations that a revision changed: those after this NOP id.
    async fn changes(
        &self,
        revision: u32,
        after: Option<NopId>,
        limit: u32,
    ) -> Result<Vec<ChangedOperation>, Error>;

    /// The headings of some operations by their last listing at a revision.
    async fn headings(
        &self,
        ids: &[NopId],
        order: &Order,
        revision: u32,
    ) -> Result<FxHashMap<NopId, Heading>, Error>;
}

/// Reading lists of certified items.
#[tonic::async_trait]
pub(crate) trait ItemStore: Send + Sync {
    /// Every list of items of every operation, each operation's by rank.
    async fn item_lists(&self, order: &Order) -> Result<FxHashMap<NopId, Vec<Seen>>, Error>;

    /// Where the items of an operation stand, as known at a revision.
    async fn items_of(&self, id: NopId, order: &Order, revision: u32) -> Result<Vec<BlockRef>, Error>;

    /// Where the items of every operation stand, as known at a revision.
    async fn all_item_runs(
        &self,
        order: &Order,
        revision: u32,
    ) -> Result<FxHashMap<NopId, Vec<BlockRef>>, Error>;

    /// Where the list of items that this revision brought stands.
    async fn item_runs(&self, id: NopId, revision: u32) -> Result<Vec<BlockRef>, Error>;
}

/// Reading complete rows.
#[tonic::async_trait]
pub(crate) trait BlockStore: Send + Sync {
    /// The number after the last block.
    async fn next_block(&self) -> Result<i64, Error>;

    /// The content of a block: see [`entries_of`].
    async fn block(&self, block: i64) -> Result<Vec<u8>, Error>;

    /// One entry.
    async fn entry(&self, place: BlockRef) -> Result<Vec<u8>, Error>;
}

/// A change of the snapshots: one transaction, and the only one of its kind at a time, whatever the number of
/// processes. Readers go on with what was there before. Dropped without a commit, it leaves nothing.
#[tonic::async_trait]
pub(crate) trait Writing: Send + std::fmt::Debug {
    /// Saves a block of the import that makes this revision.
    async fn block(&mut self, revision: u32, block: Block) -> Result<(), Error>;

    /// Saves a snapshot.
    async fn snapshot(&mut self, snapshot: &SnapshotRow) -> Result<(), Error>;

    /// Saves observations; `by` is the import that writes them.
    async fn observations(&mut self, by: u32, observations: &[NewObservation]) -> Result<(), Error>;

    /// Saves lists of items; `by` is the import that writes them.
    async fn items(&mut self, by: u32, lists: &[NewItems]) -> Result<(), Error>;

    /// Lets the held snapshot serve.
    async fn release(&mut self, revision: u32) -> Result<(), Error>;

    /// Throws the held snapshot away, with everything that its import wrote.
    async fn discard(&mut self, revision: u32) -> Result<(), Error>;

    /// Ends the change, with a note of it and what others hear: all of it is there.
    async fn commit(self: Box<Self>, note: &Note, told: Vec<NewMessage>) -> Result<(), Error>;
}

/// All of the store.
#[tonic::async_trait]
pub(crate) trait RegistryStore:
    LineageStore + SnapshotStore + ObservationStore + ItemStore + BlockStore
{
    /// Begins a change of the snapshots; absent: another process has one under way.
    async fn begin(&self) -> Result<Option<Box<dyn Writing>>, Error>;

    /// Whether other processes may change the snapshots.
    fn is_shared(&self) -> bool;

    /// Who changed what, and what others must hear of.
    fn journal(&self) -> Journal;

    /// Ends every connection.
    async fn close(&self);

    /// Bytes of the database.
    #[cfg(test)]
    async fn size(&self) -> i64;

    /// How many observations, item lists and blocks there are.
    #[cfg(test)]
    async fn counts(&self) -> (i64, i64, i64);
}

/// Opens the store where it is.
pub(crate) async fn open(location: &Location, update: SchemaUpdate) -> Result<Arc<Store>, Error> {
    Ok(on_engine!(location, engine, place => Arc::new(engine::Store::open(place, update).await?)))
}

/// A stored value that this program did not write.
fn corrupt(what: &'static str, detail: impl Into<String>) -> Error {
    Error::corrupt(what, detail.into())
}

#[cfg(test)]
mod tests {
    use nopic_sql::testing::Engine;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[tokio::test]
    async fn every_statement_can_be_prepared(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
        let database = engine.database().await;
        match &database.location {
            Location::Folder(place) => {
                nopic_sql::sqlite::prepare_all(place, &SCHEMA, sqlite::STATEMENTS).await;
            }
            Location::Postgres(place) => {
                nopic_sql::postgres::prepare_all(place, &SCHEMA, postgres::STATEMENTS).await;
            }
        }
    }
}
