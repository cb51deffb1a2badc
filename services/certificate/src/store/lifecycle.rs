//! The store of requests and of what they lead to.

use chrono::{DateTime, Utc};
use nopic_domain::certificate::Certificate;
use nopic_domain::date::Date;
use nopic_domain::identifier::{CertificateNumber, CertifierId, NopId};
use nopic_domain::lifecycle::issued::DrawnSoFar;
use nopic_domain::lifecycle::refusal::Refusal;
use nopic_domain::lifecycle::request::{Request, Taken};
use nopic_domain::lifecycle::{Stage, Step};
use nopic_domain::principal::{Principal, Role};
use nopic_domain::weight::Weight;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A change that somebody asks for.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) principal: Principal,
    /// Names the change, for the tenant.
    pub(crate) request_id: String,
    /// SHA-256 of the call.
    pub(crate) hash: [u8; 32],
    /// In whole microseconds, which both engines keep.
    pub(crate) now: DateTime<Utc>,
    pub(crate) step: Step,
    /// The reason, question or answer, as it was given.
    pub(crate) reason: String,
}

/// A request as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredRequest {
    pub(crate) number: u64,
    pub(crate) version: u32,
    /// Who asked.
    pub(crate) tenant: String,
    pub(crate) request: Request,
}

/// A certificate with its balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) certificate: Certificate,
    pub(crate) version: u32,
    pub(crate) drawn: Weight,
    /// Draws of the caller's tenant.
    pub(crate) draw_count: u32,
}

/// What a step made of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RequestAnswer {
    pub(crate) stored: StoredRequest,
    /// The certificate, where the step issued it.
    pub(crate) issued: Option<Standing>,
}

/// What an amendment made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Amended {
    pub(crate) superseded: Standing,
    pub(crate) successor: Standing,
}

/// A version: who made it, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionRecord<C> {
    pub(crate) version: u32,
    pub(crate) step: String,
    pub(crate) reason: String,
    pub(crate) tenant: String,
    pub(crate) actor: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) content: C,
}

/// What is known of a certificate's past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateHistory {
    pub(crate) versions: Vec<VersionRecord<Certificate>>,
    pub(crate) supersedes: Option<CertificateNumber>,
    pub(crate) request: Option<u64>,
}

/// Whose requests a caller may see: its tenant's, its exporters', those made to its certifier; an operator all.
#[derive(Debug, Clone)]
pub(crate) struct RequestVisibility {
    pub(crate) all: bool,
    pub(crate) tenant: String,
    pub(crate) certifier: Option<CertifierId>,
    pub(crate) exporters: Vec<NopId>,
}

impl RequestVisibility {
    pub(crate) fn of(principal: &Principal) -> Self {
        Self {
            all: principal.role == Role::Operator,
            tenant: principal.tenant.clone(),
            certifier: principal.certifier_id,
            exporters: principal.nop_ids.clone(),
        }
    }

    pub(crate) fn includes(&self, stored: &StoredRequest) -> bool {
        self.all
            || self.tenant == stored.tenant
            || self.certifier == Some(stored.request.requested.certifier_id)
            || self.exporters.contains(&stored.request.requested.exporter_nop_id)
    }
}

/// Which requests are listed; absent: any.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RequestFilter {
    pub(crate) stage: Option<Stage>,
    pub(crate) certifier: Option<CertifierId>,
    pub(crate) exporter: Option<NopId>,
    pub(crate) importer: Option<NopId>,
    pub(crate) due_by: Option<Date>,
}

/// Decides what becomes of a request of this version.
pub(crate) type DecideRequest<'a> = &'a (dyn Fn(&Request, u32) -> Result<Taken, Refusal> + Sync);
/// Decides what becomes of a certificate of this version.
pub(crate) type DecideVoid<'a> = &'a (dyn Fn(&Certificate, u32) -> Result<Certificate, Refusal> + Sync);
/// Decides what takes the place of a certificate of this version, with the ledger that it takes over, at a moment.
pub(crate) type DecideAmendment<'a> = &'a (
        dyn Fn(&Certificate, u32, DrawnSoFar, DateTime<Utc>) -> Result<(Certificate, DrawnSoFar), Refusal>
            + Sync
    );

/// The successor's number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SuccessorNumber {
    /// The next one of this deployment.
    Next,
    /// As OID gave it.
    Given {
        number: CertificateNumber,
        accept_inconsistent: bool,
    },
}

/// Requests, and what becomes of them and of certificates. Every change is one transaction with its answer, its audit
/// record and its message to others.
#[tonic::async_trait]
pub(crate) trait LifecycleStore: Send + Sync {
    /// Keeps a new request.
    async fn create_request(
        &self,
        act: &Act,
        decide: &(dyn Fn() -> Result<Request, Refusal> + Sync),
    ) -> Result<RequestAnswer, Error>;

    /// Takes a step with a request, and issues the certificate where it leads to one.
    async fn change_request(
        &self,
        act: &Act,
        number: u64,
        decide: DecideRequest<'_>,
    ) -> Result<RequestAnswer, Error>;

    /// Withdraws a certificate.
    async fn void(
        &self,
        act: &Act,
        number: CertificateNumber,
        decide: DecideVoid<'_>,
    ) -> Result<Standing, Error>;

    /// Puts a successor in a certificate's place; its draws move along.
    async fn amend(
        &self,
        act: &Act,
        number: CertificateNumber,
        successor: SuccessorNumber,
        decide: DecideAmendment<'_>,
    ) -> Result<Amended, Error>;

    /// A request as it stood at a moment, with the versions up to then; absent where there is none that the caller may
    /// see, or was none yet.
    async fn request(
        &self,
        number: u64,
        visibility: &RequestVisibility,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<Option<(StoredRequest, Vec<VersionRecord<Request>>)>, Error>;

    /// The requests after this one that pass the filter and that the caller may see, in the order of their numbers.
    async fn requests(
        &self,
        filter: RequestFilter,
        visibility: &RequestVisibility,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StoredRequest>, Error>;

    /// Every version of a certificate, or those up to a moment; none where it is not known, or was not yet.
    async fn history(
        &self,
        number: CertificateNumber,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<CertificateHistory, Error>;
}
