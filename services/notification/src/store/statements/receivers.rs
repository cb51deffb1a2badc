//! Receivers.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nopic_domain::notice::Notice;
use nopic_sql::Error;
use nopic_sql::audit::Rows;
use nopic_sql::row::json;
use serde_json::json as value;

use super::deliveries::delivery;
use super::messages::hold_notices;
use super::receivers_read::{all, find, require};
use super::subscriptions::{has_room, is_free, set};
use super::{Store, end, kept};
use crate::error::Error as Refusal;
use crate::message_id::message_id;
use crate::store::audited::{RECEIVER, SUBSCRIPTION};
use crate::store::row::secrets;
use crate::store::{
    Act, KeptSecret, NamedSubscription, NewReceiver, ReceiverState, ReceiverStore, StoredDelivery,
    StoredReceiver, TRIED_FOR,
};

nopic_sql::statements! {
    const INSERT_RECEIVER: &str = "INSERT INTO receiver (tenant, name, channel, settings, secrets, ordered, per_minute,
            state, because, failures, rests_until, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'ACTIVE', '', 0, $8, $8)";
    const SET_STATE: &str = "UPDATE receiver SET state = $2, because = $3, failures = 0, failing_since = NULL,
        rests_until = $4 WHERE receiver_id = $1";
    /// Whoever resumes it wants all tried now that is due, and as long as what is new.
    const TRY_NOW: &str = "UPDATE delivery SET next_attempt_at = $2, expires_at = $3
        WHERE receiver_id = $1 AND state = 'WAITING' AND due_at <= $2";
    /// Whoever tests it, or sends again, wants it tried now.
    const WAKE: &str = "UPDATE receiver SET rests_until = $2 WHERE receiver_id = $1 AND rests_until > $2";
    const COUNT_RECEIVERS: &str = "SELECT COUNT(*) FROM receiver WHERE tenant = $1 AND removed_at IS NULL";
    const SELECT_SECRETS: &str = "SELECT secrets FROM receiver WHERE receiver_id = $1";
    const SET_SECRETS: &str = "UPDATE receiver SET secrets = $2 WHERE receiver_id = $1";
    const REMOVE_RECEIVER: &str = "UPDATE receiver SET removed_at = $2, secrets = '[]', settings = '{}' WHERE receiver_id = $1";
    const REMOVE_SUBSCRIPTIONS: &str = "DELETE FROM subscription WHERE receiver_id = $1 RETURNING tenant, name";
    const END_WAITING: &str = "UPDATE delivery SET state = 'DEAD', closed = TRUE, last_result = 'the receiver was removed',
        ended_at = $2
        WHERE receiver_id = $1 AND state = 'WAITING'";
    const INSERT_TEST_NOTICE: &str = "INSERT INTO notice (tenant, cause, kind, severity, subject, content, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING notice_id";
    const INSERT_TEST_DELIVERY: &str = "INSERT INTO delivery (tenant, receiver_id, message_id, part, size, closed, subject, state,
            due_at, next_attempt_at, expires_at, attempts, last_result, created_at)
        VALUES ($1, $2, $3, 0, 1, TRUE, $4, 'WAITING', $5, $5, $6, 0, '', $5) RETURNING delivery_id";
    const INSERT_TEST_DELIVERY_NOTICE: &str =
        "INSERT INTO delivery_notice (delivery_id, notice_id) VALUES ($1, $2)";
}

/// Receivers of a tenant at most: they share the places of all.
const MOST: i64 = 100;
/// Secrets of a receiver that sign beside the newest.
const OLD_SECRETS: usize = 2;

fn left(
    rows: &mut Rows,
    tenant: &str,
    receiver: &StoredReceiver,
    removed_at: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    let settings = serde_json::from_str(&receiver.settings)
        .map_err(|error| Error::corrupt("receiver.settings", error))?;
    rows.row(&RECEIVER)
        .number(receiver.id)
        .text(tenant)
        .text(receiver.name.as_str())
        .text(receiver.channel.as_str())
        .json(nopic_sql::audit::json_hash(&settings))
        .moment(receiver.created_at)
        .moment(removed_at)
        .end();
    Ok(())
}

/// As an answer is kept, and the row of one that is removed: an address may hold a secret.
fn without_settings(receiver: &StoredReceiver) -> StoredReceiver {
    StoredReceiver {
        settings: "{}".to_owned(),
        ..receiver.clone()
    }
}

