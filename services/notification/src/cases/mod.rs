//! Cases of enforcement: what events say of them, what is told when one comes a step further, and the calls.
//!
//! The ladder itself is [`nopic_domain::enforcement`]: here its history is fed, kept and shown.

pub(crate) mod entry;
pub(crate) mod notices;
pub(crate) mod registry;

use std::sync::Arc;

use nopic_domain::enforcement::{Cases, Deployment};
use nopic_domain::policy::{Ladder, LetterSending};

/// By what the cases of this deployment go.
#[derive(Debug, Clone)]
pub(crate) struct CaseRules {
    /// Whether it sends letters.
    pub(crate) deployment: Deployment,
    /// The policy's intervals.
    pub(crate) ladder: Ladder,
    /// Who sends them, where it does.
    pub(crate) letters: LetterSending,
    /// Where a letter is answered; empty where none is sent.
    pub(crate) answer_to: Arc<str>,
}

impl CaseRules {
    /// Those of the policy that is shipped.
    #[cfg(test)]
    pub(crate) fn shipped(deployment: Deployment) -> Self {
        Self {
            deployment,
            ladder: nopic_domain::policy::Policy::shipped().ladder(),
            letters: nopic_domain::policy::Policy::shipped().letters(),
            answer_to: "Organic Imports\n1 Main Street\nSpringfield".into(),
        }
    }

    /// Those of an authority whose policy has letters sent automatically.
    #[cfg(test)]
    pub(crate) fn automatic() -> Self {
        Self {
            letters: LetterSending::Automatically,
            ..Self::shipped(Deployment::Authority)
        }
    }

    /// Whether the service sends letters by itself.
    pub(crate) fn sends_by_itself(&self) -> bool {
        self.deployment == Deployment::Authority && self.letters == LetterSending::Automatically
    }

    /// The cases of an importer of which nothing is known.
    pub(crate) fn no_cases(&self) -> Cases {
        Cases::new(self.deployment, self.ladder)
    }
}

#[cfg(test)]
pub(crate) mod testing;
