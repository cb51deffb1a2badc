//! Who is calling.

use serde::{Deserialize, Serialize};

/// The built-in tenant of the embedded services. It owns every filer code.
pub const BUILT_IN_TENANT: &str = "default";

words! {
    /// What a caller may be.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum Role {
        /// Files entries.
        Broker = "BROKER",
        /// Asks for certificates.
        Exporter = "EXPORTER",
        /// Issues certificates.
        Certifier = "CERTIFIER",
        /// Reviews what was filed.
        Compliance = "COMPLIANCE",
        /// Runs the deployment.
        Operator = "OPERATOR",
        /// Enforces.
        Authority = "AUTHORITY",
    }
}

/// The filer codes under which a tenant may file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FilerCodes {
    /// Every one: the built-in tenant.
    All,
    /// These.
    Listed(Vec<String>),
}

impl FilerCodes {
    /// Those that are listed: of a tenant that owns every one, none.
    #[must_use]
    pub fn listed(&self) -> &[String] {
        match self {
            Self::All => &[],
            Self::Listed(codes) => codes,
        }
    }
}

/// The person or job behind a call, and what it may act for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The tenant; part of every key, query and cache key.
    pub tenant: String,
    /// The person or job.
    pub actor: String,
    /// What it may do.
    pub role: Role,
    /// The filer codes of the tenant.
    pub filer_codes: FilerCodes,
    /// The certifier that it acts for, if any.
    pub certifier_id: Option<crate::identifier::CertifierId>,
    /// The operations that it acts for.
    pub nop_ids: Vec<crate::identifier::NopId>,
}

impl Principal {
    /// The caller of the embedded services: the built-in tenant as operator.
    #[must_use]
    pub fn built_in(actor: &str) -> Self {
        Self {
            tenant: BUILT_IN_TENANT.to_owned(),
            actor: actor.to_owned(),
            role: Role::Operator,
            filer_codes: FilerCodes::All,
            certifier_id: None,
            nop_ids: Vec::new(),
        }
    }

    /// Whether an entry is one of the tenant's: its number begins with a whole filer code of it. An empty code, or part
    /// of one, is no code.
    #[must_use]
    pub fn owns_entry(&self, entry_number: &str) -> bool {
        match &self.filer_codes {
            FilerCodes::All => true,
            FilerCodes::Listed(codes) => entry_number
                .get(..3)
                .is_some_and(|filer| codes.iter().any(|code| code == filer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_its_filers_by_the_whole_code() {
        let tenant = |listed: &[&str]| Principal {
            filer_codes: FilerCodes::Listed(listed.iter().map(ToString::to_string).collect()),
            ..Principal::built_in("test")
        };
        assert!(Principal::built_in("test").owns_entry("B7600000015"));
        assert!(tenant(&["XY1", "B76"]).owns_entry("B7600000015"));
        for (listed, entry_number) in [
            (&[][..], "B7600000015"),
            (&["", "B", "B7", "b76", "B760"], "B7600000015"),
            (&["", "B7", "B76"], "B7"),
            (&["B76", ""], ""),
            (&["B76"], "B\u{e9}6"),
        ] {
            assert!(
                !tenant(listed).owns_entry(entry_number),
                "{listed:?} {entry_number:?}"
            );
        }
    }
}
