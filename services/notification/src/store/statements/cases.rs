//! Cases of enforcement: their history, which only grows.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound as _, Utc};
use nopic_domain::date::{Date, Period, day_of};
use nopic_domain::enforcement::{Cases, Event};
use nopic_domain::identifier::{EntryNumber, NopId};
use nopic_domain::principal::Principal;
use nopic_sql::Error;
use nopic_sql::audit::{Change, Rows};
use nopic_sql::row::{json, small};
use serde_json::json as value;

use super::super::engine::{self, Connection, audit, rows};
use super::Store;
use super::messages::{hold_notices, tell};
use crate::cases::CaseRules;
use crate::cases::entry::{Standing, ToldVersion};
use crate::cases::notices::notices;
use crate::store::audited::CASE_EVENT;
use crate::store::cases::{History, importer_of};
use crate::store::{CaseStore, NewNotice, row};

nopic_sql::statements! {
    const SELECT_HISTORY: &str =
        "SELECT content FROM case_event WHERE tenant = $1 AND importer = $2 ORDER BY event_id";
    const SELECT_IMPORTERS: &str = "SELECT DISTINCT tenant, importer FROM case_event
        WHERE (tenant, importer) > ($1, $2) ORDER BY tenant, importer LIMIT $3";
    const SELECT_IMPORTERS_OF: &str = "SELECT DISTINCT tenant, importer FROM case_event
        WHERE tenant = $1 AND importer >= $2 ORDER BY tenant, importer LIMIT $3";
    const INSERT_EVENT: &str = "INSERT INTO case_event (tenant, importer, content, recorded_at)
        VALUES ($1, $2, $3, $4) RETURNING event_id";
    /// Rows of tenant and entry number.
    const SELECT_STANDING: &str = concat!(
        "SELECT c.tenant, c.entry_number, c.version, c.content FROM ",
        rows!("$1"),
        engine::look_up!(
            "counted_entry",
            "c",
            "c.tenant = r.value ->> 0 AND c.entry_number = r.value ->> 1"
        )
    );
    const UPSERT_STANDING: &str = "INSERT INTO counted_entry (tenant, entry_number, version, content)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (tenant, entry_number) DO UPDATE SET version = excluded.version, content = excluded.content";
}

/// Keeps what versions of entries say to cases; what is to be told of it.
pub(super) async fn take_versions(
    connection: &mut Connection,
    versions: &[ToldVersion],
    rules: &CaseRules,
    now: DateTime<Utc>,
) -> Result<Vec<NewNotice>, Error> {
    let asking: Vec<&ToldVersion> = versions
        .iter()
        .filter(|version| version.asks_for_before())
        .collect();
    if asking.is_empty() {
        return Ok(Vec::new());
    }
    let mut standing = standing(connection, &asking).await?;
    let mut changed: BTreeMap<&str, Changed<'_>> = BTreeMap::new();
    for version in asking {
        let tenant = version.tenant.as_str();
        let key = (tenant.to_owned(), version.entry_number);
        let Some((stands, told)) = version.after(standing.get(&key)) else {
            continue;
        };
        sqlx::query(UPSERT_STANDING)
            .bind(tenant)
            .bind(version.entry_number.to_string())
            .bind(i64::from(stands.version))
            .bind(json(&stands.lines)?)
            .execute(&mut *connection)
            .await?;
        standing.insert(key, stands);
        let changed = changed
            .entry(tenant)
            .or_insert_with(|| Changed::new(tenant, rules, now));
        for (importer, event) in told {
            changed.add(connection, importer, &event).await?;
            if version.is_history {
                changed.knew(importer, &event);
            }
        }
    }
    let mut notices = Vec::new();
    for (_, changed) in changed {
        notices.extend(changed.settled_notices());
        changed.note(connection, "CASES_CONTINUED").await?;
    }
    Ok(notices)
}

