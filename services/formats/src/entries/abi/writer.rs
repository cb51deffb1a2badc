//! Writes entry lines as an ABI transmission that reads back as the same lines.

use nopic_domain::date::parse_iso;
use nopic_domain::entry::EntryLine;
use nopic_domain::weight::Weight;
use thiserror::Error;

use super::record::RECORD_LENGTH;

/// What stands in the batch and block headers around the entries. There is no password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbiTransmission<'a> {
    /// Port code of site and block, 4 characters.
    pub port: &'a str,
    /// Filer code, 3 characters.
    pub filer: &'a str,
    /// Date of the batch, six digits MMDDYY.
    pub date: &'a str,
}

impl Default for AbiTransmission<'_> {
    fn default() -> Self {
        Self {
            port: "2704",
            filer: "ABC",
            date: "010124",
        }
    }
}

/// A line that ABI records cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "entry {entry_number} line {line_number}: ABI cannot carry {field}: {reason}; write JSON lines or CSV"
)]
pub struct AbiWriteError {
    /// The entry.
    pub entry_number: String,
    /// The line.
    pub line_number: u32,
    /// The field of FORMATS §3.
    pub field: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// Appends one transmission (`A`, `B`, the entries, `Y`, `Z`) with the lines in their order. Consecutive lines with
/// the same entry number, action, importer, date and port make one entry. Dots are taken out of tariff codes.
///
/// # Errors
/// At the first line that has something ABI has no place for; `out` then holds part of a transmission.
pub fn write_abi(
    out: &mut Vec<u8>,
    transmission: &AbiTransmission<'_>,
    lines: &[EntryLine],
) -> Result<(), AbiWriteError> {
    let AbiTransmission { port, filer, date } = *transmission;
    record(out, "A", &[(2, port), (6, filer), (15, date), (26, "AE")]);
    record(out, "B", &[(4, port), (8, filer), (11, "AE")]);
    let mut previous: Option<&EntryLine> = None;
    for line in lines {
        if !previous.is_some_and(|previous| same_entry(previous, line)) {
            if previous.is_some() {
                record(out, "9000000000000", &[]);
            }
            write_entry(out, line)?;
        }
        write_line(out, line)?;
        previous = Some(line);
    }
    if previous.is_some() {
        record(out, "9000000000000", &[]);
    }
    record(out, "Y", &[(4, port), (8, filer), (11, "AE")]);
    record(out, "Z", &[(2, port), (6, filer), (15, date)]);
    Ok(())
}

fn same_entry(one: &EntryLine, other: &EntryLine) -> bool {
    one.entry_number == other.entry_number
        && one.entry_action == other.entry_action
        && one.port_of_entry == other.port_of_entry
        && one.importer_of_record == other.importer_of_record
        && one.entry_date == other.entry_date
}

/// Appends one record: each text at its position (from 1).
fn record(out: &mut Vec<u8>, tag: &str, fields: &[(usize, &str)]) {
    let mut characters = [b' '; RECORD_LENGTH];
    for (position, text) in std::iter::once(&(1, tag)).chain(fields) {
        for (place, byte) in characters[position - 1..].iter_mut().zip(text.bytes()) {
            *place = byte;
        }
    }
    out.extend_from_slice(&characters);
    out.push(b'\n');
}

/// Looks at the fields of one line, so that each refusal names line and field.
struct Checked<'a>(&'a EntryLine);

