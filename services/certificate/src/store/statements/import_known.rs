//! What is known of the certificates that a file states.

use chrono::{DateTime, Utc};
use nopic_domain::certificate::Draw;
use nopic_domain::identifier::CertificateNumber;
use nopic_domain::weight::Weight;
use nopic_sql::Error;
use rustc_hash::{FxHashMap, FxHashSet};

use super::engine::Connection;
use super::sql;
use crate::import_decision::{Filed, ImportedDraw, Known, Stated, contradicts_end};
use crate::store::StoredCertificate;
use crate::store::row::{corrupt, entry_number, json, not_before, number_of, small};

/// What is known of these certificates, with their draws, as far as the file's statements of them need it.
pub(super) async fn load(
    connection: &mut Connection,
    certificates: FxHashMap<CertificateNumber, StoredCertificate>,
    stated: &[&Stated],
    tenant: &str,
) -> Result<FxHashMap<CertificateNumber, Known>, Error> {
    let mut known: FxHashMap<CertificateNumber, Known> = certificates
        .into_iter()
        .map(|(number, stored)| {
            let known = Known {
                certificate: stored.certificate,
                version: stored.version,
                imported: Vec::new(),
                filed: Filed::default(),
                was_ended_here: false,
            };
            (number, known)
        })
        .collect();
    if known.is_empty() {
        return Ok(known);
    }
    let contradicted: Vec<CertificateNumber> = stated
        .iter()
        .filter(|stated| {
            let known = known.get(&stated.certificate.number);
            known.is_some_and(|known| contradicts_end(stated, known))
        })
        .map(|stated| stated.certificate.number)
        .collect();
    if !contradicted.is_empty() {
        let ended_here: Vec<i64> = sqlx::query_scalar(sql::SELECT_ENDED_HERE)
            .bind(keys_of(contradicted.iter())?)
            .fetch_all(&mut *connection)
            .await?;
        for key in ended_here {
            of_key(&mut known, key)?.was_ended_here = true;
        }
    }
    let keys = keys_of(known.keys())?;
    let draws: Vec<(i64, String, i64, i64, i64, i64, String)> = sqlx::query_as(sql::SELECT_IMPORTED_DRAWS)
        .bind(&keys)
        .fetch_all(&mut *connection)
        .await?;
    for (key, entry, line_number, pga_line_number, units, excess, tenant) in draws {
        of_key(&mut known, key)?.imported.push(ImportedDraw {
            draw: Draw {
                entry_number: entry_number(&entry)?,
                line_number: small("draw.line_number", line_number)?,
                pga_line_number: small("draw.pga_line_number", pga_line_number)?,
                weight_kg: Weight::from_units(units),
            },
            excess: Weight::from_units(excess),
            tenant,
        });
    }
    // Key, units, excess, count, least and greatest drawer, the tenant where there is one.
    type Filing = (i64, i64, i64, i64, String, String, Option<String>);
    let filed: Vec<Filing> = sqlx::query_as(sql::SELECT_FILED)
        .bind(&keys)
        .fetch_all(&mut *connection)
        .await?;
    let mut any_filed = false;
    for (key, units, excess, count, first, last, tenant) in filed {
        of_key(&mut known, key)?.filed = Filed {
            drawn: Weight::from_units(units),
            excess: Weight::from_units(excess),
            count: small("COUNT(draw)", count)?,
            first_drawer: Some(entry_number(&first)?),
            last_drawer: Some(entry_number(&last)?),
            tenant,
            lines: FxHashSet::default(),
        };
        any_filed = true;
    }
    if any_filed {
        let lines: Vec<(i64, String, i64, i64)> = sqlx::query_as(sql::SELECT_FILED_LINES)
            .bind(&keys)
            .bind(tenant)
            .fetch_all(&mut *connection)
            .await?;
        for (key, entry, line_number, pga_line_number) in lines {
            of_key(&mut known, key)?.filed.lines.insert((
                entry_number(&entry)?,
                small("draw.line_number", line_number)?,
                small("draw.pga_line_number", pga_line_number)?,
            ));
        }
    }
    Ok(known)
}

fn of_key(known: &mut FxHashMap<CertificateNumber, Known>, key: i64) -> Result<&mut Known, Error> {
    known
        .get_mut(&number_of(key)?)
        .ok_or_else(|| corrupt("draw.certificate", key))
}

/// The moments of changes to certificates that were last changed when the clock was ahead of now.
pub(super) async fn moments(
    connection: &mut Connection,
    known: &FxHashMap<CertificateNumber, Known>,
    now: DateTime<Utc>,
) -> Result<FxHashMap<CertificateNumber, DateTime<Utc>>, Error> {
    if known.is_empty() {
        return Ok(FxHashMap::default());
    }
    let changed: Vec<(i64, i64)> = sqlx::query_as(sql::SELECT_CHANGED)
        .bind(keys_of(known.keys())?)
        .fetch_all(connection)
        .await?;
    changed
        .into_iter()
        .map(|(key, micros)| Ok((number_of(key)?, not_before(now, micros))))
        .filter(|moment| !matches!(moment, Ok((_, at)) if *at == now))
        .collect()
}

fn keys_of<'a>(numbers: impl Iterator<Item = &'a CertificateNumber>) -> Result<String, Error> {
    json(numbers.map(|number| [number.key()]).collect::<Vec<_>>())
}