/// What counts now of the entries of these versions.
async fn standing(
    connection: &mut Connection,
    versions: &[&ToldVersion],
) -> Result<BTreeMap<(String, EntryNumber), Standing>, Error> {
    let asked: BTreeSet<(&str, String)> = versions
        .iter()
        .map(|version| (version.tenant.as_str(), version.entry_number.to_string()))
        .collect();
    let found: Vec<(String, String, i64, String)> = sqlx::query_as(SELECT_STANDING)
        .bind(json(asked)?)
        .fetch_all(connection)
        .await?;
    found
        .into_iter()
        .map(|(tenant, entry_number, version, content)| {
            let number = entry_number
                .parse()
                .map_err(|_| Error::corrupt("counted_entry.entry_number", &entry_number))?;
            let standing = Standing {
                version: small("counted_entry.version", version)?,
                lines: row::read("counted_entry.content", &content)?,
            };
            Ok(((tenant, number), standing))
        })
        .collect()
}

async fn read_cases(
    connection: &mut Connection,
    tenant: &str,
    importer: NopId,
    rules: &CaseRules,
) -> Result<Cases, Error> {
    let found: Vec<String> = sqlx::query_scalar(SELECT_HISTORY)
        .bind(tenant)
        .bind(importer.to_string())
        .fetch_all(connection)
        .await?;
    let mut cases = rules.no_cases();
    for content in found {
        let event: Event = row::read("case_event.content", &content)?;
        cases
            .apply(&event)
            .map_err(|refusal| Error::corrupt("case_event", refusal))?;
    }
    Ok(cases)
}

/// The cases of one tenant that a transaction changes.
pub(super) struct Changed<'a> {
    tenant: &'a str,
    rules: &'a CaseRules,
    /// In whole microseconds, which both engines keep.
    now: DateTime<Utc>,
    /// As they were, and as they are.
    cases: BTreeMap<NopId, (Cases, Cases)>,
    rows: Rows,
    events: usize,
}

impl<'a> Changed<'a> {
    pub(super) fn new(tenant: &'a str, rules: &'a CaseRules, now: DateTime<Utc>) -> Self {
        Self {
            tenant,
            rules,
            now: now.trunc_subsecs(6),
            cases: BTreeMap::new(),
            rows: Rows::new(),
            events: 0,
        }
    }

    /// The cases of an importer as they are, and as they were.
    pub(super) async fn find(
        &mut self,
        connection: &mut Connection,
        importer: NopId,
    ) -> Result<&mut (Cases, Cases), Error> {
        match self.cases.entry(importer) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                let cases = read_cases(connection, self.tenant, importer, self.rules).await?;
                Ok(vacant.insert((cases.clone(), cases)))
            }
        }
    }

    /// Keeps one more event; its number.
    pub(super) async fn add(
        &mut self,
        connection: &mut Connection,
        importer: NopId,
        event: &Event,
    ) -> Result<i64, Error> {
        let (_, cases) = self.find(connection, importer).await?;
        cases
            .apply(event)
            .map_err(|refusal| Error::corrupt("case_event", refusal))?;
        let content = serde_json::to_value(event).map_err(|error| Error::corrupt("case_event", error))?;
        let importer = importer.to_string();
        let id: i64 = sqlx::query_scalar(INSERT_EVENT)
            .bind(self.tenant)
            .bind(&importer)
            .bind(json(&content)?)
            .bind(self.now)
            .fetch_one(connection)
            .await?;
        self.rows
            .row(&CASE_EVENT)
            .number(id)
            .text(self.tenant)
            .text(importer.as_str())
            .json(nopic_sql::audit::json_hash(&content))
            .moment(self.now)
            .end();
        self.events += 1;
        Ok(id)
    }

    /// That an event which was added is no news.
    fn knew(&mut self, importer: NopId, event: &Event) {
        if let Some((before, _)) = self.cases.get_mut(&importer) {
            // What does not fit there follows on news, and is some, too.
            let _ = before.apply(event);
        }
    }

    /// What is left of rows.
    pub(super) fn into_rows(self) -> Rows {
        self.rows
    }

    /// What is to be told of the change.
    fn notices(&self) -> Vec<NewNotice> {
        self.notices_where(|_| true)
    }

    /// The same of importers none of whose cases may have closed meanwhile: as long as nobody knows, nothing is told of the
    /// others. The look that settles it tells how things stand.
    fn settled_notices(&self) -> Vec<NewNotice> {
        let today = day_of(self.now);
        self.notices_where(|cases| cases.close_late(today, &[Period::default()]).is_none())
    }

    fn notices_where(&self, is_told: impl Fn(&Cases) -> bool) -> Vec<NewNotice> {
        self.cases
            .iter()
            .filter(|(_, (_, after))| is_told(after))
            .flat_map(|(importer, (before, after))| {
                notices((self.tenant, *importer), before, after, self.rules, self.now)
            })
            .collect()
    }

    /// Notes what nobody has asked for, and events or time have brought.
    async fn note(self, connection: &mut Connection, action: &'static str) -> Result<(), Error> {
        let importers: Vec<String> = self.cases.keys().map(ToString::to_string).collect();
        let subject = match importers.as_slice() {
            [one] => one.clone(),
            several => format!("{} importers", several.len()),
        };
        let by = Principal::built_in("notification");
        let change = Change {
            at: self.now,
            tenant: self.tenant,
            actor: &by.actor,
            action,
            subject: &subject,
            reason: "",
            detail: &json(value!({ "importers": importers, "events": self.events }))?,
        };
        audit::record_rows(connection, &change, by.role.as_str(), &self.rows).await
    }
}

