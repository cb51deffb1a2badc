//! What came of a batch of messages to one receiver, and what it tells of the receiver: pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use nopic_chassis::retry::Backoff;
use nopic_domain::notice::{Notice, NoticeKind, NoticeSeverity, Parties, ToDo};

use crate::channels::Outcome;
use crate::new_notice::{NewNotice, Whose};
use crate::store::{DeliveryState, Ended, HeldReceiver, Pending, ReceiverAfter, ReceiverState, Tried};

/// Pauses of a message, and of a receiver that fails: half a minute at first, six hours at last.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(30), Duration::from_secs(6 * 3600));
/// The same where this deployment is at fault: whoever mends it does not wait long for it to be noticed.
const OURS: Backoff = Backoff::new(Duration::from_secs(30), Duration::from_secs(600));
/// Batches with nothing but refusals, one after the other, before a receiver counts as one that takes nothing.
const REFUSALS: u32 = 3;
/// Whoever was left alone for so long between two failures has not failed all the time: twice the longest pause.
const SILENCE: TimeDelta = TimeDelta::hours(12);
/// Where all that is due waits for something earlier, so long nobody looks again.
const BLOCKED: Duration = Duration::from_secs(5);
/// Pauses up to this are waited for in a receiver's turn.
const SHORT: Duration = Duration::from_millis(500);
/// Of a receiver that has failed for so long its owner is told.
const FAILING_FOR_LONG: TimeDelta = TimeDelta::hours(24);
/// One that has failed for so long is paused, and its owner told: what it failed first is given up by then, for twice the
/// longest pause goes by behind its three days.
const GONE_FOR_LONG: TimeDelta = TimeDelta::hours(84);

/// A failure that is no one message's.
#[derive(Debug, Clone)]
struct Failure {
    why: String,
    retry_after: Option<Duration>,
    /// The receiver has too much to do.
    is_slow: bool,
    /// It is this deployment's, and says nothing of the receiver.
    is_ours: bool,
}

/// What came of a batch. Messages that were not tried are not in it: they are due as they were.
#[derive(Debug, Default)]
pub(super) struct Batch {
    tried: Vec<Tried>,
    succeeded: bool,
    failed: Option<Failure>,
    /// Why a message was refused for good: the last reason.
    refused: Option<String>,
    gone: Option<String>,
}

impl Batch {
    /// Whether no other message should be tried now.
    pub(super) fn is_over(&self) -> bool {
        self.failed.is_some() || self.gone.is_some()
    }

    /// Whether the message is through, one way or the other, so that others about its subject may follow.
    pub(super) fn take(&mut self, pending: &Pending, outcome: Outcome, now: DateTime<Utc>) -> bool {
        let tried = match outcome {
            Outcome::Delivered => {
                self.succeeded = true;
                Tried {
                    delivery: pending.id,
                    state: DeliveryState::Delivered,
                    next_attempt_at: now,
                    result: "delivered".to_owned(),
                }
            }
            Outcome::Refused { why } => {
                self.refused = Some(why.clone());
                dead(pending, why, now)
            }
            Outcome::Ours { why } => {
                let tried = later(pending, OURS, &why, now);
                self.failed.get_or_insert(Failure {
                    why,
                    retry_after: None,
                    is_slow: false,
                    is_ours: true,
                });
                tried
            }
            Outcome::Gone { why } => {
                self.gone = Some(why.clone());
                dead(pending, why, now)
            }
            Outcome::Passing {
                why,
                retry_after,
                slow_down,
            } => {
                let mut tried = later(pending, PAUSES, &why, now);
                if let Some(after) = retry_after {
                    tried.next_attempt_at = tried.next_attempt_at.max(now + delta(after));
                }
                let before = self.failed.as_ref();
                self.failed = Some(Failure {
                    why,
                    retry_after: before.and_then(|failed| failed.retry_after).max(retry_after),
                    is_slow: slow_down || before.is_some_and(|failed| failed.is_slow),
                    is_ours: false,
                });
                tried
            }
        };
        let is_through = tried.state != DeliveryState::Waiting;
        self.tried.push(tried);
        is_through
    }

