//! The check itself, without a database: seals, records and heads go past in order, and what does not fit is noted.

use chrono::{DateTime, Utc};

use super::batch_check::BatchCheck;
use super::finding::{Finding, Kind, moment, numbers};
use super::head::Head;
use super::heads::HeadLines;
use super::{HASH_BYTES, Record, Seal, record_hash, seal_hash};

/// Findings that are told one by one; more are counted.
const MOST_FINDINGS: usize = 100;

/// What a walk over a log saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Records under seals.
    pub records: u64,
    /// Seals.
    pub seals: u64,
    /// Records that no seal holds yet.
    pub unsealed: u64,
    /// Heads that were compared with the log.
    pub heads: u64,
    /// Numbers that the database gave to records which are not there: of changes that were undone, or of records that
    /// were removed within the second before they were sealed. Only PostgreSQL leaves this open.
    pub unused_numbers: u64,
    /// Rows that were set beside the log.
    pub rows: u64,
    /// Those of them that only the baseline speaks of: they are older than the notes that say what they leave.
    pub rows_before: u64,
    /// What does not fit, in the order of the log; empty: all does.
    pub findings: Vec<Finding>,
    /// Findings beside those.
    pub more_findings: u64,
}

/// A record with its number.
#[derive(Debug, Clone)]
pub(crate) struct Numbered {
    pub(crate) sequence: i64,
    pub(crate) record: Record,
}

/// The seal that was seen last.
#[derive(Debug)]
struct Before {
    number: i64,
    last: i64,
    hash: Vec<u8>,
    sealed_at: DateTime<Utc>,
    is_whole: bool,
}

/// Notes what does not fit.
#[derive(Debug)]
pub struct Checker {
    service: &'static str,
    /// Whether an id without a record is one that was removed.
    ids_have_no_gaps: bool,
    /// Public half of the deployment's key.
    public_key: Option<Vec<u8>>,
    given: std::vec::IntoIter<Head>,
    exported: Option<HeadLines>,
    before: Option<Before>,
    batch: Option<BatchCheck>,
    /// Id and number of the last record that was as sealed.
    last_known: Option<(i64, i64)>,
    /// Numbered records behind the last seal: the first and the last.
    beyond: Option<(i64, i64)>,
    numbered: u64,
    /// The head that is furthest behind the end of the log.
    furthest: Option<Head>,
    /// The first head that names another seal than the log has.
    first_other: Option<Head>,
    verified: Verified,
}

impl Checker {
    pub(super) fn new(
        service: &'static str,
        public_key: Option<Vec<u8>>,
        given: Vec<Head>,
        exported: Option<HeadLines>,
    ) -> Self {
        Self {
            service,
            ids_have_no_gaps: false,
            public_key,
            given: given.into_iter(),
            exported,
            before: None,
            batch: None,
            last_known: None,
            beyond: None,
            numbered: 0,
            furthest: None,
            first_other: None,
            verified: Verified::default(),
        }
    }

    /// Tells that the engine's ids have no gaps.
    pub(crate) fn ids_have_no_gaps(&mut self) {
        self.ids_have_no_gaps = true;
    }

    /// Counts a row that was set beside the log.
    pub(crate) fn row(&mut self, is_of_the_baseline: bool) {
        self.verified.rows += 1;
        self.verified.rows_before += u64::from(is_of_the_baseline);
    }

    /// Counts rows that are not as the log left them, beside those that were named.
    pub(crate) fn more_wrong_rows(&mut self, count: u64) {
        self.verified.more_findings += count;
    }

    /// A row that is not as the log left it; `record`: the one that last spoke of it.
    pub(crate) fn wrong_row(&mut self, kind: Kind, row_kind: &str, key: &str, record: Option<i64>) {
        let by = match record {
            Some(record) => format!("record {record}"),
            None => "a record that is not sealed yet".to_owned(),
        };
        let what = match kind {
            Kind::RowChanged => format!("was changed behind the log: {by} left it otherwise"),
            Kind::RowRemoved => format!("was removed behind the log: {by} left it there"),
            _ => "was added behind the log: no record left it there".to_owned(),
        };
        self.found(Finding {
            kind,
            record: record.filter(|_| kind != Kind::RowAdded),
            seal: None,
            sealed_at: None,
            sentence: format!("{row_kind} {key} {what}"),
        });
    }

    fn found(&mut self, finding: Finding) {
        if self.verified.findings.len() < MOST_FINDINGS {
            self.verified.findings.push(finding);
        } else {
            self.verified.more_findings += 1;
        }
    }

