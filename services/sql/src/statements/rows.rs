//! Rows beside the log: what the notes last said of each is kept in a temporary table, so that memory stays bounded.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::Row as _;

use super::engine::{self, Connection, one_of, rows};
use crate::audit::{Audited, Checker, Column, Kind, Rows, hash_text, json_hash, said};
use crate::{Error, row};

/// Rows that are read, and said of, at once.
const PAGE: i64 = 1_000;
const MOST_SAID: usize = 2_000;
/// Rows that are missing and named; more are counted.
const MOST_MISSING: i64 = 100;

/// What the notes of the baseline are: every other note of a row counts more, also one that was made meanwhile.
pub(super) const BASELINE: &str = "AUDIT_BASELINE";

const CREATE: &str = "CREATE TEMPORARY TABLE audit_last (kind TEXT NOT NULL, row_key TEXT NOT NULL, \
    audit_id BIGINT NOT NULL, sequence BIGINT, hash TEXT NOT NULL, PRIMARY KEY (kind, row_key))";
const PUT: &str = concat!(
    "/* audit.last */ INSERT INTO audit_last (kind, row_key, audit_id, sequence, hash) \
    SELECT r.value ->> 0, r.value ->> 1, CAST(r.value ->> 2 AS BIGINT), CAST(r.value ->> 3 AS BIGINT), r.value ->> 4 \
    FROM ",
    rows!("$1"),
    " WHERE true ON CONFLICT (kind, row_key) DO UPDATE SET audit_id = excluded.audit_id, \
    sequence = excluded.sequence, hash = excluded.hash WHERE excluded.audit_id >= audit_last.audit_id"
);
/// Takes what was said of rows of the kind `$2`: a JSON list of lists of one key.
const TAKE: &str = concat!(
    "/* audit.take_last */ DELETE FROM audit_last WHERE kind = $2 AND ",
    one_of!("row_key", "SELECT r.value ->> 0 FROM ", rows!("$1")),
    " RETURNING row_key, audit_id, sequence, hash"
);
const REST: &str = "/* audit.rest */ SELECT row_key, sequence FROM audit_last WHERE kind = $1 AND hash <> '' \
    ORDER BY audit_id, row_key LIMIT $2";
const COUNT_REST: &str =
    "/* audit.count_rest */ SELECT COUNT(*) FROM audit_last WHERE kind = $1 AND hash <> ''";

/// Collects what notes say of rows, the last of each.
pub(super) struct LastSaid {
    waiting: HashMap<(String, String), (i64, Option<i64>, String)>,
}

impl LastSaid {
    pub(super) async fn new(connection: &mut Connection) -> Result<Self, Error> {
        sqlx::raw_sql(CREATE).execute(connection).await?;
        Ok(Self {
            waiting: HashMap::new(),
        })
    }

