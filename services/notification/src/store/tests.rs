//! The store on both engines.

use std::time::Duration;

use chrono::NaiveTime;
use nopic_domain::enforcement::Deployment;
use nopic_domain::notice::{Parties, QuietHours, Rhythm};
use nopic_sql::testing::{Engine, TestDatabase};
use rstest::rstest;
use sqlx::Connection as _;

use super::*;

mod cases;
mod receivers;
mod sending;

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

const LEASE: Duration = Duration::from_secs(60);

struct World {
    store: Arc<dyn NotificationStore>,
    now: DateTime<Utc>,
    requests: u32,
    database: TestDatabase,
}

impl World {
    async fn new(engine: Engine) -> Self {
        let database = engine.database().await;
        Self {
            store: open(
                &database.location,
                SchemaUpdate::Apply,
                CaseRules::shipped(Deployment::Other),
            )
            .await
            .unwrap(),
            now: "2026-06-01T12:00:00Z".parse().unwrap(),
            requests: 0,
            database,
        }
    }

    fn act(&mut self) -> Act {
        self.requests += 1;
        Act {
            principal: Principal::built_in("test"),
            request_id: self.requests.to_string(),
            hash: [0; 32],
            now: self.now,
        }
    }

    async fn receiver(&mut self, name: &str, ordered: bool) -> StoredReceiver {
        let new = NewReceiver {
            name: name.to_owned(),
            channel: "webhook",
            settings: r#"{"url": "https://example.com"}"#.to_owned(),
            secrets: vec![KeptSecret {
                secret: "whsec_1".to_owned(),
                until: None,
            }],
            ordered,
            per_minute: 0,
            subscriptions: Vec::new(),
        };
        let act = self.act();
        self.store.create_receiver(&act, &new).await.unwrap().0
    }

    async fn subscribe(&mut self, name: &str, receiver: &str, rhythm: Rhythm) {
        self.subscribe_with(name, receiver, rhythm, None).await;
    }

    /// At once, but for the hours around now.
    async fn subscribe_quiet(&mut self, name: &str, receiver: &str) {
        let hour = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        let quiet = QuietHours {
            from: hour(7),
            to: hour(9),
        };
        self.subscribe_with(name, receiver, Rhythm::AtOnce, Some(quiet))
            .await;
    }

    async fn subscribe_with(
        &mut self,
        name: &str,
        receiver: &str,
        rhythm: Rhythm,
        quiet_hours: Option<QuietHours>,
    ) {
        let new = NamedSubscription {
            name: name.to_owned(),
            receiver: receiver.to_owned(),
            subscription: Subscription {
                kinds: Vec::new(),
                parties: Parties::default(),
                least_severity: NoticeSeverity::Information,
                rhythm,
                zone: chrono_tz::America::New_York,
                quiet_hours,
            },
        };
        let act = self.act();
        self.store.set_subscription(&act, &new).await.unwrap();
    }

    async fn take(&self, notices: &[(&str, &str)]) -> usize {
        let taken = Taken {
            notices: notices
                .iter()
                .map(|(cause, subject)| NewNotice {
                    whose: Whose::Tenant("default".to_owned()),
                    cause: (*cause).to_owned(),
                    notice: self.notice(subject),
                })
                .collect(),
            ..Taken::default()
        };
        self.store.take(None, &taken, self.now).await.unwrap().unwrap()
    }

    fn notice(&self, subject: &str) -> Notice {
        Notice {
            kind: NoticeKind::LinesRejected,
            severity: NoticeSeverity::Action,
            subject: subject.to_owned(),
            parties: Parties::default(),
            occurred_at: self.now,
            title: format!("about {subject}"),
            sentences: Vec::new(),
            to_do: Vec::new(),
        }
    }

    async fn hold(&self, holder: &str) -> Vec<i64> {
        self.store
            .hold_receivers(holder, self.now, LEASE, 10)
            .await
            .unwrap()
    }