    /// The next seal, in the order of their numbers. The records up to its last come next.
    pub(crate) fn seal(&mut self, seal: Seal) {
        self.end_batch();
        self.verified.seals += 1;
        let is_whole = self.seal_is_whole(&seal);
        if !is_whole {
            let finding = Finding {
                kind: Kind::SealChanged,
                record: None,
                seal: Some(seal.number),
                sealed_at: Some(seal.sealed_at),
                sentence: format!(
                    "seal {} was changed: its hash is not that of its content, so that its records cannot be checked \
                     (it says {}, sealed at {})",
                    seal.number,
                    numbers("record", seal.first, seal.last),
                    moment(seal.sealed_at)
                ),
            };
            self.found(finding);
        }
        let follows = self.check_place(&seal, is_whole);
        self.before = Some(Before {
            number: seal.number,
            last: seal.last,
            hash: seal.hash.clone(),
            sealed_at: seal.sealed_at,
            is_whole,
        });
        if is_whole {
            // Records before its first belong to seals that are gone or changed, where there are such.
            self.batch = Some(BatchCheck::new(seal, follows));
        } else {
            self.last_known = None;
        }
    }

    fn seal_is_whole(&self, seal: &Seal) -> bool {
        let count = seal
            .last
            .checked_sub(seal.first)
            .and_then(|less| less.checked_add(1));
        count == Some(seal.count)
            && seal.count > 0
            && usize::try_from(seal.count)
                .is_ok_and(|count| count.checked_mul(HASH_BYTES) == Some(seal.record_hashes.len()))
            && seal.hash == seal_hash(self.service, seal)
    }

    /// Looks how a seal goes on from the one before; whether its records follow those of that one.
    fn check_place(&mut self, seal: &Seal, is_whole: bool) -> bool {
        let (number, last, hash, before_is_whole, sealed_at) = match &self.before {
            None => (0, 0, Seal::BEFORE_THE_FIRST.to_vec(), true, None),
            Some(before) => (
                before.number,
                before.last,
                before.hash.clone(),
                before.is_whole,
                Some(before.sealed_at),
            ),
        };
        if seal.number > number + 1 {
            let mut sentence = format!(
                "{} removed: seal {} follows seal {number}",
                if seal.number == number + 2 {
                    format!("seal {} was", number + 1)
                } else {
                    format!("seals {} to {} were", number + 1, seal.number - 1)
                },
                seal.number
            );
            if before_is_whole && is_whole && seal.first > last + 1 {
                sentence.push_str(", so that ");
                sentence.push_str(&numbers("record", last + 1, seal.first - 1));
                sentence.push_str(" cannot be checked");
            }
            self.last_known = None;
            self.found(Finding {
                kind: Kind::SealRemoved,
                record: before_is_whole.then_some(last + 1),
                seal: Some(number + 1),
                sealed_at,
                sentence,
            });
            return false;
        }
        if !is_whole || !before_is_whole {
            return false;
        }
        let follows = seal.previous_hash == hash && seal.first == last + 1;
        if !follows {
            // Both are whole, so one of them was made anew.
            self.last_known = None;
            self.found(Finding {
                kind: Kind::SealChanged,
                record: None,
                seal: Some(number.max(1)),
                sealed_at,
                sentence: format!(
                    "seal {} was replaced: seal {} was made to follow another",
                    number.max(1),
                    seal.number
                ),
            });
        }
        follows
    }

    /// Number of the last record of the seal that was seen last, where that can be trusted.
    pub(crate) fn reaches(&self) -> Option<i64> {
        self.batch.as_ref().map(BatchCheck::last)
    }

    /// The next record, in the order of numbers and ids: one that the last seal holds or should.
    pub(crate) fn record(&mut self, numbered: Numbered) {
        self.numbered += 1;
        let hash = record_hash(&numbered.record);
        let id = numbered.record.audit_id;
        let sequence = numbered.sequence;
        let Some(batch) = &mut self.batch else { return };
        if !batch.record(numbered, hash) {
            return;
        }
        self.verified.records += 1;
        if self.ids_have_no_gaps {
            let expected = match self.last_known {
                Some((last_id, last)) if last + 1 == sequence => Some(last_id + 1),
                None if sequence == 1 => Some(1),
                _ => None,
            };
            if let Some(missing) = expected
                .map(|expected| id - expected)
                .filter(|missing| *missing > 0)
            {
                let seal = self.before.as_ref();
                let finding = Finding {
                    kind: Kind::RecordRemoved,
                    record: Some(sequence - 1),
                    seal: seal.map(|seal| seal.number),
                    sealed_at: seal.map(|seal| seal.sealed_at),
                    sentence: format!(
                        "{missing} {} removed between record {} and record {sequence}, before a seal held {}",
                        if missing == 1 {
                            "record was"
                        } else {
                            "records were"
                        },
                        sequence - 1,
                        if missing == 1 { "it" } else { "them" },
                    ),
                };
                self.found(finding);
            }
        }
        self.last_known = Some((id, sequence));
    }

    fn end_batch(&mut self) {
        if let Some(batch) = self.batch.take() {
            let (findings, more) = batch.end();
            for finding in findings {
                self.found(finding);
            }
            self.verified.more_findings += more;
        }
    }

    /// A numbered record behind the last seal.
    pub(crate) fn record_without_seal(&mut self, sequence: i64) {
        self.numbered += 1;
        let first = self.beyond.map_or(sequence, |(first, _)| first);
        self.beyond = Some((first, sequence));
    }

