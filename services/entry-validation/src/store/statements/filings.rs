//! Filings: begin, freeze anew, finish, find those that were left.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use nopic_domain::decision::{Decision, EntryAnswer, Kind};
use nopic_domain::entry::NormalisedLine;
use nopic_domain::principal::Role;
use nopic_sql::Error;
use nopic_sql::audit::Rows;
use nopic_sql::row::{json, small};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Store;
use super::engine::{Connection, audit, hold, outbox, requests};
use super::filings_sql as sql;
use super::insert_decisions::insert_decisions;
use crate::store::audited::{self, ENTRY, ENTRY_VERSION};
use crate::store::{
    Begun, DecisionRow, DecisionRows, Deletion, FilingState, FilingStore, Lease, NewFiling, OpenFiling,
    SetAsideFiling, StoredDecision, TakenFiling, codec,
};

fn taken(row: (i64, String, String, i64, bool, Vec<u8>)) -> TakenFiling {
    let (filing_id, tenant, request_id, attempt, must_ask_ledger, inputs) = row;
    let read = small("filing.attempt", attempt).and_then(|attempt| {
        Ok(OpenFiling {
            filing_id,
            tenant: tenant.clone(),
            attempt,
            must_ask_ledger,
            inputs: codec::read_inputs(&inputs)?,
        })
    });
    TakenFiling {
        filing_id,
        tenant,
        request_id,
        read,
    }
}

fn busy(entry_number: Option<String>, new: NewFiling<'_>) -> Begun {
    Begun::Busy {
        entry_number,
        inputs: Box::new(new.inputs),
    }
}

#[tonic::async_trait]
impl FilingStore for Store {
    async fn begin_filing(&self, mut new: NewFiling<'_>) -> Result<Begun, Error> {
        let mut transaction = self.database.write("begin_filing").await?;
        hold(&mut transaction, &[new.tenant, new.request_id]).await?;
        let known: Option<(i64, Vec<u8>, String)> = sqlx::query_as(sql::SELECT_REQUEST)
            .bind(new.tenant)
            .bind(new.request_id)
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some((filing_id, hash, state)) = known {
            return match (hash == new.request_hash, state.as_str()) {
                (false, _) => Err(Error::RequestReused(new.request_id.to_owned())),
                (true, "DONE") => Ok(Begun::Done(filing_id)),
                (true, _) => Ok(busy(None, new)),
            };
        }
        let numbers: Vec<[&str; 1]> = new
            .inputs
            .entries
            .iter()
            .map(|entry| [entry.entry_number.as_str()])
            .collect();
        let found: Vec<(i64, String, i64, Option<i64>, bool)> = sqlx::query_as(sql::SELECT_ENTRIES)
            .bind(new.tenant)
            .bind(json(numbers)?)
            .fetch_all(&mut *transaction)
            .await?;
        let mut versions: FxHashMap<&str, (i64, u32)> = FxHashMap::default();
        let must_ask_ledger = found.iter().any(|(.., may_have_drawn)| *may_have_drawn);
        for (entry_id, entry_number, version, claimed_by, _) in &found {
            if claimed_by.is_some() {
                return Ok(busy(Some(entry_number.clone()), new));
            }
            versions.insert(entry_number, (*entry_id, small("entry.version", *version)?));
        }
        let mut claimed = Vec::with_capacity(found.len());
        let mut added = Vec::new();
        for entry in &mut new.inputs.entries {
            let known = versions.get(entry.entry_number.as_str()).copied();
            let current = known.map_or(0, |(_, version)| version);
            if new.current_version.is_some_and(|asked| asked != current) {
                return Ok(Begun::Outdated {
                    entry_number: entry.entry_number.clone(),
                    current,
                });
            }
            entry.version = current + 1;
            match known {
                Some((entry_id, _)) => claimed.push([entry_id]),
                None => added.push([entry.entry_number.clone()]),
            }
        }
        let filing_id: i64 = sqlx::query_scalar(sql::INSERT_FILING)
            .bind(new.tenant)
            .bind(new.request_id)
            .bind(&new.request_hash[..])
            .bind(codec::write_inputs(&new.inputs))
            .bind(new.lease.holder)
            .bind(new.lease.until)
            .bind(new.lease.now)
            .bind(must_ask_ledger)
            .fetch_one(&mut *transaction)
            .await?;
        if !claimed.is_empty() {
            sqlx::query(sql::CLAIM)
                .bind(filing_id)
                .bind(json(claimed)?)
                .execute(&mut *transaction)
                .await?;
        }
        if !added.is_empty() {
            let count = added.len() as u64;
            // In one order always, so that two filings do not wait for each other; behind the entries that are held.
            added.sort_unstable();
            let inserted = sqlx::query(sql::INSERT_ENTRIES)
                .bind(new.tenant)
                .bind(json(added)?)
                .bind(filing_id)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
            if inserted < count {
                // Another filing brought one of them meanwhile.
                return Ok(busy(None, new));
            }
        }
        transaction.commit().await?;
        Ok(Begun::Open(Box::new(OpenFiling {
            filing_id,
            tenant: new.tenant.to_owned(),
            attempt: 1,
            must_ask_ledger,
            inputs: new.inputs,
        })))
    }

