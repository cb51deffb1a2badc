//! ABI transmissions, record by record (FORMATS §2).

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use nopic_domain::entry::EntryLine;
use nopic_formats::Reject;
use nopic_formats::entries::{EntryEvent, Form, read_entries};

/// A record with texts at their positions.
fn record(tag: &str, fields: &[(usize, &str)]) -> String {
    let mut record = format!("{tag:<80}");
    for (position, text) in fields {
        record.replace_range(position - 1..position - 1 + text.len(), text);
    }
    record
}

/// A good entry up to and with its `40` and `50`.
fn head() -> Vec<String> {
    vec![
        record("10AB76", &[(9, "03245278"), (18, "2704")]),
        record("11", &[(3, "12-345678900"), (42, "061025")]),
        record("20", &[(11, "061025")]),
        record(
            "40",
            &[(5, "001"), (9, "ECMX"), (13, "060225"), (42, "0000013139")],
        ),
        record("44", &[(3, "ORGANIC GOODS")]),
        record("50", &[(3, "0804400020"), (36, "000000001050"), (48, "KG")]),
    ]
}

fn pg01() -> String {
    record("PG01", &[(5, "001"), (8, "AMSOR"), (14, "OR2")])
}

fn other_entry() -> Vec<String> {
    vec![
        record("10RB76", &[(9, "03245286")]),
        record("11", &[]),
        record("40", &[(5, "007")]),
        record("50", &[(3, "0902101015")]),
        pg01(),
        record("90", &[]),
    ]
}

fn events(records: &[String]) -> Vec<EntryEvent> {
    read_entries(Form::Abi, records.join("\n").as_bytes()).unwrap()
}

