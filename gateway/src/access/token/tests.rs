//! Tokens of an identity provider that a test plays.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{TimeZone as _, Utc};
use nopic_chassis::clock::SystemClock;
use nopic_domain::principal::{FilerCodes, Principal, Role};
use nopic_sql::SchemaUpdate;
use nopic_sql::testing::Engine;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::access::KnownCallers;
use crate::access::record::{Person, Tenant};
use crate::access::store::{Act, open};
use crate::authenticate::Callers as _;

const ISSUER: &str = "https://login.example";

/// A token by RS256, which ring can check and not make, of [`ISSUER`] for maria, good until 2100; and the key's modulus.
const RSA_TOKEN: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUiLCJhdWQiOiJub3BpYyI",
    "sInN1YiI6Im1hcmlhIiwiZXhwIjo0MTAyNDQ0ODAwfQ.iIEtYAmb6_WyBQbPdgnBQ4W7JD72ez7HfvrFikkP7q8XV06mAVzA",
    "fE-KyI92Hqvb_QGADDBnpu9FYISK3GCLj6zq9G5Vwfbfubhcjo1tOHc65lJITjEASU-9Akdt2dNHZU1u5wsQL_6QrWpEbE8L",
    "bwGkyszwPhMFKDqzsFbaPU1a9UDmMbkI0JE1zDjx-IIE-AENuf71zTQuOu6lXk0xY4nnJdL2qHqNbSBXfrLxEunOmx4FvLMR",
    "mtpLLcq_VXr31I5I2TzJAT5xn5k5SXmS_k53WaJbMv8hcNTQz6p2y6qYABWNbeizfTJuru8ZBJiZQzi00yCWVSUHGgx1Ep81",
    "Qw",
);
const RSA_MODULUS: &str = concat!(
    "0C8-e3odAJFYk0hjpA_LCYPzTBedgvEq927biLLFSpiUJXCoq_FJ6_Uw-uG4pK47ILFlDD14ZGdUWI2fjNsFsKHOQEmevWnf",
    "CHE2445_sCbkVLpsNDKy5U_a73mokrD3XDa3w0-DIC_fNz7o_GP6MiMow2nvpYaqqjqi9CyiIhsGCjc9UU_PSGv75N7fLjR-",
    "DgLJkivF3yt2ReFIkNHAH4-P9wOd93n7LaXJpGrfbaNakHoubHNE4Evz-SNS8EZLfz5UeXYRysyrPqJgx4ksxpdZNYWYXK4A",
    "tZv7drP19Yi6rei3Y1PbW9tjOIoQaXs7bUDxA7CEwJYREETbAywkVQ",
);

fn base64(bytes: impl AsRef<[u8]>) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.as_ref().chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(group);
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    text
}

/// A key of the provider.
enum Signer {
    Edwards(Ed25519KeyPair),
    Elliptic(EcdsaKeyPair),
}

impl Signer {
    fn edwards() -> Self {
        let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Edwards(Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap())
    }

    fn elliptic() -> Self {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Self::Elliptic(EcdsaKeyPair::from_pkcs8(kind, pair.as_ref(), &random).unwrap())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Edwards(_) => "EdDSA",
            Self::Elliptic(_) => "ES256",
        }
    }

    fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Edwards(pair) => json!({
                "kty": "OKP", "crv": "Ed25519", "kid": id, "x": base64(pair.public_key()), "use": "sig"
            }),
            Self::Elliptic(pair) => {
                let point = pair.public_key().as_ref();
                json!({
                    "kty": "EC", "crv": "P-256", "kid": id, "x": base64(&point[1..33]), "y": base64(&point[33..])
                })
            }
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
        let signature = match self {
            Self::Edwards(pair) => base64(pair.sign(message.as_bytes())),
            Self::Elliptic(pair) => base64(pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap()),
        };
        format!("{message}.{signature}")
    }

    /// A token with this key's id and these claims.
    fn token(&self, id: &str, claims: &Value) -> String {
        self.sign(
            &json!({ "alg": self.algorithm(), "kid": id, "typ": "JWT" }),
            claims,
        )
    }
}

