//! The rows that the audit log answers for, and who changes them.

use chrono::{DateTime, Utc};
use nopic_domain::principal::Principal;
use nopic_sql::audit::Column::{Bytes, Date, Flag, Moment, Number, Text};
use nopic_sql::audit::{Audited, Rows};

use super::row::Kind;
use super::{Block, Listed, NewItems, NewObservation, SnapshotRow, WhatIsNew};

macro_rules! snapshot_columns {
    () => {
        "SELECT revision, state, published_on, is_full, form, files, content_hash, rows, items, rejected_rows,
            states_items, certifiers, listed, imported_at, imported_by, source_url, entity_tag, last_modified
        FROM snapshot WHERE "
    };
}
/// Behind them comes where they are from.
macro_rules! observation_columns {
    () => {
        "SELECT o.nop_id, o.revision, o.kind, o.change, o.content_hash, o.block, o.slot, o.statement, o.heading,
            o.written_by FROM "
    };
}
macro_rules! item_list_columns {
    () => {
        "SELECT o.nop_id, o.revision, o.content_hash, o.runs, o.written_by FROM "
    };
}
pub(super) use {item_list_columns, observation_columns, snapshot_columns};

pub(super) const SNAPSHOT: Audited = Audited {
    kind: "revision",
    page: concat!(
        "/* registry.audit_snapshots */ ",
        snapshot_columns!(),
        "revision > $1 ORDER BY revision LIMIT $2"
    ),
    key: 1,
    columns: &[
        Number, Text, Date, Flag, Text, Text, Text, Number, Number, Number, Flag, Text, Bytes, Moment, Text,
        Text, Text, Text,
    ],
    shown: str::to_owned,
};
pub(super) const OBSERVATION: Audited = Audited {
    kind: "observation",
    page: concat!(
        "/* registry.audit_observations */ ",
        observation_columns!(),
        "observation o WHERE (o.nop_id, o.revision) > ($1, $2) ORDER BY o.nop_id, o.revision LIMIT $3"
    ),
    key: 2,
    columns: &[
        Number, Number, Number, Number, Bytes, Number, Number, Text, Text, Number,
    ],
    shown: shown_in_revision,
};
pub(super) const ITEM_LIST: Audited = Audited {
    kind: "item list",
    page: concat!(
        "/* registry.audit_item_lists */ ",
        item_list_columns!(),
        "item_list o WHERE (o.nop_id, o.revision) > ($1, $2) ORDER BY o.nop_id, o.revision LIMIT $3"
    ),
    key: 2,
    columns: &[Number, Number, Bytes, Text, Number],
    shown: shown_in_revision,
};
pub(super) const BLOCK: Audited = Audited {
    kind: "block",
    page: "/* registry.audit_blocks */ SELECT block, written_by, bytes FROM block WHERE block > $1
        ORDER BY block LIMIT $2",
    key: 1,
    columns: &[Number, Number, Bytes],
    shown: str::to_owned,
};

/// All of them.
pub(super) const AUDITED: &[&Audited] = &[&SNAPSHOT, &OBSERVATION, &ITEM_LIST, &BLOCK];

fn shown_in_revision(key: &str) -> String {
    match key.split_once('/') {
        Some((operation, revision)) => format!("of {operation} in revision {revision}"),
        None => key.to_owned(),
    }
}

/// Who changes the snapshots.
#[derive(Debug, Clone, Default)]
pub(crate) struct Who {
    pub(crate) tenant: String,
    pub(crate) actor: String,
    pub(crate) role: &'static str,
}

impl From<&Principal> for Who {
    fn from(principal: &Principal) -> Self {
        Self {
            tenant: principal.tenant.clone(),
            actor: principal.actor.clone(),
            role: principal.role.as_str(),
        }
    }
}

/// What is noted of a change.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) who: Who,
    pub(crate) at: DateTime<Utc>,
    pub(crate) action: &'static str,
    pub(crate) revision: u32,
    /// As JSON.
    pub(crate) detail: String,
}

