//! Shards: the timelines of the operations that one hash value gathers.
//!
//! Encoded form, version 1 (numbers are LEB128 varints):
//!
//! ```text
//! "NOPS" version=1 shard-index
//! number of texts, then each as length and UTF-8     statuses other than `Certified` and `Unlisted`
//! number of operations, then each:
//!     NOP id less the id before it                   ids rise strictly
//!     5 × list: status, then the scopes in the order of `Scope::ALL`
//!         number of segments, then each:
//!             first day less the day before it       days since 0001-01-01; they rise strictly
//!             status: 0 Certified, 1 Unlisted, else 2 + index of the text
//! CRC-32 of all before it, little endian, 4 bytes
//! ```
//!
//! The same timelines always give the same bytes, so the SHA-256 of them names the content.

mod codec;

use std::fmt;

use bytes::Bytes;
use chrono::Datelike as _;
use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::{Segment, Status, Timeline};
use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use codec::{Input, put_number};

/// Number of shards of a registry.
pub const SHARD_COUNT: usize = 256;
const MAGIC: &[u8; 4] = b"NOPS";
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
/// The largest shard that is decoded, in bytes: a hundred times what 76,000 operations make.
pub const MAX_SHARD_BYTES: usize = 4 << 20;
/// An id and five counts.
const LEAST_OPERATION_BYTES: usize = 6;
/// Status codes that need no text.
const CERTIFIED: u64 = 0;
const UNLISTED: u64 = 1;
const FIRST_TEXT: u64 = 2;

/// The shard of an operation. Part of the stored format: it never changes.
#[must_use]
pub fn shard_of(id: NopId) -> u8 {
    // Fibonacci hashing: the top byte of the product is spread evenly, also over ids in sequence.
    id.number().wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0]
}

/// SHA-256 of an encoded shard: equal hashes, equal content.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShardHash([u8; 32]);

impl ShardHash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(encoded: &[u8]) -> Self {
        Self(Sha256::digest(encoded).into())
    }

    /// The hash that these bytes are; `None` unless there are 32.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ShardHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Bytes that are no shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ShardError {
    /// Not what [`Shard::encode`] wrote.
    #[error("the status shard is damaged: {0}")]
    Damaged(&'static str),
    /// Written by a version that this program does not know.
    #[error("the status shard has version {0}, this program reads version {VERSION}")]
    Version(u8),
}

/// The timelines of one shard, by rising NOP id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shard {
    ids: Box<[NopId]>,
    timelines: Box<[Timeline]>,
}

impl Shard {
    /// A shard of these operations, in any order; of two entries with one id the later counts.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = (NopId, Timeline)>) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by_key(|(id, _)| *id);
        // `dedup_by` keeps the first of a run: hand it the later one by swapping.
        entries.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        let (ids, timelines): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        Self {
            ids: ids.into(),
            timelines: timelines.into(),
        }
    }

    /// The timeline of an operation; `None`: it was never listed (where this is its shard).
    #[must_use]
    pub fn get(&self, id: NopId) -> Option<&Timeline> {
        self.ids
            .binary_search(&id)
            .ok()
            .map(|index| &self.timelines[index])
    }

    /// Operations by rising id.
    pub fn iter(&self) -> impl Iterator<Item = (NopId, &Timeline)> {
        self.ids.iter().copied().zip(&self.timelines)
    }

    /// The operations, owned.
    pub fn into_entries(self) -> impl Iterator<Item = (NopId, Timeline)> {
        self.ids.into_vec().into_iter().zip(self.timelines.into_vec())
    }

    /// Number of operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it holds no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The stored form of the shard with this index.
    #[must_use]
    pub fn encode(&self, index: u8) -> Bytes {
        let mut texts = TextTable::default();
        let mut body = Vec::with_capacity(16 * self.len());
        put_number(&mut body, self.len() as u64);
        let mut before = 0;
        for (id, timeline) in self.iter() {
            put_number(&mut body, id.number() - before);
            before = id.number();
            put_segments(&mut body, &mut texts, &timeline.status);
            for segments in &timeline.scopes {
                put_segments(&mut body, &mut texts, segments);
            }
        }
        let mut encoded = Vec::with_capacity(body.len() + 256);
        encoded.extend_from_slice(MAGIC);
        encoded.extend_from_slice(&[VERSION, index]);
        put_number(&mut encoded, texts.texts.len() as u64);
        for text in &texts.texts {
            put_number(&mut encoded, text.len() as u64);
            encoded.extend_from_slice(text.as_bytes());
        }
        encoded.extend_from_slice(&body);
        let checksum = crc32fast::hash(&encoded);
        encoded.extend_from_slice(&checksum.to_le_bytes());
        encoded.into()
    }

    /// Reads the stored form of the shard with this index, strictly: whatever [`Shard::encode`] would not have
    /// written is refused.
    ///
    /// # Errors
    /// The bytes are damaged, of another version, or of another shard.
    pub fn decode(index: u8, encoded: &[u8]) -> Result<Self, ShardError> {
        if encoded.len() > MAX_SHARD_BYTES {
            return Err(ShardError::Damaged("it is too large"));
        }
        let body = encoded
            .strip_prefix(MAGIC)
            .ok_or(ShardError::Damaged("it does not begin as one"))?;
        let [version, stated_index, ..] = *body else {
            return Err(ShardError::Damaged("it is cut off"));
        };
        if version != VERSION {
            return Err(ShardError::Version(version));
        }
        let (content, checksum) = encoded
            .split_last_chunk::<CHECKSUM_BYTES>()
            .ok_or(ShardError::Damaged("it is cut off"))?;
        if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
            return Err(ShardError::Damaged("its checksum is wrong"));
        }
        if stated_index != index {
            return Err(ShardError::Damaged("it is another shard than the one asked for"));
        }
        let mut input = Input::new(content.get(MAGIC.len() + 2..).unwrap_or_default());
        let texts = read_texts(&mut input)?;
        let count = input.count(LEAST_OPERATION_BYTES)?;
        let mut ids = Vec::with_capacity(count);
        let mut timelines = Vec::with_capacity(count);
        let mut before = None;
        for _ in 0..count {
            let step = input.number()?;
            let number = match before {
                None => Some(step),
                Some(_) if step == 0 => None,
                Some(before) => step.checked_add(before),
            };
            let id = number
                .and_then(NopId::from_number)
                .filter(|id| shard_of(*id) == index)
                .ok_or(ShardError::Damaged("an operation's id does not belong into it"))?;
            before = Some(id.number());
            ids.push(id);
            timelines.push(Timeline {
                status: read_segments(&mut input, &texts)?,
                scopes: [
                    read_segments(&mut input, &texts)?,
                    read_segments(&mut input, &texts)?,
                    read_segments(&mut input, &texts)?,
                    read_segments(&mut input, &texts)?,
                ],
            });
        }
        if !input.is_empty() {
            return Err(ShardError::Damaged("bytes follow its end"));
        }
        Ok(Self {
            ids: ids.into(),
            timelines: timelines.into(),
        })
    }
}

