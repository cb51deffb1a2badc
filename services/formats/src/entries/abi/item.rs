//! One line item of an entry (`40`, `SE40`) with its tariff records (`50`, `SE60`), `OI` and `PG..` records, and the
//! entry lines that it gives.

use nopic_domain::entry::EntryLine;
use rustc_hash::FxHashSet;

use super::pga::{Organic, Pga};
use super::record::{Fault, Record, Tag};

/// The most lines that one entry may give; bounds what is kept of it.
const MOST_LINES: usize = 10_000;

/// What a PGA line number that begins anew is raised by for each tariff record before its own.
const RAISED_BY: u32 = 1000;

/// Entry lines with the number of the record that each came from.
pub(super) type Lines = Vec<(u64, EntryLine)>;

/// A line item with what stands under it.
#[derive(Debug)]
pub(super) struct Item {
    record: u64,
    /// The line with what the entry and the line item say.
    line: EntryLine,
    description: Option<String>,
    has_organic: bool,
    /// Position of the tariff record among those of the line, from 1.
    position: u32,
    /// The PGA line numbers that stood under earlier tariff records.
    earlier: FxHashSet<u32>,
    tariff: Option<Tariff>,
    /// Of the tariff record that a line without message set takes its code from, as far as it was read.
    plain: Option<Plain>,
}

/// A tariff record with what stands under it.
#[derive(Debug, Default)]
struct Tariff {
    /// What stands under a line item before its first tariff record is not under any.
    is_record: bool,
    code: Option<String>,
    kilograms: Option<String>,
    /// Of the `OI` that comes last.
    item_description: Option<String>,
    /// The first descriptions under the record, for a line without message set.
    first_item_description: Option<String>,
    first_pga_description: Option<String>,
    /// The PGA line numbers of AMS's organic program.
    numbers: FxHashSet<u32>,
    pga: Pga,
}

#[derive(Debug)]
struct Plain {
    code: Option<String>,
    kilograms: Option<String>,
    description: Option<String>,
}

fn push(lines: &mut Lines, record: u64, line: EntryLine) -> Result<(), Fault> {
    if lines.len() >= MOST_LINES {
        return Err(Fault::new(1, "the entry has more than 10,000 lines: split it"));
    }
    lines.push((record, line));
    Ok(())
}

impl Item {
    /// Begins with its record, whose line number stands in positions 5-7; `line` holds what else it says.
    pub(super) fn read(
        number: u64,
        record: &Record,
        line: EntryLine,
        description: Option<String>,
    ) -> Result<Self, Fault> {
        let Some(line_number) = record.line_number(5, 7, "line")? else {
            return Err(Fault {
                field: Some("line"),
                ..Fault::new(5, "the line number is blank: number lines from 1")
            });
        };
        Ok(Self {
            record: number,
            line: EntryLine { line_number, ..line },
            description,
            has_organic: false,
            position: 0,
            earlier: FxHashSet::default(),
            tariff: None,
            plain: None,
        })
    }

    /// What the goods are called, where the line item says it in a record of its own.
    pub(super) fn describe(&mut self, description: Option<String>) {
        if self.description.is_none() {
            self.description = description;
        }
    }

    pub(super) fn begin_tariff(
        &mut self,
        code: Option<String>,
        kilograms: Option<String>,
        lines: &mut Lines,
    ) -> Result<(), Fault> {
        self.close_tariff(lines)?;
        self.position += 1;
        self.tariff = Some(Tariff {
            is_record: true,
            code,
            kilograms,
            ..Tariff::default()
        });
        Ok(())
    }

    /// Adds an `OI` or `PG..` record.
    pub(super) fn add_pga(&mut self, number: u64, record: &Record, lines: &mut Lines) -> Result<(), Fault> {
        match record.tag {
            Tag::PgaItem => {
                self.close_pga(lines)?;
                let tariff = self.tariff.get_or_insert_default();
                tariff.item_description = record.value(11, 80);
                if tariff.first_item_description.is_none() {
                    tariff.first_item_description.clone_from(&tariff.item_description);
                }
                Ok(())
            }
            Tag::Pg01 => self.begin_pga(number, record, lines),
            _ => {
                let tariff = self.tariff.get_or_insert_default();
                if record.tag == Tag::Pg10 && tariff.first_pga_description.is_none() {
                    tariff.first_pga_description = record.value(24, 80);
                }
                tariff.pga.add(record)
            }
        }
    }

    fn begin_pga(&mut self, number: u64, record: &Record, lines: &mut Lines) -> Result<(), Fault> {
        self.close_pga(lines)?;
        let stated = record.line_number(5, 7, "PGA line")?;
        let tariff = self.tariff.get_or_insert_default();
        if !Pga::is_organic(record) {
            tariff.pga = Pga::Other;
            return Ok(());
        }
        self.has_organic = true;
        let plain = stated.unwrap_or(1);
        let pga_line_number = if self.earlier.contains(&plain) {
            Some(RAISED_BY * self.position.saturating_sub(1) + plain)
        } else {
            stated
        };
        tariff.numbers.insert(plain);
        let line = EntryLine {
            hts_code: tariff.code.clone(),
            ..self.line.clone()
        };
        tariff.pga = Pga::Organic(Organic::read(number, record, pga_line_number, line));
        Ok(())
    }

    /// Gives the line of the `PG01` that ends here.
    fn close_pga(&mut self, lines: &mut Lines) -> Result<(), Fault> {
        let Some(tariff) = &mut self.tariff else {
            return Ok(());
        };
        let Pga::Organic(organic) = std::mem::take(&mut tariff.pga) else {
            return Ok(());
        };
        let record = organic.record;
        let read = organic.into_line(
            tariff.item_description.clone(),
            self.description.clone(),
            tariff.kilograms.clone(),
        );
        push(lines, record, read)
    }

    /// Gives what is left: the line of the last `PG01`, or the one line of a line item without any.
    pub(super) fn close(mut self, lines: &mut Lines) -> Result<(), Fault> {
        self.close_tariff(lines)?;
        if self.has_organic {
            return Ok(());
        }
        let (code, kilograms, description) = self.plain.map_or((None, None, None), |plain| {
            (plain.code, plain.kilograms, plain.description)
        });
        let line = EntryLine {
            hts_code: code,
            description: description.or(self.description),
            message_set: Some("NONE".to_owned()),
            net_weight_kg: kilograms,
            ..self.line
        };
        push(lines, self.record, line)
    }

    fn close_tariff(&mut self, lines: &mut Lines) -> Result<(), Fault> {
        self.close_pga(lines)?;
        let Some(tariff) = self.tariff.take() else {
            return Ok(());
        };
        self.earlier.extend(tariff.numbers);
        let special = |code: &Option<String>| {
            code.as_deref()
                .is_some_and(|code| code.starts_with("98") || code.starts_with("99"))
        };
        let takes = match &self.plain {
            None => tariff.is_record,
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
