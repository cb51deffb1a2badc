//! The audit log of one service in its database: what seals it and what reads it in order.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use sqlx::Row as _;

use super::engine::{self, Connection, Database, HIGHEST_AUDIT_ID, IDS_HAVE_NO_GAPS, SELECT_UNSEALED, rows};
use super::lease;
use super::rows::LastSaid;
use crate::audit::{
    AuditLog, Audited, Batch, Checker, HASH_BYTES, Numbered, Record, Seal, record_hash, seal_hash,
};
use crate::{Connections, Error, Schema, TransactionCount};

/// Name of the lease.
const LEASE: &str = "audit sealer";
/// How long a sealer that does not come back keeps others waiting.
const LEASE_TIME: TimeDelta = TimeDelta::seconds(10);
/// Seals and records that are read at once.
const SEALS_PER_PAGE: i64 = 64;
const RECORDS_PER_PAGE: i64 = 100;

crate::statements! {
    const IS_WAITING: &str = "SELECT EXISTS \
        (SELECT 1 FROM audit_record WHERE sequence IS NULL)";
    const COUNT_UNSEALED: &str = "SELECT COUNT(*) FROM audit_record WHERE sequence IS NULL";
    const NUMBER: &str = concat!(
        "UPDATE audit_record SET sequence = CAST(r.value ->> 1 AS BIGINT) FROM ",
        rows!("$1"),
        " WHERE audit_id = CAST(r.value ->> 0 AS BIGINT) AND sequence IS NULL"
    );
    const INSERT_SEAL: &str = "INSERT INTO audit_seal (seal, first_sequence, last_sequence, \
        record_count, record_hashes, previous_hash, seal_hash, sealed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    const SELECT_LAST_SEAL: &str = "SELECT seal, first_sequence, last_sequence, record_count, \
        previous_hash, seal_hash, sealed_at FROM audit_seal ORDER BY seal DESC LIMIT 1";
    const SELECT_SEALS: &str = "SELECT seal, first_sequence, last_sequence, record_count, \
        record_hashes, previous_hash, seal_hash, sealed_at FROM audit_seal WHERE seal > $1 ORDER BY seal LIMIT $2";
    const SELECT_RECORDS: &str = "SELECT sequence, audit_id, recorded_at, tenant, actor, action, \
        subject, reason, detail, role, row_hashes FROM audit_record \
        WHERE sequence >= $1 AND (sequence > $1 OR audit_id > $2) \
        ORDER BY sequence, audit_id LIMIT $3";
    const SELECT_WAITING: &str = "SELECT audit_id, action, row_hashes FROM audit_record \
        WHERE sequence IS NULL AND row_hashes IS NOT NULL AND audit_id > $1 ORDER BY audit_id LIMIT $2";
    const SELECT_SEAL_HASH: &str = "SELECT seal_hash FROM audit_seal WHERE seal = $1";
}

type Row = <engine::Engine as sqlx::Database>::Row;
type LastSealRow = (i64, i64, i64, i64, Vec<u8>, Vec<u8>, DateTime<Utc>);
type SealRow = (i64, i64, i64, i64, Vec<u8>, Vec<u8>, Vec<u8>, DateTime<Utc>);

/// The record whose columns begin there.
fn record(row: &Row, first: usize) -> Result<Record, Error> {
    Ok(Record {
        audit_id: row.try_get(first)?,
        recorded_at: row.try_get(first + 1)?,
        tenant: row.try_get(first + 2)?,
        actor: row.try_get(first + 3)?,
        action: row.try_get(first + 4)?,
        subject: row.try_get(first + 5)?,
        reason: row.try_get(first + 6)?,
        detail: row.try_get(first + 7)?,
        role: row.try_get(first + 8)?,
        row_hashes: row.try_get(first + 9)?,
    })
}

/// The log in a service's database.
#[derive(Debug)]
struct Log {
    database: Database,
    service: &'static str,
    audited: &'static [&'static Audited],
}

impl Database {
    /// The audit log of the service whose schema this is.
    #[must_use]
    pub fn audit_log(&self, schema: &Schema) -> Arc<dyn AuditLog> {
        Arc::new(Log {
            database: self.clone(),
            service: schema.name,
            audited: schema.audited,
        })
    }
}