    async fn begin(&self, receiver: i64, holder: &str) -> Option<Begun> {
        self.store
            .begin_tries(receiver, holder, self.now, 100)
            .await
            .unwrap()
    }

    /// What is due of a receiver that is held.
    async fn due(&self, receiver: i64, holder: &str) -> Vec<Pending> {
        self.begin(receiver, holder).await.unwrap().pending
    }

    fn after(&self) -> ReceiverAfter {
        ReceiverAfter {
            state: ReceiverState::Active,
            because: String::new(),
            failing_since: None,
            failures: 0,
            rests_until: self.now,
            is_kept: false,
        }
    }

    /// Until when a receiver rests, as its row has it.
    async fn rested_until(&self, receiver: i64) -> DateTime<Utc> {
        const SELECT: &str = "SELECT rests_until FROM receiver WHERE receiver_id = $1";
        match &self.database.location {
            Location::Folder(folder) => {
                let options =
                    sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("notification.sqlite"));
                let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
                sqlx::query_scalar(SELECT)
                    .bind(receiver)
                    .fetch_one(&mut connection)
                    .await
                    .unwrap()
            }
            Location::Postgres(options) => {
                let options = options
                    .as_ref()
                    .clone()
                    .options([("search_path", "notification")]);
                let mut connection = sqlx::PgConnection::connect_with(&options).await.unwrap();
                sqlx::query_scalar(SELECT)
                    .bind(receiver)
                    .fetch_one(&mut connection)
                    .await
                    .unwrap()
            }
        }
    }

    async fn end(&self, receiver: i64, holder: &str, tried: &[Tried]) {
        let ended = Ended {
            rested_until: self.rested_until(receiver).await,
            tried: tried.to_vec(),
            after: self.after(),
            told: Vec::new(),
        };
        self.store
            .end_tries(receiver, holder, &ended, self.now)
            .await
            .unwrap();
    }

    fn tried(&self, pending: &Pending, state: DeliveryState) -> Tried {
        Tried {
            delivery: pending.id,
            state,
            next_attempt_at: self.now + chrono::TimeDelta::minutes(5),
            result: "tried".to_owned(),
        }
    }

    async fn states(&self) -> Vec<(String, DeliveryState, u32)> {
        let listed = self
            .store
            .deliveries("default", &DeliveryFilter::default(), i64::MAX, 100)
            .await
            .unwrap();
        listed
            .into_iter()
            .rev()
            .map(|delivery| (delivery.receiver, delivery.state, delivery.attempts))
            .collect()
    }
}

#[rstest]
#[tokio::test]
async fn a_cause_makes_one_notice_and_one_message_for_each_receiver(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("a", false).await;
    world.receiver("b", false).await;
    world.subscribe("one", "a", Rhythm::AtOnce).await;
    world.subscribe("again", "a", Rhythm::AtOnce).await;
    world.subscribe("other", "b", Rhythm::AtOnce).await;
    assert_eq!(world.take(&[("1", "x"), ("1", "x"), ("2", "y")]).await, 2);
    assert_eq!(world.take(&[("2", "y"), ("1", "x")]).await, 0);
    assert_eq!(world.states().await.len(), 4);
    let listed = world
        .store
        .notices("default", &NoticeFilter::default(), i64::MAX, 10)
        .await
        .unwrap();
    let subjects: Vec<_> = listed
        .iter()
        .map(|stored| stored.notice.subject.as_str())
        .collect();
    assert_eq!(subjects, ["y", "x"]);
    let (_, deliveries) = world
        .store
        .notice("default", listed[0].id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(deliveries.len(), 2);
    assert_eq!(world.store.notice("other", listed[0].id).await.unwrap(), None);
    let after = world
        .store
        .notices_after("default", listed[1].id, 10)
        .await
        .unwrap();
    assert_eq!(after, listed[..1]);
}

#[rstest]
#[tokio::test]
async fn what_was_read_is_kept_with_the_position_or_not_at_all(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let step = |from: &str, to: &str| Step {
        service: "registry",
        from: from.to_owned(),
        to: to.to_owned(),
    };
    let taken = |cause: &str| Taken {
        notices: vec![NewNotice {
            whose: Whose::Tenant("default".to_owned()),
            cause: cause.to_owned(),
            notice: world.notice("x"),
        }],
        ..Taken::default()
    };
    assert_eq!(world.store.position("registry").await.unwrap(), "");
    let take = |from: &'static str, to: &'static str, cause: &'static str| {
        let (step, taken, store) = (step(from, to), taken(cause), Arc::clone(&world.store));
        async move {
            store
                .take(Some(&step), &taken, "2026-06-01T12:00:00Z".parse().unwrap())
                .await
                .unwrap()
        }
    };
    assert_eq!(take("", "1", "a").await, Some(1));
    // Another process that was a step behind.
    assert_eq!(take("", "1", "b").await, None);
    assert_eq!(take("0", "2", "b").await, None);
    assert_eq!(take("1", "2", "c").await, Some(1));
    assert_eq!(world.store.position("registry").await.unwrap(), "2");
    let listed = world
        .store
        .notices("default", &NoticeFilter::default(), i64::MAX, 10)
        .await
        .unwrap();
    assert_eq!(listed.len(), 2);
}

