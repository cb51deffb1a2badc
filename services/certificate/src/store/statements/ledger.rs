//! The ledger: what entries draw, in one transaction for each change.

use chrono::{DateTime, Utc};
use nopic_chassis::crash::crash_point;
use nopic_domain::identifier::{CertificateNumber, EntryNumber};
use nopic_domain::ledger::{EntryDraws, decide};
use nopic_domain::weight::Weight;
use nopic_sql::Error;
use nopic_sql::audit::Rows;
use rustc_hash::FxHashMap;

use super::engine::{Connection, audit, outbox, requests};
use super::{Store, ledger_sql as sql};
use crate::store::ledger_row::{Drawn, Held, Rest, Writes, unpack_drawn, unpack_held};
use crate::store::row::{corrupt, entry_number, json, small};
use crate::store::{
    Balance, DrawSet, DrawsChange, EntryDrawn, HistoryQuestion, LedgerStore, RecordedDraw, StateBefore,
    Visibility,
};
use crate::store::{answer, audited};

/// How often a change is tried that another one of the same entry disturbs.
const ATTEMPTS: u32 = 5;

#[tonic::async_trait]
impl LedgerStore for Store {
    async fn set_draws(&self, change: &DrawsChange) -> Result<Vec<u8>, Error> {
        let mut attempt = 1;
        loop {
            match self.try_set_draws(change).await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) if attempt < ATTEMPTS => {}
                Ok(None) => return Err(corrupt("draw", "an entry's draws change all the time")),
                // Another change of the same entry came first, after this one had looked.
                Err(error) if attempt < ATTEMPTS && error.is_refused_by("draw_in_force") => {}
                Err(error) => return Err(error),
            }
            attempt += 1;
        }
    }

    async fn balance_at(
        &self,
        number: CertificateNumber,
        moment: DateTime<Utc>,
        visibility: &Visibility,
    ) -> Result<Option<Balance>, Error> {
        let found: Option<(i64, String, i64, i64, i64)> = sqlx::query_as(sql::SELECT_BALANCE)
            .bind(number.key())
            .bind(moment)
            .bind(visibility.all)
            .bind(visibility.tenant.as_str())
            .fetch_optional(self.database.readers())
            .await?;
        found
            .map(|(version, total, drawn, draw_count, own_drawn)| {
                Ok(Balance {
                    version: small("certificate_version.version", version)?,
                    total: total
                        .parse()
                        .map_err(|_| corrupt("certificate_version.content", &total))?,
                    drawn: Weight::from_units(drawn),
                    draw_count: small("COUNT(draw)", draw_count)?,
                    own_drawn: Weight::from_units(own_drawn),
                })
            })
            .transpose()
    }

    async fn draws(&self, question: &HistoryQuestion) -> Result<Option<Vec<RecordedDraw>>, Error> {
        type Row = (
            i64,
            String,
            i64,
            i64,
            i64,
            i64,
            String,
            Option<i64>,
            String,
            DateTime<Utc>,
            Option<DateTime<Utc>>,
            String,
        );
        let key = question.number.key();
        let mut transaction = self.database.read().await?;
        let is_known: bool = sqlx::query_scalar(sql::IS_KNOWN)
            .bind(key)
            .fetch_one(&mut *transaction)
            .await?;
        if !is_known {
            return Ok(None);
        }
        let rows: Vec<Row> = sqlx::query_as(sql::SELECT_HISTORY)
            .bind(key)
            .bind(question.after)
            .bind(question.visibility.all)
            .bind(question.visibility.tenant.as_str())
            .bind(question.at)
            .bind(i64::from(question.limit))
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        rows.into_iter()
            .map(
                |(id, entry, line, pga_line, units, excess, source, version, by, recorded, ended, tenant)| {
                    Ok(RecordedDraw {
                        id,
                        entry_number: entry_number(&entry)?,
                        line_number: small("draw.line_number", line)?,
                        pga_line_number: small("draw.pga_line_number", pga_line)?,
                        weight: Weight::from_units(units),
                        excess: Weight::from_units(excess),
                        source,
                        entry_version: version
                            .map(|version| small("draw.entry_version", version))
                            .transpose()?,
                        recorded_by: by,
                        recorded_at: recorded,
                        ended_at: ended,
                        tenant,
                    })
                },
            )
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

impl Store {
    /// The encoded answer; absent where an entry drew on another certificate while those were held that it had drawn
    /// on before.
    async fn try_set_draws(&self, change: &DrawsChange) -> Result<Option<Vec<u8>>, Error> {
        let tenant = change.visibility.tenant.as_str();
        let mut transaction = self.database.write("set_draws").await?;
        let before =
            requests::begin(&mut transaction, tenant, &change.request_id, &change.request_hash).await?;
        if before.is_some() {
            return Ok(before);
        }
        crash_point("draws.begun").await;
        let Some(set) = set_draws(&mut transaction, change).await? else {
            return Ok(None);
        };
        let answer = answer::draw_set(&set);
        requests::answer(
            &mut transaction,
            tenant,
            &change.request_id,
            &change.request_hash,
            &answer,
            change.at,
        )
        .await?;
        crash_point("draws.written").await;
        transaction.commit().await?;
        crash_point("draws.committed").await;
        Ok(Some(answer))
    }
}

async fn set_draws(connection: &mut Connection, change: &DrawsChange) -> Result<Option<DrawSet>, Error> {
    let tenant = change.visibility.tenant.as_str();
    let numbers: Vec<&EntryNumber> = change
        .entries
        .iter()
        .map(|entry| &entry.draws.entry_number)
        .collect();
    let entries = json(numbers.iter().map(|number| [number]).collect::<Vec<_>>())?;

    let mut held = hold(connection, change, &entries).await?;
    let changed: Vec<(CertificateNumber, u32)> = change
        .judged
        .iter()
        .map(|judged| {
            let version = held.get(&judged.number).map_or(0, |held| held.version);
            (judged, version)
        })
        .filter(|(judged, version)| judged.version != *version)
        .map(|(judged, version)| (judged.number, version))
        .collect();
    if !changed.is_empty() {
        return Ok(Some(DrawSet::Changed(changed)));
    }

    let rows: Option<String> = sqlx::query_scalar(sql::SELECT_DRAWN)
        .bind(&entries)
        .bind(tenant)
        .fetch_one(&mut *connection)
        .await?;
    let drawn = unpack_drawn(rows.as_deref())?;
    if drawn.iter().any(|drawn| !held.contains_key(&drawn.draw.number)) {
        return Ok(None);
    }
    find_drawn_by_others(connection, tenant, &entries, change, &drawn, &mut held).await?;

    let (asked, ids) = with_own_draws(change, &drawn);
    let mut accounts = held
        .values()
        .map(|held| (held.number, held.account(tenant)))
        .collect();
    let decisions = decide(&mut accounts, &asked).map_err(|unknown| corrupt("certificate", unknown.0))?;

    let writes = Writes::of(change, &asked, &ids, &decisions, &held, &accounts);
    save(connection, change, writes).await?;
    Ok(Some(DrawSet::Drawn(
        asked
            .iter()
            .zip(decisions)
            .map(|(entry, decision)| EntryDrawn {
                lines: decision.lines,
                states: decision
                    .states
                    .iter()
                    .map(|state| StateBefore {
                        number: state.number,
                        drawn: state.drawn,
                        drawn_by: state.drawn_by,
                        own: own_draws(entry, state.number),
                    })
                    .collect(),
            })
            .collect(),
    )))
}

/// The ledgers that the change may touch, held until the transaction ends, with the limits of the request.
async fn hold(
    connection: &mut Connection,
    change: &DrawsChange,
    entries: &str,
) -> Result<FxHashMap<CertificateNumber, Held>, Error> {
    let keys: Vec<[i64; 1]> = change.judged.iter().map(|judged| [judged.number.key()]).collect();
    let rows: Option<String> = sqlx::query_scalar(sql::HOLD)
        .bind(json(keys)?)
        .bind(entries)
        .bind(&change.visibility.tenant)
        .fetch_one(connection)
        .await?;
    let mut held = unpack_held(rows.as_deref())?;
    for judged in &change.judged {
        if let Some(held) = held.get_mut(&judged.number) {
            held.limit = held.total.saturating_add(judged.tolerance);
        }
    }
    Ok(held)
}

/// Finds out who drew on each certificate beside the entries of the change: mostly the ledger says so.
async fn find_drawn_by_others(
    connection: &mut Connection,
    tenant: &str,
    entries: &str,
    change: &DrawsChange,
    drawn: &[Drawn],
    held: &mut FxHashMap<CertificateNumber, Held>,
) -> Result<(), Error> {
    let mut counts: FxHashMap<CertificateNumber, u32> = FxHashMap::default();
    for drawn in drawn {
        *counts.entry(drawn.draw.number).or_default() += 1;
    }
    if counts.is_empty() {
        return Ok(());
    }
    let is_filed: rustc_hash::FxHashSet<EntryNumber> = change
        .entries
        .iter()
        .map(|entry| entry.draws.entry_number)
        .collect();
    let mut asked = Vec::new();
    for (number, count) in counts {
        let Some(held) = held.get_mut(&number) else {
            continue;
        };
        if held.draw_count == count {
            held.rest = Rest::default();
        } else if held.rest.may_lack(|entry| is_filed.contains(entry)) {
            asked.push([number.key()]);
        }
    }
    if asked.is_empty() {
        return Ok(());
    }
    let found: Vec<(i64, String, String, Option<String>)> = sqlx::query_as(sql::SELECT_OTHER_DRAWERS)
        .bind(json(asked)?)
        .bind(entries)
        .bind(tenant)
        .fetch_all(connection)
        .await?;
    for (key, first, last, tenant) in found {
        let rest = Rest {
            ends: Some((entry_number(&first)?, entry_number(&last)?)),
            tenant,
        };
        held.get_mut(&crate::store::row::number_of(key)?)
            .ok_or_else(|| corrupt("draw.certificate", key))?
            .rest = rest;
    }
    Ok(())
}

/// The entries with what they drew before, and the ids of those draws.
fn with_own_draws(change: &DrawsChange, drawn: &[Drawn]) -> (Vec<EntryDraws>, Vec<Vec<i64>>) {
    let places: FxHashMap<EntryNumber, usize> = change
        .entries
        .iter()
        .enumerate()
        .map(|(place, entry)| (entry.draws.entry_number, place))
        .collect();
    let mut asked: Vec<EntryDraws> = change.entries.iter().map(|entry| entry.draws.clone()).collect();
    let mut ids = vec![Vec::new(); asked.len()];
    for drawn in drawn {
        if let Some(place) = places.get(&drawn.entry_number) {
            asked[*place].own.push(drawn.draw);
            ids[*place].push(drawn.id);
        }
    }
    (asked, ids)
}

/// What the entry drew on a certificate: its draws are in the order of those.
fn own_draws(entry: &EntryDraws, number: CertificateNumber) -> Vec<(u32, u32, Weight)> {
    let start = entry.own.partition_point(|draw| draw.number < number);
    entry.own[start..]
        .iter()
        .take_while(|draw| draw.number == number)
        .map(|draw| (draw.line_number, draw.pga_line_number, draw.weight))
        .collect()
}

async fn save(connection: &mut Connection, change: &DrawsChange, writes: Writes<'_>) -> Result<(), Error> {
    let mut rows = Rows::new();
    // What is noted is of the last moment, where certificates were last changed by a clock that was ahead.
    let moments = writes.ended.keys().chain(writes.draws.keys()).copied();
    let noted_at = moments.fold(change.at, DateTime::max);
    // All end before any begin: a line has one draw in force.
    for (at, ended) in writes.ended {
        audited::ends(&mut rows, ended.iter().map(|[id]| *id), at);
        sqlx::query(sql::END_DRAWS)
            .bind(json(ended)?)
            .bind(at)
            .execute(&mut *connection)
            .await?;
    }
    for (at, draws) in &writes.draws {
        let ids: Vec<i64> = sqlx::query_scalar(sql::INSERT_DRAWS)
            .bind(json(draws)?)
            .bind(&change.visibility.tenant)
            .bind(&change.actor)
            .bind(*at)
            .fetch_all(&mut *connection)
            .await?;
        for (id, (key, entry, line, pga_line, units, excess, version)) in ids.into_iter().zip(draws) {
            rows.row(&audited::DRAW)
                .number(id)
                .number(*key)
                .text(entry.as_str())
                .number(i64::from(*line))
                .number(i64::from(*pga_line))
                .text("FILING")
                .text(change.visibility.tenant.as_str())
                .number(*units)
                .number(*excess)
                .number(i64::from(*version))
                .text(change.actor.as_str())
                .moment(*at)
                .end();
        }
    }
    if !writes.ledgers.is_empty() {
        for ledger in &writes.ledgers {
            ledger.leave(&mut rows);
        }
        sqlx::query(sql::UPDATE_LEDGERS)
            .bind(json(writes.ledgers)?)
            .execute(&mut *connection)
            .await?;
    }
    outbox::put(connection, noted_at, writes.messages).await?;
    let detail = json(serde_json::json!({ "entries": writes.entries }))?;
    audit::record_rows(
        connection,
        &audit::Change {
            at: noted_at,
            tenant: &change.visibility.tenant,
            actor: &change.actor,
            action: "DRAWS_SET",
            subject: &change.request_id,
            reason: "",
            detail: &detail,
        },
        change.role,
        &rows,
    )
    .await
}
