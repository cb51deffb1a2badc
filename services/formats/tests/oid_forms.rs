//! The three forms of the Organic INTEGRITY Database: what is read, and what is the same in all of them.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod oid_support;

use nopic_domain::date::parse_iso;
use nopic_domain::registry::{Scope, Status};
use nopic_formats::oid::{Fields, OidEvent, OidForm, OidSource, Stopped, read};
use oid_support::{Content, cases, collect, workbook, workbook_of_parts, zip_of};
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};

#[test]
fn the_three_forms_of_the_cases_hold_the_same_operations() {
    let Some(folder) = cases() else { return };
    let xlsx = collect(OidSource::from_path(
        folder.join("INTEGRITY_Export_20240301.xlsx"),
    ))
    .unwrap();
    let xml = collect(OidSource::from_path(folder.join("operations-2024-09-30.zip"))).unwrap();
    let json = collect(OidSource::from_path(folder.join("operations-2026-03-01.json"))).unwrap();
    for (content, form, published) in [
        (&xlsx, OidForm::Xlsx, "2024-03-01"),
        (&xml, OidForm::Xml, "2024-09-30"),
        (&json, OidForm::Json, "2026-03-01"),
    ] {
        assert_eq!(content.summary.form, form);
        assert_eq!(content.rejects, [], "{form:?}");
        assert_eq!(content.summary.rejected_rows + content.summary.rejected_items, 0);
        assert_eq!(content.summary.rows, content.rows.len() as u64);
        assert_eq!(content.summary.latest_pub_date, parse_iso(published), "{form:?}");
    }
    // Counted by other means: rows under the labels, <Operation> elements, elements of the list.
    assert_eq!(
        (xlsx.rows.len(), xml.rows.len(), json.rows.len()),
        (219, 218, 229)
    );
    assert_eq!(xml.summary.items, 50);
    // Operations that did not change between the snapshots have the same hash in all forms.
    let same = |left: &Content, right: &Content| {
        left.rows
            .iter()
            .filter(|row| {
                right.rows.iter().any(|other| {
                    other.nop_id == row.nop_id && other.fields.content_hash() == row.fields.content_hash()
                })
            })
            .count()
    };
    assert!(same(&xlsx, &xml) > xlsx.rows.len() / 2);
    assert!(same(&xml, &json) > xml.rows.len() / 2);
}

const XML: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<PublicData><Operations>\
    <Operation><op_nopOpID>0123456789</op_nopOpID><op_name>Société &amp; S&#xf6;hne</op_name>\
    <op_otherNames>dba Sun; ; Moon </op_otherNames><op_status>certified</op_status>\
    <op_statusEffectiveDate>2020-02-14T00:00:00</op_statusEffectiveDate><opSC_CR>False</opSC_CR>\
    <opSC_HANDLING>True</opSC_HANDLING><opSC_HANDLING_ED>2/15/2020</opSC_HANDLING_ED><opSC_LS />\
    <opPA_country/><opMA_country>Peru</opMA_country><op_phone>5551234567</op_phone>\
    <Han_CertifiedProducts><![CDATA[tea <green> & oats]]></Han_CertifiedProducts>\
    <opEx_broker>False</opEx_broker><op_extra>kept</op_extra><op_nested><a>1</a><b/></op_nested>\
    <Pub_Date>9/30/2024</Pub_Date><op_certifierName>Tilia</op_certifierName></Operation></Operations>\
    <Items><Item><ci_nopOpID>0123456789</ci_nopOpID><ci_statusEffectiveDate>1/2/2020</ci_statusEffectiveDate></Item>\
    <Item><ci_nopOpID>12</ci_nopOpID></Item></Items></PublicData>";

const JSON: &str = "{\"success\": true, \"operations\": [{\"op_name\": \"Société & Söhne\", \"op_nopOpID\": 123456789,\
    \"op_otherNames\": \"dba Sun; ; Moon \", \"op_status\": \"certified\", \"op_statusEffectiveDate\": \"2020-02-14\",\
    \"opSC_CR\": false, \"opSC_HANDLING\": true, \"opSC_HANDLING_ED\": 43876, \"opSC_LS\": null, \"opPA_country\": \"\",\
    \"opMA_country\": \"Peru\", \"op_phone\": 5551234567, \"Han_CertifiedProducts\": \"tea <green> & oats\",\
    \"opEx_broker\": \"False\", \"op_extra\": \"kept\", \"op_nested\": \"<a>1</a><b/>\", \"Pub_Date\": \"2024-09-30\",\
    \"op_certifierName\": \"Tilia\"}]}";

