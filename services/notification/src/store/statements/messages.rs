//! Notices, and the messages by which they are sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use nopic_domain::notice::{Notice, Rhythm, Subscription};
use nopic_sql::Error;
use nopic_sql::row::json;

use super::super::engine::{self, Connection, moment, rows};
use crate::message_id::message_id;
use crate::new_notice::{NewNotice, Whose};
use crate::store::{TRIED_FOR, row};

nopic_sql::statements! {
    const SELECT_DEALERS: &str = concat!(
        "SELECT DISTINCT d.tenant FROM ",
        rows!("$2"),
        engine::look_up!("dealing", "d", "d.kind = $1 AND d.subject = r.value ->> 0")
    );
    /// Rows of tenant, cause, kind, severity, subject and content.
    const INSERT_NOTICES: &str = concat!(
        "INSERT INTO notice (tenant, cause, kind, severity, subject, content, created_at)
        SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, CAST(r.value ->> 3 AS BIGINT), r.value ->> 4,
            r.value ->> 5, $2
        FROM ",
        rows!("$1"),
        " WHERE true ON CONFLICT (tenant, cause) DO NOTHING RETURNING notice_id, tenant, cause"
    );
    const SELECT_SUBSCRIBED: &str = concat!(
        "SELECT s.subscription_id, s.tenant, s.receiver_id, s.content FROM ",
        rows!("$1"),
        engine::look_up!("subscription", "s", "s.tenant = r.value ->> 0"),
        " ORDER BY s.subscription_id"
    );
    /// Rows of tenant, receiver, message id, digest, subject, due, end.
    const INSERT_DELIVERIES: &str = concat!(
        "INSERT INTO delivery (tenant, receiver_id, message_id, digest, subject, state, due_at, next_attempt_at,
            expires_at, attempts, last_result, created_at)
        SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT), r.value ->> 2, r.value ->> 3, r.value ->> 4, 'WAITING', ",
        moment!("r.value ->> 5"),
        ", ",
        moment!("r.value ->> 5"),
        ", ",
        moment!("r.value ->> 6"),
        ", 0, '', $2 FROM ",
        rows!("$1"),
        " WHERE true ON CONFLICT (digest) DO NOTHING RETURNING delivery_id, message_id"
    );
    /// A digest to which more may be added: nobody has begun to send it.
    const HOLD_DIGEST: &str = concat!(
        "SELECT delivery_id FROM delivery WHERE digest = $1 AND state = 'WAITING' AND attempts = 0",
        engine::for_update!()
    );
    const INSERT_DELIVERY_NOTICES: &str = concat!(
        "INSERT INTO delivery_notice (delivery_id, notice_id)
        SELECT CAST(r.value ->> 0 AS BIGINT), CAST(r.value ->> 1 AS BIGINT) FROM ",
        rows!("$1")
    );
}

/// Rows of one statement.
const BATCH: usize = 500;

/// A notice that was not there before.
pub(super) struct Fresh<'a> {
    id: i64,
    tenant: String,
    notice: &'a Notice,
}

