//! Fields that several requests and answers share.

use nopic_chassis::requests::{self, given_day};
use nopic_domain::date::Date;
use nopic_domain::decision::Kind;
use nopic_domain::entry::{EntryLine, NormalisedLine};
use nopic_domain::weight::Weight;
use nopic_proto::convert::entry_validation::encode_lines;
use nopic_proto::entry_validation as wire;
use prost::Message;
use sha2::{Digest as _, Sha256};

/// Moments as they are read and told.
pub(super) use nopic_chassis::requests::{moment, moment_text as text};

use crate::error::Error;
use crate::store::{StoredDecision, StoredVersion};

/// Characters of a reason.
const LONGEST_REASON: usize = 1_000;

/// The hash of lines that are filed together, as [`hash`] gives it for a request to file entries that brings just them:
/// so that a part that an earlier version answered is answered again. Nothing is converted for it.
pub(super) fn hash_of_lines(lines: &[NormalisedLine], filed_on: Option<Date>) -> [u8; 32] {
    /// Numbers of the fields of the request.
    const LINES: u32 = 2;
    const FILED_ON: u32 = 3;
    let mut hasher = Sha256::new();
    hasher.update("FileEntries\0");
    let mut bytes = Vec::new();
    for line in lines {
        bytes.clear();
        encode_lines(LINES, [&**line], &mut bytes);
        hasher.update(&bytes);
    }
    if let Some(date) = filed_on {
        bytes.clear();
        prost::encoding::string::encode(FILED_ON, &date.to_string(), &mut bytes);
        hasher.update(&bytes);
    }
    hasher.finalize().into()
}

/// The request's own hash: what it asks for. Its id is taken from it before.
pub(super) fn hash(method: &str, request: &impl Message) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(method);
    hasher.update([0]);
    hasher.update(request.encode_to_vec());
    hasher.finalize().into()
}

/// The id, taken out of the request that [`hash`] is made of.
pub(super) fn request_id(text: String) -> Result<String, Error> {
    requests::request_id(&text)?;
    Ok(text)
}

/// The day of filing that a request states: history, so none that is still to come.
pub(super) fn filed_on(text: &str, today: Date) -> Result<Option<Date>, Error> {
    match given_day("filed_on", text)? {
        Some(date) if date > today => Err(Error::invalid(
            "filed_on",
            format!("{date} is still to come; today is {today}"),
        )),
        date => Ok(date),
    }
}

/// What comes with a day of its own is history.
pub(super) const fn kind(filed_on: Option<Date>) -> Kind {
    match filed_on {
        Some(_) => Kind::Imported,
        None => Kind::Filed,
    }
}

pub(super) fn reason(text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST_REASON || text.contains('\0') {
        return Err(Error::invalid(
            "reason",
            format!("say why, in 1 to {LONGEST_REASON} characters"),
        ));
    }
    Ok(text.to_owned())
}

/// The number in the form in which it is kept.
pub(super) fn entry_number(text: &str) -> String {
    let line = EntryLine {
        entry_number: text.to_owned(),
        ..EntryLine::default()
    };
    line.normalise().into_inner().entry_number
}

pub(super) fn of_entry(text: &str, version: u32) -> Result<(String, u32), Error> {
    if version == 0 {
        return Err(Error::invalid(
            "current_version",
            "name the version that is to be replaced; they count from 1",
        ));
    }
    Ok((entry_number(text), version))
}

/// A version as it travels.
pub(super) fn version(stored: StoredVersion) -> wire::EntryVersion {
    wire::EntryVersion {
        version: stored.version,
        kind: stored.kind.as_str().to_owned(),
        actor: stored.actor,
        reason: stored.reason,
        recorded_at: text(stored.recorded_at),
        filed_on: stored.filed_on.to_string(),
    }
}

/// A decision as it travels.
pub(super) fn decision(stored: StoredDecision) -> wire::Decision {
    let weight =
        |units: Option<i64>| units.map_or_else(String::new, |units| Weight::from_units(units).to_string());
    wire::Decision {
        // Numbers of the database are never negative.
        decision_id: stored.decision_id.unsigned_abs(),
        entry_version: stored.version,
        verdict: Some(stored.verdict.into()),
        drawn_kg: weight(stored.drawn_units),
        excess_kg: weight(stored.excess_units.filter(|units| *units > 0)),
        recorded_at: text(stored.recorded_at),
        ended_at: stored.ended_at.map(text).unwrap_or_default(),
        line: Some(stored.line.into()),
    }
}
