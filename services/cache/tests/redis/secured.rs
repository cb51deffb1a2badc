//! A server that speaks TLS only and wants a password.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nopic_cache::RevisionChoice;
use nopic_cache::redis::{Mode, Options, Publisher, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::world::*;

const PASSWORD: &str = "a password of some length";

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of a test");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key of a name, in PEM.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (
            params.signed_by(&key, &self.0).unwrap().pem(),
            key.serialize_pem(),
        )
    }
}

struct Secured {
    child: Child,
    port: u16,
    authority: Authority,
    _folder: tempfile::TempDir,
}

impl Secured {
    fn start() -> Self {
        // Fails with advice where the others do, also if only these tests are run.
        environment("NOPIC_TEST_REDIS");
        let authority = Authority::new();
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (certificate, key) = authority.sign("redis");
        let certificate = file("redis.pem", &certificate);
        let key = file("redis.key", &key);
        let roots = file("authority.pem", &authority.0.pem());
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let named = |name: &str, path: &Path| [name.to_owned(), path.display().to_string()];
        let mut child = Command::new("redis-server")
            .args([
                "--port",
                "0",
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--requirepass",
                PASSWORD,
            ])
            .args(["--tls-auth-clients", "yes", "--tls-port", &port.to_string()])
            .args(named("--tls-cert-file", &certificate))
            .args(named("--tls-key-file", &key))
            .args(named("--tls-ca-cert-file", &roots))
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..1_000 {
            assert!(child.try_wait().unwrap().is_none(), "redis-server ended at once");
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Self {
                    child,
                    port,
                    authority,
                    _folder: folder,
                };
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server does not answer");
    }

    /// As an operator configures it.
    fn options(&self) -> Options {
        let (certificate, key) = self.authority.sign("nopic");
        let mut options = patient(Mode::Single {
            url: format!("rediss://127.0.0.1:{}", self.port),
        });
        options.password = Some(PASSWORD.to_owned());
        options.tls = Some(Tls {
            roots: Some(self.authority.0.pem().into_bytes()),
            client: Some((certificate.into_bytes(), key.into_bytes())),
        });
        options
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn statuses_are_shared_over_tls_with_a_password() {
    let server = Secured::start();
    let options = server.options();
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(500));
    assert_eq!(publish(&registry, &options, OLD, 1).await.shards_written, 256);
    let (reader, stats) = reader(&registry, &options);
    let view = reader.view(RevisionChoice::Current).await.unwrap();
    assert_shows(&view, &registry.content(1));
    assert_eq!((stats.shards_redis.get(), registry.shards()), (256, 0));
}

#[tokio::test]
async fn who_has_no_key_to_it_asks_the_registry() {
    let server = Secured::start();
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(500));
    publish(&registry, &server.options(), OLD, 1).await;
    let without = |change: fn(&mut Options)| {
        let mut options = server.options();
        change(&mut options);
        options
    };
    for (why, options) in [
        (
            "another password",
            without(|options| options.password = Some("a guess".to_owned())),
        ),
        ("no password", without(|options| options.password = None)),
        (
            "another authority",
            without(|options| {
                let tls = options.tls.as_mut().unwrap();
                tls.roots = Some(Authority::new().0.pem().into_bytes());
            }),
        ),
        (
            "no certificate",
            without(|options| options.tls.as_mut().unwrap().client = None),
        ),
    ] {
        let asked = registry.shards();
        let (manifest, shards) = registry.encoded(1);
        let publisher = Publisher::new(options.clone()).unwrap();
        assert!(publisher.publish(OLD, &manifest, &shards).await.is_err(), "{why}");
        let (reader, stats) = reader(&registry, &options);
        let view = reader.view(RevisionChoice::Current).await.unwrap();
        assert_shows(&view, &registry.content(1));
        assert_eq!(stats.shards_redis.get(), 0, "{why}");
        assert_eq!(registry.shards(), asked + 256, "{why}");
        assert!(stats.failures.get() > 0, "{why}");
    }
}
