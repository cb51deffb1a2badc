//! Who calls: by an API key, a token, or the certificate of the connection; on an open door, whoever reaches it.

use std::sync::Arc;

use async_trait::async_trait;
use nopic_chassis::callers::Callers as Listed;
use nopic_chassis::incoming::Peer;
use nopic_chassis::principal::{PRINCIPAL_KEY, from_metadata};
use nopic_chassis::refusal::too_busy;
use nopic_chassis::transport::{OWNER_KEY, OwnerSecret};
use nopic_domain::principal::Principal;
use thiserror::Error;
use tonic::Status;
use tonic::codegen::http::HeaderMap;
use tonic::codegen::http::header::AUTHORIZATION;
use tonic::metadata::MetadataMap;
use tower::Layer;

use crate::access_log::Noted;
use crate::answer::Answer;
use crate::cross_site::{self, CrossSite};
use crate::standing::Standing;
use crate::{Request, Response, json};

/// Why a credential names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    /// There is none like it, or it was taken back. Which of them is nobody's business.
    #[error("this credential is not known, has ended or was revoked: ask the operator for another")]
    Unknown,
    /// The tenant may not call for the time being.
    #[error("the tenant is suspended: ask the operator")]
    Suspended,
    /// The list of callers cannot be read.
    #[error("who calls cannot be looked up at present: try again")]
    Unavailable,
    /// Too many are looked up whom nobody has seen lately.
    #[error("too many callers are looked up at present: try again in a second")]
    Busy,
}

/// Those who may come in, by what they show.
#[async_trait]
pub(crate) trait Callers: Send + Sync {
    /// By an API key, whole.
    async fn of_key(&self, key: &str) -> Result<Principal, Refused>;
    /// By a bearer token of an identity provider.
    async fn of_token(&self, token: &str) -> Result<Principal, Refused>;
    /// By the name in a certificate that the authority of this door has signed.
    async fn of_certificate(&self, name: &str) -> Result<Principal, Refused>;
}

/// What API keys begin with.
pub(crate) const KEY_PREFIX: &str = "nopic_";

/// Finds out who calls.
pub(crate) struct Authenticate {
    /// Those who are known.
    pub(crate) callers: Arc<dyn Callers>,
    /// Who calls where nobody shows anything; absent: that is refused.
    pub(crate) otherwise: Option<Principal>,
    /// Names of certificates that the configuration lists: they call for the built-in tenant.
    pub(crate) listed: Option<Listed>,
    /// Who shows this owns the process, and says for whom a call is made.
    pub(crate) owner: Option<OwnerSecret>,
}

/// What is shown.
enum Shown {
    Key(String),
    Token(String),
    Certificate(Arc<str>),
    /// The owner of the process, who calls for this principal.
    Owner(Principal),
    Nothing,
}

impl Shown {
    /// Takes what is shown out of the headers: nothing behind the door sees it.
    fn take(
        headers: &mut HeaderMap,
        peer: Option<&Peer>,
        owner: Option<&OwnerSecret>,
    ) -> Result<Self, Status> {
        let principal = headers.remove(PRINCIPAL_KEY);
        let shown = Self::of(headers, peer);
        headers.remove(AUTHORIZATION);
        if let Some(shown) = headers.remove(OWNER_KEY) {
            // A principal comes from here and from nowhere else, but for who could as well write it into the database.
            return match principal {
                Some(principal) if owner.is_some_and(|owner| owner.is(shown.as_bytes())) => {
                    let mut named = HeaderMap::new();
                    named.insert(PRINCIPAL_KEY, principal);
                    let named = from_metadata(&MetadataMap::from_headers(named))?;
                    named.map(Self::Owner).ok_or_else(not_the_owner)
                }
                _ => Err(not_the_owner()),
            };
        }
        shown
    }

    fn of(headers: &HeaderMap, peer: Option<&Peer>) -> Result<Self, Status> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        if let Some(value) = values.next() {
            if values.next().is_some() {
                // Whoever stands between might have looked at the other one.
                return Err(Status::unauthenticated(
                    "there are several headers authorization: send one, with one credential",
                ));
            }
            let shown = value.to_str().ok().and_then(|text| {
                let (scheme, credential) = text.split_once(' ')?;
                scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
            });
            let Some(credential) = shown.filter(|credential| !credential.is_empty()) else {
                return Err(Status::unauthenticated(
                    "the header authorization is not of the form Bearer, then an API key or a token",
                ));
            };
            return Ok(if credential.starts_with(KEY_PREFIX) {
                Self::Key(credential.to_owned())
            } else {
                Self::Token(credential.to_owned())
            });
        }
        Ok(match peer.and_then(|peer| peer.name.clone()) {
            Some(name) => Self::Certificate(name),
            None => Self::Nothing,
        })
    }
}

