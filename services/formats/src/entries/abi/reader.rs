//! Reads entries from ABI records.
//!
//! An entry is kept until the record that ends it, and given only if all of it could be read: a record that cannot
//! be read refuses its whole entry, from its `10` to the next, and nothing else.

use nopic_domain::entry::EntryLine;

use super::record::{Fault, RECORD_LENGTH, Record, Tag};
use crate::entries::EntryEvent;
use crate::entries::lines::{RawLine, without_carriage_return};
use crate::reject::Reject;

/// The most lines that one entry may give; bounds what is kept of it.
const MOST_LINES: usize = 10_000;
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
    lines: Vec<(u64, EntryLine)>,
}

/// A `40` with what stands under it.
#[derive(Debug)]
struct Item {
    record: u64,
    /// The line with what the `40` says.
    line: EntryLine,
    description: Option<String>,
    has_organic: bool,
    tariff: Option<Tariff>,
    /// Of the `50` that a line without message set takes its code from, as far as it was read.
    plain: Option<Plain>,
}

/// A `50` with what stands under it.
#[derive(Debug)]
struct Tariff {
    code: Option<String>,
    kilograms: Option<String>,
    /// Of the `OI` that comes last.
    item_description: Option<String>,
    /// The first descriptions under the `50`, for a line without message set.
    first_item_description: Option<String>,
    first_pga_description: Option<String>,
    pga: Pga,
}

#[derive(Debug)]
struct Plain {
    code: Option<String>,
    kilograms: Option<String>,
    description: Option<String>,
}

/// What the `PG..` records belong to.
#[derive(Debug)]
enum Pga {
    /// No `PG01` stands above them.
    Missing,
    /// A `PG01` of another agency or program.
    Other,
    /// A `PG01` of AMS's organic program.
    Organic(Box<Organic>),
}

#[derive(Debug)]
struct Organic {
    record: u64,
    line: EntryLine,
    pga_description: Option<String>,
    /// Net weights in the order in which they are preferred.
    net: Option<String>,
    certificate_quantity: Option<String>,
    first_certificate_quantity: Option<String>,
    package_quantity: Option<String>,
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
                let item = self.item.as_mut().filter(|item| item.tariff.is_some());
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
        let Some(mut item) = self.item.take() else {
            return Ok(());
        };
        item.close_tariff(&mut self.lines)?;
        if item.has_organic {
            return Ok(());
        }
        let plain = item.plain.take();
        let (code, kilograms, description) = plain.map_or((None, None, None), |plain| {
            (plain.code, plain.kilograms, plain.description)
        });
        let line = EntryLine {
            hts_code: code,
            description: description.or(item.description),
            message_set: Some("NONE".to_owned()),
            net_weight_kg: kilograms,
            ..item.line
        };
        push(&mut self.lines, item.record, line)
    }
}

fn push(lines: &mut Vec<(u64, EntryLine)>, record: u64, line: EntryLine) -> Result<(), Fault> {
    if lines.len() >= MOST_LINES {
        return Err(Fault::new(1, "the entry has more than 10,000 lines: split it"));
    }
    lines.push((record, line));
    Ok(())
}

impl Item {
    fn read(number: u64, record: &Record, common: &EntryLine) -> Result<Self, Fault> {
        let Some(line_number) = record.line_number(5, 7, "line")? else {
            return Err(Fault {
                field: Some("line"),
                ..Fault::new(5, "the line number is blank: number lines from 1")
            });
        };
        Ok(Self {
            record: number,
            line: EntryLine {
                line_number,
                country_of_origin: record.value(9, 10),
                country_of_export: record.value(11, 12),
                export_date: record.date(13, 18),
                ..common.clone()
            },
            description: None,
            has_organic: false,
            tariff: None,
            plain: None,
        })
    }

