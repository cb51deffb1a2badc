//! One change of the snapshots: a transaction that nobody else has at the time.

use nopic_sql::Error;

use super::engine::{Connection, Transaction, rows};
use super::{BlockWriter, blocks, insert_observations, items, snapshots, write_rows};
use crate::store::{Block, NewItems, NewObservation, SnapshotRow, WhatIsNew, Writing};

const REPEAT: &str = concat!(
    "/* registry.import */ INSERT INTO observation
        (nop_id, revision, kind, change, content_hash, block, slot, statement, heading, written_by)
    SELECT said.nop_id, CAST(r.value ->> 2 AS BIGINT), said.kind, CAST(r.value ->> 3 AS BIGINT), said.content_hash,
        said.block, said.slot, said.statement, said.heading, $1
    FROM ",
    rows!("$2"),
    " JOIN observation AS said ON said.nop_id = CAST(r.value ->> 0 AS BIGINT)
        AND said.revision = CAST(r.value ->> 1 AS BIGINT)"
);
const DELETE: &str = "/* registry.discard */ DELETE FROM observation WHERE written_by = $1";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[REPEAT, DELETE];

/// Repetitions of one statement.
const BATCH: usize = 500;

/// A change under way.
#[derive(Debug)]
pub(super) struct Change {
    transaction: Transaction,
    blocks: BlockWriter,
}

impl Change {
    pub(super) fn new(transaction: Transaction) -> Self {
        Self {
            transaction,
            blocks: BlockWriter::new(),
        }
    }
}

#[tonic::async_trait]
impl Writing for Change {
    async fn block(&mut self, revision: u32, block: Block) -> Result<(), Error> {
        self.blocks.push(&mut self.transaction, revision, block).await
    }

    async fn snapshot(&mut self, snapshot: &SnapshotRow) -> Result<(), Error> {
        snapshots::insert(&mut self.transaction, snapshot).await
    }

    async fn observations(&mut self, by: u32, observations: &[NewObservation]) -> Result<(), Error> {
        let is_new = |observation: &&NewObservation| !matches!(observation.what, WhatIsNew::SameAs(_));
        let new: Vec<&NewObservation> = observations.iter().filter(is_new).collect();
        insert_observations(&mut self.transaction, by, &new).await?;
        repeat(&mut self.transaction, by, observations).await
    }

    async fn items(&mut self, by: u32, lists: &[NewItems]) -> Result<(), Error> {
        items::insert(&mut self.transaction, by, lists).await
    }

    async fn release(&mut self, revision: u32) -> Result<(), Error> {
        snapshots::release(&mut self.transaction, revision).await
    }

    async fn discard(&mut self, revision: u32) -> Result<(), Error> {
        sqlx::query(DELETE)
            .bind(i64::from(revision))
            .execute(&mut *self.transaction)
            .await?;
        items::delete(&mut self.transaction, revision).await?;
        blocks::delete(&mut self.transaction, revision).await?;
        snapshots::delete(&mut self.transaction, revision).await
    }

    async fn commit(mut self: Box<Self>) -> Result<(), Error> {
        self.blocks.flush(&mut self.transaction).await?;
        Ok(self.transaction.commit().await?)
    }
}

/// Saves the observations that say what another says.
async fn repeat(connection: &mut Connection, by: u32, observations: &[NewObservation]) -> Result<(), Error> {
    let mut repeated = Vec::new();
    for observation in observations {
        if let WhatIsNew::SameAs(revision) = observation.what {
            repeated.push(serde_json::json!([
                observation.nop_id.number(),
                revision,
                observation.revision,
                observation.change.code()
            ]));
        }
        if repeated.len() >= BATCH {
            write_rows(connection, REPEAT, by, &mut repeated).await?;
        }
    }
    write_rows(connection, REPEAT, by, &mut repeated).await
}
