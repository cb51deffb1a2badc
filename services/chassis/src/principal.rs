//! The caller of an RPC: carried as binary metadata, one for every call.

use nopic_domain::principal::{FilerCodes, Principal, Role};
use nopic_proto::common;
use prost::Message as _;
use tonic::codegen::http::HeaderValue;
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

/// The principal of a call, as [`crate::roles`] found it.
///
/// # Errors
/// `UNAUTHENTICATED` where a service is served without that layer.
pub fn of(extensions: &Extensions) -> Result<&Principal, Status> {
    extensions.get::<Principal>().ok_or_else(unnamed)
}

/// A call of nobody.
pub(crate) fn unnamed() -> Status {
    Status::unauthenticated("the call names no principal: go through the gateway")
}

/// The principal of a call by its metadata; `None` where they name nobody.
///
/// # Errors
/// `UNAUTHENTICATED`: what names it cannot be read.
pub fn from_metadata(metadata: &MetadataMap) -> Result<Option<Principal>, Status> {
    let Some(value) = metadata.get_bin(PRINCIPAL_KEY) else {
        return Ok(None);
    };
    let malformed = || Status::unauthenticated(format!("the metadata {PRINCIPAL_KEY} is malformed"));
    let bytes = value.to_bytes().map_err(|_| malformed())?;
    let wire = common::Principal::decode(bytes).map_err(|_| malformed())?;
    from_wire(wire).map(Some).ok_or_else(malformed)
}

/// The principal as the value of the metadata [`PRINCIPAL_KEY`].
#[must_use]
pub fn to_metadata(principal: &Principal) -> HeaderValue {
    let mut metadata = MetadataMap::new();
    let encoded = BinaryMetadataValue::from_bytes(&to_wire(principal).encode_to_vec());
    metadata.insert_bin(PRINCIPAL_KEY, encoded);
    // What was put in is there; base64 may stand in a header.
    metadata
        .into_headers()
        .remove(PRINCIPAL_KEY)
        .unwrap_or(HeaderValue::from_static(""))
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
