//! Notices, and the messages by which they are sent.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Days, Utc};
use nopic_domain::date::{Date, day_of};
use nopic_domain::notice::{Notice, Rhythm, Subscription};
use nopic_sql::Error;
use nopic_sql::row::json;

use super::super::engine::{self, Connection, moment, rows};
use crate::message_id::message_id;
use crate::new_notice::{DEALS_FOR, DealingKind, NewNotice, Whose};
use crate::store::{TRIED_FOR, row};

nopic_sql::statements! {
    const SELECT_DEALERS: &str = concat!(
        "SELECT DISTINCT d.tenant, d.subject FROM ",
        rows!("$2"),
        engine::look_up!(
            "dealing",
            "d",
            "d.kind = $1 AND d.subject = r.value ->> 0 AND d.last_on >= $3"
        ),
        " ORDER BY d.tenant, d.subject"
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
    /// Rows of tenant, receiver, message id, digest, subject, due, end, part.
    const INSERT_DELIVERIES: &str = concat!(
        "INSERT INTO delivery (tenant, receiver_id, message_id, digest, part, size, closed, subject, state, due_at,
            next_attempt_at, expires_at, attempts, last_result, created_at)
        SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT), r.value ->> 2, r.value ->> 3, CAST(r.value ->> 7 AS BIGINT),
            CASE WHEN r.value ->> 3 IS NULL THEN 1 ELSE 0 END, r.value ->> 3 IS NULL, r.value ->> 4, 'WAITING', ",
        moment!("r.value ->> 5"),
        ", ",
        moment!("r.value ->> 5"),
        ", ",
        moment!("r.value ->> 6"),
        ", 0, '', $2 FROM ",
        rows!("$1"),
        " RETURNING delivery_id, message_id"
    );
    /// The last part of a digest. More may be added to it until somebody begins to send it.
    const HOLD_LAST_PART: &str = concat!(
        "SELECT delivery_id, part, size, closed FROM delivery WHERE digest = $1 ORDER BY part DESC LIMIT 1",
        engine::for_update!()
    );
    const ADD_TO_SIZE: &str = "UPDATE delivery SET size = size + $2 WHERE delivery_id = $1";
    const SELECT_OTHER_RECEIVERS: &str = "SELECT receiver_id FROM receiver
        WHERE tenant = $1 AND receiver_id <> $2 AND state = 'ACTIVE' AND removed_at IS NULL";
    const INSERT_DELIVERY_NOTICES: &str = concat!(
        "INSERT INTO delivery_notice (delivery_id, notice_id)
        SELECT CAST(r.value ->> 0 AS BIGINT), CAST(r.value ->> 1 AS BIGINT) FROM ",
        rows!("$1")
    );
}

/// Rows of one statement.
const BATCH: usize = 500;
/// Notices of one part of a digest: as many as a letter names.
const PART: usize = 100;

/// A notice that was not there before.
struct Fresh<'a> {
    id: i64,
    tenant: String,
    whose: &'a Whose,
    notice: Cow<'a, Notice>,
}

/// A notice for a tenant, by its cause.
struct Wanted<'a> {
    tenant: String,
    new: &'a NewNotice,
    notice: Cow<'a, Notice>,
}