    /// The rest of the log: how many records wait for a seal, and the highest id that a record ever had.
    pub(crate) fn rest(&mut self, unsealed: u64, highest_id: i64) {
        self.end_batch();
        self.verified.unsealed = unsealed;
        let (number, last, sealed_at, is_whole) = match &self.before {
            None => (0, 0, None, true),
            Some(before) => (
                before.number,
                before.last,
                Some(before.sealed_at),
                before.is_whole,
            ),
        };
        if let Some((first, end)) = self.beyond
            && is_whole
        {
            let records = numbers("record", first, end);
            let (kind, sentence) = if first == last + 1 {
                let sentence = format!(
                    "no seal holds {records} any more: seal {} was removed, or they were inserted",
                    number + 1
                );
                (Kind::SealRemoved, sentence)
            } else {
                let sentence = format!("{records} inserted: the seals end with record {last}");
                (Kind::RecordInserted, sentence)
            };
            self.found(Finding {
                kind,
                record: Some(first),
                seal: Some(number + 1),
                sealed_at,
                sentence,
            });
        }
        let here = i64::try_from(self.numbered.saturating_add(unsealed)).unwrap_or(i64::MAX);
        if !self.ids_have_no_gaps {
            self.verified.unused_numbers = u64::try_from(highest_id.saturating_sub(here)).unwrap_or_default();
            return;
        }
        let last_id = match self.last_known {
            Some((id, sequence)) if sequence == last => id,
            None if last == 0 => 0,
            _ => return,
        };
        let waiting = i64::try_from(unsealed).unwrap_or(i64::MAX);
        let missing = highest_id - last_id - waiting;
        if missing > 0 && self.beyond.is_none() {
            self.found(Finding {
                kind: Kind::RecordRemoved,
                record: Some(last),
                seal: None,
                sealed_at,
                sentence: format!(
                    "{missing} {} removed behind record {last}, before a seal held {}",
                    if missing == 1 {
                        "record was"
                    } else {
                        "records were"
                    },
                    if missing == 1 { "it" } else { "them" },
                ),
            });
        }
    }

    /// The next head to compare, after the rest of the log.
    pub(crate) fn next_head(&mut self) -> Option<Head> {
        if let Some(head) = self.given.next() {
            return Some(head);
        }
        loop {
            match self.exported.as_mut()?.next()? {
                Ok(head) => return Some(head),
                Err(why) => self.found(Finding {
                    kind: Kind::HeadWrong,
                    record: None,
                    seal: None,
                    sealed_at: None,
                    sentence: why,
                }),
            }
        }
    }

    /// Compares a head with the hash of the seal of its number in the log.
    pub(crate) fn head(&mut self, head: Head, in_log: Option<&[u8]>) {
        self.verified.heads += 1;
        let wrong = if head.service != self.service {
            Some(format!("belongs to the log of {}", head.service))
        } else if !head.is_signed() {
            Some("is not signed by the key that it names: it was changed".to_owned())
        } else if self
            .public_key
            .as_ref()
            .is_some_and(|public_key| *public_key != head.public_key)
        {
            Some("is signed by another key than this deployment's".to_owned())
        } else {
            None
        };
        if let Some(wrong) = wrong {
            self.found(Finding {
                kind: Kind::HeadWrong,
                record: Some(head.records),
                seal: Some(head.seal),
                sealed_at: Some(head.sealed_at),
                sentence: format!(
                    "the head of seal {} (up to record {}, {}) {wrong}",
                    head.seal,
                    head.records,
                    moment(head.sealed_at)
                ),
            });
            return;
        }
        let end = self.before.as_ref().map_or(0, |before| before.number);
        match in_log {
            Some(hash) if hash == head.hash => {}
            Some(_) => keep(&mut self.first_other, head, |other, new| new.seal < other.seal),
            None if head.seal > end => keep(&mut self.furthest, head, |far, new| new.seal > far.seal),
            // The gap in the seals has been told.
            None => {}
        }
    }

    /// What was seen and found.
    pub(super) fn end(mut self) -> Verified {
        if let Some(head) = self.first_other.take() {
            self.found(Finding {
                kind: Kind::Rewritten,
                record: Some(head.records),
                seal: Some(head.seal),
                sealed_at: Some(head.sealed_at),
                sentence: format!(
                    "seal {} is not the one whose head was exported at {}: the log up to record {} was written anew",
                    head.seal,
                    moment(head.sealed_at),
                    head.records
                ),
            });
        }
        if let Some(head) = self.furthest.take() {
            let last = self.before.as_ref().map_or(0, |before| before.last);
            self.found(Finding {
                kind: Kind::CutOff,
                record: Some(last),
                seal: Some(head.seal),
                sealed_at: Some(head.sealed_at),
                sentence: format!(
                    "the log was cut off behind record {last}: a head of {} says that it had {} records, in {} seals",
                    moment(head.sealed_at),
                    head.records,
                    head.seal
                ),
            });
        }
        self.verified
    }
}

/// Keeps a head where it tells more than the one that is kept.
fn keep(kept: &mut Option<Head>, head: Head, tells_more: impl Fn(&Head, &Head) -> bool) {
    if kept.as_ref().is_none_or(|kept| tells_more(kept, &head)) {
        *kept = Some(head);
    }
}
