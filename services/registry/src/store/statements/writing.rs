//! One change of the snapshots: a transaction that nobody else has at the time.

use nopic_sql::Error;
use nopic_sql::outbox::NewMessage;

use super::engine::{Connection, WriteTransaction, audit, outbox, rows};
use super::{BlockWriter, Repetition, blocks, insert_observations, items, snapshots, write_repeated};
use crate::store::audited::{BLOCK, ITEM_LIST, Leaves, Note, OBSERVATION, SNAPSHOT, observation_columns};
use crate::store::{Block, NewItems, NewObservation, SnapshotRow, WhatIsNew, Writing};

nopic_sql::statements! {
    const REPEAT_OBSERVATIONS: &str = concat!(
        "INSERT INTO observation
            (nop_id, revision, kind, change, content_hash, block, slot, statement, heading, written_by)
        SELECT said.nop_id, CAST(r.value ->> 2 AS BIGINT), said.kind, CAST(r.value ->> 3 AS BIGINT), said.content_hash,
            said.block, said.slot, said.statement, said.heading, $1
        FROM ",
        rows!("$2"),
        " JOIN observation AS said ON said.nop_id = CAST(r.value ->> 0 AS BIGINT)
            AND said.revision = CAST(r.value ->> 1 AS BIGINT)"
    );
    /// What was said again: a JSON list of `[operation, said in, said again in, change]`.
    const READ_BACK_OBSERVATIONS: &str = concat!(
        "",
        observation_columns!(),
        rows!("$1"),
        " JOIN observation AS o ON o.nop_id = CAST(r.value ->> 0 AS BIGINT)
            AND o.revision = CAST(r.value ->> 2 AS BIGINT)"
    );
    const DELETE_OBSERVATIONS: &str =
        "DELETE FROM observation WHERE written_by = $1 RETURNING nop_id, revision";
}

const REPETITION: Repetition = Repetition {
    write: REPEAT_OBSERVATIONS,
    read_back: READ_BACK_OBSERVATIONS,
    audited: &OBSERVATION,
};

/// Repetitions of one statement.
const BATCH: usize = 500;

/// A change under way.
#[derive(Debug)]
pub(super) struct Change {
    transaction: WriteTransaction,
    blocks: BlockWriter,
    leaves: Leaves,
}

impl Change {
    pub(super) fn new(transaction: WriteTransaction) -> Self {
        Self {
            transaction,
            blocks: BlockWriter::new(),
            leaves: Leaves::default(),
        }
    }
}

#[tonic::async_trait]
impl Writing for Change {
    async fn block(&mut self, revision: u32, block: Block) -> Result<(), Error> {
        self.leaves.block(revision, &block);
        self.blocks.push(&mut self.transaction, revision, block).await
    }

    async fn snapshot(&mut self, snapshot: &SnapshotRow) -> Result<(), Error> {
        self.leaves.snapshot(snapshot);
        snapshots::insert(&mut self.transaction, snapshot).await
    }

    async fn observations(&mut self, by: u32, observations: &[NewObservation]) -> Result<(), Error> {
        let is_new = |observation: &&NewObservation| !matches!(observation.what, WhatIsNew::SameAs(_));
        let new: Vec<&NewObservation> = observations.iter().filter(is_new).collect();
        insert_observations(&mut self.transaction, by, &new).await?;
        for observation in new {
            self.leaves.observation(by, observation);
        }
        repeat(&mut self.transaction, &mut self.leaves, by, observations).await
    }

    async fn items(&mut self, by: u32, lists: &[NewItems]) -> Result<(), Error> {
        items::insert(&mut self.transaction, &mut self.leaves, by, lists).await
    }

    async fn release(&mut self, revision: u32) -> Result<(), Error> {
        snapshots::release(&mut self.transaction, &mut self.leaves, revision).await
    }

    async fn discard(&mut self, revision: u32) -> Result<(), Error> {
        let observations: Vec<(i64, Option<i64>)> = sqlx::query_as(DELETE_OBSERVATIONS)
            .bind(i64::from(revision))
            .fetch_all(&mut *self.transaction)
            .await?;
        let lists = items::delete(&mut self.transaction, revision).await?;
        let blocks = blocks::delete(&mut self.transaction, revision).await?;
        self.leaves.gone(&OBSERVATION, observations);
        self.leaves.gone(&ITEM_LIST, lists);
        self.leaves
            .gone(&BLOCK, blocks.into_iter().map(|(block,)| (block, None)));
        self.leaves.gone(&SNAPSHOT, [(i64::from(revision), None)]);
        snapshots::delete(&mut self.transaction, revision).await
    }

    async fn commit(self: Box<Self>, note: &Note, told: Vec<NewMessage>) -> Result<(), Error> {
        let Self {
            mut transaction,
            mut blocks,
            leaves,
        } = *self;
        blocks.flush(&mut transaction).await?;
        let subject = format!("revision {}", note.revision);
        let change = audit::Change {
            at: note.at,
            tenant: &note.who.tenant,
            actor: &note.who.actor,
            action: note.action,
            subject: &subject,
            reason: "",
            detail: &note.detail,
        };
        for rows in leaves.into_parts() {
            audit::record_rows(&mut transaction, &change, note.who.role, &rows).await?;
        }
        outbox::put(&mut transaction, note.at, told).await?;
        Ok(transaction.commit().await?)
    }
}

/// Saves the observations that say what another says.
async fn repeat(
    connection: &mut Connection,
    leaves: &mut Leaves,
    by: u32,
    observations: &[NewObservation],
) -> Result<(), Error> {
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
            write_repeated(connection, leaves, &REPETITION, by, &mut repeated).await?;
        }
    }
    write_repeated(connection, leaves, &REPETITION, by, &mut repeated).await
}
