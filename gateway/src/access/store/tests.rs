//! The store on both engines.

use chrono::{TimeZone as _, Utc};
use nopic_domain::principal::{FilerCodes, Role};
use nopic_sql::audit::{Audit, Heads};
use nopic_sql::testing::{Engine, TestDatabase};
use rstest::rstest;

use super::*;
use crate::access::record::KeyState;

fn at(second: i64) -> DateTime<Utc> {
    Utc.timestamp_opt(1_700_000_000 + second, 0).unwrap()
}

fn act(id: &str) -> Act {
    Act {
        principal: Principal::built_in("tester"),
        request_id: id.to_owned(),
        hash: [7; 32],
        now: at(0),
        reason: String::new(),
    }
}

fn tenant(name: &str) -> Tenant {
    Tenant {
        tenant: name.to_owned(),
        filer_codes: FilerCodes::Listed(vec!["B76".to_owned(), "XY1".to_owned()]),
        certifier_id: Some("015".parse().unwrap()),
        nop_ids: vec!["0150000001".parse().unwrap()],
        created_at: at(0),
        suspended_at: None,
    }
}

fn person(tenant: &str, name: &str) -> Person {
    Person {
        tenant: tenant.to_owned(),
        name: name.to_owned(),
        role: Role::Broker,
        certificate_name: Some(format!("{name}.example")),
        token: Some(Subject {
            issuer: "https://issuer.example".to_owned(),
            subject: name.to_owned(),
        }),
        added_at: at(0),
        removed_at: None,
    }
}

async fn opened(database: &TestDatabase) -> Arc<dyn AccessStore> {
    open(&database.location, SchemaUpdate::Apply).await.unwrap()
}

/// A store with the tenant acme and its person maria.
async fn with_maria(engine: Engine) -> (TestDatabase, Arc<dyn AccessStore>) {
    let database = engine.database().await;
    let store = opened(&database).await;
    store.create_tenant(&act("acme"), &tenant("acme")).await.unwrap();
    store
        .add_person(&act("maria"), &person("acme", "maria"))
        .await
        .unwrap();
    (database, store)
}

#[rstest]
#[tokio::test]
async fn every_statement_can_be_prepared(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = engine.database().await;
    match &database.location {
        Location::Folder(place) => {
            nopic_sql::sqlite::prepare_all(place, &SCHEMA, sqlite::STATEMENTS).await;
        }
        Location::Postgres(place) => {
            nopic_sql::postgres::prepare_all(place, &SCHEMA, postgres::STATEMENTS).await;
        }
    }
}

#[rstest]
#[tokio::test]
async fn who_comes_in_is_found_by_key_token_and_certificate(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (_database, store) = with_maria(engine).await;
    assert!(store.is_anybody_known(at(0)).await.unwrap());
    let new = NewKey::generate().unwrap();
    let key = store
        .create_key(&act("key"), ("acme", "maria"), &new, Some(at(100)))
        .await
        .unwrap();
    assert_eq!((key.state(at(0)), key.ends_at), (KeyState::Active, Some(at(100))));
    let expected = Known {
        principal: Principal {
            tenant: "acme".to_owned(),
            actor: "maria".to_owned(),
            role: Role::Broker,
            filer_codes: tenant("acme").filer_codes,
            certifier_id: tenant("acme").certifier_id,
            nop_ids: tenant("acme").nop_ids,
        },
        is_removed: false,
        is_suspended: false,
    };
    let found = store.by_key(&new.prefix).await.unwrap().unwrap();
    assert_eq!(found.known, expected);
    assert_eq!(
        found.admit(&new.secret_hash, at(99)),
        Ok(expected.principal.clone())
    );
    assert_eq!(store.by_key("aaaaaaaaaa").await.unwrap(), None);
    let subject = person("acme", "maria").token.unwrap();
    assert_eq!(store.by_token(&subject).await.unwrap(), Some(expected.clone()));
    let other = Subject {
        issuer: "https://other.example".to_owned(),
        ..subject.clone()
    };
    assert_eq!(store.by_token(&other).await.unwrap(), None);
    let found = store.by_certificate("maria.example").await.unwrap();
    assert_eq!(found, Some(expected));

    store.suspend(&act("suspend"), "acme", true).await.unwrap();
    assert!(store.by_token(&subject).await.unwrap().unwrap().is_suspended);
    store.suspend(&act("resume"), "acme", false).await.unwrap();
    assert!(!store.by_token(&subject).await.unwrap().unwrap().is_suspended);

    store
        .remove_person(&act("remove"), "acme", "maria")
        .await
        .unwrap();
    assert_eq!(store.by_token(&subject).await.unwrap(), None);
    assert_eq!(store.by_certificate("maria.example").await.unwrap(), None);
    assert!(store.by_key(&new.prefix).await.unwrap().unwrap().known.is_removed);
    assert!(!store.is_anybody_known(at(0)).await.unwrap());
    // The name, the certificate and the token are free again.
    store
        .add_person(&act("again"), &person("acme", "maria"))
        .await
        .unwrap();
    assert!(store.by_key(&new.prefix).await.unwrap().unwrap().known.is_removed);
}

