//! Writers of the three forms of the Organic INTEGRITY Database (FORMATS §1), in constant memory.

use std::borrow::Cow;
use std::io::{Seek, Write};

use nopic_domain::date::Date;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook};
use zip::write::SimpleFileOptions;

use super::SampleError;
use super::operation::{PUBLICATIONS, Role, SampleOperation, operations};
use crate::oid::EXPORT_COLUMNS;

/// What stands in a cell, before a form writes it in its own way.
enum Cell<'a> {
    Empty,
    Text(Cow<'a, str>),
    /// A date that workbooks hold as a serial.
    Serial(Date),
    /// A date that workbooks hold as text.
    Date(Date),
}

/// `M/D/YYYY`.
fn us_date(date: Date) -> String {
    date.format("%-m/%-d/%Y").to_string()
}

/// The cells of an operation's row, in the order of [`EXPORT_COLUMNS`]; none if the publication does not list it.
fn cells(operation: &SampleOperation, publication: usize) -> Option<Vec<Cell<'_>>> {
    let state = operation.states[publication]?;
    let number = operation.nop_id.number();
    let bit = |place: u32| (number >> place) & 1 == 1;
    let text = |text: &'static str| Cell::Text(Cow::Borrowed(text));
    let of = |text: &'_ str| {
        if text.is_empty() {
            Cell::Empty
        } else {
            Cell::Text(Cow::Owned(text.to_owned()))
        }
    };
    let handles = operation.role != Role::Domestic || bit(0);
    // A scope says a status, or `True`, or nothing; some leave their date to the operation's.
    let scope = |held: bool, place: u32| -> [Cell<'static>; 2] {
        if !held {
            return [Cell::Empty, Cell::Empty];
        }
        let status = match state.status {
            "Certified" if bit(place) && bit(place + 1) => "True",
            status => status,
        };
        let date = if bit(place + 2) {
            Cell::Date(state.effective)
        } else {
            Cell::Empty
        };
        [text(status), date]
    };
    let flag = |place: u32| {
        text(if number % 7 == u64::from(place) {
            "True"
        } else {
            "False"
        })
    };
    let products = operation.products.join("; ");
    let is_crop = operation.role != Role::Importer;
    let published = PUBLICATIONS[publication];
    // A few rows are touched between two publications; most stay as they were.
    let last_updated = if number % 20 == publication as u64 {
        state.effective.max(super::operation::earlier(published, 40))
    } else {
        state.effective
    };
    let mut cells: Vec<Cell<'_>> = Vec::with_capacity(EXPORT_COLUMNS.len());
    cells.extend([
        of(&operation.certifier),
        of(&operation.name),
        of(&operation.other_names),
        Cell::Text(operation.nop_id.to_string().into()),
        Cell::Text(format!("C{:05}", number % 100_000).into()),
        of(&operation.contact.0),
        of(&operation.contact.1),
        text(state.status),
        Cell::Serial(state.effective),
        Cell::Date(operation.certified_since),
        Cell::Serial(last_updated),
    ]);
    cells.extend(scope(is_crop, 3));
    cells.extend(scope(is_crop && number.is_multiple_of(11), 4));
    cells.extend(scope(number.is_multiple_of(37), 5));
    cells.extend(scope(handles, 6));
    let address = || {
        [
            of(&operation.street),
            Cell::Empty,
            of(&operation.city),
            of(operation.state),
            of(operation.country),
            of(&operation.zip),
            Cell::Empty,
            Cell::Empty,
        ]
    };
    cells.extend(address());
    cells.extend(address());
    cells.extend([
        Cell::Text(format!("555-{:04}", number % 10_000).into()),
        Cell::Text(format!("office{number}@example.com").into()),
        if bit(8) {
            Cell::Text(format!("https://www.example.com/{number}").into())
        } else {
            Cell::Empty
        },
        Cell::Empty,
    ]);
    cells.extend((0..13).map(flag));
    cells.push(Cell::Text(
        format!("https://example.com/certificate/{number}").into(),
    ));
    let crop_products = if is_crop { products.as_str() } else { "" };
    let handled_products = if handles { products.as_str() } else { "" };
    for products in [crop_products, "", "", handled_products] {
        cells.push(of(products));
        cells.push(Cell::Empty);
    }
    cells.push(Cell::Date(published));
    debug_assert_eq!(cells.len(), EXPORT_COLUMNS.len());
    Some(cells)
}

