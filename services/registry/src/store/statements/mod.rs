//! The store's statements and what runs them: compiled for each engine.

mod blocks;
mod items;
mod lineage;
mod observations;
mod snapshots;
mod writing;

use nopic_domain::identifier::NopId;
use nopic_sql::Journal;
use nopic_sql::audit::Audited;
use nopic_sql::{Error, SchemaUpdate};
use sqlx::Row as _;

use super::bulk::{BlockWriter, insert_observations};
use super::engine::{self, Connection};
use crate::store::audited::Leaves;
use crate::store::{RegistryStore, SCHEMA, Writing, corrupt};

/// One row of an answer.
type Row = <engine::Engine as sqlx::Database>::Row;

/// By this name whoever changes snapshots keeps the other processes from it.
const CHANGING: &[&str] = &["registry", "snapshots"];

/// The registry of one database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: engine::Database,
}

impl Store {
    pub(crate) async fn open(place: &engine::Place, update: SchemaUpdate) -> Result<Self, Error> {
        Ok(Self {
            database: engine::Database::open(place, &SCHEMA, update).await?,
        })
    }
}

#[tonic::async_trait]
impl RegistryStore for Store {
    async fn begin(&self) -> Result<Option<Box<dyn Writing>>, Error> {
        let mut transaction = self.database.write("change_snapshots").await?;
        if !engine::hold_soon(&mut transaction, CHANGING).await? {
            return Ok(None);
        }
        Ok(Some(Box::new(writing::Change::new(transaction))))
    }

    fn is_shared(&self) -> bool {
        engine::IS_SHARED
    }

    fn journal(&self) -> Journal {
        self.database.journal(&SCHEMA)
    }

    async fn close(&self) {
        self.database.close().await;
    }

    #[cfg(test)]
    async fn size(&self) -> i64 {
        sqlx::query_scalar(super::bulk::SIZE)
            .fetch_one(self.database.readers())
            .await
            .unwrap()
    }

    #[cfg(test)]
    async fn counts(&self) -> (i64, i64, i64) {
        sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM observation), (SELECT COUNT(*) FROM item_list), (SELECT COUNT(*) FROM block)",
        )
        .fetch_one(self.database.readers())
        .await
        .unwrap()
    }
}

/// The operation in the first column.
fn nop_id(row: &Row) -> Result<NopId, Error> {
    let number: i64 = row.try_get(0)?;
    u64::try_from(number)
        .ok()
        .and_then(NopId::from_number)
        .ok_or_else(|| corrupt("observation.nop_id", number.to_string()))
}

/// A hash; 0: none.
fn hash(row: &Row, column: usize) -> Result<u128, Error> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    match bytes {
        None => Ok(0),
        Some(bytes) => bytes
            .try_into()
            .map(u128::from_be_bytes)
            .map_err(|_| corrupt("content_hash", format!("{} bytes", bytes.len()))),
    }
}

/// A number of a column that this program only fills with numbers of 32 bits.
fn small(row: &Row, column: usize, what: &'static str) -> Result<u32, Error> {
    let number: i64 = row.try_get(column)?;
    u32::try_from(number).map_err(|_| corrupt(what, number.to_string()))
}

/// Writes rows by a statement that takes who writes them, and a JSON list of lists.
async fn write_rows(
    connection: &mut Connection,
    sql: &'static str,
    by: u32,
    rows: &mut Vec<serde_json::Value>,
) -> Result<(), Error> {
    if !rows.is_empty() {
        let batch = serde_json::Value::Array(std::mem::take(rows)).to_string();
        sqlx::query(sql)
            .bind(i64::from(by))
            .bind(batch)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// How rows are written that say what others say.
struct Repetition {
    write: &'static str,
    read_back: &'static str,
    audited: &'static Audited,
}

/// Writes such rows, and reads back what that leaves.
async fn write_repeated(
    connection: &mut Connection,
    leaves: &mut Leaves,
    repetition: &Repetition,
    by: u32,
    repeated: &mut Vec<serde_json::Value>,
) -> Result<(), Error> {
    if repeated.is_empty() {
        return Ok(());
    }
    let list = serde_json::Value::from(repeated.clone()).to_string();
    write_rows(connection, repetition.write, by, repeated).await?;
    let Repetition {
        read_back, audited, ..
    } = repetition;
    engine::audit::read_back(connection, leaves.rows(), audited, read_back, list).await
}

/// Every statement of the service.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&[&str]] = &[
    snapshots::STATEMENTS,
    observations::STATEMENTS,
    items::STATEMENTS,
    blocks::STATEMENTS,
    lineage::STATEMENTS,
    writing::STATEMENTS,
    super::bulk::STATEMENTS,
];
