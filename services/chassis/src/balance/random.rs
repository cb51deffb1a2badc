//! Chance with a seed, so that what it decides can be repeated.

/// Numbers that a seed decides (splitmix64).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    #[cfg(test)]
    pub(super) const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// From a seed that differs from process to process.
    pub(super) fn of_process() -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        Self(RandomState::new().hash_one(0_u8))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        // What is less than a usize fits one.
        #[allow(clippy::cast_possible_truncation)]
        let number = (self.next() % bound as u64) as usize;
        number
    }

    /// From 0 to 1.
    pub(super) fn share(&mut self) -> f64 {
        // 53 bits fit.
        #[allow(clippy::cast_precision_loss)]
        let share = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        share
    }
}
