//! The audit logs of the parts of this process, as one gRPC service.

use chrono::{DateTime, SecondsFormat, Utc};
use nopic_chassis::roles::{AUDIT, Row};
use nopic_chassis::serving::GrpcService;
use nopic_proto::audit as wire;
use nopic_proto::audit::audit_service_server::{AuditService, AuditServiceServer};
use nopic_sql::audit::{Audit, AuditError, Finding, Head, Kind, Verified};
use tonic::{Request, Response, Status};

/// Of every process whose parts note changes.
pub(crate) const SERVICE: GrpcService = GrpcService::hard("nopic.audit.v1.AuditService");

/// Heads in one call.
pub const MAX_HEADS: usize = 10_000;

/// Who may call it.
pub(crate) const ROLES: &[Row] = AUDIT;

/// The service for these logs.
pub(crate) fn service(audits: &[Audit]) -> AuditServiceServer<AuditRpc> {
    nopic_chassis::bounded!(AuditServiceServer::new(AuditRpc(audits.to_vec())))
}

/// The logs that are here.
#[derive(Debug, Clone)]
pub(crate) struct AuditRpc(Vec<Audit>);

impl AuditRpc {
    /// The logs of these services; of all where none is named.
    fn logs(&self, services: &[String]) -> Result<Vec<&Audit>, Status> {
        if let Some(unknown) = services
            .iter()
            .find(|service| self.0.iter().all(|audit| audit.service() != service.as_str()))
        {
            return Err(Status::invalid_argument(format!(
                "services: {unknown:?} has no audit log here; there are those of {}",
                self.0
                    .iter()
                    .map(Audit::service)
                    .collect::<Vec<_>>()
                    .join(" and ")
            )));
        }
        Ok(self
            .0
            .iter()
            .filter(|audit| services.is_empty() || services.iter().any(|service| service == audit.service()))
            .collect())
    }
}

#[tonic::async_trait]
impl AuditService for AuditRpc {
    async fn verify_logs(
        &self,
        request: Request<wire::VerifyLogsRequest>,
    ) -> Result<Response<wire::VerifyLogsResponse>, Status> {
        let request = request.into_inner();
        at_most("anchors", request.anchors.len())?;
        let audits = self.logs(&request.services)?;
        let mut anchors = Vec::with_capacity(request.anchors.len());
        for (place, anchor) in request.anchors.into_iter().enumerate() {
            if !audits.iter().any(|audit| audit.service() == anchor.service) {
                return Err(Status::invalid_argument(format!(
                    "anchors[{place}]: it is a head of {:?}, whose log is not verified",
                    anchor.service
                )));
            }
            anchors.push(
                head_from_wire(anchor)
                    .map_err(|why| Status::invalid_argument(format!("anchors[{place}]: {why}")))?,
            );
        }
        let mut logs = Vec::with_capacity(audits.len());
        for audit in audits {
            let own = anchors
                .iter()
                .filter(|anchor| anchor.service == audit.service())
                .cloned()
                .collect();
            let verified = audit.verify(own).await.map_err(|error| failure(&error))?;
            logs.push(verified_to_wire(audit.service(), verified));
        }
        Ok(Response::new(wire::VerifyLogsResponse { logs }))
    }

    async fn list_heads(
        &self,
        request: Request<wire::ListHeadsRequest>,
    ) -> Result<Response<wire::ListHeadsResponse>, Status> {
        let request = request.into_inner();
        let last = request.last.max(1) as usize;
        at_most("last", last)?;
        let mut heads = Vec::new();
        for audit in self.logs(&request.services)? {
            let latest = audit.latest_heads(last).await.map_err(|error| failure(&error))?;
            heads.extend(latest.into_iter().map(head_to_wire));
        }
        Ok(Response::new(wire::ListHeadsResponse { heads }))
    }
}

fn at_most(field: &str, given: usize) -> Result<(), Status> {
    if given > MAX_HEADS {
        return Err(Status::invalid_argument(format!(
            "{field}: {given} given, at most {MAX_HEADS} allowed"
        )));
    }
    Ok(())
}

/// What went wrong inside is for the log; files are named, because the operator must mend them.
fn failure(error: &AuditError) -> Status {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "an audit log cannot be read"
    );
    match error {
        AuditError::Store(source) if source.is_transient() => {
            Status::unavailable("a database is busy: try again")
        }
        AuditError::Store(_) => Status::internal("a database failed; the log says why"),
        AuditError::File { .. } | AuditError::NotTheLog { .. } => {
            Status::failed_precondition(error.to_string())
        }
    }
}

fn moment(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A head as it travels.
#[must_use]
pub fn head_to_wire(head: Head) -> wire::Head {
    wire::Head {
        service: head.service,
        seal: head.seal,
        records: head.records,
        hash: head.hash.into(),
        sealed_at: moment(head.sealed_at),
        public_key: head.public_key.into(),
        signature: head.signature.into(),
    }
}

/// A head that travelled.
///
/// # Errors
/// It is none.
pub fn head_from_wire(head: wire::Head) -> Result<Head, String> {
    let sealed_at = DateTime::parse_from_rfc3339(&head.sealed_at)
        .map_err(|_| format!("sealed_at: {:?} is not a moment in RFC 3339", head.sealed_at))?;
    Ok(Head {
        service: head.service,
        seal: head.seal,
        records: head.records,
        hash: head.hash.into(),
        sealed_at: sealed_at.to_utc(),
        public_key: head.public_key.into(),
        signature: head.signature.into(),
    })
}

fn verified_to_wire(service: &str, verified: Verified) -> wire::VerifiedLog {
    let Verified {
        records,
        seals,
        unsealed,
        heads,
        unused_numbers,
        rows,
        rows_before,
        findings,
        more_findings,
    } = verified;
    wire::VerifiedLog {
        service: service.to_owned(),
        records,
        seals,
        unsealed,
        heads,
        unused_numbers,
        findings: findings.into_iter().map(finding_to_wire).collect(),
        more_findings,
        rows,
        rows_before,
    }
}

fn finding_to_wire(finding: Finding) -> wire::AuditFinding {
    use wire::audit_finding::Kind as Wire;
    let kind = match finding.kind {
        Kind::RecordChanged => Wire::RecordChanged,
        Kind::RecordRemoved => Wire::RecordRemoved,
        Kind::RecordsReordered => Wire::RecordsReordered,
        Kind::RecordInserted => Wire::RecordInserted,
        Kind::SealChanged => Wire::SealChanged,
        Kind::SealRemoved => Wire::SealRemoved,
        Kind::CutOff => Wire::CutOff,
        Kind::Rewritten => Wire::Rewritten,
        Kind::HeadWrong => Wire::HeadWrong,
        Kind::RowChanged => Wire::RowChanged,
        Kind::RowRemoved => Wire::RowRemoved,
        Kind::RowAdded => Wire::RowAdded,
    };
    wire::AuditFinding {
        kind: kind.into(),
        record: finding.record,
        seal: finding.seal,
        sealed_at: finding.sealed_at.map(moment).unwrap_or_default(),
        sentence: finding.sentence,
    }
}
