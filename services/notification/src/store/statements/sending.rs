//! Sending: receivers are held by one process each; what came of tries is kept with what it tells of the receiver.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use nopic_domain::notice::Notice;
use nopic_sql::Error;
use nopic_sql::row::{json, small};

use super::super::engine::{self, moment, rows};
use super::Store;
use super::messages::{hold_notices, tell};
use crate::store::{Begun, DeliveryStore, Ended, HeldReceiver, Pending, row};

/// Of an ordered receiver `r` a message `d` waits for those about its subject that were made, and due, before it and are
/// to be tried again. `$now` is the place of the moment. A digest is about no subject.
macro_rules! may_go {
    ($now:literal) => {
        concat!(
            "(NOT r.ordered OR d.digest IS NOT NULL OR NOT EXISTS (
                SELECT 1 FROM delivery e WHERE e.receiver_id = d.receiver_id AND e.state = 'WAITING'
                    AND e.subject = d.subject AND e.digest IS NULL AND e.delivery_id < d.delivery_id
                    AND e.due_at <= ",
            $now,
            " AND e.next_attempt_at > ",
            $now,
            "))"
        )
    };
}

macro_rules! due {
    () => {
        "SELECT d.delivery_id, d.message_id, d.subject, d.digest IS NOT NULL, d.closed, d.size, d.attempts, d.created_at,
            d.expires_at
        FROM receiver r JOIN delivery d ON d.receiver_id = r.receiver_id
        WHERE r.receiver_id = $1 AND d.state = 'WAITING' AND d.next_attempt_at <= $2"
    };
}

