//! The trail of an entry through the real program: what is recorded, and what an inspector reads.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Ended, Place};

const ENTRY: &str = "ZZ900000037";
const CERTIFICATE: &str = r#"{"number":"555-5550000001-000001","status":"ISSUED","certifierId":"555","exporterNopId":"5550000001","importerNopId":"7770000001","finalHandlerNopId":"5550000001","product":"Green coffee, organic","htsCode":"0901110015","kind":"MULTIPLE_SHIPMENTS","issuedOn":"2022-12-20","validFrom":"2023-01-01","validTo":"2026-12-31","totalWeightKg":"10000","countriesOfOrigin":["PE","EC"],"lots":["LOT-1"]}
"#;
const LINE: &str = r#"{"entryNumber":"ZZ900000037","lineNumber":1,"entryDate":"2025-11-03","exportDate":"2025-10-20","importerNopId":"7770000001","exporterNopId":"5550000001","htsCode":"0901110015","description":"Green coffee <b>organic</b>","organicClaim":true,"messageSet":"OR2","certificateNumber":"555-5550000001-000001","netWeightKg":"100","lots":["LOT-1"],"countryOfOrigin":"PE","countryOfExport":"PE","portOfEntry":"5301","treatment":{"emergencyActionNotice":true}}
"#;
const STEPS: &str = r#"{"role":"PRODUCER","party":{"name":"Finca \"El Sol\" & Hijos"},"place":"Junín, PE","from":"2025-05-01","to":"2025-09-30","owner":{"name":"Cooperativa","nopId":"5550000001"}}
{"role":"HANDLER","party":{"name":"Cooperativa","nopId":"5550000001"},"place":"Lima, PE","from":"2025-10-01","to":"2025-10-20T18:00:00-05:00","owner":{"name":"Cooperativa"}}

{"role":"CARRIER","party":{"name":"<script>alert(1)</script>"},"place":"Callao to Houston","from":"2025-10-22T08:00:00Z","to":"2025-11-03","owner":{"name":"Cooperativa"},"lines":[1],"lots":["LOT-1"]}
{"role":"IMPORTER","party":{"name":"Harbor Organics","nopId":"7770000001"},"place":"Houston, TX","from":"2025-11-03","owner":{"name":"Harbor Organics","nopId":"7770000001"}}
"#;

/// A folder with the entry on record.
fn filed() -> Place {
    let place = Place::of_any_filing_day();
    let operations = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/data/cases/operations-1.json"
    );
    place.done(&["registry", "import", operations, "--full"]);
    place.file("certificates.jsonl", CERTIFICATE);
    place.done(&["certificate", "import", "certificates.jsonl"]);
    place.file("entry.jsonl", LINE);
    let imported = place.run(&["entry", "import", "entry.jsonl", "--filed-at", "2025-11-03"]);
    assert!(imported.status < 2, "{imported:?}");
    place
}

/// Without the moments at which the test ran.
fn settled(text: &str) -> String {
    let mut settled = String::new();
    let mut rest = text;
    while let Some(position) = rest.find('T') {
        let is_moment = position >= 10
            && rest.is_char_boundary(position - 10)
            && nopic_domain::date::parse_iso(&rest[position - 10..position]).is_some()
            && !rest[position - 10..].starts_with("2025");
        let end = rest[position..].find('Z').filter(|_| is_moment);
        match end {
            Some(end) => {
                settled.push_str(&rest[..position - 10]);
                settled.push_str("MOMENT");
                rest = &rest[position + end + 1..];
            }
            None => {
                settled.push_str(&rest[..=position]);
                rest = &rest[position + 1..];
            }
        }
    }
    settled.push_str(rest);
    settled
}

/// With NOPIC_WRITE_GOLDEN set the file is written instead.
fn assert_golden(name: &str, text: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    let text = settled(text);
    if std::env::var_os("NOPIC_WRITE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text, golden,
        "{name} differs; NOPIC_WRITE_GOLDEN=1 writes it anew"
    );
}

