//! Writes entry lines as an ABI transmission that reads back as the same lines.

mod release;
mod summary;

pub use self::release::write_abi_release;
pub use self::summary::write_abi;

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

/// Appends the envelope of a transmission around what `write` appends.
fn enveloped(
    out: &mut Vec<u8>,
    transmission: &AbiTransmission<'_>,
    application: &str,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), AbiWriteError>,
) -> Result<(), AbiWriteError> {
    let AbiTransmission { port, filer, date } = *transmission;
    record(out, "A", &[(2, port), (6, filer), (15, date), (26, application)]);
    record(out, "B", &[(4, port), (8, filer), (11, application)]);
    write(out)?;
    record(out, "Y", &[(4, port), (8, filer), (11, application)]);
    record(out, "Z", &[(2, port), (6, filer), (15, date)]);
    Ok(())
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

    /// Refuses each field that is present and has no record.
    fn absent(&self, fields: &[(&'static str, bool)], reason: &'static str) -> Result<(), AbiWriteError> {
        match fields.iter().find(|(_, present)| *present) {
            Some((field, _)) => self.refuse(field, reason),
            None => Ok(()),
        }
    }

    /// What no application has a record for.
    fn common_fields_only(&self) -> Result<(), AbiWriteError> {
        let line = self.0;
        if !(1..=999).contains(&line.line_number) {
            return self.refuse("lineNumber", "it is not 1 to 999");
        }
        self.absent(
            &[
                ("organicClaim", line.organic_claim.is_some()),
                ("disposition", line.disposition.is_some()),
                ("treatment", line.treatment.is_some()),
            ],
            "no record has a place for it",
        )
    }

    /// What only a message set has records for.
    fn no_message_set(&self) -> Result<(), AbiWriteError> {
        let line = self.0;
        self.absent(
            &[
                ("pgaLineNumber", line.pga_line_number.is_some()),
                ("disclaimerCode", line.disclaimer_code.is_some()),
                ("certificateNumber", line.certificate_number.is_some()),
                (
                    "furtherCertificateNumbers",
                    !line.further_certificate_numbers.is_empty(),
                ),
                ("importerNopId", line.importer_nop_id.is_some()),
                ("exporterNopId", line.exporter_nop_id.is_some()),
                ("lots", !line.lots.is_empty()),
            ],
            "a line without message set has no record for it",
        )
    }

    /// Filer code and number, 11 characters.
    fn entry_number(&self) -> Result<&str, AbiWriteError> {
        let number = self.text("entryNumber", Some(&self.0.entry_number), 11)?;
        if number.len() != 11 {
            return self.refuse("entryNumber", "it has not 11 characters");
        }
        Ok(number)
    }

    /// The action's letter.
    fn action(&self) -> Result<&'static str, AbiWriteError> {
        match self.0.entry_action.as_deref() {
            None | Some("ADD") => Ok("A"),
            Some("REPLACE") => Ok("R"),
            Some(_) => self.refuse("entryAction", "it is neither ADD nor REPLACE"),
        }
    }

    /// The tariff code without dots, or nothing.
    fn tariff_code(&self) -> Result<String, AbiWriteError> {
        let code = self.0.hts_code.as_ref().map(|code| code.replace('.', ""));
        self.text("htsCode", code.as_deref(), 10).map(str::to_owned)
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

/// The tariff records of the line item that is being written, and the PGA line numbers under them.
#[derive(Debug, Default)]
struct OpenItem {
    /// How many tariff records it has.
    position: u32,
    /// The PGA line numbers under them.
    numbers: Vec<u32>,
}

impl OpenItem {
    /// Whether a line goes on in this item: under the tariff record at `position`, its PGA line number begun anew.
    fn goes_on_with(&self, line: &EntryLine) -> Option<u32> {
        let number = line.pga_line_number.filter(|number| *number > 999)?;
        let position = number / 1000 + 1;
        let is_next = position > self.position && position <= MOST_TARIFFS;
        (is_next && self.numbers.contains(&(number % 1000))).then_some(position)
    }
}

/// The most tariff records under one line item that are written.
const MOST_TARIFFS: u32 = 32;

/// A `PG01` of AMS's organic program with what belongs to it. A number over 999 is one that begins anew under a later
/// tariff record; the caller has made sure that it does.
fn write_organic(
    out: &mut Vec<u8>,
    checked: &Checked<'_>,
    message_set: &str,
    item: &mut OpenItem,
) -> Result<(), AbiWriteError> {
    let line = checked.0;
    let units = checked.weight()?;
    if matches!(message_set, "1" | "2") {
        return checked.refuse("messageSet", "a digit alone is OR1 or OR2: write that");
    }
    let disclaimer = checked.text("disclaimerCode", line.disclaimer_code.as_deref(), 1)?;
    let processing = if message_set == "BLANK" && disclaimer.is_empty() {
        ""
    } else {
        checked.text("messageSet", Some(message_set), 3)?
    };
    let pga_line = match line.pga_line_number {
        None => String::new(),
        Some(number) if number % 1000 != 0 && (number < 1000 || item.numbers.contains(&(number % 1000))) => {
            format!("{:03}", number % 1000)
        }
        Some(_) => {
            return checked.refuse(
                "pgaLineNumber",
                "it is not 1 to 999, nor such a number begun anew under a later tariff record of its line",
            );
        }
    };
    item.numbers.push(line.pga_line_number.unwrap_or(1) % 1000);
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
    for further in &line.further_certificate_numbers {
        if number.is_empty() || further == number {
            return checked.refuse("furtherCertificateNumbers", "it needs another number before it");
        }
        let further = checked.text("furtherCertificateNumbers", Some(further), 33)?;
        record(out, "PG14", &[(9, further)]);
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
