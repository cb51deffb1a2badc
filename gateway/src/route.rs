//! Where a call goes: by its service to the process that serves it, without a look at its body.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use nopic_chassis::principal::{PRINCIPAL_KEY, to_metadata};
use nopic_chassis::rpc::client::Client;
use nopic_domain::principal::Principal;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Uri, Version, uri};
use tower::{Service, ServiceExt as _};

use crate::{Calls, Request, Response};

/// Hands calls on.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// What this process serves itself.
    here: Calls,
    /// Services of other processes, by their full names.
    elsewhere: Arc<HashMap<&'static str, Client>>,
}

impl Route {
    /// To these; what is not elsewhere is here.
    pub(crate) fn new(here: Calls, elsewhere: HashMap<&'static str, Client>) -> Self {
        Self {
            here,
            elsewhere: Arc::new(elsewhere),
        }
    }
}

impl Service<Request> for Route {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.here.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let service = request.uri().path().split('/').nth(1).unwrap_or_default();
        match self.elsewhere.get(service) {
            None => self.here.call(request),
            Some(client) => Box::pin(forward(client.clone(), request)),
        }
    }
}

/// Asks another process, which is told who calls.
async fn forward(client: Client, mut request: Request) -> Result<Response, Infallible> {
    if let Some(principal) = request.extensions().get::<Principal>() {
        let value = to_metadata(principal);
        request.headers_mut().insert(PRINCIPAL_KEY, value);
    }
    // The client knows the address; its calls are HTTP/2.
    let mut parts = uri::Parts::default();
    parts.path_and_query = request.uri().path_and_query().cloned();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = Version::HTTP_2;
    let answer = client.oneshot(request).await;
    Ok(answer.unwrap_or_else(|error| Status::from_error(error).into_http::<Body>()))
}
