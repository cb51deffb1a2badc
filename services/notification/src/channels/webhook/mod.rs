//! The webhook: a CloudEvents event, signed by Standard Webhooks, to an address of the receiver.

mod answer;
mod configuration;
mod event;
mod guard;
mod policy;
mod range;
mod signature;
mod target;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, Client, redirect};
use serde_json::Value;

use super::settings::{Fields, in_words};
use super::words::cause;
use super::{Channel, Message, Outcome, READ_AT, Secret, SettingsProblem};
pub(super) use configuration::configured;
use guard::Guard;
pub use guard::{Resolver, SystemResolver};
use policy::Forbidden;
pub use policy::{PlainHttp, Policy};
use target::Target;

/// How long a connection may take, of all the time for a try.
const CONNECT: Duration = Duration::from_secs(8);
/// How long a connection is kept for the next message, and how many to one receiver.
const KEPT: Duration = Duration::from_secs(30);
const KEPT_OF_ONE: usize = 4;

/// How webhooks are sent.
#[derive(Debug, Clone)]
pub struct WebhookOptions {
    /// Where they may lead.
    pub policy: Policy,
    /// How long one try may take in all.
    pub patience: Duration,
    /// Authorities to believe beside the system's, as PEM.
    pub authorities: Vec<Certificate>,
    /// Where people find what a message has no room for.
    pub read_at: String,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            patience: Duration::from_secs(20),
            authorities: Vec::new(),
            read_at: READ_AT.to_owned(),
        }
    }
}

/// The channel of webhooks.
pub struct Webhook {
    policy: Arc<Policy>,
    patience: Duration,
    read_at: String,
    over_tls: Client,
    /// A client of its own, for the addresses that it may connect to are others.
    over_http: Client,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("policy", &self.policy)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl Webhook {
    /// The channel with these options; `resolver` knows the addresses of names.
    ///
    /// # Errors
    /// TLS cannot be set up: the system's authorities cannot be read, or one of ours cannot be used.
    pub fn new(options: WebhookOptions, resolver: Arc<dyn Resolver>) -> Result<Self, reqwest::Error> {
        // Another part of this process may have done so.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let policy = Arc::new(options.policy);
        let client = |over_http| {
            Client::builder()
                .dns_resolver(Guard {
                    resolver: Arc::clone(&resolver),
                    policy: Arc::clone(&policy),
                    over_http,
                })
                .https_only(!over_http)
                // A proxy would connect in our place, to wherever it likes.
                .no_proxy()
                .redirect(redirect::Policy::none())
                // Whoever calls a channel tries again.
                .retry(reqwest::retry::never())
                .referer(false)
                .connect_timeout(CONNECT.min(options.patience))
                .pool_idle_timeout(KEPT)
                .pool_max_idle_per_host(KEPT_OF_ONE)
                .user_agent(concat!("nopic/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self {
            over_tls: client(false).tls_certs_merge(options.authorities).build()?,
            // It speaks no TLS, and need not read the system's authorities.
            over_http: client(true).tls_certs_only([]).build()?,
            policy,
            patience: options.patience,
            read_at: options.read_at,
        })
    }

    fn read(&self, settings: &Value) -> Result<Target, Vec<SettingsProblem>> {
        let mut fields = Fields::of(settings);
        let target = fields
            .text("url")
            .and_then(|url| match Target::read(&url, &self.policy) {
                Ok(target) => Some(target),
                Err(why) => {
                    fields.problem("url", why);
                    None
                }
            });
        fields.finish(target)
    }

    async fn post(
        &self,
        target: Target,
        secrets: &[Secret],
        message: &Message,
        now: DateTime<Utc>,
    ) -> Outcome {
        let host = target.shown.clone();
        let asked = async {
            match self.request(target, secrets, message, now) {
                Ok(request) => request.send().await.map_err(|error| failed(&host, &error)),
                Err(refused) => Err(refused),
            }
        };
        // With its head an answer has come: how long its body takes says nothing of the message.
        match tokio::time::timeout(self.patience, asked).await {
            Ok(Ok(answer)) => answer::outcome(&host, answer, now).await,
            Ok(Err(outcome)) => outcome,
            Err(_) => Outcome::slow(format!(
                "{host} did not answer within {} seconds.",
                self.patience.as_secs()
            )),
        }
    }

    fn request(
        &self,
        target: Target,
        secrets: &[Secret],
        message: &Message,
        now: DateTime<Utc>,
    ) -> Result<reqwest::RequestBuilder, Outcome> {
        let body = match event::body(message, &self.read_at) {
            Ok(body) if body.len() <= event::MAX_BYTES => body,
            Ok(_) => {
                return Err(Outcome::refused(
                    "The notice has no room in a webhook, even shortened.",
                ));
            }
            Err(error) => {
                return Err(Outcome::refused(format!(
                    "The notice cannot be written as JSON: {error}."
                )));
            }
        };
        let mut headers = match signature::headers(&message.id, now, &body, secrets) {
            Ok(headers) => headers,
            Err(error) => return Err(Outcome::refused(format!("The notice cannot be signed: {error}."))),
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(event::MEDIA_TYPE));
        let client = if target.is_plain() {
            &self.over_http
        } else {
            &self.over_tls
        };
        Ok(client.post(target.url).headers(headers).body(body))
    }
}

/// What a request without an answer means.
fn failed(host: &str, error: &reqwest::Error) -> Outcome {
    let mut deeper: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = deeper {
        if let Some(forbidden) = error.downcast_ref::<Forbidden>() {
            return Outcome::refused(forbidden.to_string());
        }
        deeper = error.source();
    }
    let cause = cause(error);
    if error.is_timeout() {
        Outcome::slow(format!("{host} could not be connected to in time."))
    } else if error.is_connect() {
        Outcome::passing(format!("{host} could not be connected to: {cause}."))
    } else {
        Outcome::passing(format!(
            "{host} broke the connection off before it answered: {cause}."
        ))
    }
}

#[async_trait]
impl Channel for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn is_read_by_people(&self) -> bool {
        false
    }

    fn signs(&self) -> bool {
        true
    }

    fn check(&self, settings: &Value) -> Result<(), Vec<SettingsProblem>> {
        self.read(settings).map(|_| ())
    }

    fn destination(&self, settings: &Value) -> String {
        match self.read(settings) {
            Ok(target) => target.shown,
            Err(_) => "an address that cannot be used".to_owned(),
        }
    }

    async fn deliver(
        &self,
        settings: &Value,
        secrets: &[Secret],
        message: &Message,
        now: DateTime<Utc>,
    ) -> Outcome {
        let target = match self.read(settings) {
            Ok(target) => target,
            Err(problems) => return Outcome::refused(in_words(&problems)),
        };
        // Nobody could tell such a message from a forged one.
        if secrets.is_empty() {
            return Outcome::refused("The receiver has no secret by which to sign: give it one.");
        }
        self.post(target, secrets, message, now).await
    }
}
