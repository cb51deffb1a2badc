//! Cargo releases, record by record (FORMATS §2).

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

fn header(action: &str, number: &str) -> String {
    record(
        "SE10",
        &[
            (5, action),
            (6, "B76"),
            (11, number),
            (20, "01"),
            (22, "EI"),
            (25, "12-345678900"),
            (50, "2704"),
        ],
    )
}

fn pg01() -> String {
    record("PG01", &[(5, "001"), (8, "AMSOR"), (14, "OR2")])
}

fn head() -> Vec<String> {
    vec![
        header("A", "03245278"),
        record("SE11", &[(6, "061025"), (12, "1234")]),
        record("SE15", &[(5, "M")]),
        record("SE16", &[(5, "MAEU")]),
        record("SE16", &[(14, "060925")]),
        record("SE30", &[(5, "SE")]),
        record("SE40", &[(5, "  1"), (8, "EC"), (11, "ORGANIC GOODS")]),
        record("SE60", &[(5, "0804400020"), (15, "000012345")]),
        record("SE61", &[]),
    ]
}

fn other_entry() -> Vec<String> {
    vec![
        header("U", "03245286"),
        record("SE40", &[(5, "007")]),
        record("SE60", &[(5, "0902101015")]),
        pg01(),
    ]
}

fn events(records: &[String]) -> Vec<EntryEvent> {
    read_entries(Form::Auto, records.join("\n").as_bytes()).unwrap()
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
        pg01(),
        record("PG14", &[(5, "1"), (6, "AM1"), (9, "480-4805453341-000042")]),
        record("PG14", &[(5, "1"), (6, "AM1"), (9, "480-4805453341-000043")]),
        record("PG19", &[(5, "IM"), (8, "NOP"), (11, "8023222048")]),
        record("PG25", &[(15, "4"), (16, "L-1")]),
        record("PG29", &[(5, "KG"), (8, "     1313800")]),
    ]);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        lines(&records),
        [EntryLine {
            entry_number: "B7603245278".into(),
            line_number: 1,
            pga_line_number: Some(1),
            entry_date: text("2025-06-10"),
            arrival_date: text("2025-06-09"),
            importer_of_record: text("12-345678900"),
            importer_nop_id: text("8023222048"),
            hts_code: text("0804400020"),
            description: text("ORGANIC GOODS"),
            message_set: text("OR2"),
            certificate_number: text("480-4805453341-000042"),
            further_certificate_numbers: vec!["480-4805453341-000043".into()],
            net_weight_kg: text("13138"),
            lots: vec!["L-1".into()],
            country_of_origin: text("EC"),
            port_of_entry: text("2704"),
            ..EntryLine::default()
        }]
    );
}

#[test]
fn actions_lines_without_message_set_and_several_tariffs() {
    assert_eq!(lines(&other_entry())[0].entry_action.as_deref(), Some("REPLACE"));
    let deleted = events(&[header("D", "03245278")]);
    assert!(
        matches!(&deleted[..], [EntryEvent::Deleted { entry_number, .. }] if entry_number == "B7603245278")
    );
    let mut records = head();
    records[7] = record("SE60", &[(5, "9903012500")]);
    records.push(record("SE60", &[(5, "0804400020")]));
    records.push(record("OI", &[(11, "AVOCADOS")]));
    let line = lines(&records).remove(0);
    assert_eq!(line.message_set.as_deref(), Some("NONE"));
    assert_eq!(line.hts_code.as_deref(), Some("0804400020"));
    assert_eq!(line.description.as_deref(), Some("AVOCADOS"));
    assert_eq!(line.net_weight_kg, None);
    let mut records = head();
    records.extend([pg01(), record("SE60", &[(5, "0902101015")]), pg01()]);
    let numbers: Vec<_> = lines(&records).iter().map(|line| line.pga_line_number).collect();
    assert_eq!(numbers, [Some(1), Some(1001)]);
}

