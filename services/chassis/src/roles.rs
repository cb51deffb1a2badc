//! Who may call which method: one table, made of the rows that each service exports, and the layer that asks it.
//!
//! The layer reads the principal of a call from its metadata, puts it into the request's extensions ([`principal::of`])
//! and refuses who may not call the method, before a byte of the body is read. What depends on data (whose certificate it
//! is, whose filer code) is for the handler to check.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use nopic_domain::principal::{Principal, Role};
use thiserror::Error;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tower::{Layer, Service};

use crate::incoming::Peer;
use crate::metrics::{Count, Metrics};
use crate::principal;

/// The client name of entry validation: in its certificate, and in memory.
pub const ENTRY_VALIDATION: &str = "entry-validation";

/// The client name of notification: in its certificate, and in memory.
pub const NOTIFICATION: &str = "notification";

/// The audit service's rows of the table of roles.
pub const AUDIT: &[Row] = &[
    Row::roles("nopic.audit.v1.AuditService/VerifyLogs", REVIEWERS),
    Row::roles("nopic.audit.v1.AuditService/ListHeads", REVIEWERS),
];

/// The event service's rows of the table of roles.
pub const EVENTS: &[Row] = &[
    Row::any_role("nopic.events.v1.EventService/ReadEvents"),
    Row::any_role("nopic.events.v1.EventService/WatchEvents"),
    Row::any_role("nopic.events.v1.EventService/ReadAllEvents").from_clients(&[NOTIFICATION]),
];

/// Who looks at what others did.
const REVIEWERS: &[Role] = &[Role::Operator, Role::Compliance, Role::Authority];

/// What every server answers to everybody who reaches it.
const OPEN: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection."];

/// Whether a method is answered to everybody.
#[must_use]
pub fn is_open(path: &str) -> bool {
    OPEN.iter().any(|open| path.starts_with(open))
}

/// Who may call one method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// As `package.Service/Method`.
    pub method: &'static str,
    /// The roles that may call it.
    pub roles: &'static [Role],
    /// The only clients that may call it, by the names in their certificates or of callers in memory; absent: every one.
    pub clients: Option<&'static [&'static str]>,
}

impl Row {
    /// A method for every role.
    #[must_use]
    pub const fn any_role(method: &'static str) -> Self {
        Self::roles(method, &Role::ALL)
    }

    /// A method for these roles.
    #[must_use]
    pub const fn roles(method: &'static str, roles: &'static [Role]) -> Self {
        Self {
            method,
            roles,
            clients: None,
        }
    }

    /// The same for nobody but these clients.
    #[must_use]
    pub const fn from_clients(self, clients: &'static [&'static str]) -> Self {
        Self {
            clients: Some(clients),
            ..self
        }
    }
}

