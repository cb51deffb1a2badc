//! Bearer tokens of an identity provider (OpenID Connect): who they name, if they are good.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use nopic_chassis::config::Reader;
use reqwest::Url;
use serde::Deserialize;

use super::key_set::{KeySet, KeysError, Source};
use super::record::Subject;
use super::verifier::RING;
use crate::authenticate::Refused;

/// Longest token that is looked at.
const MAX_BYTES: usize = 16 << 10;
/// By how many seconds clocks may differ.
const LEEWAY: u64 = 60;
/// What a token must state.
const REQUIRED: [&str; 4] = ["exp", "iss", "aud", "sub"];

/// Whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Provider {
    issuer: String,
    /// Tokens are for whom.
    audience: String,
    keys: Source,
}

impl Provider {
    /// As it is configured; absent: no tokens are taken.
    pub(crate) fn of(reader: &mut Reader) -> Option<Self> {
        const KEYS: [&str; 3] = [
            "gateway.oidc.issuer",
            "gateway.oidc.audience",
            "gateway.oidc.jwks",
        ];
        let [issuer, audience, jwks] = KEYS.map(|key| reader.text(key));
        match (issuer, audience, jwks) {
            (None, None, None) => None,
            (Some(issuer), Some(audience), Some(jwks)) => Some(Self {
                issuer,
                audience,
                keys: source(reader, KEYS[2], &jwks)?,
            }),
            _ => {
                for key in KEYS {
                    if !reader.has(key) {
                        reader.problem(key, "it is missing: issuer, audience and jwks belong together");
                    }
                }
                None
            }
        }
    }
}

fn source(reader: &mut Reader, key: &str, text: &str) -> Option<Source> {
    let Some((scheme, _)) = text.split_once("://") else {
        return reader.path(key).map(Source::File);
    };
    let url = Url::parse(text).ok().filter(|url| match scheme {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    });
    if url.is_none() {
        reader.problem(
            key,
            format_args!("{text:?} is neither a file nor an address that begins with https://"),
        );
    }
    url.map(Source::Url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// What is read of a token.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
}

/// Reads tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    provider: Provider,
    keys: KeySet,
}

impl Tokens {
    /// Of this provider.
    pub(crate) fn new(provider: Provider) -> Result<Self, KeysError> {
        // Once for a process: the second time it is there.
        let _ = RING.install_default();
        let keys = KeySet::new(provider.keys.clone())?;
        Ok(Self { provider, keys })
    }

    /// Who a token names. Why it names nobody is for the log: whoever made it up learns nothing.
    pub(super) async fn subject(&self, token: &str) -> Result<Subject, Refused> {
        if token.len() > MAX_BYTES {
            return Err(Refused::Unknown);
        }
        let header = decode_header(token).map_err(|_| Refused::Unknown)?;
        let Some(key) = self.keys.find(header.kid.as_deref()).await? else {
            tracing::info!("a token was refused: its key is none of the identity provider");
            return Err(Refused::Unknown);
        };
        // The algorithm is the key's; a token that names another one is refused.
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&REQUIRED);
        validation.set_issuer(&[&self.provider.issuer]);
        validation.set_audience(&[&self.provider.audience]);
        match decode::<Claims>(token, &key.key, &validation) {
            Ok(read) => Ok(Subject {
                issuer: read.claims.iss,
                subject: read.claims.sub,
            }),
            Err(error) => {
                tracing::info!(why = why(error.kind()), "a token was refused");
                Err(Refused::Unknown)
            }
        }
    }
}

/// Why a token is not good, without a word of what stands in it.
fn why(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it does not hold yet",
        ErrorKind::InvalidIssuer => "it is of another issuer",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::InvalidAlgorithm => "it names another algorithm than its key is for",
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::MissingRequiredClaim(_) => "it lacks one of exp, iss, aud and sub",
        _ => "it is malformed",
    }
}

#[cfg(test)]
mod tests;