#[async_trait]
impl ReceiverStore for Store {
    async fn create_receiver(
        &self,
        act: &Act,
        new: &NewReceiver,
    ) -> Result<(StoredReceiver, Vec<NamedSubscription>), Refusal> {
        let (mut transaction, answer) = self.begin("create_receiver", act).await?;
        if answer.is_some() {
            return Err(Refusal::AlreadyThere(format!(
                "the receiver {:?} was made by this request before; its secret was told then, and is told once: rotate \
                 it where it is lost",
                new.name
            )));
        }
        let tenant = act.principal.tenant.as_str();
        if find(&mut transaction, tenant, &new.name).await?.is_some() {
            return Err(Refusal::AlreadyThere(format!(
                "there is a receiver {:?} already: take another name, or remove it first",
                new.name
            )));
        }
        let others: i64 = sqlx::query_scalar(COUNT_RECEIVERS)
            .bind(tenant)
            .fetch_one(&mut *transaction)
            .await?;
        if others >= MOST {
            return Err(Refusal::NotNow(format!(
                "there are {MOST} receivers already, which is the most: remove one first"
            )));
        }
        sqlx::query(INSERT_RECEIVER)
            .bind(tenant)
            .bind(&new.name)
            .bind(new.channel)
            .bind(&new.settings)
            .bind(json(&new.secrets)?)
            .bind(new.ordered)
            .bind(i64::from(new.per_minute))
            .bind(act.now)
            .execute(&mut *transaction)
            .await?;
        let receiver = require(&mut transaction, tenant, &new.name).await?;
        let mut rows = Rows::new();
        left(&mut rows, tenant, &receiver, None)?;
        let mut subscriptions = Vec::new();
        for usual in &new.subscriptions {
            let is_free = is_free(&mut transaction, tenant, &usual.name).await?;
            if is_free && has_room(&mut transaction, tenant, &usual.name).await? {
                let place = (tenant, receiver.id);
                set(&mut transaction, place, usual, act.now, &mut rows).await?;
                subscriptions.push(usual.clone());
            }
        }
        let names: Vec<_> = subscriptions.iter().map(|usual| usual.name.as_str()).collect();
        let detail = value!({ "channel": receiver.channel, "subscriptions": names });
        let note = ("RECEIVER_CREATED", new.name.as_str(), detail);
        end(transaction, act, note, &rows, &without_settings(&receiver)).await?;
        Ok((receiver, subscriptions))
    }

    async fn receivers(&self, tenant: &str) -> Result<Vec<StoredReceiver>, Error> {
        let mut connection = self.database.readers().acquire().await?;
        all(&mut connection, tenant).await
    }

    async fn set_state(
        &self,
        act: &Act,
        name: &str,
        state: ReceiverState,
        because: &str,
    ) -> Result<StoredReceiver, Refusal> {
        let (mut transaction, answer) = self.begin("set_receiver_state", act).await?;
        let tenant = act.principal.tenant.as_str();
        if let Some(answer) = answer {
            let mut receiver: StoredReceiver = kept(&answer)?;
            if let Some(is) = find(&mut transaction, tenant, name).await? {
                receiver.settings = is.settings;
            }
            return Ok(receiver);
        }
        let mut receiver = require(&mut transaction, tenant, name).await?;
        // Also where it is active: it is tried at once then, however long it was to rest.
        if receiver.state != state || state == ReceiverState::Active {
            sqlx::query(SET_STATE)
                .bind(receiver.id)
                .bind(state.as_str())
                .bind(because)
                .bind(act.now)
                .execute(&mut *transaction)
                .await?;
            if state == ReceiverState::Active {
                sqlx::query(TRY_NOW)
                    .bind(receiver.id)
                    .bind(act.now)
                    .bind(act.now + TRIED_FOR)
                    .execute(&mut *transaction)
                    .await?;
            }
            receiver = require(&mut transaction, tenant, name).await?;
        }
        let action = match state {
            ReceiverState::Active => "RECEIVER_RESUMED",
            ReceiverState::Paused | ReceiverState::Gone => "RECEIVER_PAUSED",
        };
        let note = (action, name, value!({ "because": because }));
        end(transaction, act, note, &Rows::new(), &without_settings(&receiver)).await?;
        Ok(receiver)
    }

