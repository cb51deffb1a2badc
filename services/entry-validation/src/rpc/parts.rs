//! Parts of a filing: of about a thousand lines, cut where an entry ends, so that how they came changes nothing.
//!
//! A part ends with the entry that reaches a thousand lines; where that entry would make it longer than the ledger takes,
//! before it.

use std::borrow::Cow;
use std::sync::Arc;

use nopic_domain::date::Date;
use nopic_domain::decision::Kind;
use nopic_domain::entry::NormalisedLine;
use nopic_domain::identifier::EntryNumber;
use nopic_domain::principal::Principal;
use nopic_domain::rules::{MAX_LINES_PER_ENTRY, replace_entry};
use nopic_proto::common;
use nopic_proto::entry_validation as wire;
use rustc_hash::{FxHashMap, FxHashSet};

use super::fields::{
    decision, entry_number as entry_number_of, filed_on, hash, hash_of_lines, kind, request_id, text,
};
use crate::engine::Engine;
use crate::error::Error;
use crate::filing::{Request, file};
use crate::inquiry::Inquiry;
use crate::scope::{EntryScope, Place, Refusal};
use crate::store::{Deletion, Refused};

/// Entries at most of which something could not be read, of those that are not filed yet.
const MAX_INCOMPLETE: usize = 100_000;
const NOT_REPLACED: &str = "a line of this entry cannot be read, so the entry is not replaced: what the line drew would be \
                            given back; correct the line and file the entry again";
const STANDS_APART: &str = "lines of this entry stand in a second place, so the entry is not replaced: what they drew would be given \
                            back; put its lines together and file the entry again";
const REPLACED_BEFORE: &str = "the entry was replaced before this line of it was read: what the line drew is given back; put the \
                               entry's lines together and file it again";
const NOT_YOURS: &str = "the entry has another filer code than those that you file under";
const NONE_OF_IT: &str = "this entry has more lines than an entry may have: none of them is filed";
const NOTHING_TO_TAKE_BACK: &str =
    "the entry is not on record, or was taken back before: there is nothing to take back";
/// An earlier version kept no reasons.
const REFUSED_BEFORE: &str = "this entry was refused when the same content was filed before, and is not on record by it: file it anew \
     (`nopic entry file --refile`)";
/// Parts whose entries are looked up at once.
const PARTS_AT_ONCE: u32 = 500;
/// A part ends with the entry that reaches so many lines.
const LINES_PER_PART: usize = 1_000;
/// Lines of a part at most: a part that is one entry has as many as an entry may have, and the ledger takes no more.
const MAX_LINES_PER_PART: usize = MAX_LINES_PER_ENTRY;

/// A line that waits to be filed.
struct Waiting {
    line: NormalisedLine,
    /// Its place among the records of the call, from 1.
    place: u64,
    /// What a reject of it names: a line of the file, or the place in the stream.
    told: u64,
}

/// An entry or a line that is not filed.
pub(super) struct RefusedEntry {
    /// As of the line, of an entry its first one.
    pub(super) told: u64,
    pub(super) entry_number: String,
    pub(super) reason: Cow<'static, str>,
}

impl RefusedEntry {
    pub(super) fn reject(self) -> common::Reject {
        common::Reject {
            record: u32::try_from(self.told).unwrap_or(u32::MAX),
            key: self.entry_number,
            reason: self.reason.into_owned(),
            ..common::Reject::default()
        }
    }
}

/// An entry that waits to be filed.
#[derive(Default)]
struct Entry {
    lines: Vec<NormalisedLine>,
    /// What a reject of each line names.
    told: Vec<u64>,
}

impl Entry {
    fn number(&self) -> &str {
        &self.lines[0].entry_number
    }
}

/// The lines by entry. What is no entry's number may stand in several places, and comes together.
fn entries_of(part: Vec<Waiting>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    for Waiting { line, told, .. } in part {
        let place = places.get(&line.entry_number).copied().unwrap_or_else(|| {
            places.insert(line.entry_number.clone(), entries.len());
            entries.push(Entry::default());
            entries.len() - 1
        });
        entries[place].lines.push(line);
        entries[place].told.push(told);
    }
    entries
}