fn lines(records: &[String]) -> Vec<EntryLine> {
    events(records)
        .into_iter()
        .map(|event| match event {
            EntryEvent::Line { line, .. } => line,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Of a bad entry and a good one behind it: the refusal of the one; the other must be read.
fn refusal(bad: &[String]) -> Reject {
    let mut events = events(&[bad, &other_entry()].concat());
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(
        matches!(events.pop(), Some(EntryEvent::Line { line, .. }) if line.entry_number == "B7603245286")
    );
    match events.pop() {
        Some(EntryEvent::Reject(reject)) => reject,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_field_comes_from_its_place() {
    let mut records = head();
    records.extend([
        record("OI", &[(11, "HASS AVOCADOS")]),
        pg01(),
        record("PG10", &[(24, "avocado")]),
        record(
            "PG14",
            &[(9, "480-4805453341-000042"), (51, "0000000225239011"), (67, "KG")],
        ),
        record("PG19", &[(5, "IM"), (8, "NOP"), (11, "802322204")]),
        record("PG19", &[(5, "UC"), (8, "NOP"), (11, "8023222048")]),
        record("PG19", &[(5, "EX"), (8, "NOP"), (11, "4805453341")]),
        record("PG25", &[(15, "4"), (16, "L-1")]),
        record("PG25", &[(15, "4"), (16, "LOTE 3")]),
    ]);
    let line = lines(&records).remove(0);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        line,
        EntryLine {
            entry_number: "B7603245278".into(),
            line_number: 1,
            pga_line_number: Some(1),
            entry_date: text("2025-06-10"),
            arrival_date: text("2025-06-10"),
            export_date: text("2025-06-02"),
            importer_of_record: text("12-345678900"),
            importer_nop_id: text("8023222048"),
            exporter_nop_id: text("4805453341"),
            hts_code: text("0804400020"),
            description: text("HASS AVOCADOS"),
            message_set: text("OR2"),
            certificate_number: text("480-4805453341-000042"),
            net_weight_kg: text("22523.9011"),
            lots: vec!["L-1".into(), "LOTE 3".into()],
            country_of_origin: text("EC"),
            country_of_export: text("MX"),
            port_of_entry: text("2704"),
            ..EntryLine::default()
        }
    );
}

#[test]
fn the_net_weight_has_an_order_of_places() {
    let weight = |under: &[String]| {
        let mut records = head();
        records.push(pg01());
        records.extend_from_slice(under);
        lines(&records).remove(0).net_weight_kg
    };
    let pg14 =
        |number: &str, quantity: &str, unit: &str| record("PG14", &[(9, number), (51, quantity), (67, unit)]);
    let pg26 = |quantity: &str, unit: &str| record("PG26", &[(5, "1"), (6, quantity), (18, unit)]);
    let pg29 = |unit: &str, quantity: &str| record("PG29", &[(5, unit), (8, quantity)]);
    assert_eq!(weight(&[]).as_deref(), Some("10.5"));
    assert_eq!(
        weight(&[
            pg26("000000000100", "KG"),
            pg26("000000000200", "KG"),
            pg26("000000000300", "CT")
        ])
        .as_deref(),
        Some("2")
    );
    let first = pg14("", "0000000000030000", "KG");
    let own = pg14("480-4805453341-000042", "0000000000040000", "KG");
    assert_eq!(
        weight(&[pg26("000000000100", "KG"), first.clone()]).as_deref(),
        Some("3")
    );
    assert_eq!(weight(&[first.clone(), own.clone()]).as_deref(), Some("4"));
    let unitless = pg14("480-4805453341-000042", "0000000000040000", "");
    assert_eq!(weight(&[first.clone(), unitless]).as_deref(), Some("3"));
    assert_eq!(
        weight(&[
            own.clone(),
            pg29("KG", "000000000500"),
            pg29("KG", "000000000600")
        ])
        .as_deref(),
        Some("5")
    );
    // Unused is not zero.
    assert_eq!(weight(&[pg29("KG", ""), own.clone()]).as_deref(), Some("4"));
    assert_eq!(weight(&[pg29("KG", "000000000000"), own]).as_deref(), Some("0"));
}

#[test]
fn a_blank_processing_code_is_or2_only_with_a_disclaimer() {
    for (disclaimer, expected) in [("A", "OR2"), (" ", "BLANK")] {
        let mut records = head();
        records.push(record("PG01", &[(5, "001"), (8, "AMSOR"), (80, disclaimer)]));
        assert_eq!(lines(&records)[0].message_set.as_deref(), Some(expected));
    }
}

#[test]
fn a_line_without_message_set_takes_its_first_ordinary_tariff() {
    let mut records = head();
    records.truncate(5);
    records.extend([
        record("50", &[(3, "9903012500"), (36, "000000000900"), (48, "KG")]),
        record("50", &[(3, "0804400020"), (36, "000000001050"), (48, "KG")]),
        record("OI", &[(11, "AVOCADOS")]),
        record("PG01", &[(5, "001"), (8, "FDAFOO")]),
        record("PG29", &[(5, "KG"), (8, "000000000100")]),
        record("50", &[(3, "0902101015")]),
        record("40", &[(5, "002")]),
        record("50", &[(3, "9802000000")]),
        record("50", &[(3, "9903012500")]),
        record("40", &[(5, "003")]),
    ]);
    let lines = lines(&records);
    let shown: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line.line_number,
                line.hts_code.as_deref(),
                line.net_weight_kg.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (1, Some("0804400020"), Some("10.5")),
            (2, Some("9802000000"), None),
            (3, None, None)
        ]
    );
    assert!(
        lines
            .iter()
            .all(|line| line.message_set.as_deref() == Some("NONE"))
    );
    assert_eq!(lines[0].description.as_deref(), Some("AVOCADOS"));
}

#[test]
fn several_message_sets_of_one_line_are_several_lines() {
    let mut records = head();
    records.extend([
        pg01(),
        record("PG14", &[(9, "ONE")]),
        record("PG01", &[(5, "002"), (8, "AMSOR"), (14, "OR1")]),
        record("50", &[(3, "0902101015")]),
        record("PG01", &[(5, "003"), (8, "AMSMO")]),
        record("PG14", &[(9, "OTHER")]),
    ]);
    let lines = lines(&records);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].certificate_number.as_deref(), Some("ONE"));
    assert_eq!(
        (lines[1].pga_line_number, lines[1].certificate_number.as_deref()),
        (Some(2), None)
    );
}