    async fn rotate_secret(
        &self,
        act: &Act,
        name: &str,
        secret: &str,
        until: DateTime<Utc>,
    ) -> Result<StoredReceiver, Refusal> {
        let (mut transaction, answer) = self.begin("rotate_secret", act).await?;
        if answer.is_some() {
            return Err(Refusal::AlreadyThere(
                "a secret was made by this request before; it was told then, and is told once: rotate again where it is \
                 lost"
                    .to_owned(),
            ));
        }
        let receiver = require(&mut transaction, &act.principal.tenant, name).await?;
        let kept: String = sqlx::query_scalar(SELECT_SECRETS)
            .bind(receiver.id)
            .fetch_one(&mut *transaction)
            .await?;
        let mut all = secrets(&kept)?;
        if all.is_empty() {
            return Err(Refusal::NotNow(format!(
                "the receiver {name:?} has no secret: its channel needs none"
            )));
        }
        all.retain(|kept| kept.until.is_none_or(|until| until > act.now));
        for kept in &mut all {
            kept.until = Some(kept.until.map_or(until, |earlier| earlier.min(until)));
        }
        all.retain(|kept| kept.until.is_none_or(|until| until > act.now));
        all.drain(..all.len().saturating_sub(OLD_SECRETS));
        all.push(KeptSecret {
            secret: secret.to_owned(),
            until: None,
        });
        sqlx::query(SET_SECRETS)
            .bind(receiver.id)
            .bind(json(&all)?)
            .execute(&mut *transaction)
            .await?;
        let note = ("SECRET_ROTATED", name, value!({ "until": until }));
        end(transaction, act, note, &Rows::new(), &without_settings(&receiver)).await?;
        Ok(receiver)
    }

    async fn remove_receiver(&self, act: &Act, name: &str) -> Result<StoredReceiver, Refusal> {
        let (mut transaction, answer) = self.begin("remove_receiver", act).await?;
        if let Some(answer) = answer {
            return Ok(kept(&answer)?);
        }
        // Messages are made under the same hold: none is made for it that nobody ends.
        hold_notices(&mut transaction).await?;
        let receiver = require(&mut transaction, &act.principal.tenant, name).await?;
        let mut rows = Rows::new();
        let gone: Vec<(String, String)> = sqlx::query_as(REMOVE_SUBSCRIPTIONS)
            .bind(receiver.id)
            .fetch_all(&mut *transaction)
            .await?;
        for (tenant, name) in &gone {
            rows.row(&SUBSCRIPTION)
                .text(tenant.as_str())
                .text(name.as_str())
                .gone();
        }
        for statement in [REMOVE_RECEIVER, END_WAITING] {
            sqlx::query(statement)
                .bind(receiver.id)
                .bind(act.now)
                .execute(&mut *transaction)
                .await?;
        }
        // As the row is left.
        left(
            &mut rows,
            &act.principal.tenant,
            &without_settings(&receiver),
            Some(act.now),
        )?;
        let note = ("RECEIVER_REMOVED", name, value!({ "subscriptions": gone.len() }));
        end(transaction, act, note, &rows, &without_settings(&receiver)).await?;
        Ok(receiver)
    }

    async fn test_receiver(&self, act: &Act, name: &str, notice: &Notice) -> Result<StoredDelivery, Refusal> {
        let (mut transaction, answer) = self.begin("test_receiver", act).await?;
        if let Some(answer) = answer {
            return Ok(kept(&answer)?);
        }
        hold_notices(&mut transaction).await?;
        let tenant = act.principal.tenant.as_str();
        let receiver = require(&mut transaction, tenant, name).await?;
        if receiver.state != ReceiverState::Active {
            return Err(Refusal::NotNow(format!(
                "the receiver {name:?} is {}: resume it first",
                receiver.state.as_str()
            )));
        }
        let message_id = message_id().map_err(|error| Error::corrupt("delivery.message_id", error))?;
        let notice_id: i64 = sqlx::query_scalar(INSERT_TEST_NOTICE)
            .bind(tenant)
            .bind(format!("test/{message_id}"))
            .bind(notice.kind.as_str())
            .bind(notice.severity as i64)
            .bind(&notice.subject)
            .bind(json(notice)?)
            .bind(act.now)
            .fetch_one(&mut *transaction)
            .await?;
        let id: i64 = sqlx::query_scalar(INSERT_TEST_DELIVERY)
            .bind(tenant)
            .bind(receiver.id)
            .bind(&message_id)
            .bind(&notice.subject)
            .bind(act.now)
            .bind(act.now + TRIED_FOR)
            .fetch_one(&mut *transaction)
            .await?;
        sqlx::query(INSERT_TEST_DELIVERY_NOTICE)
            .bind(id)
            .bind(notice_id)
            .execute(&mut *transaction)
            .await?;
        let made = delivery(&mut transaction, tenant, id)
            .await?
            .ok_or_else(|| Error::corrupt("delivery", id))?;
        sqlx::query(WAKE)
            .bind(receiver.id)
            .bind(act.now)
            .execute(&mut *transaction)
            .await?;
        let note = ("RECEIVER_TESTED", name, value!({ "delivery": id }));
        end(transaction, act, note, &Rows::new(), &made).await?;
        Ok(made)
    }
}