/// What came of an entry that a file deletes.
pub(super) enum Deleted {
    Cancelled(wire::Cancellation),
    /// Its number, and why not.
    Refused(String, &'static str),
}

/// What came of a part.
#[derive(Default)]
pub(super) struct FiledPart {
    pub(super) decisions: Vec<wire::Decision>,
    pub(super) refused: Vec<RefusedEntry>,
}

/// Lines on their way to be filed.
pub(super) struct Parts {
    engine: Arc<Engine>,
    inquiry: Inquiry,
    request_id: String,
    filed_on: Option<Date>,
    /// Parts that were filed, with those of the calls that this one resumes.
    pub(super) number: u32,
    waiting: Vec<Waiting>,
    /// Where the last entry of those that wait begins.
    last_entry: usize,
    /// Entries of which something could not be read.
    incomplete: FxHashSet<String>,
    /// Entries of which lines stand in a second place.
    apart: FxHashSet<EntryNumber>,
    /// Entries that were replaced as a whole: what of them comes later comes too late.
    replaced: FxHashSet<EntryNumber>,
    /// Whether something could not be read that may be of the entry to come.
    next_is_incomplete: bool,
    /// Where the entry begins whose lines come and are too many.
    refused_from: Option<u64>,
    /// Lines that this call has filed.
    pub(super) filed: u64,
    /// How far an end of the part was looked for: lines that wait are looked at once, however they come.
    searched: usize,
}

impl Parts {
    pub(super) fn new(
        engine: Arc<Engine>,
        principal: Principal,
        options: wire::FileOptions,
    ) -> Result<Self, Error> {
        let filed_on = filed_on(&options.filed_on, engine.clock.today())?;
        Ok(Self {
            engine,
            inquiry: Inquiry::to_file(principal, options.at_least_revision),
            request_id: request_id(options.request_id)?,
            filed_on,
            number: options.resume_after.map_or(0, |after| after.parts),
            waiting: Vec::new(),
            last_entry: 0,
            incomplete: FxHashSet::default(),
            apart: FxHashSet::default(),
            replaced: FxHashSet::default(),
            next_is_incomplete: false,
            refused_from: None,
            filed: 0,
            searched: LINES_PER_PART,
        })
    }

    /// Closes the entries of the calls that this one resumes: what comes of them now is in a second place.
    pub(super) async fn complete_entries(&self, scope: &mut EntryScope) -> Result<(), Error> {
        let tenant = &self.inquiry.principal.tenant;
        let mut number = 0;
        while number < self.number {
            let first = number + 1;
            number = self.number.min(number.saturating_add(PARTS_AT_ONCE));
            let ids: Vec<String> = (first..=number).map(|number| self.id_of(number)).collect();
            let entries = self.engine.store.entries_of_requests(tenant, &ids).await?;
            if entries.is_empty() {
                // The caller says that there are more parts than there are.
                break;
            }
            entries
                .iter()
                .for_each(|entry_number| scope.complete(entry_number));
        }
        Ok(())
    }

    /// Takes a line that stands at this place of the call.
    pub(super) fn push(&mut self, line: NormalisedLine, place: u64, told: u64, in_entry: Place) {
        if in_entry == Place::Begins {
            self.last_entry = self.waiting.len();
            self.refused_from = None;
        }
        if std::mem::take(&mut self.next_is_incomplete) {
            self.incomplete.insert(line.entry_number.clone());
        }
        self.waiting.push(Waiting { line, place, told });
    }

    /// A line was filed by the call that this one resumes.
    pub(super) fn pass(&mut self, line: &NormalisedLine) {
        self.next_is_incomplete = false;
        self.incomplete.remove(&line.entry_number);
        self.note_replaced(std::slice::from_ref(line));
    }

    fn note_replaced(&mut self, lines: &[NormalisedLine]) {
        if replace_entry(lines, &self.engine.policy) {
            self.replaced.extend(EntryNumber::parse(&lines[0].entry_number));
        }
    }

    /// Says of an entry that was replaced already that a line of it comes too late; once.
    fn comes_too_late(&mut self, entry_number: &str, told: u64) -> Option<RefusedEntry> {
        let was_replaced = self.replaced.remove(&EntryNumber::parse(entry_number)?);
        was_replaced.then(|| RefusedEntry {
            told,
            entry_number: entry_number.to_owned(),
            reason: REPLACED_BEFORE.into(),
        })
    }

    /// A line of this entry was not taken. What there is to say of the entry: it is filed as a whole, or not.
    pub(super) fn refuse(&mut self, refusal: Refusal, entry_number: &str, told: u64) -> Option<RefusedEntry> {
        match refusal {
            Refusal::TooLong => {}
            Refusal::SecondPlace => {
                self.apart.extend(EntryNumber::parse(entry_number));
                return self.comes_too_late(entry_number, told);
            }
            Refusal::TooManyEntries => return None,
        }
        self.searched = LINES_PER_PART;
        let dropped = self.waiting.drain(self.last_entry..).next()?;
        self.refused_from = Some(dropped.place);
        Some(RefusedEntry {
            told: dropped.told,
            entry_number: dropped.line.into_inner().entry_number,
            reason: NONE_OF_IT.into(),
        })
    }