fn xlsx_of_the_same() -> Vec<u8> {
    let mut workbook = Workbook::new();
    let notes = workbook.add_worksheet();
    notes
        .set_name("Notes")
        .unwrap()
        .write_string(0, 0, "Read me")
        .unwrap();
    let sheet = workbook.add_worksheet();
    sheet
        .write_string(0, 0, "Organic INTEGRITY Database export")
        .unwrap();
    let date = Format::new().set_num_format("m/d/yyyy");
    let names = [
        "Cert_name",
        "OP_NOPOPID ",
        "op_name",
        "op_otherNames",
        "op_status",
        "op_statusEffectiveDate",
        "opSC_CR",
        "opSC_HANDLING",
        "opSC_HANDLING_ED",
        "opMA_country",
        "op_phone",
        "Han_CertifiedProducts",
        "opEx_broker",
        "op_extra",
        "op_nested",
        "Pub_Date",
    ];
    for (column, name) in (0u16..).zip(names) {
        sheet.write_string(2, column, name).unwrap();
        sheet.write_string(3, column, format!("Label {name}")).unwrap();
        sheet
            .write_string(4, column, format!("Description {name}"))
            .unwrap();
    }
    sheet.write_string(6, 0, "Tilia").unwrap();
    sheet.write_number(6, 1, 123_456_789.0).unwrap();
    sheet.write_string(6, 2, "Société & Söhne").unwrap();
    sheet.write_string(6, 3, "dba Sun; ; Moon ").unwrap();
    sheet.write_string(6, 4, "certified").unwrap();
    let day = ExcelDateTime::from_ymd(2020, 2, 14).unwrap();
    sheet.write_datetime_with_format(6, 5, &day, &date).unwrap();
    sheet.write_boolean(6, 6, false).unwrap();
    sheet.write_boolean(6, 7, true).unwrap();
    sheet.write_string(6, 8, "2020-02-15").unwrap();
    sheet.write_string(6, 9, "Peru").unwrap();
    sheet.write_number(6, 10, 5_551_234_567.0).unwrap();
    sheet
        .write_formula(
            6,
            11,
            Formula::new("=HYPERLINK(\"a\")").set_result("tea <green> & oats"),
        )
        .unwrap();
    sheet.write_string(6, 12, "False").unwrap();
    sheet.write_string(6, 13, "kept").unwrap();
    sheet.write_string(6, 14, "<a>1</a><b/>").unwrap();
    let published = ExcelDateTime::from_ymd(2024, 9, 30).unwrap();
    sheet
        .write_datetime_with_format(6, 15, &published, &date)
        .unwrap();
    workbook.save_to_buffer().unwrap()
}

#[test]
fn the_same_operation_is_the_same_in_every_form() {
    let zip = zip_of(&[("stream", XML.as_bytes())]);
    let xlsx = xlsx_of_the_same();
    let contents = [
        collect(OidSource::from_bytes("plain", XML.as_bytes())).unwrap(),
        collect(OidSource::from_bytes("zip", &zip)).unwrap(),
        collect(OidSource::from_bytes("json", JSON.as_bytes())).unwrap(),
        collect(OidSource::from_bytes("xlsx", &xlsx)).unwrap(),
    ];
    for content in &contents {
        let form = content.summary.form;
        let [row] = content.rows.as_slice() else {
            panic!("{form:?}: {content:?}")
        };
        assert_eq!(row.nop_id.to_string(), "0123456789");
        assert_eq!(row.name, "Société & Söhne");
        assert_eq!(row.other_names, ["dba Sun", "Moon"]);
        assert_eq!((row.certifier.as_str(), row.country.as_str()), ("Tilia", "Peru"));
        assert_eq!(row.statement.status.status, Status::Certified);
        assert_eq!(row.statement.status.from, parse_iso("2020-02-14"));
        let handling = row.statement.scopes[Scope::Handling as usize].as_ref().unwrap();
        assert_eq!(handling.from, parse_iso("2020-02-15"), "{form:?}");
        assert_eq!(handling.status, Status::Certified);
        assert_ne!(
            row.statement.scopes[Scope::Crops as usize]
                .as_ref()
                .unwrap()
                .status,
            Status::Certified
        );
        assert_eq!(row.statement.scopes[Scope::Livestock as usize], None);
        assert_eq!(row.published, parse_iso("2024-09-30"));
        assert_eq!(row.fields.get("OP_statuseffectivedate"), Some("2020-02-14"));
        assert_eq!(row.fields.get("Pub_Date"), None);
        assert_eq!(row.fields.get("op_extra"), Some("kept"));
        assert_eq!(row.fields.products(), "tea <green> & oats");
        assert_eq!(Fields::from_bytes(row.fields.as_bytes()).unwrap(), row.fields);
        let first = &contents[0].rows[0].fields;
        assert_eq!(
            row.fields.content_hash(),
            first.content_hash(),
            "{:?}\n{first:?}",
            row.fields
        );
    }
    assert_eq!(contents[3].rows[0].record, 7);
    assert_eq!(contents[3].summary.other_sheets, ["Notes"]);
    let xml = &contents[0];
    assert_eq!(
        (
            xml.summary.items,
            xml.summary.rejected_items,
            xml.summary.rejected_rows
        ),
        (1, 1, 0)
    );
    assert_eq!(
        xml.items[0].fields.get("ci_statusEffectiveDate"),
        Some("2020-01-02")
    );
    assert_eq!(xml.rejects[0].reject.record, 2);
    assert_eq!(xml.rejects[0].reject.field.as_deref(), Some("ci_nopOpID"));
}

