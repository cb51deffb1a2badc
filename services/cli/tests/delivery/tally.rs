//! What became of every notice.

use std::collections::BTreeMap;
use std::fmt;

use nopic_proto::notification::{Delivery, Receiver};

use crate::inbox::Inbox;
use crate::plan::{Manner, Plan};
use crate::source::subject;

/// The counts, and what should not be.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    delivered: usize,
    dead: usize,
    gone: usize,
    /// Posts of a notice beyond the first that was taken.
    duplicates: usize,
    posts: usize,
    /// Reasons of dead messages, each with its count.
    reasons: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Tally {
    pub(crate) fn of(inbox: &Inbox, receivers: &[Receiver], deliveries: &[Vec<Delivery>]) -> Self {
        let mut tally = Self {
            wrong: inbox.wrong(),
            ..Self::default()
        };
        for id in inbox.shared_ids() {
            tally.wrong.push(format!("several notices came as {id}"));
        }
        let came = inbox.came();
        let by_id: BTreeMap<&str, usize> = came
            .iter()
            .enumerate()
            .filter(|(_, came)| came.posts > 0)
            .map(|(notice, came)| (came.message_id.as_str(), notice))
            .collect();
        for (number, (receiver, deliveries)) in receivers.iter().zip(deliveries).enumerate() {
            // Of one that is gone its owner is told by whatever other way there is, which there is none here.
            let own = inbox.of_notice.iter().filter(|owner| **owner == number).count();
            if deliveries.len() != own {
                tally.wrong.push(format!(
                    "receiver {number} has {} messages of {own} notices",
                    deliveries.len()
                ));
            }
            tally.gone += usize::from(receiver.state == "GONE");
            let is_gone = matches!(inbox.manner(number), Manner::Leaves(_));
            let expected = if is_gone { "GONE" } else { "ACTIVE" };
            if receiver.state != expected {
                tally.wrong.push(format!(
                    "receiver {number} is {}: {}",
                    receiver.state, receiver.because
                ));
            }
            for delivery in deliveries {
                let notice = by_id.get(delivery.message_id.as_str()).copied();
                tally.delivery(
                    delivery,
                    notice,
                    notice.map_or(0, |notice| came[notice].taken),
                    inbox.manner(number),
                );
            }
        }
        for (notice, came) in came.iter().enumerate() {
            tally.posts += came.posts;
            tally.duplicates += came.taken.saturating_sub(1);
            let is_gone = matches!(inbox.manner(inbox.of_notice[notice]), Manner::Leaves(_));
            if came.posts == 0 && !is_gone {
                tally.wrong.push(format!("{} never came", subject(notice)));
            }
        }
        tally
    }

    fn delivery(&mut self, delivery: &Delivery, notice: Option<usize>, taken: usize, manner: Manner) {
        let mut wrong = |why: &str| {
            self.wrong
                .push(format!("{why}: {delivery:?} to one that {manner:?}"))
        };
        match (delivery.state.as_str(), manner) {
            ("DELIVERED", _) => {
                if taken == 0 {
                    wrong("nobody has what was delivered");
                }
                self.delivered += 1;
            }
            ("DEAD", Manner::Refuses | Manner::Leaves(_)) => {
                let is_refused = matches!(manner, Manner::Leaves(_)) || notice.is_some_and(Plan::is_refused);
                if !is_refused || delivery.last_result.is_empty() {
                    wrong("given up without a reason");
                }
                self.dead += 1;
                *self.reasons.entry(reason(&delivery.last_result)).or_default() += 1;
            }
            _ => wrong("it should not end so"),
        }
    }

    pub(crate) fn check(&self) {
        assert!(
            self.wrong.is_empty(),
            "{} things are wrong, the first: {:#?}",
            self.wrong.len(),
            &self.wrong[..self.wrong.len().min(10)]
        );
    }
}

/// Without the address.
fn reason(sentence: &str) -> String {
    sentence
        .split(' ')
        .filter(|word| !word.starts_with("127."))
        .collect::<Vec<_>>()
        .join(" ")
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} delivered, {} dead {:?}, {} receivers are gone; {} posts, {} duplicates, all under the same id; {} wrong",
            self.delivered,
            self.dead,
            self.reasons,
            self.gone,
            self.posts,
            self.duplicates,
            self.wrong.len()
        )
    }
}
