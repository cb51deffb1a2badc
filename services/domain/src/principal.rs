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
}
