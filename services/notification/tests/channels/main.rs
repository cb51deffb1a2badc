//! The channels against real receivers: a web server that misbehaves in every way, a mail server whose mailbox is read,
//! and the libraries by which receivers check signatures.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod addresses;
mod digests;
mod golden;
mod mail;
mod mailbox;
mod receiver;
mod samples;
mod signatures;
mod tries;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nopic_notification::channels::Secret;
use nopic_notification::channels::webhook::{Resolver, SystemResolver, Webhook, WebhookOptions};

/// Where programs of other languages are installed.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("stock-clients")
}

/// A file beside the tests.
fn verifier(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/channels/verifiers")
        .join(name)
}

/// Webhooks that may go to this machine without TLS.
fn local() -> WebhookOptions {
    let mut options = WebhookOptions::default();
    options.policy.allowed = vec!["127.0.0.0/8".parse().unwrap()];
    options.policy.plain_http = vec!["127.0.0.0/8".parse().unwrap()];
    options
}

fn webhook(options: WebhookOptions) -> Webhook {
    webhook_by(options, Arc::new(SystemResolver))
}

fn webhook_by(options: WebhookOptions, resolver: Arc<dyn Resolver>) -> Webhook {
    Webhook::new(options, resolver).unwrap()
}

fn secrets() -> Vec<Secret> {
    vec![Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()]
}
