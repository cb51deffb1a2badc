//! The way to a server: how it is found, and what is wrong with it where calls come to nothing.

use std::error::Error;
use std::io;
use std::iter::successors;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use nopic_chassis::tls::{config_of, config_trusting};
use nopic_chassis::windows::with_windows;
use nopic_host::Identity;
use rustls::AlertDescription;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Code;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

use super::heard::{Heard, Hearing, Speech};
use crate::failure::Failure;

/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a server says that was shown no certificate, or one that it does not take.
const OF_CERTIFICATES: [AlertDescription; 10] = [
    AlertDescription::AccessDenied,
    AlertDescription::BadCertificate,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateRequired,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateUnknown,
    AlertDescription::DecryptError,
    AlertDescription::HandshakeFailure,
    AlertDescription::UnknownCA,
    AlertDescription::UnsupportedCertificate,
];

/// A connection, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The way to a server.
#[derive(Debug, Clone)]
pub(super) struct Way {
    url: String,
    shows_certificate: bool,
    heard: Heard,
}

impl Way {
    /// Connects to the server at this address.
    pub(super) async fn to(url: &str, identity: Option<&Identity>) -> Result<(Channel, Self), Failure> {
        let way = Self {
            url: url.to_owned(),
            shows_certificate: matches!(identity, Some(Identity::Certificate(_))),
            heard: Heard::default(),
        };
        let place = Place::of(url, identity)?;
        let endpoint = place.endpoint.clone();
        let heard = way.heard.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let (place, heard) = (place.clone(), heard.clone());
            async move { place.connect(heard).await.map(TokioIo::new) }
        });
        match endpoint.connect_with_connector(connector).await {
            Ok(channel) => Ok((channel, way)),
            Err(error) => {
                tracing::debug!(error = &error as &dyn Error, "no connection");
                Err(way.unconnected(&error))
            }
        }
    }

    fn is_secured(&self) -> bool {
        self.url.starts_with("https://")
    }

    /// Why a connection did not come about.
    fn unconnected(&self, error: &(dyn Error + 'static)) -> Failure {
        if let Some(failure) = self.explain() {
            return failure;
        }
        let url = &self.url;
        let causes = successors(Some(error), |&error| error.source());
        let innermost = causes.last().map(ToString::to_string).unwrap_or_default();
        if innermost.contains("certificate") {
            return Failure::new(format!(
                "The server at {url} does not show a certificate that fits: {innermost}."
            ))
            .advice("Use the host name that stands in its certificate, and the authority that signed it.");
        }
        unreached(url)
    }

    /// What is wrong with the way, where that can be told from how a connection or a call on it ended.
    pub(super) fn explain(&self) -> Option<Failure> {
        let url = &self.url;
        match (self.is_secured(), self.heard.speech()) {
            (false, Some(Speech::Tls)) => Some(Failure::new(format!("The server at {url} speaks TLS.")).advice(
                "Begin the address with https://, and name the authority of its certificate by NOPIC_CLIENT_AUTHORITY.",
            )),
            (true, Some(Speech::PlainText)) => {
                Some(Failure::new(format!("The server at {url} does not speak TLS.")).advice(
                    "Begin the address with http://, or see that it is the port of a server with certificates.",
                ))
            }
            _ => self.refused_certificate(),
        }
    }

    /// Whether the server wants another certificate of ours than it was shown.
    fn refused_certificate(&self) -> Option<Failure> {
        let url = &self.url;
        let alert = self
            .heard
            .alert()
            .filter(|alert| OF_CERTIFICATES.contains(alert))?;
        Some(if self.shows_certificate {
            Failure::new(format!(
                "The server at {url} does not take the certificate that NOPIC_CLIENT_CERTIFICATE names ({alert:?})."
            ))
            .advice("Show one that the server's authority has signed, and that has not ended.")
        } else {
            Failure::new(format!(
                "The server at {url} wants a certificate of its callers, and none was shown."
            ))
            .advice(
                "Name the files of one that its authority has signed by NOPIC_CLIENT_CERTIFICATE and NOPIC_CLIENT_KEY; or \
                 call the gateway, which takes API keys.",
            )
        })
    }

    /// A call came to nothing, and nothing more is known.
    pub(super) fn ended(&self, code: Code) -> Failure {
        let url = &self.url;
        if code == Code::Unavailable {
            return unreached(url);
        }
        Failure::new(format!("The server at {url} stopped answering before the call was over.")).advice(
            "See that `nopic serve all` runs there, and run the command again: a file that is sent again is not recorded \
             twice.",
        )
    }
}