nopic_sql::statements! {
    /// `$5` to `$7`: a hold that ends, or a rest that lasts, beyond them is of a clock that has been set back since; a rest
    /// of one that does not fail is a short one (`$7`).
    const HOLD_RECEIVERS: &str = concat!(
        "UPDATE receiver SET holder = $2, held_until = $3 WHERE receiver_id IN (
            SELECT r.receiver_id FROM receiver r
            WHERE r.state = 'ACTIVE' AND r.removed_at IS NULL AND (r.rests_until <= $1 OR r.rests_until > $6
                    OR r.failures = 0 AND r.rests_until > $7)
                AND (r.held_until IS NULL OR r.held_until <= $1 OR r.held_until > $5)
                AND EXISTS (SELECT 1 FROM delivery d WHERE d.receiver_id = r.receiver_id AND d.state = 'WAITING'
                    AND d.next_attempt_at <= $1)
            ORDER BY r.rests_until, r.receiver_id LIMIT $4",
        engine::skip_locked!(),
        ") RETURNING receiver_id"
    );
    /// Rows of receivers.
    const RENEW_HOLDS: &str = concat!(
        "UPDATE receiver SET held_until = $3 WHERE holder = $2 AND receiver_id IN (
            SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
        rows!("$1"),
        ")"
    );
    const SELECT_HELD: &str = "SELECT receiver_id, tenant, name, channel, settings, secrets, ordered, per_minute,
            failing_since, failures, rests_until
        FROM receiver WHERE receiver_id = $1 AND holder = $2 AND held_until > $3 AND state = 'ACTIVE'
            AND removed_at IS NULL";
    const SELECT_DUE: &str = concat!(due!(), " ORDER BY d.next_attempt_at, d.delivery_id LIMIT $3");
    const SELECT_DUE_IN_ORDER: &str =
        concat!(due!(), " AND ", may_go!("$2"), " ORDER BY d.delivery_id LIMIT $3");
    const CLOSE: &str = concat!(
        "UPDATE delivery SET closed = TRUE WHERE ",
        engine::one_of!("delivery_id", "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ", rows!("$1"))
    );
    const SELECT_CONTENTS: &str = concat!(
        "SELECT n.delivery_id, notice.content FROM ",
        rows!("$1"),
        engine::look_up!("delivery_notice", "n", "n.delivery_id = CAST(r.value ->> 0 AS BIGINT)"),
        engine::look_up!("notice", "notice", "notice.notice_id = n.notice_id"),
        " ORDER BY n.delivery_id, notice.notice_id"
    );
    /// The receiver first, as whoever removes it does. Where its rest is not the one (`$9`) that stood when the tries began,
    /// somebody wants it tried now, and they say nothing of it.
    const END_RECEIVER: &str = "UPDATE receiver SET
            state = CASE WHEN state = 'ACTIVE' AND rests_until = $9 THEN $3 ELSE state END,
            because = CASE WHEN state = 'ACTIVE' AND rests_until = $9 THEN $4 ELSE because END,
            failing_since = CASE WHEN rests_until = $9 THEN $5 ELSE failing_since END,
            failures = CASE WHEN rests_until = $9 THEN $6 ELSE failures END,
            rests_until = CASE WHEN rests_until = $9 THEN $7 ELSE rests_until END,
            held_until = CASE WHEN $8 THEN held_until ELSE NULL END, holder = CASE WHEN $8 THEN holder ELSE NULL END
        WHERE receiver_id = $1 AND holder = $2 RETURNING state = $3 AND because = $4 AND rests_until = $7";
    /// Rows of delivery, state, next try and result. One that was sent again meanwhile is as it would have been.
    const END_TRIES: &str = concat!(
        "UPDATE delivery SET state = r.value ->> 1, attempts = attempts + 1, next_attempt_at = ",
        moment!("r.value ->> 2"),
        ", last_result = r.value ->> 3, ended_at = CASE WHEN r.value ->> 1 = 'WAITING' THEN NULL ELSE ",
        moment!("r.value ->> 4"),
        " END FROM ",
        rows!("$1"),
        " WHERE delivery_id = CAST(r.value ->> 0 AS BIGINT) AND state = 'WAITING'"
    );
    const GIVE_UP_GONE: &str = "UPDATE delivery SET state = 'DEAD', closed = TRUE, ended_at = $1,
            last_result = 'Given up: the receiver wants no notices any more.'
        WHERE state = 'WAITING' AND receiver_id IN
            (SELECT r.receiver_id FROM receiver r WHERE r.state = 'GONE' AND r.removed_at IS NULL)";
    const COUNT_BY_STATE: &str = "SELECT CASE WHEN state = 'ACTIVE' AND failures > 0 THEN 'FAILING'
            ELSE state END AS stands, COUNT(*) FROM receiver WHERE removed_at IS NULL GROUP BY 1";
    /// Of what waits for this deployment's own way to be mended: it has failed, and its receiver has not.
    const SELECT_OLDEST_OF_OURS: &str = "SELECT MIN((SELECT MIN(d.due_at) FROM delivery d
            WHERE d.receiver_id = r.receiver_id AND d.state = 'WAITING' AND d.due_at <= $1))
        FROM receiver r WHERE r.state = 'ACTIVE' AND r.removed_at IS NULL AND r.failures > 0 AND r.failing_since IS NULL";
    /// Of those that could be sent now.
    const SELECT_OLDEST_DUE: &str = concat!(
        "SELECT MIN((SELECT d.next_attempt_at FROM delivery d
            WHERE d.receiver_id = r.receiver_id AND d.state = 'WAITING' AND d.next_attempt_at <= $1 AND ",
        may_go!("$1"),
        " ORDER BY d.next_attempt_at LIMIT 1))
        FROM receiver r WHERE r.state = 'ACTIVE' AND r.removed_at IS NULL AND r.rests_until <= $1"
    );
}

/// A minute's messages come in so many batches at least, so that with the pauses between them no minute has more.
const BATCHES_OF_A_MINUTE: u32 = 11;
/// No receiver is to rest for longer: it may ask for a day.
const LONGEST_REST: Duration = Duration::from_secs(25 * 3600);
/// None that takes messages rests longer before the next: where it may have some in a minute, the time of a batch.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// Notices of one batch at most, unless the first message alone has more.
const NOTICES_OF_A_BATCH: u64 = 256;

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
    DateTime<Utc>,
);

