//! Keys.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use nopic_sql::audit::Rows;
use serde_json::json;

use super::super::engine::Connection;
use super::people::read_role;
use super::{Store, end, kept, people};
use crate::access::error::Error;
use crate::access::key::{NewKey, SecretHash};
use crate::access::record::Key;
use crate::access::store::audited::KEY;
use crate::access::store::{Act, Filter, KeyStore};

macro_rules! columns {
    () => {
        "SELECT k.prefix, p.tenant, p.name, p.role, k.created_at, k.created_by, k.ends_at, k.revoked_at, \
            k.replaced_by, p.removed_at, t.suspended_at, k.person_id, k.secret_hash \
            FROM api_key k JOIN person p ON p.person_id = k.person_id JOIN tenant t ON t.tenant = p.tenant WHERE "
    };
}

nopic_sql::statements! {
    const SELECT_KEY: &str = concat!(columns!(), "k.prefix = $1");
    const SELECT_KEYS: &str = concat!(columns!(), "k.prefix > $1 AND p.tenant = COALESCE($2, p.tenant) \
        ORDER BY k.prefix LIMIT $3");
    const INSERT_KEY: &str = "INSERT INTO api_key (prefix, person_id, secret_hash, created_at, created_by, ends_at) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    const REVOKE_KEY: &str = "UPDATE api_key SET revoked_at = $2 WHERE prefix = $1";
    const REPLACE_KEY: &str = "UPDATE api_key SET ends_at = $2, replaced_by = $3 WHERE prefix = $1";
}

type Row = (
    String,
    String,
    String,
    String,
    DateTime<Utc>,
    String,
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
    Option<String>,
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
    i64,
    Vec<u8>,
);

/// A key with what only its row has.
struct Stored {
    key: Key,
    person_id: i64,
    secret_hash: SecretHash,
}

/// The hash of a column.
pub(super) fn read_hash(bytes: &[u8]) -> Result<SecretHash, nopic_sql::Error> {
    SecretHash::from_bytes(bytes)
        .ok_or_else(|| nopic_sql::Error::corrupt("api_key.secret_hash", "not 32 bytes"))
}

fn stored(row: Row) -> Result<Stored, nopic_sql::Error> {
    let (prefix, tenant, person, role, created_at, created_by, ends_at, revoked_at, replaced_by, ..) = row;
    Ok(Stored {
        key: Key {
            prefix,
            tenant,
            person,
            role: read_role(&role)?,
            created_at,
            created_by,
            ends_at,
            revoked_at,
            replaced_by,
            is_removed: row.9.is_some(),
            is_suspended: row.10.is_some(),
        },
        person_id: row.11,
        secret_hash: read_hash(&row.12)?,
    })
}

async fn require(connection: &mut Connection, prefix: &str) -> Result<Stored, Error> {
    let row: Option<Row> = sqlx::query_as(SELECT_KEY)
        .bind(prefix)
        .fetch_optional(connection)
        .await?;
    let row = row.ok_or_else(|| {
        Error::NotFound(format!(
            "there is no key {prefix}: ListKeys names those that there are"
        ))
    })?;
    Ok(stored(row)?)
}

fn left(rows: &mut Rows, stored: &Stored) {
    let key = &stored.key;
    rows.row(&KEY)
        .text(key.prefix.as_str())
        .number(stored.person_id)
        .bytes(stored.secret_hash.as_bytes())
        .moment(key.created_at)
        .text(key.created_by.as_str())
        .moment(key.ends_at)
        .moment(key.revoked_at)
        .text(key.replaced_by.as_deref())
        .end();
}

/// Keeps a new key of a person that is there, and reads it as it stands then.
async fn insert(
    connection: &mut Connection,
    act: &Act,
    person_id: i64,
    new: &NewKey,
    ends_at: Option<DateTime<Utc>>,
) -> Result<Stored, Error> {
    sqlx::query(INSERT_KEY)
        .bind(&new.prefix)
        .bind(person_id)
        .bind(new.secret_hash.as_bytes())
        .bind(act.now)
        .bind(&act.principal.actor)
        .bind(ends_at)
        .execute(&mut *connection)
        .await?;
    require(connection, &new.prefix).await
}

#[async_trait]
impl KeyStore for Store {
    async fn create_key(
        &self,
        act: &Act,
        (tenant, person): (&str, &str),
        new: &NewKey,
        ends_at: Option<DateTime<Utc>>,
    ) -> Result<Key, Error> {
        let (mut transaction, answer) = self.begin("create_key", act).await?;
        if let Some(answer) = answer {
            return Err(Error::KeyMade(kept(&answer)?));
        }
        let (person_id, _) = people::require(&mut transaction, tenant, person).await?;
        let made = insert(&mut transaction, act, person_id, new, ends_at).await?;
        let mut rows = Rows::new();
        left(&mut rows, &made);
        let detail = json!({ "tenant": tenant, "person": person, "endsAt": ends_at });
        let note = ("KEY_CREATED", new.prefix.as_str(), detail);
        end(transaction, act, note, &rows, &new.prefix).await?;
        Ok(made.key)
    }

    async fn rotate_key(
        &self,
        act: &Act,
        prefix: &str,
        new: &NewKey,
        ends_at: Option<DateTime<Utc>>,
        grace: TimeDelta,
    ) -> Result<(Key, Key), Error> {
        let (mut transaction, answer) = self.begin("rotate_key", act).await?;
        if let Some(answer) = answer {
            return Err(Error::KeyMade(kept(&answer)?));
        }
        let mut old = require(&mut transaction, prefix).await?;
        let end_of_old = old.key.end_when_replaced(act.now, grace)?;
        let made = insert(&mut transaction, act, old.person_id, new, ends_at).await?;
        sqlx::query(REPLACE_KEY)
            .bind(prefix)
            .bind(end_of_old)
            .bind(&new.prefix)
            .execute(&mut *transaction)
            .await?;
        old.key.ends_at = Some(end_of_old);
        old.key.replaced_by = Some(new.prefix.clone());
        let mut rows = Rows::new();
        left(&mut rows, &made);
        left(&mut rows, &old);
        let detail = json!({ "replaces": prefix, "oldEndsAt": end_of_old, "endsAt": ends_at });
        let note = ("KEY_ROTATED", new.prefix.as_str(), detail);
        end(transaction, act, note, &rows, &new.prefix).await?;
        Ok((made.key, old.key))
    }

    async fn revoke_key(&self, act: &Act, prefix: &str) -> Result<Key, Error> {
        let (mut transaction, answer) = self.begin("revoke_key", act).await?;
        if let Some(answer) = answer {
            return kept(&answer);
        }
        let mut stored = require(&mut transaction, prefix).await?;
        let mut rows = Rows::new();
        if stored.key.revoked_at.is_none() {
            stored.key.revoked_at = Some(act.now);
            sqlx::query(REVOKE_KEY)
                .bind(prefix)
                .bind(act.now)
                .execute(&mut *transaction)
                .await?;
            left(&mut rows, &stored);
        }
        let note = ("KEY_REVOKED", prefix, json!({}));
        end(transaction, act, note, &rows, &stored.key).await?;
        Ok(stored.key)
    }

    async fn keys(&self, filter: &Filter, after: &str, limit: u32) -> Result<Vec<Key>, Error> {
        let rows: Vec<Row> = sqlx::query_as(SELECT_KEYS)
            .bind(after)
            .bind(&filter.tenant)
            .bind(i64::from(limit))
            .fetch_all(self.database.readers())
            .await?;
        let keys = rows.into_iter().map(|row| Ok(stored(row)?.key));
        keys.collect()
    }
}
