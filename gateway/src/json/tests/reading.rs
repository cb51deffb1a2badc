//! JSON that is right, and JSON that is not.

use prost_reflect::prost::Message as _;

use crate::json::contract::Contract;
use crate::json::read::message;
use crate::json::refusal::Wrong;
use crate::json::write;
use prost_reflect::DynamicMessage;

fn read(name: &str, json: &str) -> Result<String, Wrong> {
    let descriptor = Contract::get().pool.get_message_by_name(name).unwrap();
    message(&descriptor, json.as_bytes()).map(|message| String::from_utf8(write::message(&message)).unwrap())
}

const ENTRIES: &str = "nopic.entry_validation.v1.ValidateEntriesRequest";

#[test]
fn what_is_right_comes_back_as_it_was() {
    for json in [
        "{}",
        r#"{"lines":[{"entryNumber":"B7603245278","lineNumber":1,"organicClaim":false,"lots":["a","b"],"treatment":{"verified":true}}],"freshness":{"atLeastRevision":0},"findingDetail":"CODES"}"#,
    ] {
        assert_eq!(read(ENTRIES, json).unwrap(), json);
    }
    // Names of the `.proto` file, null, numbers as text.
    assert_eq!(
        read(
            ENTRIES,
            r#" {"lines":[{"entry_number":"x","line_number":"2","lots":null}],"freshness":null} "#
        )
        .unwrap(),
        r#"{"lines":[{"entryNumber":"x","lineNumber":2}]}"#
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (json, expected) in [
        ("", "the body: EOF while parsing a value at line 1 column 0"),
        ("null", "the body: an object is wanted"),
        (
            "[]",
            "the body: an object (ValidateEntriesRequest) is wanted at line 1 column 0",
        ),
        ("{} x", "the body: trailing characters at line 1 column 4"),
        (
            r#"{"freshness":{"latest":true}}"#,
            "freshness: there is no field \"latest\" in Freshness: known are atLeastRevision, latestCertificates at line 1 column 22",
        ),
        (
            "{\"lines\":[{},\n{\"lineNumber\":-1}]}",
            "lines[1].lineNumber: a whole number from 0 to 4294967295 is wanted at line 2 column 16",
        ),
        (
            r#"{"lines":[null]}"#,
            "lines[0]: null in a list: an object (EntryLine) is wanted at line 1 column 14",
        ),
        (r#"{"lines":{}}"#, "lines: a list is wanted at line 1 column 10"),
        (
            r#"{"findingDetail":"ALL"}"#,
            "findingDetail: one of FULL, CODES is wanted at line 1 column 22",
        ),
        (
            r#"{"lines":[],"lines":[]}"#,
            "the body: the field \"lines\" stands twice at line 1 column 19",
        ),
        (
            r#"{"lines":[{"lots":[1]}]}"#,
            "lines[0].lots[0]: text is wanted at line 1 column 20",
        ),
    ] {
        let found = read(ENTRIES, json).unwrap_err().to_string();
        // Where in the line serde_json is when it tells is its own affair.
        let cut = |text: &str| {
            text.rsplit_once(" column ")
                .map_or(text.to_owned(), |(start, _)| start.to_owned())
        };
        assert_eq!(cut(&found), cut(expected), "{json}");
    }
    let twice = read("nopic.registry.v1.RevisionChoice", r#"{"exact":1,"atLeast":2}"#)
        .unwrap_err()
        .to_string();
    assert!(twice.contains("exact and atLeast stand there"), "{twice}");
}

#[test]
fn depth_is_bounded() {
    for json in [
        format!("{}{}", r#"{"lines":"#.repeat(10_000), "}".repeat(10_000)),
        "[".repeat(10_000),
        format!(r#"{{"lines":{}"#, "[".repeat(10_000)),
    ] {
        read(ENTRIES, &json).unwrap_err();
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever bytes a message has: what JSON tells of it is the message, but for what is not known of it.
    #[test]
    fn json_holds_all_of_a_message(
        entry_number in ".{0,20}", line_number: u32, lots in proptest::collection::vec(".{0,10}", 0..4),
        organic_claim: Option<bool>, revision: Option<u32>, detail in 0..3_i32,
    ) {
        use nopic_proto::entry_validation::{EntryLine, Freshness, ValidateEntriesRequest};
        use prost::Message as _;
        let line = EntryLine { entry_number, line_number, lots, organic_claim, ..EntryLine::default() };
        let request = ValidateEntriesRequest {
            lines: vec![line.clone(), line],
            freshness: Some(Freshness { at_least_revision: revision, latest_certificates: true }),
            finding_detail: detail,
        };
        let descriptor = Contract::get().pool.get_message_by_name(ENTRIES).unwrap();
        let dynamic = DynamicMessage::decode(descriptor.clone(), request.encode_to_vec().as_slice()).unwrap();
        let read = message(&descriptor, &write::message(&dynamic)).unwrap();
        proptest::prop_assert_eq!(ValidateEntriesRequest::decode(read.encode_to_vec().as_slice()).unwrap(), request);
    }

    #[test]
    fn no_bytes_make_it_fall_over(bytes in proptest::collection::vec(0..255_u8, 0..200)) {
        let descriptor = Contract::get().pool.get_message_by_name(ENTRIES).unwrap();
        let _ = message(&descriptor, &bytes);
    }
}

#[test]
fn every_request_of_the_contract_reads_an_empty_object() {
    for method in &Contract::get().methods {
        assert_eq!(
            message(&method.input, b"{}").unwrap().encode_to_vec(),
            b"",
            "{}",
            method.path
        );
    }
}
