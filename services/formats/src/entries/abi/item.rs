//! One `40` of an entry with its `50`, `OI` and `PG..` records, and the entry lines that it gives.

use nopic_domain::entry::EntryLine;

use super::record::{Fault, Record, Tag};

/// The most lines that one entry may give; bounds what is kept of it.
const MOST_LINES: usize = 10_000;

/// Entry lines with the number of the record that each came from.
pub(super) type Lines = Vec<(u64, EntryLine)>;

/// A `40` with what stands under it.
#[derive(Debug)]
pub(super) struct Item {
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
#[derive(Debug, Default)]
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
#[derive(Debug, Default)]
enum Pga {
    /// No `PG01` stands above them.
    #[default]
    Missing,
    /// A `PG01` of another agency or program.
    Other,
    /// A `PG01` of AMS's organic program.
    Organic(Box<Organic>),
}

#[derive(Debug, Default)]
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

fn push(lines: &mut Lines, record: u64, line: EntryLine) -> Result<(), Fault> {
    if lines.len() >= MOST_LINES {
        return Err(Fault::new(1, "the entry has more than 10,000 lines: split it"));
    }
    lines.push((record, line));
    Ok(())
}

impl Item {
    pub(super) fn read(number: u64, record: &Record, common: &EntryLine) -> Result<Self, Fault> {
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

    pub(super) fn add(&mut self, record: &Record, lines: &mut Lines) -> Result<(), Fault> {
        match record.tag {
            Tag::Description if self.description.is_none() => self.description = record.value(3, 72),
            Tag::Tariff => {
                self.close_tariff(lines)?;
                self.tariff = Some(Tariff {
                    code: record.value(3, 12),
                    kilograms: record.kilograms((36, 47), 2, (48, 50)),
                    ..Tariff::default()
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

    /// Whether a `50` stands above what comes next.
    pub(super) const fn has_tariff(&self) -> bool {
        self.tariff.is_some()
    }

    /// Adds a `PG..` record, which must stand under a `50`.
    pub(super) fn add_pga(&mut self, number: u64, record: &Record, lines: &mut Lines) -> Result<(), Fault> {
        if record.tag == Tag::Pg01 {
            return self.begin_pga(number, record, lines);
        }
        self.tariff
            .as_mut()
            .map_or(Ok(()), |tariff| tariff.add_pga(record))
    }

    fn begin_pga(&mut self, number: u64, record: &Record, lines: &mut Lines) -> Result<(), Fault> {
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
            ..Organic::default()
        }));
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

    /// Gives what is left: the line of the last `PG01`, or the one line of a `40` without any.
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