#[test]
fn a_record_that_cannot_be_read_refuses_its_entry_alone() {
    let without = |at: usize| {
        let mut records = head();
        records.remove(at);
        records
    };
    let replaced = |at: usize, range: std::ops::Range<usize>, with: &str| {
        let mut records = head();
        records[at].replace_range(range, with);
        records
    };
    let added = |record: &str| [head(), vec![record.to_owned()]].concat();
    for (bad, number, position) in [
        (without(6), 7, 1),
        (added("PG14"), 10, 1),
        (added("PGX1"), 10, 1),
        (added("SEX1"), 10, 1),
        (added("40  001"), 10, 1),
        (replaced(0, 4..5, "X"), 1, 5),
        (replaced(1, 5..11, " 61025"), 2, 6),
        (replaced(4, 13..19, "JUNE10"), 5, 14),
        (replaced(6, 4..7, "000"), 7, 5),
        (replaced(6, 4..7, "   "), 7, 5),
        (replaced(6, 79..80, "  "), 7, 81),
    ] {
        let reject = refusal(&bad);
        assert_eq!(
            (reject.record, reject.position),
            (number, Some(position)),
            "{reject}"
        );
        assert_eq!(reject.key.as_deref(), Some("B7603245278"), "{reject}");
        assert!(reject.reason.contains("from its SE10"), "{reject}");
    }
    // Without its SE10 an entry is reported once.
    let events = events(&[head()[6..].to_vec(), other_entry()].concat());
    assert!(
        matches!(&events[..], [EntryEvent::Reject(_), EntryEvent::Line { .. }]),
        "{events:?}"
    );
    // Six digits that are no date are left to the rules.
    let line = lines(&replaced(1, 5..11, "139925")).remove(0);
    assert_eq!(line.entry_date.as_deref(), Some("139925"));
    let reject = refusal(&head()[..6]);
    assert!(reject.reason.contains("nothing was found to judge"), "{reject}");
}

#[test]
fn the_header_says_what_the_records_are() {
    let summary = vec![
        record("10AB76", &[(9, "03245278")]),
        record("11", &[]),
        record("SE16", &[(14, "NODATE")]),
        header("A", "03245294"),
        record("40", &[(5, "001")]),
        record("SE40", &[(5, "009")]),
        record("50", &[(3, "0902101015")]),
    ];
    let batch = |application: &str| vec![record("A2704ABCSECRET061025", &[(26, application)])];
    let block = |application: &str| vec![record("B  0901B76", &[(11, application)])];
    // What certifies a summary for cargo release is passed over there.
    for records in [
        summary.clone(),
        [batch("AE"), summary.clone()].concat(),
        [batch("  "), block("AE"), summary.clone()].concat(),
    ] {
        let read = lines(&records);
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].line_number, read[0].arrival_date.as_deref()), (1, None));
    }
    for records in [
        other_entry(),
        [batch("SE"), block("SE"), other_entry(), vec![record("Y", &[])]].concat(),
        [block("SE"), other_entry()].concat(),
    ] {
        assert_eq!(lines(&records)[0].line_number, 7);
    }
    // Bare entries say each what they are; a block may follow one of the other kind.
    let both = [
        summary.clone(),
        vec![record("90", &[])],
        other_entry(),
        summary.clone(),
    ]
    .concat();
    let numbers: Vec<_> = lines(&both).iter().map(|line| line.line_number).collect();
    assert_eq!(numbers, [1, 7, 1]);
    let both = [
        batch("AE"),
        block("AE"),
        summary.clone(),
        block("SE"),
        other_entry(),
    ]
    .concat();
    assert_eq!(lines(&both).len(), 2);
    // A release behind the totals of a summary is none of its records, even where the headers know of summaries alone.
    let both = [
        block("AE"),
        summary.clone(),
        vec![record("90", &[])],
        other_entry(),
        summary.clone(),
    ]
    .concat();
    assert_eq!(lines(&both).len(), 3);
    assert_eq!(lines(&[block("AE"), other_entry()].concat()).len(), 1);
    // Nor is a summary among releases lost, or a release behind it.
    let bare = summary
        .into_iter()
        .filter(|record| !record.starts_with("SE"))
        .collect();
    let mixed = [block("SE"), other_entry(), bare, other_entry()].concat();
    let numbers: Vec<_> = lines(&mixed).iter().map(|line| line.line_number).collect();
    assert_eq!(numbers, [7, 1, 7]);
}
