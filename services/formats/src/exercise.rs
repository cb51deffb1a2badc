//! What must hold of any bytes whatever: the body of the fuzz targets, which ordinary tests run too.
//!
//! Each function reads the bytes and panics if a reader breaks its word: that every event says where it stood, that
//! lines have what no line is without, and that what was read can be written and reads back the same. That the bytes
//! are refused is no fault.

use crate::certificates::{CertificateEvent, read_certificates, write_certificate};
use crate::entries::{EntryEvent, Form, read_entries, write_jsonl, write_xlsx};
use crate::oid::exercise::{WORKBOOK, archive};

/// Reads the bytes as entry lines of that form.
pub fn entries(form: Form, bytes: &[u8]) {
    let events = match read_entries(form, bytes) {
        Ok(events) => events,
        Err(error) => return assert!(!error.to_string().is_empty(), "an error says why"),
    };
    assert!(!events.is_empty(), "nothing to judge is an error");
    let mut lines = Vec::new();
    for event in events {
        match event {
            EntryEvent::Line { record, line } => {
                assert!(record > 0 && line.line_number > 0, "numbers are from 1");
                assert!(!line.entry_number.trim().is_empty(), "a line has its entry");
                lines.push(line);
            }
            EntryEvent::Reject(reject) => {
                assert!(
                    reject.record > 0 && !reject.reason.is_empty(),
                    "a refusal says where and why"
                );
            }
            EntryEvent::Deleted { entry_number, .. } => {
                assert!(!entry_number.is_empty(), "an entry has its number");
            }
        }
    }
    if lines.is_empty() {
        return;
    }
    let mut written = Vec::new();
    lines.iter().for_each(|line| write_jsonl(&mut written, line));
    let again = read_entries(Form::Jsonl, &written).unwrap_or_default();
    assert_eq!(again.len(), lines.len(), "what was read can be written");
    for (event, line) in again.iter().zip(&lines) {
        assert!(
            matches!(event, EntryEvent::Line { line: read, .. } if read == line),
            "{event:?} reads back as {line:?}"
        );
    }
    // Some lines no table can carry.
    if let Ok(workbook) = write_xlsx(&lines) {
        let again = read_entries(Form::Xlsx, &workbook).unwrap_or_default();
        assert_eq!(again.len(), lines.len(), "what a table carries is read");
    }
}

/// Reads the bytes as certificates.
pub fn certificates(bytes: &[u8]) {
    let events = match read_certificates(bytes) {
        Ok(events) => events,
        Err(error) => return assert!(!error.to_string().is_empty(), "an error says why"),
    };
    assert!(!events.is_empty(), "a file without certificates is an error");
    for event in events {
        match event {
            CertificateEvent::Certificate(record) => {
                let mut written = Vec::new();
                write_certificate(&mut written, &record.certificate, record.draws.as_deref());
                let again = read_certificates(&written);
                assert!(
                    matches!(again.as_deref(), Ok([CertificateEvent::Certificate(read)])
                        if read.certificate == record.certificate && read.draws == record.draws),
                    "{again:?}"
                );
            }
            CertificateEvent::Reject(reject) => {
                assert!(
                    reject.record > 0 && !reject.reason.is_empty(),
                    "a refusal says where and why"
                );
            }
        }
    }
}

/// Reads the bytes as a workbook of entry lines, and of certificates. Bytes that are no ZIP become one: those before
/// the first 0xFF are its sheet, then come its shared strings and its formats, so that a fuzzer need not get checksums
/// right.
pub fn xlsx(bytes: &[u8]) {
    if bytes.starts_with(b"PK") {
        entries(Form::Xlsx, bytes);
        return certificates(bytes);
    }
    let mut parts = bytes.splitn(3, |byte| *byte == 0xff);
    let mut part = || parts.next().unwrap_or_default();
    let (sheet, strings, styles) = (part(), part(), part());
    if let Some(archive) = archive(&[
        ("xl/workbook.xml", WORKBOOK),
        ("xl/worksheets/sheet1.xml", sheet),
        ("xl/sharedStrings.xml", strings),
        ("xl/styles.xml", styles),
    ]) {
        entries(Form::Xlsx, &archive);
        certificates(&archive);
    }
}