fn held(
    (
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
        rests_until,
    ): ReceiverRow,
) -> Result<HeldReceiver, Error> {
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
        rests_until,
    })
}

/// A message that is due: number, identifier, subject, whether it is a digest, whether it is closed, notices, tries,
/// when it was made, and how long it is tried.
type DueRow = (
    i64,
    String,
    String,
    bool,
    bool,
    i64,
    i64,
    DateTime<Utc>,
    DateTime<Utc>,
);

fn until(now: DateTime<Utc>, lease: Duration) -> DateTime<Utc> {
    now + TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX)
}

#[async_trait]
impl DeliveryStore for Store {
    async fn hold_receivers(
        &self,
        holder: &str,
        now: DateTime<Utc>,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<i64>, Error> {
        let mut transaction = self.database.write("hold_receivers").await?;
        let held = sqlx::query_scalar(HOLD_RECEIVERS)
            .bind(now)
            .bind(holder)
            .bind(until(now, lease))
            .bind(i64::from(limit))
            // Clocks of two processes differ by less than a lease.
            .bind(until(now, lease * 2))
            .bind(until(now, LONGEST_REST))
            .bind(until(now, LONGEST_PAUSE))
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(held)
    }

    async fn renew_holds(
        &self,
        receivers: &[i64],
        holder: &str,
        now: DateTime<Utc>,
        lease: Duration,
    ) -> Result<(), Error> {
        let receivers: Vec<[i64; 1]> = receivers.iter().map(|receiver| [*receiver]).collect();
        let mut transaction = self.database.write("renew_holds").await?;
        sqlx::query(RENEW_HOLDS)
            .bind(json(receivers)?)
            .bind(holder)
            .bind(until(now, lease))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn begin_tries(
        &self,
        receiver: i64,
        holder: &str,
        now: DateTime<Utc>,
        limit: u32,
    ) -> Result<Option<Begun>, Error> {
        let row: Option<ReceiverRow> = sqlx::query_as(SELECT_HELD)
            .bind(receiver)
            .bind(holder)
            .bind(now)
            .fetch_optional(self.database.readers())
            .await?;
        let Some(receiver) = row.map(held).transpose()? else {
            return Ok(None);
        };
        let limit = match receiver.per_minute {
            0 => limit,
            a_minute => limit.min((a_minute / BATCHES_OF_A_MINUTE).max(1)),
        };
        let mut due: Vec<DueRow> = sqlx::query_as(if receiver.ordered {
            SELECT_DUE_IN_ORDER
        } else {
            SELECT_DUE
        })
        .bind(receiver.id)
        .bind(now)
        .bind(i64::from(limit))
        .fetch_all(self.database.readers())
        .await?;
        let found = due.len();
        due.truncate(fitting(&due)?);
        let is_all = due.len() == found && found < usize::try_from(limit).unwrap_or(usize::MAX);
        self.close(&due).await?;
        let mut contents = self.contents(&due).await?;
        let pending = due
            .into_iter()
            .map(
                |(id, message_id, subject, is_digest, _, _, attempts, created_at, expires_at)| {
                    Ok(Pending {
                        id,
                        message_id,
                        subject,
                        is_digest,
                        notices: contents.remove(&id).unwrap_or_else(|| Ok(Vec::new())),
                        attempts: small("delivery.attempts", attempts)?.saturating_add(1),
                        created_at,
                        expires_at,
                    })
                },
            )
            .collect::<Result<_, Error>>()?;
        Ok(Some(Begun {
            receiver,
            pending,
            is_all,
        }))
    }

    async fn end_tries(
        &self,
        receiver: i64,
        holder: &str,
        ended: &Ended,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let ended_at = row::moment(now);
        let rows: Vec<_> = ended
            .tried
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
        let after = &ended.after;
        let mut transaction = self.database.write("end_tries").await?;
        if !ended.told.is_empty() {
            hold_notices(&mut transaction).await?;
        }
        let came_so: Option<bool> = sqlx::query_scalar(END_RECEIVER)
            .bind(receiver)
            .bind(holder)
            .bind(after.state.as_str())
            .bind(&after.because)
            .bind(after.failing_since)
            .bind(i64::from(after.failures))
            .bind(after.rests_until)
            .bind(after.is_kept)
            .bind(ended.rested_until)
            .fetch_optional(&mut *transaction)
            .await?;
        sqlx::query(END_TRIES)
            .bind(json(rows)?)
            .execute(&mut *transaction)
            .await?;
        // Not where somebody else holds it by now, or its owner has paused or resumed it.
        if came_so.unwrap_or_default() {
            tell(&mut transaction, &ended.told, now).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn give_up_gone(&self, now: DateTime<Utc>) -> Result<u64, Error> {
        let mut transaction = self.database.write("give_up_gone").await?;
        let given_up = sqlx::query(GIVE_UP_GONE)
            .bind(now)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        transaction.commit().await?;
        Ok(given_up)
    }

    async fn oldest_due(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Error> {
        let mut oldest: Option<DateTime<Utc>> = None;
        for statement in [SELECT_OLDEST_DUE, SELECT_OLDEST_OF_OURS] {
            let due: Option<DateTime<Utc>> = sqlx::query_scalar(statement)
                .bind(now)
                .fetch_one(self.database.readers())
                .await?;
            oldest = oldest.into_iter().chain(due).min();
        }
        Ok(oldest)
    }

    async fn receiver_counts(&self) -> Result<Vec<(&'static str, u64)>, Error> {
        let counts: Vec<(String, i64)> = sqlx::query_as(COUNT_BY_STATE)
            .fetch_all(self.database.readers())
            .await?;
        counts
            .into_iter()
            .map(|(state, count)| {
                let known = ["ACTIVE", "FAILING", "PAUSED", "GONE"];
                let state = known
                    .into_iter()
                    .find(|known| *known == state)
                    .ok_or_else(|| Error::corrupt("receiver.state", &state))?;
                Ok((state, row::count("COUNT(receiver)", count)?))
            })
            .collect()
    }
}

/// How many of these make a batch.
fn fitting(due: &[DueRow]) -> Result<usize, Error> {
    let mut notices = 0;
    for (place, row) in due.iter().enumerate() {
        notices += row::count("delivery.size", row.5)?;
        if notices > NOTICES_OF_A_BATCH {
            return Ok(place.max(1));
        }
    }
    Ok(due.len())
}

impl Store {
    /// Nothing joins these any more.
    async fn close(&self, due: &[DueRow]) -> Result<(), Error> {
        let mut open: Vec<[i64; 1]> = due.iter().filter(|row| !row.4).map(|row| [row.0]).collect();
        if open.is_empty() {
            return Ok(());
        }
        open.sort_unstable();
        let mut transaction = self.database.write("close_digests").await?;
        sqlx::query(CLOSE)
            .bind(json(open)?)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The notices of messages; of one that cannot be read, why.
    async fn contents(&self, due: &[DueRow]) -> Result<HashMap<i64, Result<Vec<Notice>, String>>, Error> {
        let ids: Vec<[i64; 1]> = due.iter().map(|row| [row.0]).collect();
        let found: Vec<(i64, String)> = sqlx::query_as(SELECT_CONTENTS)
            .bind(json(ids)?)
            .fetch_all(self.database.readers())
            .await?;
        let mut contents: HashMap<i64, Result<Vec<Notice>, String>> = HashMap::new();
        for (delivery, content) in found {
            let notices = contents.entry(delivery).or_insert_with(|| Ok(Vec::new()));
            match row::notice(&content) {
                Ok(notice) => {
                    if let Ok(notices) = notices {
                        notices.push(notice);
                    }
                }
                Err(error) => *notices = Err(error.to_string()),
            }
        }
        Ok(contents)
    }
}
