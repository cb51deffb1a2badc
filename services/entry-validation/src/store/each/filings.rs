//! Filings: begin, freeze anew, finish, find those that were left.

use chrono::{DateTime, Utc};
use nopic_domain::date::{Date, parse_iso};
use nopic_proto::certificate::SetDrawsResponse;
use nopic_proto::entry_validation as wire;
use nopic_sql::Error;
use nopic_sql::row::{json, small};
use prost::Message as _;
use rustc_hash::FxHashMap;

use super::Store;
use super::engine::{Connection, audit, date, for_update, hold, outbox, rows, skip_locked};
use super::insert_decisions;
use crate::filing::Decided;
use crate::store::{Begun, DecisionRow, Filings, Lease, NewFiling, OpenFiling};

const SELECT_REQUEST: &str = "/* filing.begin */ SELECT filing_id, request_hash, state FROM filing
    WHERE tenant = $1 AND request_id = $2";
/// Entries are a JSON list of lists of one number.
const INSERT_ENTRIES: &str = concat!(
    "/* filing.begin */ INSERT INTO entry (tenant, entry_number, version)
    SELECT $1, r.value ->> 0, 0 FROM ",
    rows!("$2"),
    " WHERE true ON CONFLICT (tenant, entry_number) DO NOTHING"
);
const SELECT_ENTRIES: &str = concat!(
    "/* filing.begin */ SELECT entry_id, entry_number, version, claimed_by FROM entry
    WHERE tenant = $1 AND entry_number IN (SELECT r.value ->> 0 FROM ",
    rows!("$2"),
    ") ORDER BY entry_id",
    for_update!()
);
const INSERT_FILING: &str =
    "/* filing.begin */ INSERT INTO filing (tenant, request_id, request_hash, state, attempt,
        inputs, lease_holder, lease_until, began_at)
    VALUES ($1, $2, $3, 'OPEN', 1, $4, $5, $6, $7) RETURNING filing_id";
