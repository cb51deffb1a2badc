//! Holding receivers, what is due, and what comes of tries, on both engines.

use super::*;
use chrono::TimeDelta;

/// Runs a statement beside the store, as nothing of the program does.
async fn spoil(database: &TestDatabase, statement: &'static str) {
    match &database.location {
        Location::Folder(folder) => {
            let options =
                sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("notification.sqlite"));
            let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
            sqlx::query(statement).execute(&pool).await.unwrap();
            pool.close().await;
        }
        Location::Postgres(place) => {
            let options = place.as_ref().clone().options([("search_path", "notification")]);
            let pool = sqlx::PgPool::connect_with(options).await.unwrap();
            sqlx::query(statement).execute(&pool).await.unwrap();
            pool.close().await;
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_hold_that_lives_is_taken_by_nobody_and_one_of_a_clock_set_back_by_all(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("a", false).await;
    world.subscribe("one", "a", Rhythm::AtOnce).await;
    world.take(&[("1", "x")]).await;
    world.now += TimeDelta::minutes(1);
    let held = world.hold("p").await;
    // The clock of another process is behind by almost a lease.
    let now = world.now;
    world.now = now - LEASE + Duration::from_secs(1);
    assert!(world.hold("q").await.is_empty());
    // Its holder renews it, and others have to wait for that.
    world
        .store
        .renew_holds(&held, "p", now + LEASE / 2, LEASE)
        .await
        .unwrap();
    world.now = now + LEASE;
    assert!(world.hold("q").await.is_empty());
    assert!(world.begin(held[0], "p").await.is_some());
    // Nobody renews what is another's.
    world
        .store
        .renew_holds(&held, "q", now + LEASE * 9, LEASE)
        .await
        .unwrap();
    world.now = now + LEASE * 2;
    assert_eq!(world.hold("q").await, held);
    // A hold from beyond every clock does not last until then.
    world
        .store
        .renew_holds(&held, "q", now + LEASE * 1_000, LEASE)
        .await
        .unwrap();
    assert_eq!(world.hold("r").await, held);
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_read_spoils_nothing_beside_it(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    for name in ["a", "b"] {
        world.receiver(name, false).await;
        world.subscribe(name, name, Rhythm::AtOnce).await;
    }
    world.take(&[("1", "x"), ("2", "y")]).await;
    spoil(
        &world.database,
        "UPDATE notice SET content = '{' WHERE subject = 'x'",
    )
    .await;
    spoil(
        &world.database,
        "UPDATE receiver SET secrets = '{' WHERE name = 'b'",
    )
    .await;
    let held = world.hold("p").await;
    assert_eq!(held.len(), 2);
    let due = world.due(held[0], "p").await;
    let error = due[0].notices.as_ref().unwrap_err();
    assert!(error.contains("notice.content"), "{error}");
    assert_eq!(due[1].notices.as_ref().unwrap()[0].subject, "y");
    // Of the other one it is said what is wrong.
    let error = world
        .store
        .begin_tries(held[1], "p", world.now, 10)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("receiver.secrets"), "{error}");
}

#[rstest]
#[tokio::test]
async fn a_digest_has_parts_of_a_size_that_a_person_reads_and_a_batch_only_so_many(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("a", true).await;
    let seven = Rhythm::Daily(NaiveTime::from_hms_opt(7, 0, 0).unwrap());
    world.subscribe("daily", "a", seven).await;
    let causes: Vec<String> = (0..450).map(|number| number.to_string()).collect();
    for some in causes.chunks(130) {
        let some: Vec<_> = some.iter().map(|cause| (cause.as_str(), "x")).collect();
        world.take(&some).await;
    }
    world.now += TimeDelta::days(1);
    let held = world.hold("p").await;
    let mut sizes = Vec::new();
    for _ in 0..3 {
        let begun = world.begin(held[0], "p").await.unwrap();
        let tried = begun.pending.iter().map(|part| {
            assert!(part.is_digest && part.attempts == 1, "{part:?}");
            sizes.push(part.notices.as_ref().unwrap().len());
            world.tried(part, DeliveryState::Delivered)
        });
        let ended = Ended {
            rested_until: begun.receiver.rests_until,
            tried: tried.collect(),
            after: ReceiverAfter {
                is_kept: true,
                ..world.after()
            },
            told: Vec::new(),
        };
        assert_eq!(begun.is_all, sizes.len() == 5);
        world
            .store
            .end_tries(held[0], "p", &ended, world.now)
            .await
            .unwrap();
    }
    assert_eq!(sizes, [100, 100, 100, 100, 50]);
}

#[rstest]
#[tokio::test]
async fn digests_hold_nobody_back_and_of_two_times_the_earlier_counts(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("a", true).await;
    let at = |hour| Rhythm::Daily(NaiveTime::from_hms_opt(hour, 0, 0).unwrap());
    world.subscribe("early", "a", at(9)).await;
    world.subscribe("late", "a", at(10)).await;
    world.take(&[("1", "x")]).await;
    world.now = "2026-06-01T13:30:00Z".parse().unwrap();
    let held = world.hold("p").await;
    let early = world.due(held[0], "p").await;
    let mut failed = world.tried(&early[0], DeliveryState::Waiting);
    failed.next_attempt_at += TimeDelta::hours(6);
    world.end(held[0], "p", &[failed]).await;
    world.now = "2026-06-01T14:30:00Z".parse().unwrap();
    let held = world.hold("p").await;
    assert_eq!(world.due(held[0], "p").await.len(), 1);
    // A night's rest for the same receiver as one without.
    let mut world = World::new(engine).await;
    world.receiver("a", true).await;
    world.subscribe_quiet("quiet", "a").await;
    world.subscribe("urgent", "a", Rhythm::AtOnce).await;
    world.take(&[("1", "x")]).await;
    assert_eq!(world.states().await.len(), 1);
    let held = world.hold("p").await;
    assert_eq!(world.due(held[0], "p").await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn what_is_due_later_by_wish_holds_nothing_back_that_is_due_now(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("a", true).await;
    world.subscribe_quiet("quiet", "a").await;
    world.take(&[("1", "x")]).await;
    assert!(world.hold("p").await.is_empty());
    world.subscribe("urgent", "a", Rhythm::AtOnce).await;
    world.take(&[("2", "x")]).await;
    let held = world.hold("p").await;
    assert_eq!(world.due(held[0], "p").await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_receiver_is_paused_and_its_owner_told_as_one_or_not_at_all(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("a", false).await;
    world.subscribe("one", "a", Rhythm::AtOnce).await;
    world.take(&[("1", "x")]).await;
    let held = world.hold("p").await;
    let rested_until = world.rested_until(held[0]).await;
    let ended = |world: &World| Ended {
        rested_until,
        tried: Vec::new(),
        after: ReceiverAfter {
            state: ReceiverState::Gone,
            because: "It is gone.".to_owned(),
            ..world.after()
        },
        told: vec![NewNotice {
            whose: Whose::Tenant("default".to_owned()),
            cause: "gone".to_owned(),
            notice: world.notice("a"),
        }],
    };
    let count = |world: &World| {
        let store = Arc::clone(&world.store);
        async move {
            let all = store
                .notices("default", &NoticeFilter::default(), i64::MAX, 10)
                .await
                .unwrap();
            all.len()
        }
    };
    // Of one whose lease is over and who comes too late, nothing is taken.
    world
        .store
        .end_tries(held[0], "q", &ended(&world), world.now)
        .await
        .unwrap();
    assert_eq!(count(&world).await, 1);
    world
        .store
        .end_tries(held[0], "p", &ended(&world), world.now)
        .await
        .unwrap();
    assert_eq!(count(&world).await, 2);
    assert_eq!(
        world.store.receivers("default").await.unwrap()[0].state,
        ReceiverState::Gone
    );
    assert_eq!(world.store.oldest_due(world.now).await.unwrap(), None);
}

#[rstest]
#[tokio::test]
async fn no_message_is_made_for_a_receiver_that_is_being_removed(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    for round in 0..20 {
        world.receiver("a", false).await;
        world.subscribe("one", "a", Rhythm::AtOnce).await;
        let act = world.act();
        let causes: Vec<String> = (0..50).map(|number| format!("{round}/{number}")).collect();
        let causes: Vec<_> = causes.iter().map(|cause| (cause.as_str(), "x")).collect();
        let (removed, _) = tokio::join!(world.store.remove_receiver(&act, "a"), world.take(&causes));
        removed.unwrap();
    }
    let filter = DeliveryFilter {
        state: Some(DeliveryState::Waiting),
        ..DeliveryFilter::default()
    };
    let waiting = world
        .store
        .deliveries("default", &filter, i64::MAX, 10)
        .await
        .unwrap();
    assert_eq!(waiting, []);
}

#[rstest]
#[tokio::test]
async fn reviews_that_are_due_are_read_page_by_page(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let review = |tenant: &str, request: i64, day: u32| Review {
        tenant: tenant.to_owned(),
        request,
        due_on: Date::from_ymd_opt(2026, 6, day),
        exporter: String::new(),
        importer: String::new(),
        certifier: String::new(),
    };
    let taken = Taken {
        reviews: vec![
            review("b", 1, 1),
            review("a", 2, 9),
            review("a", 10, 1),
            review("a", 3, 2),
        ],
        ..Taken::default()
    };
    world.store.take(None, &taken, world.now).await.unwrap();
    let until = Date::from_ymd_opt(2026, 6, 5).unwrap();
    let mut read = Vec::new();
    let mut after = (String::new(), 0);
    loop {
        let page = world
            .store
            .reviews_due(until, (&after.0, after.1), 1)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        after = (last.tenant.clone(), last.request);
        read.push(after.clone());
    }
    let names: Vec<_> = read
        .iter()
        .map(|(tenant, request)| (tenant.as_str(), *request))
        .collect();
    assert_eq!(names, [("a", 3), ("a", 10), ("b", 1)]);
}

#[rstest]
#[tokio::test]
async fn who_deals_with_some_of_many_is_told_with_which(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let code = |number: u32| format!("{number:010}");
    let dealings = (0..12).map(|number| Dealing {
        kind: DealingKind::TariffCode,
        subject: code(number),
        tenant: if number == 0 { "few" } else { "many" }.to_owned(),
        on: Date::from_ymd_opt(2026, 5, 1).unwrap(),
    });
    let taken = Taken {
        dealings: dealings.collect(),
        notices: vec![NewNotice {
            whose: Whose::DealingWith(DealingKind::TariffCode, (0..500).map(code).collect()),
            cause: "1".to_owned(),
            notice: world.notice("x"),
        }],
        ..Taken::default()
    };
    assert_eq!(world.store.take(None, &taken, world.now).await.unwrap(), Some(2));
    for (tenant, told) in [
        ("few", "Among them you deal with 0000000000."),
        ("many", "0000000010 and 1 more."),
    ] {
        let found = world.store.notices_after(tenant, 0, 10).await.unwrap();
        let sentence = &found[0].notice.sentences[0];
        assert!(sentence.ends_with(told), "{sentence}");
    }
}

#[rstest]
#[tokio::test]
async fn a_digest_that_was_begun_for_one_receiver_is_gone_on_with_for_no_other(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    let seven = Rhythm::Daily(NaiveTime::from_hms_opt(7, 0, 0).unwrap());
    world.receiver("a", false).await;
    world.receiver("b", false).await;
    world.subscribe("daily", "a", seven).await;
    world.take(&[("1", "x")]).await;
    // A subscription is not taken from its receiver by its name.
    let act = world.act();
    let mut taken = world.store.subscriptions("default").await.unwrap().remove(0);
    "b".clone_into(&mut taken.receiver);
    let refused = world.store.set_subscription(&act, &taken).await.unwrap_err();
    assert!(refused.to_string().contains("of the receiver \"a\""), "{refused}");
    let act = world.act();
    world.store.remove_subscription(&act, "daily").await.unwrap();
    world.subscribe("daily", "b", seven).await;
    world.take(&[("2", "y")]).await;
    let act = world.act();
    world.store.remove_receiver(&act, "b").await.unwrap();
    // The same subscription to a new receiver of the name.
    world.receiver("b", false).await;
    world.subscribe("daily", "b", seven).await;
    world.take(&[("3", "z")]).await;
    let states: Vec<_> = world
        .states()
        .await
        .into_iter()
        .map(|one| (one.0, one.1))
        .collect();
    let (waiting, dead) = (DeliveryState::Waiting, DeliveryState::Dead);
    assert_eq!(
        states,
        [
            ("a".to_owned(), waiting),
            ("b".to_owned(), dead),
            ("b".to_owned(), waiting)
        ]
    );
}

#[rstest]
#[tokio::test]
async fn who_resumes_tests_or_sends_again_does_not_wait_for_the_end_of_a_rest(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("a", false).await;
    world.subscribe("one", "a", Rhythm::AtOnce).await;
    world.take(&[("1", "x"), ("2", "y")]).await;
    for way in 0..3 {
        let held = world.hold("p").await;
        let due = world.due(held[0], "p").await;
        let ended = Ended {
            rested_until: world.rested_until(held[0]).await,
            tried: due
                .iter()
                .map(|one| world.tried(one, DeliveryState::Dead))
                .collect(),
            after: ReceiverAfter {
                failures: 1,
                rests_until: world.now + TimeDelta::hours(6),
                ..world.after()
            },
            told: Vec::new(),
        };
        world
            .store
            .end_tries(held[0], "p", &ended, world.now)
            .await
            .unwrap();
        world.take(&[(&format!("again {way}"), "z")]).await;
        assert!(world.hold("p").await.is_empty());
        let act = world.act();
        match way {
            0 => {
                let active = world.store.set_state(&act, "a", ReceiverState::Active, "").await;
                assert_eq!(active.unwrap().state, ReceiverState::Active);
            }
            1 => {
                let notice = world.notice("test");
                world.store.test_receiver(&act, "a", &notice).await.unwrap();
            }
            _ => assert!(world.store.redeliver(&act, None, Some("a")).await.unwrap() > 0),
        }
    }
    assert_eq!(world.hold("p").await.len(), 1);
    let act = world.act();
    let unknown = world.store.redeliver(&act, None, Some("b")).await.unwrap_err();
    assert!(unknown.to_string().contains("no receiver \"b\""), "{unknown}");
}

#[rstest]
#[tokio::test]
async fn what_was_tried_before_is_tried_as_soon_as_its_receiver_is_resumed_and_as_long_as_what_is_new(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("a", false).await;
    world.subscribe("one", "a", Rhythm::AtOnce).await;
    world.take(&[("1", "x")]).await;
    let held = world.hold("p").await;
    let due = world.due(held[0], "p").await;
    let mut tried = world.tried(&due[0], DeliveryState::Waiting);
    tried.next_attempt_at = world.now + TimeDelta::hours(6);
    world.end(held[0], "p", &[tried]).await;
    let act = world.act();
    let paused = world
        .store
        .set_state(&act, "a", ReceiverState::Paused, "for a while")
        .await;
    assert_eq!(paused.unwrap().waiting, 1);
    // Nothing is sent again where nothing is sent.
    let act = world.act();
    for (one, receiver) in [(Some(due[0].id), None), (None, Some("a"))] {
        let refused = world
            .store
            .redeliver(&act, one, receiver)
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("PAUSED: resume it first"), "{refused}");
    }
    assert_eq!(world.store.redeliver(&act, None, None).await.unwrap(), 0);
    world.now += TimeDelta::hours(1);
    let act = world.act();
    let resumed = world
        .store
        .set_state(&act, "a", ReceiverState::Active, "")
        .await
        .unwrap();
    let held = world.hold("p").await;
    let again = world.due(held[0], "p").await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].expires_at, world.now + TRIED_FOR);
    // Asked again, the answer is the same, and its settings are those of the receiver.
    let told_again = world
        .store
        .set_state(&act, "a", ReceiverState::Active, "")
        .await
        .unwrap();
    assert_eq!(told_again.settings, resumed.settings);
}

#[rstest]
#[tokio::test]
async fn tries_that_were_under_way_say_nothing_of_a_receiver_that_is_resumed_meanwhile(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("a", false).await;
    world.subscribe("one", "a", Rhythm::AtOnce).await;
    world.take(&[("1", "x")]).await;
    let held = world.hold("p").await;
    let begun = world.begin(held[0], "p").await.unwrap();
    world.now += TimeDelta::seconds(1);
    let act = world.act();
    let resumed = world.store.set_state(&act, "a", ReceiverState::Active, "").await;
    resumed.unwrap();
    let ended = Ended {
        rested_until: begun.receiver.rests_until,
        tried: Vec::new(),
        after: ReceiverAfter {
            state: ReceiverState::Paused,
            because: "It failed.".to_owned(),
            rests_until: world.now + TimeDelta::hours(6),
            ..world.after()
        },
        told: Vec::new(),
    };
    let store = &world.store;
    store.end_tries(held[0], "p", &ended, world.now).await.unwrap();
    assert_eq!(
        store.receivers("default").await.unwrap()[0].state,
        ReceiverState::Active
    );
    assert_eq!(world.hold("q").await, held, "it was given back");
}

#[rstest]
#[tokio::test]
async fn a_rest_of_a_clock_that_was_set_back_ends(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("a", false).await;
    world.subscribe("one", "a", Rhythm::AtOnce).await;
    world.take(&[("1", "x")]).await;
    let now = world.now;
    // Whoever fails may rest for a day, whoever does not for a moment.
    for (failures, rest, is_tried) in [
        (0, TimeDelta::minutes(1), false),
        (0, TimeDelta::hours(6), true),
        (1, TimeDelta::hours(24), false),
        (1, TimeDelta::days(30), true),
    ] {
        world.now = now;
        let held = world.hold("p").await;
        let ended = Ended {
            rested_until: world.rested_until(held[0]).await,
            tried: Vec::new(),
            after: ReceiverAfter {
                failures,
                rests_until: now + rest,
                ..world.after()
            },
            told: Vec::new(),
        };
        let store = &world.store;
        store.end_tries(held[0], "p", &ended, now).await.unwrap();
        assert_eq!(world.hold("q").await.len() == 1, is_tried, "{failures} {rest}");
        if !is_tried {
            world.now = now + rest;
            assert_eq!(world.hold("q").await, held);
        }
        world.now = now;
        world.end(held[0], "q", &[]).await;
    }
}

#[rstest]
#[tokio::test]
async fn what_was_named_in_any_form_is_dealt_with_for_a_year(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let dealing = |subject: &str, tenant: &str, year| Dealing {
        kind: DealingKind::TariffCode,
        subject: subject.to_owned(),
        tenant: tenant.to_owned(),
        on: Date::from_ymd_opt(year, 5, 1).unwrap(),
    };
    let taken = Taken {
        dealings: vec![
            dealing("0901110015", "whole", 2026),
            dealing("090111", "short", 2026),
            dealing("0901110015", "former", 2024),
            dealing("0901120000", "other", 2026),
        ],
        notices: vec![NewNotice {
            whose: Whose::DealingWith(DealingKind::TariffCode, vec!["0901110015".to_owned()]),
            cause: "1".to_owned(),
            notice: world.notice("x"),
        }],
        ..Taken::default()
    };
    assert_eq!(world.store.take(None, &taken, world.now).await.unwrap(), Some(2));
    for (tenant, count) in [("whole", 1), ("short", 1), ("former", 0), ("other", 0)] {
        let found = world.store.notices_after(tenant, 0, 10).await.unwrap();
        assert_eq!(found.len(), count, "{tenant}");
    }
}