/// Writes the monthly snapshot as XLSX: a title, the technical names, a row of labels, one of descriptions, then one
/// row for each operation that the publication lists. Returns how many. The workbook's own temporary file takes the
/// rows, so memory does not grow with them.
///
/// # Errors
///
/// When the file or the temporary file cannot be written.
pub fn write_xlsx(
    out: impl Write + Seek + Send,
    seed: u64,
    count: u32,
    publication: usize,
) -> Result<u64, SampleError> {
    let mut workbook = Workbook::new();
    let published = PUBLICATIONS[publication];
    // The clock's time would make every file another.
    let created = ExcelDateTime::parse_from_str(&published.to_string())?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&created));
    let sheet = workbook.add_worksheet_with_constant_memory()?;
    sheet.write_string(0, 0, "Organic INTEGRITY Database export (sample data)")?;
    for (column, name) in (0u16..).zip(EXPORT_COLUMNS) {
        sheet.write_string(1, column, name)?;
    }
    for (column, name) in (0u16..).zip(EXPORT_COLUMNS) {
        sheet.write_string(2, column, label(name))?;
    }
    for (column, name) in (0u16..).zip(EXPORT_COLUMNS) {
        sheet.write_string(
            3,
            column,
            format!("What the certifier entered as {}", label(name)),
        )?;
    }
    let mut rows = 0u32;
    for operation in operations(seed, count) {
        let Some(cells) = cells(&operation, publication) else {
            continue;
        };
        let row = rows + 4;
        for (column, cell) in (0u16..).zip(cells) {
            match cell {
                Cell::Empty => {}
                Cell::Text(text) => {
                    sheet.write_string(row, column, text)?;
                }
                Cell::Serial(date) => {
                    sheet.write_number(row, column, f64::from(serial(date)))?;
                }
                Cell::Date(date) => {
                    sheet.write_string(row, column, us_date(date))?;
                }
            }
        }
        rows += 1;
    }
    workbook.save_to_writer(out)?;
    Ok(u64::from(rows))
}

/// The label of a column: its technical name in words.
fn label(name: &str) -> String {
    name.replace('_', " ")
}

/// The number by which a workbook knows a day (1900 date system, from March 1900 on).
fn serial(date: Date) -> i32 {
    const DAY_ZERO: Date = super::operation::day(1899, 12, 30);
    // The days of four digits of a year fit.
    i32::try_from((date - DAY_ZERO).num_days()).unwrap_or(i32::MAX)
}

/// Writes the bulk download: a ZIP with the one file `stream`, XML with the operations, then their items. Returns
/// how many operations.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_xml_zip(
    out: impl Write + Seek,
    seed: u64,
    count: u32,
    publication: usize,
) -> Result<u64, SampleError> {
    let mut archive = zip::ZipWriter::new(out);
    archive.start_file("stream", SimpleFileOptions::default().large_file(true))?;
    let mut out = std::io::BufWriter::with_capacity(1 << 16, archive);
    out.write_all(b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<PublicData><Operations>\n")?;
    let mut rows = 0;
    for operation in operations(seed, count) {
        let Some(cells) = cells(&operation, publication) else {
            continue;
        };
        out.write_all(b"<Operation>")?;
        for (name, cell) in EXPORT_COLUMNS.iter().zip(cells) {
            // The download names the certifier by another column than the workbook.
            let name = if *name == "Cert_name" {
                "op_certifierName"
            } else {
                name
            };
            match cell {
                Cell::Empty => write!(out, "<{name} />")?,
                Cell::Text(text) => write!(out, "<{name}>{}</{name}>", quick_xml::escape::escape(text))?,
                Cell::Serial(date) => write!(out, "<{name}>{date}T00:00:00</{name}>")?,
                Cell::Date(date) => write!(out, "<{name}>{}</{name}>", us_date(date))?,
            }
        }
        out.write_all(b"</Operation>\n")?;
        rows += 1;
    }
    out.write_all(b"</Operations><Items>\n")?;
    for operation in operations(seed, count) {
        let Some(state) = operation.states[publication] else {
            continue;
        };
        let scope = if operation.role == Role::Importer {
            "HANDLING"
        } else {
            "CROPS"
        };
        for product in &operation.products {
            writeln!(
                out,
                "<Item><ci_nopOpID>{}</ci_nopOpID><ci_nopScope>{scope}</ci_nopScope>\
                 <ci_nopCatName>{product}</ci_nopCatName><ci_itemList>{product}</ci_itemList>\
                 <ci_status>{}</ci_status><ci_statusEffectiveDate>{}</ci_statusEffectiveDate>\
                 <ci_organic>True</ci_organic></Item>",
                operation.nop_id, state.status, state.effective
            )?;
        }
    }
    out.write_all(b"</Items></PublicData>\n")?;
    let archive = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    archive.finish()?;
    Ok(rows)
}

/// Writes one page of the REST form with every operation that the publication lists. Returns how many.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_json(
    mut out: impl Write,
    seed: u64,
    count: u32,
    publication: usize,
) -> Result<u64, SampleError> {
    out.write_all(b"{\"success\":true,\"operations\":[")?;
    let mut rows = 0;
    for operation in operations(seed, count) {
        let Some(cells) = cells(&operation, publication) else {
            continue;
        };
        out.write_all(if rows == 0 { b"\n{" } else { b",\n{" })?;
        for (index, (name, cell)) in EXPORT_COLUMNS.iter().zip(cells).enumerate() {
            let text = match cell {
                Cell::Empty => Cow::Borrowed(""),
                Cell::Text(text) => text,
                Cell::Serial(date) => Cow::Owned(date.to_string()),
                Cell::Date(date) => Cow::Owned(us_date(date)),
            };
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}\"{name}\":")?;
            serde_json::to_writer(&mut out, text.as_ref()).map_err(std::io::Error::from)?;
        }
        out.write_all(b"}")?;
        rows += 1;
    }
    out.write_all(b"\n]}\n")?;
    out.flush()?;
    Ok(rows)
}
