//! What the tests of the OID readers share.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![allow(
    clippy::print_stderr,
    reason = "a missing folder of cases must not pass in silence"
)]
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{Cursor, Write};
use std::path::PathBuf;

use nopic_formats::oid::{
    OidError, OidEvent, OidItem, OidReject, OidRow, OidSource, OidSummary, Stopped, read,
};
use rust_xlsxwriter::Workbook;
use zip::write::SimpleFileOptions;

/// All that a source holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Content {
    pub(crate) rows: Vec<OidRow>,
    pub(crate) items: Vec<OidItem>,
    pub(crate) rejects: Vec<OidReject>,
    pub(crate) summary: OidSummary,
}

/// Reads a whole source.
pub(crate) fn collect(source: OidSource<'_>) -> Result<Content, OidError> {
    let (mut rows, mut items, mut rejects) = (Vec::new(), Vec::new(), Vec::new());
    let mut sink = |event| -> Result<(), Stopped> {
        match event {
            OidEvent::Row(row) => rows.push(row),
            OidEvent::Item(item) => items.push(item),
            OidEvent::Reject(reject) => rejects.push(*reject),
        }
        Ok(())
    };
    let summary = read(source, &mut sink)?;
    Ok(Content {
        rows,
        items,
        rejects,
        summary,
    })
}

/// The folder of acceptance cases; says so loudly where it is missing.
pub(crate) fn cases() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/cases"));
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "\n*** THE ACCEPTANCE CASES ARE MISSING: {} ***\n",
        folder.display()
    );
    None
}

/// A workbook of one sheet with these texts; empty ones are no cells.
pub(crate) fn workbook(rows: &[&[&str]]) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (row, cells) in (0u32..).zip(rows) {
        for (column, text) in (0u16..).zip(*cells) {
            if !text.is_empty() {
                sheet.write_string(row, column, *text).unwrap();
            }
        }
    }
    workbook.save_to_buffer().unwrap()
}

/// A ZIP with these entries.
pub(crate) fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A workbook made of nothing but its workbook part and one sheet.
pub(crate) fn workbook_of_parts(properties: &str, sheet: &str) -> Vec<u8> {
    let workbook =
        format!("<workbook>{properties}<sheets><sheet name=\"S\" r:id=\"rId1\"/></sheets></workbook>");
    zip_of(&[
        ("xl/workbook.xml", workbook.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

/// The archive with two bytes of each of its headers changed: the offset in a local header, and in the directory.
pub(crate) fn with_headers(mut archive: Vec<u8>, local: usize, value: u16) -> Vec<u8> {
    for (signature, offset) in [(b"PK\x03\x04", local), (b"PK\x01\x02", local + 2)] {
        let starts: Vec<usize> = (0..archive.len() - 3)
            .filter(|start| archive[*start..].starts_with(signature))
            .collect();
        assert!(!starts.is_empty());
        for start in starts {
            archive[start + offset..start + offset + 2].copy_from_slice(&value.to_le_bytes());
        }
    }
    archive
}