#[async_trait]
impl CaseStore for Store {
    async fn importers(
        &self,
        after: Option<&(String, String)>,
        limit: u32,
    ) -> Result<Vec<(String, String)>, Error> {
        let (tenant, importer) = after.cloned().unwrap_or_default();
        Ok(sqlx::query_as(SELECT_IMPORTERS)
            .bind(tenant)
            .bind(importer)
            .bind(i64::from(limit))
            .fetch_all(self.database.readers())
            .await?)
    }

    async fn histories_of(
        &self,
        tenant: &str,
        from: Option<NopId>,
        limit: u32,
    ) -> Result<Vec<History>, Error> {
        let from = from.map(|from| from.to_string()).unwrap_or_default();
        let mut connection = self.database.readers().acquire().await?;
        let found: Vec<(String, String)> = sqlx::query_as(SELECT_IMPORTERS_OF)
            .bind(tenant)
            .bind(from)
            .bind(i64::from(limit))
            .fetch_all(&mut *connection)
            .await?;
        let mut histories = Vec::with_capacity(found.len());
        for (tenant, importer) in found {
            let importer = importer_of(&importer)?;
            let cases = read_cases(&mut connection, &tenant, importer, &self.rules).await?;
            histories.push(History { importer, cases });
        }
        Ok(histories)
    }

    async fn cases(&self, tenant: &str, importer: NopId) -> Result<Cases, Error> {
        let mut connection = self.database.readers().acquire().await?;
        read_cases(&mut connection, tenant, importer, &self.rules).await
    }

    async fn close_cases(
        &self,
        tenant: &str,
        importer: NopId,
        today: Date,
        certified: &[Period],
        now: DateTime<Utc>,
    ) -> Result<usize, Error> {
        let mut transaction = self.database.write("close_cases").await?;
        // Whatever changes cases holds this: what was read stays as it is.
        hold_notices(&mut transaction).await?;
        let mut changed = Changed::new(tenant, &self.rules, now);
        loop {
            let (_, cases) = changed.find(&mut transaction, importer).await?;
            let Some(closing) = cases.close_late(today, certified) else {
                break;
            };
            changed
                .add(&mut transaction, importer, &Event::Closed(closing))
                .await?;
        }
        if changed.events == 0 {
            return Ok(0);
        }
        let notices = changed.notices();
        changed.note(&mut transaction, "CASE_CLOSED").await?;
        let count = tell(&mut transaction, &notices, now).await?;
        transaction.commit().await?;
        Ok(count)
    }
}
