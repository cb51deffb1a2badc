//! Writing much at once: columns as arrays, so that a statement has few parameters however many rows it writes.

use nopic_sql::Error;
use nopic_sql::postgres::Connection;

use crate::store::row::Kind;
use crate::store::{Block, NewObservation, WhatIsNew};

nopic_sql::statements! {
    const INSERT_BLOCKS: &str = "INSERT INTO block (block, written_by, bytes)
        SELECT number, $1, bytes FROM UNNEST($2::bigint[], $3::bytea[]) AS new (number, bytes)";
    const INSERT_OBSERVATIONS: &str = "INSERT INTO observation (nop_id, revision, kind, change, content_hash,
            block, slot, statement, heading, written_by)
        SELECT new.*, $1 FROM UNNEST($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bigint[],
            $8::bigint[], $9::text[], $10::text[]) AS new";
}

/// Bytes of blocks that go to the server together: a journey for each would take longer than their bytes do.
const BLOCKS_BYTES: usize = 512 << 10;
/// Observations of one statement.
const MANY: usize = 2_000;

/// Blocks on their way into the database: some wait for the next.
#[derive(Debug, Default)]
pub(super) struct BlockWriter {
    by: i64,
    numbers: Vec<i64>,
    contents: Vec<Vec<u8>>,
    size: usize,
}

impl BlockWriter {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Saves a block, now or with later ones.
    pub(super) async fn push(
        &mut self,
        connection: &mut Connection,
        by: u32,
        (number, bytes): Block,
    ) -> Result<(), Error> {
        self.by = i64::from(by);
        self.size += bytes.len();
        self.numbers.push(number);
        self.contents.push(bytes);
        if self.size >= BLOCKS_BYTES {
            self.flush(connection).await?;
        }
        Ok(())
    }

    /// Saves what waits.
    pub(super) async fn flush(&mut self, connection: &mut Connection) -> Result<(), Error> {
        if !self.numbers.is_empty() {
            self.size = 0;
            sqlx::query(INSERT_BLOCKS)
                .bind(self.by)
                .bind(std::mem::take(&mut self.numbers))
                .bind(std::mem::take(&mut self.contents))
                .execute(connection)
                .await?;
        }
        Ok(())
    }
}

/// The columns of some rows.
#[derive(Default)]
struct Columns<'a> {
    nop_ids: Vec<i64>,
    revisions: Vec<i64>,
    kinds: Vec<i64>,
    changes: Vec<i64>,
    hashes: Vec<Option<[u8; 16]>>,
    blocks: Vec<Option<i64>>,
    slots: Vec<Option<i64>>,
    statements: Vec<Option<&'a str>>,
    headings: Vec<Option<&'a str>>,
}

/// Saves observations that repeat no other; `by` is the import that writes them.
pub(super) async fn insert_observations(
    connection: &mut Connection,
    by: u32,
    new: &[&NewObservation],
) -> Result<(), Error> {
    for rows in new.chunks(MANY) {
        let mut columns = Columns::default();
        for row in rows {
            columns.push(row);
        }
        let hashes: Vec<Option<&[u8]>> = columns
            .hashes
            .iter()
            .map(|hash| hash.as_ref().map(<[u8; 16]>::as_slice))
            .collect();
        sqlx::query(INSERT_OBSERVATIONS)
            .bind(i64::from(by))
            .bind(columns.nop_ids)
            .bind(columns.revisions)
            .bind(columns.kinds)
            .bind(columns.changes)
            .bind(hashes)
            .bind(columns.blocks)
            .bind(columns.slots)
            .bind(columns.statements)
            .bind(columns.headings)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

impl<'a> Columns<'a> {
    fn push(&mut self, row: &'a NewObservation) {
        let (kind, listed) = match &row.what {
            WhatIsNew::Listed(content) => (Kind::Listed, Some(&**content)),
            WhatIsNew::Refused => (Kind::Refused, None),
            // One that repeats another is written elsewhere.
            WhatIsNew::Absent | WhatIsNew::SameAs(_) => (Kind::Absent, None),
        };
        self.nop_ids.push(row.nop_id.number().cast_signed());
        self.revisions.push(i64::from(row.revision));
        self.kinds.push(kind.code());
        self.changes.push(row.change.code());
        self.hashes.push(listed.map(|new| new.content_hash.to_be_bytes()));
        self.blocks.push(listed.map(|new| new.content.block));
        self.slots.push(listed.map(|new| i64::from(new.content.slot)));
        self.statements.push(listed.map(|new| &*new.statement));
        self.headings.push(listed.map(|new| &*new.heading));
    }
}

/// Bytes of the database.
#[cfg(test)]
pub(super) const SIZE: &str = "SELECT CAST(SUM(pg_total_relation_size(CAST(relation AS regclass))) AS BIGINT)
    FROM UNNEST(ARRAY['snapshot', 'observation', 'item_list', 'block']) AS relations (relation)";
