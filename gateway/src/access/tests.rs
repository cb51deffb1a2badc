//! Who comes in, and who no more, with gateways that share a database.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use nopic_cache::Limiter;
use nopic_cache::limiter::Rate;
use nopic_chassis::clock::SystemClock;
use nopic_chassis::metrics::Metrics;
use nopic_domain::principal::{Principal, Role};
use nopic_proto::access as wire;
use nopic_proto::access::access_service_server::AccessService as _;
use nopic_sql::SchemaUpdate;
use nopic_sql::testing::{Engine, TestDatabase};
use rstest::rstest;
use tokio::time::{Instant, sleep};
use tonic::{Code, Request};

use super::key::NewKey;
use super::record::{Known, KnownKey, Subject};
use super::store::LookUp;
use super::{AccessRpc, KnownCallers, open};
use crate::ROLES;
use crate::authenticate::{Callers as _, Refused};
use crate::limits::Limits;
use crate::quota::Quotas;
use crate::tenant_calls::BoundTenants;

/// How long what was taken back may still be good for.
const AT_MOST: Duration = Duration::from_secs(2);

/// One gateway.
struct Gateway {
    rpc: AccessRpc,
    callers: KnownCallers,
}

impl Gateway {
    async fn on(database: &TestDatabase) -> Self {
        let store = open(&database.location, SchemaUpdate::Apply).await.unwrap();
        let clock = Arc::new(SystemClock);
        Self {
            rpc: AccessRpc {
                store: Arc::clone(&store),
                clock: clock.clone(),
                rows: ROLES.into(),
                quotas: quotas(),
            },
            callers: KnownCallers::new(store, clock, None),
        }
    }
}

/// A call of an operator.
fn of_operator<T>(message: T) -> Request<T> {
    as_role(message, Role::Operator)
}

fn as_role<T>(message: T, role: Role) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Principal {
        role,
        ..Principal::built_in("tester")
    });
    request
}

/// Two gateways on one database, with the broker maria of acme, who has a certificate.
async fn two(engine: Engine) -> (TestDatabase, Gateway, Gateway) {
    let database = engine.database().await;
    let one = Gateway::on(&database).await;
    let other = Gateway::on(&database).await;
    let tenant = wire::CreateTenantRequest {
        request_id: "acme".to_owned(),
        tenant: Some(wire::Tenant {
            tenant: "acme".to_owned(),
            filer_codes: vec!["b76".to_owned()],
            ..wire::Tenant::default()
        }),
    };
    one.rpc.create_tenant(of_operator(tenant)).await.unwrap();
    let person = wire::AddPersonRequest {
        request_id: "maria".to_owned(),
        person: Some(wire::Person {
            tenant: "acme".to_owned(),
            name: "maria".to_owned(),
            role: "BROKER".to_owned(),
            certificate_name: "maria.example".to_owned(),
            ..wire::Person::default()
        }),
    };
    one.rpc.add_person(of_operator(person)).await.unwrap();
    (database, one, other)
}

async fn key(gateway: &Gateway, id: &str) -> wire::CreateKeyResponse {
    let request = wire::CreateKeyRequest {
        request_id: id.to_owned(),
        tenant: "acme".to_owned(),
        person: "maria".to_owned(),
        ends_at: String::new(),
    };
    let answer = gateway.rpc.create_key(of_operator(request)).await;
    answer.unwrap().into_inner()
}

