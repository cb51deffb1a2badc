//! Files that are not what they should be: each is refused whole, with what was found and what to do.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod oid_support;

use nopic_formats::oid::{OidEvent, OidProblem, OidSource, Stopped, detect, read};
use oid_support::{collect, with_headers, workbook, workbook_of_parts, zip_of};

/// The message for these bytes, which must be refused.
fn refusal(bytes: &[u8]) -> String {
    collect(OidSource::from_bytes("file", bytes))
        .expect_err("it was read")
        .to_string()
}

fn assert_refused(bytes: &[u8], parts: &[&str]) {
    let message = refusal(bytes);
    assert!(message.starts_with("file: "), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

const GOOD: [&[&str]; 4] = [
    &["op_nopOpID", "op_name", "op_status"],
    &["Label", "Name", "Status"],
    &["What", "it", "is"],
    &["0000000001", "A", "Certified"],
];

#[test]
fn nothing_at_all() {
    assert_refused(b"", &["empty", "download it again"]);
    assert_refused(b"\xef\xbb\xbf \r\n\t", &["empty"]);
    assert_refused(&zip_of(&[("stream", b"")]), &["empty"]);
    assert_refused(b"<?xml version=\"1.0\"?>  <!-- nothing -->", &["empty"]);
}

#[test]
fn a_web_page() {
    for page in [
        "<!DOCTYPE html><html></html>",
        " \n<HTML><body>",
        "<?xml version=\"1.0\"?><html><p></p></html>",
    ] {
        assert_refused(page.as_bytes(), &["web page", "browser"]);
    }
}

#[test]
fn other_files() {
    assert_refused(
        b"op_nopOpID,op_name\n",
        &["begins with \"op_nopOpID", "expected an XLSX"],
    );
    assert_refused(
        &[0xd0, 0xcf, 0x11, 0xe0, 0xa1],
        &["old Excel workbook (.xls)", "save it as .xlsx"],
    );
    assert_refused(b"\x1f\x8b\x08", &["gzip"]);
    assert_refused(b"\xff\xfe<\0", &["UTF-16"]);
    assert_refused(
        &zip_of(&[("a.csv", b"1"), ("b.csv", b"2")]),
        &["a ZIP of 2 entries (a.csv, b.csv)"],
    );
    assert_refused(
        &zip_of(&[("a.xlsx", &workbook(&GOOD))]),
        &["a ZIP that holds a.xlsx", "unpack it first"],
    );
    assert_refused(&zip_of(&[("xl/workbook.bin", b"1")]), &["XLSB"]);
    let missing = collect(OidSource::from_path("/nowhere/at all")).unwrap_err();
    assert!(matches!(*missing.problem, OidProblem::Io(_)), "{missing}");
    assert!(missing.to_string().starts_with("/nowhere/at all: "));
    assert!(collect(OidSource::from_paths(Vec::<std::path::PathBuf>::new())).is_err());
}

#[test]
fn archives_that_are_cut_off_or_damaged() {
    let whole = workbook(&GOOD);
    assert!(collect(OidSource::from_bytes("file", &whole)).is_ok());
    for length in [2, 4, 30, whole.len() / 2, whole.len() - 1] {
        assert_refused(&whole[..length], &["cut off or damaged", "download it again"]);
    }
    let mut xml = String::from("<a><b>");
    for number in 0..1000 {
        xml.push_str(&format!(
            "<Operation><op_nopOpID>{number:010}</op_nopOpID><op_status>x</op_status></Operation>"
        ));
    }
    xml.push_str("</b></a>");
    let mut damaged = zip_of(&[("stream", xml.as_bytes())]);
    // In the middle of the packed bytes: either they cannot be unpacked, or the XML or the checksum is wrong.
    let middle = damaged.len() / 3;
    damaged[middle] ^= 0x55;
    refusal(&damaged);
}

#[test]
fn archives_packed_by_other_methods_or_with_a_password() {
    let download = zip_of(&[("stream", b"<a><b><Operation/></b></a>")]);
    let export = workbook(&GOOD);
    for (number, name) in [
        (9, "Deflate64"),
        (12, "bzip2"),
        (14, "LZMA"),
        (93, "Zstandard"),
        (95, "XZ"),
        (98, "PPMd"),
        (6, "Implode"),
        (20, "number 20"),
    ] {
        let says = format!("packed with {name}");
        let says = if number == 20 { "number 20" } else { says.as_str() };
        assert_refused(
            &with_headers(download.clone(), 8, number),
            &["stream in the ZIP", says, "unpack it"],
        );
        assert_refused(
            &with_headers(export.clone(), 8, number),
            &["xl/workbook.xml in the ZIP", says],
        );
    }
    for archive in [download, export] {
        assert_refused(&with_headers(archive, 6, 1), &["needs a password", "unpack it"]);
    }
}

#[test]
fn records_of_another_service_are_refused_once_by_their_fields() {
    let json = r#"{"Success": true, "Operations": [
        {"NOPOperationID": "2781234567", "OperationName": "A"},
        {"NOPOperationID": "2781234568", "NOPOperationStatus": "Certified"}]}"#;
    let xml = "<r xmlns:a=\"u\"><Operations><a:Operation><a:NOPOperationID>2781234567</a:NOPOperationID>\
        <a:OperationName>A</a:OperationName></a:Operation><a:Operation><a:NOPOperationStatus>Certified\
        </a:NOPOperationStatus></a:Operation></Operations></r>";
    for bytes in [json, xml] {
        let mut events = 0;
        let mut sink = |_| -> Result<(), Stopped> {
            events += 1;
            Ok(())
        };
        let error = read(OidSource::from_bytes("file", bytes.as_bytes()), &mut sink).unwrap_err();
        assert_eq!(
            error.to_string(),
            "file: no operation of the file has the field `op_nopOpID`; the fields that are there: NOPOperationID, \
             OperationName, NOPOperationStatus; names of an older or another service are not read: fetch the records \
             again with the technical names (`op_nopOpID`, …), or take the bulk download"
        );
        assert_eq!(events, 0, "not row by row");
    }
    let items = r#"{"success": true, "operations": [{"op_nopOpID": "0000000001", "op_status": "x"}],
        "items": [{"NopID": "0000000001"}]}"#;
    assert_refused(
        items.as_bytes(),
        &["no item of the file has the field `ci_nopOpID`", "NopID"],
    );
    // However many there are, they are not read to the end.
    let mut many = String::from(r#"{"operations": ["#);
    for number in 0..5_000 {
        many.push_str(&format!(r#"{{"f{number}": 1}},"#));
    }
    assert_refused(many.as_bytes(), &["f0, f1, ", "f19, and 980 more; "]);
}

#[test]
fn single_records_without_the_key_are_refused_alone() {
    for first in [r#"{"op_name": "A"}"#, r#"{"op_name": "A", "op_nopOpID": null}"#] {
        let json = format!(
            r#"{{"success": true, "operations": [{first}, {{"op_nopOpID": "0000000001", "op_status": "x"}}]}}"#
        );
        let content = collect(OidSource::from_bytes("file", json.as_bytes())).unwrap();
        assert_eq!((content.rows.len(), content.rejects.len()), (1, 1));
        assert_eq!(content.rejects[0].reject.record, 1);
        assert_eq!(content.rejects[0].reject.field.as_deref(), Some("op_nopOpID"));
    }
    // The next file of a content is another service's.
    let folder = tempfile::tempdir().unwrap();
    let paths = ["good.json", "other.json"].map(|name| folder.path().join(name));
    std::fs::write(
        &paths[0],
        r#"{"operations": [{"op_nopOpID": "0000000001", "op_status": "x"}]}"#,
    )
    .unwrap();
    std::fs::write(&paths[1], r#"{"operations": [{"NOPOperationID": "0000000002"}]}"#).unwrap();
    let error = collect(OidSource::from_paths(&paths)).unwrap_err().to_string();
    assert!(error.contains("other.json: no operation"), "{error}");
}

#[test]
fn workbooks_without_a_usable_header() {
    assert_refused(
        &workbook(&[&["Name", "ID"], &["A", "0000000001"]]),
        &["no header row", "\"Sheet1\"", "op_nopOpID"],
    );
    assert_refused(
        &workbook(&[&["Export"], &["nop_id", "op_name", "op_status", "op_email"]]),
        &[
            "\"Sheet1\", row 2",
            "`op_nopOpID` is missing",
            "nop_id, op_name, op_status, op_email",
        ],
    );
    assert_refused(
        &workbook(&[&["op_nopOpID", "op_name"], &["0000000001", "A"]]),
        &["`op_status` is missing"],
    );
    assert_refused(
        &workbook(&[
            &["op_nopOpID", "op_status", "x", "OP_STATUS "],
            &["0000000001", "A"],
        ]),
        &["row 1", "two columns are named `op_status` (B and D)"],
    );
    assert_refused(
        &workbook(&[&["ci_nopOpID", "ci_status"], &["0000000001", "A"]]),
        &["no header row"],
    );
}

#[test]
fn workbooks_whose_parts_are_damaged() {
    let sheet = "<worksheet><sheetData><row r=\"1\"><c t=\"s\"><v>4</v></c></row></sheetData></worksheet>";
    assert_refused(
        &workbook_of_parts("", sheet),
        &["cell A1", "shared string \"4\" of 0"],
    );
    assert_refused(&workbook_of_parts("", &sheet[..50]), &["cut off"]);
    assert_refused(
        &zip_of(&[(
            "xl/workbook.xml",
            b"<workbook><sheets><sheet name=\"S\"/></sheets></workbook>",
        )]),
        &["sheet \"S\"", "is missing"],
    );
    let not_text = [
        &b"<worksheet><sheetData><row><c t=\"str\"><v>op_\xff</v></c></row>"[..],
        b"</sheetData></worksheet>",
    ]
    .concat();
    let workbook = zip_of(&[
        (
            "xl/workbook.xml",
            b"<workbook><sheets><sheet name=\"S\"/></sheets></workbook>",
        ),
        ("xl/worksheets/sheet1.xml", &not_text),
    ]);
    assert_refused(&workbook, &["sheet1.xml, byte", "not UTF-8"]);
}

#[test]
fn xml_that_is_not_well_formed() {
    let head = "<a><b><Operation><op_nopOpID>0000000001</op_nopOpID><op_status>Certified</op_status>";
    assert_refused(head.as_bytes(), &["cut off inside <Operation>", "byte "]);
    assert_refused(format!("{head}</Operation></a>").as_bytes(), &["</a> ends <b>"]);
    assert_refused(format!("{head}<op_na").as_bytes(), &["cut off inside a tag"]);
    assert_refused(
        format!("{head}</Operation></b></a>text").as_bytes(),
        &["outside the root"],
    );
    assert_refused(
        format!("{head}</Operation></b></a><a/>").as_bytes(),
        &["second root"],
    );
    assert_refused(
        format!("{head}<x>&nbsp;</x>").as_bytes(),
        &["unknown entity `&nbsp;`"],
    );
    assert_refused(format!("{head}<x>&</x>").as_bytes(), &["`&`"]);
    assert_refused(format!("{head}< x>").as_bytes(), &["begins no tag"]);
    assert_refused(b"<a><!DOCTYPE x [<!ENTITY y \"z\">]></a>", &["document type"]);
    assert_refused(&[head.as_bytes(), b"<x>\xe9</x>"].concat(), &["not UTF-8"]);
    assert_refused(b"<feed><entry/></feed>", &["no <Operation>", "<feed>"]);
    assert_refused("<a>".repeat(100).as_bytes(), &["nested more than"]);
    assert_refused(
        format!("{head}<x>{}", "y".repeat(3 << 20)).as_bytes(),
        &["longer than 1048576 bytes"],
    );
    assert_refused(
        format!("<a><b x=\"{}", "> ' ".repeat(1 << 20)).as_bytes(),
        &["longer than 1048576 bytes"],
    );
    let plain = format!("\u{feff}{head}</Operation></b></a>");
    assert_eq!(
        collect(OidSource::from_bytes("file", plain.as_bytes()))
            .unwrap()
            .rows
            .len(),
        1
    );
}

#[test]
fn json_that_is_no_page() {
    assert_refused(
        b"{\"success\": false, \"errorMessage\": \"API key is over its limit\"}",
        &["API key is over its limit", "ask the service again"],
    );
    assert_refused(
        b"{\"operations\": null, \"errorMessage\": \"down\", \"success\": false}",
        &["\"down\""],
    );
    assert_refused(b"{\"success\": false}", &["no message"]);
    let page = "{\"success\": true,\n \"operations\": [{\"op_nopOpID\": \"0000000001\", \"op_status\": \"Certified\"}]}";
    assert!(collect(OidSource::from_bytes("file", page.as_bytes())).is_ok());
    for length in 1..page.len() {
        assert_refused(&page.as_bytes()[..length], &["JSON value 1", "cut off"]);
    }
    assert_refused(
        format!("{page} {{\"succ").as_bytes(),
        &["JSON value 2", "cut off"],
    );
    assert_refused(
        format!("{page}, {page}").as_bytes(),
        &["JSON value 2", "something else"],
    );
    assert_refused(
        b"{\"data\": [], \"count\": 3}",
        &["without `operations`", "data, count"],
    );
    assert_refused(b"{\"operations\": 7}", &["a list of operations"]);
    assert_refused(b"[[{}]]", &["a list inside"]);
    assert_refused(b"[7]", &["a page"]);
    assert_refused(
        b"{\"operations\": [{\"op_name\": \"\xff\"}]}",
        &["JSON value 1, line 1"],
    );
    assert_refused("[".repeat(100_000).as_bytes(), &["JSON value 1"]);
    assert_refused(
        format!("{{\"operations\": [{{\"x\": {}", "[".repeat(100_000)).as_bytes(),
        &["recursion"],
    );
}

#[test]
fn several_files_must_be_pages() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page");
    std::fs::write(&page, "{\"success\": true, \"operations\": []}").unwrap();
    let other = folder.path().join("workbook");
    std::fs::write(&other, workbook(&GOOD)).unwrap();
    assert!(collect(OidSource::from_paths([&page, &page])).is_ok());
    let error = collect(OidSource::from_paths([&page, &other])).unwrap_err();
    assert!(
        error.to_string().contains("is an XLSX workbook; import it alone"),
        "{error}"
    );
    assert!(detect(&page).is_ok() && detect(&other).is_ok());
}

#[test]
fn the_sink_can_stop_the_read() {
    let bytes = workbook(&GOOD);
    let mut sink = |_: OidEvent| -> Result<(), Stopped> { Err("too many refused rows".into()) };
    let error = read(OidSource::from_bytes("file", &bytes), &mut sink).unwrap_err();
    assert!(matches!(*error.problem, OidProblem::Stopped(_)));
    assert!(error.to_string().contains("too many refused rows"));
    let page = b"{\"operations\": [{\"op_nopOpID\": \"A\"}]}";
    let error = read(OidSource::from_bytes("file", page), &mut sink).unwrap_err();
    assert!(matches!(*error.problem, OidProblem::Stopped(_)));
}
