//! For whom something is asked, what for, and how freshly.

use nopic_domain::principal::Principal;

/// What a call is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Nothing is written: an answer that says what is not known now is better than a late one.
    PreCheck,
    /// What is decided stays.
    Filing,
}

/// For whom a call is made, and how fresh what it rests on must be.
#[derive(Debug, Clone)]
pub(crate) struct Inquiry {
    pub(crate) principal: Principal,
    pub(crate) at_least_revision: Option<u32>,
    pub(crate) latest_certificates: bool,
    pub(crate) purpose: Purpose,
}

impl Inquiry {
    /// A filing, by what is known now.
    pub(crate) const fn to_file(principal: Principal, at_least_revision: Option<u32>) -> Self {
        Self {
            principal,
            at_least_revision,
            latest_certificates: true,
            purpose: Purpose::Filing,
        }
    }
}
