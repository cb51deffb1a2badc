//! What others must hear of: written in the transaction of the change, read later in the order of commits.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{Stream, TryStreamExt as _};

use super::engine::{
    Connection, DELETE_MESSAGES, Database, SELECT_END, SELECT_MESSAGES, SELECT_MESSAGES_OF, bytes, rows,
};
use crate::outbox::{Message, NewMessage, Outbox, Page, Position, Whose};
use crate::{Error, Journal, Schema, row};

crate::statements! {
    /// `$1` is a JSON list of `[tenant, topic, subject, content in hexadecimal]`.
    const INSERT_MESSAGES: &str = concat!(
        "INSERT INTO outbox (recorded_at, tenant, topic, subject, content) \
        SELECT $2, r.value ->> 0, r.value ->> 1, r.value ->> 2, ",
        bytes!("r.value ->> 3"),
        " FROM ",
        rows!("$1")
    );
    const SELECT_FLOOR: &str = "SELECT transaction_id, outbox_id FROM outbox_floor";
    const RAISE_FLOOR: &str = "UPDATE outbox_floor SET transaction_id = $1, outbox_id = $2 \
        WHERE transaction_id < $1 OR (transaction_id = $1 AND outbox_id < $2)";
}

/// Bytes of messages that are given at once: what a reader asks for by number must still be an answer that clients take.
const PAGE_BYTES: usize = 1 << 20;
/// Messages of one statement.
const BATCH: usize = 500;

type Row = (i64, i64, DateTime<Utc>, String, String, String, Vec<u8>);

/// Puts messages into the outbox, in the transaction of the change that they tell of.
///
/// # Errors
/// What the engine reports.
pub async fn put(
    connection: &mut Connection,
    now: DateTime<Utc>,
    messages: impl IntoIterator<Item = NewMessage>,
) -> Result<(), Error> {
    let mut messages = messages.into_iter().peekable();
    while messages.peek().is_some() {
        let batch: Vec<_> = messages
            .by_ref()
            .take(BATCH)
            .map(|message| {
                (
                    message.tenant,
                    message.topic,
                    message.subject,
                    hex::encode(message.content),
                )
            })
            .collect();
        sqlx::query(INSERT_MESSAGES)
            .bind(row::json(batch)?)
            .bind(now)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The outbox in a service's database.
#[derive(Debug)]
struct Messages {
    database: Database,
    service: &'static str,
}

impl Database {
    /// What the service whose schema this is writes beside its tables.
    #[must_use]
    pub fn journal(&self, schema: &Schema) -> Journal {
        Journal {
            audit: self.audit_log(schema),
            outbox: Arc::new(Messages {
                database: self.clone(),
                service: schema.name,
            }),
        }
    }
}

#[async_trait::async_trait]
impl Outbox for Messages {
    fn service(&self) -> &'static str {
        self.service
    }

    async fn read(&self, whose: Whose<'_>, after: Option<Position>, limit: u32) -> Result<Page, Error> {
        let mut connection = self.database.readers().acquire().await?;
        // Asked before: all messages up to there are found afterwards.
        let end: Option<(i64, i64)> = sqlx::query_as(SELECT_END)
            .fetch_optional(&mut *connection)
            .await?;
        let end = end.map(|(transaction, id)| Position { transaction, id });
        let behind = after.unwrap_or_default();
        let (statement, tenant) = match whose {
            Whose::All => (SELECT_MESSAGES, None),
            Whose::Of(tenant) => (SELECT_MESSAGES_OF, Some(tenant)),
        };
        let mut query = sqlx::query_as(statement)
            .bind(behind.transaction)
            .bind(behind.id)
            // One more tells how far behind the reader is.
            .bind(i64::from(limit) + 1);
        if let Some(tenant) = tenant {
            query = query.bind(tenant);
        }
        let (messages, next_recorded_at) = page(query.fetch(&mut *connection), limit).await?;
        // Asked afterwards: what was forgotten before the messages were read is seen here.
        let (transaction, id): (i64, i64) = sqlx::query_as(SELECT_FLOOR).fetch_one(&mut *connection).await?;
        let floor = Position { transaction, id };
        if after.is_some_and(|after| after < floor) {
            return Ok(Page::Gone);
        }
        let end = end.unwrap_or_default().max(floor);
        if after.is_some_and(|after| after > end) {
            return Ok(Page::NeverTold);
        }
        let last = messages.last().map(|message| message.position);
        let position = match next_recorded_at {
            Some(_) => last.or(after).unwrap_or(floor),
            None => last.map_or(end, |last| last.max(end)),
        };
        Ok(Page::Messages {
            messages,
            position,
            next_recorded_at,
        })
    }

    async fn forget(&self, before: DateTime<Utc>, at_most: u32) -> Result<u64, Error> {
        let mut transaction = self.database.write("forget_messages").await?;
        let first: Vec<Row> = sqlx::query_as(SELECT_MESSAGES)
            .bind(0_i64)
            .bind(0_i64)
            .bind(i64::from(at_most))
            .fetch_all(&mut *transaction)
            .await?;
        // Only a beginning goes, so that what stays is whole whatever the clocks of writers said.
        let gone = first.iter().take_while(|row| row.2 < before).count();
        let Some(&(last_transaction, last_id, ..)) = gone.checked_sub(1).and_then(|last| first.get(last))
        else {
            return Ok(0);
        };
        for statement in [DELETE_MESSAGES, RAISE_FLOOR] {
            sqlx::query(statement)
                .bind(last_transaction)
                .bind(last_id)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(u64::try_from(gone).unwrap_or(u64::MAX))
    }
}

/// At most so many of these, and when the next one was put.
async fn page(
    mut found: impl Stream<Item = Result<Row, sqlx::Error>> + Unpin,
    limit: u32,
) -> Result<(Vec<Message>, Option<DateTime<Utc>>), Error> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut messages, mut bytes) = (Vec::new(), 0);
    while let Some(row) = found.try_next().await? {
        bytes += row.6.len();
        // One at least: however long it is, a reader must come past it.
        if messages.len() == limit || (bytes > PAGE_BYTES && !messages.is_empty()) {
            return Ok((messages, Some(row.2)));
        }
        messages.push(message(row));
    }
    Ok((messages, None))
}

fn message((transaction, id, recorded_at, tenant, topic, subject, content): Row) -> Message {
    Message {
        position: Position { transaction, id },
        recorded_at,
        tenant,
        topic,
        subject,
        content,
    }
}