/// Nobody answers there.
fn unreached(url: &str) -> Failure {
    Failure::new(format!("The server at {url} cannot be reached.")).advice(
        "Check the address and that `nopic serve all` runs there, or leave out --endpoint to work on a folder of your own.",
    )
}

/// Where a server is, and how it is spoken to.
#[derive(Clone)]
struct Place {
    endpoint: Endpoint,
    host: String,
    port: u16,
    /// Absent: plain text.
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Place {
    fn of(url: &str, identity: Option<&Identity>) -> Result<Self, Failure> {
        let wrong = || {
            Failure::new(format!("{url} is not the address of a server."))
                .advice("Give scheme, host and port, such as http://127.0.0.1:50051.")
        };
        let is_secured = url.starts_with("https://");
        if !url.starts_with("http://") && !is_secured {
            return Err(wrong());
        }
        let origin: Uri = url.parse().map_err(|_| wrong())?;
        // The library makes TLS of its own where an address says so, and its errors are lost there.
        let plain = url.replacen("https://", "http://", 1);
        let endpoint = with_windows(Endpoint::from_shared(plain).map_err(|_| wrong())?)
            .origin(origin.clone())
            .connect_timeout(PATIENCE)
            .user_agent(concat!("nopic/", env!("CARGO_PKG_VERSION")))
            .map_err(|_| wrong())?;
        let host = host(&origin).to_owned();
        let tls = if is_secured {
            let name = ServerName::try_from(host.clone()).map_err(|_| wrong())?;
            Some((tls(url, identity)?, name))
        } else {
            None
        };
        Ok(Self {
            endpoint,
            host,
            port: origin.port_u16().unwrap_or(if is_secured { 443 } else { 80 }),
            tls,
        })
    }

    async fn connect(self, heard: Heard) -> io::Result<Hearing<Box<dyn Stream>>> {
        let stream = TcpStream::connect((self.host, self.port)).await?;
        stream.set_nodelay(true)?;
        let stream = Hearing::new(stream, heard.clone());
        let stream: Box<dyn Stream> = match self.tls {
            None => Box::new(stream),
            Some((connector, name)) => {
                let stream = connector.connect(name, stream).await;
                Box::new(stream.inspect_err(|error| heard.note(error))?)
            }
        };
        Ok(Hearing::outermost(stream, heard))
    }
}

/// Our side of TLS.
fn tls(url: &str, identity: Option<&Identity>) -> Result<TlsConnector, Failure> {
    let config = match identity {
        None => {
            return Err(
                Failure::new(format!("{url}: this program does not know whose certificate to trust there.")).advice(
                    "Name the authority of the server's by NOPIC_CLIENT_AUTHORITY (on many systems the file \
                     /etc/ssl/certs/ca-certificates.crt), and where the server asks for a certificate, ours by \
                     NOPIC_CLIENT_CERTIFICATE and NOPIC_CLIENT_KEY.",
                ),
            );
        }
        Some(Identity::Certificate(files)) => config_of(files).map_err(|error| error.to_string()),
        Some(Identity::Authority(authority)) => config_trusting(authority).map_err(|error| error.to_string()),
    };
    config
        .map(|config| TlsConnector::from(Arc::new(config)))
        .map_err(|error| Failure::new(format!("{url}: the certificates cannot be used: {error}.")))
}

/// The host of an address, an IPv6 address without its brackets.
fn host(uri: &Uri) -> &str {
    let host = uri.host().unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether an address is one of this machine, which nothing leaves.
pub(super) fn is_this_machine(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let host = host(&uri);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_loopback_is_this_machine() {
        for url in [
            "http://127.0.0.1:50051",
            "http://localhost",
            "http://[::1]:1",
            "http://127.8.8.8",
        ] {
            assert!(is_this_machine(url), "{url}");
        }
        for url in [
            "http://127.0.0.1.example",
            "http://localhost.example:50051",
            "http://127.0.0.1@nopic.example",
            "http://10.0.0.1",
            "http://[::2]:1",
            "nowhere at all",
        ] {
            assert!(!is_this_machine(url), "{url}");
        }
    }

    #[tokio::test]
    async fn wrong_addresses_are_explained() {
        for url in ["127.0.0.1:50051", "ftp://x", "http://"] {
            let said = Way::to(url, None).await.unwrap_err().to_string();
            assert!(said.contains("such as http://"), "{said}");
        }
        let said = Way::to("https://nopic.example", None).await.unwrap_err();
        assert!(said.to_string().contains("NOPIC_CLIENT_CERTIFICATE"), "{said}");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let said = Way::to(&url, None).await.unwrap_err().to_string();
        assert!(
            said.contains(&url) && said.contains("cannot be reached"),
            "{said}"
        );
    }
}
