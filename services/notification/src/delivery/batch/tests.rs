//! What a history of batches makes of a receiver.

use nopic_domain::notice::Notice;

use super::*;

const HOUR: i64 = 3600;

/// A receiver through time, with one message a batch.
struct History {
    receiver: HeldReceiver,
    now: DateTime<Utc>,
    after: Option<ReceiverAfter>,
}

impl History {
    fn new() -> Self {
        let now = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
        Self {
            receiver: HeldReceiver {
                id: 1,
                tenant: "broker".to_owned(),
                name: "hook".to_owned(),
                channel: "webhook".to_owned(),
                settings: "{}".to_owned(),
                secrets: Vec::new(),
                ordered: false,
                per_minute: 0,
                failing_since: None,
                failures: 0,
                rests_until: now,
            },
            now,
            after: None,
        }
    }

    fn later(&mut self, seconds: i64) {
        self.now += TimeDelta::seconds(seconds);
    }

    /// One batch with these outcomes; what is known of the receiver then.
    fn batch(&mut self, outcomes: Vec<Outcome>) -> &ReceiverAfter {
        let mut batch = Batch::default();
        for (id, outcome) in (1..).zip(outcomes) {
            let pending = Pending {
                id,
                message_id: format!("msg_{id}"),
                subject: String::new(),
                is_digest: false,
                notices: Ok(Vec::<Notice>::new()),
                attempts: 1,
                created_at: self.now,
                expires_at: self.now + TimeDelta::days(3),
            };
            batch.take(&pending, outcome, self.now);
        }
        let (ended, _) = batch.end(&self.receiver, false, (self.now, "operators"));
        let after = self.after.insert(ended.after);
        self.receiver.failing_since = after.failing_since;
        self.receiver.failures = after.failures;
        self.receiver.rests_until = after.rests_until;
        after
    }

    /// Fails as soon as it is tried again, for so long; the state at the end.
    fn fails_for(&mut self, seconds: i64, outcome: fn() -> Outcome) -> ReceiverState {
        let end = self.now + TimeDelta::seconds(seconds);
        loop {
            let after = self.batch(vec![outcome()]);
            let (state, rests_until) = (after.state, after.rests_until);
            if state != ReceiverState::Active || rests_until >= end {
                return state;
            }
            self.now = rests_until.max(self.now + TimeDelta::seconds(60));
        }
    }
}

fn passing() -> Outcome {
    Outcome::Passing {
        why: "no answer".to_owned(),
        retry_after: None,
        slow_down: false,
    }
}

fn refused() -> Outcome {
    Outcome::Refused {
        why: "400".to_owned(),
    }
}

fn ours() -> Outcome {
    Outcome::Ours {
        why: "no mail server".to_owned(),
    }
}

#[test]
fn one_that_fails_or_refuses_all_for_half_a_week_is_paused_and_not_before() {
    let mut history = History::new();
    assert_eq!(history.fails_for(78 * HOUR, passing), ReceiverState::Active);
    assert_eq!(history.fails_for(24 * HOUR, passing), ReceiverState::Paused);
    let mut refusing = History::new();
    assert_eq!(refusing.fails_for(83 * HOUR, refused), ReceiverState::Active);
    assert_eq!(refusing.fails_for(2 * HOUR, refused), ReceiverState::Paused);
}

#[test]
fn one_that_was_not_tried_for_long_begins_to_fail_anew() {
    for first in [refused, passing] {
        let mut history = History::new();
        history.batch(vec![first()]);
        history.later(30 * HOUR);
        let after = history.batch(vec![passing()]).clone();
        assert_eq!(after.state, ReceiverState::Active, "{after:?}");
        assert_eq!((after.failing_since, after.failures), (Some(history.now), 1));
    }
}

#[test]
fn daily_refusals_pause_a_receiver_at_the_fifth() {
    let mut history = History::new();
    for day in 1..=5 {
        let state = history.batch(vec![refused()]).state;
        assert_eq!(state == ReceiverState::Paused, day == 5);
        history.later(24 * HOUR);
    }
}

#[test]
fn a_refusal_behind_a_day_of_failures_pauses_nobody() {
    let mut history = History::new();
    assert_eq!(history.fails_for(25 * HOUR, passing), ReceiverState::Active);
    assert_eq!(history.batch(vec![refused()]).state, ReceiverState::Active);
}

#[test]
fn what_arrives_ends_a_failure_whoever_is_at_fault_for_the_rest() {
    for rest in [ours, passing, refused] {
        let mut history = History::new();
        assert_eq!(history.fails_for(20 * HOUR, passing), ReceiverState::Active);
        history.now = history.receiver.rests_until;
        let after = history.batch(vec![Outcome::Delivered, rest()]).clone();
        assert_eq!(after.state, ReceiverState::Active, "{after:?}");
        assert!(
            after.failing_since.is_none_or(|since| since == history.now),
            "{after:?}"
        );
    }
}

#[test]
fn what_is_our_fault_pauses_nobody() {
    let mut history = History::new();
    history.batch(vec![passing()]);
    assert_eq!(history.fails_for(96 * HOUR, ours), ReceiverState::Active);
    assert_eq!(history.receiver.failing_since, None);
    assert_eq!(history.batch(vec![passing()]).state, ReceiverState::Active);
}
