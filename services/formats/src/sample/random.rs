//! Draws that depend on nothing but seed, stream and index, so that any item can be made again on its own.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What an item is of; keeps the draws of different items apart.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    /// Facts of an operation that everything else depends on.
    Operation = 1,
    /// Name, address and the rest of what an operation shows.
    OperationText = 2,
    /// A group of certificates of one importer.
    Group = 3,
    /// One certificate.
    Certificate = 4,
    /// One entry with its lines.
    Entry = 5,
}

/// The generator of one item.
pub(super) fn generator(seed: u64, stream: Stream, index: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(mixed(seed ^ mixed(stream as u64) ^ mixed(index).rotate_left(17)))
}

/// Spreads the bits of a number over all places; neighbours become unlike.
pub(super) const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The draws that the sample data are made of.
pub(super) trait Draw: RngExt {
    /// One of the list, which must not be empty.
    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.random_range(0..list.len())]
    }

    /// True so many times in a thousand.
    fn per_mille(&mut self, share: u32) -> bool {
        self.random_range(0..1000) < share
    }
}

impl<R: RngExt> Draw for R {}