#[rstest]
#[tokio::test]
async fn a_change_that_is_asked_for_again_gives_its_first_answer_and_a_key_none(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (_database, store) = with_maria(engine).await;
    let changed = Tenant {
        created_at: at(5),
        ..tenant("acme")
    };
    assert_eq!(
        store.create_tenant(&act("acme"), &changed).await.unwrap(),
        tenant("acme")
    );
    let other = Act {
        hash: [8; 32],
        ..act("acme")
    };
    let refused = store.create_tenant(&other, &tenant("other")).await.unwrap_err();
    assert!(
        matches!(refused, Error::Store(nopic_sql::Error::RequestReused(_))),
        "{refused:?}"
    );
    let refused = store
        .create_tenant(&act("acme 2"), &tenant("acme"))
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::AlreadyThere(_)), "{refused:?}");
    for (name, certificate_name) in [("maria", None), ("job", Some("maria.example".to_owned()))] {
        let alike = Person {
            certificate_name,
            token: None,
            ..person("acme", name)
        };
        let refused = store.add_person(&act(name), &alike).await;
        if name == "maria" {
            // The id of this request was hers.
            assert_eq!(refused.unwrap(), person("acme", "maria"));
        } else {
            assert!(matches!(refused, Err(Error::AlreadyThere(_))), "{refused:?}");
        }
    }

    let (new, second) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let who = ("acme", "maria");
    store.create_key(&act("key"), who, &new, None).await.unwrap();
    let refused = store
        .create_key(&act("key"), who, &second, None)
        .await
        .unwrap_err();
    let sentence = refused.to_string();
    assert!(
        matches!(refused, Error::KeyMade(prefix) if prefix == new.prefix),
        "{sentence}"
    );
    assert!(sentence.contains("shown once"), "{sentence}");
    assert_eq!(
        store.keys(&Filter::default(), "", 10).await.unwrap().len(),
        1,
        "the second one is not kept"
    );
    let refused = store
        .create_key(&act("nobody"), ("acme", "nobody"), &second, None)
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::NotFound(_)), "{refused:?}");
}

#[rstest]
#[tokio::test]
async fn a_key_is_rotated_with_grace_and_revoked_at_once(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (_database, store) = with_maria(engine).await;
    let [first, second, third] = [(); 3].map(|()| NewKey::generate().unwrap());
    let who = ("acme", "maria");
    store.create_key(&act("1"), who, &first, None).await.unwrap();
    let grace = TimeDelta::seconds(60);
    let (new, old) = store
        .rotate_key(&act("2"), &first.prefix, &second, None, grace)
        .await
        .unwrap();
    assert_eq!((&new.prefix, new.person.as_str()), (&second.prefix, "maria"));
    assert_eq!(old.ends_at, Some(at(60)));
    assert_eq!(old.replaced_by.as_ref(), Some(&second.prefix));
    let found = store.by_key(&first.prefix).await.unwrap().unwrap();
    assert!(found.admit(&first.secret_hash, at(59)).is_ok());
    assert!(found.admit(&first.secret_hash, at(60)).is_err());
    let refused = store
        .rotate_key(&act("3"), &first.prefix, &third, None, grace)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("rotate that one"), "{refused}");

    let revoked = store.revoke_key(&act("4"), &second.prefix).await.unwrap();
    assert_eq!(revoked.state(at(0)), KeyState::Revoked);
    let later = Act {
        now: at(9),
        ..act("5")
    };
    let again = store.revoke_key(&later, &second.prefix).await.unwrap();
    assert_eq!(again, revoked);
    let found = store.by_key(&second.prefix).await.unwrap().unwrap();
    assert!(found.admit(&second.secret_hash, at(0)).is_err());
    let refused = store
        .rotate_key(&act("6"), &second.prefix, &third, None, grace)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("REVOKED"), "{refused}");
    assert!(matches!(
        store.revoke_key(&act("7"), "aaaaaaaaaa").await,
        Err(Error::NotFound(_))
    ));
}