#[async_trait::async_trait]
impl AuditLog for Log {
    fn service(&self) -> &'static str {
        self.service
    }

    fn transactions(&self) -> Vec<TransactionCount> {
        self.database.transactions()
    }

    fn connections(&self) -> Connections {
        let pool = self.database.readers();
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        Connections {
            most: pool.options().get_max_connections(),
            busy: pool.size().saturating_sub(idle),
            idle,
        }
    }

    async fn seal_batch(&self, holder: &str, now: DateTime<Utc>, at_most: u32) -> Result<Batch, Error> {
        let is_waiting: bool = sqlx::query_scalar(IS_WAITING)
            .fetch_one(self.database.readers())
            .await?;
        if !is_waiting {
            return Ok(Batch::NothingToDo);
        }
        let mut transaction = self.database.write("seal_audit_log").await?;
        // The row of the lease is held until the end, so that two sealers exclude each other whatever their clocks say.
        if !lease::take(&mut transaction, LEASE, holder, now, LEASE_TIME).await? {
            return Ok(Batch::HeldByAnother);
        }
        let sealed = seal(&mut transaction, self.service, now, at_most).await?;
        transaction.commit().await?;
        Ok(match sealed {
            0 => Batch::NothingToDo,
            sealed => Batch::Sealed(sealed),
        })
    }

    async fn release(&self, holder: &str) -> Result<(), Error> {
        let mut transaction = self.database.write("release_audit_lease").await?;
        lease::release(&mut transaction, LEASE, holder).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn last_seal(&self) -> Result<Option<Seal>, Error> {
        let mut connection = self.database.readers().acquire().await?;
        last_seal(&mut connection).await
    }

    async fn unsealed(&self) -> Result<u64, Error> {
        let count: i64 = sqlx::query_scalar(COUNT_UNSEALED)
            .fetch_one(self.database.readers())
            .await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    async fn walk(&self, checker: &mut Checker) -> Result<(), Error> {
        if IDS_HAVE_NO_GAPS {
            checker.ids_have_no_gaps();
        }
        let mut transaction = self.database.read_with_notes().await?;
        let mut said = LastSaid::new(&mut transaction).await?;
        let mut records = Records::default();
        let mut last = i64::MIN;
        loop {
            let seals: Vec<SealRow> = sqlx::query_as(SELECT_SEALS)
                .bind(last)
                .bind(SEALS_PER_PAGE)
                .fetch_all(&mut *transaction)
                .await?;
            if seals.is_empty() {
                break;
            }
            for (number, first, to, count, record_hashes, previous_hash, hash, sealed_at) in seals {
                last = number;
                checker.seal(Seal {
                    number,
                    first,
                    last: to,
                    count,
                    record_hashes,
                    previous_hash,
                    hash,
                    sealed_at,
                });
                let Some(reaches) = checker.reaches() else {
                    continue;
                };
                while let Some(numbered) = records.next_until(&mut transaction, reaches).await? {
                    take_note(&mut said, &mut transaction, &numbered).await?;
                    checker.record(numbered);
                }
            }
        }
        while let Some(numbered) = records.next_until(&mut transaction, i64::MAX).await? {
            take_note(&mut said, &mut transaction, &numbered).await?;
            checker.record_without_seal(numbered.sequence);
        }
        let unsealed: i64 = sqlx::query_scalar(COUNT_UNSEALED)
            .fetch_one(&mut *transaction)
            .await?;
        let highest_id: i64 = sqlx::query_scalar(HIGHEST_AUDIT_ID)
            .fetch_one(&mut *transaction)
            .await?;
        checker.rest(u64::try_from(unsealed).unwrap_or_default(), highest_id);
        while let Some(head) = checker.next_head() {
            let hash: Option<Vec<u8>> = sqlx::query_scalar(SELECT_SEAL_HASH)
                .bind(head.seal)
                .fetch_optional(&mut *transaction)
                .await?;
            checker.head(head, hash.as_deref());
        }
        let mut last = i64::MIN;
        loop {
            let waiting: Vec<(i64, String, Vec<u8>)> = sqlx::query_as(SELECT_WAITING)
                .bind(last)
                .bind(RECORDS_PER_PAGE)
                .fetch_all(&mut *transaction)
                .await?;
            let Some((id, _, _)) = waiting.last() else { break };
            last = *id;
            for (id, action, rows) in &waiting {
                said.note(&mut transaction, *id, None, action, rows).await?;
            }
        }
        said.compare(&mut transaction, self.audited, checker).await?;
        Ok(())
    }
}

async fn take_note(
    said: &mut LastSaid,
    connection: &mut Connection,
    Numbered { sequence, record }: &Numbered,
) -> Result<(), Error> {
    match &record.row_hashes {
        Some(rows) => {
            said.note(connection, record.audit_id, Some(*sequence), &record.action, rows)
                .await
        }
        None => Ok(()),
    }
}

async fn last_seal(connection: &mut Connection) -> Result<Option<Seal>, Error> {
    let row: Option<LastSealRow> = sqlx::query_as(SELECT_LAST_SEAL)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(
        |(number, first, last, count, previous_hash, hash, sealed_at)| Seal {
            number,
            first,
            last,
            count,
            record_hashes: Vec::new(),
            previous_hash,
            hash,
            sealed_at,
        },
    ))
}

