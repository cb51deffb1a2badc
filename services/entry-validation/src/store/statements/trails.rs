//! What was recorded for the trails of entries.

use chrono::{DateTime, Utc};
use nopic_domain::trail::{Claim, Item};
use nopic_sql::Error;
use nopic_sql::audit::Rows;

use super::Store;
use super::engine::{Connection, audit, for_update, outbox, requests};
use crate::store::audited::TRAIL_RECORD;
use crate::store::{NewTrail, StoredTrailRecord, TrailAnswer, TrailStore, codec, events};

nopic_sql::statements! {
    const SELECT_ENTRY: &str = concat!(
        "SELECT entry_id FROM entry
        WHERE tenant = $1 AND entry_number = $2 AND version >= 1",
        for_update!()
    );
    const COUNT: &str = "SELECT COUNT(*) FROM trail_record WHERE entry_id = $1";
    /// When a record of the trail and a version of the entry were recorded last.
    const SELECT_LAST: &str = "SELECT
            (SELECT MAX(recorded_at) FROM trail_record WHERE entry_id = $1),
            (SELECT MAX(recorded_at) FROM entry_version WHERE entry_id = $1)";
    /// The record, and the one that withdrew it.
    const SELECT_TARGET: &str = "SELECT w.record_id
        FROM trail_record t LEFT JOIN trail_record w ON w.withdraws = t.record_id
        WHERE t.entry_id = $1 AND t.record_id = $2 AND t.kind <> 'WITHDRAWAL'";
    const INSERT_RECORD: &str =
        "INSERT INTO trail_record (entry_id, kind, withdraws, content, actor, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6) RETURNING record_id";
    const SELECT_RECORDS: &str = "SELECT t.record_id, t.content, t.actor, t.recorded_at
        FROM trail_record t JOIN entry e ON e.entry_id = t.entry_id
        WHERE e.tenant = $1 AND e.entry_number = $2 AND (CAST($3 AS TIMESTAMPTZ) IS NULL OR t.recorded_at <= $3)
        ORDER BY t.record_id";
}

#[tonic::async_trait]
impl TrailStore for Store {
    async fn record_trail(&self, new: NewTrail<'_>) -> Result<TrailAnswer, Error> {
        let mut transaction = self.database.write("record_trail").await?;
        let known = requests::begin(&mut transaction, new.tenant, new.request_id, &new.request_hash).await?;
        if let Some(answer) = known {
            return codec::read_record_ids(&answer).map(TrailAnswer::Recorded);
        }
        let entry_id: Option<i64> = sqlx::query_scalar(SELECT_ENTRY)
            .bind(new.tenant)
            .bind(new.entry_number)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(entry_id) = entry_id else {
            return Ok(TrailAnswer::NoEntry);
        };
        let count: i64 = sqlx::query_scalar(COUNT)
            .bind(entry_id)
            .fetch_one(&mut *transaction)
            .await?;
        let added = i64::try_from(new.items.len()).unwrap_or(i64::MAX);
        if count.saturating_add(added) > i64::from(new.most) {
            return Ok(TrailAnswer::Full);
        }
        // A clock that was set back does not put a record before one that it withdraws, or before its entry.
        let (last, version): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) = sqlx::query_as(SELECT_LAST)
            .bind(entry_id)
            .fetch_one(&mut *transaction)
            .await?;
        let at = last.max(version).map_or(new.now, |last| last.max(new.now));
        let mut record_ids = Vec::with_capacity(new.items.len());
        for item in &new.items {
            let (kind, withdraws) = kind(item);
            if let Some(record_id) = withdraws {
                match target(&mut transaction, entry_id, record_id).await? {
                    Target::Stands => {}
                    Target::Withdrawn => return Ok(TrailAnswer::WithdrawnBefore(record_id)),
                    Target::Absent => return Ok(TrailAnswer::NoRecord(record_id)),
                }
            }
            let content = codec::write_item(item);
            let record_id: i64 = sqlx::query_scalar(INSERT_RECORD)
                .bind(entry_id)
                .bind(kind)
                .bind(withdraws.map(u64::cast_signed))
                .bind(&content)
                .bind(new.actor)
                .bind(at)
                .fetch_one(&mut *transaction)
                .await?;
            record_ids.push(record_id.unsigned_abs());
            let mut left = Rows::new();
            left.row(&TRAIL_RECORD)
                .number(record_id)
                .number(entry_id)
                .text(kind)
                .number(withdraws.map(u64::cast_signed))
                .bytes(content.as_slice())
                .text(new.actor)
                .moment(at)
                .end();
            note(&mut transaction, &new, at, record_id, item, &left).await?;
        }
        requests::answer(
            &mut transaction,
            new.tenant,
            new.request_id,
            &new.request_hash,
            &codec::write_record_ids(&record_ids),
            at,
        )
        .await?;
        transaction.commit().await?;
        Ok(TrailAnswer::Recorded(record_ids))
    }

    async fn trail_records(
        &self,
        tenant: &str,
        entry_number: &str,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<Vec<StoredTrailRecord>, Error> {
        let rows: Vec<(i64, Vec<u8>, String, DateTime<Utc>)> = sqlx::query_as(SELECT_RECORDS)
            .bind(tenant)
            .bind(entry_number)
            .bind(as_of)
            .fetch_all(self.database.readers())
            .await?;
        rows.into_iter()
            .map(|(record_id, content, actor, recorded_at)| {
                Ok(StoredTrailRecord {
                    record_id: record_id.unsigned_abs(),
                    item: codec::read_item(&content)?,
                    actor,
                    recorded_at,
                })
            })
            .collect()
    }
}