    async fn filing_state(
        &self,
        tenant: &str,
        request_id: &str,
    ) -> Result<Option<(i64, Vec<u8>, FilingState)>, Error> {
        type Row = (i64, Vec<u8>, String, Option<DateTime<Utc>>, Option<String>);
        let row: Option<Row> = sqlx::query_as(sql::SELECT_STATE)
            .bind(tenant)
            .bind(request_id)
            .fetch_optional(self.database.readers())
            .await?;
        Ok(row.map(|(filing_id, hash, state, set_aside_at, because)| {
            let state = match set_aside_at {
                Some(at) => FilingState::SetAside {
                    at,
                    because: because.unwrap_or_default(),
                },
                None if state == "DONE" => FilingState::Done,
                None => FilingState::Open,
            };
            (filing_id, hash, state)
        }))
    }

    async fn version_to_delete(&self, deletion: Deletion<'_>) -> Result<Option<u32>, Error> {
        let Deletion {
            tenant,
            request_id,
            request_hash,
            ..
        } = deletion;
        let mut transaction = self.database.write("version_to_delete").await?;
        let before = requests::begin(&mut transaction, tenant, request_id, &request_hash).await?;
        if before.is_some() {
            return Ok(None);
        }
        let entry: Option<(i64, Option<i64>, Option<String>)> = sqlx::query_as(sql::SELECT_VERSION)
            .bind(tenant)
            .bind(deletion.entry_number)
            .fetch_optional(&mut *transaction)
            .await?;
        let filed: Option<(i64, Vec<u8>, String)> = sqlx::query_as(sql::SELECT_REQUEST)
            .bind(tenant)
            .bind(request_id)
            .fetch_optional(&mut *transaction)
            .await?;
        // A claim is for the next version and ends with it, so of an entry that is claimed there will be something to
        // delete, also where its first version is still to come.
        let newest = entry.map_or(0, |(version, claimed_by, kind)| {
            let is_taken_back = kind.as_deref() == Some(Kind::Cancelled.as_str());
            if is_taken_back && claimed_by.is_none() && filed.is_none() {
                return 0;
            }
            version + i64::from(claimed_by.is_some())
        });
        if newest > 0 {
            return small("entry.version", newest).map(Some);
        }
        requests::answer(
            &mut transaction,
            tenant,
            request_id,
            &request_hash,
            &[],
            deletion.at,
        )
        .await?;
        transaction.commit().await?;
        Ok(None)
    }

