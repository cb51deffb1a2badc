//! Who may call what: the names of clients, as their certificates state them, and for each the methods.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::Either;
use futures::future::{Ready, ready};
use thiserror::Error;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http;
use tower::{Layer, Service};

use crate::incoming::Peer;
use crate::metrics::{Count, Metrics};

/// Every listed client may ask whether the server serves.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// A rule that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallersError {
    /// Nobody is listed.
    #[error("no client is listed: nobody could call this server")]
    Nobody,
    /// A client without a method.
    #[error("{0} may call nothing: list a method, or leave the client out")]
    Nothing(String),
    /// Not of the form `*`, `package.Service/*` or `package.Service/Method`.
    #[error("{0:?} is no method: write package.Service/Method, package.Service/* or *")]
    NoMethod(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Everything,
    /// `/package.Service/`
    Service(String),
    /// `/package.Service/Method`
    Method(String),
}

impl Rule {
    fn parse(text: &str) -> Result<Self, CallersError> {
        if text == "*" {
            return Ok(Self::Everything);
        }
        let wrong = || CallersError::NoMethod(text.to_owned());
        let (service, method) = text.split_once('/').ok_or_else(wrong)?;
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|character| character.is_ascii_alphanumeric() || "._".contains(character))
        };
        match method {
            "*" if is_name(service) => Ok(Self::Service(format!("/{service}/"))),
            _ if is_name(service) && is_name(method) => Ok(Self::Method(format!("/{service}/{method}"))),
            _ => Err(wrong()),
        }
    }

    fn allows(&self, path: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Service(service) => path.starts_with(service.as_str()),
            Self::Method(method) => path == method,
        }
    }
}

/// The clients of a server: at least one, each with at least one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callers(Arc<BTreeMap<String, Vec<Rule>>>);

impl Callers {
    /// Reads the table: names of clients, and for each `package.Service/Method`, `package.Service/*` or `*`.
    ///
    /// # Errors
    /// Nobody or nothing is listed, or a rule is none.
    pub fn parse<N: Into<String>, R: AsRef<str>>(
        table: impl IntoIterator<Item = (N, Vec<R>)>,
    ) -> Result<Self, CallersError> {
        let mut callers = BTreeMap::new();
        for (name, rules) in table {
            let name = name.into();
            let rules = rules
                .iter()
                .map(|rule| Rule::parse(rule.as_ref()))
                .collect::<Result<Vec<_>, _>>()?;
            if rules.is_empty() {
                return Err(CallersError::Nothing(name));
            }
            callers.insert(name, rules);
        }
        if callers.is_empty() {
            return Err(CallersError::Nobody);
        }
        Ok(Self(Arc::new(callers)))
    }

    /// Whether a client of this name may call the method at this path (`/package.Service/Method`).
    #[must_use]
    pub fn may_call(&self, name: &str, path: &str) -> bool {
        self.0
            .get(name)
            .is_some_and(|rules| path.starts_with(HEALTH) || rules.iter().any(|rule| rule.allows(path)))
    }
}

/// Lets only listed clients through.
#[derive(Debug, Clone)]
pub struct Authorize {
    callers: Callers,
    refused: Arc<Count>,
}

impl Authorize {
    /// By this table.
    #[must_use]
    pub fn new(callers: Callers) -> Self {
        Self {
            callers,
            refused: Arc::default(),
        }
    }

    /// Shows how many calls were refused.
    pub(crate) fn count_in(&self, metrics: &Metrics) {
        let refused = Arc::clone(&self.refused);
        metrics.add_read(move |reading| {
            reading.counter(
                "rpc_server_calls_refused",
                "Calls of clients that are not listed for the method, or show no name",
                &[(&[], refused.get())],
            )
        });
    }

    /// How many calls were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }
}

impl<S> Layer<S> for Authorize {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Authorized<S> {
        Authorized {
            inner,
            authorize: self.clone(),
        }
    }
}

/// A server behind [`Authorize`].
#[derive(Debug, Clone)]
pub struct Authorized<S> {
    inner: S,
    authorize: Authorize,
}

impl<S, B> Service<http::Request<B>> for Authorized<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Self::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let name = request
            .extensions()
            .get::<Peer>()
            .and_then(|peer| peer.name.as_deref());
        let path = request.uri().path();
        if name.is_some_and(|name| self.authorize.callers.may_call(name, path)) {
            return Either::Left(self.inner.call(request));
        }
        self.authorize.refused.add();
        tracing::warn!(
            client = name.unwrap_or("(no name)"),
            method = path,
            "a call was refused"
        );
        // No more: who is listed is nobody's business.
        Either::Right(ready(Ok(Status::permission_denied(
            "this client may not call this method",
        )
        .into_http())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_calls_what_is_listed_for_it() {
        let callers = Callers::parse([
            (
                "entry-validation",
                vec!["a.v1.Registry/GetManifest", "a.v1.Certificates/*"],
            ),
            ("operator", vec!["*"]),
        ])
        .expect("a table");
        let may = |name: &str, path: &str| callers.may_call(name, path);
        assert!(may("entry-validation", "/a.v1.Registry/GetManifest"));
        assert!(!may("entry-validation", "/a.v1.Registry/GetManifestAndMore"));
        assert!(!may("entry-validation", "/a.v1.Registry/Import"));
        assert!(may("entry-validation", "/a.v1.Certificates/Get"));
        assert!(!may("entry-validation", "/a.v1.CertificatesOfOthers/Get"));
        assert!(may("entry-validation", "/grpc.health.v1.Health/Check"));
        assert!(may("operator", "/anything.at.All/Now"));
        assert!(!may("gateway", "/a.v1.Registry/GetManifest"));
        assert!(!may("gateway", "/grpc.health.v1.Health/Check"));
        assert!(!may("", "/a.v1.Registry/GetManifest"));
    }

    #[test]
    fn an_empty_table_cannot_be_made() {
        let none: [(&str, Vec<&str>); 0] = [];
        assert_eq!(Callers::parse(none), Err(CallersError::Nobody));
        assert_eq!(
            Callers::parse([("gateway", Vec::<&str>::new())]),
            Err(CallersError::Nothing("gateway".to_owned()))
        );
        for wrong in ["", "/", "a/", "/b", "a.B", "a.B/c/d", "a.B/**", "a B/*"] {
            assert_eq!(
                Callers::parse([("gateway", vec![wrong])]),
                Err(CallersError::NoMethod(wrong.to_owned()))
            );
        }
    }
}
