//! What snapshots say about operations.

use nopic_domain::identifier::NopId;
use nopic_domain::registry::Status;
use nopic_sql::Error;

use super::row::{Heading, Kind};
use super::{BlockRef, corrupt};

/// What an observation meant when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    Added,
    Changed,
    Unlisted,
}

impl Change {
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::Added => 1,
            Self::Changed => 2,
            Self::Unlisted => 3,
        }
    }

    pub(super) fn from_code(code: i64) -> Result<Self, Error> {
        match code {
            0 => Ok(Self::Nothing),
            1 => Ok(Self::Added),
            2 => Ok(Self::Changed),
            3 => Ok(Self::Unlisted),
            other => Err(corrupt("observation.change", other.to_string())),
        }
    }
}

/// The last thing said about an operation in the order of publication.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latest {
    pub(crate) kind: Kind,
    pub(crate) revision: u32,
    /// Of a listed one.
    pub(crate) content_hash: u128,
    pub(crate) content: Option<BlockRef>,
    /// Of a listed one.
    pub(crate) status: Option<Status>,
    /// As stored; of the last listed one, whatever was said after it. Empty: never listed.
    pub(crate) heading: Box<str>,
}

/// What was last said about every operation, by rising id: less memory than a map takes.
#[derive(Debug, Default)]
pub(crate) struct AllLatest(pub(super) Vec<(NopId, Latest)>);

impl AllLatest {
    pub(crate) fn get(&self, id: NopId) -> Option<&Latest> {
        let place = self.0.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&self.0[place].1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (NopId, &Latest)> {
        self.0.iter().map(|(id, latest)| (*id, latest))
    }
}

/// An observation as far as its place among others is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Place of its snapshot in the order of publication.
    pub(crate) rank: usize,
    pub(crate) revision: u32,
    pub(crate) kind: Kind,
    pub(crate) content_hash: u128,
}

/// An operation that a revision changed.
#[derive(Debug, Clone)]
pub(crate) struct ChangedOperation {
    pub(crate) nop_id: NopId,
    pub(crate) change: Change,
    pub(crate) statement: Option<nopic_domain::registry::Statement>,
    /// Of a listed one.
    pub(crate) heading: Option<Heading>,
}

/// An observation to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewObservation {
    pub(crate) nop_id: NopId,
    /// The snapshot that says so.
    pub(crate) revision: u32,
    pub(crate) change: Change,
    pub(crate) what: WhatIsNew,
}

/// A row that is not known yet. Boxed where many are kept, so that it is moved and never copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewContent {
    pub(crate) content_hash: u128,
    /// Where its fields were written.
    pub(crate) content: BlockRef,
    /// As stored.
    pub(crate) statement: Box<str>,
    /// As stored.
    pub(crate) heading: Box<str>,
}

/// What a new observation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WhatIsNew {
    Listed(Box<NewContent>),
    Refused,
    Absent,
    /// The same as the stored observation of this revision.
    SameAs(u32),
}
