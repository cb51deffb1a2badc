//! The records of one seal against the hashes that it holds.

use std::collections::{HashMap, HashSet};

use super::check::Numbered;
use super::finding::{Finding, Kind, moment};
use super::{HASH_BYTES, Record, Seal};

/// Records that do not fit and are looked at one by one; more are counted.
const MOST_STRANGERS: usize = 10_000;

/// A record that is not the one that was sealed at its place.
#[derive(Debug)]
struct Stranger {
    sequence: i64,
    hash: [u8; HASH_BYTES],
    /// What it says, in a few words.
    says: String,
}

/// Takes the records of a seal and finds out what happened to them.
#[derive(Debug)]
pub(super) struct BatchCheck {
    seal: Seal,
    /// Whether its first record follows the last of the seal before.
    follows: bool,
    /// For each of its records whether it stands in its place.
    is_there: Vec<bool>,
    strangers: Vec<Stranger>,
    more: u64,
}

impl BatchCheck {
    /// A seal that is whole.
    pub(super) fn new(seal: Seal, follows: bool) -> Self {
        let count = seal.record_hashes.len() / HASH_BYTES;
        Self {
            seal,
            follows,
            is_there: vec![false; count],
            strangers: Vec::new(),
            more: 0,
        }
    }

    pub(super) fn last(&self) -> i64 {
        self.seal.last
    }

    fn place(&self, sequence: i64) -> Option<usize> {
        usize::try_from(sequence.checked_sub(self.seal.first)?)
            .ok()
            .filter(|place| *place < self.is_there.len())
    }

    fn hash_at(&self, place: usize) -> &[u8] {
        &self.seal.record_hashes[place * HASH_BYTES..][..HASH_BYTES]
    }

    /// Takes a record; whether it is the one that was sealed at its place.
    pub(super) fn record(&mut self, numbered: Numbered, hash: [u8; HASH_BYTES]) -> bool {
        let place = self.place(numbered.sequence);
        if place.is_none() && !self.follows {
            // It may belong to a seal that is gone or changed.
            return false;
        }
        if let Some(place) = place
            && !self.is_there[place]
            && self.hash_at(place) == hash
        {
            self.is_there[place] = true;
            return true;
        }
        if self.strangers.len() < MOST_STRANGERS {
            self.strangers.push(Stranger {
                sequence: numbered.sequence,
                hash,
                says: says(&numbered.record),
            });
        } else {
            self.more += 1;
        }
        false
    }

    /// What happened to the records, and how often more.
    pub(super) fn end(self) -> (Vec<Finding>, u64) {
        if self.strangers.is_empty() && self.is_there.iter().all(|is_there| *is_there) {
            return (Vec::new(), self.more);
        }
        let places: HashMap<&[u8], usize> = (0..self.is_there.len())
            .map(|place| (self.hash_at(place), place))
            .collect();
        // Of the strangers, those that were sealed at another place, where they are missing.
        let moved_from = |stranger: &Stranger| {
            places
                .get(&stranger.hash[..])
                .copied()
                .filter(|place| !self.is_there[*place])
        };
        let found_elsewhere: HashSet<usize> = self.strangers.iter().filter_map(moved_from).collect();
        let mut by_number: HashMap<i64, Vec<&Stranger>> = HashMap::new();
        for stranger in &self.strangers {
            by_number.entry(stranger.sequence).or_default().push(stranger);
        }
        let mut findings = Vec::new();
        let mut moved = Vec::new();
        for stranger in self
            .strangers
            .iter()
            .filter(|stranger| self.place(stranger.sequence).is_none())
        {
            findings.push(self.inserted(stranger));
        }
        for place in 0..self.is_there.len() {
            let number = self.number(place);
            let is_missing = !self.is_there[place] && !found_elsewhere.contains(&place);
            let mut is_explained = false;
            for stranger in by_number.get(&number).into_iter().flatten() {
                if let Some(from) = moved_from(stranger) {
                    moved.push(self.moved(stranger, from));
                } else if is_missing && !is_explained {
                    is_explained = true;
                    findings.push(self.changed(stranger));
                } else {
                    findings.push(self.inserted(stranger));
                }
            }
            if is_missing && !is_explained {
                findings.push(self.removed(number));
            }
        }
        // Where records were removed or inserted, others have moved up or down for it.
        if !findings.iter().any(|finding| finding.kind != Kind::RecordChanged) {
            findings.extend(moved);
            findings.sort_by_key(|finding| finding.record);
        }
        (findings, self.more)
    }

    fn number(&self, place: usize) -> i64 {
        // There are as many places as records, so it fits.
        self.seal
            .first
            .saturating_add(i64::try_from(place).unwrap_or(i64::MAX))
    }

    fn finding(&self, kind: Kind, record: i64, what: &str) -> Finding {
        Finding {
            kind,
            record: Some(record),
            seal: Some(self.seal.number),
            sealed_at: Some(self.seal.sealed_at),
            sentence: format!(
                "record {record} {what} (seal {} of {})",
                self.seal.number,
                moment(self.seal.sealed_at)
            ),
        }
    }

    fn changed(&self, stranger: &Stranger) -> Finding {
        let what = format!("was changed after it was sealed; now it says {}", stranger.says);
        self.finding(Kind::RecordChanged, stranger.sequence, &what)
    }

    fn inserted(&self, stranger: &Stranger) -> Finding {
        let what = format!(
            "was inserted after its neighbours were sealed; it says {}",
            stranger.says
        );
        self.finding(Kind::RecordInserted, stranger.sequence, &what)
    }

    fn removed(&self, record: i64) -> Finding {
        self.finding(Kind::RecordRemoved, record, "was removed after it was sealed")
    }

    fn moved(&self, stranger: &Stranger, from: usize) -> Finding {
        let what = format!(
            "was moved: it was sealed as record {}; it says {}",
            self.number(from),
            stranger.says
        );
        self.finding(Kind::RecordsReordered, stranger.sequence, &what)
    }
}

fn says(record: &Record) -> String {
    const LONGEST: usize = 60;
    let short = |text: &str| -> String {
        if text.chars().count() <= LONGEST {
            text.to_owned()
        } else {
            text.chars().take(LONGEST).chain(['…']).collect()
        }
    };
    format!(
        "{} of {} by {} at {}",
        short(&record.action),
        short(&record.subject),
        short(&record.actor),
        moment(record.recorded_at)
    )
}
