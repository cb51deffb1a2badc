//! Where webhooks may lead: to machines in the internet, and to what the operator allows.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

use super::range::{METADATA, plain, special};

/// The key by which an operator allows ranges.
pub(super) const ALLOW: &str = "notification.webhook.allow";
/// The key by which an operator allows http without TLS.
pub(super) const PLAIN_HTTP: &str = "notification.webhook.plain_http";

/// What the operator allows beyond https to machines in the internet.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Ranges of special addresses that webhooks may lead to. An address at which a cloud keeps secrets is allowed
    /// only by a range of that one address.
    pub allowed: Vec<IpNet>,
    /// To whom http without TLS may be spoken.
    pub plain_http: Vec<PlainHttp>,
}

/// To whom http without TLS may be spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlainHttp {
    /// Addresses of a range, whatever name they have.
    Range(IpNet),
    /// A name.
    Host(String),
}

/// Why nobody connects to an address. It goes through reqwest as the cause of its error.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) struct Forbidden {
    pub(super) host: String,
    pub(super) address: IpAddr,
    pub(super) why: Why,
}

/// What is wrong with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It is none of a machine in the internet.
    Special(&'static str),
    /// It is an address at which a cloud keeps secrets.
    Metadata(&'static str),
    /// Without TLS it is not spoken to.
    NotByPlainHttp,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address, .. } = self;
        if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            write!(f, "{address} is ")?;
        } else {
            // Nobody learns by names what addresses there are inside; the operators' log has it.
            return match self.why {
                Why::Special(_) | Why::Metadata(_) => write!(
                    f,
                    "{host} leads to no address of a machine in the internet, and webhooks go nowhere else. An operator \
                     finds the address in the log, and can allow it by {ALLOW}."
                ),
                Why::NotByPlainHttp => write!(
                    f,
                    "{host} leads to no address that may be told without TLS: use https, or let an operator allow its \
                     range or name by {PLAIN_HTTP}."
                ),
            };
        }
        match self.why {
            Why::Special(what) => write!(
                f,
                "{what}, and webhooks go to machines in the internet. An operator can allow its range by {ALLOW}."
            ),
            Why::Metadata(what) => write!(
                f,
                "{what}, and webhooks go to machines in the internet. An operator who means it allows exactly this \
                 address by {ALLOW}."
            ),
            Why::NotByPlainHttp => write!(
                f,
                "not an address that may be told without TLS: use https, or let an operator allow its range or name by \
                 {PLAIN_HTTP}."
            ),
        }
    }
}

impl Policy {
    /// Whether https may be spoken to an address, and over `http` plain http.
    pub(super) fn judge(&self, host: &str, address: IpAddr, over_http: bool) -> Result<(), Forbidden> {
        // The address that counts is also the one that is told: of ::ffff:127.0.0.1, 127.0.0.1.
        let address = plain(address);
        let forbidden = |why| Forbidden {
            host: host.to_owned(),
            address,
            why,
        };
        if let Some(what) = special(address) {
            let is_metadata = METADATA.iter().any(|range| range.contains(&address));
            let is_allowed = self.allowed.iter().any(|range| {
                range.contains(&address) && (!is_metadata || range.prefix_len() == range.max_prefix_len())
            });
            if !is_allowed {
                return Err(forbidden(if is_metadata {
                    Why::Metadata(what)
                } else {
                    Why::Special(what)
                }));
            }
        }
        let may_be_plain = |to: &PlainHttp| match to {
            PlainHttp::Range(range) => range.contains(&address),
            PlainHttp::Host(name) => name.eq_ignore_ascii_case(host.trim_end_matches('.')),
        };
        if over_http && !self.plain_http.iter().any(may_be_plain) {
            return Err(forbidden(Why::NotByPlainHttp));
        }
        Ok(())
    }
}

impl std::str::FromStr for PlainHttp {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(range) = range_of(text) {
            return Ok(Self::Range(range));
        }
        let is_of_name = |character: char| character.is_ascii_alphanumeric() || "-._".contains(character);
        let looks_like_address = text
            .chars()
            .all(|character| character.is_ascii_digit() || character == '.');
        if text.len() > 253 || !text.chars().all(is_of_name) || looks_like_address {
            return Err("a name, or a range of addresses such as 10.0.0.0/8, is expected");
        }
        Ok(Self::Host(text.trim_end_matches('.').to_ascii_lowercase()))
    }
}

/// A range, or a single address.
pub(super) fn range_of(text: &str) -> Option<IpNet> {
    let range = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .ok()?;
    // A range with more than its prefix, such as 10.1.2.3/8, is what it is without it.
    Some(range.trunc())
}
