//! Sending by channels that do as they are told, with a clock that goes as it is told.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use chrono::TimeDelta;
use nopic_chassis::clock::ManualClock;
use nopic_domain::enforcement::Deployment;
use nopic_domain::notice::{Notice, NoticeKind, NoticeSeverity, Parties, Rhythm, Subscription};
use nopic_domain::principal::Principal;
use nopic_sql::SchemaUpdate;
use nopic_sql::testing::{Engine, TestDatabase};
use rstest::rstest;
use serde_json::Value;

use super::*;

mod fairness;

use crate::cases::CaseRules;
use crate::channels::{Channel, SettingsProblem};
use crate::new_notice::{NewNotice, Whose};
use crate::store::{
    Act, DeliveryFilter, DeliveryState, NamedSubscription, NewReceiver, NoticeFilter, ReceiverState,
    StoredDelivery, StoredReceiver, Taken, open,
};

/// What a receiver answers next; the last answer stays.
type Script = Vec<Outcome>;

/// A channel whose receivers answer as their settings' name says.
#[derive(Debug, Default)]
struct Played {
    scripts: Mutex<BTreeMap<String, Script>>,
    /// Receiver and message id of every try.
    tries: Mutex<Vec<(String, String)>>,
}

#[async_trait]
impl Channel for Played {
    fn name(&self) -> &'static str {
        "played"
    }

    fn check(&self, _settings: &Value) -> Result<(), Vec<SettingsProblem>> {
        Ok(())
    }

    fn destination(&self, settings: &Value) -> String {
        settings.to_string()
    }

    async fn deliver(
        &self,
        settings: &Value,
        _secrets: &[Secret],
        message: &Message,
        _now: DateTime<Utc>,
    ) -> Outcome {
        let name = settings["name"].as_str().unwrap().to_owned();
        self.tries
            .lock()
            .unwrap()
            .push((name.clone(), message.id.to_string()));
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        let script = scripts.entry(name).or_default();
        match script.len() {
            0 => Outcome::Delivered,
            1 => script[0].clone(),
            _ => script.remove(0),
        }
    }
}

struct World {
    sender: Arc<Sender>,
    clock: ManualClock,
    channel: Arc<Played>,
    requests: u32,
    _database: TestDatabase,
}

impl World {
    async fn new(engine: Engine) -> Self {
        let database = engine.database().await;
        let rules = CaseRules::shipped(Deployment::Other);
        let store = open(&database.location, SchemaUpdate::Apply, rules)
            .await
            .unwrap();
        let clock = ManualClock::new("2026-06-01T12:00:00Z".parse().unwrap());
        let channel = Arc::new(Played::default());
        Self {
            sender: Arc::new(Sender {
                store,
                channels: Channels::of(vec![Arc::clone(&channel) as Arc<dyn Channel>]),
                clock: Arc::new(clock.clone()),
                numbers: Numbers::default(),
                draining: Draining::default(),
                operators: "operators".into(),
                holder: "this".into(),
            }),
            clock,
            channel,
            requests: 0,
            _database: database,
        }
    }

    fn act(&mut self) -> Act {
        self.requests += 1;
        Act {
            principal: Principal::built_in("test"),
            request_id: self.requests.to_string(),
            hash: [0; 32],
            now: self.clock.now(),
        }
    }

    async fn receiver(&mut self, name: &str, ordered: bool, script: Script) {
        let new = NewReceiver {
            ordered,
            ..new_receiver(name)
        };
        self.receiver_as(&new, script).await;
    }

    async fn receiver_as(&mut self, new: &NewReceiver, script: Script) {
        let name = new.name.as_str();
        self.channel
            .scripts
            .lock()
            .unwrap()
            .insert(name.to_owned(), script);
        let act = self.act();
        self.sender.store.create_receiver(&act, new).await.unwrap();
        let set = NamedSubscription {
            name: name.to_owned(),
            receiver: name.to_owned(),
            subscription: Subscription {
                kinds: Vec::new(),
                parties: Parties::default(),
                least_severity: NoticeSeverity::Information,
                rhythm: Rhythm::AtOnce,
                zone: chrono_tz::UTC,
                quiet_hours: None,
            },
        };
        let act = self.act();
        self.sender.store.set_subscription(&act, &set).await.unwrap();
    }

    /// What each notice is about.
    async fn subjects(&self) -> BTreeMap<i64, String> {
        let all = self
            .sender
            .store
            .notices_after("default", 0, 10_000)
            .await
            .unwrap();
        all.into_iter().map(|one| (one.id, one.notice.subject)).collect()
    }

