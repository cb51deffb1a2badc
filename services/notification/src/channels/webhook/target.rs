//! The address of a receiver, read strictly.

use std::net::{IpAddr, Ipv4Addr};

use reqwest::Url;

use super::policy::{PLAIN_HTTP, Policy};

/// The longest address.
const MAX_LENGTH: usize = 2_000;
/// Ports from here on belong to no protocol by the system's order.
const FIRST_FREE_PORT: u16 = 1_024;
/// Ports at which other protocols listen that might take a request for one of theirs: those of the Fetch standard above
/// [`FIRST_FREE_PORT`], and those of widely used stores.
const OTHER_PROTOCOLS: &[u16] = &[
    1_433, 1_521, 1_719, 1_720, 1_723, 2_049, 2_375, 3_306, 3_389, 3_659, 4_045, 4_190, 5_060, 5_061, 5_432,
    6_000, 6_379, 6_566, 6_665, 6_666, 6_667, 6_668, 6_669, 6_679, 6_697, 10_080, 10_250, 11_211, 27_017,
];

/// Where a webhook goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) url: Url,
    /// The host, and the port where it is stated: what may be told of the address, which may have secrets in its path.
    pub(super) shown: String,
}

impl Target {
    /// Reads the address of a receiver. An address of numbers is judged here, whatever spelling it has: the resolver
    /// never hears of it. The problem is told behind the name of the field.
    pub(super) fn read(text: &str, policy: &Policy) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("it is longer than {MAX_LENGTH} bytes"));
        }
        // The reader of addresses would drop some of them and read on.
        if text
            .chars()
            .any(|character| character.is_control() || character.is_whitespace())
        {
            return Err("it has a space or a control character in it".to_owned());
        }
        let url = Url::parse(text)
            .map_err(|error| format!("it is no address such as https://example.com/hooks ({error})"))?;
        let over_http = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err("it does not begin with https://".to_owned()),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it has a name or a password in it: leave out what stands before the @".to_owned());
        }
        if url.fragment().is_some() {
            return Err("it has a # in it: leave it out, with what follows".to_owned());
        }
        let port = url.port_or_known_default().unwrap_or_default();
        let is_usual = port == 443 || (over_http && port == 80);
        if !is_usual && (port < FIRST_FREE_PORT || OTHER_PROTOCOLS.contains(&port)) {
            return Err(format!(
                "its port, {port}, is not one of webhooks: use 443, or one from {FIRST_FREE_PORT} on that no other \
                 protocol has"
            ));
        }
        let Some(host) = url.host_str() else {
            return Err("it names no host".to_owned());
        };
        if over_http && policy.plain_http.is_empty() {
            return Err(format!(
                "it begins with http://, and notices go by https:// alone. An operator can allow hosts and ranges by \
                 {PLAIN_HTTP}"
            ));
        }
        if let Some(address) = literal(host) {
            // As a part of a sentence it has no full stop.
            policy
                .judge(host, address, over_http)
                .map_err(|forbidden| forbidden.to_string().trim_end_matches('.').to_owned())?;
        }
        let shown = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Ok(Self { url, shown })
    }

    /// Whether it is spoken to without TLS.
    pub(super) fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }
}

/// The address that a host is without any look-up.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Some(address);
    }
    // These names lead to the machine itself by their definition, so that their owner need not wait for a try.
    let name = host.trim_end_matches('.');
    (name == "localhost" || name.ends_with(".localhost")).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))
}