    async fn freeze_anew(&self, filing: &OpenFiling, lease: Lease<'_>) -> Result<bool, Error> {
        let mut transaction = self.database.write("freeze_anew").await?;
        let changed = sqlx::query(sql::REFREEZE)
            .bind(codec::write_inputs(&filing.inputs))
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

    async fn take_left_filing(&self, lease: Lease<'_>) -> Result<Option<TakenFiling>, Error> {
        let mut transaction = self.database.write("take_left_filing").await?;
        let row = sqlx::query_as(sql::TAKE)
            .bind(lease.holder)
            .bind(lease.until)
            .bind(lease.now)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(row.map(taken))
    }

    async fn count_try(&self, filing_id: i64, holder: &str) -> Result<Option<u32>, Error> {
        let mut transaction = self.database.write("count_try").await?;
        let tries: Option<i64> = sqlx::query_scalar(sql::COUNT_TRY)
            .bind(filing_id)
            .bind(holder)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        tries.map(|tries| small("filing.tries", tries)).transpose()
    }

    async fn set_aside(&self, filing_id: i64, lease: Lease<'_>, because: &str) -> Result<bool, Error> {
        let mut transaction = self.database.write("set_filing_aside").await?;
        let row: Option<(String, String, i64)> = sqlx::query_as(sql::SET_ASIDE)
            .bind(lease.now)
            .bind(because)
            .bind(filing_id)
            .bind(lease.holder)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some((tenant, request_id, tries)) = row else {
            return Ok(false);
        };
        sqlx::query(sql::FREE)
            .bind(filing_id)
            .execute(&mut *transaction)
            .await?;
        let detail = json(serde_json::json!({
            "filing": filing_id,
            "requestId": request_id,
            "tries": tries,
        }))?;
        audit::record_rows(
            &mut transaction,
            &audit::Change {
                at: lease.now,
                tenant: &tenant,
                actor: lease.holder,
                action: "FILING_SET_ASIDE",
                subject: &filing_id.to_string(),
                reason: because,
                detail: &detail,
            },
            Role::Operator.as_str(),
            // The rows of filings are proved by replay, not by the log; its entries are as they were.
            &Rows::new(),
        )
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn list_set_aside(
        &self,
        tenant: &str,
        before: i64,
        limit: u32,
    ) -> Result<Vec<SetAsideFiling>, Error> {
        type Row = (i64, String, Vec<u8>, DateTime<Utc>, Option<String>, i64);
        let rows: Vec<Row> = sqlx::query_as(sql::LIST_SET_ASIDE)
            .bind(tenant)
            .bind(before)
            .bind(i64::from(limit))
            .fetch_all(self.database.readers())
            .await?;
        rows.into_iter()
            .map(|(filing_id, request_id, inputs, set_aside_at, because, tries)| {
                let entries =
                    codec::read_inputs(&inputs).map_or_else(|_| Vec::new(), |inputs| inputs.entries);
                Ok(SetAsideFiling {
                    filing_id,
                    request_id,
                    entry_numbers: entries.into_iter().map(|entry| entry.entry_number).collect(),
                    set_aside_at,
                    because: because.unwrap_or_default(),
                    tries: small("filing.tries", tries)?,
                })
            })
            .collect()
    }

    async fn count_set_aside(&self) -> Result<i64, Error> {
        Ok(sqlx::query_scalar(sql::COUNT_SET_ASIDE)
            .fetch_one(self.database.readers())
            .await?)
    }

    async fn expire_leases(&self, holder: &str, now: DateTime<Utc>) -> Result<(), Error> {
        let mut transaction = self.database.write("expire_leases").await?;
        sqlx::query(sql::EXPIRE)
            .bind(now - chrono::TimeDelta::seconds(1))
            .bind(holder)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn abandon_filing(
        &self,
        tenant: &str,
        request_id: &str,
        holder: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut transaction = self.database.write("abandon_filing").await?;
        sqlx::query(sql::ABANDON)
            .bind(now - chrono::TimeDelta::seconds(1))
            .bind(holder)
            .bind(tenant)
            .bind(request_id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn finish_filing(
        &self,
        filing: OpenFiling,
        decided: Vec<Decision>,
        ledger: &[EntryAnswer],
        lease: Lease<'_>,
    ) -> Result<Option<Vec<StoredDecision>>, Error> {
        let mut transaction = self.database.write("finish_filing").await?;
        let finished = sqlx::query(sql::FINISH)
            .bind(codec::write_answers(ledger))
            .bind(lease.now)
            .bind(filing.filing_id)
            .bind(lease.holder)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        if finished == 0 {
            // Another worker took it over and finishes it, or has.
            return Ok(None);
        }
        let stored = write_decisions(&mut transaction, filing, decided, lease.now).await?;
        transaction.commit().await?;
        Ok(Some(stored))
    }
}

async fn write_decisions(
    connection: &mut Connection,
    mut filing: OpenFiling,
    decided: Vec<Decision>,
    now: DateTime<Utc>,
) -> Result<Vec<StoredDecision>, Error> {
    let inputs = &filing.inputs;
    let filed_on = inputs.filed_on;
    let numbers: Vec<[&str; 1]> = inputs
        .entries
        .iter()
        .map(|entry| [entry.entry_number.as_str()])
        .collect();
    let claimed: Vec<(i64, String)> = sqlx::query_as(sql::SELECT_CLAIMED)
        .bind(&filing.tenant)
        .bind(filing.filing_id)
        .bind(json(numbers)?)
        .fetch_all(&mut *connection)
        .await?;
    let ids: FxHashMap<String, i64> = claimed
        .into_iter()
        .map(|(entry_id, entry_number)| (entry_number, entry_id))
        .collect();
    let replaced: Vec<[i64; 1]> = inputs
        .entries
        .iter()
        .filter(|entry| entry.version > 1)
        .filter_map(|entry| ids.get(&entry.entry_number).map(|id| [*id]))
        .collect();
    let moments = moments(connection, replaced, now).await?;
    let standing = standing(connection, &filing, &decided, &ids).await?;
    let mut left = Rows::new();
    let mut parts: BTreeMap<DateTime<Utc>, Part> = BTreeMap::new();
    let mut rest = (0u32..).zip(decided.iter().zip(&inputs.lines));
    for entry in &inputs.entries {
        let entry_id = *ids
            .get(&entry.entry_number)
            .ok_or_else(|| Error::corrupt("entry.claimed_by", &entry.entry_number))?;
        let at = moments.get(&entry_id).copied().unwrap_or(now);
        let part = parts.entry(at).or_default();
        let kind = if standing.get(&entry_id) == Some(&0) {
            Kind::Cancelled
        } else {
            inputs.kind
        };
        part.versions.push((entry_id, entry.version, kind.as_str()));
        // Of its first version nothing stands yet.
        let replaces = entry.version > 1;
        if replaces && !entry.keep_other_lines {
            part.whole.push([entry_id]);
        }
        for (place, (decided, line)) in rest.by_ref().take(entry.line_count as usize) {
            let verdict = &decided.verdict;
            if replaces && entry.keep_other_lines {
                part.lines
                    .push((entry_id, verdict.line_number, verdict.pga_line_number));
            }
            let entry = (entry_id, entry.version);
            part.rows.push(DecisionRow::new(place, entry, line, decided));
        }
        left.row(&ENTRY)
            .number(entry_id)
            .text(filing.tenant.as_str())
            .text(entry.entry_number.as_str())
            .number(i64::from(entry.version))
            .end();
        left.row(&ENTRY_VERSION)
            .number(entry_id)
            .number(i64::from(entry.version))
            .number(filing.filing_id)
            .text(kind.as_str())
            .text(inputs.principal.actor.as_str())
            .text(inputs.reason.as_str())
            .date(filed_on)
            .moment(at)
            .end();
    }
    let mut recorded = Vec::with_capacity(decided.len());
    let mut noted_at = now;
    for (at, part) in parts {
        noted_at = noted_at.max(at);
        for (statement, rows) in [
            (sql::END_ENTRIES, json(part.whole)?),
            (sql::END_LINES, json(part.lines)?),
        ] {
            if rows != "[]" {
                let ended: Vec<(i64, i64)> = sqlx::query_as(statement)
                    .bind(at)
                    .bind(rows)
                    .fetch_all(&mut *connection)
                    .await?;
                audited::ends(&mut left, ended, at);
            }
        }
        let decisions = DecisionRows {
            filing_id: filing.filing_id,
            tenant: &filing.tenant,
            filed_on,
            recorded_at: at,
            rows: part.rows,
        };
        let ids = insert_decisions(connection, &decisions).await?;
        sqlx::query(sql::INSERT_VERSIONS)
            .bind(json(&part.versions)?)
            .bind(filing.filing_id)
            .bind(&inputs.principal.actor)
            .bind(&inputs.reason)
            .bind(filed_on)
            .bind(at)
            .execute(&mut *connection)
            .await?;
        sqlx::query(sql::RELEASE)
            .bind(json(&part.versions)?)
            .execute(&mut *connection)
            .await?;
        decisions.leave(&mut left);
        recorded.extend(with_ids(decisions, ids)?);
    }
    recorded.sort_unstable_by_key(|recorded| recorded.row.place);
    note(connection, &filing, decided.len(), &left, noted_at).await?;
    let lines = std::mem::take(&mut filing.inputs.lines);
    stored(filing.filing_id, decided, lines, recorded)
}

/// What of a filing is recorded at one moment: nearly always all of it.
#[derive(Default)]
struct Part {
    /// Entries of which everything ends that stood.
    whole: Vec<[i64; 1]>,
    /// Entry, line and PGA line of what ends else.
    lines: Vec<(i64, u32, u32)>,
    /// Entry, version and kind.
    versions: Vec<(i64, u32, &'static str)>,
    rows: Vec<DecisionRow>,
}

/// Of entries that the filing only takes lines back from: how many of their lines stand after it. One that none is left
/// of is cancelled by it.
async fn standing(
    connection: &mut Connection,
    filing: &OpenFiling,
    decided: &[Decision],
    ids: &FxHashMap<String, i64>,
) -> Result<FxHashMap<i64, usize>, Error> {
    let mut taken_back: FxHashMap<i64, FxHashSet<(u32, u32)>> = FxHashMap::default();
    let mut kept: FxHashSet<i64> = FxHashSet::default();
    let mut rest = decided;
    for entry in &filing.inputs.entries {
        let (decided, behind) = rest
            .split_at_checked(entry.line_count as usize)
            .unwrap_or((rest, &[]));
        rest = behind;
        if !decided.is_empty()
            && !decided.iter().any(|decision| decision.stands)
            && let Some(id) = ids.get(&entry.entry_number)
        {
            if entry.keep_other_lines {
                kept.insert(*id);
            }
            let line = |decision: &Decision| (decision.verdict.line_number, decision.verdict.pga_line_number);
            taken_back.insert(*id, decided.iter().map(line).collect());
        }
    }
    if taken_back.is_empty() {
        return Ok(FxHashMap::default());
    }
    let entries: Vec<[i64; 1]> = taken_back.keys().map(|id| [*id]).collect();
    let lines: Vec<(i64, i64, i64)> = sqlx::query_as(sql::SELECT_STANDING)
        .bind(json(entries)?)
        .fetch_all(connection)
        .await?;
    let mut standing: FxHashMap<i64, usize> = taken_back.keys().map(|id| (*id, 0)).collect();
    for (entry_id, line_number, pga_line_number) in lines {
        let line = (
            small("decision.line_number", line_number)?,
            small("decision.pga_line_number", pga_line_number)?,
        );
        // Of what is replaced as a whole nothing stands.
        if let Some(count) = standing.get_mut(&entry_id)
            && kept.contains(&entry_id)
            && !taken_back
                .get(&entry_id)
                .is_some_and(|lines| lines.contains(&line))
        {
            *count += 1;
        }
    }
    Ok(standing)
}

/// The moments of entries of which something was recorded when the clock was ahead of now: nothing that is recorded of
/// an entry is before what was recorded of it last.
async fn moments(
    connection: &mut Connection,
    entries: Vec<[i64; 1]>,
    now: DateTime<Utc>,
) -> Result<FxHashMap<i64, DateTime<Utc>>, Error> {
    if entries.is_empty() {
        return Ok(FxHashMap::default());
    }
    type Row = (i64, Option<DateTime<Utc>>, Option<DateTime<Utc>>);
    let last: Vec<Row> = sqlx::query_as(sql::SELECT_LAST_MOMENTS)
        .bind(json(entries)?)
        .fetch_all(connection)
        .await?;
    Ok(last
        .into_iter()
        .filter_map(|(entry_id, version, trail)| Some((entry_id, version.max(trail)?)))
        .filter(|(_, at)| *at > now)
        .collect())
}

/// A decision that is on record.
struct Recorded {
    decision_id: i64,
    recorded_at: DateTime<Utc>,
    row: DecisionRow,
}

/// The rows with their ids, which come with the places of their lines, in any order.
fn with_ids(decisions: DecisionRows<'_>, mut ids: Vec<(i64, i64)>) -> Result<Vec<Recorded>, Error> {
    ids.sort_unstable();
    if ids.len() != decisions.rows.len() {
        return Err(Error::corrupt(
            "decision",
            format!("{} rows of {}", ids.len(), decisions.rows.len()),
        ));
    }
    Ok(ids
        .into_iter()
        .zip(decisions.rows)
        .map(|((_, decision_id), row)| Recorded {
            decision_id,
            recorded_at: decisions.recorded_at,
            row,
        })
        .collect())
}

/// The decisions as they are read later, in the order of their lines.
fn stored(
    filing_id: i64,
    decided: Vec<Decision>,
    lines: Vec<NormalisedLine>,
    recorded: Vec<Recorded>,
) -> Result<Vec<StoredDecision>, Error> {
    recorded
        .into_iter()
        .zip(decided.into_iter().zip(lines))
        .map(|(recorded, (decided, line))| {
            let row = recorded.row;
            Ok(StoredDecision {
                decision_id: recorded.decision_id,
                filing_id,
                place: small("decision.place", row.place)?,
                version: small("decision.version", row.version)?,
                verdict: decided.verdict,
                line: line.into_inner(),
                drawn_units: row.drawn_units,
                excess_units: row.excess_units,
                recorded_at: recorded.recorded_at,
                ended_at: (!row.stands).then_some(recorded.recorded_at),
            })
        })
        .collect()
}

/// Tells others of a filing, and notes who made it. History that is brought in is no news.
async fn note(
    connection: &mut Connection,
    filing: &OpenFiling,
    decisions: usize,
    left: &Rows,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let inputs = &filing.inputs;
    let subject = filing.filing_id.to_string();
    let entries: Vec<(&str, u32)> = inputs
        .entries
        .iter()
        .map(|entry| (entry.entry_number.as_str(), entry.version))
        .collect();
    if inputs.kind != Kind::Imported {
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
    audit::record_rows(
        connection,
        &audit::Change {
            at: now,
            tenant: &filing.tenant,
            actor: &inputs.principal.actor,
            action: match inputs.kind {
                Kind::Amended => "ENTRY_AMENDED",
                Kind::Cancelled => "ENTRY_CANCELLED",
                Kind::Imported => "ENTRIES_IMPORTED",
                Kind::Filed => "ENTRIES_FILED",
            },
            subject: &subject,
            reason: &inputs.reason,
            detail: &detail,
        },
        inputs.principal.role.as_str(),
        left,
    )
    .await
}