/// Two rows for one method: which one holds would be a matter of luck.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the table of roles has two rows for {0}")]
pub struct TwoRows(pub &'static str);

/// The rows of every service that a server serves.
#[derive(Debug, Clone)]
pub struct RoleTable(Arc<HashMap<String, Row>>);

impl RoleTable {
    /// One table of these.
    ///
    /// # Errors
    /// A method has two rows.
    pub fn new(tables: &[&[Row]]) -> Result<Self, TwoRows> {
        let mut rows = HashMap::new();
        for row in tables.iter().copied().flatten() {
            match rows.entry(format!("/{}", row.method)) {
                Entry::Vacant(place) => place.insert(*row),
                Entry::Occupied(_) => return Err(TwoRows(row.method)),
            };
        }
        Ok(Self(Arc::new(rows)))
    }

    /// The routes behind this table. `otherwise` is who calls where a call names nobody: the embedded default has its
    /// built-in tenant, a service behind a gateway has none.
    #[must_use]
    pub fn protect(self, routes: Routes, otherwise: Option<Principal>) -> Protected {
        Protected {
            routes,
            check: CheckRoles::new(self, otherwise),
        }
    }
}

/// Routes behind their table of roles: what is served, over a socket or in memory.
#[derive(Debug, Clone)]
pub struct Protected {
    pub(crate) routes: Routes,
    pub(crate) check: CheckRoles,
}

impl Protected {
    /// Takes a client without a name for whichever one a method is for: for a service that is tried out alone in plain
    /// text, where no client can show its name.
    #[must_use]
    pub fn trust_nameless_clients(mut self) -> Self {
        self.check.trusts_nameless = true;
        self
    }
}

impl Protected {
    /// Who calls where a call names nobody.
    #[must_use]
    pub fn otherwise(&self) -> Option<&Principal> {
        self.check.otherwise.as_ref()
    }

    /// The calls without a server: for a door that takes the connections itself.
    #[must_use]
    pub fn into_service(self) -> RolesChecked<Routes> {
        self.check.layer(self.routes)
    }
}

/// Refuses calls that the table of roles does not allow.
#[derive(Debug, Clone)]
pub struct CheckRoles {
    table: RoleTable,
    otherwise: Option<Principal>,
    trusts_nameless: bool,
    refused: Arc<Count>,
}

impl CheckRoles {
    /// By this table; `otherwise` as for [`RoleTable::protect`].
    #[must_use]
    pub fn new(table: RoleTable, otherwise: Option<Principal>) -> Self {
        Self {
            table,
            otherwise,
            trusts_nameless: false,
            refused: Arc::default(),
        }
    }

    /// Shows how many calls were refused.
    pub fn count_in(&self, metrics: &Metrics) {
        let refused = Arc::clone(&self.refused);
        metrics.add_read(move |reading| {
            reading.counter(
                "rpc_server_calls_refused_by_role",
                "Calls without a principal, of a role or client that may not call the method, or of no method of this server",
                &[(&[], refused.get())],
            )
        });
    }

    /// How many calls were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// Lets a call through whose principal may make it, and puts that into its extensions where no layer before this one
    /// has found it: what the metadata say stands only without.
    ///
    /// # Errors
    /// The refusal.
    pub fn admit<B>(&self, request: &mut http::Request<B>) -> Result<(), Status> {
        if is_open(request.uri().path()) {
            return Ok(());
        }
        // Metadata are the headers, lent for the time of the check.
        let metadata = MetadataMap::from_headers(std::mem::take(request.headers_mut()));
        let checked = self.check(request, &metadata);
        *request.headers_mut() = metadata.into_headers();
        match checked {
            Ok(None) => Ok(()),
            Ok(Some(named)) => {
                request.extensions_mut().insert(named);
                Ok(())
            }
            Err(status) => {
                self.refused.add();
                let peer = request.extensions().get::<Peer>();
                let caller = request.extensions().get::<Principal>();
                tracing::warn!(
                    tenant = caller.map(|caller| caller.tenant.as_str()),
                    actor = caller.map(|caller| caller.actor.as_str()),
                    role = caller.map(|caller| caller.role.as_str()),
                    client = peer.and_then(|peer| peer.name.as_deref()),
                    method = request.uri().path(),
                    why = status.message(),
                    "a call was refused"
                );
                Err(status)
            }
        }
    }

    /// Whether a call is allowed; with its principal, where that is not among its extensions.
    fn check<B>(
        &self,
        request: &http::Request<B>,
        metadata: &MetadataMap,
    ) -> Result<Option<Principal>, Status> {
        // A path that no row names is as good as one that is not served.
        let Some(row) = self.table.0.get(request.uri().path()) else {
            return Err(Status::unimplemented("this server has no such method"));
        };
        let found = request.extensions().get::<Principal>();
        let named = match found {
            Some(_) => None,
            None => match principal::from_metadata(metadata)? {
                Some(named) => Some(named),
                None => Some(self.otherwise.clone().ok_or_else(principal::unnamed)?),
            },
        };
        // One of the two is there.
        let principal = found.or(named.as_ref()).ok_or_else(principal::unnamed)?;
        if !row.roles.contains(&principal.role) {
            let roles: Vec<_> = row.roles.iter().map(|role| role.as_str()).collect();
            return Err(Status::permission_denied(format!(
                "{} is for the role {}, not for {}",
                row.method,
                roles.join(" or "),
                principal.role.as_str()
            )));
        }
        let peer = request.extensions().get::<Peer>();
        let name = peer.and_then(|peer| peer.name.as_deref());
        let is_listed = |clients: &[&str]| name.map_or(self.trusts_nameless, |name| clients.contains(&name));
        if !row.clients.is_none_or(is_listed) {
            // No more: who is listed is nobody's business.
            return Err(Status::permission_denied("this client may not call this method"));
        }
        Ok(named)
    }
}

impl<S> Layer<S> for CheckRoles {
    type Service = RolesChecked<S>;

    fn layer(&self, inner: S) -> RolesChecked<S> {
        RolesChecked {
            inner,
            check: self.clone(),
        }
    }
}

/// A server behind [`CheckRoles`].
#[derive(Debug, Clone)]
pub struct RolesChecked<S> {
    inner: S,
    check: CheckRoles,
}

impl<S, B> Service<http::Request<B>> for RolesChecked<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Self::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        match self.check.admit(&mut request) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(status) => Either::Right(ready(Ok(status.into_http()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tonic::Code;
    use tonic::service::Interceptor as _;

    use super::*;
    use crate::principal::{AttachPrincipal, PRINCIPAL_KEY};

    const ROWS: &[Row] = &[
        Row::any_role("a.v1.Books/Read"),
        Row::roles("a.v1.Books/Write", &[Role::Broker, Role::Operator]),
        Row::any_role("a.v1.Books/Burn").from_clients(&["library"]),
    ];

    fn layer(otherwise: Option<Principal>) -> CheckRoles {
        CheckRoles::new(RoleTable::new(&[ROWS]).unwrap(), otherwise)
    }

    fn of(role: Role) -> Principal {
        Principal {
            role,
            ..Principal::built_in("somebody")
        }
    }

    /// A call of this method; the answer is who the server saw, or why it saw nobody.
    async fn call(
        layer: &CheckRoles,
        path: &str,
        principal: Option<&Principal>,
        name: Option<&str>,
    ) -> Result<Option<Principal>, (Code, String)> {
        let mut request = tonic::Request::new(());
        if let Some(principal) = principal {
            request = AttachPrincipal::new(principal).call(request).unwrap();
        }
        send(layer, path, request, name).await
    }

    async fn send(
        layer: &CheckRoles,
        path: &str,
        mut request: tonic::Request<()>,
        name: Option<&str>,
    ) -> Result<Option<Principal>, (Code, String)> {
        request.extensions_mut().insert(Peer {
            name: name.map(Arc::from),
            address: None,
            usage: None,
        });
        let mut server = layer.layer(tower::service_fn(|request: http::Request<()>| {
            let mut response = http::Response::new(Body::empty());
            if let Some(principal) = request.extensions().get::<Principal>() {
                response.extensions_mut().insert(principal.clone());
            }
            ready(Ok::<_, Infallible>(response))
        }));
        let (metadata, extensions, ()) = request.into_parts();
        let mut request = http::Request::builder().uri(path).body(()).unwrap();
        *request.headers_mut() = metadata.into_headers();
        *request.extensions_mut() = extensions;
        let answer = server.call(request).await.unwrap();
        match Status::from_header_map(answer.headers()) {
            Some(status) => Err((status.code(), status.message().to_owned())),
            None => Ok(answer.extensions().get::<Principal>().cloned()),
        }
    }

    #[tokio::test]
    async fn a_principal_travels_unchanged() {
        let principal = Principal {
            certifier_id: "015".parse().ok(),
            nop_ids: vec!["0150000001".parse().unwrap()],
            filer_codes: nopic_domain::principal::FilerCodes::Listed(vec!["B76".into()]),
            ..of(Role::Broker)
        };
        let seen = call(&layer(None), "/a.v1.Books/Read", Some(&principal), None).await;
        assert_eq!(seen, Ok(Some(principal)));
    }

    #[tokio::test]
    async fn nobody_is_refused_unless_there_is_a_built_in_tenant() {
        let behind_gateway = layer(None);
        let refused = call(&behind_gateway, "/a.v1.Books/Read", None, None).await;
        assert_eq!(refused.unwrap_err().0, Code::Unauthenticated);
        assert_eq!(behind_gateway.refused(), 1);
        let built_in = Principal::built_in("embedded");
        let seen = call(&layer(Some(built_in.clone())), "/a.v1.Books/Read", None, None).await;
        assert_eq!(seen, Ok(Some(built_in)));
    }

    #[tokio::test]
    async fn a_forged_principal_is_refused() {
        let mut request = tonic::Request::new(());
        let forged = tonic::metadata::BinaryMetadataValue::from_bytes(b"\xff\xff");
        request.metadata_mut().insert_bin(PRINCIPAL_KEY, forged);
        let layer = layer(Some(Principal::built_in("embedded")));
        let refused = send(&layer, "/a.v1.Books/Read", request, None).await;
        assert_eq!(refused.unwrap_err().0, Code::Unauthenticated);
    }

    #[tokio::test]
    async fn a_role_calls_what_its_row_allows_and_hears_who_may() {
        let layer = layer(None);
        for role in Role::ALL {
            let who = of(role);
            assert!(call(&layer, "/a.v1.Books/Read", Some(&who), None).await.is_ok());
            let written = call(&layer, "/a.v1.Books/Write", Some(&who), None).await;
            if matches!(role, Role::Broker | Role::Operator) {
                assert!(written.is_ok());
            } else {
                let (code, message) = written.unwrap_err();
                assert_eq!(code, Code::PermissionDenied);
                assert!(message.contains("BROKER or OPERATOR"), "{message}");
            }
        }
        assert_eq!(layer.refused(), 4);
    }

    #[tokio::test]
    async fn a_method_of_one_client_is_nobody_elses() {
        let who = of(Role::Operator);
        let mut layer = layer(None);
        let burn = "/a.v1.Books/Burn";
        assert!(call(&layer, burn, Some(&who), Some("library")).await.is_ok());
        for name in [Some("librarian"), Some("lib"), Some(""), None] {
            let (code, message) = call(&layer, burn, Some(&who), name).await.unwrap_err();
            assert_eq!(code, Code::PermissionDenied, "{name:?}");
            assert!(!message.contains("library"), "{message}");
        }
        layer.trusts_nameless = true;
        assert!(call(&layer, burn, Some(&who), None).await.is_ok());
        assert!(call(&layer, burn, Some(&who), Some("librarian")).await.is_err());
    }

    #[tokio::test]
    async fn what_has_no_row_is_refused_but_health_and_reflection() {
        let layer = layer(Some(Principal::built_in("embedded")));
        for path in [
            "/a.v1.Books/Lend",
            "/a.v1.Books/",
            "/a.v1.Books/ReadAll",
            "/",
            "/x",
        ] {
            let refused = call(&layer, path, None, None).await;
            assert_eq!(refused.unwrap_err().0, Code::Unimplemented, "{path}");
        }
        for path in [
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ] {
            assert_eq!(call(&layer, path, None, None).await, Ok(None), "{path}");
        }
    }

    #[test]
    fn two_rows_for_one_method_are_no_table() {
        let again = [Row::any_role("a.v1.Books/Write")];
        let refused = RoleTable::new(&[ROWS, &again]).unwrap_err();
        assert_eq!(refused, TwoRows("a.v1.Books/Write"));
    }
}