fn now() -> i64 {
    Utc.timestamp_nanos(0).timestamp() + i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap()
}

/// Claims of maria, good for a minute, with some of them changed.
fn claims(changed: Value) -> Value {
    let mut claims = json!({ "iss": ISSUER, "aud": ["other", "nopic"], "sub": "maria", "exp": now() + 60 });
    for (name, value) in changed.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

/// Publishes keys over HTTP on loopback.
struct Publisher {
    keys: Arc<Mutex<Value>>,
    asked: Arc<AtomicUsize>,
    address: SocketAddr,
}

impl Publisher {
    async fn start(keys: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let publisher = Self {
            keys: Arc::new(Mutex::new(keys)),
            asked: Arc::default(),
            address: listener.local_addr().unwrap(),
        };
        let (keys, asked) = (Arc::clone(&publisher.keys), Arc::clone(&publisher.asked));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4_096];
                let _ = stream.read(&mut request).await.unwrap();
                asked.fetch_add(1, Ordering::SeqCst);
                let body = keys.lock().unwrap().to_string();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        publisher
    }

    fn publish(&self, keys: Value) {
        *self.keys.lock().unwrap() = keys;
    }

    fn tokens(&self) -> Tokens {
        Tokens::new(Provider {
            issuer: ISSUER.to_owned(),
            audience: "nopic".to_owned(),
            keys: Source::Url(format!("http://{}/keys", self.address).parse().unwrap()),
        })
        .unwrap()
    }
}

fn maria() -> Result<Subject, Refused> {
    Ok(Subject {
        issuer: ISSUER.to_owned(),
        subject: "maria".to_owned(),
    })
}

#[tokio::test]
async fn good_tokens_name_their_subject_by_each_algorithm() {
    let (edwards, elliptic) = (Signer::edwards(), Signer::elliptic());
    let rsa = json!({ "kty": "RSA", "kid": "rsa", "alg": "RS256", "n": RSA_MODULUS, "e": "AQAB" });
    let keys = json!({ "keys": [edwards.jwk("a"), elliptic.jwk("b"), rsa] });
    let publisher = Publisher::start(keys).await;
    let tokens = publisher.tokens();
    for token in [
        edwards.token("a", &claims(json!({}))),
        elliptic.token("b", &claims(json!({ "aud": "nopic" }))),
        RSA_TOKEN.to_owned(),
        // Clocks differ.
        edwards.token("a", &claims(json!({ "exp": now() - 30, "nbf": now() + 30 }))),
    ] {
        assert_eq!(tokens.subject(&token).await, maria(), "{token}");
    }
    assert_eq!(publisher.asked.load(Ordering::SeqCst), 1, "keys are kept");
}

