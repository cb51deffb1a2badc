//! Notices that are to be made.

use nopic_domain::notice::Notice;

/// A tenant deals with what it has named for so many days.
pub(crate) const DEALS_FOR: u64 = 366;

/// With what a tenant deals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DealingKind {
    Operation,
    TariffCode,
    Certificate,
}

impl DealingKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Operation => "OPERATION",
            Self::TariffCode => "TARIFF_CODE",
            Self::Certificate => "CERTIFICATE",
        }
    }
}

/// Whose a notice is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    Tenant(String),
    /// Of a tenant which is told by every receiver but the one that it is about, whoever subscribed to what.
    ByOthers {
        tenant: String,
        than: i64,
    },
    /// Of every tenant that deals with one of these.
    DealingWith(DealingKind, Vec<String>),
}

/// A notice that is to be made, once for its cause and tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewNotice {
    pub(crate) whose: Whose,
    pub(crate) cause: String,
    pub(crate) notice: Notice,
}

impl NewNotice {
    /// As one is told who deals with these of several things: they are named.
    pub(crate) fn naming(&self, subjects: &[String]) -> Notice {
        let mut notice = self.notice.clone();
        if matches!(&self.whose, Whose::DealingWith(_, all) if all.len() > 1) {
            let named = subjects.iter().take(NAMED).map(String::as_str);
            let mut list = named.collect::<Vec<_>>().join(", ");
            let more = subjects.len().saturating_sub(NAMED);
            if more > 0 {
                list.push_str(&format!(" and {more} more"));
            }
            notice.sentences.push(format!("Among them you deal with {list}."));
        }
        notice
    }
}

/// So many are named, the others counted.
const NAMED: usize = 10;