fn not_the_owner() -> Status {
    Status::unauthenticated("whoever calls does not own this server: show an API key")
}

impl Authenticate {
    pub(crate) fn layer(self: Arc<Self>) -> AuthenticateLayer {
        AuthenticateLayer(self)
    }

    /// That whoever shows this may call, for as long as a stream lasts; absent: the call is none, or what is shown is good
    /// for as long as the process runs.
    fn standing(self: &Arc<Self>, shown: Shown, path: &str) -> Option<Standing> {
        let may_end = matches!(shown, Shown::Key(_) | Shown::Token(_) | Shown::Certificate(_));
        if !may_end || !json::is_stream(path) {
            return None;
        }
        let shown = Arc::new((shown, path.to_owned()));
        let authenticate = Arc::clone(self);
        Some(Standing::asking(move || {
            let (authenticate, shown) = (Arc::clone(&authenticate), Arc::clone(&shown));
            async move {
                let (shown, path) = &*shown;
                authenticate.principal(shown, path, None).await.map(drop)
            }
        }))
    }

    async fn principal(
        &self,
        shown: &Shown,
        path: &str,
        cross_site: Option<CrossSite>,
    ) -> Result<Principal, Status> {
        let known = match shown {
            Shown::Key(key) => self.callers.of_key(key).await,
            Shown::Token(token) => self.callers.of_token(token).await,
            Shown::Certificate(_) if cross_site.is_some_and(|of| of.is_of_another_page) => {
                return Err(cross_site::refused_with_certificate());
            }
            Shown::Certificate(name) => match &self.listed {
                Some(listed) if listed.may_call(name, path) => Ok(Principal::built_in(name)),
                _ => self.callers.of_certificate(name).await,
            },
            Shown::Owner(principal) => Ok(principal.clone()),
            Shown::Nothing if self.otherwise.is_some() && cross_site.is_some() => {
                return Err(cross_site::refused());
            }
            Shown::Nothing => {
                return self.otherwise.clone().ok_or_else(|| {
                    Status::unauthenticated(
                        "the call shows no credential: send the header authorization: Bearer with an API key \
                         (the operator makes one by nopic key create)",
                    )
                });
            }
        };
        known.map_err(|refused| match refused {
            Refused::Unknown => Status::unauthenticated(refused.to_string()),
            Refused::Suspended => Status::permission_denied(refused.to_string()),
            Refused::Unavailable => Status::unavailable(refused.to_string()),
            Refused::Busy => too_busy(&refused.to_string()),
        })
    }
}

/// The layer of [`Authenticate`].
#[derive(Clone)]
pub(crate) struct AuthenticateLayer(Arc<Authenticate>);

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Authenticated<S> {
        Authenticated {
            inner,
            authenticate: Arc::clone(&self.0),
        }
    }
}

/// Calls behind [`Authenticate`].
pub(crate) struct Authenticated<S> {
    inner: S,
    authenticate: Arc<Authenticate>,
}

impl<S: Answer> Answer for Authenticated<S> {
    async fn answer(&self, mut request: Request) -> Response {
        let peer = request.extensions().get::<Peer>().cloned();
        let owner = self.authenticate.owner.as_ref();
        let shown = Shown::take(request.headers_mut(), peer.as_ref(), owner);
        let found = match &shown {
            Ok(shown) => {
                let cross_site = request.extensions().get().copied();
                // Of the path alone, for a body may not be shared.
                let path = request.uri().path();
                self.authenticate.principal(shown, path, cross_site).await
            }
            Err(status) => Err(status.clone()),
        };
        let standing = match found {
            Ok(principal) => {
                if let Some(noted) = request.extensions().get::<Noted>() {
                    noted.caller(&principal);
                }
                request.extensions_mut().insert(principal);
                let path = request.uri().path();
                shown
                    .ok()
                    .and_then(|shown| self.authenticate.standing(shown, path))
            }
            // Health and the contract are told to everybody; the table of roles refuses everything else.
            Err(_) if nopic_chassis::roles::is_open(request.uri().path()) => None,
            Err(status) => return status.into_http(),
        };
        match standing {
            None => self.inner.answer(request).await,
            Some(standing) => {
                let request = standing.bound_request(request);
                standing.bound_answer(self.inner.answer(request).await)
            }
        }
    }
}
