//! Messages that are far larger in memory than on the wire, longer than they may be, or never whole.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::attacker::Attacker;
use crate::door::{Door, size};
use crate::frames::message;

const ENTRIES: &str = "/nopic.entry_validation.v1.EntryValidationService/ValidateEntries";
const STREAM: &str = "/nopic.entry_validation.v1.EntryValidationService/ValidateStream";
const SHARDS: &str = "/nopic.registry.v1.RegistryService/GetStatusShards";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 19).unwrap()
}

/// Lines without anything in them: two bytes each.
fn empty_lines(count: usize) -> Vec<u8> {
    [10, 0].repeat(count)
}

/// How the calls ended, by code and words.
#[derive(Default)]
struct Ends(BTreeMap<String, usize>);

impl Ends {
    fn note(&mut self, status: &Status) {
        // What a server does is never its fault here, nor is it silent.
        assert!(
            !matches!(status.code(), Code::Internal | Code::Unknown | Code::DataLoss),
            "{status:?}"
        );
        let words: String = status.message().chars().take(60).collect();
        *self.0.entry(format!("{:?} {words}", status.code())).or_default() += 1;
    }
}

impl std::fmt::Display for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut separator = "";
        for (end, count) in &self.0 {
            write!(f, "{separator}{count} × {end}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// So many calls of the same at a time, again and again.
async fn calls(
    door: &Door,
    at_a_time: usize,
    times: usize,
    of: &[(&'static str, Option<&'static str>, Vec<u8>)],
) -> Ends {
    let mut calling = JoinSet::new();
    for caller in 0..at_a_time {
        let (path, packed, body) = of[caller % of.len()].clone();
        let address = door.address;
        calling.spawn(async move {
            let mut attacker = Attacker::connect(address).await;
            let mut ended = Vec::new();
            for _ in 0..times {
                ended.push(attacker.call(path, packed, body.clone()).await);
            }
            ended
        });
    }
    let mut ends = Ends::default();
    for status in calling.join_all().await.into_iter().flatten() {
        ends.note(&status);
    }
    ends
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_empty_lines_in_two_kilobytes() {
    let door = Door::open();
    let lines = empty_lines(1_000_000);
    let packed = [
        (ENTRIES, Some("gzip"), message(1, &gzip(&lines))),
        (ENTRIES, Some("zstd"), message(1, &zstd(&lines))),
        (STREAM, Some("gzip"), message(1, &gzip(&lines))),
        (ENTRIES, None, message(0, &lines)),
    ];
    assert!(packed[0].2.len() < 3_000);
    let attack = async {
        let ends = calls(&door, 16, size(3, 30), &packed).await;
        assert!(
            ends.0.keys().all(|end| end.starts_with("InvalidArgument")),
            "{ends}"
        );
        ends
    };
    door.withstands("a million empty lines", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_empty_lines_as_may_be() {
    let door = Door::open();
    let lines = [(ENTRIES, Some("gzip"), message(1, &gzip(&empty_lines(10_000))))];
    let attack = calls(&door, size(8, 64), size(1, 3), &lines);
    door.withstands("batches of 10,000 empty lines", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_zeros_on_streams_that_stay_open() {
    let door = Door::open();
    // 16 MB in the field of a line, which is taken, and 60 MB.
    let zeros = |bytes: usize| {
        let mut line = vec![0x5a];
        prost::encoding::encode_varint(bytes as u64, &mut line);
        line.resize(line.len() + bytes, 0);
        let mut lines = vec![10];
        prost::encoding::encode_varint(line.len() as u64, &mut lines);
        lines.extend(line);
        Bytes::from(message(1, &gzip(&lines)))
    };
    let (fits, too_long) = (zeros((16 << 20) - 64), zeros(60 << 20));
    let attack = async {
        let attacker = Attacker::connect(door.address).await;
        let mut open = Vec::new();
        let mut ends = JoinSet::new();
        for number in 0..size(16, 64) {
            let (pieces, answer) = attacker.begin(STREAM, Some("gzip"));
            ends.spawn(timeout(Duration::from_secs(3), answer));
            let bomb = if number % 2 == 0 { &fits } else { &too_long };
            pieces.send(bomb.clone()).await.unwrap();
            open.push(pieces);
        }
        let mut ended = Ends::default();
        let mut waiting = 0;
        for end in ends.join_all().await {
            match end {
                Ok(status) => ended.note(&status),
                Err(_) => waiting += 1,
            }
        }
        format!("{ended}; {waiting} stay open")
    };
    door.withstands("packed zeros", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_numbers() {
    let door = Door::open();
    let mut zeros = vec![18];
    prost::encoding::encode_varint(1 << 20, &mut zeros);
    zeros.resize(zeros.len() + (1 << 20), 0);
    let numbers = [
        (SHARDS, Some("gzip"), message(1, &gzip(&zeros))),
        (SHARDS, Some("zstd"), message(1, &zstd(&zeros))),
    ];
    let attack = calls(&door, 16, size(2, 40), &numbers);
    door.withstands("a million packed numbers", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_messages_that_are_never_whole() {
    let door = Door::open();
    let attack = async {
        let attacker = Attacker::connect(door.address).await;
        let mut open = Vec::new();
        let mut ends = JoinSet::new();
        for number in 0..24 {
            let (pieces, answer) = attacker.begin(ENTRIES, None);
            ends.spawn(timeout(Duration::from_secs(3), answer));
            // Half of them say that they are longer than one may be, half that they are as long.
            let length: u32 = if number % 2 == 0 { 60 << 20 } else { 16 << 20 };
            let begin = [&[0][..], &length.to_be_bytes()].concat();
            pieces.send(begin.into()).await.unwrap();
            open.push(pieces);
        }
        let mut sent = 0;
        for pieces in &open {
            let piece = Bytes::from(vec![0; 1 << 20]);
            while sent < 200
                && matches!(
                    timeout(Duration::from_millis(50), pieces.send(piece.clone())).await,
                    Ok(Ok(()))
                )
            {
                sent += 1;
            }
        }
        let mut ended = Ends::default();
        let mut waiting = 0;
        for end in ends.join_all().await {
            match end {
                Ok(status) => ended.note(&status),
                Err(_) => waiting += 1,
            }
        }
        assert!(waiting <= 2, "no more than a tenant's room");
        format!("{sent} MB sent, {ended}; {waiting} wait for the rest")
    };
    door.withstands("24 unfinished messages", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_told_so() {
    let door = Door::open();
    let mut attacker = Attacker::connect(door.address).await;
    for (packed, body, expected) in [
        (
            None,
            message(0, &[10, 3, 10, 1, 0xff]),
            "lines[0].entry_number: the text is not in UTF-8",
        ),
        (None, message(0, &[7]), "a field does not begin as one"),
        (None, message(0, &[10, 200, 1]), "lines[0]: it breaks off there"),
        (None, message(0, &[0xa3, 6]), "a group"),
        (None, message(7, &[]), "a message begins with 7"),
        (None, message(1, &[]), "grpc-encoding"),
        (Some("gzip"), message(1, &[1, 2, 3]), "cannot be unpacked"),
        (Some("zstd"), message(1, &[1, 2, 3]), "cannot be unpacked"),
        (None, vec![0, 0, 0, 0, 9, 1], "the body ends within a message"),
    ] {
        let status = attacker.call(ENTRIES, packed, body).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{expected}: {status:?}");
        assert!(status.message().contains(expected), "{expected}: {status:?}");
    }
    let other = attacker.call(ENTRIES, Some("snappy"), message(1, &[1])).await;
    assert_eq!(other.code(), Code::Unimplemented, "{other:?}");
    // A few too many are counted by whoever takes lines, in its own words.
    let many = attacker
        .call(ENTRIES, None, message(0, &empty_lines(10_001)))
        .await;
    assert_eq!(many.code(), Code::InvalidArgument);
    assert_eq!(
        many.message(),
        "lines: 10001 given, at most 10000 allowed: ask in parts"
    );
}
