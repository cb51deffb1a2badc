//! Who calls, as it is said beside every call.

use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::transport::OWNER_KEY;
use nopic_domain::principal::Principal;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::acting::Acting;
use crate::failure::Failure;
use crate::lock;

/// Says who calls.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Our own services, in this process or in one that works on our folder: the person at this machine.
    Local(AttachPrincipal, Option<OwnerProof>),
    /// Whose key this is, whoever else might be meant.
    Key(MetadataValue<Ascii>),
    /// A server that is content without.
    Nobody,
}

/// What the process that works on our folder has written there for nobody but us.
#[derive(Clone)]
pub(crate) struct OwnerProof(MetadataValue<Ascii>);

impl std::fmt::Debug for OwnerProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnerProof")
    }
}

impl OwnerProof {
    /// Shows the process that holds the folder that it is asked by whoever can read it.
    pub(super) fn of(holder: &lock::Holder) -> Option<Self> {
        holder.owner.as_ref()?.0.parse().ok().map(Self)
    }
}

impl Caller {
    /// The person at this machine.
    pub(super) fn local(proof: Option<OwnerProof>) -> Self {
        Self::Local(AttachPrincipal::new(&Principal::built_in(&person())), proof)
    }

    /// The same in the name of a certifier or an exporter, where one is given.
    pub(super) fn acting(&self, acting: &Acting) -> Result<Self, Failure> {
        if !acting.is_given() {
            return Ok(self.clone());
        }
        let Self::Local(_, proof) = self else {
            return Err(
                Failure::new("A server takes who acts from the API key, not from the command line.")
                    .advice("Leave out --as-certifier and --as-exporter, and use a key of that person."),
            );
        };
        Ok(Self::Local(
            AttachPrincipal::new(&acting.principal(&person())),
            proof.clone(),
        ))
    }
}

impl Interceptor for Caller {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        match self {
            Self::Local(principal, proof) => {
                if let Some(proof) = proof {
                    request.metadata_mut().insert(OWNER_KEY, proof.0.clone());
                }
                return principal.call(request);
            }
            Self::Key(key) => {
                request.metadata_mut().insert("authorization", key.clone());
            }
            Self::Nobody => {}
        }
        Ok(request)
    }
}

/// The person at this machine, by the name that the system gives.
fn person() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .filter_map(|variable| std::env::var(variable).ok())
        .find(|name| !name.trim().is_empty())
        .unwrap_or_else(|| "command line".to_owned())
}
