//! Which entries of a request are filed, before anything is begun: those of the caller, whose weights can be counted, of which
//! there is something to take back.

use nopic_domain::decision::{FiledEntry, Kind, weight};
use nopic_domain::entry::NormalisedLine;
use nopic_domain::identifier::{CertificateNumber, EntryNumber};
use nopic_domain::ledger::MAX_DRAWN;
use nopic_domain::principal::Principal;
use nopic_domain::rules::{Answer, Knowledge as _, certificate_number};
use nopic_domain::weight::Weight;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Request;
use crate::engine::Engine;
use crate::error::Error;
use crate::knowledge::Known;

/// The entries of a request: lines of one stand together.
pub(super) fn entries(request: &Request) -> Result<Vec<FiledEntry>, Error> {
    if let Some((entry_number, _)) = &request.of_entry {
        if let Some(other) = request
            .lines
            .iter()
            .find(|line| line.entry_number != *entry_number)
        {
            return Err(Error::Invalid(format!(
                "lines: a line is of entry {:?}, not of {entry_number}",
                other.entry_number
            )));
        }
        return Ok(vec![FiledEntry {
            entry_number: entry_number.clone(),
            line_count: count(request.lines.len()),
            keep_other_lines: false,
            version: 0,
        }]);
    }
    let mut seen = FxHashSet::default();
    let mut entries = Vec::new();
    let same_entry = |one: &NormalisedLine, next: &NormalisedLine| one.entry_number == next.entry_number;
    for lines in request.lines.chunk_by(same_entry) {
        let entry_number = &lines[0].entry_number;
        if !seen.insert(entry_number) {
            return Err(Error::Invalid(format!(
                "lines: those of entry {entry_number:?} stand in two places: put them together"
            )));
        }
        entries.push(FiledEntry {
            entry_number: entry_number.clone(),
            line_count: count(lines.len()),
            keep_other_lines: !lines
                .iter()
                .any(|line| line.entry_action.as_deref() == Some("REPLACE")),
            version: 0,
        });
    }
    Ok(entries)
}

/// Takes out the entries whose lines would draw more than can be counted, whatever a policy permits: the ledger would refuse
/// what the rules let pass. The first of them, with the certificate.
pub(super) fn too_heavy(
    lines: &mut Vec<NormalisedLine>,
    known: &Known,
) -> Option<(String, CertificateNumber)> {
    let mut sums: FxHashMap<CertificateNumber, Weight> = FxHashMap::default();
    let mut heavy: FxHashMap<String, CertificateNumber> = FxHashMap::default();
    let mut first = None;
    for entry in lines.chunk_by(|one, next| one.entry_number == next.entry_number) {
        let mut with_entry: FxHashMap<CertificateNumber, Weight> = FxHashMap::default();
        for line in entry {
            let Some(number) = certificate_number(line) else {
                continue;
            };
            let sum = with_entry.entry(number).or_insert_with(|| {
                let drawn = || match known.certificate(number) {
                    Answer::Found(view) => view.drawn,
                    Answer::Absent | Answer::Unavailable => Weight::ZERO,
                };
                sums.get(&number).copied().unwrap_or_else(drawn)
            });
            let weight = weight(line);
            // One that weighs more by itself draws nothing.
            if weight <= Weight::MAX {
                *sum = sum.saturating_add(weight);
            }
            if *sum > MAX_DRAWN {
                heavy.insert(line.entry_number.clone(), number);
                first.get_or_insert_with(|| (line.entry_number.clone(), number));
            }
        }
        if heavy.is_empty() || !heavy.contains_key(&entry[0].entry_number) {
            sums.extend(with_entry);
        }
    }
    if first.is_some() {
        lines.retain(|line| !heavy.contains_key(&line.entry_number));
    }
    first
}

/// Takes out the entries that would be taken back, wholly or by lines, and of which nothing is on record: why the first of
/// them cannot be.
pub(super) async fn nothing_to_take_back(
    engine: &Engine,
    tenant: &str,
    request: &mut Request,
) -> Result<Option<Error>, Error> {
    let takes_back = |line: &NormalisedLine| line.entry_action.as_deref() == Some("DELETE");
    let same_entry = |one: &NormalisedLine, next: &NormalisedLine| one.entry_number == next.entry_number;
    let (asked, version): (Vec<String>, _) = match (&request.of_entry, request.kind) {
        (Some((entry_number, version)), Kind::Cancelled) => (vec![entry_number.clone()], Some(*version)),
        (None, _) => {
            let asked = request
                .lines
                .chunk_by(same_entry)
                .filter(|lines| lines.iter().all(takes_back))
                .map(|lines| lines[0].entry_number.clone())
                .filter(|number| EntryNumber::parse(number).is_some());
            (asked.collect(), None)
        }
        _ => return Ok(None),
    };
    let mut refusal = None;
    for entry_number in asked {
        let (versions, _) = engine.store.entry(tenant, &entry_number, None).await?;
        let reason = match versions.last() {
            Some(last)
                if last.kind == Kind::Cancelled && version.is_none_or(|version| version == last.version) =>
            {
                format!("was taken back by version {} on {}", last.version, last.filed_on)
            }
            // A version that is named may still be filed: whoever claims the entry knows.
            None if version.is_none() => "is not on record".to_owned(),
            _ => continue,
        };
        request.lines.retain(|line| line.entry_number != entry_number);
        refusal.get_or_insert(Error::NothingToTakeBack(format!("{entry_number} {reason}")));
    }
    Ok(refusal)
}

/// A tenant files only under its own filer codes.
pub(super) fn may_file(principal: &Principal, entries: &[FiledEntry]) -> Result<(), Error> {
    let foreign = entries
        .iter()
        .find(|entry| !principal.owns_entry(&entry.entry_number));
    match foreign {
        None => Ok(()),
        Some(entry) => Err(Error::NotYours(format!(
            "entry {} is not under a filer code of this tenant ({})",
            entry.entry_number,
            principal.filer_codes.listed().join(", ")
        ))),
    }
}

/// Requests are bounded far below this.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
