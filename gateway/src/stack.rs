//! Every layer of the gateway, from the outside in, with its reason.

use std::sync::Arc;

use tower::ServiceBuilder;

use nopic_chassis::messages;
use nopic_chassis::metrics::Metrics;
use nopic_chassis::roles::CheckRoles;
use nopic_chassis::rpc::server;

use crate::access_log::LogAccess;
use crate::admission::Admission;
use crate::answer::Calls;
use crate::authenticate::Authenticate;
use crate::authorize::Authorize;
use crate::bound_messages::BoundMessages;
use crate::cut::CutStreams;
use crate::observe::Observe;
use crate::open_calls::BoundOpenCalls;
use crate::protocol::Translate;
use crate::rate::Charge;
use crate::request_id::NameRequest;
use crate::route::Route;
use crate::shed::Shed;
use crate::tenant_calls::BoundTenants;

/// What the layers are made of.
pub(crate) struct Parts {
    pub(crate) metrics: Metrics,
    pub(crate) shed: Shed,
    pub(crate) authenticate: Arc<Authenticate>,
    pub(crate) check: CheckRoles,
    pub(crate) tenants: BoundTenants,
    pub(crate) charge: Charge,
    pub(crate) messages: messages::BoundMessages,
    pub(crate) cut: CutStreams,
    pub(crate) route: Route,
}

/// The gateway: each layer answers by the one that stands below it.
pub(crate) fn stack(parts: Parts) -> Calls {
    parts.check.count_in(&parts.metrics);
    let layers = ServiceBuilder::new()
        // First, so that everything that is said of a call, here and behind, says which it was.
        .layer(NameRequest)
        // Outside of all that may refuse, so that refusals are logged, too.
        .layer(LogAccess)
        // From here on there is one form of call, gRPC, and one form of refusal, its status; outside it is put into the
        // caller's form.
        .layer(Translate::new(&parts.metrics))
        // What everybody may call has little time and few places, so that it takes none of those of known callers.
        .layer(BoundOpenCalls::new(&parts.metrics))
        // Span, numbers and deadline by method, which only now is known for every form.
        .layer(Observe {
            observe: server::Observe::new(&parts.metrics),
            owner: parts.authenticate.owner.clone(),
        })
        // Before any work: what is too much is refused while it is cheap.
        .layer(Admission(parts.shed))
        // Who calls, by key, token or certificate; nothing behind this reads a credential.
        .layer(Authenticate::layer(parts.authenticate))
        // What the caller's role may call, before a byte of the body is read.
        .layer(Authorize(parts.check))
        // A tenant's places, held until its answers are over, before anything is charged for what has none.
        .layer(Admission(parts.tenants))
        // What a tenant may ask a second: the last that refuses, so that only calls that are made are charged.
        .layer(parts.charge)
        // What a call may send at once: nothing behind gives memory to a message before it is bounded.
        .layer(BoundMessages(parts.messages))
        // What is left of a stream when this gateway goes: its requests end where a caller can go on at another one.
        .layer(parts.cut);
    Calls::new(layers.service(parts.route))
}
