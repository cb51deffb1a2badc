//! Where a call goes: by its service to the process that serves it, without a look at its body.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use futures::FutureExt as _;
use nopic_chassis::principal::{PRINCIPAL_KEY, to_metadata};
use nopic_chassis::rpc::client::Client;
use nopic_domain::principal::Principal;
use tonic::body::Body;
use tonic::codegen::http::{Uri, Version, uri};
use tonic::{Code, Status};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::answer::Answer;
use crate::{Request, Response};

/// Services of this process.
pub(crate) type Here = BoxCloneSyncService<Request, Response, Infallible>;

/// Hands calls on.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// What this process serves itself.
    here: Here,
    /// Services of other processes, by their full names.
    elsewhere: Arc<HashMap<&'static str, Client>>,
}

impl Route {
    /// To these; what is not elsewhere is here.
    pub(crate) fn new(here: Here, elsewhere: HashMap<&'static str, Client>) -> Self {
        Self {
            here,
            elsewhere: Arc::new(elsewhere),
        }
    }
}

impl Answer for Route {
    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send {
        let service = request.uri().path().split('/').nth(1).unwrap_or_default();
        // What comes behind is long, and is not moved with the layers before it.
        match self.elsewhere.get_key_value(service) {
            None => {
                let answer = self.here.clone().oneshot(request);
                answer.map(|Ok(response)| response).boxed()
            }
            Some((service, client)) => forward(service, client.clone(), request).boxed(),
        }
    }
}

/// Asks another process, which is told who calls.
async fn forward(service: &'static str, client: Client, mut request: Request) -> Response {
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
    answer.unwrap_or_else(|error| not_asked(service, Status::from_error(error)).into_http::<Body>())
}

/// What a caller is told of a process that could not be asked: where that is, and what is wrong with it, is for whoever runs
/// it.
fn not_asked(service: &str, status: Status) -> Status {
    if status.code() != Code::Unavailable {
        return status;
    }
    tracing::warn!(service, why = status.message(), "a service could not be asked");
    Status::unavailable(format!(
        "{service} cannot be reached at present: try again; if it stays so, tell whoever runs this server"
    ))
}
