//! The PGA data under one tariff record, the same in an entry summary and in a cargo release.

use nopic_domain::entry::EntryLine;

use super::record::{Fault, Record, Tag};

/// What the `PG..` records belong to.
#[derive(Debug, Default)]
pub(super) enum Pga {
    /// No `PG01` stands above them.
    #[default]
    Missing,
    /// A `PG01` of another agency or program.
    Other,
    /// A `PG01` of AMS's organic program.
    Organic(Box<Organic>),
}

/// A `PG01` of AMS's organic program with what stands under it.
#[derive(Debug, Default)]
pub(super) struct Organic {
    pub(super) record: u64,
    line: EntryLine,
    description: Option<String>,
    /// The LPCO type of the `PG14` that gave the certificate number.
    certificate_type: Option<String>,
    /// Net weights in the order in which they are preferred.
    net: Option<String>,
    certificate_quantity: Option<String>,
    first_certificate_quantity: Option<String>,
    package_quantity: Option<String>,
}

/// The message set of a processing code. Some programs send its digit alone.
fn message_set(record: &Record, is_disclaimed: bool) -> String {
    match record.text(14, 16) {
        "1" => "OR1",
        "2" => "OR2",
        "" if is_disclaimed => "OR2",
        // A blank processing code has no name of its own; this one is no message set, so the rules refuse it.
        "" => "BLANK",
        other => other,
    }
    .to_owned()
}

impl Pga {
    /// Whether a `PG01` is one of AMS's organic program.
    pub(super) fn is_organic(record: &Record) -> bool {
        record.text(8, 10) == "AMS" && record.text(11, 13) == "OR"
    }

    /// Adds a PG record other than `PG01`.
    pub(super) fn add(&mut self, record: &Record) -> Result<(), Fault> {
        match self {
            Self::Missing => Err(Fault::new(1, "out of order: no PG01 stands above this PG record")),
            Self::Other => Ok(()),
            Self::Organic(organic) => {
                organic.add(record);
                Ok(())
            }
        }
    }
}

impl Organic {
    /// Begins with its `PG01`; `line` holds what stands above it.
    pub(super) fn read(
        number: u64,
        record: &Record,
        pga_line_number: Option<u32>,
        line: EntryLine,
    ) -> Box<Self> {
        let disclaimer_code = record.value(80, 80);
        Box::new(Self {
            record: number,
            line: EntryLine {
                pga_line_number,
                message_set: Some(message_set(record, disclaimer_code.is_some())),
                disclaimer_code,
                ..line
            },
            ..Self::default()
        })
    }

    fn add(&mut self, record: &Record) {
        match record.tag {
            Tag::Pg10 if self.description.is_none() => self.description = record.value(24, 80),
            Tag::Pg14 => self.add_certificate(record),
            Tag::Pg19 => self.add_party(record),
            Tag::Pg25 => self.line.lots.extend(record.value(16, 40)),
            Tag::Pg26 => {
                if let Some(quantity) = record.kilograms((6, 17), 2, (18, 22)) {
                    self.package_quantity = Some(quantity);
                }
            }
            Tag::Pg29 if self.net.is_none() => self.net = record.kilograms((8, 19), 2, (5, 7)),
            _ => {}
        }
    }

    fn add_certificate(&mut self, record: &Record) {
        let quantity = record.kilograms((51, 66), 4, (67, 71));
        if self.first_certificate_quantity.is_none() {
            self.first_certificate_quantity.clone_from(&quantity);
        }
        let Some(number) = record.value(9, 41) else {
            return;
        };
        let kind = record.value(6, 8);
        match &self.line.certificate_number {
            None => {
                self.line.certificate_number = Some(number);
                self.certificate_type = kind;
                self.certificate_quantity = quantity;
            }
            Some(first) => {
                let same_kind = match (&self.certificate_type, &kind) {
                    (Some(first), Some(other)) => first == other,
                    _ => true,
                };
                if same_kind && *first != number {
                    self.line.further_certificate_numbers.push(number);
                }
            }
        }
    }

    fn add_party(&mut self, record: &Record) {
        let number = record.text(11, 25);
        if number.len() != 10 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return;
        }
        let party = match record.text(5, 7) {
            "UC" | "IM" => &mut self.line.importer_nop_id,
            "EX" => &mut self.line.exporter_nop_id,
            _ => return,
        };
        if party.is_none() {
            *party = Some(number.to_owned());
        }
    }

    /// The entry line. `description` stands in the `OI`; `fallback` is that of the line item, with the tariff record's
    /// own quantity.
    pub(super) fn into_line(
        self,
        description: Option<String>,
        fallback: Option<String>,
        kilograms: Option<String>,
    ) -> EntryLine {
        EntryLine {
            description: description.or(self.description).or(fallback),
            net_weight_kg: self
                .net
                .or(self.certificate_quantity)
                .or(self.first_certificate_quantity)
                .or(self.package_quantity)
                .or(kilograms),
            ..self.line
        }
    }
}
