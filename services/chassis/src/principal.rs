//! The caller of an RPC: carried as binary metadata, one for every call.

use nopic_domain::principal::{FilerCodes, Principal, Role};
use nopic_proto::common;
use prost::Message as _;
use tonic::metadata::{BinaryMetadataValue, MetadataMap};
use tonic::service::Interceptor;
use tonic::{Extensions, Request, Status};

/// Metadata key of the encoded `nopic.common.v1.Principal`.
pub const PRINCIPAL_KEY: &str = "nopic-principal-bin";

/// Puts a principal beside every call of a client.
#[derive(Debug, Clone)]
pub struct AttachPrincipal(BinaryMetadataValue);

impl AttachPrincipal {
    /// Calls are made for this principal.
    #[must_use]
    pub fn new(principal: &Principal) -> Self {
        Self(BinaryMetadataValue::from_bytes(
            &to_wire(principal).encode_to_vec(),
        ))
    }
}

impl Interceptor for AttachPrincipal {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert_bin(PRINCIPAL_KEY, self.0.clone());
        Ok(request)
    }
}

/// Reads the principal of a call on the server's side and puts it into the request's extensions.
#[derive(Debug, Clone)]
pub struct RequirePrincipal {
    /// Who calls where the metadata names nobody: the embedded default has its built-in tenant, a service behind a
    /// gateway has none.
    pub otherwise: Option<Principal>,
}

impl Interceptor for RequirePrincipal {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let principal = match from_metadata(request.metadata())? {
            Some(principal) => principal,
            None => self.otherwise.clone().ok_or_else(|| {
                Status::unauthenticated("the call names no principal: go through the gateway")
            })?,
        };
        request.extensions_mut().insert(principal);
        Ok(request)
    }
}

/// The principal that [`RequirePrincipal`] found.
///
/// # Errors
/// `UNAUTHENTICATED` where a service is served without that interceptor.
pub fn of(extensions: &Extensions) -> Result<&Principal, Status> {
    extensions
        .get::<Principal>()
        .ok_or_else(|| Status::unauthenticated("the call names no principal: go through the gateway"))
}

fn from_metadata(metadata: &MetadataMap) -> Result<Option<Principal>, Status> {
    let Some(value) = metadata.get_bin(PRINCIPAL_KEY) else {
        return Ok(None);
    };
    let malformed = || Status::unauthenticated(format!("the metadata {PRINCIPAL_KEY} is malformed"));
    let bytes = value.to_bytes().map_err(|_| malformed())?;
    let wire = common::Principal::decode(bytes).map_err(|_| malformed())?;
    from_wire(wire).map(Some).ok_or_else(malformed)
}

/// The principal as it travels.
#[must_use]
pub fn to_wire(principal: &Principal) -> common::Principal {
    let (all_filer_codes, filer_codes) = match &principal.filer_codes {
        FilerCodes::All => (true, Vec::new()),
        FilerCodes::Listed(codes) => (false, codes.clone()),
    };
    common::Principal {
        tenant: principal.tenant.clone(),
        actor: principal.actor.clone(),
        role: principal.role.as_str().to_owned(),
        all_filer_codes,
        filer_codes,
        certifier_id: principal
            .certifier_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        nop_ids: principal.nop_ids.iter().map(ToString::to_string).collect(),
    }
}

/// The principal that travelled; `None` where it is none.
#[must_use]
pub fn from_wire(wire: common::Principal) -> Option<Principal> {
    if wire.tenant.is_empty() || wire.actor.is_empty() {
        return None;
    }
    let role = Role::ALL.into_iter().find(|role| role.as_str() == wire.role)?;
    let certifier_id = match wire.certifier_id.as_str() {
        "" => None,
        text => Some(text.parse().ok()?),
    };
    Some(Principal {
        tenant: wire.tenant,
        actor: wire.actor,
        role,
        filer_codes: if wire.all_filer_codes {
            FilerCodes::All
        } else {
            FilerCodes::Listed(wire.filer_codes)
        },
        certifier_id,
        nop_ids: wire
            .nop_ids
            .iter()
            .map(|id| id.parse().ok())
            .collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_travels_unchanged() {
        let principal = Principal {
            certifier_id: "015".parse().ok(),
            nop_ids: vec!["0150000001".parse().unwrap()],
            filer_codes: FilerCodes::Listed(vec!["B76".into()]),
            ..Principal::built_in("night batch")
        };
        let request = AttachPrincipal::new(&principal).call(Request::new(())).unwrap();
        let request = RequirePrincipal { otherwise: None }.call(request).unwrap();
        assert_eq!(of(request.extensions()).unwrap(), &principal);
    }

    #[test]
    fn nobody_is_refused_unless_there_is_a_built_in_tenant() {
        let refused = RequirePrincipal { otherwise: None }
            .call(Request::new(()))
            .unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unauthenticated);
        let built_in = Principal::built_in("embedded");
        let request = RequirePrincipal {
            otherwise: Some(built_in.clone()),
        }
        .call(Request::new(()))
        .unwrap();
        assert_eq!(of(request.extensions()).unwrap(), &built_in);
    }

    #[test]
    fn a_forged_principal_is_refused() {
        let mut request = Request::new(());
        request
            .metadata_mut()
            .insert_bin(PRINCIPAL_KEY, BinaryMetadataValue::from_bytes(b"\xff\xff"));
        assert!(
            RequirePrincipal {
                otherwise: Some(Principal::built_in("x"))
            }
            .call(request)
            .is_err()
        );
    }
}
