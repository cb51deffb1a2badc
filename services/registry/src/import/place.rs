//! Where a new snapshot finds its place among those that are there, and what must be written for it.
//!
//! An observation is written only where a snapshot says something else about an operation than was said before it, in
//! the order of publication. A snapshot of the past comes between others, so those behind it would seem to say what
//! it says: the first of them that says anything about the operation then gets an observation of its own, with what
//! it said all along.

use nopic_domain::identifier::NopId;

use crate::store::{Change, Kind, Listed, NewItems, NewObservation, Seen, WhatIsNew};

/// What the new snapshot says about an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Listed(u128),
    Refused,
    /// Not listed by a full snapshot.
    Absent,
}

impl Said {
    fn is_repeated_by(&self, before: Option<&Seen>) -> bool {
        match (self, before) {
            (Self::Listed(hash), Some(before)) => before.kind == Kind::Listed && before.content_hash == *hash,
            (Self::Refused, Some(before)) => before.kind == Kind::Refused,
            // Absent before it was ever listed says nothing.
            (Self::Absent, before) => before.is_none_or(|before| before.kind == Kind::Absent),
            (_, None) => false,
        }
    }
}

/// A snapshot that is published after the new one.
#[derive(Debug, Clone)]
pub(super) struct LaterSnapshot {
    pub(super) rank: usize,
    pub(super) revision: u32,
    pub(super) is_full: bool,
    pub(super) listed: Option<Listed>,
    pub(super) states_items: bool,
}

impl LaterSnapshot {
    fn says_something_about(&self, id: NopId) -> bool {
        self.is_full || self.listed.as_ref().is_some_and(|listed| listed.contains(id))
    }
}

/// What follows from one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    /// What it means that the snapshot says so; `None`: it says what was said before, and nothing is written.
    pub(super) change: Option<Change>,
    /// What a later snapshot must repeat.
    pub(super) repeat: Option<NewObservation>,
}

/// Places what a snapshot says about one operation. `seen` are the operation's observations by rank, `position` is the
/// rank that the snapshot takes (what has it now comes behind), `later` are the snapshots from there on.
pub(super) fn place(
    id: NopId,
    said: &Said,
    seen: &[Seen],
    position: usize,
    later: &[LaterSnapshot],
) -> Placed {
    let split = seen.partition_point(|seen| seen.rank < position);
    let before = split.checked_sub(1).map(|index| &seen[index]);
    if said.is_repeated_by(before) {
        return Placed {
            change: None,
            repeat: None,
        };
    }
    let was_there = before.is_some_and(|before| before.kind != Kind::Absent);
    let change = match said {
        Said::Listed(_) if was_there => Change::Changed,
        Said::Listed(_) => Change::Added,
        Said::Absent => Change::Unlisted,
        Said::Refused => Change::Nothing,
    };
    let next = seen.get(split).map_or(usize::MAX, |seen| seen.rank);
    let repeat = later
        .iter()
        .take_while(|snapshot| snapshot.rank < next)
        .find(|snapshot| snapshot.says_something_about(id))
        .map(|snapshot| NewObservation {
            nop_id: id,
            revision: snapshot.revision,
            change: Change::Nothing,
            what: before.map_or(WhatIsNew::Absent, |before| WhatIsNew::SameAs(before.revision)),
        });
    Placed {
        change: Some(change),
        repeat,
    }
}

/// The list of items that a later snapshot must repeat when an older one brings another. `before`: the revision whose
/// list held until now; `next`: the rank of the operation's next list.
pub(super) fn repeat_items(
    id: NopId,
    before: Option<u32>,
    next: Option<usize>,
    later: &[LaterSnapshot],
) -> Option<NewItems> {
    let snapshot = later
        .iter()
        .take_while(|snapshot| next.is_none_or(|next| snapshot.rank < next))
        .find(|snapshot| snapshot.states_items && snapshot.says_something_about(id))?;
    Some(NewItems {
        nop_id: id,
        revision: snapshot.revision,
        content_hash: 0,
        runs: Vec::new(),
        same_as: before,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> NopId {
        NopId::from_number(1).unwrap()
    }

    fn seen(rank: usize, kind: Kind, content_hash: u128) -> Seen {
        Seen {
            rank,
            revision: u32::try_from(rank).unwrap() + 1,
            kind,
            content_hash,
        }
    }

    fn later(rank: usize, is_full: bool) -> LaterSnapshot {
        LaterSnapshot {
            rank,
            revision: u32::try_from(rank).unwrap() + 1,
            is_full,
            listed: (!is_full).then(|| Listed::new([])),
            states_items: false,
        }
    }

    #[test]
    fn the_same_again_writes_nothing() {
        let known = [seen(0, Kind::Listed, 7)];
        let placed = place(id(), &Said::Listed(7), &known, 1, &[]);
        assert_eq!(placed.change, None);
        assert_eq!(place(id(), &Said::Absent, &[], 0, &[]).change, None);
    }

    #[test]
    fn what_follows_goes_on_saying_what_it_said() {
        // January said 7, March (full) too; February, which comes last, says 8.
        let known = [seen(0, Kind::Listed, 7)];
        let placed = place(id(), &Said::Listed(8), &known, 1, &[later(1, true)]);
        assert_eq!(placed.change, Some(Change::Changed));
        let repeat = placed.repeat.unwrap();
        assert_eq!((repeat.revision, repeat.what), (2, WhatIsNew::SameAs(1)));
        // A partial March that does not name the operation said nothing and goes on so.
        let placed = place(id(), &Said::Listed(8), &known, 1, &[later(1, false)]);
        assert_eq!(placed.repeat, None);
    }

    #[test]
    fn an_operation_of_the_past_is_absent_from_what_follows() {
        let placed = place(id(), &Said::Listed(8), &[], 0, &[later(0, true), later(1, true)]);
        assert_eq!(placed.change, Some(Change::Added));
        let repeat = placed.repeat.unwrap();
        assert_eq!((repeat.revision, repeat.what), (1, WhatIsNew::Absent));
    }

    #[test]
    fn what_the_next_snapshot_says_of_its_own_needs_no_repeating() {
        let known = [seen(0, Kind::Listed, 7), seen(1, Kind::Listed, 9)];
        let placed = place(
            id(),
            &Said::Listed(8),
            &known,
            1,
            &[later(1, true), later(2, true)],
        );
        assert_eq!(placed.repeat, None);
    }
}