#[rstest]
#[tokio::test]
async fn lists_come_in_pages_and_by_tenant(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let (_database, store) = with_maria(engine).await;
    store.create_tenant(&act("b"), &tenant("b")).await.unwrap();
    for name in ["one", "two"] {
        store.add_person(&act(name), &person("b", name)).await.unwrap();
        let new = NewKey::generate().unwrap();
        store
            .create_key(&act(&format!("key of {name}")), ("b", name), &new, None)
            .await
            .unwrap();
    }
    let names =
        |tenants: Vec<Tenant>| -> Vec<String> { tenants.into_iter().map(|tenant| tenant.tenant).collect() };
    assert_eq!(names(store.tenants("", 10).await.unwrap()), ["acme", "b"]);
    assert_eq!(names(store.tenants("acme", 10).await.unwrap()), ["b"]);
    let of = |tenant: &str| Filter {
        tenant: Some(tenant.to_owned()),
        with_removed: false,
    };
    let people = store.people(&of("b"), 0, 1).await.unwrap();
    assert_eq!(people[0].1.name, "one");
    let rest = store.people(&of("b"), people[0].0, 10).await.unwrap();
    assert_eq!((rest.len(), rest[0].1.name.as_str()), (1, "two"));
    store.remove_person(&act("x"), "b", "two").await.unwrap();
    assert_eq!(store.people(&of("b"), 0, 10).await.unwrap().len(), 1);
    let all = Filter {
        with_removed: true,
        ..Filter::default()
    };
    assert_eq!(store.people(&all, 0, 10).await.unwrap().len(), 3);
    let keys = store.keys(&of("b"), "", 10).await.unwrap();
    assert_eq!(keys.len(), 2);
    let two = keys.iter().find(|key| key.person == "two").unwrap();
    assert_eq!(two.state(at(0)), KeyState::Removed);
    assert!(store.keys(&of("acme"), "", 10).await.unwrap().is_empty());
}

#[rstest]
#[tokio::test]
async fn every_change_is_noted_and_a_row_that_is_changed_behind_the_log_is_named(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (database, store) = with_maria(engine).await;
    let (first, second) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let who = ("acme", "maria");
    store
        .create_key(&act("1"), who, &first, Some(at(100)))
        .await
        .unwrap();
    store
        .rotate_key(&act("2"), &first.prefix, &second, None, TimeDelta::zero())
        .await
        .unwrap();
    store.revoke_key(&act("3"), &second.prefix).await.unwrap();
    store.suspend(&act("4"), "acme", true).await.unwrap();
    store.suspend(&act("5"), "acme", true).await.unwrap();
    store.remove_person(&act("6"), "acme", "maria").await.unwrap();
    let audit = Audit::new(
        store.journal().audit,
        Heads::in_data_folder(database.folder.path()),
    );
    // Other tests' open transactions may stand before its notes for a while.
    let verified = loop {
        audit.seal(at(10)).await.unwrap();
        let verified = audit.verify(Vec::new()).await.unwrap();
        if verified.records > 0 && verified.unsealed == 0 {
            break verified;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(verified.findings.is_empty(), "{:?}", verified.findings);
    // What was suspended already was not changed.
    assert_eq!((verified.records, verified.rows), (7, 4));

    let change = "UPDATE api_key SET revoked_at = NULL";
    match &database.location {
        Location::Folder(folder) => {
            let url = format!("sqlite://{}", folder.join("access.sqlite").display());
            let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
            sqlx::query(change).execute(&pool).await.unwrap();
        }
        Location::Postgres(options) => {
            let options = (**options).clone().options([("search_path", "access")]);
            let pool = sqlx::PgPool::connect_with(options).await.unwrap();
            sqlx::query(change).execute(&pool).await.unwrap();
        }
    }
    let verified = audit.verify(Vec::new()).await.unwrap();
    assert_eq!(verified.findings.len(), 1, "{:?}", verified.findings);
    assert!(
        verified.findings[0].sentence.contains(&second.prefix),
        "{:?}",
        verified.findings
    );
}