fn trail(place: &Place, more: &[&str]) -> Ended {
    place.run(&[&["entry", "trail", ENTRY], more].concat())
}

fn json(place: &Place, more: &[&str]) -> Value {
    serde_json::from_str(&trail(place, &[&["--output", "json"], more].concat()).out).unwrap()
}

fn codes(trail: &Value) -> Vec<&str> {
    let gaps = trail["gaps"].as_array().unwrap();
    gaps.iter().map(|gap| gap["code"].as_str().unwrap()).collect()
}

#[test]
fn a_trail_is_recorded_and_read_as_text_json_and_a_page() {
    let place = filed();
    // Nothing is recorded yet.
    let empty = trail(&place, &[]);
    assert_eq!(empty.status, 1, "{empty:?}");
    assert_golden("trail-empty.txt", &empty.out);

    place.file("steps.jsonl", STEPS);
    assert_eq!(
        place.done(&["entry", "custody", ENTRY, "steps.jsonl"]).out,
        "record 1\nrecord 2\nrecord 3\nrecord 4\n"
    );
    place.file("invoice.txt", "60 bags ORGANIC green coffee");
    place.file("packing.txt", "60 bags green coffee, non-organic");
    place.file("bill.pdf", b"%PDF-1.7\n");
    let document = |file: &str, kind: &str, more: &[&str]| {
        let all = [
            &[
                "entry",
                "document",
                ENTRY,
                file,
                "--kind",
                kind,
                "--reference",
                "A&1",
            ],
            more,
        ]
        .concat();
        place.done(&all)
    };
    document("invoice.txt", "invoice", &["--dated", "2025-10-18"]);
    let said = document("packing.txt", "packing-list", &["--says-organic"]).said;
    assert!(said.contains("does not say"), "{said}");
    let said = document("bill.pdf", "bill-of-lading", &["--checked-by", "Ann <a@b>"]).said;
    assert!(said.contains("--says-organic"), "{said}");
    place.done(&[
        "entry",
        "statement",
        ENTRY,
        "--kind",
        "verification",
        "--prohibited-substance",
        "no",
        "--ionizing-radiation",
        "no",
        "--by",
        "Ann O'Neil",
        "--on",
        "2025-11-04",
        "--basis",
        "control system, chapter 4",
    ]);
    place.done(&[
        "entry",
        "statement",
        ENTRY,
        "--kind",
        "certifier-told",
        "--certifier",
        "777",
        "--on",
        "2025-11-05",
    ]);
    // The invoice was of another entry.
    place.done(&["entry", "withdraw", ENTRY, "5", "--reason", "of another entry"]);

    let text = trail(&place, &[]);
    assert_eq!(text.status, 1, "{text:?}");
    assert_golden("trail.txt", &text.out);
    let page = trail(&place, &["--output", "html"]).out;
    assert_golden("trail.html", &page);
    assert_is_one_page(&page);

    let report = json(&place, &[]);
    assert_eq!(
        codes(&report),
        [
            "EMERGENCY_ACTION_NOTICE",
            "DOCUMENT_NOT_ORGANIC",
            "CUSTODY_GAP",
            "DOCUMENT_MISSING",
            "DOCUMENT_MISSING",
            "DOCUMENT_NOT_CHECKED",
        ]
    );
    assert_eq!(report["gaps"][0]["tell"][0]["certifierId"], "777");
    assert_eq!(report["gaps"][0]["tell"][0]["wasTold"], true);
    assert_eq!(report["gaps"][0]["tell"][1]["certifierId"], "555");
    assert_eq!(report["documents"][0]["withdrawn"]["reason"], "of another entry");
    assert_eq!(report["certificates"][0]["number"], "555-5550000001-000001");
    assert_eq!(report["lines"][0]["drawnKg"], "100");
    assert_eq!(
        report["documents"][0]["sha256"],
        nopic_sha256("60 bags ORGANIC green coffee")
    );

    // As it was before the withdrawal.
    let before = report["documents"][2]["recordedAt"].as_str().unwrap();
    let report = json(&place, &["--as-of", before]);
    assert_eq!(report["asOf"], before);
    assert!(report["documents"][0].get("withdrawn").is_none());
    assert_eq!(report["statements"], Value::Array(Vec::new()));
    assert!(codes(&report).contains(&"VERIFICATION_MISSING"));
}

