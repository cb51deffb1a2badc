//! Which entries of a request are filed, before anything is begun: those of the caller, whose weights can be counted.

use nopic_domain::decision::{FiledEntry, weight};
use nopic_domain::entry::NormalisedLine;
use nopic_domain::identifier::CertificateNumber;
use nopic_domain::ledger::MAX_DRAWN;
use nopic_domain::policy::Policy;
use nopic_domain::principal::Principal;
use nopic_domain::rules::{Answer, Knowledge as _, certificate_number, replace_entry};
use nopic_domain::weight::Weight;
use rustc_hash::{FxHashMap, FxHashSet};

use super::refusing::{Reason, Reasons};
use crate::error::Error;
use crate::knowledge::Known;

/// The entries of a request: lines of one stand together.
pub(super) fn entries(
    of_entry: Option<&(String, u32)>,
    lines: &[NormalisedLine],
    policy: &Policy,
) -> Result<Vec<FiledEntry>, Error> {
    if let Some((entry_number, _)) = of_entry {
        if let Some(other) = lines.iter().find(|line| line.entry_number != *entry_number) {
            return Err(Error::Invalid(format!(
                "lines: a line is of entry {:?}, not of {entry_number}",
                other.entry_number
            )));
        }
        return Ok(vec![FiledEntry {
            entry_number: entry_number.clone(),
            line_count: count(lines.len()),
            keep_other_lines: false,
            version: 0,
        }]);
    }
    let mut seen = FxHashSet::default();
    let mut entries = Vec::new();
    let same_entry = |one: &NormalisedLine, next: &NormalisedLine| one.entry_number == next.entry_number;
    for lines in lines.chunk_by(same_entry) {
        let entry_number = &lines[0].entry_number;
        if !seen.insert(entry_number) {
            return Err(Error::Invalid(format!(
                "lines: those of entry {entry_number:?} stand in two places: put them together"
            )));
        }
        entries.push(FiledEntry {
            entry_number: entry_number.clone(),
            line_count: count(lines.len()),
            keep_other_lines: !replace_entry(lines, policy),
            version: 0,
        });
    }
    Ok(entries)
}

/// The entries whose lines would draw more than can be counted, whatever a policy permits: the ledger would refuse what the
/// rules let pass.
pub(super) fn too_heavy(lines: &[NormalisedLine], known: &Known) -> Reasons {
    let mut sums: FxHashMap<CertificateNumber, Weight> = FxHashMap::default();
    let mut reasons = Reasons::default();
    for entry in lines.chunk_by(|one, next| one.entry_number == next.entry_number) {
        let mut with_entry: FxHashMap<CertificateNumber, Weight> = FxHashMap::default();
        let mut too_heavy = None;
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
                too_heavy.get_or_insert(number);
            }
        }
        match too_heavy {
            Some(number) => {
                let number = Reason::TooHeavy(number);
                reasons.entries.insert(entry[0].entry_number.clone(), number);
            }
            None => sums.extend(with_entry),
        }
    }
    reasons
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
