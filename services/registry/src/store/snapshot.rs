//! Snapshots: what was imported, and the order in which they count.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_sql::Error;

use super::corrupt;

/// Whether a snapshot answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Serving,
    Held,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "SERVING",
            Self::Held => "HELD",
        }
    }

    pub(super) fn from_stored(text: &str) -> Result<Self, Error> {
        match text {
            "SERVING" => Ok(Self::Serving),
            "HELD" => Ok(Self::Held),
            other => Err(corrupt("snapshot.state", other)),
        }
    }
}

/// One imported snapshot.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotRow {
    pub(crate) revision: u32,
    pub(crate) state: State,
    pub(crate) published_on: Date,
    pub(crate) is_full: bool,
    /// `XLSX`, `XML` or `JSON`.
    pub(crate) form: String,
    pub(crate) files: Vec<String>,
    /// Hexadecimal.
    pub(crate) content_hash: String,
    pub(crate) rows: u32,
    pub(crate) items: u32,
    pub(crate) rejected_rows: u32,
    pub(crate) states_items: bool,
    pub(crate) certifiers: Vec<String>,
    /// Of a partial one: the operations that it holds, refused ones too.
    pub(crate) listed: Option<Listed>,
    pub(crate) imported_at: DateTime<Utc>,
    pub(crate) imported_by: String,
    pub(crate) source_url: String,
    pub(crate) entity_tag: String,
    pub(crate) last_modified: String,
}

/// A set of operations: rising numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed(Arc<[u64]>);

impl Listed {
    pub(crate) fn new(ids: impl IntoIterator<Item = NopId>) -> Self {
        let mut numbers: Vec<u64> = ids.into_iter().map(NopId::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Self(numbers.into())
    }

    pub(crate) fn contains(&self, id: NopId) -> bool {
        self.0.binary_search(&id.number()).is_ok()
    }

    /// Steps from one number to the next, seven bits a byte, the lowest first.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 2);
        let mut before = 0;
        for number in self.0.iter() {
            let mut step = number - before;
            before = *number;
            while step >= 0x80 {
                bytes.push(0x80 | (step & 0x7f) as u8);
                step >>= 7;
            }
            bytes.push((step & 0x7f) as u8);
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut numbers = Vec::new();
        let (mut before, mut step, mut shift) = (0u64, 0u64, 0u32);
        for byte in bytes {
            if shift > 35 {
                return Err(corrupt("snapshot.listed", "a step is too large"));
            }
            step |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                before += step;
                numbers.push(before);
                (step, shift) = (0, 0);
            }
        }
        Ok(Self(numbers.into()))
    }
}

/// The snapshots that a revision holds, in the order in which they count.
#[derive(Debug, Clone)]
pub(crate) struct Order(Vec<SnapshotRow>);

impl Order {
    /// Those up to this revision.
    pub(crate) fn at(snapshots: &[SnapshotRow], revision: u32) -> Self {
        let mut visible: Vec<_> = snapshots
            .iter()
            .filter(|snapshot| snapshot.revision <= revision && snapshot.state == State::Serving)
            .cloned()
            .collect();
        visible.sort_by_key(|snapshot| (snapshot.published_on, snapshot.revision));
        Self(visible)
    }

    /// By publication, the oldest first.
    pub(crate) fn snapshots(&self) -> &[SnapshotRow] {
        &self.0
    }

    /// Place of a revision in this order.
    pub(crate) fn rank(&self, revision: u32) -> Option<usize> {
        self.0.iter().position(|snapshot| snapshot.revision == revision)
    }

    /// The place that a new snapshot of this date takes: before those published later.
    pub(crate) fn position_of(&self, published_on: Date) -> usize {
        self.0
            .partition_point(|snapshot| snapshot.published_on <= published_on)
    }

    /// Publication date of the newest snapshot: the day for which the current status is shown.
    pub(crate) fn newest_on(&self) -> Option<Date> {
        self.0.last().map(|snapshot| snapshot.published_on)
    }

    /// The newest full snapshot before that place.
    pub(crate) fn full_before(&self, position: usize) -> Option<&SnapshotRow> {
        self.0[..position].iter().rev().find(|snapshot| snapshot.is_full)
    }

    /// The newest full snapshot: staleness goes by it.
    pub(crate) fn newest_full(&self) -> Option<&SnapshotRow> {
        self.0.iter().rev().find(|snapshot| snapshot.is_full)
    }
}

/// Places of snapshots in the order of publication, by revision.
pub(crate) struct Ranks(Vec<Option<usize>>);

impl Ranks {
    pub(super) fn of(order: &Order) -> Self {
        let mut ranks = Vec::new();
        for (rank, snapshot) in order.snapshots().iter().enumerate() {
            let index = snapshot.revision as usize;
            if ranks.len() <= index {
                ranks.resize(index + 1, None);
            }
            ranks[index] = Some(rank);
        }
        Self(ranks)
    }

    /// `None`: not part of this order (a held snapshot, or a later revision).
    pub(super) fn get(&self, revision: u32) -> Option<usize> {
        self.0.get(revision as usize).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_of_operations_comes_back(numbers in proptest::collection::vec(0u64..10_000_000_000, 0..50)) {
            let listed = Listed::new(numbers.iter().filter_map(|number| NopId::from_number(*number)));
            prop_assert_eq!(&Listed::from_bytes(&listed.to_bytes()).unwrap(), &listed);
            for number in numbers {
                prop_assert!(listed.contains(NopId::from_number(number).unwrap()));
            }
        }
    }
}