impl Checked<'_> {
    fn refuse<T>(&self, field: &'static str, reason: &'static str) -> Result<T, AbiWriteError> {
        Err(AbiWriteError {
            entry_number: self.0.entry_number.clone(),
            line_number: self.0.line_number,
            field,
            reason,
        })
    }

    /// A text that fits, or nothing.
    fn text<'t>(
        &self,
        field: &'static str,
        text: Option<&'t str>,
        longest: usize,
    ) -> Result<&'t str, AbiWriteError> {
        let Some(text) = text else { return Ok("") };
        if text.len() > longest {
            return self.refuse(field, "it is too long");
        }
        if !text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
            return self.refuse(field, "it is not printable ASCII");
        }
        if text.is_empty() || text.starts_with(' ') || text.ends_with(' ') {
            return self.refuse(field, "it is empty or has spaces around it");
        }
        Ok(text)
    }

    /// A date as MMDDYY, or nothing.
    fn date(&self, field: &'static str, text: Option<&str>) -> Result<String, AbiWriteError> {
        let Some(text) = text else {
            return Ok(String::new());
        };
        if parse_iso(text).is_some() && text.starts_with("20") {
            return Ok(format!("{}{}{}", &text[5..7], &text[8..10], &text[2..4]));
        }
        let six_digits = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        if six_digits && parse_iso(&format!("20{}-{}-{}", &text[4..], &text[..2], &text[2..4])).is_none() {
            return Ok(text.to_owned());
        }
        self.refuse(field, "it is no day of 2000 to 2099")
    }

    /// The weight in units of 0.0001 kg.
    fn weight(&self) -> Result<Option<i64>, AbiWriteError> {
        let Some(text) = &self.0.net_weight_kg else {
            return Ok(None);
        };
        match text.parse::<Weight>() {
            Ok(weight) => Ok(Some(weight.units())),
            Err(_) => self.refuse("netWeightKg", "it is no weight"),
        }
    }
}

fn write_entry(out: &mut Vec<u8>, line: &EntryLine) -> Result<(), AbiWriteError> {
    let checked = Checked(line);
    let number = checked.text("entryNumber", Some(&line.entry_number), 11)?;
    if number.len() != 11 {
        return checked.refuse("entryNumber", "it has not 11 characters");
    }
    let action = match line.entry_action.as_deref() {
        None | Some("ADD") => "A",
        Some("REPLACE") => "R",
        Some(_) => return checked.refuse("entryAction", "it is neither ADD nor REPLACE"),
    };
    let port = checked.text("portOfEntry", line.port_of_entry.as_deref(), 4)?;
    record(
        out,
        "10",
        &[
            (3, action),
            (4, &number[..3]),
            (9, &number[3..]),
            (18, port),
            (34, "01"),
            (68, "Y"),
        ],
    );
    let importer = checked.text("importerOfRecord", line.importer_of_record.as_deref(), 12)?;
    let date = checked.date("entryDate", line.entry_date.as_deref())?;
    record(out, "11", &[(3, importer), (42, &date)]);
    record(out, "20", &[(7, port)]);
    Ok(())
}

fn write_line(out: &mut Vec<u8>, line: &EntryLine) -> Result<(), AbiWriteError> {
    let checked = Checked(line);
    if !(1..=999).contains(&line.line_number) {
        return checked.refuse("lineNumber", "it is not 1 to 999");
    }
    for (field, present) in [
        ("organicClaim", line.organic_claim.is_some()),
        ("disposition", line.disposition.is_some()),
        ("treatment", line.treatment.is_some()),
    ] {
        if present {
            return checked.refuse(field, "no record has a place for it");
        }
    }
    let origin = checked.text("countryOfOrigin", line.country_of_origin.as_deref(), 2)?;
    let export = checked.text("countryOfExport", line.country_of_export.as_deref(), 2)?;
    let export_date = checked.date("exportDate", line.export_date.as_deref())?;
    let description = checked.text("description", line.description.as_deref(), 70)?;
    let code = line.hts_code.as_ref().map(|code| code.replace('.', ""));
    let code = checked.text("htsCode", code.as_deref(), 10)?;
    let units = checked.weight()?;
    record(
        out,
        "40",
        &[
            (5, &format!("{:03}", line.line_number)),
            (9, origin),
            (11, export),
            (13, &export_date),
        ],
    );
    let message_set = line.message_set.as_deref().unwrap_or("NONE");
    if message_set == "NONE" {
        return write_plain(out, &checked, code, description, units);
    }
    record(out, "50", &[(3, code)]);
    if !description.is_empty() {
        record(out, "OI", &[(11, description)]);
    }
    write_organic(out, &checked, message_set, units)
}

