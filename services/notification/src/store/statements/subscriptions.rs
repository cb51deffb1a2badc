//! Subscriptions.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nopic_sql::Error;
use nopic_sql::audit::Rows;
use nopic_sql::row::json;
use serde_json::{Value, json as value};

use super::super::engine::Connection;
use super::receivers_read::require;
use super::{Store, end, kept};
use crate::error::Error as Refusal;
use crate::store::audited::SUBSCRIPTION;
use crate::store::{Act, NamedSubscription, SubscriptionStore, row};

nopic_sql::statements! {
    const SELECT_SUBSCRIPTIONS: &str = "SELECT s.name, r.name, s.content FROM subscription s
        JOIN receiver r ON r.receiver_id = s.receiver_id WHERE s.tenant = $1 ORDER BY s.name";
    const UPSERT_SUBSCRIPTION: &str = "INSERT INTO subscription (tenant, name, receiver_id, content, set_at)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, name) DO UPDATE
        SET receiver_id = excluded.receiver_id, content = excluded.content, set_at = excluded.set_at";
    const DELETE_SUBSCRIPTION: &str = "DELETE FROM subscription WHERE tenant = $1 AND name = $2";
    const SELECT_OWNER: &str = "SELECT r.name FROM subscription s JOIN receiver r ON r.receiver_id = s.receiver_id
        WHERE s.tenant = $1 AND s.name = $2";
    const SELECT_SUBSCRIPTION: &str = "SELECT subscription_id FROM subscription WHERE tenant = $1 AND name = $2";
    const COUNT_SUBSCRIPTIONS: &str = "SELECT COUNT(*) FROM subscription WHERE tenant = $1 AND name <> $2";
}

/// Subscriptions of a tenant at most: each notice is held against every one.
const MOST: i64 = 1_000;

/// Whether a tenant may have a subscription of this name beside the others.
pub(super) async fn has_room(connection: &mut Connection, tenant: &str, name: &str) -> Result<bool, Error> {
    let others: i64 = sqlx::query_scalar(COUNT_SUBSCRIPTIONS)
        .bind(tenant)
        .bind(name)
        .fetch_one(connection)
        .await?;
    Ok(others < MOST)
}

/// Whether a tenant has no subscription of this name.
pub(super) async fn is_free(connection: &mut Connection, tenant: &str, name: &str) -> Result<bool, Error> {
    let taken: Option<i64> = sqlx::query_scalar(SELECT_SUBSCRIPTION)
        .bind(tenant)
        .bind(name)
        .fetch_optional(connection)
        .await?;
    Ok(taken.is_none())
}

/// Keeps a subscription of a tenant to a receiver; as JSON.
pub(super) async fn set(
    connection: &mut Connection,
    (tenant, receiver): (&str, i64),
    new: &NamedSubscription,
    now: DateTime<Utc>,
    rows: &mut Rows,
) -> Result<Value, Error> {
    sqlx::query(UPSERT_SUBSCRIPTION)
        .bind(tenant)
        .bind(&new.name)
        .bind(receiver)
        .bind(json(&new.subscription)?)
        .bind(now)
        .execute(connection)
        .await?;
    let content = serde_json::to_value(&new.subscription)
        .map_err(|error| Error::corrupt("subscription.content", error))?;
    rows.row(&SUBSCRIPTION)
        .text(tenant)
        .text(new.name.as_str())
        .number(receiver)
        .json(nopic_sql::audit::json_hash(&content))
        .moment(now)
        .end();
    Ok(content)
}

#[async_trait]
impl SubscriptionStore for Store {
    async fn set_subscription(
        &self,
        act: &Act,
        new: &NamedSubscription,
    ) -> Result<NamedSubscription, Refusal> {
        let (mut transaction, answer) = self.begin("set_subscription", act).await?;
        if let Some(answer) = answer {
            return Ok(kept(&answer)?);
        }
        let tenant = act.principal.tenant.as_str();
        let receiver = require(&mut transaction, tenant, &new.receiver).await?;
        let owner: Option<String> = sqlx::query_scalar(SELECT_OWNER)
            .bind(tenant)
            .bind(&new.name)
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(owner) = owner.filter(|owner| *owner != receiver.name) {
            return Err(Refusal::AlreadyThere(format!(
                "{:?} is a subscription of the receiver {owner:?}: take another name, or remove it first",
                new.name
            )));
        }
        if !has_room(&mut transaction, tenant, &new.name).await? {
            return Err(Refusal::NotNow(format!(
                "there are {MOST} subscriptions already, which is the most: remove one first"
            )));
        }
        let mut rows = Rows::new();
        let content = set(&mut transaction, (tenant, receiver.id), new, act.now, &mut rows).await?;
        let note = ("SUBSCRIPTION_SET", new.name.as_str(), content);
        end(transaction, act, note, &rows, new).await?;
        Ok(new.clone())
    }

    async fn subscriptions(&self, tenant: &str) -> Result<Vec<NamedSubscription>, Error> {
        let found: Vec<(String, String, String)> = sqlx::query_as(SELECT_SUBSCRIPTIONS)
            .bind(tenant)
            .fetch_all(self.database.readers())
            .await?;
        found
            .into_iter()
            .map(|(name, receiver, content)| {
                Ok(NamedSubscription {
                    name,
                    receiver,
                    subscription: row::read("subscription.content", &content)?,
                })
            })
            .collect()
    }

    async fn remove_subscription(&self, act: &Act, name: &str) -> Result<(), Refusal> {
        let (mut transaction, answer) = self.begin("remove_subscription", act).await?;
        if let Some(answer) = answer {
            return Ok(kept(&answer)?);
        }
        let tenant = act.principal.tenant.as_str();
        let gone = sqlx::query(DELETE_SUBSCRIPTION)
            .bind(tenant)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        if gone.rows_affected() == 0 {
            return Err(Refusal::NotFound(format!(
                "there is no subscription {name:?}: ListSubscriptions names those that there are"
            )));
        }
        let mut rows = Rows::new();
        rows.row(&SUBSCRIPTION).text(tenant).text(name).gone();
        end(
            transaction,
            act,
            ("SUBSCRIPTION_REMOVED", name, value!({})),
            &rows,
            &(),
        )
        .await?;
        Ok(())
    }
}
