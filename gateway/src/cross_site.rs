//! Calls that a page of another site makes a browser send. Where whoever reaches a server may call it, the browser of
//! somebody beside it would be such a caller, and do what any page tells it to.

use std::net::IpAddr;

use tonic::Status;
use tonic::codegen::http::header::{HOST, ORIGIN};
use tonic::codegen::http::{Request, Uri};

/// Marks a call, among its extensions, that a page of another site may have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CrossSite {
    /// It says itself that a page of another site, or of none, made it.
    pub(crate) is_of_another_page: bool,
    /// It is meant for another name than this machine's, as a page sends it whose name was made to mean this machine.
    /// Where a server has a name that is what all calls are.
    pub(crate) is_for_another_name: bool,
}

impl CrossSite {
    /// Of a request as it comes.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Self> {
        let of = Self {
            is_of_another_page: is_of_another_page(request),
            is_for_another_name: is_for_another_name(request),
        };
        (of.is_of_another_page || of.is_for_another_name).then_some(of)
    }
}

fn is_for_another_name<B>(request: &Request<B>) -> bool {
    match request.uri().host() {
        Some(host) => !is_this_machine(host),
        None => request.headers().get(HOST).is_some_and(|host| {
            let uri: Option<Uri> = host.to_str().ok().and_then(|host| host.parse().ok());
            !uri.as_ref().and_then(Uri::host).is_some_and(is_this_machine)
        }),
    }
}

fn is_of_another_page<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let is_of_another_site = headers
        .get("sec-fetch-site")
        .is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    // A page of this server names it, and so does one of another port of this machine: that is another server's.
    let is_of_another_origin = || {
        headers.get(ORIGIN).is_some_and(|origin| {
            let origin: Option<Uri> = origin.to_str().ok().and_then(|origin| origin.parse().ok());
            let authority = request
                .uri()
                .authority()
                .map(|authority| authority.as_str().as_bytes());
            let own = authority.or_else(|| headers.get(HOST).map(|host| host.as_bytes()));
            let from = origin.as_ref().and_then(Uri::authority);
            from.map(|from| from.as_str().as_bytes()) != own
        })
    };
    is_of_another_site || is_of_another_origin()
}

fn is_this_machine(host: &str) -> bool {
    let name = host.trim_start_matches('[').trim_end_matches(']');
    match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// The refusal of a call of a page that shows a certificate: its browser does so whatever page asks, and asks nobody.
pub(crate) fn refused_with_certificate() -> Status {
    Status::unauthenticated(
        "a page of another site calls with an API key only: that a browser shows its user's certificate says nothing of who \
         makes it call",
    )
}

/// The refusal of a call of a page that shows no credential.
pub(crate) fn refused() -> Status {
    Status::unauthenticated(
        "a page of another site, or under another name than localhost, calls with an API key only: this server is open to \
         whoever runs on this machine, not to whatever a browser on it has open",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_of_another_site_sends_is_known() {
        let page = Some(CrossSite {
            is_of_another_page: true,
            is_for_another_name: false,
        });
        let name = Some(CrossSite {
            is_of_another_page: false,
            is_for_another_name: true,
        });
        let both = Some(CrossSite {
            is_of_another_page: true,
            is_for_another_name: true,
        });
        for (uri, headers, expected) in [
            ("http://localhost:50051/v1/whoami", &[][..], None),
            ("/v1/whoami", &[("host", "127.0.0.1:50051")], None),
            ("/v1/whoami", &[("host", "[::1]:50051")], None),
            ("/v1/whoami", &[("host", "nopic.localhost")], None),
            ("/v1/whoami", &[], None),
            // A name that was made to mean this machine.
            ("http://evil.example:50051/v1/whoami", &[], name),
            ("/v1/whoami", &[("host", "evil.example")], name),
            ("/v1/whoami", &[("host", "127.0.0.1.evil.example")], name),
            ("/v1/whoami", &[("host", "a b")], name),
            // Pages.
            (
                "/v1/flags:import",
                &[("host", "localhost:50051"), ("sec-fetch-site", "cross-site")],
                page,
            ),
            (
                "/v1/flags:import",
                &[("host", "localhost:50051"), ("sec-fetch-site", "same-site")],
                page,
            ),
            (
                "/docs",
                &[("host", "localhost:50051"), ("sec-fetch-site", "none")],
                None,
            ),
            (
                "/v1/whoami",
                &[("host", "localhost:50051"), ("origin", "http://localhost:50051")],
                None,
            ),
            (
                "/v1/whoami",
                &[("host", "localhost:50051"), ("origin", "http://localhost:3000")],
                page,
            ),
            (
                "/v1/whoami",
                &[("host", "localhost:50051"), ("origin", "https://evil.example")],
                page,
            ),
            (
                "/v1/whoami",
                &[("host", "localhost:50051"), ("origin", "null")],
                page,
            ),
            // The server has a name, and the page is of another one, or its own.
            (
                "https://nopic.example/v1/files",
                &[
                    ("origin", "https://evil.example"),
                    ("sec-fetch-site", "cross-site"),
                ],
                both,
            ),
            (
                "https://nopic.example/v1/files",
                &[
                    ("origin", "https://nopic.example"),
                    ("sec-fetch-site", "same-origin"),
                ],
                name,
            ),
        ] {
            let mut request = Request::builder().uri(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(()).unwrap();
            assert_eq!(CrossSite::of(&request), expected, "{uri} {headers:?}");
        }
    }
}
