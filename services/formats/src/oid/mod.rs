//! The Organic INTEGRITY Database in its three forms (FORMATS §1): XLSX snapshot, bulk ZIP of XML, JSON pages.
//!
//! [`read`] tells the form by the content, reads it as a stream and hands each operation, item and refused row to an
//! [`OidSink`]. Rows are owned and `Send`, so a sink may pass them on to another thread. Memory does not grow with
//! the number of rows; an XLSX needs its shared strings, each once.
//!
//! Of two rows with one NOP operation ID both are handed on: which one counts is for the consumer to say, and each
//! carries its record number for the report.

pub(crate) mod archive;
mod columns;
mod date;
mod detect;
pub(crate) mod error;
pub mod exercise;
mod fields;
mod json;
mod namespaces;
mod record;
pub(crate) mod scan;
#[cfg(test)]
mod scan_tests;
pub(crate) mod sheet;
pub(crate) mod strings;
mod xlsx;
mod xml;

pub use columns::EXPORT_COLUMNS;
pub use date::{date_from_file_name, from_serial as date_from_serial, from_text as date_from_text};
pub use detect::{OidSource, detect};
pub use error::{OidError, OidProblem, Stopped};
pub use fields::{Fields, FieldsError};
pub(crate) use xlsx::resolve as resolve_target;

use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::Statement;

use crate::reject::Reject;
use record::Record;

/// Which of the three forms a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OidForm {
    /// The monthly snapshot; always full.
    Xlsx,
    /// The bulk download, zipped or unpacked; always full.
    Xml,
    /// REST pages; they do not say whether they are full.
    Json,
}

impl OidForm {
    /// Whether content of this form lists every operation there is. JSON pages do not say.
    #[must_use]
    pub fn is_always_full(self) -> bool {
        !matches!(self, Self::Json)
    }

    /// In words, for messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Xlsx => "an XLSX workbook",
            Self::Xml => "a bulk download of XML",
            Self::Json => "a JSON file of pages",
        }
    }
}

/// Which of the two lists a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OidList {
    /// Operations, `op_…`.
    Operations,
    /// Certified items, `ci_…`.
    Items,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidRow {
    /// Number of the row in its sheet (XLSX) or of the element in its file (XML, JSON), from 1.
    pub record: u64,
    /// Which of the files of the source it stands in, from 0.
    pub part: u32,
    /// `op_nopOpID`.
    pub nop_id: NopId,
    /// `op_name`, trimmed; empty where there is none.
    pub name: String,
    /// `op_otherNames` split at `;`, trimmed, without empty ones; a leading `dba` stays.
    pub other_names: Vec<String>,
    /// `op_certifierName`, else `Cert_name`; trimmed; empty where there is none.
    pub certifier: String,
    /// `opPA_country`, else `opMA_country`; trimmed; empty where there is none.
    pub country: String,
    /// Status and scopes with their dates.
    pub statement: Statement,
    /// `Pub_Date`, where it can be read.
    pub published: Option<Date>,
    /// The complete row without a readable `Pub_Date`.
    pub fields: Fields,
}

/// One certified item of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidItem {
    /// Number of the row in its sheet (XLSX) or of the element among the items of its file (XML, JSON), from 1.
    pub record: u64,
    /// Which of the files of the source it stands in, from 0.
    pub part: u32,
    /// `ci_nopOpID`.
    pub nop_id: NopId,
    /// `Pub_Date`, where it can be read.
    pub published: Option<Date>,
    /// The complete row without a readable `Pub_Date`.
    pub fields: Fields,
}

/// One refused row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidReject {
    /// Row, column, value and reason.
    pub reject: Reject,
    /// The operation, where its ID can be read.
    pub nop_id: Option<NopId>,
    /// Whether it was an operation or an item.
    pub list: OidList,
    /// Which of the files of the source it stands in, from 0.
    pub part: u32,
}

/// What a reader comes upon, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every event is a row: a box would be one more allocation for each"
)]
pub enum OidEvent {
    /// An operation.
    Row(OidRow),
    /// An item.
    Item(OidItem),
    /// A row that could not be read; its neighbours are.
    Reject(Box<OidReject>),
}

/// Where the rows go. Every `FnMut(OidEvent) -> Result<(), Stopped>` is one.
pub trait OidSink {
    /// Takes one event.
    ///
    /// # Errors
    ///
    /// The sink wants no more; [`read`] ends with [`OidProblem::Stopped`] and this reason.
    fn event(&mut self, event: OidEvent) -> Result<(), Stopped>;
}

impl<F: FnMut(OidEvent) -> Result<(), Stopped>> OidSink for F {
    fn event(&mut self, event: OidEvent) -> Result<(), Stopped> {
        self(event)
    }
}

