//! Reads entries from ABI records.
//!
//! An entry is kept until the record that ends it, and given only if all of it could be read: a record that cannot
//! be read refuses its whole entry, from its `10` to the next, and nothing else.

use nopic_domain::entry::EntryLine;

use super::item::{Item, Lines};
use super::record::{Fault, RECORD_LENGTH, Record, Tag};
use crate::entries::EntryEvent;
use crate::entries::lines::{RawLine, without_carriage_return};
use crate::reject::Reject;

/// The most records that one entry may have.
const MOST_RECORDS: u32 = 1_000_000;

/// The state between two records.
#[derive(Debug, Default)]
pub(in crate::entries) struct AbiDecoder {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Before the first entry, or behind a block trailer.
    #[default]
    Outside,
    /// Within an entry that was refused.
    Refused,
    /// Within an entry.
    Entry(Box<Entry>),
}

/// An entry as far as it was read.
#[derive(Debug)]
struct Entry {
    record: u64,
    number: String,
    deletes: bool,
    /// What every line of the entry has in common.
    common: EntryLine,
    has_header_content: bool,
    records: u32,
    item: Option<Item>,
    lines: Lines,
}

impl AbiDecoder {
    pub(in crate::entries) fn line(&mut self, number: u64, line: RawLine<'_>, out: &mut Vec<EntryEvent>) {
        let bytes = match line {
            RawLine::Whole(bytes) => without_carriage_return(bytes),
            RawLine::TooLong { start, length } => {
                let fault = Fault::new(
                    RECORD_LENGTH + 1,
                    format!("the record has {length} bytes, and 80 are the most: shorten it"),
                );
                return self.bad_record(number, start, fault, out);
            }
        };
        if bytes.trim_ascii().is_empty() {
            return;
        }
        match Record::read(bytes) {
            Ok(record) => {
                if let Err(fault) = self.record(number, &record, out) {
                    self.bad_record(number, bytes, fault, out);
                }
            }
            Err(fault) => self.bad_record(number, bytes, fault, out),
        }
    }

    pub(in crate::entries) fn finish(&mut self, out: &mut Vec<EntryEvent>) {
        self.close(out);
    }

    fn record(&mut self, number: u64, record: &Record, out: &mut Vec<EntryEvent>) -> Result<(), Fault> {
        match record.tag {
            Tag::EntryHeader => {
                self.close(out);
                self.state = State::Entry(Box::new(Entry::read(number, record)?));
            }
            tag if tag.is_envelope() => self.close(out),
            tag => match &mut self.state {
                State::Entry(entry) => entry.add(number, record)?,
                State::Refused => {}
                State::Outside if tag == Tag::Passed => {}
                State::Outside => {
                    return Err(Fault::new(
                        1,
                        "out of order: no 10 record stands above it; begin the entry with its 10",
                    ));
                }
            },
        }
        Ok(())
    }

    /// Gives the entry that ends here.
    fn close(&mut self, out: &mut Vec<EntryEvent>) {
        let State::Entry(mut entry) = std::mem::take(&mut self.state) else {
            return;
        };
        if let Err(fault) = entry.close_item() {
            out.push(EntryEvent::Reject(reject(
                entry.record,
                Some(entry.number),
                fault,
            )));
        } else if entry.deletes {
            out.push(EntryEvent::Deleted {
                record: entry.record,
                entry_number: entry.number,
            });
        } else {
            out.extend(
                entry
                    .lines
                    .into_iter()
                    .map(|(record, line)| EntryEvent::Line { record, line }),
            );
        }
    }

    /// Refuses what a record that cannot be read belongs to.
    fn bad_record(&mut self, number: u64, bytes: &[u8], fault: Fault, out: &mut Vec<EntryEvent>) {
        let tag = Tag::of(bytes);
        if tag == Some(Tag::EntryHeader) {
            self.close(out);
            out.push(EntryEvent::Reject(reject(number, entry_number(bytes), fault)));
            self.state = State::Refused;
        } else if tag.is_some_and(Tag::is_envelope) {
            self.close(out);
            out.push(EntryEvent::Reject(reject(number, None, fault)));
        } else {
            match std::mem::replace(&mut self.state, State::Refused) {
                State::Entry(entry) => {
                    out.push(EntryEvent::Reject(reject(number, Some(entry.number), fault)))
                }
                // Reported once, with its first bad record.
                State::Refused => {}
                State::Outside => {
                    out.push(EntryEvent::Reject(reject(number, None, fault)));
                    // Junk alone leaves what follows as it is; a record of an entry without its `10` takes those
                    // that belong to it along.
                    if tag.is_none() {
                        self.state = State::Outside;
                    }
                }
            }
        }
    }
}