/// Both say so, and within the time that there is for it.
async fn refused_soon(gateways: [&Gateway; 2], secret: &str, expected: Refused) {
    let began = Instant::now();
    for gateway in gateways {
        while gateway.callers.of_key(secret).await != Err(expected) {
            assert!(began.elapsed() < AT_MOST, "{:?}", began.elapsed());
            sleep(Duration::from_millis(20)).await;
        }
    }
    assert!(began.elapsed() < AT_MOST, "{:?}", began.elapsed());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_at_one_gateway_is_out_within_two_seconds_at_both(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (_database, one, other) = two(engine).await;
    let both = [&one, &other];
    let revoked = key(&one, "to be revoked").await;
    let rotated = key(&one, "to be rotated").await;
    let kept = key(&one, "kept").await;
    for gateway in both {
        for known in [&revoked, &rotated, &kept] {
            let maria = gateway.callers.of_key(&known.secret).await.unwrap();
            assert_eq!((maria.tenant.as_str(), maria.actor.as_str()), ("acme", "maria"));
            assert!(maria.owns_entry("B7600000015"));
        }
        let maria = gateway.callers.of_certificate("maria.example").await.unwrap();
        assert_eq!(maria.role, Role::Broker);
    }
    let prefix = |answer: &wire::CreateKeyResponse| answer.key.clone().unwrap().prefix;

    let request = wire::RevokeKeyRequest {
        request_id: "revoke".to_owned(),
        prefix: prefix(&revoked),
        reason: "lost".to_owned(),
    };
    one.rpc.revoke_key(of_operator(request)).await.unwrap();
    refused_soon(both, &revoked.secret, Refused::Unknown).await;

    let request = wire::RotateKeyRequest {
        request_id: "rotate".to_owned(),
        prefix: prefix(&rotated),
        grace_seconds: 0,
        ends_at: String::new(),
    };
    let new = one
        .rpc
        .rotate_key(of_operator(request))
        .await
        .unwrap()
        .into_inner();
    refused_soon(both, &rotated.secret, Refused::Unknown).await;
    for gateway in both {
        assert!(gateway.callers.of_key(&new.secret).await.is_ok());
    }

    let request = wire::SuspendTenantRequest {
        request_id: "suspend".to_owned(),
        tenant: "acme".to_owned(),
        reason: String::new(),
    };
    one.rpc.suspend_tenant(of_operator(request)).await.unwrap();
    refused_soon(both, &kept.secret, Refused::Suspended).await;
    let request = wire::ResumeTenantRequest {
        request_id: "resume".to_owned(),
        tenant: "acme".to_owned(),
        reason: String::new(),
    };
    one.rpc.resume_tenant(of_operator(request)).await.unwrap();
    let request = wire::RemovePersonRequest {
        request_id: "remove".to_owned(),
        tenant: "acme".to_owned(),
        name: "maria".to_owned(),
        reason: String::new(),
    };
    one.rpc.remove_person(of_operator(request)).await.unwrap();
    refused_soon(both, &kept.secret, Refused::Unknown).await;
    refused_soon(both, &new.secret, Refused::Unknown).await;
}

#[rstest]
#[tokio::test]
async fn a_key_is_told_once(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let (_database, one, other) = two(engine).await;
    let made = key(&one, "first").await;
    let again = wire::CreateKeyRequest {
        request_id: "first".to_owned(),
        tenant: "acme".to_owned(),
        person: "maria".to_owned(),
        ends_at: String::new(),
    };
    let refused = other.rpc.create_key(of_operator(again)).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    let made_key = made.key.unwrap();
    assert!(refused.message().contains(&made_key.prefix), "{refused:?}");
    assert!(!refused.message().contains(&made.secret[17..]), "{refused:?}");
    let listed = one
        .rpc
        .list_keys(of_operator(wire::ListKeysRequest::default()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((listed.keys.len(), listed.complete), (1, true));
    assert!(!format!("{listed:?}").contains(&made.secret[17..]));
    assert_eq!(listed.keys[0].state, "ACTIVE");
    // The public part alone, or another secret, is no key.
    let wrong = format!("nopic_{}_{}", made_key.prefix, "0".repeat(64));
    for text in [wrong.as_str(), &made.secret[..17], &made.secret[..80]] {
        assert_eq!(one.callers.of_key(text).await, Err(Refused::Unknown), "{text}");
    }
}

#[tokio::test]
async fn wrong_requests_are_refused_by_field() {
    let (_database, one, _) = two(Engine::Sqlite).await;
    let person = |person: wire::Person| wire::AddPersonRequest {
        request_id: "x".to_owned(),
        person: Some(person),
    };
    let good = wire::Person {
        tenant: "acme".to_owned(),
        name: "x".to_owned(),
        role: "BROKER".to_owned(),
        ..wire::Person::default()
    };
    for (field, wrong) in [
        (
            "person.role",
            wire::Person {
                role: "KING".to_owned(),
                ..good.clone()
            },
        ),
        (
            "person.name",
            wire::Person {
                name: " ".to_owned(),
                ..good.clone()
            },
        ),
        (
            "person.tenant",
            wire::Person {
                tenant: "A".to_owned(),
                ..good.clone()
            },
        ),
        (
            "person.token_subject",
            wire::Person {
                token_issuer: "i".to_owned(),
                ..good.clone()
            },
        ),
    ] {
        let refused = one.rpc.add_person(of_operator(person(wrong))).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{refused:?}");
    }
    let tenant = |tenant: wire::Tenant| wire::CreateTenantRequest {
        request_id: "x".to_owned(),
        tenant: Some(tenant),
    };
    let good = wire::Tenant {
        tenant: "x".to_owned(),
        ..wire::Tenant::default()
    };
    for (field, wrong) in [
        (
            "tenant.filer_codes[0]",
            wire::Tenant {
                filer_codes: vec!["B7".to_owned()],
                ..good.clone()
            },
        ),
        (
            "tenant.filer_codes",
            wire::Tenant {
                all_filer_codes: true,
                filer_codes: vec!["B76".to_owned()],
                ..good.clone()
            },
        ),
        (
            "tenant.certifier_id",
            wire::Tenant {
                certifier_id: "15".to_owned(),
                ..good.clone()
            },
        ),
        (
            "tenant.nop_ids[0]",
            wire::Tenant {
                nop_ids: vec!["1".to_owned()],
                ..good.clone()
            },
        ),
    ] {
        let refused = one
            .rpc
            .create_tenant(of_operator(tenant(wrong)))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{refused:?}");
    }
    let past = wire::CreateKeyRequest {
        request_id: "x".to_owned(),
        tenant: "acme".to_owned(),
        person: "maria".to_owned(),
        ends_at: "2020-01-01T00:00:00Z".to_owned(),
    };
    let refused = one.rpc.create_key(of_operator(past)).await.unwrap_err();
    assert!(refused.message().starts_with("ends_at: "), "{refused:?}");
    let long = wire::RotateKeyRequest {
        request_id: "x".to_owned(),
        prefix: "abcdefghjk".to_owned(),
        grace_seconds: 30 * 86_400 + 1,
        ends_at: String::new(),
    };
    let refused = one.rpc.rotate_key(of_operator(long)).await.unwrap_err();
    assert!(refused.message().starts_with("grace_seconds: "), "{refused:?}");
    let own = wire::SuspendTenantRequest {
        request_id: "x".to_owned(),
        tenant: "default".to_owned(),
        reason: String::new(),
    };
    let refused = one.rpc.suspend_tenant(of_operator(own)).await.unwrap_err();
    assert!(refused.message().contains("the caller's own"), "{refused:?}");
}

#[tokio::test]
async fn whoever_asks_hears_what_the_role_may_call() {
    let (_database, one, _) = two(Engine::Sqlite).await;
    let ask = async |role| {
        let request = as_role(wire::WhoAmIRequest {}, role);
        one.rpc.who_am_i(request).await.unwrap().into_inner()
    };
    let broker = ask(Role::Broker).await;
    assert_eq!(broker.principal.unwrap().role, "BROKER");
    let methods = ["GetQuota", "WhoAmI"].map(|method| format!("nopic.access.v1.AccessService/{method}"));
    assert_eq!(broker.methods, methods);
    assert_eq!(ask(Role::Operator).await.methods.len(), ROLES.len());
}

/// A store of one key, as it behaves at the moment.
struct Behaving {
    known: KnownKey,
    asked: AtomicUsize,
    takes: std::sync::Mutex<Duration>,
    fails: std::sync::atomic::AtomicBool,
}

#[async_trait::async_trait]
impl LookUp for Behaving {
    async fn by_key(&self, prefix: &str) -> Result<Option<KnownKey>, nopic_sql::Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let takes = *self.takes.lock().unwrap();
        sleep(takes).await;
        if self.fails.load(Ordering::SeqCst) {
            return Err(nopic_sql::Error::Schema("away".to_owned()));
        }
        Ok((prefix != "aaaaaaaaaa").then(|| self.known.clone()))
    }
    async fn by_token(&self, _: &Subject) -> Result<Option<Known>, nopic_sql::Error> {
        Ok(None)
    }
    async fn by_certificate(&self, _: &str) -> Result<Option<Known>, nopic_sql::Error> {
        Ok(None)
    }
    async fn is_anybody_known(&self, _: DateTime<Utc>) -> Result<bool, nopic_sql::Error> {
        Ok(true)
    }
}

fn behaving() -> (Arc<Behaving>, KnownCallers, String) {
    let new = NewKey::generate().unwrap();
    let store = Arc::new(Behaving {
        known: KnownKey {
            secret_hash: new.secret_hash,
            ends_at: None,
            revoked_at: None,
            known: Known {
                principal: Principal::built_in("maria"),
                is_removed: false,
                is_suspended: false,
            },
        },
        asked: AtomicUsize::new(0),
        takes: std::sync::Mutex::new(Duration::ZERO),
        fails: std::sync::atomic::AtomicBool::new(false),
    });
    let callers = KnownCallers::new(store.clone(), Arc::new(SystemClock), None);
    (store, callers, new.into_text())
}

#[tokio::test]
async fn the_store_is_asked_once_a_second_for_a_key_known_or_not() {
    let (store, callers, secret) = behaving();
    *store.takes.lock().unwrap() = Duration::from_millis(100);
    let unknown = format!("nopic_aaaaaaaaaa_{}", "0".repeat(64));
    for (text, is_known) in [(&secret, true), (&unknown, false)] {
        store.asked.store(0, Ordering::SeqCst);
        for _ in 0..2 {
            let calls = (0..50).map(|_| callers.of_key(text));
            for answer in futures::future::join_all(calls).await {
                assert_eq!(answer.is_ok(), is_known);
            }
        }
        assert_eq!(store.asked.load(Ordering::SeqCst), 1);
        sleep(Duration::from_millis(1_100)).await;
        assert_eq!(callers.of_key(text).await.is_ok(), is_known);
        assert_eq!(store.asked.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn nobody_comes_in_by_an_answer_older_than_two_seconds() {
    let (store, callers, secret) = behaving();
    for is_slow in [false, true] {
        assert!(callers.of_key(&secret).await.is_ok());
        let began = Instant::now();
        if is_slow {
            *store.takes.lock().unwrap() = Duration::from_secs(60);
        } else {
            store.fails.store(true, Ordering::SeqCst);
        }
        while callers.of_key(&secret).await.is_ok() {
            assert!(began.elapsed() < AT_MOST, "{:?}", began.elapsed());
            sleep(Duration::from_millis(20)).await;
        }
        assert!(began.elapsed() < AT_MOST, "{:?}", began.elapsed());
        assert_eq!(callers.of_key(&secret).await, Err(Refused::Unavailable));
        *store.takes.lock().unwrap() = Duration::ZERO;
        store.fails.store(false, Ordering::SeqCst);
        // What failed is not kept.
        assert!(callers.of_key(&secret).await.is_ok());
    }
}

fn quotas() -> Quotas {
    let limits = Limits {
        requests: Rate::new(10, 20).unwrap(),
        kilobytes: Rate::new(100, 200).unwrap(),
        calls: 3,
        lines: Rate::new(1_000, 2_000).unwrap(),
    };
    Quotas {
        limits,
        limiter: Limiter::Local(Arc::default()),
        tenants: BoundTenants::new(limits.calls, &Metrics::default()),
    }
}

#[tokio::test]
async fn whoever_asks_hears_what_is_left() {
    let (_database, one, _) = two(Engine::Sqlite).await;
    let request = as_role(wire::GetQuotaRequest {}, Role::Broker);
    let quotas = one.rpc.get_quota(request).await.unwrap().into_inner().quotas;
    let told: Vec<_> = quotas
        .iter()
        .map(|quota| (quota.limit.as_str(), quota.per_second, quota.at_once, quota.left))
        .collect();
    let expected = [
        ("requests", 10, 20, 20),
        ("kilobytes", 100, 200, 200),
        ("lines", 1_000, 2_000, 2_000),
        ("calls", 0, 3, 3),
    ];
    assert_eq!(told, expected);
}
