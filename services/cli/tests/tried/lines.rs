//! Files of entry lines.

use serde_json::Value;

use crate::support::Place;
use crate::{in_the_common_world, text, tried};

/// Every verdict that was printed.
fn verdicts(printed: &str) -> Vec<Value> {
    printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn codes(verdict: &Value) -> Vec<&str> {
    let findings = verdict["findings"].as_array().map_or(&[][..], Vec::as_slice);
    findings
        .iter()
        .filter_map(|finding| finding["code"].as_str())
        .collect()
}

/// One record of 80 characters: its tag, and texts from their positions on.
fn record(tag: &str, texts: &[(usize, &str)]) -> String {
    let mut record = format!("{tag:<80}");
    for (position, text) in texts {
        record.replace_range(position - 1..position - 1 + text.len(), text);
    }
    record.push('\n');
    record
}

#[test]
fn the_header_of_an_article_set_needs_no_message_set() {
    // A line of its own kind for each: the set as a whole, and what is in it.
    let line = |number: &str, indicator: &str| {
        record("40", &[(5, number), (8, indicator), (9, "EC"), (11, "EC")])
            + &record(
                "50",
                &[(3, "0901110015"), (25, "0000001000"), (36, "000000010000KG ")],
            )
    };
    let entry = [
        record("10A", &[(4, "B76"), (9, "03245278"), (18, "2704"), (34, "01")]),
        record("11", &[(42, "031026")]),
        line("001", "X"),
        line("002", "V"),
        record("90", &[]),
    ]
    .concat();
    for place in [Some(Place::new()), in_the_common_world()].into_iter().flatten() {
        place.file("set.abi", &entry);
        let ended = place.run(&["entry", "validate", "set.abi", "--output", "jsonl"]);
        assert_eq!(ended.status, 1, "{ended:?}");
        let verdicts = verdicts(&ended.out);
        assert_eq!(verdicts.len(), 2, "{ended:?}");
        assert_eq!(codes(&verdicts[0]), [""; 0]);
        assert_eq!(verdicts[0]["verdict"], "ACCEPT");
        assert_eq!(codes(&verdicts[1]), ["PGA_DATA_MISSING"]);
    }
}

#[test]
fn codes_that_no_tariff_has_are_said() {
    let (Some(folder), Some(report)) = (
        tried("tried/10-unknown-tariff-code"),
        tried("data/hts_pga_report.csv"),
    ) else {
        return;
    };
    for place in [Some(Place::new()), in_the_common_world()].into_iter().flatten() {
        place.done(&["flags", "import", text(&report)]);
        let file = folder.join("unknown.csv");
        let ended = place.run(&["entry", "validate", text(&file), "--output", "jsonl"]);
        let verdicts = verdicts(&ended.out);
        assert_eq!(verdicts.len(), 4, "{ended:?}");
        for verdict in &verdicts {
            assert!(codes(verdict).contains(&"HTS_NOT_IN_TARIFF"), "{verdict}");
        }
    }
}

#[test]
fn a_character_that_nobody_sees_is_named_with_its_place() {
    let place = Place::new();
    let number = "012-0120000001-000001";
    let mut lines = String::new();
    let cases = [
        ('\u{200b}', 5),
        ('\u{feff}', 1),
        ('\u{2060}', 22),
        ('\u{ad}', 4),
        ('\u{30fc}', 15),
    ];
    for (index, (character, at)) in cases.into_iter().enumerate() {
        let mut filed = number.to_owned();
        filed.insert(at - 1, character);
        let line = serde_json::json!({
            "entryNumber": "B7600000015", "lineNumber": index + 1, "entryDate": "2026-03-05",
            "htsCode": "0901110015", "messageSet": "OR2", "certificateNumber": filed,
        });
        lines.push_str(&format!("{line}\n"));
    }
    // In place of the dash that it looks like.
    let line = serde_json::json!({
        "entryNumber": "B7600000015", "lineNumber": 6, "entryDate": "2026-03-05", "htsCode": "0901110015",
        "messageSet": "OR2", "certificateNumber": "012\u{30fc}0120000001-000001",
    });
    lines.push_str(&format!("{line}\n"));
    place.file("odd.jsonl", lines);
    let ended = place.run(&["entry", "validate", "odd.jsonl", "--output", "jsonl"]);
    let verdicts = verdicts(&ended.out);
    assert_eq!(verdicts.len(), 6, "{ended:?}");
    let message = |verdict: &Value| {
        assert_eq!(codes(verdict)[0], "CERTIFICATE_NUMBER_MALFORMED");
        verdict["findings"][0]["message"].as_str().unwrap().to_owned()
    };
    for ((character, at), verdict) in cases.into_iter().zip(&verdicts) {
        let said = message(verdict);
        let named = format!("character {at} is U+{:04X}", u32::from(character));
        assert!(said.contains(&named), "{named}: {said}");
        assert!(said.contains(&format!("\"{number}\"")), "{said}");
    }
    let said = message(&verdicts[5]);
    assert!(said.contains("character 4 is U+30FC"), "{said}");
    assert!(said.contains("\"0120120000001-000001\""), "{said}");
}

/// An entry of so many lines.
fn long(lines: u32, certificate: &str, weight: &str, of: &str) -> String {
    (1..=lines)
        .map(|number| {
            format!(
                "{{\"entryNumber\":\"{of}\",\"lineNumber\":{number},\"entryDate\":\"2026-03-10\",\"htsCode\":\"0901110015\",\
                 \"messageSet\":\"OR2\",\"certificateNumber\":\"{certificate}\",\"netWeightKg\":\"{weight}\"}}\n"
            )
        })
        .collect()
}

#[test]
fn lines_past_the_ten_thousandth_are_refused_by_name() {
    let place = Place::of_any_filing_day();
    place.file(
        "certificate.jsonl",
        r#"{"number":"012-0120000001-000001","status":"ISSUED","certifierId":"012","exporterNopId":"0120000001","importerNopId":"0990000001","product":"Coffee","htsCode":"0901110015","kind":"TIME_FRAME","issuedOn":"2025-01-01","validFrom":"2025-01-02","validTo":"2026-12-31","totalWeightKg":"59716.099"}"#,
    );
    place.done(&["certificate", "import", "certificate.jsonl"]);
    place.file(
        "long.jsonl",
        long(10_500, "012-0120000001-000001", "5.8", "B7600000015"),
    );
    let ended = place.run(&["entry", "validate", "long.jsonl", "--output", "jsonl"]);
    assert_eq!(ended.status, 1, "{}", ended.said);
    let verdicts = verdicts(&ended.out);
    assert_eq!(verdicts.len(), 10_000);
    // 10,000 lines of 5.8 kg are 58,000 kg: none of them is counted anew, and none of those behind.
    for verdict in &verdicts {
        assert!(
            !codes(verdict).contains(&"CERTIFICATE_QUANTITY_EXCEEDED"),
            "{verdict}"
        );
    }
    let rejects = std::fs::read_to_string(place.path().join("long.jsonl.rejects.jsonl")).unwrap();
    assert_eq!(rejects.lines().count(), 500);
    for (reject, number) in rejects.lines().zip(10_001..) {
        let reject: Value = serde_json::from_str(reject).unwrap();
        assert_eq!(reject["record"], number);
        assert_eq!(reject["key"], "B7600000015");
    }
}