async fn save_notices<'a>(
    connection: &mut Connection,
    notices: &'a [NewNotice],
    now: DateTime<Utc>,
) -> Result<Vec<Fresh<'a>>, Error> {
    // In the order in which they came; of one cause and tenant the first.
    let mut wanted: Vec<Wanted<'a>> = Vec::with_capacity(notices.len());
    let mut seen: BTreeSet<(String, &str)> = BTreeSet::new();
    for new in notices {
        for (tenant, notice) in tenants(connection, new, now).await? {
            if seen.insert((tenant.clone(), &new.cause)) {
                wanted.push(Wanted { tenant, new, notice });
            }
        }
    }
    let mut fresh = Vec::new();
    let mut wanted = wanted.into_iter();
    loop {
        let batch: Vec<Wanted<'a>> = wanted.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        let rows = batch
            .iter()
            .map(|wanted| {
                let notice = &wanted.notice;
                let severity = notice.severity as i64;
                let content = json(notice)?;
                Ok((
                    &wanted.tenant,
                    &wanted.new.cause,
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
        let mut by_cause: HashMap<(String, String), Wanted<'a>> = batch
            .into_iter()
            .map(|wanted| ((wanted.tenant.clone(), wanted.new.cause.clone()), wanted))
            .collect();
        for (id, tenant, cause) in made {
            let Wanted { tenant, new, notice } = by_cause
                .remove(&(tenant, cause))
                .ok_or_else(|| Error::corrupt("notice.cause", id))?;
            let whose = &new.whose;
            fresh.push(Fresh {
                id,
                tenant,
                whose,
                notice,
            });
        }
    }
    fresh.sort_unstable_by_key(|fresh| fresh.id);
    Ok(fresh)
}

/// Whose a notice is, and how each is told.
async fn tenants<'a>(
    connection: &mut Connection,
    new: &'a NewNotice,
    now: DateTime<Utc>,
) -> Result<Vec<(String, Cow<'a, Notice>)>, Error> {
    let (kind, subjects) = match &new.whose {
        Whose::Tenant(tenant) | Whose::ByOthers { tenant, .. } => {
            return Ok(vec![(tenant.clone(), Cow::Borrowed(&new.notice))]);
        }
        Whose::DealingWith(kind, subjects) => (kind, subjects),
    };
    let subjects: BTreeSet<[&str; 1]> = match kind {
        // Whoever filed under a subheading deals with every code of it.
        DealingKind::TariffCode => subjects
            .iter()
            .flat_map(|code| [6, 8, 10].into_iter().filter_map(|digits| code.get(..digits)))
            .map(|code| [code])
            .collect(),
        DealingKind::Operation | DealingKind::Certificate => {
            subjects.iter().map(|subject| [subject.as_str()]).collect()
        }
    };
    let since = day_of(now)
        .checked_sub_days(Days::new(DEALS_FOR))
        .unwrap_or(Date::MIN);
    let dealers: Vec<(String, String)> = sqlx::query_as(SELECT_DEALERS)
        .bind(kind.as_str())
        .bind(json(subjects)?)
        .bind(since)
        .fetch_all(connection)
        .await?;
    let mut of_each: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (tenant, subject) in dealers {
        of_each.entry(tenant).or_default().push(subject);
    }
    Ok(of_each
        .into_iter()
        .map(|(tenant, subjects)| (tenant, Cow::Owned(new.naming(&subjects))))
        .collect())
}

/// A subscription that a notice may be for.
struct Subscribed {
    id: i64,
    receiver: i64,
    subscription: Subscription,
}

/// Holds the making of notices until the transaction ends: their numbers rise in the order of commits, and no message is
/// made for a receiver that is being removed. Taken before any row is.
pub(super) async fn hold_notices(connection: &mut Connection) -> Result<(), Error> {
    engine::hold(connection, &["notification notices"]).await
}

/// Keeps notices and makes messages of those that are new; how many those are. Whoever calls has called [`hold_notices`].
pub(super) async fn tell(
    connection: &mut Connection,
    notices: &[NewNotice],
    now: DateTime<Utc>,
) -> Result<usize, Error> {
    let fresh = save_notices(connection, notices, now).await?;
    let count = fresh.len();
    send(connection, fresh, now).await?;
    Ok(count)
}

/// Makes messages of notices, for each subscription that asks for them.
async fn send(connection: &mut Connection, fresh: Vec<Fresh<'_>>, now: DateTime<Utc>) -> Result<(), Error> {
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
    let mut digests: BTreeMap<(i64, DateTime<Utc>), Digest> = BTreeMap::new();
    for fresh in fresh {
        // Whoever asked twice is told once, at the earlier time.
        let mut due_to: BTreeMap<i64, DateTime<Utc>> = BTreeMap::new();
        if let Whose::ByOthers { than, .. } = fresh.whose {
            let others: Vec<i64> = sqlx::query_scalar(SELECT_OTHER_RECEIVERS)
                .bind(&fresh.tenant)
                .bind(than)
                .fetch_all(&mut *connection)
                .await?;
            due_to.extend(others.into_iter().map(|receiver| (receiver, now)));
        }
        for to in subscribed
            .get(&fresh.tenant)
            .map(Vec::as_slice)
            .unwrap_or_default()
        {
            let is_about_it = matches!(fresh.whose, Whose::ByOthers { than, .. } if *than == to.receiver);
            if is_about_it || !to.subscription.asks_for(&fresh.notice) {
                continue;
            }
            let due = to.subscription.due(now);
            if to.subscription.rhythm == Rhythm::AtOnce {
                let earliest = due_to.entry(to.receiver).or_insert(due);
                *earliest = due.min(*earliest);
            } else {
                digests
                    .entry((to.id, due))
                    .or_insert_with(|| Digest {
                        name: format!("{}/{}/{}", to.id, to.receiver, due.timestamp()),
                        message: Message {
                            tenant: fresh.tenant.clone(),
                            receiver: to.receiver,
                            subject: String::new(),
                            due,
                        },
                        notices: Vec::new(),
                    })
                    .notices
                    .push(fresh.id);
            }
        }
        single.extend(due_to.into_iter().map(|(receiver, due)| {
            let message = Message {
                tenant: fresh.tenant.clone(),
                receiver,
                subject: fresh.notice.subject.clone(),
                due,
            };
            (message, fresh.id)
        }));
    }
    send_singly(connection, single, now).await?;
    for digest in digests.into_values() {
        gather(connection, digest, now).await?;
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

/// Notices that are gathered for a moment.
struct Digest {
    /// Of the subscription and the moment.
    name: String,
    message: Message,
    notices: Vec<i64>,
}

type MessageRow<'a> = (
    &'a str,
    i64,
    String,
    Option<&'a str>,
    &'a str,
    String,
    String,
    i64,
);

impl Message {
    /// As a part of a digest, or by itself.
    fn row<'a>(&'a self, digest: Option<(&'a str, i64)>) -> Result<MessageRow<'a>, Error> {
        Ok((
            &self.tenant,
            self.receiver,
            message_id().map_err(|error| Error::corrupt("delivery.message_id", error))?,
            digest.map(|(name, _)| name),
            &self.subject,
            row::moment(self.due),
            row::moment(self.due + TRIED_FOR),
            digest.map_or(0, |(_, part)| part),
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

/// Adds notices to the message in which those of a subscription for a moment are gathered. Where that one is full or under
/// way already, another follows it.
async fn gather(connection: &mut Connection, digest: Digest, now: DateTime<Utc>) -> Result<(), Error> {
    let last: Option<(i64, i64, i64, bool)> = sqlx::query_as(HOLD_LAST_PART)
        .bind(&digest.name)
        .fetch_optional(&mut *connection)
        .await?;
    let mut part = 0;
    let mut left = digest.notices.as_slice();
    if let Some((delivery, number, size, is_closed)) = last {
        part = number;
        let size = usize::try_from(size).map_err(|_| Error::corrupt("delivery.size", size))?;
        let room = if is_closed { 0 } else { PART.saturating_sub(size) };
        let (here, others) = left.split_at(room.min(left.len()));
        join(connection, delivery, here).await?;
        left = others;
    }
    for notices in left.chunks(PART) {
        part += 1;
        let row = digest.message.row(Some((&digest.name, part)))?;
        let made: (i64, String) = sqlx::query_as(INSERT_DELIVERIES)
            .bind(json([row])?)
            .bind(now)
            .fetch_one(&mut *connection)
            .await?;
        join(connection, made.0, notices).await?;
    }
    Ok(())
}

async fn join(connection: &mut Connection, delivery: i64, notices: &[i64]) -> Result<(), Error> {
    if notices.is_empty() {
        return Ok(());
    }
    let rows: Vec<(i64, i64)> = notices.iter().map(|notice| (delivery, *notice)).collect();
    sqlx::query(INSERT_DELIVERY_NOTICES)
        .bind(json(rows)?)
        .execute(&mut *connection)
        .await?;
    sqlx::query(ADD_TO_SIZE)
        .bind(delivery)
        .bind(i64::try_from(notices.len()).unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await?;
    Ok(())
}
