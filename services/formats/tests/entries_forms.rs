//! CSV and JSON lines: what is refused, what is not, and that bad neighbours do no harm.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use nopic_formats::Reject;
use nopic_formats::certificates::read_certificates;
use nopic_formats::entries::{EntryEvent, EntryFileError, EntryReader, Form, read_entries};
use nopic_formats::table::HeaderError;

fn one(form: Form, text: &str) -> Result<nopic_domain::entry::EntryLine, Reject> {
    match read_entries(form, text.as_bytes()).unwrap().remove(0) {
        EntryEvent::Line { line, .. } => Ok(line),
        EntryEvent::Reject(reject) => Err(reject),
        other @ EntryEvent::Deleted { .. } => panic!("{other:?}"),
    }
}

/// What became of each record: its number, and whether it was read.
fn outcomes(events: &[EntryEvent]) -> Vec<(u64, bool)> {
    events
        .iter()
        .map(|event| match event {
            EntryEvent::Line { record, .. } => (*record, true),
            EntryEvent::Reject(reject) => (reject.record, false),
            EntryEvent::Deleted { record, .. } => (*record, true),
        })
        .collect()
}

#[test]
fn an_object_is_held_to_its_form() {
    for (text, field) in [
        (
            r#"{"entryNumber":"B7603245278","lineNumber":1,"htscode":"x"}"#,
            "htscode",
        ),
        (
            r#"{"entryNumber":"B7603245278","lineNumber":1,"lineNumber":1}"#,
            "lineNumber",
        ),
        (
            r#"{"entryNumber":"B7603245278","lineNumber":1,"line_number":1}"#,
            "line_number",
        ),
        (r#"{"entryNumber":"B7603245278","lineNumber":1.0}"#, "lineNumber"),
        (r#"{"entryNumber":"B7603245278","lineNumber":"1"}"#, "lineNumber"),
        (r#"{"entryNumber":"B7603245278","lineNumber":0}"#, "lineNumber"),
        (r#"{"entryNumber":"B7603245278","lineNumber":-1}"#, "lineNumber"),
        (
            r#"{"entryNumber":"B7603245278","lineNumber":4294967296}"#,
            "lineNumber",
        ),
        (
            r#"{"entryNumber":"B7603245278","lineNumber":1,"pgaLineNumber":0}"#,
            "pgaLineNumber",
        ),
        (
            r#"{"entryNumber":"B7603245278","lineNumber":1,"pgaLineNumber":true}"#,
            "pgaLineNumber",
        ),
        (r#"{"entryNumber":"B7603245278","lineNumber":null}"#, "lineNumber"),
        (r#"{"lineNumber":1}"#, "entryNumber"),
        (r#"{"entryNumber":null,"lineNumber":1}"#, "entryNumber"),
        ("{\"entryNumber\":\" \u{3000}\",\"lineNumber\":1}", "entryNumber"),
        (r#"{"entryNumber":7,"lineNumber":1}"#, "entryNumber"),
        (
            r#"{"entryNumber":"B7603245278","lineNumber":1,"netWeightKg":5}"#,
            "netWeightKg",
        ),
        (
            r#"{"entryNumber":"B7603245278","lineNumber":1,"organicClaim":"true"}"#,
            "organicClaim",
        ),
        (
            r#"{"entryNumber":"B7603245278","lineNumber":1,"lots":"L-1"}"#,
            "lots",
        ),
        (
            r#"{"entryNumber":"B7603245278","lineNumber":1,"lots":[null]}"#,
            "lots[0]",
        ),
        (
            r#"{"entryNumber":"B7603245278","lineNumber":1,"treatment":[]}"#,
            "treatment",
        ),
        (
            r#"{"entryNumber":"B7603245278","lineNumber":1,"treatment":{"x":true}}"#,
            "treatment.x",
        ),
        (
            r#"{"entryNumber":"B7603245278","lineNumber":1,"treatment":{"irradiated":1}}"#,
            "treatment.irradiated",
        ),
        (
            r#"{"entryNumber":"B7603245278","lineNumber":1,"treatment":{"prohibitedSubstance":true,"prohibited_substance":true}}"#,
            "treatment.prohibited_substance",
        ),
    ] {
        let reject = one(Form::Jsonl, text).unwrap_err();
        assert_eq!(reject.field.as_deref(), Some(field), "{text}: {reject}");
    }
    let reject = one(
        Form::Auto,
        r#"{"entryNumber":"B7603245278","lineNumber":1,"htscode":"x"}"#,
    )
    .unwrap_err();
    assert!(reject.reason.contains("was htsCode meant?"), "{reject}");
    assert_eq!(reject.key.as_deref(), Some("B7603245278"));
    for text in [
        "[]",
        "null",
        "1",
        "\"x\"",
        "{",
        "{}x",
        "nonsense",
        r#"{"entryNumber":"\ud800"}"#,
    ] {
        assert!(one(Form::Jsonl, text).is_err(), "{text}");
    }
}

#[test]
fn null_is_absence_and_both_spellings_are_read() {
    let line = one(
        Form::Auto,
        r#"{"entry_number":"B76-0324527-8","line_number":2,"pgaLineNumber":null,"lots":null,"treatment":{"verified":null},"hts_code":"0804","organicClaim":false}"#,
    )
    .unwrap();
    assert_eq!(
        (line.line_number, line.pga_line_number, line.treatment),
        (2, None, None)
    );
    assert_eq!(
        (line.hts_code.as_deref(), line.organic_claim),
        (Some("0804"), Some(false))
    );
    assert!(line.lots.is_empty());
}

#[test]
fn a_line_of_ten_megabytes_is_refused_and_its_neighbours_are_read() {
    let good = r#"{"entryNumber":"B7603245278","lineNumber":1}"#;
    let long = format!(r#"{{"entryNumber":"{}"}}"#, "9".repeat(10 << 20));
    let events = read_entries(Form::Auto, format!("{good}\n{long}\n{good}").as_bytes()).unwrap();
    assert_eq!(outcomes(&events), [(1, true), (2, false), (3, true)]);
    let long = "9".repeat(10 << 20);
    let csv = format!("entryNumber,lineNumber\nB7603245278,1\n\"{long}\n{long}\",1\nB7603245278,1\n");
    let events = read_entries(Form::Auto, csv.as_bytes()).unwrap();
    assert_eq!(outcomes(&events), [(2, true), (3, false), (4, false), (5, true)]);
    let abi = format!("10AB76  03245278\n11\n40  001\n{long}\n10AB76  03245278\n11\n40  001\n");
    let events = read_entries(Form::Auto, abi.as_bytes()).unwrap();
    assert_eq!(outcomes(&events), [(4, false), (7, true)]);
}

#[test]
fn csv_cells_may_be_quoted() {
    let text = "\u{feff}lineNumber,\"entry_number\",description,lots,verified,organicClaim\r\n\
                1,B7603245278,\"Tea, \"\"green\"\"\r\nloose\",L-1;LOTE 3,TRUE,False\r\n\
                \r\n\
                2,B7603245278,,,,\r\n";
    let events = read_entries(Form::Auto, text.as_bytes()).unwrap();
    assert_eq!(outcomes(&events), [(2, true), (5, true)]);
    let EntryEvent::Line { line, .. } = &events[0] else {
        panic!()
    };
    assert_eq!(line.description.as_deref(), Some("Tea, \"green\"\r\nloose"));
    assert_eq!(line.lots, ["L-1", "LOTE 3"]);
    assert_eq!(
        line.treatment.and_then(|treatment| treatment.verified),
        Some(true)
    );
    assert_eq!(line.organic_claim, Some(false));
    let EntryEvent::Line { line, .. } = &events[1] else {
        panic!()
    };
    assert_eq!((line.treatment, line.description.as_deref()), (None, None));
}

#[test]
fn a_csv_row_is_held_to_its_header() {
    let header = "entryNumber,lineNumber,pgaLineNumber,organicClaim,irradiated,description";
    for (row, field) in [
        ("B7603245278,1,1,true,true", None),
        ("B7603245278,1,1,true,true,x,y", None),
        ("B7603245278,x,1,true,true,x", Some("lineNumber")),
        ("B7603245278,0,1,true,true,x", Some("lineNumber")),
        ("B7603245278,1.0,1,true,true,x", Some("lineNumber")),
        ("B7603245278,+1,1,true,true,x", Some("lineNumber")),
        ("B7603245278,,1,true,true,x", Some("lineNumber")),
        (" ,1,1,true,true,x", Some("entryNumber")),
        ("B7603245278,1,4294967296,true,true,x", Some("pgaLineNumber")),
        ("B7603245278,1,1,yes,true,x", Some("organicClaim")),
        ("B7603245278,1,1,true,1,x", Some("irradiated")),
    ] {
        let text = format!("{header}\n{row}\nB7603245278,2,,,,\n");
        let events = read_entries(Form::Auto, text.as_bytes()).unwrap();
        assert_eq!(outcomes(&events), [(2, false), (3, true)], "{row}");
        let EntryEvent::Reject(reject) = &events[0] else {
            panic!()
        };
        assert_eq!(reject.field.as_deref(), field, "{reject}");
    }
    let text = [header.as_bytes(), b"\nB7603245278,1,,,,\xff\nB7603245278,2,,,,\n"].concat();
    assert_eq!(
        outcomes(&read_entries(Form::Auto, &text).unwrap()),
        [(2, false), (3, true)]
    );
}

#[test]
fn an_unclosed_quote_costs_its_own_row_only() {
    let text =
        "entryNumber,lineNumber,description\nB7603245278,1,\"tea\nB7603245278,2,tea\nB7603245278,3,tea\n";
    let events = read_entries(Form::Auto, text.as_bytes()).unwrap();
    assert_eq!(outcomes(&events), [(2, false), (3, true), (4, true)]);
    let many = "B7603245278,2,tea\n".repeat(1000);
    let events = read_entries(Form::Auto, format!("{text}{many}").as_bytes()).unwrap();
    assert_eq!(events.len(), 1003);
}

#[test]
fn a_csv_header_must_be_usable() {
    let error = |header: &str, form| read_entries(form, format!("{header}\nx,1\n").as_bytes()).unwrap_err();
    let shown = |header: &str| error(header, Form::Auto).to_string();
    assert!(shown("entryNumber,lineNumber,htscod").contains("was htsCode meant?"));
    assert!(shown("entryNumber,lineNumber,htscod").contains("emergencyActionNotice"));
    assert!(shown("entryNumber,lineNumber,entry_number").contains("stands twice"));
    assert!(shown("entryNumber,htsCode").contains("lineNumber is missing"));
    assert!(shown("htsCode,lineNumber").contains("entryNumber is missing"));
    assert!(shown("entryNumber|lineNumber").contains("vertical bars"));
    for header in ["one,two", "\"entryNumber,lineNumber"] {
        let error = error(header, Form::Csv);
        assert!(
            matches!(error, EntryFileError::Header(HeaderError::NoHeader { .. })),
            "{error}"
        );
    }
    let error = error("entryNumber,lineNumber,treatment", Form::Csv);
    assert!(matches!(
        error,
        EntryFileError::Header(HeaderError::UnknownColumn { .. })
    ));
}

#[test]
fn what_a_spreadsheet_saves_is_read() {
    let row = "B7603245278,1,0804400020";
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain("entryNumber\tlineNumber\thtsCode\r\nB7603245278\t1\t0804400020\r\n".encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let header = "entryNumber,lineNumber,htsCode";
    for text in [
        format!("sep=,\r\n{header}\r\n{row}\r\n").into_bytes(),
        format!("\"sep=;\"\n{header}\n{row}\n")
            .replace(',', ";")
            .into_bytes(),
        format!("{header}\n{row}\n").replace(',', ";").into_bytes(),
        format!("{header}\n{row}\n").replace(',', "\t").into_bytes(),
        utf16,
        format!("\u{feff}{header}\r\n{row}\r\n").into_bytes(),
        format!("{header}\r{row}\r").into_bytes(),
        format!("ENTRY_NUMBER,Line_Number,HTSCODE\n{row}\n").into_bytes(),
        format!("{header},,\n{row},,\n").into_bytes(),
        format!("{header}\n{row},,\n").into_bytes(),
        format!("{header},\n{row}\n").into_bytes(),
        format!("{header}\n,,\n{row}\n,,\n , ,\n").into_bytes(),
        format!(",,\n{header}\n{row}\n").into_bytes(),
        format!("{header}\r\n{row}\r\n\u{1a}").into_bytes(),
    ] {
        let events = read_entries(Form::Auto, &text).unwrap();
        let [EntryEvent::Line { line, .. }] = &events[..] else {
            panic!("{} {events:?}", String::from_utf8_lossy(&text));
        };
        assert_eq!(line.hts_code.as_deref(), Some("0804400020"));
    }
    // A value under no name is not passed over.
    let text = format!("{header},,\n{row},,x\n");
    let events = read_entries(Form::Auto, text.as_bytes()).unwrap();
    let [EntryEvent::Reject(reject)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((reject.position, reject.value.as_str()), (Some(5), "x"));
}

#[test]
fn dates_of_a_spreadsheet_are_dates_in_their_columns_alone() {
    let text = "entryNumber,lineNumber,entryDate,importationDate,arrivalDate,exportDate,description\n\
                B7603245278,1,6/1/2025,06/01/2025,13/1/2025,6/1/25,6/1/2025\n";
    let line = one(Form::Auto, text).unwrap();
    let shown = |text: &Option<String>| text.clone().unwrap_or_default();
    assert_eq!(shown(&line.entry_date), "2025-06-01");
    assert_eq!(shown(&line.importation_date), "2025-06-01");
    assert_eq!(shown(&line.arrival_date), "13/1/2025");
    assert_eq!(shown(&line.export_date), "6/1/25");
    assert_eq!(shown(&line.description), "6/1/2025");
}

#[test]
fn a_table_without_its_header_is_never_taken_for_abi() {
    let shown = |text: &str| read_entries(Form::Auto, text.as_bytes()).unwrap_err().to_string();
    let row = "B7675618741,1,2025-06-10,0802210000,NONE,A\n";
    let error = shown(&format!(
        "Organic entries June,,,,,\nentryNumber,lineNumber,entryDate,htsCode,messageSet,disclaimerCode\n{row}"
    ));
    assert!(error.contains("row 2 looks like the header"), "{error}");
    let error = shown(&format!("Organic entries June\n\nentryNumber,lineNumber\n{row}"));
    assert!(error.contains("row 3 looks like the header"), "{error}");
    let error = shown(&format!(
        "Entry Number,Line Number,Entry Date,HTS Code,Set,Code\n{row}"
    ));
    assert!(
        error.contains("write \"entryNumber\" for \"Entry Number\"")
            && error.contains("emergencyActionNotice"),
        "{error}"
    );
    for text in [
        row.repeat(100),
        format!("Invoice,Line,Date,Code,Set,Disclaimer\n{}", row.repeat(100)),
        "A2375618741,1,2025061000,0802210000\n".to_owned(),
        "10A12345678,1,2025-06-10\n".to_owned(),
    ] {
        let error = shown(&text);
        assert!(error.contains("the first row must name the columns"), "{error}");
    }
}

#[test]
fn content_of_another_kind_is_recognised() {
    for (text, found) in [
        (
            "number,status,certifierId,htsCode,lots\nx,y,z,1,\n",
            "certificates",
        ),
        (
            r#"{"number":"304-3049499569-000002","status":"ISSUED","certifierId":"304"}"#,
            "certificates",
        ),
        (
            "hts,flag,from,to\n0709510110,AM7,2026-02-01,\n",
            "nopic flags import",
        ),
        (r#"{"success":true,"operations":[]}"#, "nopic registry import"),
    ] {
        let error = read_entries(Form::Auto, text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
    let entry = |text: &str| {
        let error = read_certificates(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("nopic entry validate"), "{error}");
    };
    entry("entryNumber,lineNumber,htsCode,lots\nB7603245278,1,0804400020,\n");
    entry(r#"{"entryNumber":"B7603245278","lineNumber":1}"#);
    entry("10AB76  03245278 0901\n11\n");
    entry("SE10AB76  03245278 0901\n");
    // A table with no row at all is named as well.
    let error = read_entries(Form::Auto, b"entryNumber,lineNumber\n,\n").unwrap_err();
    assert!(matches!(error, EntryFileError::NothingToJudge { .. }), "{error}");
}

#[test]
fn an_error_of_the_whole_file_stays() {
    let mut reader = EntryReader::new(Form::Auto);
    let mut out = Vec::new();
    assert!(reader.push(b"<html>\n", &mut out).is_err());
    assert!(
        reader
            .push(b"{\"entryNumber\":\"B7603245278\",\"lineNumber\":1}\n", &mut out)
            .is_err()
    );
    assert!(reader.finish(&mut out).is_err());
    assert!(out.is_empty());
}
