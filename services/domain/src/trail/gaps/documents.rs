//! The documents, and that each of them says "organic".

use super::{GapCode, Gaps, standing};
use crate::trail::{DocumentKind, Trail};

/// Those that every entry needs.
const NEEDED: [DocumentKind; 4] = [
    DocumentKind::PurchaseOrder,
    DocumentKind::BillOfLading,
    DocumentKind::Invoice,
    DocumentKind::PackingList,
];

pub(super) fn look(trail: &Trail, gaps: &mut Gaps) {
    for kind in NEEDED {
        if !standing(&trail.documents).any(|document| document.content.kind == kind) {
            gaps.add(
                GapCode::DocumentMissing,
                String::new(),
                format!("No {} is on record.", kind.words()),
                "Record it with `nopic entry document`.",
            );
        }
    }
    for document in standing(&trail.documents).filter(|document| NEEDED.contains(&document.content.kind)) {
        let about = format!("record {}", document.record_id);
        let content = &document.content;
        let name = format!("{} {}", content.kind.words(), content.reference);
        match &content.organic {
            Some(check) if check.says_organic => {}
            Some(_) => gaps.add(
                GapCode::DocumentNotOrganic,
                about,
                format!("The {name} does not say \"organic\"."),
                "Ask the one who wrote it for a corrected one, record that, and withdraw this one.",
            ),
            None => gaps.add(
                GapCode::DocumentNotChecked,
                about,
                format!("Nobody has checked that the {name} says \"organic\"."),
                "Read it and record it again with what it says.",
            ),
        }
    }
}
