//! The stored forms of pointer and manifest, version 1 (numbers big endian):
//!
//! ```text
//! pointer    "NOPR" version=1 lineage (16 bytes) revision (4) SHA-256 of the encoded manifest (32) CRC-32 (4)
//! manifest   "NOPM" version=1 revision (4) publication date, days since 0001-01-01 from 1, 0: none (4)
//!            number of shards (2: 256, or 0 at revision 0) SHA-256 of each shard CRC-32 (4)
//! ```

use chrono::Datelike as _;
use nopic_domain::date::Date;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::reader::{Lineage, Manifest};
use crate::shard::{SHARD_COUNT, ShardHash};

const POINTER: &[u8; 4] = b"NOPR";
const MANIFEST: &[u8; 4] = b"NOPM";
const VERSION: u8 = 1;

/// A stored value that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum RecordError {
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("it has version {0}, this program reads version {VERSION}")]
    Version(u8),
}

/// SHA-256 of an encoded manifest.
pub(super) type ManifestHash = [u8; 32];

pub(super) fn hash_of(encoded_manifest: &[u8]) -> ManifestHash {
    Sha256::digest(encoded_manifest).into()
}

/// What `oid:{deployment}:revision` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) lineage: Lineage,
    pub(super) revision: u32,
    pub(super) manifest: ManifestHash,
}

impl Pointer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut encoded = begin(POINTER);
        encoded.extend_from_slice(&self.lineage.0);
        encoded.extend_from_slice(&self.revision.to_be_bytes());
        encoded.extend_from_slice(&self.manifest);
        end(encoded)
    }

    pub(super) fn decode(encoded: &[u8]) -> Result<Self, RecordError> {
        let mut body = Body::open(POINTER, encoded)?;
        let pointer = Self {
            lineage: Lineage(body.take()?),
            revision: u32::from_be_bytes(body.take()?),
            manifest: body.take()?,
        };
        body.close()?;
        Ok(pointer)
    }

    /// Whether a publisher may put `next` in this one's place: within a lineage the revision never falls.
    pub(super) fn may_become(&self, next: &Self) -> bool {
        self.lineage != next.lineage || next.revision >= self.revision
    }
}

/// The stored form of a manifest; `None` if it is none that a registry can mean.
pub(super) fn encode_manifest(manifest: &Manifest) -> Option<Vec<u8>> {
    let count = u16::try_from(manifest.shard_hashes.len()).ok()?;
    if !is_count(manifest.revision, count) {
        return None;
    }
    // A date before year 1 (no file form can write one) would be read back as none.
    let day = manifest.published_on.map_or(0, |date| {
        u32::try_from(date.num_days_from_ce()).unwrap_or_default()
    });
    let mut encoded = begin(MANIFEST);
    encoded.extend_from_slice(&manifest.revision.to_be_bytes());
    encoded.extend_from_slice(&day.to_be_bytes());
    encoded.extend_from_slice(&count.to_be_bytes());
    for hash in &manifest.shard_hashes {
        encoded.extend_from_slice(hash.as_bytes());
    }
    Some(end(encoded))
}

pub(super) fn decode_manifest(encoded: &[u8]) -> Result<Manifest, RecordError> {
    let mut body = Body::open(MANIFEST, encoded)?;
    let revision = u32::from_be_bytes(body.take()?);
    let published_on = match u32::from_be_bytes(body.take()?) {
        0 => None,
        day => Some(
            i32::try_from(day)
                .ok()
                .and_then(Date::from_num_days_from_ce_opt)
                .ok_or(RecordError::Damaged("its date does not exist"))?,
        ),
    };
    let count = u16::from_be_bytes(body.take()?);
    if !is_count(revision, count) {
        return Err(RecordError::Damaged("it has another number of shards"));
    }
    let mut shard_hashes = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let hash: [u8; 32] = body.take()?;
        shard_hashes.extend(ShardHash::from_slice(&hash));
    }
    body.close()?;
    Ok(Manifest {
        revision,
        published_on,
        shard_hashes,
    })
}

fn is_count(revision: u32, count: u16) -> bool {
    usize::from(count) == if revision == 0 { 0 } else { SHARD_COUNT }
}

