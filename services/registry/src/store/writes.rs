//! Writing what a new snapshot says: many rows in one statement, which is several times faster than row by row.

use nopic_domain::identifier::NopId;
use nopic_sql::Error;

use super::observations::Change;
use super::row::Kind;
use super::{BlockRef, Writing};

/// Rows of one statement that writes.
pub(super) const BATCH: usize = 500;
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
// Twice as fast as one statement over a JSON array, which has nine values a row to take apart.
const INSERT: &str = insert!(row!());
const INSERT_MANY: &str = insert!(concat!(
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
/// Rows of [`INSERT_MANY`].
const MANY: usize = 64;
const REPEAT: &str = "INSERT INTO observation
    (nop_id, revision, kind, change, content_hash, block, slot, statement, heading, written_by)
    SELECT said.nop_id, repeated.value ->> 2, said.kind, repeated.value ->> 3, said.content_hash, said.block,
        said.slot, said.statement, said.heading, $1
    FROM json_each($2) AS repeated
    JOIN observation AS said
        ON said.nop_id = repeated.value ->> 0 AND said.revision = repeated.value ->> 1";
const DELETE: &str = "DELETE FROM observation WHERE written_by = $1";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[INSERT, INSERT_MANY, REPEAT, DELETE];

/// An observation to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewObservation {
    pub(crate) nop_id: NopId,
    /// The snapshot that says so.
    pub(crate) revision: u32,
    pub(crate) change: Change,
    pub(crate) what: WhatIsNew,
}

/// A row that is not known yet. Boxed where many are kept, so that it is moved and never copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewContent {
    pub(crate) content_hash: u128,
    /// Where its fields were written.
    pub(crate) content: BlockRef,
    /// As stored.
    pub(crate) statement: Box<str>,
    /// As stored.
    pub(crate) heading: Box<str>,
}

/// What a new observation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WhatIsNew {
    Listed(Box<NewContent>),
    Refused,
    Absent,
    /// The same as the stored observation of this revision.
    SameAs(u32),
}

pub(super) type Json = serde_json::Value;

pub(super) async fn write(
    writing: &mut Writing,
    sql: &'static str,
    by: u32,
    rows: &mut Vec<Json>,
) -> Result<(), Error> {
    if !rows.is_empty() {
        let batch = Json::Array(std::mem::take(rows)).to_string();
        sqlx::query(sql)
            .bind(by)
            .bind(batch)
            .execute(&mut **writing)
            .await?;
    }
    Ok(())
}

/// Saves observations; `by` is the import that writes them.
pub(crate) async fn insert(
    writing: &mut Writing,
    by: u32,
    observations: &[NewObservation],
) -> Result<(), Error> {
    let is_new = |observation: &&NewObservation| !matches!(observation.what, WhatIsNew::SameAs(_));
    let new: Vec<&NewObservation> = observations.iter().filter(is_new).collect();
    let many = new.chunks_exact(MANY);
    let rest = many.remainder();
    for rows in many {
        let query = rows
            .iter()
            .fold(sqlx::query(INSERT_MANY), |query, row| bind(query, by, row));
        query.execute(&mut **writing).await?;
    }
    for row in rest {
        bind(sqlx::query(INSERT), by, row).execute(&mut **writing).await?;
    }
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
            write(writing, REPEAT, by, &mut repeated).await?;
        }
    }
    write(writing, REPEAT, by, &mut repeated).await
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

/// Deletes what an import wrote.
pub(super) async fn delete(writing: &mut Writing, by: u32) -> Result<(), Error> {
    sqlx::query(DELETE).bind(by).execute(&mut **writing).await?;
    Ok(())
}
