//! The door as a process opens it: the stack before the services, and the server before the stack.

use std::collections::HashMap;
use std::sync::Arc;

use nopic_chassis::clock::Clock;
use nopic_chassis::messages::{BoundMessages, Room};
use nopic_chassis::part::{Front, OpenError, Work};
use nopic_chassis::roles::{CheckRoles, Protected};
use nopic_chassis::rpc::client::Client;
use nopic_chassis::serving::ServingError;
use nopic_chassis::transport::{Secured, ServerOptions};
use tokio::net::TcpListener;
use tower::util::BoxCloneSyncService;

use crate::access::AccessStore;
use crate::authenticate::{Authenticate, Callers};
use crate::cut::CutStreams;
use crate::quota::Quotas;
use crate::rate::Charge;
use crate::route::Route;
use crate::server;
use crate::shed::Shed;
use crate::stack::{Parts, stack};

/// What the gateway needs to open its door.
pub(crate) struct Door {
    /// Those who may come in.
    pub(crate) callers: Arc<dyn Callers>,
    /// Where they are kept.
    pub(crate) store: Arc<dyn AccessStore>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What each role may call, of every part.
    pub(crate) check: CheckRoles,
    /// Services of other processes, by their full names.
    pub(crate) elsewhere: HashMap<&'static str, Client>,
    /// Ends their streams when this process drains.
    pub(crate) cut: CutStreams,
    /// Calls at a time.
    pub(crate) places: usize,
    /// What each tenant may ask, and where that is counted.
    pub(crate) quotas: Quotas,
}

impl Front for Door {
    fn knows_anybody(&self) -> Work<Result<bool, OpenError>> {
        let (store, now) = (Arc::clone(&self.store), self.clock.now());
        Box::pin(async move { store.is_anybody_known(now).await.map_err(OpenError::new) })
    }

    fn serve(
        self: Box<Self>,
        listener: TcpListener,
        calls: Protected,
        options: ServerOptions,
        stop: Work<()>,
    ) -> Work<Result<(), ServingError>> {
        let listed = match &options.secured {
            Some(Secured::Callers(_, listed)) => listed.clone(),
            Some(Secured::Services(..)) | None => None,
        };
        let authenticate = Authenticate {
            callers: self.callers,
            listed,
            owner: options.owner.clone(),
            // Who may call without a name is what the process says of its calls.
            otherwise: calls.otherwise().cloned(),
        };
        let here = BoxCloneSyncService::new(calls.into_service());
        let calls = stack(Parts {
            shed: Shed::new(self.places, &options.metrics),
            charge: Charge::new(self.quotas.limiter, self.quotas.limits, &options.metrics),
            tenants: self.quotas.tenants,
            metrics: options.metrics.clone(),
            authenticate: Arc::new(authenticate),
            check: self.check,
            messages: BoundMessages::within(Room::default())
                .handing_on(self.elsewhere.keys().copied())
                .at_the_door(),
            cut: self.cut,
            route: Route::new(here, self.elsewhere),
        });
        Box::pin(server::serve(listener, calls, options, stop))
    }
}
