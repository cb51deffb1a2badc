//! Recording what a filing decided: its decisions, the versions of its entries, what ends by them, and the note of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use nopic_domain::decision::{Decision, Kind};
use nopic_domain::entry::NormalisedLine;
use nopic_sql::Error;
use nopic_sql::audit::Rows;
use nopic_sql::row::{json, small};
use rustc_hash::{FxHashMap, FxHashSet};

use super::engine::{Connection, audit, outbox};
use super::filings_sql as sql;
use super::insert_decisions::insert_decisions;
use crate::store::audited::{self, ENTRY, ENTRY_VERSION};
use crate::store::events::NewVersion;
use crate::store::{DecisionRow, DecisionRows, OpenFiling, StoredDecision};

/// Writes the decisions of a filing, the versions of its entries, and what is told of them.
pub(super) async fn write_decisions(
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
    let mut messages = Vec::with_capacity(inputs.entries.len());
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
        let version = NewVersion {
            tenant: &filing.tenant,
            entry_number: &entry.entry_number,
            version: entry.version,
            kind,
            recorded_on: filed_on,
            keeps_other_lines: replaces && entry.keep_other_lines,
        };
        let lines = rest.clone().take(entry.line_count as usize);
        messages.push(version.message(lines.map(|(_, (decided, line))| (decided, &**line))));
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
    outbox::put(connection, noted_at, messages).await?;
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

/// Notes who made a filing.
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