#[rstest]
#[tokio::test]
async fn whoever_deals_with_something_is_told_of_it(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let dealing = |tenant: &str, day: u32| Dealing {
        kind: DealingKind::Operation,
        subject: "8150000001".to_owned(),
        tenant: tenant.to_owned(),
        on: Date::from_ymd_opt(2026, 5, day).unwrap(),
    };
    let taken = Taken {
        notices: vec![NewNotice {
            whose: Whose::DealingWith(
                DealingKind::Operation,
                vec!["8150000001".to_owned(), "1".to_owned()],
            ),
            cause: "1".to_owned(),
            notice: world.notice("8150000001"),
        }],
        dealings: vec![dealing("b", 2), dealing("a", 1), dealing("a", 3), dealing("a", 2)],
        ..Taken::default()
    };
    assert_eq!(world.store.take(None, &taken, world.now).await.unwrap(), Some(2));
    let since = |day| Date::from_ymd_opt(2026, 5, day).unwrap();
    let dealings = |day, after: (&'static str, &'static str)| {
        let store = Arc::clone(&world.store);
        async move {
            store
                .dealings(DealingKind::Operation, since(day), after, 10)
                .await
                .unwrap()
        }
    };
    let pair = |tenant: &str| (tenant.to_owned(), "8150000001".to_owned());
    assert_eq!(dealings(1, ("", "")).await, [pair("a"), pair("b")]);
    assert_eq!(dealings(3, ("", "")).await, [pair("a")]);
    assert_eq!(dealings(1, ("a", "8150000001")).await, [pair("b")]);
}

#[rstest]
#[tokio::test]
async fn a_digest_gathers_until_it_is_sent(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut world = World::new(engine).await;
    world.receiver("a", false).await;
    let seven = Rhythm::Daily(NaiveTime::from_hms_opt(7, 0, 0).unwrap());
    world.subscribe("daily", "a", seven).await;
    world.take(&[("1", "x")]).await;
    world.take(&[("2", "y"), ("3", "z")]).await;
    assert_eq!(world.states().await.len(), 1);
    assert!(world.hold("p").await.is_empty());
    let before = world.now;
    world.now = "2026-06-02T11:00:00Z".parse().unwrap();
    let held = world.hold("p").await;
    let pending = world.due(held[0], "p").await;
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].notices.as_ref().unwrap().len(), 3);
    // What comes by a clock that is behind does not join what is under way.
    let late = world.now;
    world.now = before;
    world.take(&[("4", "late")]).await;
    world.now = late;
    assert_eq!(world.states().await.len(), 2);
    world
        .end(
            held[0],
            "p",
            &[world.tried(&pending[0], DeliveryState::Delivered)],
        )
        .await;
    let held = world.hold("p").await;
    let pending = world.due(held[0], "p").await;
    assert_eq!(pending[0].notices.as_ref().unwrap()[0].subject, "late");
}