fn begin(magic: &[u8; 4]) -> Vec<u8> {
    let mut encoded = magic.to_vec();
    encoded.push(VERSION);
    encoded
}

fn end(mut encoded: Vec<u8>) -> Vec<u8> {
    let checksum = crc32fast::hash(&encoded);
    encoded.extend_from_slice(&checksum.to_be_bytes());
    encoded
}

struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn open(magic: &[u8; 4], encoded: &'a [u8]) -> Result<Self, RecordError> {
        let (magic_found, rest) = encoded
            .split_first_chunk::<4>()
            .ok_or(RecordError::Damaged("it is cut off"))?;
        if magic_found != magic {
            return Err(RecordError::Damaged("it does not begin as one"));
        }
        let (content, checksum) = encoded
            .split_last_chunk::<4>()
            .ok_or(RecordError::Damaged("it is cut off"))?;
        match rest.first() {
            Some(&VERSION) => {}
            Some(&other) => return Err(RecordError::Version(other)),
            None => return Err(RecordError::Damaged("it is cut off")),
        }
        if crc32fast::hash(content) != u32::from_be_bytes(*checksum) {
            return Err(RecordError::Damaged("its checksum is wrong"));
        }
        content
            .get(magic.len() + 1..)
            .map(Self)
            .ok_or(RecordError::Damaged("it is cut off"))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (taken, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(RecordError::Damaged("it is cut off"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn close(self) -> Result<(), RecordError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(RecordError::Damaged("bytes follow its end"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pointer(lineage: u8, revision: u32) -> Pointer {
        Pointer {
            lineage: Lineage([lineage; 16]),
            revision,
            manifest: [9; 32],
        }
    }

    fn manifest(revision: u32) -> Manifest {
        let hashes = if revision == 0 { 0 } else { SHARD_COUNT };
        Manifest {
            revision,
            published_on: Date::from_ymd_opt(2025, 5, 6).filter(|_| revision % 2 == 1),
            shard_hashes: (0..hashes)
                .map(|index| ShardHash::of(&index.to_be_bytes()))
                .collect(),
        }
    }

    #[test]
    fn both_are_read_as_written() {
        for revision in [0, 1, 2, u32::MAX] {
            let manifest = manifest(revision);
            let encoded = encode_manifest(&manifest).unwrap();
            assert_eq!(decode_manifest(&encoded), Ok(manifest));
            let pointer = pointer(1, revision);
            assert_eq!(Pointer::decode(&pointer.encode()), Ok(pointer));
        }
        let mut wrong = manifest(1);
        wrong.shard_hashes.pop();
        assert_eq!(encode_manifest(&wrong), None);
    }

    #[test]
    fn another_version_is_refused_as_such() {
        let mut encoded = pointer(1, 2).encode();
        encoded[4] = 2;
        assert_eq!(Pointer::decode(&encoded), Err(RecordError::Version(2)));
    }

    #[test]
    fn within_a_lineage_the_revision_never_falls() {
        assert!(pointer(1, 5).may_become(&pointer(1, 5)));
        assert!(pointer(1, 5).may_become(&pointer(1, 6)));
        assert!(!pointer(1, 5).may_become(&pointer(1, 4)));
        assert!(pointer(1, 5).may_become(&pointer(2, 1)));
    }

    proptest! {
        #[test]
        fn any_change_is_noticed(at in 0usize..1000, bit in 0u8..8, cut in 0usize..1000) {
            for encoded in [pointer(1, 2).encode(), encode_manifest(&manifest(3)).unwrap()] {
                let refused = |bytes: &[u8]| {
                    Pointer::decode(bytes).is_err() && decode_manifest(bytes).is_err()
                };
                let mut flipped = encoded.clone();
                flipped[at % encoded.len()] ^= 1 << bit;
                prop_assert!(refused(&flipped));
                prop_assert!(refused(&encoded[..cut % encoded.len()]));
                let mut longer = encoded;
                longer.push(0);
                prop_assert!(refused(&longer));
            }
        }

        #[test]
        fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Pointer::decode(&bytes).is_err() && decode_manifest(&bytes).is_err());
        }
    }
}