/// The word for it, and the record that it withdraws.
const fn kind(item: &Item) -> (&'static str, Option<u64>) {
    match item {
        Item::Step(_) => ("STEP", None),
        Item::Document(_) => ("DOCUMENT", None),
        Item::Statement(_) => ("STATEMENT", None),
        Item::Withdrawal(withdrawal) => ("WITHDRAWAL", Some(withdrawal.record_id)),
    }
}

/// How a record stands that is to be withdrawn.
enum Target {
    Stands,
    Withdrawn,
    Absent,
}

async fn target(connection: &mut Connection, entry_id: i64, record_id: u64) -> Result<Target, Error> {
    let Ok(record_id) = i64::try_from(record_id) else {
        return Ok(Target::Absent);
    };
    let found: Option<Option<i64>> = sqlx::query_scalar(SELECT_TARGET)
        .bind(entry_id)
        .bind(record_id)
        .fetch_optional(connection)
        .await?;
    Ok(match found {
        Some(None) => Target::Stands,
        Some(Some(_)) => Target::Withdrawn,
        None => Target::Absent,
    })
}

/// Notes who recorded what. A notice is told to others: a certifier must hear of it.
async fn note(
    connection: &mut Connection,
    new: &NewTrail<'_>,
    at: DateTime<Utc>,
    record_id: i64,
    item: &Item,
    left: &Rows,
) -> Result<(), Error> {
    let json = serde_json::json!({ "entry": new.entry_number, "record": record_id });
    let mut detail = json.clone();
    let (action, reason) = match item {
        Item::Step(step) => {
            detail["role"] = step.role.as_str().into();
            detail["party"] = step.party.name.as_str().into();
            ("TRAIL_STEP_RECORDED", "")
        }
        Item::Document(document) => {
            detail["kind"] = document.kind.as_str().into();
            detail["reference"] = document.reference.as_str().into();
            ("TRAIL_DOCUMENT_RECORDED", "")
        }
        Item::Statement(statement) => {
            detail["kind"] = statement.claim.as_str().into();
            detail["statedBy"] = statement.stated_by.as_str().into();
            if matches!(statement.claim, Claim::EmergencyActionNotice { .. }) {
                let told = events::emergency_action_notice(new.tenant, new.entry_number, record_id);
                outbox::put(connection, at, [told]).await?;
            }
            ("TRAIL_STATEMENT_RECORDED", "")
        }
        Item::Withdrawal(withdrawal) => {
            detail["withdraws"] = withdrawal.record_id.into();
            ("TRAIL_RECORD_WITHDRAWN", withdrawal.reason.as_str())
        }
    };
    audit::record_rows(
        connection,
        &audit::Change {
            at,
            tenant: new.tenant,
            actor: new.actor,
            action,
            subject: new.entry_number,
            reason,
            detail: &detail.to_string(),
        },
        new.role,
        left,
    )
    .await
}