#[rstest]
#[tokio::test]
async fn one_process_sends_to_a_receiver_until_its_lease_is_over(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("a", false).await;
    world.subscribe("one", "a", Rhythm::AtOnce).await;
    world.take(&[("1", "x"), ("2", "y")]).await;
    let held = world.hold("p").await;
    assert_eq!(held.len(), 1);
    assert!(world.hold("q").await.is_empty());
    let pending = world.due(held[0], "p").await;
    assert_eq!(pending.len(), 2);
    // It dies. Another goes on when the lease is over, with the same ids.
    world.now += LEASE;
    assert_eq!(world.begin(held[0], "p").await, None);
    let again = world.hold("q").await;
    let retried = world.due(again[0], "q").await;
    assert_eq!(retried[0].message_id, pending[0].message_id);
    // Tries of which nothing came are not counted.
    assert_eq!(retried[0].attempts, 1);
    let tried = [
        world.tried(&retried[0], DeliveryState::Delivered),
        world.tried(&retried[1], DeliveryState::Waiting),
    ];
    world.end(again[0], "q", &tried).await;
    let states = world.states().await;
    assert_eq!(states[0].1, DeliveryState::Delivered);
    assert_eq!(states[1].1, DeliveryState::Waiting);
    assert!(world.hold("p").await.is_empty());
    assert_eq!(world.store.oldest_due(world.now).await.unwrap(), None);
    world.now += chrono::TimeDelta::minutes(5);
    assert_eq!(world.store.oldest_due(world.now).await.unwrap(), Some(world.now));
    assert_eq!(world.hold("p").await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn in_order_a_message_waits_for_the_one_before_it_about_its_subject(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("a", true).await;
    world.subscribe("one", "a", Rhythm::AtOnce).await;
    world.take(&[("1", "x"), ("2", "x"), ("3", "y")]).await;
    let held = world.hold("p").await;
    let pending = world.due(held[0], "p").await;
    let first = [world.tried(&pending[0], DeliveryState::Waiting)];
    world.end(held[0], "p", &first).await;
    let held = world.hold("p").await;
    let pending = world.due(held[0], "p").await;
    let subjects: Vec<_> = pending.iter().map(|one| one.subject.as_str()).collect();
    assert_eq!(subjects, ["y"]);
}

#[rstest]
#[tokio::test]
async fn what_is_dead_is_sent_again_when_somebody_asks(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("a", false).await;
    world.subscribe("one", "a", Rhythm::AtOnce).await;
    world.take(&[("1", "x"), ("2", "y")]).await;
    let held = world.hold("p").await;
    let pending = world.due(held[0], "p").await;
    let dead: Vec<_> = pending
        .iter()
        .map(|one| world.tried(one, DeliveryState::Dead))
        .collect();
    world.end(held[0], "p", &dead).await;
    assert_eq!(world.store.receivers("default").await.unwrap()[0].dead, 2);
    let act = world.act();
    assert_eq!(
        world
            .store
            .redeliver(&act, Some(pending[0].id), None)
            .await
            .unwrap(),
        1
    );
    // The same request again changes nothing more.
    assert_eq!(
        world
            .store
            .redeliver(&act, Some(pending[0].id), None)
            .await
            .unwrap(),
        1
    );
    let act = world.act();
    assert_eq!(world.store.redeliver(&act, None, Some("a")).await.unwrap(), 1);
    let act = world.act();
    let refused = world.store.redeliver(&act, Some(999), None).await.unwrap_err();
    assert!(refused.to_string().contains("999"), "{refused}");
    assert!(
        world
            .states()
            .await
            .iter()
            .all(|state| state.1 == DeliveryState::Waiting)
    );
}