    /// Something could not be read: of this entry, or, where that cannot be told, of the one before it or behind it. What
    /// there is to say of the entry.
    ///
    /// # Errors
    /// There is too much of it.
    pub(super) fn cannot_read(
        &mut self,
        entry_number: Option<&str>,
        told: u64,
    ) -> Result<Option<RefusedEntry>, Error> {
        let mut too_late = None;
        match entry_number {
            Some(number) => {
                let number = entry_number_of(number);
                too_late = self.comes_too_late(&number, told);
                self.incomplete.insert(number);
            }
            None => {
                if let Some(last) = self.waiting.last() {
                    self.incomplete.insert(last.line.entry_number.clone());
                }
                self.next_is_incomplete = true;
            }
        }
        if self.incomplete.len() > MAX_INCOMPLETE {
            return Err(Error::TooMuch(format!(
                "more than {MAX_INCOMPLETE} entries have lines that cannot be read: correct the file"
            )));
        }
        Ok(too_late)
    }

    /// The place before the first line that waits, or that belongs to an entry which is being refused.
    pub(super) fn boundary(&self) -> Option<u64> {
        let first = self
            .waiting
            .first()
            .map(|first| first.place)
            .or(self.refused_from);
        first.map(|place| place - 1)
    }

    /// Files the next part if it is complete: where a line of another entry has come behind it.
    pub(super) async fn file_complete(&mut self) -> Result<Option<FiledPart>, Error> {
        match self.end_of_part() {
            Some(end) => self.file_first(end).await.map(Some),
            None => Ok(None),
        }
    }

    /// Where the next part ends, by the lines alone; `None`: not among those that came.
    fn end_of_part(&mut self) -> Option<usize> {
        let ends_at = |place: &usize| {
            self.waiting[*place].line.entry_number != self.waiting[*place - 1].line.entry_number
        };
        // One line behind the longest part says whether it ends there.
        let looked_at = self.waiting.len().min(MAX_LINES_PER_PART + 1);
        let end = (self.searched..looked_at).find(ends_at);
        self.searched = self.searched.max(looked_at);
        if end.is_some() || self.waiting.len() <= MAX_LINES_PER_PART {
            return end;
        }
        // An entry has no more lines than a part: the last one begins behind another.
        (1..LINES_PER_PART).rev().find(ends_at)
    }

    /// Files what is left when [`Self::file_complete`] finds nothing more.
    pub(super) async fn file_rest(&mut self) -> Result<FiledPart, Error> {
        if self.waiting.is_empty() {
            return Ok(FiledPart::default());
        }
        self.file_first(self.waiting.len()).await
    }

    async fn file_first(&mut self, count: usize) -> Result<FiledPart, Error> {
        let rest = self.waiting.split_off(count);
        let part = std::mem::replace(&mut self.waiting, rest);
        self.last_entry = self.last_entry.saturating_sub(count);
        self.searched = LINES_PER_PART;
        self.filed += count as u64;
        let mut filed = FiledPart::default();
        let (mut kept, mut left_out) = (Vec::new(), Vec::new());
        for entry in entries_of(part) {
            match self.why_not(&entry) {
                None => kept.push(entry),
                Some(reason) => left_out.push((entry, reason)),
            }
        }
        // Of an entry that is filed nothing is known to stand apart any more.
        let waiting = self.waiting.iter().map(|waiting| &waiting.line.entry_number);
        let waiting: FxHashSet<EntryNumber> =
            waiting.filter_map(|number| EntryNumber::parse(number)).collect();
        self.apart.retain(|number| waiting.contains(number));
        for entry in &kept {
            self.note_replaced(&entry.lines);
        }
        let mut refused = Vec::new();
        if kept.is_empty() {
            // The part is on record all the same, by all of its lines.
            let mut place = 0;
            for (entry, reason) in left_out {
                refused.push(Refused {
                    place,
                    entry_number: entry.number().to_owned(),
                    reason: reason.to_owned(),
                });
                place += u32::try_from(entry.lines.len()).unwrap_or(u32::MAX);
                kept.push(entry);
            }
        } else {
            filed
                .refused
                .extend(left_out.into_iter().map(|(entry, reason)| RefusedEntry {
                    told: entry.told[0],
                    entry_number: entry.number().to_owned(),
                    reason: reason.into(),
                }));
        }
        let told: Vec<u64> = kept.iter().flat_map(|entry| entry.told.iter().copied()).collect();
        let names: Vec<(u64, String)> = kept
            .iter()
            .map(|entry| (entry.told[0], entry.number().to_owned()))
            .collect();
        let mut lines: Vec<NormalisedLine> = kept.into_iter().flat_map(|entry| entry.lines).collect();
        let hash = hash_of_lines(&lines, self.filed_on);
        if !refused.is_empty() {
            lines.clear();
        }
        let request = Request {
            id: self.next_id(),
            hash,
            kind: kind(self.filed_on),
            filed_on: self.filed_on,
            reason: String::new(),
            lines,
            refused,
            of_entry: None,
            entries_apart: true,
        };
        let answer = file(&self.engine, &self.inquiry, request).await?;
        let decided = answer
            .decisions
            .iter()
            .map(|decision| decision.verdict.entry_number.as_str());
        let refused = answer.refused.iter().map(|refused| refused.entry_number.as_str());
        let answered: FxHashSet<&str> = decided.chain(refused).collect();
        let unanswered = names
            .iter()
            .filter(|(_, number)| !answered.contains(number.as_str()));
        filed
            .refused
            .extend(unanswered.map(|(told, number)| RefusedEntry {
                told: *told,
                entry_number: number.clone(),
                reason: REFUSED_BEFORE.into(),
            }));
        filed
            .refused
            .extend(answer.refused.into_iter().map(|refused| RefusedEntry {
                told: told.get(refused.place as usize).copied().unwrap_or_default(),
                entry_number: refused.entry_number,
                reason: refused.reason.into(),
            }));
        filed.decisions = answer.decisions.into_iter().map(decision).collect();
        Ok(filed)
    }

