//! Blocks: rows and items, compressed together.
//!
//! A row of 60 columns repeats the names of its columns and much of its neighbours: some hundred of them compressed
//! together take a sixth of the space, which is also a sixth of what an import writes.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use nopic_sql::Error;

use super::corrupt;

/// A block is closed when its content reaches this many bytes.
const BLOCK_BYTES: usize = 64 << 10;
/// The largest content of a block that is unpacked: one row may have 64 MiB.
const UNPACKED_LIMIT: u64 = 256 << 20;
/// Each entry is preceded by its length, little endian.
const LENGTH_BYTES: usize = 4;

/// Where a row's fields, or a run of items, stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlockRef {
    pub(crate) block: i64,
    /// Number of the entry in its block, from 0.
    pub(crate) slot: u32,
}

/// A block to be saved: its number and its compressed content.
pub(crate) type Block = (i64, Vec<u8>);

/// Gathers entries into blocks.
#[derive(Debug)]
pub(crate) struct BlockBuilder {
    next: i64,
    slots: u32,
    content: Vec<u8>,
}

impl BlockBuilder {
    /// Blocks are numbered from this one on.
    pub(crate) fn new(first: i64) -> Self {
        Self {
            next: first,
            slots: 0,
            content: Vec::with_capacity(BLOCK_BYTES + (16 << 10)),
        }
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: &[u8]) -> BlockRef {
        let slot = self.slots;
        self.slots += 1;
        // The readers refuse rows beyond 64 MiB, so the length fits.
        let length = u32::try_from(entry.len()).unwrap_or(u32::MAX);
        self.content.extend_from_slice(&length.to_le_bytes());
        self.content.extend_from_slice(entry);
        BlockRef {
            block: self.next,
            slot,
        }
    }

    /// The block, compressed, if it is full.
    pub(crate) fn take_full(&mut self) -> Option<Block> {
        (self.content.len() >= BLOCK_BYTES).then(|| self.take())
    }

    /// The last block, compressed, if anything is in it.
    pub(crate) fn take_rest(&mut self) -> Option<Block> {
        (self.slots > 0).then(|| self.take())
    }

    fn take(&mut self) -> Block {
        let mut encoder = ZlibEncoder::new(Vec::with_capacity(self.content.len() / 4), Compression::fast());
        // Writing to memory cannot fail.
        let _ = encoder.write_all(&self.content);
        let bytes = encoder.finish().unwrap_or_default();
        let number = self.next;
        self.next += 1;
        self.slots = 0;
        self.content.clear();
        (number, bytes)
    }
}

/// The entries of a block's content.
pub(crate) fn entries_of(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = content;
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first_chunk::<LENGTH_BYTES>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (entry, behind) = behind.split_at_checked(length)?;
        rest = behind;
        Some(entry)
    })
}

/// The content of a block that was saved.
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut content = Vec::with_capacity(BLOCK_BYTES * 2);
    ZlibDecoder::new(bytes)
        .take(UNPACKED_LIMIT)
        .read_to_end(&mut content)
        .map_err(|error| corrupt("block.bytes", error.to_string()))?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_in_their_order() {
        let mut builder = BlockBuilder::new(7);
        let entries = [b"first".to_vec(), Vec::new(), vec![7; 100_000]];
        let places: Vec<_> = entries.iter().map(|entry| builder.push(entry)).collect();
        assert_eq!(places[2], BlockRef { block: 7, slot: 2 });
        let (number, bytes) = builder.take_full().unwrap();
        assert_eq!(number, 7);
        let content = unpack(&bytes).unwrap();
        assert_eq!(
            entries_of(&content).map(<[u8]>::to_vec).collect::<Vec<_>>(),
            entries
        );
        assert!(builder.take_rest().is_none());
        assert_eq!(builder.push(b"x"), BlockRef { block: 8, slot: 0 });
        assert!(unpack(b"garbage").is_err());
    }
}