#[tokio::test]
async fn a_token_that_is_not_good_names_nobody() {
    let (ours, other, elliptic) = (Signer::edwards(), Signer::edwards(), Signer::elliptic());
    let secret = json!({ "kty": "oct", "kid": "secret", "k": base64("secret") });
    let encryption =
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": "enc", "use": "enc", "x": ours.jwk("")["x"] });
    let keys = json!({ "keys": [ours.jwk("a"), elliptic.jwk("b"), secret, encryption] });
    let tokens = Publisher::start(keys).await.tokens();
    let good = ours.token("a", &claims(json!({})));
    assert_eq!(tokens.subject(&good).await, maria());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let header = |algorithm: &str, id: &str| json!({ "alg": algorithm, "kid": id });
    let forged = format!(
        "{}.{}",
        base64(header("EdDSA", "a").to_string()),
        base64(claims(json!({ "sub": "root" })).to_string())
    );
    for (what, token) in [
        (
            "another issuer",
            ours.token("a", &claims(json!({ "iss": "https://other.example" }))),
        ),
        ("no issuer", ours.token("a", &claims(json!({ "iss": null })))),
        (
            "another audience",
            ours.token("a", &claims(json!({ "aud": "other" }))),
        ),
        ("no audience", ours.token("a", &claims(json!({ "aud": null })))),
        ("expired", ours.token("a", &claims(json!({ "exp": now() - 90 })))),
        ("no end", ours.token("a", &claims(json!({ "exp": null })))),
        (
            "an end in words",
            ours.token("a", &claims(json!({ "exp": "never" }))),
        ),
        ("not yet", ours.token("a", &claims(json!({ "nbf": now() + 90 })))),
        ("no subject", ours.token("a", &claims(json!({ "sub": null })))),
        ("another signer", other.token("a", &claims(json!({})))),
        ("another key's id", ours.token("b", &claims(json!({})))),
        ("an unknown key", ours.token("c", &claims(json!({})))),
        (
            "no key's id, of several",
            ours.sign(&json!({ "alg": "EdDSA" }), &claims(json!({}))),
        ),
        ("a key for other things", ours.token("enc", &claims(json!({})))),
        (
            "another algorithm",
            ours.sign(&header("ES256", "a"), &claims(json!({}))),
        ),
        (
            "no algorithm",
            ours.sign(&header("none", "a"), &claims(json!({}))),
        ),
        (
            "no signature",
            format!(
                "{}.{}.",
                base64(header("none", "a").to_string()),
                base64(claims(json!({})).to_string())
            ),
        ),
        (
            "a secret",
            ours.sign(&header("HS256", "secret"), &claims(json!({}))),
        ),
        (
            "the public key as a secret",
            ours.sign(&header("HS256", "a"), &claims(json!({}))),
        ),
        ("another content", format!("{forged}.{signature}")),
        ("cut off", message.to_owned()),
        ("no token", "abc".to_owned()),
        ("nothing", String::new()),
        ("too long", format!("{good}{}", "A".repeat(20_000))),
    ] {
        assert_eq!(tokens.subject(&token).await, Err(Refused::Unknown), "{what}");
    }
}

#[tokio::test]
async fn new_keys_are_fetched_when_a_token_names_one_and_not_for_every_such_token() {
    let (old, new) = (Signer::edwards(), Signer::edwards());
    let publisher = Publisher::start(json!({ "keys": [old.jwk("old")] })).await;
    let tokens = publisher.tokens();
    let (of_old, of_new) = (
        old.token("old", &claims(json!({}))),
        new.token("new", &claims(json!({}))),
    );
    // A key that stands alone need not be named.
    let unnamed = old.sign(&json!({ "alg": "EdDSA" }), &claims(json!({})));
    assert_eq!(tokens.subject(&unnamed).await, maria());
    for _ in 0..50 {
        assert_eq!(tokens.subject(&of_new).await, Err(Refused::Unknown));
    }
    assert_eq!(publisher.asked.load(Ordering::SeqCst), 1);
    publisher.publish(json!({ "keys": [new.jwk("new")] }));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    assert_eq!(tokens.subject(&of_new).await, maria());
    // The old one was taken back.
    assert_eq!(tokens.subject(&of_old).await, Err(Refused::Unknown));
    assert_eq!(publisher.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn without_keys_nobody_is_refused_for_ever_and_nobody_comes_in() {
    let ours = Signer::edwards();
    let token = ours.token("a", &claims(json!({})));
    for useless in [
        json!("no keys"),
        json!({ "keys": [] }),
        json!({ "keys": [], "padding": "x".repeat(300_000) }),
    ] {
        let publisher = Publisher::start(useless).await;
        let tokens = publisher.tokens();
        assert_eq!(tokens.subject(&token).await, Err(Refused::Unavailable));
        publisher.publish(json!({ "keys": [ours.jwk("a")] }));
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(11)).await;
        tokio::time::resume();
        assert_eq!(tokens.subject(&token).await, maria());
        // Keys that cannot be read anew go on for an hour.
        publisher.publish(json!("no keys"));
        for (minutes, expected) in [(30, maria()), (31, Err(Refused::Unavailable))] {
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(60 * minutes)).await;
            tokio::time::resume();
            assert_eq!(tokens.subject(&token).await, expected);
        }
    }
}