    /// What is kept of it, and after what pause the receiver's turn goes on, where it does. `goes_on`: there is more to send
    /// to it, and time for it.
    pub(super) fn end(
        mut self,
        before: &HeldReceiver,
        goes_on: bool,
        (now, operators): (DateTime<Utc>, &str),
    ) -> (Ended, Option<Duration>) {
        let pause = self.pause(before);
        let goes_on = goes_on && !self.is_over() && pause <= SHORT;
        let mut after = self.after(before, now + delta(pause), now);
        after.is_kept = goes_on;
        let told = self.told(before, &after, operators, now);
        // In one order for whoever else holds rows of them.
        self.tried.sort_unstable_by_key(|tried| tried.delivery);
        let ended = Ended {
            rested_until: before.rests_until,
            tried: self.tried,
            after,
            told,
        };
        (ended, goes_on.then_some(pause))
    }

    /// What is told of the receiver: once of each time that it fails for long, for a second time has the same cause.
    fn told(
        &self,
        before: &HeldReceiver,
        after: &ReceiverAfter,
        operators: &str,
        now: DateTime<Utc>,
    ) -> Vec<NewNotice> {
        let name = &before.name;
        let since = after.failing_since.unwrap_or(now);
        let is_long = now - since >= FAILING_FOR_LONG;
        let last = match (&self.failed, &self.refused) {
            (Some(failed), _) if !failed.is_ours => Some(format!(
                "Every try since then failed, the last one so: {}",
                failed.why
            )),
            (None, Some(why)) if after.failures >= REFUSALS => {
                Some(format!("The last message was refused so: {why}"))
            }
            _ => None,
        };
        let (kind, words) = match (after.state, last) {
            (ReceiverState::Active, Some(last)) if is_long => (
                NoticeKind::ReceiverFailing,
                (
                    format!("Nothing has reached the receiver {name} for a day"),
                    format!(
                        "The first failed on {}. {last}",
                        since.format("%Y-%m-%d at %H:%M UTC")
                    ),
                    "Mend it: what waits for it is tried until it is three days old.".to_owned(),
                ),
            ),
            (ReceiverState::Active, _) => return Vec::new(),
            (ReceiverState::Paused | ReceiverState::Gone, _) => (
                NoticeKind::ReceiverPaused,
                (
                    format!("Nothing is sent to the receiver {name} any more"),
                    after.because.clone(),
                    format!(
                        "Mend it, then `nopic receiver resume {name}`; what waits for it is sent then, and what was given \
                         up by `nopic notice redeliver --receiver {name}`."
                    ),
                ),
            ),
        };
        by_other_ways(before, (since, now), kind, words, operators)
    }