/// What a change leaves, in parts that a note each can hold.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    full: Vec<Rows>,
    last: Rows,
}

impl Leaves {
    /// Bytes of one note, at least, before another goes on.
    const NOTE_BYTES: usize = 256 * 1024;

    /// Where the next rows go.
    pub(super) fn rows(&mut self) -> &mut Rows {
        if self.last.size() >= Self::NOTE_BYTES {
            self.full.push(std::mem::take(&mut self.last));
        }
        &mut self.last
    }

    /// All parts; the last may be empty.
    pub(super) fn into_parts(self) -> impl Iterator<Item = Rows> {
        self.full.into_iter().chain([self.last])
    }

    pub(super) fn block(&mut self, by: u32, (number, bytes): &Block) {
        self.rows()
            .row(&BLOCK)
            .number(*number)
            .number(i64::from(by))
            .bytes(&bytes[..])
            .end();
    }

    pub(super) fn snapshot(&mut self, snapshot: &SnapshotRow) {
        let listed = snapshot.listed.as_ref().map(Listed::to_bytes);
        self.rows()
            .row(&SNAPSHOT)
            .number(i64::from(snapshot.revision))
            .text(snapshot.state.as_str())
            .date(snapshot.published_on)
            .flag(snapshot.is_full)
            .text(snapshot.form.as_str())
            .text(json(&snapshot.files).as_str())
            .text(snapshot.content_hash.as_str())
            .number(i64::from(snapshot.rows))
            .number(i64::from(snapshot.items))
            .number(i64::from(snapshot.rejected_rows))
            .flag(snapshot.states_items)
            .text(json(&snapshot.certifiers).as_str())
            .bytes(listed.as_deref())
            .moment(snapshot.imported_at)
            .text(snapshot.imported_by.as_str())
            .text(snapshot.source_url.as_str())
            .text(snapshot.entity_tag.as_str())
            .text(snapshot.last_modified.as_str())
            .end();
    }

    /// One that says what no other says.
    pub(super) fn observation(&mut self, by: u32, new: &NewObservation) {
        let (kind, listed) = match &new.what {
            WhatIsNew::Listed(content) => (Kind::Listed, Some(&**content)),
            WhatIsNew::Refused => (Kind::Refused, None),
            WhatIsNew::Absent | WhatIsNew::SameAs(_) => (Kind::Absent, None),
        };
        let hash = listed.map(|new| new.content_hash.to_be_bytes());
        self.rows()
            .row(&OBSERVATION)
            .number(new.nop_id.number().cast_signed())
            .number(i64::from(new.revision))
            .number(kind.code())
            .number(new.change.code())
            .bytes(hash.as_ref().map(|hash| &hash[..]))
            .number(listed.map(|new| new.content.block))
            .number(listed.map(|new| i64::from(new.content.slot)))
            .text(listed.map(|new| &*new.statement))
            .text(listed.map(|new| &*new.heading))
            .number(i64::from(by))
            .end();
    }

    /// One that is the list of no other revision; `runs` as stored.
    pub(super) fn item_list(&mut self, by: u32, list: &NewItems, runs: &str) {
        self.rows()
            .row(&ITEM_LIST)
            .number(list.nop_id.number().cast_signed())
            .number(i64::from(list.revision))
            .bytes(&list.content_hash.to_be_bytes()[..])
            .text(runs)
            .number(i64::from(by))
            .end();
    }

    /// Rows that were deleted, by the numbers of their keys.
    pub(super) fn gone(
        &mut self,
        audited: &'static Audited,
        keys: impl IntoIterator<Item = (i64, Option<i64>)>,
    ) {
        for (first, second) in keys {
            let row = self.rows().row(audited).number(first);
            match second {
                Some(second) => row.number(second),
                None => row,
            }
            .gone();
        }
    }
}

/// Texts as they are stored.
pub(super) fn json(texts: &[String]) -> String {
    // They always have a JSON form.
    serde_json::to_string(texts).unwrap_or_default()
}
