//! Which pointers are believed without the registry.
//!
//! Redis is believed within the lineage that the registry has shown to be its own, by naming the same manifest as the
//! pointer did. A pointer behind what is known, or with another manifest for the same number, or of another lineage,
//! is a question to the registry: so neither a lagging replica nor the leavings of a registry that was restored from
//! a backup give an answer.

use std::time::Duration;

use tokio::time::Instant;

use super::record::{ManifestHash, Pointer};
use crate::reader::Lineage;

#[derive(Debug, Default)]
pub(super) struct Trust {
    /// The registry's lineage, once a pointer and the registry agreed.
    lineage: Option<Lineage>,
    /// What is known to be reached: revision and manifest.
    floor: Option<(u32, ManifestHash)>,
    /// The pointer that the registry disagreed with last.
    contradicted: Option<Pointer>,
    /// When the registry was last asked, whether it answered or not.
    asked_at: Option<Instant>,
}

impl Trust {
    /// Whether it is time to ask the registry, whatever Redis says.
    pub(super) fn is_registry_due(&self, every: Duration, now: Instant) -> bool {
        self.asked_at.is_none_or(|at| now.duration_since(at) >= every)
    }

    pub(super) fn asked(&mut self, now: Instant) {
        self.asked_at = Some(now);
    }

    /// The registry must be asked before anything else is believed.
    pub(super) fn doubt(&mut self) {
        self.asked_at = None;
    }

    /// Whether the registry need not be asked before this pointer is believed.
    pub(super) fn accepts(&self, pointer: &Pointer) -> bool {
        self.asked_at.is_some() && self.lineage == Some(pointer.lineage) && !self.is_refuted(pointer)
    }

    /// Whether this pointer is still the last that is known.
    pub(super) fn stands_at(&self, pointer: &Pointer) -> bool {
        self.floor == Some((pointer.revision, pointer.manifest))
    }

    /// Whether this pointer will do while the registry does not answer: then also one of a lineage that nothing is
    /// known about.
    pub(super) fn bridges(&self, pointer: &Pointer) -> bool {
        self.lineage.is_none_or(|lineage| lineage == pointer.lineage) && !self.is_refuted(pointer)
    }

    fn is_refuted(&self, pointer: &Pointer) -> bool {
        self.contradicted == Some(*pointer)
            || self.floor.is_some_and(|(revision, manifest)| {
                pointer.revision < revision || (pointer.revision == revision && pointer.manifest != manifest)
            })
    }

    /// A pointer was followed.
    pub(super) fn follow(&mut self, pointer: &Pointer) {
        self.lineage = Some(pointer.lineage);
        self.floor = Some((pointer.revision, pointer.manifest));
    }

    /// The registry said which revision is current, after this pointer was read. Answers the lineage that both agree on.
    pub(super) fn judge(
        &mut self,
        pointer: Option<&Pointer>,
        revision: u32,
        manifest: ManifestHash,
    ) -> Option<Lineage> {
        self.floor = Some((revision, manifest));
        let pointer = pointer?;
        if (pointer.revision, pointer.manifest) == (revision, manifest) {
            self.lineage = Some(pointer.lineage);
            self.contradicted = None;
            return self.lineage;
        }
        // A pointer behind only lags. One that was ahead before the registry was asked is of another history.
        if pointer.revision >= revision {
            self.contradicted = Some(*pointer);
            self.lineage = None;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(lineage: u8, revision: u32, manifest: u8) -> Pointer {
        Pointer {
            lineage: Lineage([lineage; 16]),
            revision,
            manifest: [manifest; 32],
        }
    }

    #[test]
    fn nothing_is_believed_before_the_registry_agreed_once() {
        let mut trust = Trust::default();
        trust.asked(Instant::now());
        let first = pointer(1, 5, 5);
        assert!(!trust.accepts(&first) && trust.bridges(&first));
        assert_eq!(trust.judge(Some(&first), 5, [5; 32]), Some(first.lineage));
        assert!(trust.accepts(&first) && trust.accepts(&pointer(1, 6, 6)));
        assert!(!trust.accepts(&pointer(1, 4, 4)), "behind");
        assert!(!trust.accepts(&pointer(1, 5, 9)), "another content");
        assert!(!trust.accepts(&pointer(2, 6, 6)) && !trust.bridges(&pointer(2, 6, 6)));
    }

    #[test]
    fn a_restored_registry_is_followed_down_and_its_old_pointer_is_not() {
        let mut trust = Trust::default();
        trust.asked(Instant::now());
        let old = pointer(1, 10, 10);
        trust.judge(Some(&old), 10, [10; 32]);
        assert_eq!(trust.judge(Some(&old), 8, [8; 32]), None);
        assert!(!trust.accepts(&old) && !trust.bridges(&old));
        let new = pointer(2, 8, 8);
        assert_eq!(trust.judge(Some(&new), 8, [8; 32]), Some(new.lineage));
        assert!(trust.accepts(&pointer(2, 9, 9)) && !trust.accepts(&pointer(1, 11, 11)));
    }

    #[test]
    fn a_pointer_that_lags_keeps_its_lineage() {
        let mut trust = Trust::default();
        trust.asked(Instant::now());
        trust.judge(Some(&pointer(1, 5, 5)), 5, [5; 32]);
        trust.judge(Some(&pointer(1, 5, 5)), 6, [6; 32]);
        assert!(!trust.accepts(&pointer(1, 5, 5)));
        assert!(trust.accepts(&pointer(1, 6, 6)) && trust.accepts(&pointer(1, 7, 7)));
    }
}