/// Numbers and seals what waits, in the transaction that holds the lease; how many records.
async fn seal(
    connection: &mut Connection,
    service: &str,
    now: DateTime<Utc>,
    at_most: u32,
) -> Result<u32, Error> {
    let waiting = sqlx::query(SELECT_UNSEALED)
        .bind(i64::from(at_most))
        .fetch_all(&mut *connection)
        .await?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let before = last_seal(connection).await?;
    let (number, last, previous_hash) = match before {
        None => (0, 0, Seal::BEFORE_THE_FIRST.to_vec()),
        Some(seal) => (seal.number, seal.last, seal.hash),
    };
    let mut hashes = Vec::with_capacity(waiting.len() * HASH_BYTES);
    let mut numbers = Vec::with_capacity(waiting.len());
    let mut sequence = last;
    for row in &waiting {
        let record = record(row, 0)?;
        sequence += 1;
        numbers.push([record.audit_id, sequence]);
        hashes.extend_from_slice(&record_hash(&record));
    }
    let count = sequence - last;
    let numbers =
        serde_json::to_string(&numbers).map_err(|error| Error::corrupt("audit_record.audit_id", error))?;
    let numbered = sqlx::query(NUMBER)
        .bind(numbers)
        .execute(&mut *connection)
        .await?;
    if i64::try_from(numbered.rows_affected()) != Ok(count) {
        return Err(Error::corrupt(
            "audit_record.sequence",
            format!(
                "{} of {count} records could be numbered",
                numbered.rows_affected()
            ),
        ));
    }
    let mut seal = Seal {
        number: number + 1,
        first: last + 1,
        last: sequence,
        count,
        record_hashes: hashes,
        previous_hash,
        hash: Vec::new(),
        sealed_at: now,
    };
    seal.hash = seal_hash(service, &seal).to_vec();
    sqlx::query(INSERT_SEAL)
        .bind(seal.number)
        .bind(seal.first)
        .bind(seal.last)
        .bind(seal.count)
        .bind(seal.record_hashes)
        .bind(seal.previous_hash)
        .bind(seal.hash)
        .bind(seal.sealed_at)
        .execute(connection)
        .await?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Numbered records in order, a page at a time.
struct Records {
    after: (i64, i64),
    page: std::vec::IntoIter<Numbered>,
    next: Option<Numbered>,
    is_at_end: bool,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            after: (i64::MIN, i64::MIN),
            page: Vec::new().into_iter(),
            next: None,
            is_at_end: false,
        }
    }
}

impl Records {
    /// The next record up to that number.
    async fn next_until(
        &mut self,
        connection: &mut Connection,
        last: i64,
    ) -> Result<Option<Numbered>, Error> {
        if self.next.is_none() {
            self.next = self.page.next();
        }
        if self.next.is_none() && !self.is_at_end {
            let page = sqlx::query(SELECT_RECORDS)
                .bind(self.after.0)
                .bind(self.after.1)
                .bind(RECORDS_PER_PAGE)
                .fetch_all(connection)
                .await?;
            self.is_at_end = page.is_empty();
            let page = page
                .iter()
                .map(|row| {
                    Ok(Numbered {
                        sequence: row.try_get(0)?,
                        record: record(row, 1)?,
                    })
                })
                .collect::<Result<Vec<_>, Error>>()?;
            if let Some(last) = page.last() {
                self.after = (last.sequence, last.record.audit_id);
            }
            self.page = page.into_iter();
            self.next = self.page.next();
        }
        Ok(self.next.take_if(|next| next.sequence <= last))
    }
}
