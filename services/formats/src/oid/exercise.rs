//! What must hold of any bytes whatever: the body of the fuzz targets, which ordinary tests run too.
//!
//! Each function reads the bytes as one form and panics if the reader breaks its word: that rows, refusals and
//! their counts agree, and that fields survive being stored. That the bytes are refused is no fault.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

use super::{Fields, OidEvent, OidSource, Stopped, read};

/// Reads the bytes as a workbook. Bytes that are no ZIP become one: those before the first 0xFF are its sheet, those
/// behind it its shared strings, so that a fuzzer need not get checksums right.
pub fn xlsx(bytes: &[u8]) {
    if bytes.starts_with(b"PK") {
        whole(bytes);
        return;
    }
    let mut parts = bytes.splitn(2, |byte| *byte == 0xff);
    let sheet = parts.next().unwrap_or_default();
    let strings = parts.next().unwrap_or_default();
    if let Some(archive) = archive(&[
        ("xl/workbook.xml", WORKBOOK),
        ("xl/sharedStrings.xml", strings),
        ("xl/worksheets/sheet1.xml", sheet),
    ]) {
        whole(&archive);
    }
}

/// A workbook with one sheet.
pub(crate) const WORKBOOK: &[u8] = b"<workbook><sheets><sheet name=\"S\"/></sheets></workbook>";

/// A ZIP archive of these parts, without those that are empty.
pub(crate) fn archive(parts: &[(&str, &[u8])]) -> Option<Vec<u8>> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (path, content) in parts.iter().filter(|(_, content)| !content.is_empty()) {
        writer.start_file(*path, options).ok()?;
        writer.write_all(content).ok()?;
    }
    Some(writer.finish().ok()?.into_inner())
}

/// Reads the bytes as the unpacked bulk download; bytes that begin as a ZIP are read as one.
pub fn xml(bytes: &[u8]) {
    whole(bytes);
}

/// Reads the bytes as pages.
pub fn json(bytes: &[u8]) {
    whole(bytes);
}

fn whole(bytes: &[u8]) {
    let mut counts = [0u64; 3];
    let mut latest = None;
    let mut sink = |event| -> Result<(), Stopped> {
        let fields: Option<Fields> = match event {
            OidEvent::Row(row) => {
                counts[0] += 1;
                assert!(row.record > 0, "records are numbered from 1");
                latest = latest.max(row.published);
                Some(row.fields)
            }
            OidEvent::Item(item) => {
                counts[1] += 1;
                assert!(item.record > 0, "records are numbered from 1");
                latest = latest.max(item.published);
                Some(item.fields)
            }
            OidEvent::Reject(reject) => {
                counts[2] += 1;
                assert!(!reject.reject.reason.is_empty(), "a refusal says why");
                None
            }
        };
        if let Some(fields) = fields {
            let again = Fields::from_bytes(fields.as_bytes());
            assert_eq!(again.as_ref(), Ok(&fields), "fields survive being stored");
            let pairs = Fields::from_pairs(fields.iter());
            assert_eq!(pairs, fields, "fields are sorted and whole");
            assert_eq!(pairs.content_hash(), fields.content_hash());
        }
        Ok(())
    };
    let result = read(OidSource::from_bytes("bytes", bytes), &mut sink);
    match result {
        Ok(summary) => {
            let rejected = summary.rejected_rows + summary.rejected_items;
            assert_eq!(
                [summary.rows, summary.items, rejected],
                counts,
                "the summary counts"
            );
            assert_eq!(summary.latest_pub_date, latest);
        }
        Err(error) => assert!(!error.to_string().is_empty(), "an error says why"),
    }
}
