//! The columns of the tables that are read, each with its meaning and an example, and templates to fill in.

use rust_xlsxwriter::{Format, Note, Workbook, XlsxError};
use thiserror::Error;

use crate::certificates;
use crate::entries::{EntryColumn, Field, TreatmentField};
use crate::table::csv::write_row;

/// One column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The name that stands in the header.
    pub name: &'static str,
    /// Whether the header must have it.
    pub is_needed: bool,
    /// What stands in it, in which form.
    pub meaning: &'static str,
    /// A value as it may stand there.
    pub example: &'static str,
}

/// Why a template could not be written.
#[derive(Debug, Error)]
#[error("the template cannot be written: {0}")]
pub struct TemplateError(#[from] XlsxError);

/// The columns of entry lines, in the order of FORMATS §3.
#[must_use]
pub fn entry_columns() -> Vec<Column> {
    EntryColumn::all()
        .map(|column| {
            let (meaning, example) = match column {
                EntryColumn::Line(field) => of_entry(field),
                EntryColumn::Treatment(field) => of_treatment(field),
            };
            Column {
                name: column.name(),
                is_needed: matches!(column, EntryColumn::Line(Field::EntryNumber | Field::LineNumber)),
                meaning,
                example,
            }
        })
        .collect()
}

/// The columns of certificates, in the order of FORMATS §4. Draws stand only in JSON lines.
#[must_use]
pub fn certificate_columns() -> Vec<Column> {
    certificates::COLUMNS
        .into_iter()
        .map(|name| {
            let (meaning, example) = of_certificate(name);
            Column {
                name,
                is_needed: certificates::NEEDED.contains(&name),
                meaning,
                example,
            }
        })
        .collect()
}

/// A CSV with the header alone.
#[must_use]
pub fn template_csv(columns: &[Column]) -> Vec<u8> {
    let mut out = Vec::new();
    write_row(&mut out, columns.iter().map(|column| column.name));
    out
}

/// A workbook with the header on its first sheet, cells that stay text (so that no zero is lost), and the meaning of
/// each column in a note on it and on a second sheet.
///
/// # Errors
/// When the workbook cannot be made in memory.
pub fn template_xlsx(columns: &[Column]) -> Result<Vec<u8>, TemplateError> {
    let mut workbook = Workbook::new();
    let text = Format::new().set_num_format("@");
    let bold = Format::new().set_bold();
    let sheet = workbook.add_worksheet();
    sheet.set_name("Rows")?;
    sheet.set_freeze_panes(1, 0)?;
    for (place, column) in (0u16..).zip(columns) {
        sheet.set_column_format(place, &text)?;
        sheet.set_column_width(place, 22)?;
        sheet.write_string_with_format(0, place, column.name, &bold)?;
        let note = format!("{} Example: {}", column.meaning, column.example);
        sheet.insert_note(0, place, &Note::new(note))?;
    }
    let sheet = workbook.add_worksheet();
    sheet.set_name("Columns")?;
    let titles = ["Column", "Needed", "Meaning", "Example"];
    for (place, title) in (0u16..).zip(titles) {
        sheet.write_string_with_format(0, place, title, &bold)?;
    }
    for (row, column) in (1u32..).zip(columns) {
        let needed = if column.is_needed { "yes" } else { "" };
        for (place, cell) in (0u16..).zip([column.name, needed, column.meaning, column.example]) {
            sheet.write_string(row, place, cell)?;
        }
    }
    Ok(workbook.save_to_buffer()?)
}

const fn of_entry(field: Field) -> (&'static str, &'static str) {
    match field {
        Field::EntryNumber => (
            "Entry number: filer code, 7 digits, check digit; dashes allowed.",
            "B7603245278",
        ),
        Field::EntryAction => (
            "ADD, REPLACE (of the whole entry) or DELETE; empty means ADD.",
            "ADD",
        ),
        Field::LineNumber => ("Line of the entry, a whole number from 1.", "1"),
        Field::PgaLineNumber => (
            "PGA line of the entry line, a whole number from 1; empty means 1.",
            "1",
        ),
        Field::EntryDate => (
            "Date of entry, YYYY-MM-DD or M/D/YYYY. Where it is empty, the date of importation or arrival stands for \
             it; one of the three is needed.",
            "2025-06-10",
        ),
        Field::ImportationDate => ("Date of importation, YYYY-MM-DD or M/D/YYYY.", "2025-06-10"),
        Field::ArrivalDate => ("Estimated date of arrival, YYYY-MM-DD or M/D/YYYY.", "2025-06-10"),
        Field::ExportDate => ("Date of export, YYYY-MM-DD or M/D/YYYY.", "2025-06-02"),
        Field::ImporterOfRecord => ("CBP number of the importer of record.", "12-345678900"),
        Field::ImporterNopId => ("NOP operation ID of the importer, 10 digits.", "8023222048"),
        Field::ExporterNopId => ("NOP operation ID of the exporter, 10 digits.", "4805453341"),
        Field::HtsCode => (
            "Tariff code of 6, 8 or 10 digits with its leading zeros (as text in a spreadsheet); dots allowed after \
             the 4th, 6th and 8th.",
            "0804400020",
        ),
        Field::ArticleSet => (
            "X for the header of an article set, V for a component; else empty.",
            "V",
        ),
        Field::Description => ("What the goods are called.", "ORGANIC HASS AVOCADOS"),
        Field::OrganicClaim => (
            "Whether the goods are claimed to be organic: true or false.",
            "true",
        ),
        Field::MessageSet => ("AMS message set: OR1, OR2 or NONE; empty means NONE.", "OR2"),
        Field::DisclaimerCode => ("Disclaimer code, one letter; else empty.", "A"),
        Field::CertificateNumber => (
            "Number of the NOP Import Certificate as filed.",
            "480-4805453341-000042",
        ),
        Field::FurtherCertificateNumbers => (
            "Numbers of other certificates that the line names, with ; between them.",
            "480-4805453341-000043;480-4805453341-000044",
        ),
        Field::NetWeightKg => ("Net weight in kilograms, at most 4 decimals.", "13138.5"),
        Field::Lots => ("Lot numbers, with ; between them.", "L-1;LOTE 3"),
        Field::CountryOfOrigin => ("Country of origin, two letters (ISO 3166).", "EC"),
        Field::CountryOfExport => ("Country of export, two letters (ISO 3166).", "EC"),
        Field::PortOfEntry => ("CBP port of entry, 4 characters.", "2704"),
        Field::Disposition => (
            "What becomes of refused goods: REEXPORT, DONATION, DESTRUCTION or RECONDITION; else empty.",
            "REEXPORT",
        ),
        Field::Treatment => ("Stands in four columns of its own.", ""),
    }
}

const fn of_treatment(field: TreatmentField) -> (&'static str, &'static str) {
    match field {
        TreatmentField::Verified => (
            "Whether the importer verified the treatments since export: true or false.",
            "true",
        ),
        TreatmentField::ProhibitedSubstance => (
            "Whether the goods met a prohibited substance since export: true or false.",
            "false",
        ),
        TreatmentField::Irradiated => (
            "Whether the goods met ionizing radiation since export: true or false.",
            "false",
        ),
        TreatmentField::EmergencyActionNotice => (
            "Whether an Emergency Action Notice was issued: true or false.",
            "false",
        ),
    }
}

fn of_certificate(name: &str) -> (&'static str, &'static str) {
    match name {
        "number" => (
            "Number of the certificate, NNN-NNNNNNNNNN-NNNNNN.",
            "480-4805453341-000042",
        ),
        "status" => (
            "DRAFT, REQUESTED, UNDER_REVIEW, REJECTED, ISSUED, VOIDED or SUPERSEDED.",
            "ISSUED",
        ),
        "supersededBy" => (
            "Number of the certificate that took its place; only with SUPERSEDED.",
            "480-4805453341-000043",
        ),
        "certifierId" => ("Number of the certifier, 3 digits.", "480"),
        "exporterNopId" => ("NOP operation ID of the exporter, 10 digits.", "4805453341"),
        "importerNopId" => ("NOP operation ID of the importer, 10 digits.", "8023222048"),
        "finalHandlerNopId" => (
            "NOP operation ID of the last handler before export, 10 digits; may be empty.",
            "4805453341",
        ),
        "product" => ("What the goods are called.", "Organic Hass avocados"),
        "htsCode" => (
            "Tariff code of 6, 8 or 10 digits with its leading zeros (as text in a spreadsheet).",
            "0804400020",
        ),
        "kind" => (
            "SINGLE_SHIPMENT, MULTIPLE_SHIPMENTS or TIME_FRAME.",
            "MULTIPLE_SHIPMENTS",
        ),
        "issuedOn" => (
            "Date of issue, YYYY-MM-DD or M/D/YYYY; empty while not issued.",
            "2025-05-28",
        ),
        "validFrom" => (
            "First day of validity, YYYY-MM-DD or M/D/YYYY; may be empty only while not issued.",
            "2025-06-01",
        ),
        "validTo" => (
            "Last day of validity, YYYY-MM-DD or M/D/YYYY; may be empty only while not issued.",
            "2025-08-31",
        ),
        "totalWeightKg" => (
            "Total weight in kilograms, above zero, at most 4 decimals.",
            "60000",
        ),
        "countriesOfOrigin" => (
            "Countries of origin, two letters each (ISO 3166), with ; between them; may be empty.",
            "EC;PE",
        ),
        "lots" => ("Lot numbers, with ; between them; may be empty.", "L-1;LOTE 3"),
        _ => ("", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::{CertificateEvent, CertificateFileError, read_certificates};
    use crate::entries::{EntryEvent, EntryFileError, Form, read_entries};

    /// The template with a row of the examples.
    fn filled(columns: &[Column], leave_out: &[&str]) -> Vec<u8> {
        let mut csv = template_csv(columns);
        let examples = columns.iter().map(|column| {
            if leave_out.contains(&column.name) {
                ""
            } else {
                column.example
            }
        });
        write_row(&mut csv, examples);
        csv
    }

    #[test]
    fn every_column_has_a_meaning_and_an_example_that_reads() {
        for columns in [entry_columns(), certificate_columns()] {
            for column in &columns {
                assert!(
                    !column.meaning.is_empty() && !column.example.is_empty(),
                    "{column:?}"
                );
            }
        }
        let events = read_entries(Form::Auto, &filled(&entry_columns(), &[])).unwrap();
        let [EntryEvent::Line { line, .. }] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(line.lots, ["L-1", "LOTE 3"]);
        let events = read_certificates(&filled(&certificate_columns(), &["supersededBy"])).unwrap();
        assert!(
            matches!(&events[..], [CertificateEvent::Certificate(_)]),
            "{events:?}"
        );
    }

    #[test]
    fn an_empty_template_is_known_and_has_nothing_to_judge() {
        let columns = entry_columns();
        for template in [template_csv(&columns), template_xlsx(&columns).unwrap()] {
            let error = read_entries(Form::Auto, &template).unwrap_err();
            assert!(matches!(error, EntryFileError::NothingToJudge { .. }), "{error}");
        }
        let columns = certificate_columns();
        for template in [template_csv(&columns), template_xlsx(&columns).unwrap()] {
            assert_eq!(
                read_certificates(&template),
                Err(CertificateFileError::NoCertificate)
            );
            // Given to the other reader it is known as what it is.
            let error = read_entries(Form::Auto, &template).unwrap_err().to_string();
            assert!(
                error.contains("certificates") && error.contains("nopic certificate import"),
                "{error}"
            );
        }
    }
}