#[tokio::test]
async fn a_token_is_of_the_person_that_the_store_knows_by_it() {
    let ours = Signer::edwards();
    let publisher = Publisher::start(json!({ "keys": [ours.jwk("a")] })).await;
    let database = Engine::Sqlite.database().await;
    let store = open(&database.location, SchemaUpdate::Apply).await.unwrap();
    let at = Utc.timestamp_opt(1_700_000_000, 0).unwrap();
    let act = |id: &str| Act {
        principal: Principal::built_in("tester"),
        request_id: id.to_owned(),
        hash: [0; 32],
        now: at,
        reason: String::new(),
    };
    let tenant = Tenant {
        tenant: "acme".to_owned(),
        filer_codes: FilerCodes::All,
        certifier_id: None,
        nop_ids: Vec::new(),
        created_at: at,
        suspended_at: None,
    };
    store.create_tenant(&act("1"), &tenant).await.unwrap();
    let person = Person {
        tenant: "acme".to_owned(),
        name: "Maria Perez".to_owned(),
        role: Role::Compliance,
        certificate_name: None,
        token: maria().ok(),
        added_at: at,
        removed_at: None,
    };
    store.add_person(&act("2"), &person).await.unwrap();
    let callers = KnownCallers::new(store.clone(), Arc::new(SystemClock), Some(publisher.tokens()));
    let known = callers
        .of_token(&ours.token("a", &claims(json!({}))))
        .await
        .unwrap();
    assert_eq!(
        (known.actor.as_str(), known.role),
        ("Maria Perez", Role::Compliance)
    );
    let nobody = ours.token("a", &claims(json!({ "sub": "nobody" })));
    assert_eq!(callers.of_token(&nobody).await, Err(Refused::Unknown));
    let without = KnownCallers::new(store, Arc::new(SystemClock), None);
    let token = ours.token("a", &claims(json!({})));
    assert_eq!(without.of_token(&token).await, Err(Refused::Unknown));
}

#[test]
fn a_provider_is_configured_whole_and_its_keys_come_over_tls() {
    let read = |keys: &[(&str, &str)]| {
        let environment = keys
            .iter()
            .map(|(name, value)| (format!("NOPIC_GATEWAY_OIDC_{name}"), (*value).to_owned()));
        let mut reader = Reader::of_environment(environment);
        let provider = Provider::of(&mut reader);
        reader
            .finish()
            .map(|()| provider)
            .map_err(|error| error.problems.join(", "))
    };
    let (issuer, audience) = (("ISSUER", ISSUER), ("AUDIENCE", "nopic"));
    assert_eq!(read(&[]), Ok(None));
    for good in [
        "https://login.example/keys",
        "http://127.0.0.1:1/keys",
        "http://[::1]/",
        "/etc/nopic/keys.json",
    ] {
        assert!(
            read(&[issuer, audience, ("JWKS", good)]).unwrap().is_some(),
            "{good}"
        );
    }
    for wrong in [
        "http://login.example/keys",
        "http://127.0.0.1.example/",
        "ftp://x/y",
        "https://",
    ] {
        let said = read(&[issuer, audience, ("JWKS", wrong)]).unwrap_err();
        assert!(said.contains("https://"), "{said}");
    }
    let said = read(&[issuer]).unwrap_err();
    assert!(
        said.contains("gateway.oidc.audience") && said.contains("gateway.oidc.jwks"),
        "{said}"
    );
}
