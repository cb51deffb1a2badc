//! Sending: receivers are held by one process each, tries are begun and ended in transactions of their own.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use nopic_domain::notice::Notice;
use nopic_sql::Error;
use nopic_sql::row::{json, small};

use super::super::engine::{self, Connection, moment, rows};
use super::Store;
use crate::store::{DeliveryStore, HeldReceiver, Pending, ReceiverAfter, Tried, row};

nopic_sql::statements! {
    /// A hold that ends later than any could was taken by a clock that has been set back since.
    const HOLD_RECEIVERS: &str = concat!(
        "UPDATE receiver SET holder = $2, held_until = $3 WHERE receiver_id IN (
            SELECT r.receiver_id FROM receiver r
            WHERE r.state = 'ACTIVE' AND r.removed_at IS NULL AND r.rests_until <= $1
                AND (r.held_until IS NULL OR r.held_until <= $1 OR r.held_until > $3)
                AND EXISTS (SELECT 1 FROM delivery d WHERE d.receiver_id = r.receiver_id AND d.state = 'WAITING'
                    AND d.next_attempt_at <= $1)
            ORDER BY r.rests_until, r.receiver_id LIMIT $4",
        engine::skip_locked!(),
        ") RETURNING receiver_id, tenant, name, channel, settings, secrets, ordered, per_minute, failing_since, failures"
    );
    const IS_HELD: &str = concat!(
        "SELECT receiver_id FROM receiver WHERE receiver_id = $1 AND holder = $2 AND held_until > $3
            AND state = 'ACTIVE' AND removed_at IS NULL",
        engine::for_update!()
    );
    const BEGIN_TRIES: &str = "UPDATE delivery SET attempts = attempts + 1 WHERE delivery_id IN (
            SELECT d.delivery_id FROM delivery d
            WHERE d.receiver_id = $1 AND d.state = 'WAITING' AND d.next_attempt_at <= $2
            ORDER BY d.next_attempt_at, d.delivery_id LIMIT $3)
        RETURNING delivery_id, message_id, subject, attempts, created_at, expires_at";
    /// The same where a message waits for those about its subject that were made before it.
    const BEGIN_TRIES_IN_ORDER: &str = "UPDATE delivery SET attempts = attempts + 1 WHERE delivery_id IN (
            SELECT d.delivery_id FROM delivery d
            WHERE d.receiver_id = $1 AND d.state = 'WAITING' AND d.next_attempt_at <= $2
                AND NOT EXISTS (SELECT 1 FROM delivery e WHERE e.receiver_id = $1 AND e.state = 'WAITING'
                    AND e.subject = d.subject AND e.delivery_id < d.delivery_id AND e.next_attempt_at > $2)
            ORDER BY d.next_attempt_at, d.delivery_id LIMIT $3)
        RETURNING delivery_id, message_id, subject, attempts, created_at, expires_at";
    const SELECT_CONTENTS: &str = concat!(
        "SELECT n.delivery_id, notice.notice_id, notice.content FROM ",
        rows!("$1"),
        engine::look_up!("delivery_notice", "n", "n.delivery_id = CAST(r.value ->> 0 AS BIGINT)"),
        " JOIN notice ON notice.notice_id = n.notice_id ORDER BY n.delivery_id, notice.notice_id"
    );
    /// Rows of delivery, state, next try and result. One that was sent again meanwhile is as it would have been.
    const END_TRIES: &str = concat!(
        "UPDATE delivery SET state = r.value ->> 1, next_attempt_at = ",
        moment!("r.value ->> 2"),
        ", last_result = r.value ->> 3, ended_at = CASE WHEN r.value ->> 1 = 'WAITING' THEN NULL ELSE ",
        moment!("r.value ->> 4"),
        " END FROM ",
        rows!("$1"),
        " WHERE delivery_id = CAST(r.value ->> 0 AS BIGINT) AND state = 'WAITING'"
    );
    const END_RECEIVER: &str = "UPDATE receiver SET
            state = CASE WHEN state = 'ACTIVE' THEN $3 ELSE state END,
            because = CASE WHEN state = 'ACTIVE' THEN $4 ELSE because END,
            failing_since = $5, failures = $6, rests_until = $7, held_until = $8,
            holder = CASE WHEN CAST($8 AS TIMESTAMPTZ) IS NULL THEN NULL ELSE holder END
        WHERE receiver_id = $1 AND holder = $2";
    const SELECT_OLDEST_DUE: &str = "SELECT MIN(d.next_attempt_at) FROM delivery d
        JOIN receiver r ON r.receiver_id = d.receiver_id
        WHERE d.state = 'WAITING' AND d.next_attempt_at <= $1 AND r.state = 'ACTIVE'";
}