    /// Why an entry is not filed, whatever is on record of it.
    fn why_not(&mut self, entry: &Entry) -> Option<&'static str> {
        let is_apart = EntryNumber::parse(entry.number()).is_some_and(|number| self.apart.contains(&number));
        let replaces = entry.lines.iter().any(NormalisedLine::replaces);
        let is_incomplete = self.incomplete.remove(entry.number());
        if !self.inquiry.principal.owns_entry(entry.number()) {
            Some(NOT_YOURS)
        } else if is_incomplete && replaces {
            Some(NOT_REPLACED)
        } else if is_apart && replaces {
            Some(STANDS_APART)
        } else {
            None
        }
    }

    /// Parts that are on record.
    pub(super) const fn number(&self) -> u32 {
        self.number
    }

    /// Lines that this call has filed.
    pub(super) const fn filed(&self) -> u64 {
        self.filed
    }

    /// Takes an entry back that the file deletes.
    pub(super) async fn cancel(&mut self, as_filed: &str) -> Result<Deleted, Error> {
        // A line of the entry has it kept in this form, however the file writes it.
        let entry_number = entry_number_of(as_filed);
        if let Some(number) = EntryNumber::parse(&entry_number) {
            self.replaced.remove(&number);
        }
        let tenant = self.inquiry.principal.tenant.clone();
        let asked = wire::CancelEntryRequest {
            entry_number: entry_number.clone(),
            ..wire::CancelEntryRequest::default()
        };
        let (id, request_hash) = (self.next_id(), hash("DeleteEntry", &asked));
        let deletion = Deletion {
            tenant: &tenant,
            request_id: &id,
            request_hash,
            entry_number: &entry_number,
            at: self.engine.clock.now(),
        };
        // Sent again, the file finds the entry that it filed behind the deletion.
        let Some(version) = self.engine.store.version_to_delete(deletion).await? else {
            return Ok(Deleted::Refused(entry_number, NOTHING_TO_TAKE_BACK));
        };
        let request = Request {
            id: id.clone(),
            hash: request_hash,
            kind: Kind::Cancelled,
            filed_on: self.filed_on,
            reason: "deleted by the file".to_owned(),
            lines: Vec::new(),
            refused: Vec::new(),
            of_entry: Some((entry_number.clone(), version)),
            entries_apart: false,
        };
        // Where the version is still being filed, this waits for it as for any other claim.
        match file(&self.engine, &self.inquiry, request).await {
            Ok(_) => {}
            Err(Error::NothingToTakeBack(_)) => {
                return Ok(Deleted::Refused(entry_number, NOTHING_TO_TAKE_BACK));
            }
            Err(Error::NotYours(_)) => return Ok(Deleted::Refused(entry_number, NOT_YOURS)),
            Err(error) => return Err(error),
        }
        let cancellation = self
            .engine
            .store
            .cancellation(&tenant, &id, &entry_number)
            .await?;
        let cancellation = cancellation
            .ok_or_else(|| Error::Internal(format!("request {id} has not cancelled entry {entry_number}")))?;
        Ok(Deleted::Cancelled(wire::Cancellation {
            entry_number,
            version: cancellation.version,
            recorded_at: text(cancellation.recorded_at),
            current_version: cancellation.current_version,
        }))
    }

    fn next_id(&mut self) -> String {
        self.number += 1;
        self.id_of(self.number)
    }

    fn id_of(&self, number: u32) -> String {
        format!("{}/{number}", self.request_id)
    }
}