    async fn notice(&self, cause: &str, subject: &str) {
        let notice = Notice {
            kind: NoticeKind::LinesRejected,
            severity: NoticeSeverity::Action,
            subject: subject.to_owned(),
            parties: Parties::default(),
            occurred_at: self.clock.now(),
            title: subject.to_owned(),
            sentences: Vec::new(),
            to_do: Vec::new(),
        };
        let taken = Taken {
            notices: vec![NewNotice {
                whose: Whose::Tenant("default".to_owned()),
                cause: cause.to_owned(),
                notice,
            }],
            ..Taken::default()
        };
        self.sender
            .store
            .take(None, &taken, self.clock.now())
            .await
            .unwrap();
    }

    async fn send(&self) {
        self.sender.send_due().await.unwrap();
    }

    fn later(&self, time: TimeDelta) {
        self.clock.advance(time);
    }

    fn tries(&self, receiver: &str) -> Vec<String> {
        let tries = self.channel.tries.lock().unwrap();
        tries
            .iter()
            .filter(|(name, _)| name == receiver)
            .map(|(_, id)| id.clone())
            .collect()
    }

    async fn deliveries(&self, receiver: &str) -> Vec<StoredDelivery> {
        let filter = DeliveryFilter {
            receiver: Some(receiver.to_owned()),
            state: None,
        };
        let mut listed = self
            .sender
            .store
            .deliveries("default", &filter, i64::MAX, 1_000)
            .await
            .unwrap();
        listed.reverse();
        listed
    }

    async fn state(&self, receiver: &str) -> StoredReceiver {
        let all = self.sender.store.receivers("default").await.unwrap();
        all.into_iter().find(|one| one.name == receiver).unwrap()
    }
}

fn new_receiver(name: &str) -> NewReceiver {
    NewReceiver {
        name: name.to_owned(),
        channel: "played",
        settings: serde_json::json!({ "name": name }).to_string(),
        secrets: Vec::new(),
        ordered: false,
        per_minute: 0,
        subscriptions: Vec::new(),
    }
}

fn passing(retry_after: Option<Duration>) -> Outcome {
    Outcome::Passing {
        why: "It is busy.".to_owned(),
        retry_after,
        slow_down: false,
    }
}

#[rstest]
#[tokio::test]
async fn one_that_fails_delays_nobody_else_and_is_tried_again_under_the_same_id(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world
        .receiver(
            "bad",
            false,
            vec![passing(None), passing(None), Outcome::Delivered],
        )
        .await;
    world.receiver("good", false, Vec::new()).await;
    for number in 0..20 {
        world.notice(&number.to_string(), "x").await;
    }
    world.send().await;
    assert_eq!(world.tries("good").len(), 20);
    // What fails is not hammered: the rest of its messages wait with it.
    assert!(world.tries("bad").len() <= AT_A_TIME, "{:?}", world.tries("bad"));
    let first = world.tries("bad");
    for _ in 0..20 {
        world.later(TimeDelta::minutes(10));
        world.send().await;
    }
    let all = world.deliveries("bad").await;
    assert!(
        all.iter().all(|one| one.state == DeliveryState::Delivered),
        "{all:?}"
    );
    let mut ids = world.tries("bad");
    assert!(ids.len() > 20 && first.iter().all(|id| ids.contains(id)));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20);
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_sent_is_given_up_after_three_days_and_a_refusal_at_once(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    let refused = Outcome::Refused {
        why: "It is too large.".to_owned(),
    };
    world.receiver("refuses", false, vec![refused]).await;
    world.receiver("fails", false, vec![passing(None)]).await;
    world.notice("1", "x").await;
    world.send().await;
    let delivery = &world.deliveries("refuses").await[0];
    assert_eq!(delivery.state, DeliveryState::Dead);
    assert_eq!(delivery.last_result, "It is too large.");
    // A refusal of one message says nothing of the receiver.
    assert_eq!(world.state("refuses").await.state, ReceiverState::Active);
    for _ in 0..400 {
        world.later(TimeDelta::minutes(15));
        world.send().await;
    }
    // Of its own message, not of what it is told of the other receiver.
    let all = world.deliveries("fails").await;
    let delivery = all.iter().min_by_key(|delivery| delivery.id).unwrap();
    assert_eq!(delivery.state, DeliveryState::Dead);
    assert!(
        delivery.last_result.starts_with("Given up after 3 days"),
        "{delivery:?}"
    );
    assert!((8..40).contains(&delivery.attempts), "{}", delivery.attempts);
    // The last try is the first one behind which no other has time within three days: pauses are six hours at most, and the
    // receiver may rest for as long beyond that.
    let ended = delivery.ended_at.unwrap() - delivery.created_at;
    assert!(
        ended >= TimeDelta::hours(60) && ended <= TimeDelta::hours(78),
        "{ended}"
    );
}

#[rstest]
#[tokio::test]
async fn whoever_asks_for_time_gets_it(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut world = World::new(engine).await;
    let asks = passing(Some(Duration::from_secs(7_200)));
    world
        .receiver("busy", false, vec![asks, Outcome::Delivered])
        .await;
    world.notice("1", "x").await;
    world.send().await;
    world.later(TimeDelta::minutes(119));
    world.send().await;
    assert_eq!(world.tries("busy").len(), 1);
    world.later(TimeDelta::minutes(2));
    world.send().await;
    assert_eq!(world.deliveries("busy").await[0].state, DeliveryState::Delivered);
}