#[test]
fn rows_that_cannot_be_read_are_refused_and_their_neighbours_are_not() {
    let xlsx = workbook(&[
        &[
            "op_nopOpID",
            "op_name",
            "op_status",
            "op_statusEffectiveDate",
            "opSC_CR",
            "opSC_CR_ED",
            "",
        ],
        &["Label", "Name", "Status", "", "", "", ""],
        &["10 digits", "Text", "", "", "", "", ""],
        &["0000000001", "good", "Certified", "", "", "", "unnamed"],
        &["", "", "", "", "", "", ""],
        &["123", "short", "Certified", "", "", "", ""],
        &["0000000002", "bad date", "Certified", "2/30/2020", "", "", ""],
        &["0000000003", "bad scope date", "Certified", "", "", "soon", ""],
        &["0000000004", "no status", " ", "", "", "", ""],
        &["0000000005", "strange status", "#N/A", "", "#N/A", "", ""],
        &[" 0000000001 ", "again", "Revoked", "1/1/2020", "", "", ""],
    ]);
    let content = collect(OidSource::from_bytes("x", &xlsx)).unwrap();
    let rows: Vec<_> = content
        .rows
        .iter()
        .map(|row| (row.record, row.name.as_str()))
        .collect();
    assert_eq!(rows, [(4, "good"), (10, "strange status"), (11, "again")]);
    let rejects: Vec<String> = content
        .rejects
        .iter()
        .map(|reject| reject.reject.to_string())
        .collect();
    assert_eq!(
        rejects,
        [
            "record 6, op_nopOpID: \"123\": is not a NOP operation ID of 10 digits",
            "record 7, op_statusEffectiveDate (0000000002): \"2/30/2020\": is no date: write M/D/YYYY or YYYY-MM-DD, or leave it blank",
            "record 8, opSC_CR_ED (0000000003): \"soon\": is no date: write M/D/YYYY or YYYY-MM-DD, or leave it blank",
            "record 9, op_status (0000000004): is empty: every operation needs a status",
        ]
    );
    assert_eq!(content.rejects[1].nop_id, "0000000002".parse().ok());
    assert_eq!(content.summary.rejected_rows, 4);
    assert_eq!(
        content.rows[1].statement.status.status,
        Status::Other("#N/A".into())
    );
    assert_eq!(
        content.rows[1].statement.scopes[0].as_ref().unwrap().status,
        Status::Other("#N/A".into())
    );
}

#[test]
fn operations_and_products_on_separate_sheets() {
    let mut workbook = Workbook::new();
    let products = workbook.add_worksheet();
    for (row, cells) in (0u32..).zip([
        ["ci_nopOpID", "ci_itemList"],
        ["0000000001", "tea"],
        ["x", "oats"],
        ["y", "rye"],
    ]) {
        products.write_row(row, 0, cells).unwrap();
    }
    let operations = workbook.add_worksheet();
    for (row, cells) in (0u32..).zip([["op_status", "op_nopOpID"], ["Certified", "0000000001"]]) {
        operations.write_row(row, 0, cells).unwrap();
    }
    let bytes = workbook.save_to_buffer().unwrap();
    let content = collect(OidSource::from_bytes("x", &bytes)).unwrap();
    // The two rows under a header may be labels; the third is refused.
    assert_eq!((content.summary.rows, content.summary.items), (1, 1));
    assert_eq!(
        (content.summary.rejected_rows, content.summary.rejected_items),
        (0, 1)
    );
}