#[test]
fn actions_are_kept_and_a_deleted_entry_has_no_lines() {
    let mut records = head();
    records[0].replace_range(2..3, "D");
    assert_eq!(
        events(&[records, other_entry()].concat())[0],
        EntryEvent::Deleted {
            record: 1,
            entry_number: "B7603245278".into()
        }
    );
    assert_eq!(lines(&other_entry())[0].entry_action.as_deref(), Some("REPLACE"));
}

#[test]
fn dates_that_are_none_are_left_to_the_rules() {
    let mut records = head();
    records[1].replace_range(41..47, "023024");
    records[3].replace_range(12..18, "      ");
    let line = &lines(&records)[0];
    assert_eq!(line.entry_date.as_deref(), Some("023024"));
    assert_eq!(line.export_date, None);
}

#[test]
fn short_records_blank_lines_and_windows_line_ends_are_read() {
    let text: String = head()
        .iter()
        .map(|record| format!("{}\r\n\r\n", record.trim_end()))
        .collect();
    let events = read_entries(Form::Auto, text.as_bytes()).unwrap();
    assert!(
        matches!(&events[..], [EntryEvent::Line { record: 7, .. }]),
        "{events:?}"
    );
    // A record of 79 characters is padded.
    let mut records = head();
    records[0].pop();
    assert_eq!(lines(&records).len(), 1);
}

#[test]
fn a_record_that_cannot_be_read_refuses_its_entry_alone() {
    let inserted = |at: usize, record: String| {
        let mut records = head();
        records.insert(at, record);
        records
    };
    let replaced = |at: usize, range: std::ops::Range<usize>, with: &str| {
        let mut records = head();
        records[at].replace_range(range, with);
        records
    };
    for (bad, number, position) in [
        (replaced(5, 79..80, "  "), 6, Some(81)),
        (replaced(4, 5..6, "\u{7}"), 5, Some(6)),
        (replaced(4, 5..7, "é"), 5, Some(6)),
        (inserted(6, "XX".into()), 7, Some(1)),
        (inserted(6, "PGX1".into()), 7, Some(1)),
        (inserted(4, "BAD RECORD".into()), 5, Some(1)),
        (inserted(4, "ZZ".into()), 5, Some(1)),
        (inserted(6, record("PG14", &[])), 7, Some(1)),
        (replaced(0, 2..3, "X"), 1, Some(3)),
        (replaced(0, 2..3, " "), 1, Some(3)),
        (replaced(1, 41..47, "0610 5"), 2, Some(46)),
        (replaced(2, 10..16, "JUNE10"), 3, Some(11)),
        (replaced(3, 4..7, "000"), 4, Some(5)),
        (replaced(3, 4..7, "   "), 4, Some(5)),
        (replaced(3, 41..51, "13139     "), 4, Some(47)),
        (replaced(5, 35..47, "00000000105O"), 6, Some(47)),
        (
            inserted(6, record("PG01", &[(5, "000"), (8, "AMSOR")])),
            7,
            Some(5),
        ),
        ([head(), vec!["9".repeat(81)]].concat(), 7, Some(81)),
    ] {
        let reject = refusal(&bad);
        assert_eq!((reject.record, reject.position), (number, position), "{reject}");
        assert_eq!(reject.key.as_deref(), Some("B7603245278"), "{reject}");
    }
    // Out of order: a 40 without 11, a 50 without 40. No other order is insisted on.
    let without = |at: usize| {
        let mut records = head();
        records.remove(at);
        records
    };
    assert_eq!(refusal(&without(1)).record, 3);
    let mut bare = head();
    bare.drain(3..5);
    assert_eq!(refusal(&bare).record, 4);
    let mut late = head();
    let arrival = late.remove(2);
    late.push(arrival);
    late.push(record("11", &[(3, "OTHER"), (48, "060825")]));
    let line = lines(&late).remove(0);
    assert_eq!(line.arrival_date.as_deref(), Some("2025-06-10"));
    assert_eq!(line.importation_date.as_deref(), Some("2025-06-08"));
    assert_eq!(line.importer_of_record.as_deref(), Some("12-345678900"));
}

