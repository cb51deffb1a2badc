//! A server that speaks TLS only and wants a password.

use std::sync::Arc;

use nopic_cache::RevisionChoice;
use nopic_cache::redis::{Mode, Options, Publisher, Tls};
use nopic_testing::certificates::Authority;
use nopic_testing::redis::Redis;

use super::world::*;

const PASSWORD: &str = "a password of some length";

struct Secured {
    server: Redis,
    authority: Authority,
}

impl Secured {
    fn start() -> Self {
        // Fails with advice where the others do, also if only these tests are run.
        environment("NOPIC_TEST_REDIS");
        let authority = Authority::new();
        let server = Redis::secured(PASSWORD, |folder| {
            let (certificate, key) = authority.sign("redis");
            std::fs::write(folder.join("redis.pem"), certificate).unwrap();
            std::fs::write(folder.join("redis.key"), key).unwrap();
            std::fs::write(folder.join("authority.pem"), authority.pem()).unwrap();
        });
        Self { server, authority }
    }

    /// As an operator configures it.
    fn options(&self) -> Options {
        let (certificate, key) = self.authority.sign("nopic");
        let mut options = patient(Mode::Single {
            url: format!("rediss://127.0.0.1:{}", self.server.port()),
        });
        options.password = Some(PASSWORD.to_owned());
        options.tls = Some(Tls {
            roots: Some(self.authority.pem().into_bytes()),
            client: Some((certificate.into_bytes(), key.into_bytes())),
        });
        options
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
                tls.roots = Some(Authority::new().pem().into_bytes());
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
