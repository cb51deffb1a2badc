//! XLSX workbooks of entry lines and of certificates (FORMATS §3, §4).

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::io::{Cursor, Write};

use nopic_domain::entry::EntryLine;
use nopic_formats::certificates::{CertificateEvent, read_certificates};
use nopic_formats::entries::{EntryEvent, EntryFileError, EntryReader, Form, read_entries};
use nopic_formats::table::{HeaderError, WorkbookError};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use zip::write::SimpleFileOptions;

fn lines(bytes: &[u8]) -> Vec<EntryLine> {
    read_entries(Form::Auto, bytes)
        .unwrap()
        .into_iter()
        .map(|event| match event {
            EntryEvent::Line { line, .. } => line,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn refusal(bytes: &[u8]) -> WorkbookError {
    match read_entries(Form::Auto, bytes).unwrap_err() {
        EntryFileError::Workbook(error) => error,
        other => panic!("{other:?}"),
    }
}

/// A workbook of these rows of texts.
fn workbook(rows: &[&[&str]]) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (row, cells) in (0u32..).zip(rows) {
        for (column, cell) in (0u16..).zip(*cells) {
            if !cell.is_empty() {
                sheet.write_string(row, column, *cell).unwrap();
            }
        }
    }
    workbook.save_to_buffer().unwrap()
}

/// A workbook of parts as they are given.
fn parts(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in parts {
        writer.start_file(*path, SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

const STYLES: &str = "<styleSheet><numFmts><numFmt numFmtId=\"164\" formatCode=\"m/d/yyyy\"/></numFmts>\
    <cellStyleXfs><xf numFmtId=\"14\"/></cellStyleXfs><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"164\"/>\
    <xf numFmtId=\"15\"/></cellXfs></styleSheet>";

/// A sheet with the columns that the tests of single cells need, and one row of these cells.
fn sheet(cells: &str) -> String {
    let header: String = ["entryNumber", "lineNumber", "entryDate", "htsCode", "netWeightKg"]
        .iter()
        .map(|name| format!("<c t=\"inlineStr\"><is><t>{name}</t></is></c>"))
        .collect();
    format!(
        "<worksheet><sheetData><row r=\"1\">{header}</row><row r=\"4\">\
         <c t=\"inlineStr\"><is><t>B7603245278</t></is></c>{cells}</row></sheetData></worksheet>"
    )
}

fn with_properties(properties: &str, cells: &str) -> Vec<u8> {
    parts(&[
        (
            "xl/workbook.xml",
            &format!(
                "<x:workbook xmlns:x=\"…/spreadsheetml/2006/main\">{properties}<x:sheets><x:sheet name=\"S\"/></x:sheets></x:workbook>"
            ),
        ),
        ("xl/styles.xml", STYLES),
        ("xl/worksheets/sheet1.xml", &sheet(cells)),
    ])
}

#[test]
fn cells_are_read_as_the_spreadsheet_shows_them() {
    let date = Format::new().set_num_format("m/d/yyyy");
    let mut workbook = Workbook::new();
    let notes = workbook.add_worksheet();
    notes.write_string(0, 0, "How to fill this in").unwrap();
    notes.write_string(4, 0, "lots").unwrap();
    let sheet = workbook.add_worksheet();
    let names = [
        "ENTRY_NUMBER",
        "lineNumber",
        "entryDate",
        "exportDate",
        "htsCode",
        "netWeightKg",
        "organicClaim",
        "lots",
        "importerNopId",
    ];
    for (column, name) in (0u16..).zip(names) {
        sheet.write_string(1, column, name).unwrap();
    }
    sheet.write_string(3, 0, "B7603245278").unwrap();
    sheet.write_number(3, 1, 2).unwrap();
    let day = ExcelDateTime::from_ymd(2025, 6, 10).unwrap();
    sheet.write_datetime_with_format(3, 2, &day, &date).unwrap();
    sheet.write_string(3, 3, "6/2/2025").unwrap();
    sheet.write_number(3, 4, 804_400_020).unwrap();
    sheet.write_number(3, 5, 0.1 + 0.2).unwrap();
    sheet.write_boolean(3, 6, true).unwrap();
    sheet.write_string(3, 7, "L-1;L-2").unwrap();
    sheet.write_number(3, 8, 8_023_222_048.0).unwrap();
    let bytes = workbook.save_to_buffer().unwrap();
    let text = |text: &str| Some(text.to_owned());
    let expected = EntryLine {
        entry_number: "B7603245278".into(),
        line_number: 2,
        entry_date: text("2025-06-10"),
        export_date: text("2025-06-02"),
        // The zero that is lost is not put back.
        hts_code: text("804400020"),
        net_weight_kg: text("0.3"),
        organic_claim: Some(true),
        lots: vec!["L-1".into(), "L-2".into()],
        importer_nop_id: text("8023222048"),
        ..EntryLine::default()
    };
    let events = read_entries(Form::Xlsx, &bytes).unwrap();
    assert_eq!(
        events,
        [EntryEvent::Line {
            record: 4,
            line: expected
        }]
    );
    let mut reader = EntryReader::new(Form::Auto);
    let mut out = Vec::new();
    for byte in &bytes {
        reader.push(&[*byte], &mut out).unwrap();
    }
    reader.finish(&mut out).unwrap();
    assert_eq!((out, reader.form()), (events, Some(Form::Xlsx)));
}

#[test]
fn dates_of_both_systems_are_read_and_other_numbers_are_none() {
    let read = |properties: &str, cell: &str| {
        let cells = format!("<c><v>1</v></c>{cell}");
        lines(&with_properties(properties, &cells)).remove(0).entry_date
    };
    let day = "<c s=\"1\"><v>45818</v></c>";
    assert_eq!(read("", day).as_deref(), Some("2025-06-10"));
    assert_eq!(
        read("<x:workbookPr/>", "<c s=\"2\"><v>45818.75</v></c>").as_deref(),
        Some("2025-06-10")
    );
    let system_1904 = "<x:workbookPr date1904=\"1\"/>";
    assert_eq!(
        read(system_1904, "<c s=\"1\"><v>44356</v></c>").as_deref(),
        Some("2025-06-10")
    );
    // Elements of other namespaces say nothing about the dates.
    for foreign in [
        "<y:workbookPr date1904=\"1\"/>",
        "<x:extLst><x:ext><x:workbookPr date1904=\"1\"/></x:ext></x:extLst>",
        "<x:workbookPr xmlns=\"https://example.com/other\" date1904=\"1\"/>",
    ] {
        assert_eq!(read(foreign, day).as_deref(), Some("2025-06-10"), "{foreign}");
    }
    assert_eq!(
        read("", "<c t=\"d\"><v>2025-06-10T00:00:00</v></c>").as_deref(),
        Some("2025-06-10")
    );
    // A number that is shown as one is no date, nor is a day that does not exist.
    assert_eq!(read("", "<c><v>45818</v></c>").as_deref(), Some("45818"));
    assert_eq!(read("", "<c s=\"1\"><v>60</v></c>").as_deref(), Some("60"));
    let cells = "<c><v>1E0</v></c><c/><c><v>8.0440002E8</v></c><c><v>13138.500000000002</v></c>";
    let line = lines(&with_properties("", cells)).remove(0);
    assert_eq!(line.hts_code.as_deref(), Some("804400020"));
    assert_eq!(line.net_weight_kg.as_deref(), Some("13138.5"));
}

#[test]
fn the_header_of_a_sheet_must_be_usable() {
    let header = |rows: &[&[&str]]| match refusal(&workbook(rows)) {
        WorkbookError::Header { error, .. } => error,
        other => panic!("{other:?}"),
    };
    let names: &[&str] = &["entryNumber", "lineNumber"];
    let row: &[&str] = &["B7603245278", "1"];
    assert_eq!(
        header(&[&["Entries of June"], &[], names, row]),
        HeaderError::TitleAbove { row: 3 }
    );
    assert!(matches!(
        header(&[&["Entry Number", "Line Number"], row]),
        HeaderError::HumanTitles { .. }
    ));
    assert!(matches!(header(&[row, row]), HeaderError::NoHeader { .. }));
    assert!(matches!(
        header(&[&["entryNumber", "lineNumber", "hts"], row]),
        HeaderError::UnknownColumn { .. }
    ));
    assert!(matches!(
        header(&[&["number", "certifierId", "lots"], row]),
        HeaderError::OtherKind { .. }
    ));
    assert_eq!(refusal(&workbook(&[])), WorkbookError::Empty);
    let error = read_entries(Form::Auto, &workbook(&[names])).unwrap_err();
    assert!(matches!(error, EntryFileError::NothingToJudge { .. }), "{error}");
    // Rows without a value are passed over, values without a name are not.
    let events = read_entries(
        Form::Auto,
        &workbook(&[names, &["", " "], row, &["B7603245278", "2", "", "x"]]),
    )
    .unwrap();
    assert!(
        matches!(&events[..], [EntryEvent::Line { record: 3, .. }, EntryEvent::Reject(reject)] if reject.record == 4),
        "{events:?}"
    );
}

#[test]
fn a_second_sheet_of_lines_is_not_passed_over_in_silence() {
    let mut workbook = Workbook::new();
    for number in ["B7603245278", "B7603245286"] {
        let sheet = workbook.add_worksheet();
        for (row, cells) in (0u32..).zip([["entryNumber", "lineNumber"], [number, "1"]]) {
            for (column, cell) in (0u16..).zip(cells) {
                sheet.write_string(row, column, cell).unwrap();
            }
        }
    }
    let events = read_entries(Form::Auto, &workbook.save_to_buffer().unwrap()).unwrap();
    let [EntryEvent::Line { .. }, EntryEvent::Reject(reject)] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(reject.reason.contains("Sheet2"), "{reject}");
}

#[test]
fn what_is_no_workbook_is_said() {
    let stream = parts(&[("stream", "<x/>")]);
    assert!(matches!(refusal(&stream), WorkbookError::NotAWorkbook { .. }));
    let whole = workbook(&[&["entryNumber", "lineNumber"], &["B7603245278", "1"]]);
    for form in [Form::Csv, Form::Jsonl, Form::Abi] {
        let error = read_entries(form, &whole).unwrap_err();
        assert!(matches!(error, EntryFileError::OtherContent { .. }), "{error}");
    }
    for (text, expected) in [("entryNumber,lineNumber\n", false), (" \n", true), ("", true)] {
        let error = read_entries(Form::Xlsx, text.as_bytes()).unwrap_err();
        assert_eq!(error == EntryFileError::Empty, expected, "{error}");
    }
    for length in [5, 100, whole.len() / 2, whole.len() - 30] {
        assert!(
            matches!(refusal(&whole[..length]), WorkbookError::Damaged { .. }),
            "{length}"
        );
    }
    let missing = parts(&[(
        "xl/workbook.xml",
        "<workbook><sheets><sheet name=\"S\"/></sheets></workbook>",
    )]);
    assert!(matches!(refusal(&missing), WorkbookError::Damaged { .. }));
}

#[test]
fn what_is_kept_of_a_workbook_is_bounded() {
    let mut reader = EntryReader::new(Form::Auto);
    let mut out = Vec::new();
    let mut result = reader.push(b"PK\x03\x04", &mut out);
    let chunk = vec![0; 8 << 20];
    for _ in 0..8 {
        result = result.and_then(|()| reader.push(&chunk, &mut out));
    }
    let error = result.unwrap_err();
    assert!(error.to_string().contains("64 MiB"), "{error}");
    assert_eq!(reader.finish(&mut out), Err(error));
    // One long string in many cells.
    let strings = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(900_000));
    let bomb = sheet(&"<c t=\"s\"><v>0</v></c>".repeat(1000));
    let bomb = parts(&[
        (
            "xl/workbook.xml",
            "<workbook><sheets><sheet name=\"S\"/></sheets></workbook>",
        ),
        ("xl/sharedStrings.xml", &strings),
        ("xl/worksheets/sheet1.xml", &bomb),
    ]);
    assert_eq!(refusal(&bomb), WorkbookError::TooLarge);
    // Cells far to the right in many rows.
    let far = "<row><c r=\"XFD1\"><v>1</v></c></row>".repeat(2_000);
    let far = sheet("<c><v>1</v></c>").replace("</sheetData>", &format!("{far}</sheetData>"));
    let far = parts(&[
        (
            "xl/workbook.xml",
            "<workbook><sheets><sheet name=\"S\"/></sheets></workbook>",
        ),
        ("xl/worksheets/sheet1.xml", &far),
    ]);
    assert_eq!(refusal(&far), WorkbookError::TooLarge);
    // Two of them in one row are more than a row may have; its neighbours are read.
    let row = "<row><c t=\"inlineStr\"><is><t>B7603245278</t></is></c><c><v>1</v></c>";
    let long = sheet("<c><v>1</v></c>").replace(
        "</sheetData>",
        &format!(
            "{row}{}</row>{row}</row></sheetData>",
            "<c t=\"s\"><v>0</v></c>".repeat(2)
        ),
    );
    let long = parts(&[
        (
            "xl/workbook.xml",
            "<workbook><sheets><sheet name=\"S\"/></sheets></workbook>",
        ),
        ("xl/sharedStrings.xml", &strings),
        ("xl/worksheets/sheet1.xml", &long),
    ]);
    let events = read_entries(Form::Auto, &long).unwrap();
    assert!(
        matches!(
            &events[..],
            [
                EntryEvent::Line { .. },
                EntryEvent::Reject(_),
                EntryEvent::Line { .. }
            ]
        ),
        "{}",
        events.len()
    );
}

#[test]
fn certificates_are_read_from_a_workbook() {
    let names = [
        "number",
        "status",
        "certifierId",
        "exporterNopId",
        "importerNopId",
        "product",
        "htsCode",
        "kind",
        "issuedOn",
        "validFrom",
        "validTo",
        "totalWeightKg",
        "countriesOfOrigin",
    ];
    let values = [
        "304-3049499569-000002",
        "ISSUED",
        "304",
        "3049499569",
        "8025959654",
        "Tea",
        "0902101015",
        "TIME_FRAME",
        "1/29/2025",
    ];
    let write = |code: Option<f64>| {
        let mut workbook = Workbook::new();
        let date = Format::new().set_num_format("d-mmm-yy");
        let sheet = workbook.add_worksheet();
        for (column, name) in (0u16..).zip(names) {
            sheet.write_string(0, column, name).unwrap();
        }
        for (column, value) in (0u16..).zip(values) {
            sheet.write_string(1, column, value).unwrap();
        }
        if let Some(code) = code {
            sheet.write_number(1, 6, code).unwrap();
        }
        for (column, day) in [(9, (2025, 2, 2)), (10, (2025, 3, 4))] {
            let day = ExcelDateTime::from_ymd(day.0, day.1, day.2).unwrap();
            sheet.write_datetime_with_format(1, column, &day, &date).unwrap();
        }
        sheet.write_number(1, 11, 50_760.440_5).unwrap();
        sheet.write_string(1, 12, "PE;EC").unwrap();
        read_certificates(&workbook.save_to_buffer().unwrap())
            .unwrap()
            .remove(0)
    };
    let CertificateEvent::Certificate(record) = write(None) else {
        panic!("it is read");
    };
    assert_eq!(record.record, 2);
    assert_eq!(record.certificate.total_weight_kg.to_string(), "50760.4405");
    assert_eq!(
        record
            .certificate
            .valid_to
            .map(|date| date.to_string())
            .as_deref(),
        Some("2025-03-04")
    );
    let CertificateEvent::Reject(reject) = write(Some(902_101_015.0)) else {
        panic!("it is refused");
    };
    assert_eq!(reject.field.as_deref(), Some("htsCode"));
    assert!(reject.reason.contains("0902101015"), "{reject}");
    let entries = workbook(&[&["entryNumber", "lineNumber"], &["B7603245278", "1"]]);
    let error = read_certificates(&entries).unwrap_err().to_string();
    assert!(error.contains("nopic entry validate"), "{error}");
}

#[test]
fn a_formula_of_which_nobody_wrote_the_value_is_not_absent() {
    for cell in [
        "<c><f>1+1</f></c>",
        "<c><f>1+1</f><v></v></c>",
        "<c t=\"b\"><f>TRUE()</f><v/></c>",
    ] {
        let cells = format!("<c><v>1</v></c><c><v>46086</v></c><c><v>901110015</v></c>{cell}");
        let events = read_entries(Form::Auto, &with_properties("", &cells)).unwrap();
        let [EntryEvent::Line { line, .. }] = &events[..] else {
            panic!("{events:?}");
        };
        let weight = line.net_weight_kg.as_deref().unwrap();
        assert!(weight.contains("FORMULA"), "{cell}: {weight}");
    }
}

#[test]
fn a_sheet_whose_titles_are_for_people_is_named_wherever_it_stands() {
    let good: &[&[&str]] = &[&["entryNumber", "lineNumber"], &["B7603245278", "1"]];
    let titles: &[&[&str]] = &[&["Entry Number", "Line Number"], &["B7603245286", "1"]];
    for sheets in [[good, titles], [titles, good]] {
        let mut workbook = Workbook::new();
        for rows in sheets {
            let sheet = workbook.add_worksheet();
            for (row, cells) in (0u32..).zip(rows) {
                for (column, cell) in (0u16..).zip(*cells) {
                    sheet.write_string(row, column, *cell).unwrap();
                }
            }
        }
        let events = read_entries(Form::Auto, &workbook.save_to_buffer().unwrap()).unwrap();
        let [EntryEvent::Line { .. }, EntryEvent::Reject(reject)] = &events[..] else {
            panic!("{events:?}");
        };
        assert!(reject.reason.contains("titles for people"), "{reject}");
    }
}