/// Entries are a JSON list of lists of one id.
const CLAIM: &str = concat!(
    "/* filing.begin */ UPDATE entry SET claimed_by = $1
    WHERE entry_id IN (SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
    rows!("$2"),
    ")"
);
const SELECT_STATE: &str = "/* filing.state */ SELECT filing_id, request_hash, state FROM filing
    WHERE tenant = $1 AND request_id = $2";
const REFREEZE: &str =
    "/* filing.refreeze */ UPDATE filing SET attempt = attempt + 1, inputs = $1, lease_until = $2
    WHERE filing_id = $3 AND attempt = $4 AND lease_holder = $5 AND state = 'OPEN'";
const TAKE: &str = concat!(
    "/* filing.take */ UPDATE filing SET lease_holder = $1, lease_until = $2
    WHERE filing_id = (SELECT filing_id FROM filing WHERE state = 'OPEN' AND lease_until < $3
        ORDER BY lease_until LIMIT 1",
    skip_locked!(),
    ")
    RETURNING filing_id, tenant, attempt, inputs"
);
const EXPIRE: &str = "/* filing.expire */ UPDATE filing SET lease_until = $1
    WHERE state = 'OPEN' AND lease_holder = $2";
const FINISH: &str = "/* filing.finish */ UPDATE filing SET state = 'DONE', ledger = $1, done_at = $2
    WHERE filing_id = $3 AND state = 'OPEN' AND lease_holder = $4";
const SELECT_CLAIMED: &str = "/* filing.finish */ SELECT entry_id, entry_number FROM entry
    WHERE tenant = $1 AND claimed_by = $2";
/// Lines are a JSON list of lists of entry, line and PGA line.
const END_LINES: &str = concat!(
    "/* filing.finish */ UPDATE decision SET ended_at = $1
    WHERE ended_at IS NULL AND (entry_id, line_number, pga_line_number) IN (
        SELECT CAST(r.value ->> 0 AS BIGINT), CAST(r.value ->> 1 AS BIGINT), CAST(r.value ->> 2 AS BIGINT) FROM ",
    rows!("$2"),
    ")"
);
/// Entries are a JSON list of lists of one id.
const END_ENTRIES: &str = concat!(
    "/* filing.finish */ UPDATE decision SET ended_at = $1
    WHERE ended_at IS NULL AND entry_id IN (SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
    rows!("$2"),
    ")"
);
/// Versions are a JSON list of lists of entry, version and day of filing.
const INSERT_VERSIONS: &str = concat!(
    "/* filing.finish */ INSERT INTO entry_version (entry_id, version, filing_id, kind, actor, reason, filed_on,
        recorded_at)
    SELECT CAST(r.value ->> 0 AS BIGINT), CAST(r.value ->> 1 AS BIGINT), $2, $3, $4, $5, ",
    date!("r.value ->> 2"),
    ", $6 FROM ",
    rows!("$1"),
    " WHERE true"
);
/// Entries are a JSON list of lists of id and version.
const RELEASE: &str = concat!(
    "/* filing.finish */ UPDATE entry SET claimed_by = NULL, version = q.version
    FROM (SELECT CAST(r.value ->> 0 AS BIGINT) AS entry_id, CAST(r.value ->> 1 AS BIGINT) AS version FROM ",
    rows!("$1"),
    ") q WHERE entry.entry_id = q.entry_id"
);
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    SELECT_REQUEST,
    INSERT_ENTRIES,
    SELECT_ENTRIES,
    INSERT_FILING,
    CLAIM,
    SELECT_STATE,
    REFREEZE,
    TAKE,
    EXPIRE,
    FINISH,
    SELECT_CLAIMED,
    END_LINES,
    END_ENTRIES,
    INSERT_VERSIONS,
    RELEASE,
];

fn open(row: (i64, String, i64, Vec<u8>)) -> Result<OpenFiling, Error> {
    let (filing_id, tenant, attempt, inputs) = row;
    Ok(OpenFiling {
        filing_id,
        tenant,
        attempt: small("filing.attempt", attempt)?,
        inputs: wire::FilingInputs::decode(inputs.as_slice())
            .map_err(|error| Error::corrupt("filing.inputs", error))?,
    })
}

#[tonic::async_trait]
impl Filings for Store {
    async fn begin_filing(&self, mut new: NewFiling<'_>) -> Result<Begun, Error> {
        let mut transaction = self.database.write().await?;
        hold(&mut transaction, &[new.tenant, new.request_id]).await?;
        let known: Option<(i64, Vec<u8>, String)> = sqlx::query_as(SELECT_REQUEST)
            .bind(new.tenant)
            .bind(new.request_id)
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some((filing_id, hash, state)) = known {
            return match (hash == new.request_hash, state.as_str()) {
                (false, _) => Err(Error::RequestReused(new.request_id.to_owned())),
                (true, "DONE") => Ok(Begun::Done(filing_id)),
                (true, _) => Ok(Begun::Busy { entry_number: None }),
            };
        }
        let mut numbers: Vec<[&str; 1]> = new
            .inputs
            .entries
            .iter()
            .map(|entry| [entry.entry_number.as_str()])
            .collect();
        // In one order always, so that two filings do not wait for each other.
        numbers.sort_unstable();
        let numbers = json(numbers)?;
        if new.current_version.is_none() {
            sqlx::query(INSERT_ENTRIES)
                .bind(new.tenant)
                .bind(&numbers)
                .execute(&mut *transaction)
                .await?;
        }
        let found: Vec<(i64, String, i64, Option<i64>)> = sqlx::query_as(SELECT_ENTRIES)
            .bind(new.tenant)
            .bind(&numbers)
            .fetch_all(&mut *transaction)
            .await?;
        let mut versions: FxHashMap<&str, (i64, u32)> = FxHashMap::default();
        for (entry_id, entry_number, version, claimed_by) in &found {
            if claimed_by.is_some() {
                return Ok(Begun::Busy {
                    entry_number: Some(entry_number.clone()),
                });
            }
            versions.insert(entry_number, (*entry_id, small("entry.version", *version)?));
        }
        let mut claimed = Vec::with_capacity(found.len());
        for entry in &mut new.inputs.entries {
            let known = versions.get(entry.entry_number.as_str()).copied();
            let current = known.map_or(0, |(_, version)| version);
            let Some((entry_id, _)) =
                known.filter(|_| new.current_version.is_none_or(|asked| asked == current))
            else {
                return Ok(Begun::Outdated {
                    entry_number: entry.entry_number.clone(),
                    current,
                });
            };
            entry.version = current + 1;
            claimed.push([entry_id]);
        }
        let filing_id: i64 = sqlx::query_scalar(INSERT_FILING)
            .bind(new.tenant)
            .bind(new.request_id)
            .bind(&new.request_hash[..])
            .bind(new.inputs.encode_to_vec())
            .bind(new.lease.holder)
            .bind(new.lease.until)
            .bind(new.lease.now)
            .fetch_one(&mut *transaction)
            .await?;
        sqlx::query(CLAIM)
            .bind(filing_id)
            .bind(json(claimed)?)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Begun::Open(Box::new(OpenFiling {
            filing_id,
            tenant: new.tenant.to_owned(),
            attempt: 1,
            inputs: new.inputs,
        })))
    }

    async fn filing_state(
        &self,
        tenant: &str,
        request_id: &str,
    ) -> Result<Option<(i64, Vec<u8>, bool)>, Error> {
        let row: Option<(i64, Vec<u8>, String)> = sqlx::query_as(SELECT_STATE)
            .bind(tenant)
            .bind(request_id)
            .fetch_optional(self.database.readers())
            .await?;
        Ok(row.map(|(filing_id, hash, state)| (filing_id, hash, state == "DONE")))
    }

    async fn freeze_anew(&self, filing: &OpenFiling, lease: Lease<'_>) -> Result<bool, Error> {
        let mut transaction = self.database.write().await?;
        let changed = sqlx::query(REFREEZE)
            .bind(filing.inputs.encode_to_vec())
            .bind(lease.until)
            .bind(filing.filing_id)
            .bind(i64::from(filing.attempt))
            .bind(lease.holder)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        transaction.commit().await?;
        Ok(changed == 1)
    }

    async fn take_left_filing(&self, lease: Lease<'_>) -> Result<Option<OpenFiling>, Error> {
        let mut transaction = self.database.write().await?;
        let row = sqlx::query_as(TAKE)
            .bind(lease.holder)
            .bind(lease.until)
            .bind(lease.now)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        row.map(open).transpose()
    }

    async fn expire_leases(&self, holder: &str, now: DateTime<Utc>) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        sqlx::query(EXPIRE)
            .bind(now - chrono::TimeDelta::seconds(1))
            .bind(holder)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn finish_filing(
        &self,
        filing: &OpenFiling,
        decided: &[Decided],
        ledger: &SetDrawsResponse,
        lease: Lease<'_>,
    ) -> Result<bool, Error> {
        let mut transaction = self.database.write().await?;
        let finished = sqlx::query(FINISH)
            .bind(ledger.encode_to_vec())
            .bind(lease.now)
            .bind(filing.filing_id)
            .bind(lease.holder)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        if finished == 0 {
            // Another worker took it over and finishes it, or has.
            return Ok(false);
        }
        write_decisions(&mut transaction, filing, decided, lease.now).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

async fn write_decisions(
    connection: &mut Connection,
    filing: &OpenFiling,
    decided: &[Decided],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let inputs = &filing.inputs;
    let filed_on =
        parse_iso(&inputs.filed_on).ok_or_else(|| Error::corrupt("filing.inputs", &inputs.filed_on))?;
    let claimed: Vec<(i64, String)> = sqlx::query_as(SELECT_CLAIMED)
        .bind(&filing.tenant)
        .bind(filing.filing_id)
        .fetch_all(&mut *connection)
        .await?;
    let ids: FxHashMap<String, i64> = claimed
        .into_iter()
        .map(|(entry_id, entry_number)| (entry_number, entry_id))
        .collect();
    let mut whole = Vec::new();
    let mut versions: Vec<(i64, u32, Date)> = Vec::new();
    let mut lines = Vec::new();
    let mut decisions = Vec::with_capacity(decided.len());
    let mut rest = (0u32..).zip(decided);
    for entry in &inputs.entries {
        let entry_id = *ids
            .get(&entry.entry_number)
            .ok_or_else(|| Error::corrupt("entry.claimed_by", &entry.entry_number))?;
        versions.push((entry_id, entry.version, filed_on));
        if !entry.keep_other_lines {
            whole.push([entry_id]);
        }
        for (place, decided) in rest.by_ref().take(entry.line_count as usize) {
            let verdict = &decided.verdict;
            if entry.keep_other_lines {
                lines.push((entry_id, verdict.line_number, verdict.pga_line_number));
            }
            decisions.push(DecisionRow::new(
                filing,
                place,
                (entry_id, entry.version),
                filed_on,
                now,
                decided,
            ));
        }
    }
    for (statement, rows) in [(END_ENTRIES, json(whole)?), (END_LINES, json(lines)?)] {
        if rows != "[]" {
            sqlx::query(statement)
                .bind(now)
                .bind(rows)
                .execute(&mut *connection)
                .await?;
        }
    }
    insert_decisions(connection, &decisions).await?;
    let principal = inputs.principal.clone().unwrap_or_default();
    sqlx::query(INSERT_VERSIONS)
        .bind(json(&versions)?)
        .bind(filing.filing_id)
        .bind(&inputs.kind)
        .bind(&principal.actor)
        .bind(&inputs.reason)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    sqlx::query(RELEASE)
        .bind(json(&versions)?)
        .execute(&mut *connection)
        .await?;
    note(connection, filing, decided.len(), now).await
}

/// Tells others of a filing, and notes who made it. History that is brought in is no news.
async fn note(
    connection: &mut Connection,
    filing: &OpenFiling,
    decisions: usize,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let inputs = &filing.inputs;
    let principal = inputs.principal.clone().unwrap_or_default();
    let subject = filing.filing_id.to_string();
    let entries: Vec<(&str, u32)> = inputs
        .entries
        .iter()
        .map(|entry| (entry.entry_number.as_str(), entry.version))
        .collect();
    if inputs.kind != "IMPORTED" {
        let content = json(&entries)?;
        outbox::put(
            connection,
            now,
            &filing.tenant,
            "entries.filed",
            &subject,
            content.as_bytes(),
        )
        .await?;
    }
    let detail = json(serde_json::json!({
        "filing": filing.filing_id,
        "entries": entries,
        "decisions": decisions,
    }))?;
    audit::record(
        connection,
        &audit::Change {
            at: now,
            tenant: &filing.tenant,
            actor: &principal.actor,
            action: match inputs.kind.as_str() {
                "AMENDED" => "ENTRY_AMENDED",
                "CANCELLED" => "ENTRY_CANCELLED",
                "IMPORTED" => "ENTRIES_IMPORTED",
                _ => "ENTRIES_FILED",
            },
            subject: &subject,
            reason: &inputs.reason,
            detail: &detail,
        },
    )
    .await
}
