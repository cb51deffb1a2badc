//! The address that is connected to counts, whatever was looked up before.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use nopic_notification::channels::webhook::{Resolver, WebhookOptions};
use nopic_notification::channels::{Channel as _, Outcome};
use nopic_testing::certificates::Authority;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::receiver::{Doing, Receiver, answer};
use crate::samples::{moment, rejected, single};
use crate::{secrets, webhook_by};

/// Answers otherwise each time.
#[derive(Debug, Default)]
struct Changing {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
}

#[async_trait]
impl Resolver for Changing {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let next = self.answers.lock().unwrap().pop_front();
        next.ok_or_else(|| io::Error::other("asked more often than it is connected to"))
    }
}

impl Changing {
    fn of(answers: &[&[&str]]) -> Arc<Self> {
        let parsed = answers
            .iter()
            .map(|answer| answer.iter().map(|address| address.parse().unwrap()).collect());
        Arc::new(Self {
            answers: Mutex::new(parsed.collect()),
        })
    }
}

/// What serves TLS for this name.
fn acceptor(authority: &Authority, name: &str) -> TlsAcceptor {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (certificate, key) = authority.sign(name);
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.as_bytes())
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn options(allowed: &str, authority: &Authority) -> WebhookOptions {
    let mut options = WebhookOptions::default();
    options.policy.allowed = vec![allowed.parse().unwrap()];
    options.authorities = vec![reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap()];
    options
}

const NAME: &str = "hooks.example.com";

#[tokio::test]
async fn an_answer_that_changes_between_two_tries_leads_nowhere_else() {
    let authority = Authority::new();
    // Each connection serves one request, so that the next is looked up anew.
    let taken = answer(200, "connection: close\r\n", "");
    let right = Receiver::at(
        "127.0.0.2:0".parse().unwrap(),
        taken.clone(),
        Some(acceptor(&authority, NAME)),
    )
    .await;
    let inside = SocketAddr::from(([127, 0, 0, 1], right.address.port()));
    let inside = Receiver::at(inside, taken, Some(acceptor(&authority, NAME))).await;
    let resolver = Changing::of(&[
        &["127.0.0.2"],
        &["127.0.0.1"],
        // One that may be, and one that may not.
        &["127.0.0.1", "127.0.0.2"],
        &["::1", "10.0.0.1", "169.254.169.254"],
        &["::ffff:127.0.0.1"],
        &[],
    ]);
    let webhook = webhook_by(options("127.0.0.2/32", &authority), resolver.clone());
    let message = single("msg_1", rejected());
    let settings = right.settings_by_name(NAME);
    let secrets = secrets();
    let deliver = || webhook.deliver(&settings, &secrets, &message, moment());

    assert_eq!(deliver().await, Outcome::Delivered);
    let refused = Outcome::Refused {
        why: format!(
            "{NAME} leads to no address of a machine in the internet, and webhooks go nowhere else. An operator finds the \
             address in the log, and can allow it by notification.webhook.allow."
        ),
    };
    assert_eq!(deliver().await, refused);
    assert_eq!(deliver().await, Outcome::Delivered);
    let other = deliver().await;
    assert!(
        matches!(&other, Outcome::Refused { why } if why.contains("leads to no address")),
        "{other:?}"
    );
    assert_eq!(deliver().await, refused);
    let nowhere = deliver().await;
    assert!(
        matches!(&nowhere, Outcome::Passing { why, .. } if why.contains("no address")),
        "{nowhere:?}"
    );

    assert_eq!((right.count(), inside.count()), (2, 0));
    // There was one look-up a connection, and none beside.
    assert!(resolver.answers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_kept_connection_serves_the_next_message_of_its_host_alone() {
    let authority = Authority::new();
    let receiver = Receiver::over_tls(answer(200, "", "ok"), acceptor(&authority, NAME)).await;
    // A second look-up would fail.
    let resolver = Changing::of(&[&["127.0.0.1"]]);
    let webhook = webhook_by(options("127.0.0.1/32", &authority), resolver);
    let secrets = secrets();
    for id in ["msg_1", "msg_2", "msg_3"] {
        let message = single(id, rejected());
        let settings = receiver.settings_by_name(NAME);
        let outcome = webhook.deliver(&settings, &secrets, &message, moment()).await;
        assert_eq!(outcome, Outcome::Delivered);
    }
    assert_eq!(receiver.count(), 1);
    // Another name for the same machine is looked up, and judged, by itself.
    let message = single("msg_4", rejected());
    let settings = receiver.settings_by_name("other.example.com");
    let outcome = webhook.deliver(&settings, &secrets, &message, moment()).await;
    assert!(matches!(&outcome, Outcome::Passing { .. }), "{outcome:?}");
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_passes_with_its_reason() {
    let (believed, other) = (Authority::new(), Authority::new());
    for (name, authority, word) in [
        (NAME, &other, "certificate"),
        ("wrong.example.com", &believed, "not valid for name"),
    ] {
        let receiver = Receiver::over_tls(answer(200, "", ""), acceptor(authority, name)).await;
        let webhook = webhook_by(
            options("127.0.0.1/32", &believed),
            Changing::of(&[&["127.0.0.1"]]),
        );
        let message = single("msg_1", rejected());
        let settings = receiver.settings_by_name(NAME);
        let outcome = webhook.deliver(&settings, &secrets(), &message, moment()).await;
        assert!(
            matches!(&outcome, Outcome::Passing { why, .. } if why.contains(word)),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn without_the_operators_word_nothing_on_this_machine_hears_of_it() {
    let receiver = Receiver::that(Doing::Hangs).await;
    let webhook = webhook_by(WebhookOptions::default(), Changing::of(&[&["127.0.0.1"]]));
    let message = single("msg_1", rejected());
    let port = receiver.address.port();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", NAME] {
        let settings = serde_json::json!({"url": format!("https://{host}:{port}/")});
        let outcome = webhook.deliver(&settings, &secrets(), &message, moment()).await;
        let Outcome::Refused { why } = outcome else {
            panic!("{host}: {outcome:?}");
        };
        // To what a name leads is told to operators alone.
        let tells = ![NAME, "localhost"].contains(&host);
        assert!(
            why.contains("127.0.0.1") == tells && why.contains("notification.webhook.allow"),
            "{why}"
        );
    }
    assert_eq!(receiver.count(), 0);
}
