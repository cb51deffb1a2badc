//! Taking in what happened: notices, to whom they are sent, and how far events were read, as one.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nopic_domain::date::Date;
use nopic_sql::Error;
use nopic_sql::row::json;

use super::super::engine::{Connection, date, rows};
use super::Store;
use super::cases::take_versions;
use super::messages::{hold_notices, tell};
use crate::store::{Dealing, DealingKind, IntakeStore, Review, Step, Taken, row};

nopic_sql::statements! {
    const SELECT_POSITION: &str = "SELECT position FROM reading WHERE service = $1";
    const FIRST_POSITION: &str = "INSERT INTO reading (service, position, read_at) VALUES ($1, $2, $3) \
        ON CONFLICT (service) DO NOTHING";
    const NEXT_POSITION: &str = "UPDATE reading SET position = $2, read_at = $3 WHERE service = $1 AND position = $4";
    const UPSERT_DEALINGS: &str = concat!(
        "INSERT INTO dealing (kind, subject, tenant, last_on)
        SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, ",
        date!("r.value ->> 3"),
        " FROM ",
        rows!("$1"),
        " WHERE true ON CONFLICT (kind, subject, tenant) DO UPDATE SET last_on = excluded.last_on
        WHERE excluded.last_on > dealing.last_on"
    );
    const SELECT_DEALINGS: &str = "SELECT tenant, subject FROM dealing
        WHERE kind = $1 AND last_on >= $2 AND (tenant, subject) > ($3, $4)
        ORDER BY tenant, subject LIMIT $5";
    const UPSERT_REVIEWS: &str = concat!(
        "INSERT INTO open_review (tenant, request, due_on, content)
        SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT), ",
        date!("r.value ->> 2"),
        ", r.value ->> 3 FROM ",
        rows!("$1"),
        " WHERE true ON CONFLICT (tenant, request) DO UPDATE SET due_on = excluded.due_on, content = excluded.content"
    );
    const DELETE_REVIEW: &str = "DELETE FROM open_review WHERE request = $1";
    const SELECT_REVIEWS: &str = "SELECT content FROM open_review WHERE due_on <= $1
            AND (tenant, request) > ($2, $3) ORDER BY tenant, request LIMIT $4";
}

/// Rows of one statement.
const BATCH: usize = 500;

#[async_trait]
impl IntakeStore for Store {
    async fn position(&self, service: &str) -> Result<String, Error> {
        let position: Option<String> = sqlx::query_scalar(SELECT_POSITION)
            .bind(service)
            .fetch_optional(self.database.readers())
            .await?;
        Ok(position.unwrap_or_default())
    }

    async fn take(
        &self,
        step: Option<&Step>,
        taken: &Taken,
        now: DateTime<Utc>,
    ) -> Result<Option<usize>, Error> {
        let mut transaction = self.database.write("take_events").await?;
        // Numbers of notices rise in the order of commits.
        hold_notices(&mut transaction).await?;
        if let Some(step) = step
            && !advance(&mut transaction, step, now).await?
        {
            return Ok(None);
        }
        save_dealings(&mut transaction, &taken.dealings).await?;
        save_reviews(&mut transaction, &taken.reviews).await?;
        let of_cases = take_versions(&mut transaction, &taken.entries, &self.rules, now).await?;
        let mut count = tell(&mut transaction, &taken.notices, now).await?;
        count += tell(&mut transaction, &of_cases, now).await?;
        transaction.commit().await?;
        Ok(Some(count))
    }

    async fn dealings(
        &self,
        kind: DealingKind,
        since: Date,
        (tenant, subject): (&str, &str),
        limit: u32,
    ) -> Result<Vec<(String, String)>, Error> {
        Ok(sqlx::query_as(SELECT_DEALINGS)
            .bind(kind.as_str())
            .bind(since)
            .bind(tenant)
            .bind(subject)
            .bind(i64::from(limit))
            .fetch_all(self.database.readers())
            .await?)
    }

    async fn reviews_due(
        &self,
        until: Date,
        (tenant, request): (&str, i64),
        limit: u32,
    ) -> Result<Vec<Review>, Error> {
        let found: Vec<String> = sqlx::query_scalar(SELECT_REVIEWS)
            .bind(until)
            .bind(tenant)
            .bind(request)
            .bind(i64::from(limit))
            .fetch_all(self.database.readers())
            .await?;
        found
            .iter()
            .map(|content| row::read("open_review.content", content))
            .collect()
    }
}

/// Whether nobody else has read further meanwhile.
async fn advance(connection: &mut Connection, step: &Step, now: DateTime<Utc>) -> Result<bool, Error> {
    let query = if step.from.is_empty() {
        sqlx::query(FIRST_POSITION)
            .bind(step.service)
            .bind(&step.to)
            .bind(now)
    } else {
        sqlx::query(NEXT_POSITION)
            .bind(step.service)
            .bind(&step.to)
            .bind(now)
            .bind(&step.from)
    };
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

async fn save_dealings(connection: &mut Connection, dealings: &[Dealing]) -> Result<(), Error> {
    // Of one row twice in a statement one engine says that it cannot.
    let mut last: BTreeMap<(&str, &str, &str), Date> = BTreeMap::new();
    for dealing in dealings {
        let on = last
            .entry((dealing.kind.as_str(), &dealing.subject, &dealing.tenant))
            .or_insert(dealing.on);
        *on = dealing.on.max(*on);
    }
    let rows: Vec<_> = last
        .into_iter()
        .map(|((kind, subject, tenant), on)| (kind, subject, tenant, on))
        .collect();
    for batch in rows.chunks(BATCH) {
        sqlx::query(UPSERT_DEALINGS)
            .bind(json(batch)?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn save_reviews(connection: &mut Connection, reviews: &[Review]) -> Result<(), Error> {
    for review in reviews {
        let Some(due_on) = review.due_on else {
            // For everybody who was told of it, whoever is told of its end.
            sqlx::query(DELETE_REVIEW)
                .bind(review.request)
                .execute(&mut *connection)
                .await?;
            continue;
        };
        let row = (&review.tenant, review.request, due_on, json(review)?);
        sqlx::query(UPSERT_REVIEWS)
            .bind(json([row])?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