#[rstest]
#[tokio::test]
async fn one_that_is_gone_or_fails_for_half_a_week_is_left_alone_and_its_owner_told_by_another_way(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    let gone = Outcome::Gone {
        why: "It says that it is gone (410).".to_owned(),
    };
    world.receiver("gone", false, vec![gone]).await;
    world.receiver("dead", false, vec![passing(None)]).await;
    world.receiver("mail", false, Vec::new()).await;
    let mut made = 0;
    for quarter in 0..400 {
        // Something happens every ten hours.
        if quarter % 40 == 0 {
            made += 1;
            world.notice(&made.to_string(), &format!("x{made}")).await;
        }
        world.send().await;
        world.later(TimeDelta::minutes(15));
    }
    assert_eq!(world.state("gone").await.state, ReceiverState::Gone);
    let now = world.clock.now();
    assert!(world.sender.store.give_up_gone(now).await.unwrap() > 0);
    assert_eq!(world.state("gone").await.waiting, 0);
    let dead = world.state("dead").await;
    assert_eq!(dead.state, ReceiverState::Paused);
    assert!(dead.because.contains("It is busy."), "{}", dead.because);
    // It keeps what waits for it until its owner says that it goes on.
    assert!(dead.waiting >= 1);
    for (kind, expected) in [
        (NoticeKind::ReceiverPaused, &["dead", "gone"][..]),
        (NoticeKind::ReceiverFailing, &["dead"]),
    ] {
        let filter = NoticeFilter {
            kinds: vec![kind],
            ..NoticeFilter::default()
        };
        let told = world.sender.store.notices("default", &filter, i64::MAX, 10);
        let told = told.await.unwrap();
        let mut subjects: Vec<_> = told.iter().map(|one| one.notice.subject.as_str()).collect();
        subjects.sort_unstable();
        assert_eq!(subjects, expected, "{kind}");
    }
    // The notices themselves, and what is told of the two, once, though a subscription asks for that, too.
    let sent = world.deliveries("mail").await;
    assert_eq!(sent.len(), made + 3);
    // Whoever runs the deployment hears of it as well: it may have been the tenant's only one.
    let told = world
        .sender
        .store
        .notices_after("operators", 0, 10)
        .await
        .unwrap();
    assert_eq!(told.len(), 3);
    assert!(told[0].notice.title.ends_with("(of tenant default)"), "{told:?}");
    assert!(sent.iter().all(|one| one.state == DeliveryState::Delivered));
}

#[rstest]
#[tokio::test]
async fn in_order_nothing_about_a_subject_passes_what_came_before_it(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world
        .receiver("erp", true, vec![passing(None), Outcome::Delivered])
        .await;
    for (cause, subject) in [("1", "x"), ("2", "x"), ("3", "y"), ("4", "x")] {
        world.notice(cause, subject).await;
    }
    for _ in 0..20 {
        world.send().await;
        world.later(TimeDelta::minutes(5));
    }
    let all = world.deliveries("erp").await;
    assert!(
        all.iter().all(|one| one.state == DeliveryState::Delivered),
        "{all:?}"
    );
    let of_x: Vec<_> = [0, 1, 3]
        .map(|place: usize| all[place].message_id.clone())
        .to_vec();
    let mut order = world.tries("erp");
    // The first try failed; the last try of each is the one that came there.
    order.remove(0);
    let arrived: Vec<_> = order.into_iter().filter(|id| of_x.contains(id)).collect();
    assert_eq!(arrived, of_x);
}

#[rstest]
#[tokio::test]
async fn what_a_process_leaves_behind_is_sent_by_another_when_its_lease_is_over(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("erp", false, Vec::new()).await;
    for number in 0..5 {
        world.notice(&number.to_string(), "x").await;
    }
    // Another process takes the receiver, begins its tries and dies.
    let store = Arc::clone(&world.sender.store);
    let held = store
        .hold_receivers("other", world.clock.now(), LEASE, 10)
        .await
        .unwrap();
    let begun = store
        .begin_tries(held[0], "other", world.clock.now(), 100)
        .await
        .unwrap()
        .unwrap()
        .pending;
    assert_eq!(begun.len(), 5);
    world.send().await;
    assert_eq!(world.tries("erp"), Vec::<String>::new());
    world.later(TimeDelta::from_std(LEASE).unwrap());
    world.send().await;
    let mut ids: Vec<_> = begun.into_iter().map(|one| one.message_id).collect();
    let mut tried = world.tries("erp");
    ids.sort_unstable();
    tried.sort_unstable();
    assert_eq!(tried, ids);
}