#[test]
fn workbooks_that_count_from_1904_and_hold_inline_strings() {
    let sheet = "<worksheet><sheetData><row><c t=\"inlineStr\"><is><t>op_nopOpID</t></is></c>\
        <c t=\"inlineStr\"><is><r><t>op_</t></r><r><t>status</t></r></is></c>\
        <c t=\"inlineStr\"><is><t>op_statusEffectiveDate</t></is></c></row>\
        <row><c t=\"str\"><v>0000000001</v></c><c t=\"str\"><v>Certified</v></c><c><v>41109</v></c></row>\
        </sheetData></worksheet>";
    let bytes = workbook_of_parts("<workbookPr date1904=\"1\"/>", sheet);
    let content = collect(OidSource::from_bytes("x", &bytes)).unwrap();
    assert_eq!(content.rows[0].statement.status.from, parse_iso("2016-07-20"));
    assert_eq!(
        content.rows[0].fields.get("op_statusEffectiveDate"),
        Some("2016-07-20")
    );
}

#[test]
fn only_the_workbook_itself_says_from_which_year_dates_count() {
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const STRICT: &str = "http://purl.oclc.org/ooxml/spreadsheetml/main";
    let sheet = "<worksheet><sheetData><row><c t=\"str\"><v>op_nopOpID</v></c><c t=\"str\"><v>op_status</v></c>\
        <c t=\"str\"><v>op_statusEffectiveDate</v></c></row><row><c t=\"str\"><v>0000000001</v></c>\
        <c t=\"str\"><v>Certified</v></c><c><v>42383</v></c></row></sheetData></worksheet>";
    let extension = |attribute: &str| {
        format!(
            "<extLst><ext xmlns:x15=\"http://schemas.microsoft.com/office/spreadsheetml/2010/11/main\">\
             <x15:workbookPr {attribute}/><workbookPr date1904=\"1\"/>\
             <x15:sheet name=\"no sheet\" r:id=\"rId9\"/></ext></extLst>"
        )
    };
    let sheets = "<sheets><sheet name=\"S\" r:id=\"rId1\"/></sheets>";
    let plain = |own: &str, attribute: &str| {
        format!(
            "<workbook xmlns=\"{MAIN}\">{own}{sheets}{}</workbook>",
            extension(attribute)
        )
    };
    let cases = [
        (
            plain("<workbookPr date1904=\"1\"/>", "chartTrackingRefBase=\"1\""),
            "2020-01-15",
        ),
        (
            plain("<workbookPr date1904=\" true \"/>", "date1904=\"0\""),
            "2020-01-15",
        ),
        (plain("<workbookPr/>", "date1904=\"1\""), "2016-01-14"),
        (
            plain("<workbookPr date1904=\"0\"/>", "date1904=\"1\""),
            "2016-01-14",
        ),
        (plain("", "date1904=\"1\""), "2016-01-14"),
        (
            plain("<workbookPr xmlns:o=\"other\" o:date1904=\"1\"/>", ""),
            "2016-01-14",
        ),
        (
            plain("<workbookPr xmlns=\"other\" date1904=\"1\"/>", ""),
            "2016-01-14",
        ),
        (
            format!(
                "<x:workbook xmlns:x=\"{STRICT}\"><x:workbookPr date1904=\"1\"/><x:sheets>\
                 <x:sheet name=\"S\" r:id=\"rId1\"/></x:sheets></x:workbook>"
            ),
            "2020-01-15",
        ),
    ];
    for (workbook, expected) in cases {
        let bytes = zip_of(&[
            ("xl/workbook.xml", workbook.as_bytes()),
            ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
        ]);
        let content = collect(OidSource::from_bytes("x", &bytes)).unwrap();
        assert_eq!(
            content.rows[0].statement.status.from,
            parse_iso(expected),
            "{workbook}"
        );
    }
}

