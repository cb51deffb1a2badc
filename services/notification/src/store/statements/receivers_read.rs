//! Receivers as they are read.

use chrono::{DateTime, Utc};
use nopic_sql::Error;
use nopic_sql::row::small;

use super::super::engine::Connection;
use crate::error::Error as Refusal;
use crate::store::StoredReceiver;
use crate::store::row::{count, receiver_state};

macro_rules! columns {
    () => {
        "SELECT r.receiver_id, r.name, r.channel, r.settings, r.ordered, r.per_minute, r.state, r.because,
            r.failing_since, r.created_at,
            (SELECT COUNT(*) FROM delivery d WHERE d.receiver_id = r.receiver_id AND d.state = 'WAITING'),
            (SELECT COUNT(*) FROM delivery d WHERE d.receiver_id = r.receiver_id AND d.state = 'DEAD')
        FROM receiver r WHERE r.tenant = $1 AND r.removed_at IS NULL"
    };
}

nopic_sql::statements! {
    const SELECT_RECEIVERS: &str = concat!(columns!(), " ORDER BY r.name");
    const SELECT_RECEIVER: &str = concat!(columns!(), " AND r.name = $2");
}

type Row = (
    i64,
    String,
    String,
    String,
    bool,
    i64,
    String,
    String,
    Option<DateTime<Utc>>,
    DateTime<Utc>,
    i64,
    i64,
);

fn stored(row: Row) -> Result<StoredReceiver, Error> {
    let (
        id,
        name,
        channel,
        settings,
        ordered,
        per_minute,
        state,
        because,
        failing_since,
        created_at,
        waiting,
        dead,
    ) = row;
    Ok(StoredReceiver {
        id,
        name,
        channel,
        settings,
        ordered,
        per_minute: small("receiver.per_minute", per_minute)?,
        state: receiver_state(&state)?,
        because,
        failing_since,
        created_at,
        waiting: count("COUNT(delivery)", waiting)?,
        dead: count("COUNT(delivery)", dead)?,
    })
}

pub(super) async fn find(
    connection: &mut Connection,
    tenant: &str,
    name: &str,
) -> Result<Option<StoredReceiver>, Error> {
    let row: Option<Row> = sqlx::query_as(SELECT_RECEIVER)
        .bind(tenant)
        .bind(name)
        .fetch_optional(connection)
        .await?;
    row.map(stored).transpose()
}

/// The receiver of this name, which must be there.
pub(super) async fn require(
    connection: &mut Connection,
    tenant: &str,
    name: &str,
) -> Result<StoredReceiver, Refusal> {
    find(connection, tenant, name).await?.ok_or_else(|| {
        Refusal::NotFound(format!(
            "there is no receiver {name:?}: ListReceivers names those that there are"
        ))
    })
}

/// Those of a tenant, by name.
pub(super) async fn all(connection: &mut Connection, tenant: &str) -> Result<Vec<StoredReceiver>, Error> {
    let rows: Vec<Row> = sqlx::query_as(SELECT_RECEIVERS)
        .bind(tenant)
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(stored).collect()
}
