//! What must hold of the OID readers for any bytes: no panic, no stall, and their word kept.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::path::Path;

use nopic_formats::oid::exercise;
use proptest::prelude::*;

type Target = fn(&[u8]);
const TARGETS: [(&str, Target); 3] = [
    ("oid_xlsx", exercise::xlsx),
    ("oid_xml", exercise::xml),
    ("oid_json", exercise::json),
];

/// The seeds of a fuzz target, and what fuzzing found since.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn the_corpus_of_each_fuzz_target() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(corpus.len() >= 2, "{name} has lost its seeds");
        for seed in corpus {
            for end in 0..=seed.len() {
                target(&seed[..end]);
            }
        }
    }
}

/// One change to a file.
#[derive(Debug, Clone)]
enum Change {
    Set(usize, u8),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: usize| at % (bytes.len() + 1);
        match self {
            Self::Set(at, byte) => {
                let at = place(*at);
                if let Some(old) = bytes.get_mut(at) {
                    *old = *byte;
                }
            }
            Self::Remove(at, length) => {
                let start = place(*at);
                let end = (start + length).min(bytes.len());
                bytes.drain(start..end);
            }
            Self::Insert(at, piece) => {
                let at = place(*at);
                bytes.splice(at..at, piece.iter().copied());
            }
            Self::Repeat(at, length) => {
                let start = place(*at);
                let end = (start + length).min(bytes.len());
                let piece = bytes[start..end].to_vec();
                bytes.splice(end..end, piece);
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    const SYNTAX: [&[u8]; 17] = [
        b"<",
        b">",
        b"\"",
        b"&",
        b"]]>",
        b"<!--",
        b"<![CDATA[",
        b"</Operation>",
        b"<Item>",
        b"{",
        b"[",
        b",null,",
        b"1e999",
        b"\\u001e",
        b"_x001F_",
        b"\x1e",
        b"\xff",
    ];
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<usize>(), 1usize..40).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<usize>(), prop::sample::select(&SYNTAX[..]))
            .prop_map(|(at, piece)| Change::Insert(at, piece.to_vec())),
        (any::<usize>(), 1usize..200).prop_map(|(at, length)| Change::Repeat(at, length)),
    ]
}

proptest! {
    // Most changes are refused early: eight times the usual number.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 8))]

    #[test]
    fn changed_files(
        target in 0usize..3,
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..8),
    ) {
        let (name, run) = TARGETS[target];
        let corpus = corpus(name);
        let mut bytes = seed.get(&corpus).clone();
        for change in &changes {
            change.apply(&mut bytes);
        }
        run(&bytes);
    }

    #[test]
    fn any_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..300), start in 0usize..5) {
        let start: &[u8] = [&b""[..], b"PK\x03\x04", b"<", b"{\"operations\":[{", b"[{"][start];
        bytes.splice(0..0, start.iter().copied());
        for (_, run) in TARGETS {
            run(&bytes);
        }
    }
}
