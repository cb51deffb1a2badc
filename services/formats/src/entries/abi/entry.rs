//! One entry as far as it was read, of either application.

use nopic_domain::entry::EntryLine;

use super::item::{Item, Lines};
use super::record::{Fault, Record, Tag};
use super::{release, summary};
use crate::entries::EntryEvent;
use crate::reject::Reject;

/// The most records that one entry may have.
const MOST_RECORDS: u32 = 1_000_000;

/// What a transmission is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Application {
    /// `AE`, an entry summary.
    Summary,
    /// `SE`, a cargo release.
    Release,
}

impl Application {
    /// The one that a batch or block header names.
    pub(super) fn of(code: &str) -> Option<Self> {
        match code {
            "AE" => Some(Self::Summary),
            "SE" => Some(Self::Release),
            _ => None,
        }
    }

    /// The tag of the record that begins an entry.
    pub(super) const fn header(self) -> &'static str {
        match self {
            Self::Summary => "10",
            Self::Release => "SE10",
        }
    }

    /// The tag of the record that begins a line.
    const fn line(self) -> &'static str {
        match self {
            Self::Summary => "40",
            Self::Release => "SE40",
        }
    }

    /// The entry number of a header that cannot be read, if that much of it can.
    pub(super) fn entry_number(self, bytes: &[u8]) -> Option<String> {
        let (filer, number) = match self {
            Self::Summary => (3..6, 8..16),
            Self::Release => (5..8, 10..18),
        };
        let number = [bytes.get(filer)?, bytes.get(number)?].concat();
        let readable = number.iter().all(u8::is_ascii_alphanumeric);
        readable.then(|| String::from_utf8(number).ok()).flatten()
    }
}

/// What the record says that begins an entry.
pub(super) struct Header {
    pub(super) deletes: bool,
    pub(super) entry_action: Option<String>,
    pub(super) entry_number: String,
    /// Where the entry number begins, for messages.
    pub(super) number_position: usize,
    pub(super) port_of_entry: Option<String>,
    pub(super) importer_of_record: Option<String>,
}

/// An entry as far as it was read.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) application: Application,
    record: u64,
    pub(super) number: String,
    deletes: bool,
    /// What every line of the entry has in common.
    pub(super) common: EntryLine,
    pub(super) has_header_content: bool,
    /// Whether its totals were met.
    pub(super) is_ended: bool,
    records: u32,
    pub(super) item: Option<Item>,
    pub(super) lines: Lines,
}

impl Entry {
    pub(super) fn read(number: u64, record: &Record, application: Application) -> Result<Self, Fault> {
        let header = match application {
            Application::Summary => summary::header(record)?,
            Application::Release => release::header(record)?,
        };
        let entry_number = header.entry_number.trim().to_owned();
        if entry_number.is_empty() {
            return Err(Fault {
                field: Some("entry number"),
                ..Fault::new(
                    header.number_position,
                    "the entry number is blank: fill in filer code and entry number",
                )
            });
        }
        Ok(Self {
            application,
            record: number,
            deletes: header.deletes,
            common: EntryLine {
                entry_number: entry_number.clone(),
                entry_action: header.entry_action,
                port_of_entry: header.port_of_entry,
                importer_of_record: header.importer_of_record,
                ..EntryLine::default()
            },
            number: entry_number,
            has_header_content: false,
            is_ended: false,
            records: 0,
            item: None,
            lines: Vec::new(),
        })
    }

    /// What a line begins with; the rest of what the entry says is added at its end.
    pub(super) fn beginning_of_a_line(&self) -> EntryLine {
        EntryLine {
            entry_number: self.number.clone(),
            ..EntryLine::default()
        }
    }

    pub(super) fn add(&mut self, number: u64, record: &Record) -> Result<(), Fault> {
        self.records += 1;
        if self.records > MOST_RECORDS {
            return Err(Fault::new(
                1,
                "the entry has more than 1,000,000 records: split it",
            ));
        }
        if record.tag.is_pga() || record.tag == Tag::PgaItem {
            return self.add_pga(number, record);
        }
        match self.application {
            Application::Summary => self.add_to_summary(number, record),
            Application::Release => self.add_to_release(number, record),
        }
    }

    fn add_pga(&mut self, number: u64, record: &Record) -> Result<(), Fault> {
        match &mut self.item {
            Some(item) => item.add_pga(number, record, &mut self.lines),
            // It describes nothing.
            None if record.tag == Tag::PgaItem => Ok(()),
            None => Err(Fault::new(
                1,
                format!(
                    "out of order: no {} stands above this PG record",
                    self.application.line()
                ),
            )),
        }
    }

    pub(super) fn begin_item(&mut self, item: Item) -> Result<(), Fault> {
        self.close_item()?;
        self.item = Some(item);
        Ok(())
    }

    fn close_item(&mut self) -> Result<(), Fault> {
        self.item
            .take()
            .map_or(Ok(()), |item| item.close(&mut self.lines))
    }

    /// Gives what the entry comes to.
    pub(super) fn give(mut self, out: &mut Vec<EntryEvent>) {
        if let Err(fault) = self.close_item() {
            let reject = fault.into_reject(self.record, Some(self.number), self.application);
            out.push(EntryEvent::Reject(reject));
        } else if self.deletes {
            out.push(EntryEvent::Deleted {
                record: self.record,
                entry_number: self.number,
            });
        } else if self.lines.is_empty() {
            let reason = format!(
                "the entry has no line ({}): nothing was found to judge; send it with its lines",
                self.application.line()
            );
            out.push(EntryEvent::Reject(Reject {
                key: Some(self.number),
                ..Reject::new(self.record, reason)
            }));
        } else {
            let common = self.common;
            out.extend(self.lines.into_iter().map(|(record, line)| EntryEvent::Line {
                record,
                line: EntryLine {
                    entry_action: common.entry_action.clone(),
                    port_of_entry: common.port_of_entry.clone(),
                    importer_of_record: common.importer_of_record.clone(),
                    entry_date: common.entry_date.clone(),
                    importation_date: common.importation_date.clone(),
                    arrival_date: common.arrival_date.clone(),
                    ..line
                },
            }));
        }
    }
}

impl Fault {
    /// The refusal of a record, and of the entry that it belongs to.
    pub(super) fn into_reject(self, record: u64, entry: Option<String>, application: Application) -> Reject {
        let consequence = if entry.is_some() {
            format!(
                "; the entry is refused from its {} to the next",
                application.header()
            )
        } else {
            String::new()
        };
        Reject {
            position: self.position,
            key: entry,
            field: self.field.map(str::to_owned),
            ..Reject::new(record, self.reason + &consequence)
        }
        .with_value(&self.value)
    }
}