    fn after(&self, before: &HeldReceiver, rests_until: DateTime<Utc>, now: DateTime<Utc>) -> ReceiverAfter {
        let mut after = ReceiverAfter {
            state: ReceiverState::Active,
            because: String::new(),
            failing_since: None,
            failures: 0,
            rests_until,
            is_kept: false,
        };
        if let Some(why) = &self.gone {
            after.state = ReceiverState::Gone;
            after.because.clone_from(why);
        } else if let Some(failed) = self.failed.as_ref().filter(|failed| failed.is_ours) {
            // Nothing is known of the receiver: whether it fails shows anew.
            after.failures = before.failures.saturating_add(1);
            after.because.clone_from(&failed.why);
            let rest = OURS.pause(after.failures);
            after.rests_until = after.rests_until.max(now + delta(rest));
            tracing::error!(
                receiver = before.id,
                why = failed.why,
                "nothing can be sent by this channel"
            );
        } else if let Some(failed) = &self.failed {
            let goes_on = !self.succeeded && now - before.rests_until < SILENCE;
            let since = before.failing_since.filter(|_| goes_on).unwrap_or(now);
            after.failing_since = Some(since);
            after.failures = if goes_on {
                before.failures.saturating_add(1)
            } else {
                1
            };
            let pause = PAUSES.pause(after.failures);
            let pause = if failed.is_slow { pause * 2 } else { pause };
            let rest = pause.max(failed.retry_after.unwrap_or_default());
            after.rests_until = after.rests_until.max(now + delta(rest));
            if now - since >= GONE_FOR_LONG {
                after.state = ReceiverState::Paused;
                after.because = format!(
                    "Every try since {} failed, the last one so: {}",
                    since.format("%Y-%m-%d %H:%M UTC"),
                    failed.why
                );
            }
        } else if let Some(why) = self.refused.as_ref().filter(|_| !self.succeeded) {
            // One refusal says nothing of what comes next; half a week of nothing else does.
            let since = before.failing_since.unwrap_or(now);
            after.failing_since = Some(since);
            after.failures = before.failures.saturating_add(1);
            if now - since >= GONE_FOR_LONG && after.failures >= REFUSALS {
                after.state = ReceiverState::Paused;
                after.because = format!(
                    "Nothing was taken since {}; the last message was refused so: {why}",
                    since.format("%Y-%m-%d %H:%M UTC")
                );
            }
        } else if !self.succeeded {
            // Nothing was tried.
            after.failing_since = before.failing_since;
            after.failures = before.failures;
        }
        after
    }

    /// How long the receiver is left alone where all went well.
    fn pause(&self, before: &HeldReceiver) -> Duration {
        let tried = u32::try_from(self.tried.len()).unwrap_or(u32::MAX);
        match (tried, before.per_minute) {
            (0, _) if before.ordered => BLOCKED,
            (_, 0) => Duration::ZERO,
            // A tenth longer: a batch may begin at the very end of a minute.
            (tried, a_minute) => Duration::from_secs_f64(f64::from(tried) * 66.0 / f64::from(a_minute)),
        }
    }
}

/// Something about a receiver that its owner is told by every other way; and the operators, because it may have been the
/// only one.
fn by_other_ways(
    receiver: &HeldReceiver,
    (since, now): (DateTime<Utc>, DateTime<Utc>),
    kind: NoticeKind,
    (title, sentence, what): (String, String, String),
    operators: &str,
) -> Vec<NewNotice> {
    let notice = Notice {
        kind,
        severity: NoticeSeverity::Action,
        subject: receiver.name.clone(),
        parties: Parties::default(),
        occurred_at: now,
        title,
        sentences: vec![sentence],
        to_do: vec![ToDo {
            who: "the owner of the receiver".to_owned(),
            what,
            by: None,
        }],
    };
    let cause = format!(
        "receiver/{}/{}/{}",
        receiver.id,
        since.timestamp_micros(),
        kind.as_str()
    );
    let told_to = |tenant: &str, notice: Notice| NewNotice {
        whose: Whose::ByOthers {
            tenant: tenant.to_owned(),
            than: receiver.id,
        },
        cause: cause.clone(),
        notice,
    };
    let mut told = vec![told_to(&receiver.tenant, notice.clone())];
    if receiver.tenant != operators {
        let title = format!("{} (of tenant {})", notice.title, receiver.tenant);
        told.push(told_to(operators, Notice { title, ..notice }));
    }
    told
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

fn dead(pending: &Pending, why: String, now: DateTime<Utc>) -> Tried {
    Tried {
        delivery: pending.id,
        state: DeliveryState::Dead,
        next_attempt_at: now,
        result: why,
    }
}

/// To be tried again, or given up where its time is over.
fn later(pending: &Pending, pauses: Backoff, why: &str, now: DateTime<Utc>) -> Tried {
    let next = now + delta(pauses.pause(pending.attempts));
    if next > pending.expires_at {
        return dead(
            pending,
            format!("Given up after 3 days; the last try: {why}"),
            now,
        );
    }
    Tried {
        delivery: pending.id,
        state: DeliveryState::Waiting,
        next_attempt_at: next,
        result: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;
