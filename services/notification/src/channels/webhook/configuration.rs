//! Reads how webhooks are sent.

use std::sync::Arc;

use ipnet::IpNet;
use nopic_chassis::config::Reader;
use reqwest::Certificate;

use super::policy::{ALLOW, PLAIN_HTTP, range_of};
use super::{PlainHttp, Policy, Webhook, WebhookOptions};
use crate::channels::{Channel, Surroundings, read_at};

const PATIENCE: &str = "notification.webhook.patience";
const AUTHORITY: &str = "notification.webhook.authority";

/// The channel as the configuration says; absent: it cannot be, and the reader knows why.
pub(in crate::channels) fn configured(
    reader: &mut Reader,
    surroundings: &Surroundings,
) -> Option<Arc<dyn Channel>> {
    let default = WebhookOptions::default();
    let allowed = allowed(reader);
    let plain_http = plain_http(reader);
    let patience = reader.seconds(PATIENCE, 15..=30);
    let has_wrong_patience = reader.has(PATIENCE) && patience.is_none();
    let authorities = authorities(reader);
    let options = WebhookOptions {
        policy: Policy {
            allowed: allowed?,
            plain_http: plain_http?,
        },
        patience: patience.unwrap_or(default.patience),
        authorities: authorities?,
        read_at: read_at(reader),
    };
    if has_wrong_patience {
        return None;
    }
    match Webhook::new(options, Arc::clone(&surroundings.resolver)) {
        Ok(webhook) => Some(Arc::new(webhook)),
        Err(error) => {
            reader.problem(AUTHORITY, format_args!("TLS cannot be set up by it: {error}"));
            None
        }
    }
}

fn allowed(reader: &mut Reader) -> Option<Vec<IpNet>> {
    let mut ranges = Vec::new();
    let mut is_right = true;
    for text in texts(reader, ALLOW)? {
        match range_of(&text) {
            Some(range) => ranges.push(range),
            None => {
                reader.problem(
                    ALLOW,
                    format_args!("{text:?} is no range of addresses such as 10.0.0.0/8"),
                );
                is_right = false;
            }
        }
    }
    is_right.then_some(ranges)
}

fn plain_http(reader: &mut Reader) -> Option<Vec<PlainHttp>> {
    let mut all = Vec::new();
    let mut is_right = true;
    for text in texts(reader, PLAIN_HTTP)? {
        match text.parse() {
            Ok(to) => all.push(to),
            Err(why) => {
                reader.problem(PLAIN_HTTP, format_args!("{text:?}: {why}"));
                is_right = false;
            }
        }
    }
    is_right.then_some(all)
}

/// A list that may be missing; absent: it is wrong.
fn texts(reader: &mut Reader, key: &str) -> Option<Vec<String>> {
    let is_there = reader.has(key);
    match reader.texts(key) {
        None if !is_there => Some(Vec::new()),
        texts => texts,
    }
}

fn authorities(reader: &mut Reader) -> Option<Vec<Certificate>> {
    let is_there = reader.has(AUTHORITY);
    let Some(pem) = reader.file(AUTHORITY) else {
        return (!is_there).then(Vec::new);
    };
    match Certificate::from_pem_bundle(&pem) {
        Ok(authorities) if !authorities.is_empty() => Some(authorities),
        Ok(_) => {
            reader.problem(AUTHORITY, "no certificate in PEM form is in the file");
            None
        }
        Err(error) => {
            reader.problem(AUTHORITY, format_args!("it cannot be read: {error}"));
            None
        }
    }
}