    /// Takes a note.
    pub(super) async fn note(
        &mut self,
        connection: &mut Connection,
        audit_id: i64,
        sequence: Option<i64>,
        action: &str,
        listing: &[u8],
    ) -> Result<(), Error> {
        let place = if action == BASELINE { 0 } else { audit_id };
        // One that somebody has changed, which the seals name.
        let Ok(rows) = said(listing) else { return Ok(()) };
        for (kind, key, hash) in rows {
            let new = (place, sequence, hash_text(hash.as_ref()));
            match self.waiting.entry((kind.to_owned(), key.to_owned())) {
                Entry::Occupied(mut known) if known.get().0 <= place => drop(known.insert(new)),
                Entry::Occupied(_) => {}
                Entry::Vacant(vacant) => drop(vacant.insert(new)),
            }
            if self.waiting.len() >= MOST_SAID {
                self.flush(connection).await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self, connection: &mut Connection) -> Result<(), Error> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let batch: Vec<_> = self
            .waiting
            .drain()
            .map(|((kind, key), (audit_id, sequence, hash))| (kind, key, audit_id, sequence, hash))
            .collect();
        sqlx::query(PUT)
            .bind(row::json(batch)?)
            .persistent(false)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Sets every row of these kinds beside what was said of it.
    pub(super) async fn compare(
        mut self,
        connection: &mut Connection,
        audited: &[&'static Audited],
        checker: &mut Checker,
    ) -> Result<(), Error> {
        self.flush(connection).await?;
        for audited in audited {
            let mut pages = Pages::of(audited);
            while let Some(page) = pages.next(connection).await? {
                compare_page(connection, audited, &page, checker).await?;
            }
            let missing: Vec<(String, Option<i64>)> = sqlx::query_as(REST)
                .bind(audited.kind)
                .bind(MOST_MISSING)
                .persistent(false)
                .fetch_all(&mut *connection)
                .await?;
            let count: i64 = sqlx::query_scalar(COUNT_REST)
                .bind(audited.kind)
                .persistent(false)
                .fetch_one(&mut *connection)
                .await?;
            for (key, sequence) in &missing {
                checker.wrong_row(Kind::RowRemoved, audited.kind, &(audited.shown)(key), *sequence);
            }
            let more = usize::try_from(count)
                .unwrap_or_default()
                .saturating_sub(missing.len());
            checker.more_wrong_rows(u64::try_from(more).unwrap_or(u64::MAX));
        }
        Ok(())
    }
}

async fn compare_page(
    connection: &mut Connection,
    audited: &'static Audited,
    page: &Rows,
    checker: &mut Checker,
) -> Result<(), Error> {
    let here = said(page.listing().unwrap_or_default())?;
    let keys: Vec<[&str; 1]> = here.iter().map(|(_, key, _)| [*key]).collect();
    let taken: Vec<(String, i64, Option<i64>, String)> = sqlx::query_as(TAKE)
        .bind(row::json(keys)?)
        .bind(audited.kind)
        .persistent(false)
        .fetch_all(connection)
        .await?;
    let mut taken: HashMap<String, (i64, Option<i64>, String)> = taken
        .into_iter()
        .map(|(key, audit_id, sequence, hash)| (key, (audit_id, sequence, hash)))
        .collect();
    for (_, key, hash) in here {
        match taken.remove(key) {
            Some((audit_id, _, said)) if said == hash_text(hash.as_ref()) => checker.row(audit_id == 0),
            Some((_, sequence, said)) => {
                checker.row(false);
                let kind_of_change = if said.is_empty() {
                    Kind::RowAdded
                } else {
                    Kind::RowChanged
                };
                checker.wrong_row(kind_of_change, audited.kind, &(audited.shown)(key), sequence);
            }
            None => {
                checker.row(false);
                checker.wrong_row(Kind::RowAdded, audited.kind, &(audited.shown)(key), None);
            }
        }
    }
    Ok(())
}

/// The rows of one kind, a page at a time in the order of their keys.
pub(super) struct Pages {
    audited: &'static Audited,
    /// The last key; absent: before the first. Once more absent: behind the last.
    after: Option<Vec<KeyPart>>,
}

#[derive(Debug, Clone)]
enum KeyPart {
    Number(i64),
    Text(String),
}

impl Pages {
    pub(super) fn of(audited: &'static Audited) -> Self {
        let before_all = audited.columns[..audited.key]
            .iter()
            .map(|column| match column {
                Column::Number => KeyPart::Number(i64::MIN),
                _ => KeyPart::Text(String::new()),
            })
            .collect();
        Self {
            audited,
            after: Some(before_all),
        }
    }

    pub(super) async fn next(&mut self, connection: &mut Connection) -> Result<Option<Rows>, Error> {
        let Some(after) = self.after.take() else {
            return Ok(None);
        };
        let mut query = sqlx::query(self.audited.page);
        for part in after {
            query = match part {
                KeyPart::Number(number) => query.bind(number),
                KeyPart::Text(text) => query.bind(text),
            };
        }
        let found = query.bind(PAGE).fetch_all(connection).await?;
        let Some(last) = found.last() else { return Ok(None) };
        let key = (0..self.audited.key).map(|column| {
            Ok(match self.audited.columns[column] {
                Column::Number => KeyPart::Number(last.try_get(column)?),
                _ => KeyPart::Text(last.try_get(column)?),
            })
        });
        self.after = Some(key.collect::<Result<_, Error>>()?);
        let mut rows = Rows::new();
        for row in &found {
            push(&mut rows, self.audited, row)?;
        }
        Ok(Some(rows))
    }
}

/// Adds a row as it stands in the database.
fn push(
    rows: &mut Rows,
    audited: &'static Audited,
    found: &<engine::Engine as sqlx::Database>::Row,
) -> Result<(), Error> {
    let mut row = rows.row(audited);
    for (place, column) in audited.columns.iter().enumerate() {
        row = match column {
            Column::Number => row.number(found.try_get::<Option<i64>, _>(place)?),
            Column::Text => row.text(found.try_get::<Option<&str>, _>(place)?),
            Column::Json => {
                let hash = found
                    .try_get::<Option<&str>, _>(place)?
                    .map(|text| serde_json::from_str(text).map(|value| json_hash(&value)))
                    .transpose();
                // Somebody wrote it who is not this program: it is no row that any note left.
                row.json(hash.unwrap_or_default())
            }
            Column::Moment => row.moment(found.try_get::<Option<DateTime<Utc>>, _>(place)?),
            Column::Date => row.date(found.try_get::<Option<NaiveDate>, _>(place)?),
            Column::Bytes => row.bytes(found.try_get::<Option<&[u8]>, _>(place)?),
            Column::Flag => row.flag(found.try_get::<Option<bool>, _>(place)?),
        };
    }
    row.end();
    Ok(())
}

/// Adds the rows that a statement finds, which selects the columns of their page: for a change whose rows only the
/// database knows, in its transaction. `$1` is a JSON list.
///
/// # Errors
/// What the engine reports.
pub async fn read_back(
    connection: &mut Connection,
    rows: &mut Rows,
    audited: &'static Audited,
    statement: &'static str,
    list: String,
) -> Result<(), Error> {
    let found = sqlx::query(statement).bind(list).fetch_all(connection).await?;
    found.iter().try_for_each(|row| push(rows, audited, row))
}