pub(super) async fn save_notices<'a>(
    connection: &mut Connection,
    notices: &'a [NewNotice],
    now: DateTime<Utc>,
) -> Result<Vec<Fresh<'a>>, Error> {
    // In the order in which they came; of one cause and tenant the first.
    let mut wanted: Vec<(String, &NewNotice)> = Vec::with_capacity(notices.len());
    let mut seen: BTreeSet<(String, &str)> = BTreeSet::new();
    for new in notices {
        for tenant in tenants(connection, &new.whose).await? {
            if seen.insert((tenant.clone(), &new.cause)) {
                wanted.push((tenant, new));
            }
        }
    }
    let mut fresh = Vec::new();
    for batch in wanted.chunks(BATCH) {
        let rows = batch
            .iter()
            .map(|(tenant, new)| {
                let notice = &new.notice;
                let severity = notice.severity as i64;
                let content = json(notice)?;
                Ok((
                    tenant,
                    &new.cause,
                    notice.kind,
                    severity,
                    &notice.subject,
                    content,
                ))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let made: Vec<(i64, String, String)> = sqlx::query_as(INSERT_NOTICES)
            .bind(json(rows)?)
            .bind(now)
            .fetch_all(&mut *connection)
            .await?;
        let by_cause: HashMap<(&str, &str), &NewNotice> = batch
            .iter()
            .map(|(tenant, new)| ((tenant.as_str(), new.cause.as_str()), *new))
            .collect();
        for (id, tenant, cause) in made {
            let notice = by_cause
                .get(&(tenant.as_str(), cause.as_str()))
                .map(|new| &new.notice)
                .ok_or_else(|| Error::corrupt("notice.cause", &cause))?;
            fresh.push(Fresh { id, tenant, notice });
        }
    }
    fresh.sort_unstable_by_key(|fresh| fresh.id);
    Ok(fresh)
}

async fn tenants(connection: &mut Connection, whose: &Whose) -> Result<Vec<String>, Error> {
    let (kind, subjects) = match whose {
        Whose::Tenant(tenant) => return Ok(vec![tenant.clone()]),
        Whose::DealingWith(kind, subjects) => (kind, subjects),
    };
    let subjects: Vec<[&String; 1]> = subjects.iter().map(|subject| [subject]).collect();
    Ok(sqlx::query_scalar(SELECT_DEALERS)
        .bind(kind.as_str())
        .bind(json(subjects)?)
        .fetch_all(connection)
        .await?)
}

/// A subscription that a notice may be for.
struct Subscribed {
    id: i64,
    receiver: i64,
    subscription: Subscription,
}

/// Makes messages of notices, for each subscription that asks for them.
pub(super) async fn send(
    connection: &mut Connection,
    fresh: Vec<Fresh<'_>>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if fresh.is_empty() {
        return Ok(());
    }
    let tenants: BTreeSet<[&str; 1]> = fresh.iter().map(|fresh| [fresh.tenant.as_str()]).collect();
    let found: Vec<(i64, String, i64, String)> = sqlx::query_as(SELECT_SUBSCRIBED)
        .bind(json(tenants)?)
        .fetch_all(&mut *connection)
        .await?;
    let mut subscribed: HashMap<String, Vec<Subscribed>> = HashMap::new();
    for (id, tenant, receiver, content) in found {
        subscribed.entry(tenant).or_default().push(Subscribed {
            id,
            receiver,
            subscription: row::read("subscription.content", &content)?,
        });
    }
    let mut single = Vec::new();
    let mut digests: BTreeMap<(i64, DateTime<Utc>), (Message, Vec<i64>)> = BTreeMap::new();
    for fresh in fresh {
        let mut told: BTreeSet<i64> = BTreeSet::new();
        for to in subscribed
            .get(&fresh.tenant)
            .map(Vec::as_slice)
            .unwrap_or_default()
        {
            if !to.subscription.asks_for(fresh.notice) {
                continue;
            }
            let due = to.subscription.due(now);
            let message = |subject: &str| Message {
                tenant: fresh.tenant.clone(),
                receiver: to.receiver,
                subject: subject.to_owned(),
                due,
            };
            if to.subscription.rhythm == Rhythm::AtOnce {
                // Whoever asked twice is told once.
                if told.insert(to.receiver) {
                    single.push((message(&fresh.notice.subject), fresh.id));
                }
            } else {
                let digest = digests
                    .entry((to.id, due))
                    .or_insert_with(|| (message(""), Vec::new()));
                digest.1.push(fresh.id);
            }
        }
    }
    send_singly(connection, single, now).await?;
    for ((subscription, due), (message, notices)) in digests {
        let delivery = digest(connection, subscription, due, message, now).await?;
        let rows: Vec<(i64, i64)> = notices.into_iter().map(|notice| (delivery, notice)).collect();
        for batch in rows.chunks(BATCH) {
            sqlx::query(INSERT_DELIVERY_NOTICES)
                .bind(json(batch)?)
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

/// A message that is to be made.
struct Message {
    tenant: String,
    receiver: i64,
    subject: String,
    due: DateTime<Utc>,
}

type MessageRow<'a> = (&'a str, i64, String, Option<String>, &'a str, String, String);

impl Message {
    fn row(&self, digest: Option<String>) -> Result<MessageRow<'_>, Error> {
        Ok((
            &self.tenant,
            self.receiver,
            message_id().map_err(|error| Error::corrupt("delivery.message_id", error))?,
            digest,
            &self.subject,
            row::moment(self.due),
            row::moment(self.due + TRIED_FOR),
        ))
    }
}

async fn send_singly(
    connection: &mut Connection,
    messages: Vec<(Message, i64)>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    for batch in messages.chunks(BATCH) {
        let rows = batch
            .iter()
            .map(|(message, _)| message.row(None))
            .collect::<Result<Vec<_>, _>>()?;
        let notices: HashMap<&str, i64> = rows
            .iter()
            .zip(batch)
            .map(|(row, (_, notice))| (row.2.as_str(), *notice))
            .collect();
        let made: Vec<(i64, String)> = sqlx::query_as(INSERT_DELIVERIES)
            .bind(json(&rows)?)
            .bind(now)
            .fetch_all(&mut *connection)
            .await?;
        let rows: Vec<(i64, i64)> = made
            .iter()
            .filter_map(|(delivery, message_id)| Some((*delivery, *notices.get(message_id.as_str())?)))
            .collect();
        if rows.len() != batch.len() {
            return Err(Error::corrupt("delivery.message_id", "one was given twice"));
        }
        sqlx::query(INSERT_DELIVERY_NOTICES)
            .bind(json(rows)?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The message in which the notices of a subscription for a moment are gathered. Where that one is under way already,
/// another follows it.
async fn digest(
    connection: &mut Connection,
    subscription: i64,
    due: DateTime<Utc>,
    message: Message,
    now: DateTime<Utc>,
) -> Result<i64, Error> {
    let mut part = 1;
    loop {
        let name = format!("{subscription}/{}/{part}", due.timestamp());
        let made: Vec<(i64, String)> = sqlx::query_as(INSERT_DELIVERIES)
            .bind(json([message.row(Some(name.clone()))?])?)
            .bind(now)
            .fetch_all(&mut *connection)
            .await?;
        if let Some((delivery, _)) = made.first() {
            return Ok(*delivery);
        }
        let open: Option<i64> = sqlx::query_scalar(HOLD_DIGEST)
            .bind(&name)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(delivery) = open {
            return Ok(delivery);
        }
        part += 1;
    }
}
