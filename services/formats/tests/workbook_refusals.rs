//! Workbooks of entry lines and certificates that are not read: each says which part or cell, why, and what to do.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod oid_support;

use nopic_formats::certificates::read_certificates;
use nopic_formats::entries::{EntryEvent, Form, read_entries};
use oid_support::{collect, with_headers, workbook, zip_of};

const LINES: [&[&str]; 2] = [&["entryNumber", "lineNumber"], &["B7603245278", "1"]];

fn assert_refused(workbook: &[u8], parts: &[&str]) {
    for said in [
        read_entries(Form::Auto, workbook).unwrap_err().to_string(),
        read_entries(Form::Xlsx, workbook).unwrap_err().to_string(),
        read_certificates(workbook).unwrap_err().to_string(),
    ] {
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in: {said}");
        }
        assert!(!said.contains("damaged"), "{said}");
    }
}

#[test]
fn a_method_that_is_not_read_is_named() {
    for (number, says) in [
        (9, "packed with Deflate64"),
        (12, "packed with bzip2"),
        (14, "packed with LZMA"),
        (20, "number 20"),
    ] {
        let packed = with_headers(workbook(&LINES), 8, number);
        assert_refused(&packed, &["xl/workbook.xml of the workbook", says, ".xlsx"]);
    }
}

#[test]
fn a_password_is_named() {
    let locked = with_headers(workbook(&LINES), 6, 1);
    assert_refused(&locked, &["xl/workbook.xml of the workbook", "needs a password"]);
    // The form in which Excel itself locks a workbook.
    let container = [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), &[0; 504]].concat();
    assert_refused(
        &container,
        &["old Excel workbook (.xls)", "password", "save it as .xlsx"],
    );
    let said = nopic_formats::flags::read(&container).unwrap_err().to_string();
    assert!(said.contains("old Excel workbook (.xls)"), "{said}");
    let said = collect(nopic_formats::oid::OidSource::from_bytes("file", &container))
        .unwrap_err()
        .to_string();
    assert!(said.contains("old Excel workbook (.xls)"), "{said}");
}

/// A workbook with this in the cell B3.
fn with_cell(cell: &str, strings: &str) -> Vec<u8> {
    let sheet = format!(
        "<worksheet><sheetData><row r=\"1\"><c t=\"inlineStr\"><is><t>entryNumber</t></is></c>\
         <c t=\"inlineStr\"><is><t>description</t></is></c><c t=\"inlineStr\"><is><t>lineNumber</t></is></c></row>\
         <row r=\"3\"><c r=\"A3\" t=\"inlineStr\"><is><t>B7603245278</t></is></c>{cell}<c r=\"C3\"><v>1</v></c></row>\
         </sheetData></worksheet>"
    );
    zip_of(&[
        (
            "xl/workbook.xml",
            b"<workbook><sheets><sheet name=\"Lines\"/></sheets></workbook>",
        ),
        ("xl/sharedStrings.xml", strings.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

#[test]
fn a_cell_that_is_too_long_is_named_with_the_limit() {
    let long = "tea ".repeat(300_000);
    let inline = format!("<c r=\"B3\" t=\"inlineStr\"><is><t>{long}</t></is></c>");
    let said = read_entries(Form::Auto, &with_cell(&inline, "<sst/>"))
        .unwrap_err()
        .to_string();
    assert!(said.contains("sheet \"Lines\", cell B3"), "{said}");
    assert!(said.contains("longer than 1048576 bytes"), "{said}");
    assert!(!said.contains("database"), "{said}");
    let strings = format!("<sst><si><t>x</t></si><si><t>{long}</t></si></sst>");
    let shared = with_cell("<c r=\"B3\" t=\"s\"><v>1</v></c>", &strings);
    let said = read_entries(Form::Auto, &shared).unwrap_err().to_string();
    assert!(said.contains("begins \"tea tea "), "{said}");
    assert!(said.contains("longer than 1048576 bytes"), "{said}");
    // One that can be held costs its row alone.
    let just = format!(
        "<c r=\"B3\" t=\"inlineStr\"><is><t>{}</t></is></c>",
        "x".repeat((1 << 20) + 5)
    );
    let events = read_entries(Form::Auto, &with_cell(&just, "<sst/>")).unwrap();
    let [EntryEvent::Reject(reject)] = &events[..] else {
        panic!("{}", events.len());
    };
    assert!(reject.reason.contains("in cell B3"), "{reject}");
}
