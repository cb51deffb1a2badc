//! The records of an entry summary (`AE`): `10`, `11`, `20`, `40`, `44`, `50`.

use nopic_domain::entry::EntryLine;

use super::entry::{Entry, Header};
use super::item::Item;
use super::record::{Fault, Record, Tag};

/// Reads the `10`.
pub(super) fn header(record: &Record) -> Result<Header, Fault> {
    let (deletes, action) = match record.raw(3, 3) {
        "A" => (false, None),
        "R" => (false, Some("REPLACE")),
        "D" => (true, None),
        other => {
            return Err(Fault {
                field: Some("action"),
                value: other.to_owned(),
                ..Fault::new(3, "the action is none of A (add), R (replace) and D (delete)")
            });
        }
    };
    Ok(Header {
        deletes,
        // Absent means ADD, so the line compares equal to the same one in another form.
        entry_action: action.map(str::to_owned),
        entry_number: format!("{}{}", record.raw(4, 6), record.raw(9, 16)),
        number_position: 4,
        port_of_entry: record.value(18, 21),
        importer_of_record: None,
    })
}

impl Entry {
    /// Adds a record of an entry summary other than `10`, `OI` and `PG..`.
    pub(super) fn add_to_summary(&mut self, number: u64, record: &Record) -> Result<(), Fault> {
        match record.tag {
            Tag::HeaderContent => {
                self.has_header_content = true;
                let common = &mut self.common;
                fill(&mut common.importer_of_record, || record.value(3, 14));
                fill(&mut common.entry_date, || record.date(42, 47));
                fill(&mut common.importation_date, || record.date(48, 53));
            }
            Tag::CargoReference => fill(&mut self.common.arrival_date, || record.date(11, 16)),
            Tag::LineItem => {
                if !self.has_header_content {
                    return Err(Fault::new(
                        1,
                        "out of order: no 11 stands above this 40; write 10, 11, then 40",
                    ));
                }
                let line = EntryLine {
                    article_set: record.value(8, 8),
                    country_of_origin: record.value(9, 10),
                    country_of_export: record.value(11, 12),
                    export_date: record.date(13, 18),
                    ..self.beginning_of_a_line()
                };
                self.begin_item(Item::read(number, record, line, None)?)?;
            }
            Tag::Description => {
                if let Some(item) = &mut self.item {
                    item.describe(record.value(3, 72));
                }
            }
            Tag::Tariff => {
                let Some(item) = &mut self.item else {
                    return Err(Fault::new(
                        1,
                        "out of order: no 40 stands above this 50; begin the line with its 40",
                    ));
                };
                let kilograms = record.kilograms((36, 47), 2, (48, 50));
                item.begin_tariff(record.value(3, 12), kilograms, &mut self.lines)?;
            }
            Tag::Totals => self.is_ended = true,
            // The others are passed over, and what a certification for cargo release adds.
            _ => {}
        }
        Ok(())
    }
}

/// Sets what is still absent: the first record that says it counts.
pub(super) fn fill(place: &mut Option<String>, value: impl FnOnce() -> Option<String>) {
    if place.is_none() {
        *place = value();
    }
}
