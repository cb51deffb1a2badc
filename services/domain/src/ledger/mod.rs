//! What may be drawn from a certificate.
//!
//! The drawn sum passes the limit only by excess that was expressly permitted and is marked on the draws that have
//! it: `drawn <= limit + excess` always holds, and the database checks it too.

mod decide;

use crate::weight::Weight;

pub use decide::{
    Account, AccountState, Ask, EntryDecision, EntryDraws, LineDraw, LineOutcome, OwnDraw, Take,
    UnknownAccount, decide,
};

/// How the ids begin by which filings ask the ledger for draws. They share their names with every other change of
/// certificates, so nothing else may be named so.
pub const IDS_OF_FILINGS: &str = "filing/";

/// The most that the draws of one certificate may add up to: a hundred times the largest weight that a certificate
/// may state, so that no sum comes near the end of 64 bits.
pub const MAX_DRAWN: Weight = Weight::from_units(Weight::MAX.units() * 100);

/// What of each draw lies past the limit, when they are taken in this order after `drawn` was drawn already.
///
/// The marks add up to what the whole is past the limit, less what it was past the limit before.
#[must_use]
pub fn mark_excess(limit: Weight, drawn: Weight, draws: &[Weight]) -> Vec<Weight> {
    let mut drawn = drawn;
    draws
        .iter()
        .map(|draw| {
            let past_before = past(limit, drawn);
            drawn = drawn.saturating_add(*draw);
            past(limit, drawn).saturating_sub(past_before)
        })
        .collect()
}

/// How much of `drawn` lies past the limit; zero where it keeps to it.
#[must_use]
pub fn past(limit: Weight, drawn: Weight) -> Weight {
    drawn.saturating_sub(limit).max(Weight::ZERO)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_draw_that_crosses_the_limit_is_marked_with_the_part_beyond_it() {
        let weights = |units: &[i64]| units.iter().copied().map(Weight::from_units).collect::<Vec<_>>();
        assert_eq!(
            mark_excess(
                Weight::from_units(100),
                Weight::from_units(50),
                &weights(&[40, 0, 30, 5])
            ),
            weights(&[0, 0, 20, 5])
        );
        // What was past the limit before is nobody's new excess.
        assert_eq!(
            mark_excess(Weight::from_units(100), Weight::from_units(120), &weights(&[7])),
            weights(&[7])
        );
    }

    proptest! {
        #[test]
        fn excess_covers_what_is_past_the_limit(
            limit in 0i64..1_000,
            before in 0i64..1_000,
            draws in proptest::collection::vec(0i64..300, 0..12),
        ) {
            let (limit, before) = (Weight::from_units(limit), Weight::from_units(before));
            let draws: Vec<Weight> = draws.into_iter().map(Weight::from_units).collect();
            let marks = mark_excess(limit, before, &draws);
            let sum = |weights: &[Weight]| weights.iter().fold(Weight::ZERO, |sum, weight| sum.saturating_add(*weight));
            let after = before.saturating_add(sum(&draws));
            prop_assert_eq!(sum(&marks).saturating_add(past(limit, before)), past(limit, after));
            prop_assert!(marks.iter().zip(&draws).all(|(mark, draw)| *mark >= Weight::ZERO && mark <= draw));
        }
    }
}
