//! Writing much at once: many rows in one statement, which is several times faster than row by row.

use nopic_sql::Error;
use nopic_sql::sqlite::Connection;

use crate::store::row::Kind;
use crate::store::{Block, NewObservation, WhatIsNew};

/// The columns of one row that is written.
macro_rules! row {
    () => {
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    };
}
macro_rules! eight_rows {
    () => {
        concat!(
            row!(),
            ", ",
            row!(),
            ", ",
            row!(),
            ", ",
            row!(),
            ", ",
            row!(),
            ", ",
            row!(),
            ", ",
            row!(),
            ", ",
            row!()
        )
    };
}
macro_rules! insert {
    ($rows:expr) => {
        concat!(
            "INSERT INTO observation (nop_id, revision, kind, change, content_hash, block, slot, statement, heading, \
             written_by) VALUES ",
            $rows
        )
    };
}
nopic_sql::statements! {
    const INSERT_BLOCK: &str =
        "INSERT INTO block (block, written_by, bytes) VALUES ($1, $2, $3)";
    // Twice as fast as one statement over a JSON array, which has nine values a row to take apart.
    const INSERT_OBSERVATION: &str = insert!(row!());
    const INSERT_OBSERVATIONS: &str = insert!(concat!(
        eight_rows!(),
        ", ",
        eight_rows!(),
        ", ",
        eight_rows!(),
        ", ",
        eight_rows!(),
        ", ",
        eight_rows!(),
        ", ",
        eight_rows!(),
        ", ",
        eight_rows!(),
        ", ",
        eight_rows!()
    ));
}

/// Rows of [`INSERT_OBSERVATIONS`].
const MANY: usize = 64;

/// Blocks on their way into the database: each goes there at once.
#[derive(Debug)]
pub(super) struct BlockWriter;

impl BlockWriter {
    pub(super) fn new() -> Self {
        Self
    }

    /// Saves a block.
    pub(super) async fn push(
        &mut self,
        connection: &mut Connection,
        by: u32,
        (number, bytes): Block,
    ) -> Result<(), Error> {
        sqlx::query(INSERT_BLOCK)
            .bind(number)
            .bind(i64::from(by))
            .bind(bytes)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Saves what waits: nothing here.
    pub(super) async fn flush(&mut self, _: &mut Connection) -> Result<(), Error> {
        std::future::ready(Ok(())).await
    }
}

/// Saves observations that repeat no other; `by` is the import that writes them.
pub(super) async fn insert_observations(
    connection: &mut Connection,
    by: u32,
    new: &[&NewObservation],
) -> Result<(), Error> {
    let many = new.chunks_exact(MANY);
    let rest = many.remainder();
    for rows in many {
        let query = rows.iter().fold(sqlx::query(INSERT_OBSERVATIONS), |query, row| {
            bind(query, by, row)
        });
        query.execute(&mut *connection).await?;
    }
    for row in rest {
        bind(sqlx::query(INSERT_OBSERVATION), by, row)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// Binds one row in the order of its columns.
fn bind<'q>(query: Query<'q>, by: u32, row: &'q NewObservation) -> Query<'q> {
    let (kind, listed) = match &row.what {
        WhatIsNew::Listed(content) => (Kind::Listed, Some(&**content)),
        WhatIsNew::Refused => (Kind::Refused, None),
        // One that repeats another is written elsewhere.
        WhatIsNew::Absent | WhatIsNew::SameAs(_) => (Kind::Absent, None),
    };
    query
        .bind(i64::try_from(row.nop_id.number()).unwrap_or(i64::MAX))
        .bind(row.revision)
        .bind(kind.code())
        .bind(row.change.code())
        .bind(listed.map(|new| new.content_hash.to_be_bytes().to_vec()))
        .bind(listed.map(|new| new.content.block))
        .bind(listed.map(|new| new.content.slot))
        .bind(listed.map(|new| &*new.statement))
        .bind(listed.map(|new| &*new.heading))
        .bind(by)
}

/// Bytes of the database.
#[cfg(test)]
pub(super) const SIZE: &str = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