#[test]
fn rows_above_and_labels_below_the_header_are_no_operations() {
    let bytes = workbook(&[
        &["Organic INTEGRITY Database"],
        &["", "Published 6/1/2025"],
        // Some technical names, but not the key: no header row yet.
        &["Columns:", "op_name", "op_status", "opPA_country"],
        &[" OP_STATUS", "Op_Name ", "op_NOPopid"],
        &["Status", "Name", "Operation ID"],
        &["Certified", "B", "123456789"],
        &["Certified", "C", "0000000003"],
        &["Certified", "D", "123"],
    ]);
    let content = collect(OidSource::from_bytes("x", &bytes)).unwrap();
    assert_eq!(content.summary.columns, ["op_status", "op_name", "op_nopOpID"]);
    let ids: Vec<String> = content.rows.iter().map(|row| row.nop_id.to_string()).collect();
    assert_eq!(ids, ["0000000003"]);
    // The third row under the header is data, whatever it holds.
    let refused: Vec<u64> = content
        .rejects
        .iter()
        .map(|reject| reject.reject.record)
        .collect();
    assert_eq!(refused, [8]);
    // Each of the two rows is judged by itself: one that has a key is an operation.
    let bytes = workbook(&[
        &["op_nopOpID", "op_status"],
        &["0000000001", "Certified"],
        &["Operation ID", "Status"],
        &["0000000002", "Certified"],
    ]);
    let content = collect(OidSource::from_bytes("x", &bytes)).unwrap();
    assert_eq!((content.rows.len(), content.rejects.len()), (2, 0));
}

#[test]
fn fields_may_have_a_prefix() {
    let xml = "<r xmlns:a=\"u\"><l><a:Operation><a:OP_NOPOPID>0000000001</a:OP_NOPOPID>\
        <a:op_status>Certified</a:op_status></a:Operation></l></r>";
    let content = collect(OidSource::from_bytes("x", xml.as_bytes())).unwrap();
    assert_eq!(content.summary.columns, ["op_nopOpID", "op_status"]);
    assert_eq!(content.rows.len(), 1);
}

#[test]
fn a_source_can_be_read_in_another_thread() {
    let bytes = workbook(&[
        &["op_nopOpID", "op_status"],
        &["0000000001", "Certified"],
        &["0000000002", "Revoked"],
    ]);
    let source = OidSource::from_bytes("x", &bytes);
    let (sender, receiver) = std::sync::mpsc::sync_channel::<OidEvent>(1);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut sink = |event| -> Result<(), Stopped> { Ok(sender.send(event)?) };
            read(source, &mut sink).map(|summary| summary.rows)
        });
        assert_eq!(receiver.iter().count(), 2);
        assert_eq!(reader.join().unwrap().unwrap(), 2);
    });
}

#[test]
fn pages_in_every_arrangement() {
    let page = |id: u8| {
        format!(
            "{{\"operations\": [{{\"op_nopOpID\": \"000000000{id}\", \"op_status\": \"Certified\"}}], \"success\": true}}"
        )
    };
    let list = format!(" [{}, {}]\n{}\r\n", page(1), page(2), page(3));
    let content = collect(OidSource::from_bytes("x", list.as_bytes())).unwrap();
    assert_eq!(
        content.rows.iter().map(|row| row.record).collect::<Vec<_>>(),
        [1, 2, 3]
    );

    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (4..6)
        .map(|id| {
            let path = folder.path().join(format!("{id}.json"));
            std::fs::write(&path, page(id)).unwrap();
            path
        })
        .collect();
    let content = collect(OidSource::from_paths(paths)).unwrap();
    assert_eq!(
        content
            .rows
            .iter()
            .map(|row| (row.part, row.record))
            .collect::<Vec<_>>(),
        [(0, 1), (1, 1)]
    );

    let strange = "{\"success\": true, \"operations\": [7, null, \"x\", [1, [2]], {}, \
        {\"op_nopOpID\": \"0000000001\", \"op_status\": \"Certified\", \"items\": [{\"a\": [1, null]}]}]}";
    let content = collect(OidSource::from_bytes("x", strange.as_bytes())).unwrap();
    assert_eq!(content.summary.rejected_rows, 4);
    assert_eq!(content.rows[0].fields.get("items"), Some("[{\"a\":[1,null]}]"));
    let empty = collect(OidSource::from_bytes(
        "x",
        b"{\"success\": true, \"operations\": []}",
    ))
    .unwrap();
    assert_eq!(empty.summary.rows, 0);
}
