//! The records of a cargo release (`SE`): `SE10`, `SE11`, `SE16`, `SE40`, `SE60`.

use nopic_domain::entry::EntryLine;

use super::entry::{Entry, Header};
use super::item::Item;
use super::record::{Fault, Record, Tag};
use super::summary::fill;

/// Reads the `SE10`.
pub(super) fn header(record: &Record) -> Result<Header, Fault> {
    let (deletes, action) = match record.raw(5, 5) {
        "A" => (false, None),
        "R" | "U" => (false, Some("REPLACE")),
        "D" => (true, None),
        other => {
            return Err(Fault {
                field: Some("action"),
                value: other.to_owned(),
                ..Fault::new(
                    5,
                    "the action is none of A (add), R (replace), U (update) and D (delete)",
                )
            });
        }
    };
    Ok(Header {
        deletes,
        entry_action: action.map(str::to_owned),
        entry_number: format!("{}{}", record.raw(6, 8), record.raw(11, 18)),
        number_position: 6,
        port_of_entry: record.value(50, 53),
        importer_of_record: record.value(25, 36),
    })
}

impl Entry {
    /// Adds a record of a cargo release other than `SE10`, `OI` and `PG..`.
    pub(super) fn add_to_release(&mut self, number: u64, record: &Record) -> Result<(), Fault> {
        match record.tag {
            Tag::ReleaseDate => fill(&mut self.common.entry_date, || record.date(6, 11)),
            Tag::ReleaseArrival => fill(&mut self.common.arrival_date, || record.date(14, 19)),
            Tag::ReleaseLine => {
                let line = EntryLine {
                    country_of_origin: record.value(8, 9),
                    ..self.beginning_of_a_line()
                };
                self.begin_item(Item::read(number, record, line, record.value(11, 80))?)?;
            }
            Tag::ReleaseTariff => {
                let Some(item) = &mut self.item else {
                    return Err(Fault::new(
                        1,
                        "out of order: no SE40 stands above this SE60; begin the line with its SE40",
                    ));
                };
                item.begin_tariff(record.value(5, 14), None, &mut self.lines)?;
            }
            tag if tag.is_of_summary() => {
                return Err(Fault::new(
                    1,
                    "the record belongs to an entry summary (AE), and this is a cargo release (SE): send them apart",
                ));
            }
            _ => {}
        }
        Ok(())
    }
}