/// A line without message set: a `50` and nothing of AMS under it.
fn write_plain(
    out: &mut Vec<u8>,
    checked: &Checked<'_>,
    code: &str,
    description: &str,
    units: Option<i64>,
) -> Result<(), AbiWriteError> {
    let line = checked.0;
    for (field, present) in [
        ("pgaLineNumber", line.pga_line_number.is_some()),
        ("disclaimerCode", line.disclaimer_code.is_some()),
        ("certificateNumber", line.certificate_number.is_some()),
        ("importerNopId", line.importer_nop_id.is_some()),
        ("exporterNopId", line.exporter_nop_id.is_some()),
        ("lots", !line.lots.is_empty()),
    ] {
        if present {
            return checked.refuse(field, "a line without message set has no record for it");
        }
    }
    if !description.is_empty() {
        record(out, "44", &[(3, description)]);
    }
    let Some(units) = units else {
        record(out, "50", &[(3, code)]);
        return Ok(());
    };
    if units % 100 != 0 || units / 100 >= 1_000_000_000_000 {
        return checked.refuse("netWeightKg", "record 50 has ten digits and two decimals");
    }
    record(
        out,
        "50",
        &[(3, code), (36, &format!("{:012}", units / 100)), (48, "KG")],
    );
    Ok(())
}

/// A `PG01` of AMS's organic program with what belongs to it.
fn write_organic(
    out: &mut Vec<u8>,
    checked: &Checked<'_>,
    message_set: &str,
    units: Option<i64>,
) -> Result<(), AbiWriteError> {
    let line = checked.0;
    let disclaimer = checked.text("disclaimerCode", line.disclaimer_code.as_deref(), 1)?;
    let processing = if message_set == "BLANK" && disclaimer.is_empty() {
        ""
    } else {
        checked.text("messageSet", Some(message_set), 3)?
    };
    let pga_line = match line.pga_line_number {
        None => String::new(),
        Some(number @ 1..=999) => format!("{number:03}"),
        Some(_) => return checked.refuse("pgaLineNumber", "it is not 1 to 999"),
    };
    record(
        out,
        "PG01",
        &[
            (5, &pga_line),
            (8, "AMS"),
            (11, "OR"),
            (14, processing),
            (80, disclaimer),
        ],
    );
    record(out, "PG02P", &[]);
    let number = checked.text("certificateNumber", line.certificate_number.as_deref(), 33)?;
    // Two decimals fit where net weights stand; four only beside the certificate.
    let (net, beside) = match units {
        None => (None, None),
        Some(units) if units % 100 == 0 && units / 100 < 1_000_000_000_000 => (Some(units / 100), None),
        Some(units) if units < 10_000_000_000_000_000 => (None, Some(units)),
        Some(_) => {
            return checked.refuse(
                "netWeightKg",
                "it has more than twelve digits before the decimals",
            );
        }
    };
    if let Some(units) = beside {
        record(
            out,
            "PG14",
            &[(9, number), (51, &format!("{units:016}")), (67, "KG")],
        );
    } else if !number.is_empty() {
        record(out, "PG14", &[(9, number)]);
    }
    for (field, role, party) in [
        ("importerNopId", "IM", &line.importer_nop_id),
        ("exporterNopId", "EX", &line.exporter_nop_id),
    ] {
        if let Some(party) = party {
            if party.len() != 10 || !party.bytes().all(|byte| byte.is_ascii_digit()) {
                return checked.refuse(field, "it is not 10 digits");
            }
            record(out, "PG19", &[(5, role), (8, "NOP"), (11, party)]);
        }
    }
    for lot in &line.lots {
        let lot = checked.text("lots", Some(lot), 25)?;
        record(out, "PG25", &[(15, "4"), (16, lot)]);
    }
    if let Some(hundredths) = net {
        record(out, "PG29", &[(5, "KG"), (8, &format!("{hundredths:012}"))]);
    }
    Ok(())
}