#[test]
fn records_outside_an_entry_are_refused_alone() {
    let text = [
        vec!["B  2704AB\u{1}AE".to_owned(), "junk".to_owned()],
        other_entry(),
    ]
    .concat();
    let events = read_entries(Form::Abi, text.join("\n").as_bytes()).unwrap();
    assert!(
        matches!(
            &events[..],
            [EntryEvent::Reject(one), EntryEvent::Reject(two), EntryEvent::Line { .. }]
                if one.record == 1 && two.record == 2 && one.key.is_none()
        ),
        "{events:?}"
    );
    // The records of an entry whose 10 is lost are reported once.
    let events = self::events(&[head()[3..].to_vec(), other_entry()].concat());
    assert!(
        matches!(&events[..], [EntryEvent::Reject(_), EntryEvent::Line { .. }]),
        "{events:?}"
    );
    // A bad trailer does not take the entry before it along.
    let events = self::events(&[other_entry(), vec!["Y ".repeat(41)]].concat());
    assert!(
        matches!(&events[..], [EntryEvent::Line { .. }, EntryEvent::Reject(_)]),
        "{events:?}"
    );
}

#[test]
fn the_password_is_never_shown() {
    for header in [
        "A2704ABCSECRET112124     AE",
        "A2704ABCSECRETSECRET     AE",
        "A2704ABC      SECRET     AE",
        "A2704ABCSECRET\u{1}12124     AE",
        "a2704ABCSECRET112124     AE",
        "A2704ABCSECRET112124     AE                                                                  ",
    ] {
        for form in [Form::Auto, Form::Abi, Form::Csv, Form::Jsonl] {
            let text = [vec![header.to_owned()], other_entry()].concat().join("\n");
            let shown = match read_entries(form, text.as_bytes()) {
                Ok(events) => format!("{events:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(!shown.contains("SECRE"), "{shown}");
        }
    }
}

#[test]
fn an_entry_is_bounded() {
    let with_lines = |count: usize| {
        let mut records = head();
        records.truncate(3);
        records.extend((0..count).map(|_| record("40", &[(5, "001")])));
        [records, other_entry()].concat()
    };
    assert_eq!(events(&with_lines(10_000)).len(), 10_001);
    let events = events(&with_lines(10_001));
    assert!(
        matches!(&events[..], [EntryEvent::Reject(reject), EntryEvent::Line { .. }] if reject.key.is_some()),
        "{}",
        events.len()
    );
}

#[test]
fn the_fields_of_the_revised_form_are_read() {
    let mut records = head();
    records[1] = record("11", &[(48, "060925")]);
    records[2] = record("20", &[]);
    records.insert(3, record("20", &[(11, "060825")]));
    records.insert(4, record("20", &[(11, "060725")]));
    records[5].replace_range(7..8, "X");
    records.extend([
        pg01(),
        record("PG14", &[(5, "1"), (6, "AM1")]),
        record("PG14", &[(5, "1"), (6, "AM1"), (9, "ONE")]),
        record("PG14", &[(5, "2"), (6, "AM1"), (9, "TWO")]),
        record("PG14", &[(5, "2"), (6, "AM4"), (9, "OTHER")]),
        record("PG14", &[(5, "2"), (9, "THREE")]),
        record("PG14", &[(5, "2"), (6, "AM1"), (9, "ONE")]),
    ]);
    let line = lines(&records).remove(0);
    assert_eq!(line.entry_date, None);
    assert_eq!(line.importation_date.as_deref(), Some("2025-06-09"));
    assert_eq!(line.arrival_date.as_deref(), Some("2025-06-08"));
    assert_eq!(line.article_set.as_deref(), Some("X"));
    assert_eq!(line.certificate_number.as_deref(), Some("ONE"));
    assert_eq!(line.further_certificate_numbers, ["TWO", "THREE"]);
}

#[test]
fn the_digit_of_a_processing_code_is_the_code() {
    for (code, expected) in [
        ("1", "OR1"),
        (" 1", "OR1"),
        ("  2", "OR2"),
        ("2", "OR2"),
        ("OR1", "OR1"),
        ("3", "3"),
    ] {
        let mut records = head();
        records.push(record("PG01", &[(5, "001"), (8, "AMSOR"), (14, code)]));
        assert_eq!(
            lines(&records)[0].message_set.as_deref(),
            Some(expected),
            "{code}"
        );
    }
}

#[test]
fn leading_spaces_of_a_number_are_zeros_and_of_a_date_are_wrong() {
    let mut records = head();
    records[3] = record("40", &[(5, "  1"), (9, "ECMX"), (42, "     13139")]);
    records[5] = record("50", &[(3, "0804400020"), (36, "        1050"), (48, "KG")]);
    records.push(record("PG01", &[(5, " 12"), (8, "AMSOR"), (14, "OR2")]));
    let line = lines(&records).remove(0);
    assert_eq!((line.line_number, line.pga_line_number), (1, Some(12)));
    assert_eq!(line.net_weight_kg.as_deref(), Some("10.5"));
    for (at, from) in [(1, 42), (1, 48), (2, 11), (3, 13)] {
        let mut records = head();
        records[at].replace_range(from - 1..from + 5, " 61025");
        assert_eq!(refusal(&records).position, Some(from as u64));
    }
    let mut records = head();
    records[3].replace_range(4..7, "  0");
    assert_eq!(refusal(&records).field.as_deref(), Some("line"));
}

#[test]
fn numbers_that_begin_anew_are_raised_by_their_tariff_record() {
    let numbered = |number: &str| record("PG01", &[(5, number), (8, "AMSOR"), (14, "OR2")]);
    let tariff = || record("50", &[(3, "0804400020")]);
    let mut records = head();
    records.extend([
        numbered("001"),
        numbered("002"),
        tariff(),
        record("PG01", &[(5, "001"), (8, "FDAFOO")]),
        numbered("003"),
        tariff(),
        numbered(""),
        numbered("002"),
        numbered("004"),
        tariff(),
        numbered("004"),
        record("40", &[(5, "002")]),
        tariff(),
        numbered("001"),
    ]);
    let numbers: Vec<_> = lines(&records)
        .iter()
        .map(|line| (line.line_number, line.pga_line_number))
        .collect();
    assert_eq!(
        numbers,
        [
            (1, Some(1)),
            (1, Some(2)),
            (1, Some(3)),
            (1, Some(2001)),
            (1, Some(2002)),
            (1, Some(4)),
            (1, Some(3004)),
            (2, Some(1)),
        ]
    );
}

#[test]
fn an_entry_or_a_file_without_lines_is_named() {
    let reject = refusal(&head()[..1]);
    assert_eq!((reject.record, reject.key.as_deref()), (1, Some("B7603245278")));
    assert!(reject.reason.contains("nothing was found to judge"), "{reject}");
    let envelope = [record("A2704ABC", &[(26, "AE")]), record("Z", &[])].join("\n");
    for form in [Form::Auto, Form::Abi] {
        let error = read_entries(form, envelope.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("nothing was found to judge"), "{error}");
    }
    // One that cancels has nothing to judge, and says what it does.
    let events = events(&[record("10DB76", &[(9, "03245278")])]);
    assert!(matches!(&events[..], [EntryEvent::Deleted { .. }]));
}