/// What a whole source held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidSummary {
    /// Its form.
    pub form: OidForm,
    /// Operations that were read.
    pub rows: u64,
    /// Items that were read.
    pub items: u64,
    /// Operations that were refused.
    pub rejected_rows: u64,
    /// Items that were refused.
    pub rejected_items: u64,
    /// The latest `Pub_Date` of any operation or item that was read.
    pub latest_pub_date: Option<Date>,
    /// The technical names of the operations, in the order in which they were met.
    pub columns: Vec<String>,
    /// Sheets of a workbook in which no list was found, by name.
    pub other_sheets: Vec<String>,
}

/// Reads a whole source. The form is told by the content.
///
/// # Errors
///
/// A file is none of the three forms, is damaged or cut off, says that the service failed, or the sink stopped the
/// read. What was handed to the sink by then is part of a content that could not be read: it must not be used.
pub fn read(source: OidSource<'_>, sink: &mut dyn OidSink) -> Result<OidSummary, OidError> {
    let mut emitter = Emitter {
        sink,
        part: 0,
        keys: Default::default(),
        summary: OidSummary {
            form: OidForm::Json,
            rows: 0,
            items: 0,
            rejected_rows: 0,
            rejected_items: 0,
            latest_pub_date: None,
            columns: Vec::new(),
            other_sheets: Vec::new(),
        },
    };
    source.read_into(&mut emitter)?;
    Ok(emitter.summary)
}

/// Records without the key's name that are kept back until one has it. Behind so many none will come.
const KEYLESS: usize = 1_000;

/// Whether the records of one list have the key at all.
#[derive(Debug, Default)]
struct Key {
    is_met: bool,
    /// The refusals of the records before the first that has it: where none has it, the file is refused instead.
    kept_back: Vec<OidReject>,
}

impl OidList {
    /// The technical name of the key.
    fn key(self) -> &'static str {
        match self {
            Self::Operations => "op_nopOpID",
            Self::Items => "ci_nopOpID",
        }
    }

    /// What one record of the list is called.
    fn record(self) -> &'static str {
        match self {
            Self::Operations => "operation of the file",
            Self::Items => "item of the file",
        }
    }
}

/// Counts what it hands to the sink.
pub(crate) struct Emitter<'s> {
    sink: &'s mut dyn OidSink,
    part: u32,
    /// By list, for the file that is being read.
    keys: [Key; 2],
    summary: OidSummary,
}

impl Emitter<'_> {
    /// Makes an operation or an item of a row and hands it on; a blank row is passed over.
    fn finish(&mut self, list: OidList, record: &Record, number: u64) -> Result<(), OidProblem> {
        if record.is_blank() {
            return Ok(());
        }
        let read = match list {
            OidList::Operations => record.operation(self.part, number).map(|row| {
                self.summary.rows += 1;
                (row.published, OidEvent::Row(row))
            }),
            OidList::Items => record.item(self.part, number).map(|item| {
                self.summary.items += 1;
                (item.published, OidEvent::Item(item))
            }),
        };
        match read {
            Ok((published, event)) => {
                self.summary.latest_pub_date = self.summary.latest_pub_date.max(published);
                self.sink.event(event).map_err(OidProblem::Stopped)
            }
            Err(reject) => self.refuse(reject),
        }
    }

    /// The same for a form whose records name their fields themselves: where none of them has the key, that is said
    /// once for the file, see [`Emitter::end_list`].
    fn finish_named(&mut self, list: OidList, record: &Record, number: u64) -> Result<(), OidProblem> {
        if self.keys[list as usize].is_met || record.is_blank() {
            return self.finish(list, record, number);
        }
        if record.columns.has_key() {
            let key = &mut self.keys[list as usize];
            key.is_met = true;
            for reject in std::mem::take(&mut key.kept_back) {
                self.refuse(Box::new(reject))?;
            }
            return self.finish(list, record, number);
        }
        let key = &mut self.keys[list as usize];
        key.kept_back
            .push(*record.refuse_without_key(list, self.part, number));
        if key.kept_back.len() >= KEYLESS {
            return self.end_list(list, &record.columns);
        }
        Ok(())
    }

    /// Ends a list of such a form; refuses the file where records were there and none had the key.
    fn end_list(&mut self, list: OidList, columns: &columns::Columns) -> Result<(), OidProblem> {
        let key = std::mem::take(&mut self.keys[list as usize]);
        if key.kept_back.is_empty() {
            return Ok(());
        }
        Err(OidProblem::NoKey {
            record: list.record(),
            key: list.key(),
            found: columns.named(),
        })
    }

    /// Hands on a refusal.
    fn refuse(&mut self, reject: Box<OidReject>) -> Result<(), OidProblem> {
        match reject.list {
            OidList::Operations => self.summary.rejected_rows += 1,
            OidList::Items => self.summary.rejected_items += 1,
        }
        self.sink
            .event(OidEvent::Reject(reject))
            .map_err(OidProblem::Stopped)
    }

    /// Notes the technical names of the operations.
    fn note_columns(&mut self, columns: &columns::Columns) {
        for column in columns.list() {
            if !self.summary.columns.iter().any(|name| **name == *column.name) {
                self.summary.columns.push(column.name.to_string());
            }
        }
    }
}
