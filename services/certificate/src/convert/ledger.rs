//! Between wire and domain: the ledger.

use chrono::{DateTime, Utc};
use nopic_chassis::requests::{MAX_BATCH, at_most, moment_text};
use nopic_domain::identifier::{CertificateNumber, EntryNumber};
use nopic_domain::ledger::{Ask, EntryDraws, LineDraw, Take};
use nopic_domain::weight::Weight;
use nopic_proto::certificate as wire;
use nopic_proto::certificate::line_draw::Mode;
use rustc_hash::FxHashSet;

use super::compact_number;
use crate::error::Error;
use crate::store::{Balance, FiledEntry, JudgedCertificate, RecordedDraw};

/// The certificates that lines were judged by, each once.
pub(crate) fn judged(certificates: &[wire::JudgedCertificate]) -> Result<Vec<JudgedCertificate>, Error> {
    at_most("certificates", certificates.len(), MAX_BATCH)?;
    let mut known = FxHashSet::default();
    certificates
        .iter()
        .enumerate()
        .map(|(place, judged)| {
            let field = |name: &str| format!("certificates[{place}].{name}");
            let number = compact_number(|| field("number"), judged.number)?;
            if !known.insert(number) {
                return Err(Error::invalid(field("number"), "stands here twice"));
            }
            if judged.version == 0 {
                return Err(Error::invalid(field("version"), "versions count from 1"));
            }
            Ok(JudgedCertificate {
                number,
                version: judged.version,
                tolerance: weight(|| field("tolerance_units"), judged.tolerance_units)?,
            })
        })
        .collect()
}

/// What entries are to draw, from certificates that were judged.
pub(crate) fn filed_entries(
    entries: &[wire::EntryDraws],
    judged: &[JudgedCertificate],
) -> Result<Vec<FiledEntry>, Error> {
    at_most("entries", entries.len(), MAX_BATCH)?;
    at_most(
        "lines",
        entries.iter().map(|entry| entry.lines.len()).sum(),
        MAX_BATCH,
    )?;
    let judged: FxHashSet<CertificateNumber> = judged.iter().map(|judged| judged.number).collect();
    let mut known = FxHashSet::default();
    entries
        .iter()
        .enumerate()
        .map(|(place, entry)| {
            let field = |name: &str| format!("entries[{place}].{name}");
            let entry_number: EntryNumber = entry
                .entry_number
                .parse()
                .map_err(|error| Error::invalid(field("entry_number"), error))?;
            if !known.insert(entry_number) {
                return Err(Error::invalid(field("entry_number"), "stands here twice"));
            }
            if entry.entry_version == 0 {
                return Err(Error::invalid(field("entry_version"), "versions count from 1"));
            }
            let mut named = FxHashSet::default();
            let lines = entry
                .lines
                .iter()
                .enumerate()
                .map(|(line_place, line)| {
                    let field = |name: &str| format!("entries[{place}].lines[{line_place}]{name}");
                    let read = line_draw(line, &judged, field)?;
                    if !named.insert((read.line_number, read.pga_line_number)) {
                        return Err(Error::invalid(field(""), "the line stands in its entry twice"));
                    }
                    Ok(read)
                })
                .collect::<Result<_, Error>>()?;
            Ok(FiledEntry {
                version: entry.entry_version,
                draws: EntryDraws {
                    entry_number,
                    keep_other_lines: entry.keep_other_lines,
                    lines,
                    own: Vec::new(),
                },
            })
        })
        .collect()
}

fn line_draw(
    line: &wire::LineDraw,
    judged: &FxHashSet<CertificateNumber>,
    field: impl Fn(&str) -> String,
) -> Result<LineDraw, Error> {
    for (name, number) in [
        (".line_number", line.line_number),
        (".pga_line_number", line.pga_line_number),
    ] {
        if number == 0 {
            return Err(Error::invalid(field(name), "lines count from 1"));
        }
    }
    let weight = weight(|| field(".weight_units"), line.weight_units)?;
    // The least certificate number is nobody's.
    let number = match line.number {
        0 => None,
        number => Some(compact_number(|| field(".number"), number)?),
    };
    if number.is_some_and(|number| !judged.contains(&number)) {
        return Err(Error::invalid(
            field(".number"),
            "is none of the certificates of the request",
        ));
    }
    let take = || -> Result<Take, Error> {
        let number =
            number.ok_or_else(|| Error::invalid(field(".number"), "is needed with COUNT and DRAW"))?;
        Ok(Take {
            number,
            weight,
            may_exceed: line.may_exceed,
            may_reuse: line.may_reuse,
            beside_replaced: line.beside_replaced,
        })
    };
    let ask = match Mode::try_from(line.mode) {
        Ok(Mode::Nothing) => Ask::Nothing(number),
        Ok(Mode::Count) => Ask::Count(take()?),
        Ok(Mode::Draw) => Ask::Draw(take()?),
        Ok(Mode::Unspecified) | Err(_) => {
            return Err(Error::invalid(
                field(".mode"),
                format!("{} is none of NOTHING, COUNT and DRAW", line.mode),
            ));
        }
    };
    Ok(LineDraw {
        line_number: line.line_number,
        pga_line_number: line.pga_line_number,
        ask,
    })
}

fn weight(field: impl Fn() -> String, units: i64) -> Result<Weight, Error> {
    let weight = Weight::from_units(units);
    if weight < Weight::ZERO || weight > Weight::MAX {
        return Err(Error::invalid(
            field(),
            format!("{weight} kg is not between 0 and {} kg", Weight::MAX),
        ));
    }
    Ok(weight)
}

pub(crate) fn balance(balance: &Balance, as_of: DateTime<Utc>) -> wire::GetBalanceResponse {
    wire::GetBalanceResponse {
        version: balance.version,
        total_weight_kg: balance.total.to_string(),
        drawn_kg: balance.drawn.to_string(),
        left_kg: balance.total.saturating_sub(balance.drawn).to_string(),
        draw_count: balance.draw_count,
        as_of: moment_text(as_of),
        own_drawn_kg: balance.own_drawn.to_string(),
    }
}

pub(crate) fn draw_record(draw: &RecordedDraw) -> wire::DrawRecord {
    wire::DrawRecord {
        entry_number: draw.entry_number.to_string(),
        line_number: draw.line_number,
        pga_line_number: draw.pga_line_number,
        weight_kg: draw.weight.to_string(),
        excess_kg: draw.excess.to_string(),
        source: draw.source.clone(),
        entry_version: draw.entry_version.unwrap_or_default(),
        recorded_by: draw.recorded_by.clone(),
        recorded_at: moment_text(draw.recorded_at),
        ended_at: draw.ended_at.map(moment_text).unwrap_or_default(),
        tenant: draw.tenant.clone(),
    }
}
