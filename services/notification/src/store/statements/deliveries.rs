//! Messages as they are shown, and sent again.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nopic_sql::Error;
use nopic_sql::audit::Rows;
use nopic_sql::row::{json, small};
use serde_json::json as value;

use super::super::engine::{self, Connection, rows};
use super::{Store, end, kept};
use crate::error::Error as Refusal;
use crate::store::row::delivery_state;
use crate::store::{
    Act, DeliveryFilter, DeliveryList, DeliveryState, ReceiverState, StoredDelivery, TRIED_FOR,
};

macro_rules! columns {
    () => {
        "SELECT d.delivery_id, r.name, d.state, d.message_id, d.attempts, d.next_attempt_at, d.last_result,
            d.created_at, d.ended_at FROM delivery d JOIN receiver r ON r.receiver_id = d.receiver_id WHERE "
    };
}

nopic_sql::statements! {
    /// `$3`: the receiver, `$4`: the state; empty for any.
    const SELECT_DELIVERIES: &str = concat!(
        columns!(),
        "d.tenant = $1 AND d.delivery_id < $2 AND ($3 = '' OR r.name = $3) AND ($4 = '' OR d.state = $4)
        ORDER BY d.delivery_id DESC LIMIT $5"
    );
    /// The same where the index of dead ones serves.
    const SELECT_DEAD: &str = concat!(
        columns!(),
        "d.tenant = $1 AND d.delivery_id < $2 AND ($3 = '' OR r.name = $3) AND d.state = 'DEAD' AND $4 = 'DEAD'
        ORDER BY d.delivery_id DESC LIMIT $5"
    );
    const SELECT_DELIVERIES_OF_NOTICE: &str = concat!(
        columns!(),
        "d.tenant = $1 AND d.delivery_id IN (SELECT n.delivery_id FROM delivery_notice n WHERE n.notice_id = $2)
        ORDER BY d.delivery_id"
    );
    const SELECT_DELIVERY: &str = concat!(columns!(), "d.tenant = $1 AND d.delivery_id = $2");
    const SELECT_NOTICES_OF: &str = concat!(
        "SELECT delivery_id, notice_id FROM delivery_notice WHERE ",
        engine::one_of!("delivery_id", "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ", rows!("$1")),
        " ORDER BY delivery_id, notice_id"
    );
    /// One, whatever came of it, where something is sent to its receiver.
    const SEND_AGAIN: &str = "UPDATE delivery SET state = 'WAITING', attempts = 0, next_attempt_at = $3, expires_at = $4,
            ended_at = NULL
        WHERE tenant = $1 AND delivery_id = $2 AND receiver_id IN
            (SELECT receiver_id FROM receiver WHERE removed_at IS NULL AND state = 'ACTIVE')";
    const STATE_OF_RECEIVER: &str = "SELECT r.name, r.state FROM delivery d JOIN receiver r ON r.receiver_id = d.receiver_id
        WHERE d.tenant = $1 AND d.delivery_id = $2 AND r.removed_at IS NULL";
    const FIND_RECEIVER: &str =
        "SELECT name, state FROM receiver WHERE tenant = $1 AND name = $2 AND removed_at IS NULL";
    const WAKE_RECEIVERS: &str = "UPDATE receiver SET rests_until = $2 WHERE tenant = $1 AND rests_until > $2
        AND EXISTS (SELECT 1 FROM delivery d WHERE d.receiver_id = receiver.receiver_id AND d.state = 'WAITING'
            AND d.next_attempt_at = $2)";
    /// All that are dead, to the receiver `$2`, or where that is empty to any that something is sent to.
    const SEND_DEAD_AGAIN: &str = "UPDATE delivery SET state = 'WAITING', attempts = 0, next_attempt_at = $3, expires_at = $4,
            ended_at = NULL
        WHERE tenant = $1 AND state = 'DEAD' AND receiver_id IN
            (SELECT receiver_id FROM receiver WHERE tenant = $1 AND removed_at IS NULL AND state = 'ACTIVE' AND ($2 = '' OR name = $2))";
}

type Row = (
    i64,
    String,
    String,
    String,
    i64,
    DateTime<Utc>,
    String,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
);