    fn add(&mut self, record: &Record, lines: &mut Vec<(u64, EntryLine)>) -> Result<(), Fault> {
        match record.tag {
            Tag::Description if self.description.is_none() => self.description = record.value(3, 72),
            Tag::Tariff => {
                self.close_tariff(lines)?;
                self.tariff = Some(Tariff {
                    code: record.value(3, 12),
                    kilograms: record.kilograms((36, 47), 2, (48, 50)),
                    item_description: None,
                    first_item_description: None,
                    first_pga_description: None,
                    pga: Pga::Missing,
                });
            }
            Tag::PgaItem => {
                self.close_pga(lines)?;
                let Some(tariff) = &mut self.tariff else {
                    return Err(Fault::new(1, "out of order: no 50 stands above this OI"));
                };
                tariff.item_description = record.value(11, 80);
                if tariff.first_item_description.is_none() {
                    tariff.first_item_description.clone_from(&tariff.item_description);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add_pga(
        &mut self,
        number: u64,
        record: &Record,
        lines: &mut Vec<(u64, EntryLine)>,
    ) -> Result<(), Fault> {
        if record.tag == Tag::Pg01 {
            return self.begin_pga(number, record, lines);
        }
        self.tariff
            .as_mut()
            .map_or(Ok(()), |tariff| tariff.add_pga(record))
    }

    fn begin_pga(
        &mut self,
        number: u64,
        record: &Record,
        lines: &mut Vec<(u64, EntryLine)>,
    ) -> Result<(), Fault> {
        self.close_pga(lines)?;
        let pga_line_number = record.line_number(5, 7, "PGA line")?;
        let Some(tariff) = &mut self.tariff else {
            return Ok(());
        };
        if record.text(8, 10) != "AMS" || record.text(11, 13) != "OR" {
            tariff.pga = Pga::Other;
            return Ok(());
        }
        self.has_organic = true;
        let disclaimer_code = record.value(80, 80);
        // A blank processing code has no name of its own; this one is no message set, so the rules refuse it.
        let blank = if disclaimer_code.is_some() { "OR2" } else { "BLANK" };
        tariff.pga = Pga::Organic(Box::new(Organic {
            record: number,
            line: EntryLine {
                pga_line_number,
                hts_code: tariff.code.clone(),
                message_set: Some(record.value(14, 16).unwrap_or_else(|| blank.to_owned())),
                disclaimer_code,
                ..self.line.clone()
            },
            pga_description: None,
            net: None,
            certificate_quantity: None,
            first_certificate_quantity: None,
            package_quantity: None,
        }));
        Ok(())
    }

    /// Gives the line of the `PG01` that ends here.
    fn close_pga(&mut self, lines: &mut Vec<(u64, EntryLine)>) -> Result<(), Fault> {
        let Some(tariff) = &mut self.tariff else {
            return Ok(());
        };
        let Pga::Organic(organic) = std::mem::replace(&mut tariff.pga, Pga::Missing) else {
            return Ok(());
        };
        let organic = *organic;
        let mut line = organic.line;
        line.description = tariff
            .item_description
            .clone()
            .or(organic.pga_description)
            .or_else(|| self.description.clone());
        line.net_weight_kg = organic
            .net
            .or(organic.certificate_quantity)
            .or(organic.first_certificate_quantity)
            .or(organic.package_quantity)
            .or_else(|| tariff.kilograms.clone());
        push(lines, organic.record, line)
    }

    fn close_tariff(&mut self, lines: &mut Vec<(u64, EntryLine)>) -> Result<(), Fault> {
        self.close_pga(lines)?;
        let Some(tariff) = self.tariff.take() else {
            return Ok(());
        };
        let special = |code: &Option<String>| {
            code.as_deref()
                .is_some_and(|code| code.starts_with("98") || code.starts_with("99"))
        };
        let takes = match &self.plain {
            None => true,
            Some(plain) => special(&plain.code) && !special(&tariff.code),
        };
        if takes {
            self.plain = Some(Plain {
                code: tariff.code,
                kilograms: tariff.kilograms,
                description: tariff.first_item_description.or(tariff.first_pga_description),
            });
        }
        Ok(())
    }
}

impl Tariff {
    /// Adds a PG record other than `PG01`.
    fn add_pga(&mut self, record: &Record) -> Result<(), Fault> {
        if record.tag == Tag::Pg10 && self.first_pga_description.is_none() {
            self.first_pga_description = record.value(24, 80);
        }
        let organic = match &mut self.pga {
            Pga::Missing => {
                return Err(Fault::new(1, "out of order: no PG01 stands above this PG record"));
            }
            Pga::Other => return Ok(()),
            Pga::Organic(organic) => organic,
        };
        let line = &mut organic.line;
        match record.tag {
            Tag::Pg10 if organic.pga_description.is_none() => {
                organic.pga_description = record.value(24, 80);
            }
            Tag::Pg14 => {
                let quantity = record.kilograms((51, 66), 4, (67, 71));
                if organic.first_certificate_quantity.is_none() {
                    organic.first_certificate_quantity.clone_from(&quantity);
                }
                if line.certificate_number.is_none() {
                    line.certificate_number = record.value(9, 41);
                    if line.certificate_number.is_some() {
                        organic.certificate_quantity = quantity;
                    }
                }
            }
            Tag::Pg19 => {
                let number = record.text(11, 25);
                if number.len() == 10 && number.bytes().all(|byte| byte.is_ascii_digit()) {
                    let party = match record.text(5, 7) {
                        "UC" | "IM" => Some(&mut line.importer_nop_id),
                        "EX" => Some(&mut line.exporter_nop_id),
                        _ => None,
                    };
                    if let Some(party) = party.filter(|party| party.is_none()) {
                        *party = Some(number.to_owned());
                    }
                }
            }
            Tag::Pg25 => line.lots.extend(record.value(16, 40)),
            Tag::Pg26 => {
                if let Some(quantity) = record.kilograms((6, 17), 2, (18, 22)) {
                    organic.package_quantity = Some(quantity);
                }
            }
            Tag::Pg29 if organic.net.is_none() => {
                organic.net = record.kilograms((8, 19), 2, (5, 7));
            }
            _ => {}
        }
        Ok(())
    }
}
