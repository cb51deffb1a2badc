//! What is weighed is what is decoded.

use proptest::prelude::*;
use std::sync::LazyLock;

use prost::Message;

use super::*;
use crate::entry_validation as wire;
use crate::{certificate, registry};

const VALIDATE: &str = "/nopic.entry_validation.v1.EntryValidationService/ValidateEntries";
const MOST: usize = 48 << 20;

static REQUESTS: LazyLock<Requests> = LazyLock::new(|| Requests::read([crate::DESCRIPTORS]));

fn weigh(path: &str, bytes: &[u8]) -> Result<usize, Undecodable> {
    REQUESTS.weigh(REQUESTS.at(path).unwrap(), bytes, MOST)
}

#[test]
fn a_million_empty_lines_are_too_heavy_and_ten_thousand_are_not() {
    let lines = |count| [10, 0].repeat(count);
    assert_eq!(
        weigh(VALIDATE, &lines(1_000_000)),
        Err(Undecodable::TooHeavy { most: MOST })
    );
    // One more than may be: whoever counts them says so.
    assert!(weigh(VALIDATE, &lines(10_001)).unwrap() > 10_001 * size_of::<wire::EntryLine>());
}

#[test]
fn packed_numbers_are_counted() {
    // Zeros, one byte each on the wire and eight in memory.
    let path = "/nopic.registry.v1.RegistryService/GetStatusShards";
    let zeros = 6_000_000;
    let mut bytes = vec![18];
    prost::encoding::encode_varint(zeros, &mut bytes);
    bytes.extend(std::iter::repeat_n(0, usize::try_from(zeros).unwrap()));
    let refused = weigh(path, &bytes).unwrap_err().to_string();
    assert_eq!(
        refused,
        "shards[0]: it holds more than 20000 numbers: ask in parts"
    );
    let few = registry::GetStatusShardsRequest {
        shards: vec![1; 1_000],
        ..registry::GetStatusShardsRequest::default()
    };
    assert!(weigh(path, &few.encode_to_vec()).unwrap() >= 4_000);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let line = |entry_number: &[u8]| {
        let mut line = vec![10, u8::try_from(entry_number.len()).unwrap()];
        line.extend(entry_number);
        [&[10, u8::try_from(line.len()).unwrap()], &line[..]].concat()
    };
    let good = line(b"B76-0324527-8");
    for (bytes, expected) in [
        (
            line(b"\xff\xfe"),
            "lines[2].entry_number: the text is not in UTF-8",
        ),
        // The treatment as a number.
        (
            vec![10, 3, 0xb0, 1, 5],
            "lines[2].treatment: it has another type there",
        ),
        (vec![10, 9, 10, 7], "lines[2]: it breaks off there"),
        (vec![10, 2, 10, 7], "lines[2].entry_number: it breaks off there"),
        (
            vec![7],
            "the message: it is no protobuf: a field does not begin as one",
        ),
        (
            vec![0],
            "the message: it is no protobuf: a field does not begin as one",
        ),
        (
            vec![0xa3, 6],
            "the message: a group stands there, which the contract does not have",
        ),
    ] {
        let found = weigh(VALIDATE, &[&good[..], &good, &bytes].concat());
        assert_eq!(found.unwrap_err().to_string(), expected);
    }
}

#[test]
fn bounds_are_by_method() {
    let requests = &*REQUESTS;
    let batch = requests.at(VALIDATE).unwrap();
    assert!(!batch.is_stream && batch.most_bytes == 16 << 20);
    let import = requests
        .at("/nopic.registry.v1.RegistryService/ImportSnapshot")
        .unwrap();
    assert!(import.is_stream && import.most_bytes < 2 << 20);
    assert_eq!(requests.at("/nopic.registry.v1.RegistryService/Invent"), None);
    for name in BATCHES {
        assert!(requests.shapes.named(name).is_some(), "{name}");
    }
}

/// What is reckoned for a type is not less than it takes, and not much more.
#[test]
fn sizes_are_those_of_the_types() {
    let shapes = &REQUESTS.shapes;
    for (name, size) in [
        (
            "nopic.entry_validation.v1.EntryLine",
            size_of::<wire::EntryLine>(),
        ),
        (
            "nopic.entry_validation.v1.ValidateDocumentRequest",
            size_of::<wire::ValidateDocumentRequest>(),
        ),
        (
            "nopic.certificate.v1.EntryDraws",
            size_of::<certificate::EntryDraws>(),
        ),
        (
            "nopic.certificate.v1.LineDraw",
            size_of::<certificate::LineDraw>(),
        ),
        (
            "nopic.certificate.v1.JudgedCertificate",
            size_of::<certificate::JudgedCertificate>(),
        ),
        (
            "nopic.certificate.v1.OwnDrawsQuestion",
            size_of::<certificate::OwnDrawsQuestion>(),
        ),
        (
            "nopic.registry.v1.StatusQuestion",
            size_of::<registry::StatusQuestion>(),
        ),
    ] {
        let reckoned = shapes.messages[shapes.named(name).unwrap()].size;
        assert!(
            (size..=2 * size).contains(&reckoned),
            "{name}: {reckoned} for {size}"
        );
    }
}

proptest! {
    /// Whatever the walk takes, the decoder takes; what it does not, the decoder takes at most for groups.
    #[test]
    fn the_walk_takes_what_the_decoder_takes(
        lines in prop::collection::vec(("[a-zé]{0,8}", 0..300_u32, prop::collection::vec("[a-z]{0,4}", 0..3), any::<Option<bool>>()), 0..5),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let request = wire::ValidateEntriesRequest {
            lines: lines
                .into_iter()
                .map(|(entry_number, line_number, lots, organic_claim)| wire::EntryLine {
                    entry_number,
                    line_number,
                    lots,
                    organic_claim,
                    treatment: organic_claim.map(|verified| wire::Treatment {
                        verified: Some(verified),
                        ..wire::Treatment::default()
                    }),
                    ..wire::EntryLine::default()
                })
                .collect(),
            ..wire::ValidateEntriesRequest::default()
        };
        let mut bytes = request.encode_to_vec();
        prop_assert!(weigh(VALIDATE, &bytes).is_ok());
        if !bytes.is_empty() {
            for (place, value) in changes {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
        }
        let decoded = wire::ValidateEntriesRequest::decode(&bytes[..]);
        match weigh(VALIDATE, &bytes) {
            Ok(weight) => {
                let decoded = decoded.unwrap();
                let texts: usize = decoded.lines.iter().map(|line| line.entry_number.len() + line.lots.len() * 24).sum();
                prop_assert!(weight >= decoded.lines.len() * size_of::<wire::EntryLine>() + texts);
            }
            Err(error) => prop_assert!(decoded.is_err() || error.to_string().contains("group"), "{error}"),
        }
    }
}