fn nopic_sha256(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Well formed, and nothing from outside.
fn assert_is_one_page(page: &str) {
    use quick_xml::events::Event;
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
    assert!(page.contains("Content-Security-Policy"));
    for outside in [
        "<script", "<link", "<img", "src=", "href=", "url(", "@import", "http",
    ] {
        assert!(!page.replace("http-equiv", "").contains(outside), "{outside}");
    }
    let mut reader = quick_xml::Reader::from_str(page);
    let (mut headings, mut tables, mut columns, mut cells) = (0, 0, 0, 0);
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => match tag.name().as_ref() {
                "h1" | "h2" => headings += 1,
                "table" => tables += 1,
                "tr" => cells = 0,
                "thead" => columns = 0,
                "th" => columns += 1,
                "td" => cells += 1,
                _ => {}
            },
            Event::End(tag) if tag.name().as_ref() == "tr" => {
                assert!(
                    cells == 0 || cells == columns,
                    "a row has {cells} of {columns} cells"
                );
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(headings > 8 && tables > 7, "{headings} {tables}");
}

#[test]
fn the_same_thing_is_recorded_once_unless_it_is_asked_for_anew() {
    let place = filed();
    place.file("steps.jsonl", STEPS);
    let custody = |more: &[&str]| {
        place
            .done(&[&["entry", "custody", ENTRY, "steps.jsonl"], more].concat())
            .out
    };
    let first = custody(&[]);
    assert_eq!(custody(&[]), first);
    assert_ne!(custody(&["--anew"]), first);
    let from_input = place.run_with(&["entry", "custody", "ZZ9-0000003-7", "-"], STEPS.as_bytes());
    assert_eq!(from_input.status, 0, "{from_input:?}");
    let withdraw = ["entry", "withdraw", ENTRY, "1", "--reason", "twice"];
    assert_eq!(place.done(&withdraw).out, place.done(&withdraw).out);
    let again = place.run(&["entry", "withdraw", ENTRY, "1", "--reason", "thrice"]);
    assert_eq!(again.status, 2, "{again:?}");
    assert!(again.said.contains("withdrawn already"), "{again:?}");
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let place = filed();
    let refused = |arguments: &[&str], input: &str, words: &str| {
        let ended = place.run_with(arguments, input.as_bytes());
        assert_eq!(ended.status, 2, "{arguments:?}: {ended:?}");
        assert!(ended.said.contains(words), "{arguments:?}: {ended:?}");
        assert!(ended.out.is_empty(), "{arguments:?}: {ended:?}");
    };
    let custody = ["entry", "custody", ENTRY, "-"];
    refused(&custody, "\n \n", "no steps");
    refused(&custody, "{}", "line 1: missing field");
    refused(
        &custody,
        "{\"role\":\"PILOT\",\"party\":{\"name\":\"x\"}}",
        "unknown variant",
    );
    let reversed = r#"{"role":"CARRIER","party":{"name":"x"},"from":"2025-10-02","to":"2025-10-01"}"#;
    refused(&custody, reversed, "before it begins");
    refused(&["entry", "trail", "ZZ900000045"], "", "not on record");
    refused(
        &["entry", "withdraw", ENTRY, "9", "--reason", "x"],
        "",
        "no record 9",
    );
    refused(&["entry", "withdraw", ENTRY, "9", "--reason", " "], "", "say why");
    refused(
        &["entry", "statement", ENTRY, "--kind", "verification"],
        "",
        "--prohibited-substance",
    );
    refused(
        &[
            "entry",
            "statement",
            ENTRY,
            "--kind",
            "certifier-told",
            "--certifier",
            "12",
        ],
        "",
        "3 digits",
    );
    refused(
        &["entry", "trail", ENTRY, "--as-of", "yesterday"],
        "",
        "is no moment",
    );
}
