//! The audit logs of the parts of this process, as one gRPC service. That of a door by itself gives those behind it as well,
//! which it asks for.

use chrono::{DateTime, SecondsFormat, Utc};
use nopic_chassis::principal::{self, AttachPrincipal};
use nopic_chassis::roles::{AUDIT, Row};
use nopic_chassis::rpc::client::Client;
use nopic_chassis::serving::GrpcService;
use nopic_chassis::transport::MAX_MESSAGE_BYTES;
use nopic_domain::principal::Principal;
use nopic_proto::audit as wire;
use nopic_proto::audit::audit_service_client::AuditServiceClient;
use nopic_proto::audit::audit_service_server::{AuditService, AuditServiceServer};
use nopic_sql::audit::{Audit, AuditError, Finding, Head, Kind, Verified};
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

/// Of every process whose parts note changes.
pub(crate) const SERVICE: GrpcService = GrpcService::hard("nopic.audit.v1.AuditService");

/// Heads in one call.
pub const MAX_HEADS: usize = 10_000;

/// Who may call it.
pub(crate) const ROLES: &[Row] = AUDIT;

/// The log of a service behind this one, and the way to it.
#[derive(Debug, Clone)]
pub(crate) struct Behind {
    /// As logs name it.
    pub(crate) service: &'static str,
    /// Whether others hear of what happens in it.
    pub(crate) tells_events: bool,
    pub(crate) client: Client,
}

/// The service for the logs here and for those behind.
pub(crate) fn service(here: &[Audit], behind: Vec<Behind>) -> AuditServiceServer<AuditRpc> {
    nopic_chassis::bounded!(AuditServiceServer::new(AuditRpc {
        here: here.to_vec(),
        behind,
    }))
}

/// The logs that can be told of.
#[derive(Debug, Clone)]
pub(crate) struct AuditRpc {
    here: Vec<Audit>,
    behind: Vec<Behind>,
}

impl AuditRpc {
    /// The logs of these services, here and behind; of all where none is named.
    fn logs(&self, services: &[String]) -> Result<(Vec<&Audit>, Vec<&Behind>), Status> {
        let here = self.here.iter().map(Audit::service);
        let known: Vec<&str> = here.chain(self.behind.iter().map(|log| log.service)).collect();
        if let Some(unknown) = services.iter().find(|service| !known.contains(&service.as_str())) {
            return Err(Status::invalid_argument(format!(
                "services: {unknown:?} has no audit log here; there are those of {}",
                known.join(" and ")
            )));
        }
        let is_meant = |name: &str| services.is_empty() || services.iter().any(|service| service == name);
        Ok((
            self.here
                .iter()
                .filter(|audit| is_meant(audit.service()))
                .collect(),
            self.behind.iter().filter(|log| is_meant(log.service)).collect(),
        ))
    }
}

impl Behind {
    /// In the name of who asks here.
    fn ask(&self, principal: &Principal) -> AuditServiceClient<InterceptedService<Client, AttachPrincipal>> {
        AuditServiceClient::with_interceptor(self.client.clone(), AttachPrincipal::new(principal))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// That it could not be asked.
    fn unseen(&self, status: &Status) -> wire::UnseenLog {
        tracing::warn!(service = self.service, %status, "a log behind this door was not looked at");
        wire::UnseenLog {
            service: self.service.to_owned(),
            because: status.message().to_owned(),
        }
    }
}

#[tonic::async_trait]
impl AuditService for AuditRpc {
    async fn verify_logs(
        &self,
        request: Request<wire::VerifyLogsRequest>,
    ) -> Result<Response<wire::VerifyLogsResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        at_most("anchors", request.anchors.len())?;
        let (here, behind) = self.logs(&request.services)?;
        let is_verified = |service: &str| {
            here.iter().any(|audit| audit.service() == service)
                || behind.iter().any(|log| log.service == service)
        };
        let mut anchors = Vec::with_capacity(request.anchors.len());
        for (place, anchor) in request.anchors.into_iter().enumerate() {
            if !is_verified(&anchor.service) {
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
        let own = |service: &str| -> Vec<Head> {
            let own = anchors.iter().filter(|anchor| anchor.service == service);
            own.cloned().collect()
        };
        let mut answer = wire::VerifyLogsResponse::default();
        for log in behind {
            let asked = wire::VerifyLogsRequest {
                services: vec![log.service.to_owned()],
                anchors: own(log.service).into_iter().map(head_to_wire).collect(),
            };
            match log.ask(&principal).verify_logs(asked).await {
                Ok(verified) => answer.logs.extend(verified.into_inner().logs),
                Err(status) => answer.unseen.push(log.unseen(&status)),
            }
        }
        for audit in here {
            let verified = audit.verify(own(audit.service())).await;
            let verified = verified.map_err(|error| failure(&error))?;
            answer.logs.push(verified_to_wire(audit.service(), verified));
        }
        Ok(Response::new(answer))
    }

    async fn list_heads(
        &self,
        request: Request<wire::ListHeadsRequest>,
    ) -> Result<Response<wire::ListHeadsResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let last = request.last.max(1);
        at_most("last", last as usize)?;
        let (here, behind) = self.logs(&request.services)?;
        let mut answer = wire::ListHeadsResponse::default();
        for log in behind {
            let asked = wire::ListHeadsRequest {
                services: vec![log.service.to_owned()],
                last,
            };
            match log.ask(&principal).list_heads(asked).await {
                Ok(heads) => answer.heads.extend(heads.into_inner().heads),
                Err(status) => answer.unseen.push(log.unseen(&status)),
            }
        }
        for audit in here {
            let latest = audit.latest_heads(last as usize).await;
            let latest = latest.map_err(|error| failure(&error))?;
            answer.heads.extend(latest.into_iter().map(head_to_wire));
        }
        Ok(Response::new(answer))
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
