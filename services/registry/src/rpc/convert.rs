//! Between wire and domain.

use nopic_cache::RevisionChoice;
use nopic_domain::date::Date;
use nopic_domain::registry::{Scope, Segment, Timeline};
use nopic_formats::oid::OidReject;
use nopic_proto::{common, registry as wire};

use crate::current::Answering;
use crate::store::{SnapshotRow, State};

/// A choice; absent: the current revision.
pub(super) fn choice(choice: Option<wire::RevisionChoice>) -> RevisionChoice {
    match choice.and_then(|choice| choice.choice) {
        None => RevisionChoice::Current,
        Some(wire::revision_choice::Choice::Exact(revision)) => RevisionChoice::Exact(revision),
        Some(wire::revision_choice::Choice::AtLeast(revision)) => RevisionChoice::AtLeast(revision),
    }
}

pub(super) fn date(date: Option<Date>) -> String {
    date.map(|date| date.to_string()).unwrap_or_default()
}

pub(super) fn revision(answering: &Answering) -> wire::Revision {
    wire::Revision {
        revision: answering.revision,
        published_on: date(answering.published_on()),
    }
}

pub(super) fn snapshot(row: &SnapshotRow) -> wire::Snapshot {
    let state = match row.state {
        State::Serving => wire::snapshot::State::Serving,
        State::Held => wire::snapshot::State::Held,
    };
    wire::Snapshot {
        revision: row.revision,
        state: state.into(),
        published_on: row.published_on.to_string(),
        full: row.is_full,
        form: row.form.clone(),
        files: row.files.clone(),
        content_hash: row.content_hash.clone(),
        rows: row.rows,
        items: row.items,
        rejected_rows: row.rejected_rows,
        imported_at: row
            .imported_at
            .to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        imported_by: row.imported_by.clone(),
        source_url: row.source_url.clone(),
        entity_tag: row.entity_tag.clone(),
        last_modified: row.last_modified.clone(),
    }
}

fn periods(segments: &[Segment]) -> Vec<wire::StatusPeriod> {
    segments
        .iter()
        .map(|segment| wire::StatusPeriod {
            from: segment.from.to_string(),
            status: segment.status.as_str().to_owned(),
        })
        .collect()
}

/// History of the status, then of every scope that was ever stated.
pub(super) fn histories(timeline: &Timeline) -> (Vec<wire::StatusPeriod>, Vec<wire::ScopeHistory>) {
    let scopes = Scope::ALL
        .into_iter()
        .zip(&timeline.scopes)
        .filter(|(_, segments)| !segments.is_empty())
        .map(|(scope, segments)| wire::ScopeHistory {
            scope: scope.as_str().to_owned(),
            history: periods(segments),
        })
        .collect();
    (periods(&timeline.status), scopes)
}

pub(super) fn reject(file: String, reject: OidReject) -> common::Reject {
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let reject = reject.reject;
    common::Reject {
        file,
        record: number(reject.record),
        position: reject.position.map(number),
        key: reject.key.unwrap_or_default(),
        field: reject.field.unwrap_or_default(),
        value: reject.value,
        reason: reject.reason,
    }
}