async fn stored(connection: &mut Connection, found: Vec<Row>) -> Result<Vec<StoredDelivery>, Error> {
    let ids: Vec<[i64; 1]> = found.iter().map(|row| [row.0]).collect();
    let notices: Vec<(i64, i64)> = sqlx::query_as(SELECT_NOTICES_OF)
        .bind(json(ids)?)
        .fetch_all(connection)
        .await?;
    found
        .into_iter()
        .map(
            |(id, receiver, state, message_id, attempts, next, last_result, created_at, ended_at)| {
                let state = delivery_state(&state)?;
                Ok(StoredDelivery {
                    id,
                    receiver,
                    state,
                    message_id,
                    notices: notices
                        .iter()
                        .filter(|(delivery, _)| *delivery == id)
                        .map(|(_, notice)| *notice)
                        .collect(),
                    attempts: small("delivery.attempts", attempts)?,
                    next_attempt_at: (state == DeliveryState::Waiting).then_some(next),
                    last_result,
                    created_at,
                    ended_at,
                })
            },
        )
        .collect()
}

pub(super) async fn deliveries_of_notice(
    connection: &mut Connection,
    tenant: &str,
    notice: i64,
) -> Result<Vec<StoredDelivery>, Error> {
    let found: Vec<Row> = sqlx::query_as(SELECT_DELIVERIES_OF_NOTICE)
        .bind(tenant)
        .bind(notice)
        .fetch_all(&mut *connection)
        .await?;
    stored(connection, found).await
}

pub(super) async fn delivery(
    connection: &mut Connection,
    tenant: &str,
    id: i64,
) -> Result<Option<StoredDelivery>, Error> {
    let found: Vec<Row> = sqlx::query_as(SELECT_DELIVERY)
        .bind(tenant)
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
    Ok(stored(connection, found).await?.pop())
}

/// Nothing is sent again to a receiver (name and state) to which nothing is sent.
fn require_active(receiver: Option<(String, String)>) -> Result<Option<()>, Refusal> {
    match receiver {
        Some((name, state)) if state != ReceiverState::Active.as_str() => Err(Refusal::NotNow(format!(
            "the receiver {name:?} is {state}: resume it first"
        ))),
        is => Ok(is.map(|_| ())),
    }
}

#[async_trait]
impl DeliveryList for Store {
    async fn deliveries(
        &self,
        tenant: &str,
        filter: &DeliveryFilter,
        before: i64,
        limit: u32,
    ) -> Result<Vec<StoredDelivery>, Error> {
        let mut connection = self.database.readers().acquire().await?;
        let statement = match filter.state {
            Some(DeliveryState::Dead) => SELECT_DEAD,
            _ => SELECT_DELIVERIES,
        };
        let found: Vec<Row> = sqlx::query_as(statement)
            .bind(tenant)
            .bind(before)
            .bind(filter.receiver.as_deref().unwrap_or_default())
            .bind(filter.state.map(DeliveryState::as_str).unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(&mut *connection)
            .await?;
        stored(&mut connection, found).await
    }

    async fn redeliver(&self, act: &Act, one: Option<i64>, receiver: Option<&str>) -> Result<u64, Refusal> {
        let (mut transaction, answer) = self.begin("redeliver", act).await?;
        if let Some(answer) = answer {
            return Ok(kept(&answer)?);
        }
        let tenant = &act.principal.tenant;
        if let Some(receiver) = receiver {
            let is: Option<(String, String)> = sqlx::query_as(FIND_RECEIVER)
                .bind(tenant)
                .bind(receiver)
                .fetch_optional(&mut *transaction)
                .await?;
            require_active(is)?.ok_or_else(|| {
                Refusal::NotFound(format!(
                    "there is no receiver {receiver:?}: ListReceivers names those that there are"
                ))
            })?;
        }
        let query = match one {
            Some(delivery) => sqlx::query(SEND_AGAIN).bind(tenant).bind(delivery),
            None => sqlx::query(SEND_DEAD_AGAIN)
                .bind(tenant)
                .bind(receiver.unwrap_or_default()),
        };
        let count = query
            .bind(act.now)
            .bind(act.now + TRIED_FOR)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        if let (0, Some(delivery)) = (count, one) {
            let is: Option<(String, String)> = sqlx::query_as(STATE_OF_RECEIVER)
                .bind(tenant)
                .bind(delivery)
                .fetch_optional(&mut *transaction)
                .await?;
            require_active(is)?;
            return Err(Refusal::NotFound(format!(
                "there is no delivery {delivery} to a receiver that is there: ListDeliveries names them"
            )));
        }
        // Those that rest are tried now: somebody waits for it.
        sqlx::query(WAKE_RECEIVERS)
            .bind(tenant)
            .bind(act.now)
            .execute(&mut *transaction)
            .await?;
        let subject = one.map_or_else(
            || receiver.unwrap_or("all receivers").to_owned(),
            |delivery| format!("delivery {delivery}"),
        );
        let note = (
            "DELIVERIES_SENT_AGAIN",
            subject.as_str(),
            value!({ "count": count }),
        );
        end(transaction, act, note, &Rows::new(), &count).await?;
        Ok(count)
    }
}