fn reject(record: u64, entry: Option<String>, fault: Fault) -> Reject {
    let consequence = if entry.is_some() {
        "; the entry is refused from its 10 to the next"
    } else {
        ""
    };
    let reject = Reject {
        position: fault.position,
        key: entry,
        field: fault.field.map(str::to_owned),
        ..Reject::new(record, fault.reason + consequence)
    };
    reject.with_value(&fault.value)
}

/// The entry number of a `10` that cannot be read, if that much of it can.
fn entry_number(bytes: &[u8]) -> Option<String> {
    let number = [bytes.get(3..6)?, bytes.get(8..16)?].concat();
    let readable = number.iter().all(u8::is_ascii_alphanumeric);
    readable.then(|| String::from_utf8(number).ok()).flatten()
}

impl Entry {
    fn read(number: u64, record: &Record) -> Result<Self, Fault> {
        let deletes = match record.raw(3, 3) {
            "A" | "R" => false,
            "D" => true,
            other => {
                return Err(Fault {
                    field: Some("action"),
                    value: other.to_owned(),
                    ..Fault::new(3, "the action is none of A (add), R (replace) and D (delete)")
                });
            }
        };
        let entry_number = format!("{}{}", record.raw(4, 6), record.raw(9, 16))
            .trim()
            .to_owned();
        if entry_number.is_empty() {
            return Err(Fault {
                field: Some("entry number"),
                ..Fault::new(
                    4,
                    "the entry number is blank: fill in filer code and entry number",
                )
            });
        }
        Ok(Self {
            record: number,
            deletes,
            common: EntryLine {
                entry_number: entry_number.clone(),
                // Absent means ADD, so the line compares equal to the same one in another form.
                entry_action: (record.raw(3, 3) == "R").then(|| "REPLACE".to_owned()),
                port_of_entry: record.value(18, 21),
                ..EntryLine::default()
            },
            number: entry_number,
            has_header_content: false,
            records: 0,
            item: None,
            lines: Vec::new(),
        })
    }

    fn add(&mut self, number: u64, record: &Record) -> Result<(), Fault> {
        self.records += 1;
        if self.records > MOST_RECORDS {
            return Err(Fault::new(
                1,
                "the entry has more than 1,000,000 records: split it",
            ));
        }
        match record.tag {
            Tag::HeaderContent => {
                if self.has_header_content || self.item.is_some() {
                    return Err(Fault::new(
                        1,
                        "out of order: an entry has one 11, before its first 40",
                    ));
                }
                self.has_header_content = true;
                self.common.importer_of_record = record.value(3, 14);
                self.common.entry_date = record.date(42, 47);
            }
            Tag::LineItem => {
                if !self.has_header_content {
                    return Err(Fault::new(
                        1,
                        "out of order: no 11 stands above this 40; write 10, 11, then 40",
                    ));
                }
                self.close_item()?;
                self.item = Some(Item::read(number, record, &self.common)?);
            }
            Tag::Description | Tag::ArticleParty | Tag::Tariff | Tag::PgaItem => {
                let Some(item) = &mut self.item else {
                    return Err(Fault::new(
                        1,
                        "out of order: no 40 stands above it; begin the line with its 40",
                    ));
                };
                item.add(record, &mut self.lines)?;
            }
            tag if tag.is_pga() => {
                let item = self.item.as_mut().filter(|item| item.has_tariff());
                let Some(item) = item else {
                    return Err(Fault::new(1, "out of order: no 50 stands above this PG record"));
                };
                item.add_pga(number, record, &mut self.lines)?;
            }
            // 20 and 90 say nothing about lines; the others are passed over.
            _ => {}
        }
        Ok(())
    }

    fn close_item(&mut self) -> Result<(), Fault> {
        self.item
            .take()
            .map_or(Ok(()), |item| item.close(&mut self.lines))
    }
}