type ReceiverRow = (
    i64,
    String,
    String,
    String,
    String,
    String,
    bool,
    i64,
    Option<DateTime<Utc>>,
    i64,
);

#[async_trait]
impl DeliveryStore for Store {
    async fn hold_receivers(
        &self,
        holder: &str,
        now: DateTime<Utc>,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<HeldReceiver>, Error> {
        let until = now + TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX);
        let mut transaction = self.database.write("hold_receivers").await?;
        let found: Vec<ReceiverRow> = sqlx::query_as(HOLD_RECEIVERS)
            .bind(now)
            .bind(holder)
            .bind(until)
            .bind(i64::from(limit))
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        found
            .into_iter()
            .map(
                |(
                    id,
                    tenant,
                    name,
                    channel,
                    settings,
                    secrets,
                    ordered,
                    per_minute,
                    failing_since,
                    failures,
                )| {
                    Ok(HeldReceiver {
                        id,
                        tenant,
                        name,
                        channel,
                        settings,
                        secrets: row::secrets(&secrets)?,
                        ordered,
                        per_minute: small("receiver.per_minute", per_minute)?,
                        failing_since,
                        failures: small("receiver.failures", failures)?,
                    })
                },
            )
            .collect()
    }

    async fn begin_tries(
        &self,
        receiver: &HeldReceiver,
        holder: &str,
        now: DateTime<Utc>,
        limit: u32,
    ) -> Result<Option<Vec<Pending>>, Error> {
        type Row = (i64, String, String, i64, DateTime<Utc>, DateTime<Utc>);
        let mut transaction = self.database.write("begin_tries").await?;
        if !is_held(&mut transaction, receiver, holder, now).await? {
            return Ok(None);
        }
        let statement = if receiver.ordered {
            BEGIN_TRIES_IN_ORDER
        } else {
            BEGIN_TRIES
        };
        let mut begun: Vec<Row> = sqlx::query_as(statement)
            .bind(receiver.id)
            .bind(now)
            .bind(i64::from(limit))
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        begun.sort_unstable_by_key(|row| row.0);
        // Nothing joins a message any more whose try has begun.
        let ids: Vec<[i64; 1]> = begun.iter().map(|row| [row.0]).collect();
        let contents: Vec<(i64, i64, String)> = sqlx::query_as(SELECT_CONTENTS)
            .bind(json(ids)?)
            .fetch_all(self.database.readers())
            .await?;
        let mut notices: HashMap<i64, Vec<(i64, Notice)>> = HashMap::new();
        for (delivery, id, content) in contents {
            notices
                .entry(delivery)
                .or_default()
                .push((id, row::notice(&content)?));
        }
        begun
            .into_iter()
            .map(|(id, message_id, subject, attempts, created_at, expires_at)| {
                Ok(Pending {
                    id,
                    message_id,
                    subject,
                    notices: notices.remove(&id).unwrap_or_default(),
                    attempts: small("delivery.attempts", attempts)?,
                    created_at,
                    expires_at,
                })
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    async fn end_tries(
        &self,
        receiver: &HeldReceiver,
        holder: &str,
        tried: &[Tried],
        after: &ReceiverAfter,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let ended_at = row::moment(now);
        let rows: Vec<_> = tried
            .iter()
            .map(|tried| {
                (
                    tried.delivery,
                    tried.state.as_str(),
                    row::moment(tried.next_attempt_at),
                    &tried.result,
                    &ended_at,
                )
            })
            .collect();
        let mut transaction = self.database.write("end_tries").await?;
        sqlx::query(END_TRIES)
            .bind(json(rows)?)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(END_RECEIVER)
            .bind(receiver.id)
            .bind(holder)
            .bind(after.state.as_str())
            .bind(&after.because)
            .bind(after.failing_since)
            .bind(i64::from(after.failures))
            .bind(after.rests_until)
            .bind(after.held_until)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn oldest_due(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Error> {
        Ok(sqlx::query_scalar(SELECT_OLDEST_DUE)
            .bind(now)
            .fetch_one(self.database.readers())
            .await?)
    }
}

async fn is_held(
    connection: &mut Connection,
    receiver: &HeldReceiver,
    holder: &str,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let held: Option<i64> = sqlx::query_scalar(IS_HELD)
        .bind(receiver.id)
        .bind(holder)
        .bind(now)
        .fetch_optional(connection)
        .await?;
    Ok(held.is_some())
}