#[derive(Default)]
struct TextTable<'a> {
    texts: Vec<&'a str>,
    codes: FxHashMap<&'a str, u64>,
}

impl<'a> TextTable<'a> {
    fn code(&mut self, status: &'a Status) -> u64 {
        match status {
            Status::Certified => CERTIFIED,
            Status::Unlisted => UNLISTED,
            Status::Other(text) => *self.codes.entry(text).or_insert_with(|| {
                self.texts.push(text);
                FIRST_TEXT + self.texts.len() as u64 - 1
            }),
        }
    }
}

fn put_segments<'a>(body: &mut Vec<u8>, texts: &mut TextTable<'a>, segments: &'a [Segment]) {
    put_number(body, segments.len() as u64);
    let mut before = 0;
    for segment in segments {
        let day = day_number(segment.from);
        put_number(body, day - before);
        before = day;
        put_number(body, texts.code(&segment.status));
    }
}

/// Days since 0001-01-01, from 1. A date before that (no file form can write one) becomes 0.
fn day_number(date: Date) -> u64 {
    u64::try_from(date.num_days_from_ce()).unwrap_or_default()
}

fn read_texts(input: &mut Input<'_>) -> Result<Vec<Status>, ShardError> {
    let count = input.count(2)?;
    let mut texts = Vec::with_capacity(count);
    for _ in 0..count {
        let length = input.count(1)?;
        let text = std::str::from_utf8(input.take(length)?)
            .map_err(|_| ShardError::Damaged("a status is not UTF-8"))?;
        match Status::from_stored(text) {
            Status::Other(text) if !text.is_empty() => texts.push(Status::Other(text)),
            _ => return Err(ShardError::Damaged("a status is not one that needs a text")),
        }
    }
    Ok(texts)
}

fn read_segments(input: &mut Input<'_>, texts: &[Status]) -> Result<Vec<Segment>, ShardError> {
    let count = input.count(2)?;
    let mut segments = Vec::with_capacity(count);
    let mut before = 0;
    for index in 0..count {
        let step = input.number()?;
        let day = before + i64::from(u32::try_from(step).unwrap_or(u32::MAX));
        if index > 0 && step == 0 {
            return Err(ShardError::Damaged("its dates do not rise"));
        }
        before = day;
        let from = i32::try_from(day)
            .ok()
            .and_then(Date::from_num_days_from_ce_opt)
            .ok_or(ShardError::Damaged("a date does not exist"))?;
        let status = match input.number()? {
            CERTIFIED => Status::Certified,
            UNLISTED => Status::Unlisted,
            code => usize::try_from(code - FIRST_TEXT)
                .ok()
                .and_then(|index| texts.get(index))
                .cloned()
                .ok_or(ShardError::Damaged("a status has no text"))?,
        };
        segments.push(Segment { from, status });
    }
    Ok(segments)
}

#[cfg(test)]
mod tests;
