//! What a new receiver gets unless somebody says otherwise.

use chrono::NaiveTime;
use nopic_domain::notice::{NoticeSeverity, Parties, Rhythm, Subscription};

use crate::convert::MAX_NAME;
use crate::store::NamedSubscription;

/// When the digest of a day comes, on the clocks of New York, by which CBP's days go.
const MORNING: Option<NaiveTime> = NaiveTime::from_hms_opt(7, 0, 0);

/// The usual subscriptions of a receiver: people are disturbed by what they must act on, and read the rest in the morning;
/// programs get everything at once.
pub(crate) fn usual(receiver: &str, is_for_people: bool) -> Vec<NamedSubscription> {
    let at_once = |what: &str, least_severity| named(receiver, what, least_severity, Rhythm::AtOnce);
    match MORNING {
        Some(morning) if is_for_people => vec![
            at_once("urgent", NoticeSeverity::Action),
            named(
                receiver,
                "daily",
                NoticeSeverity::Information,
                Rhythm::Daily(morning),
            ),
        ],
        _ => vec![at_once("all", NoticeSeverity::Information)],
    }
}

fn named(receiver: &str, what: &str, least_severity: NoticeSeverity, rhythm: Rhythm) -> NamedSubscription {
    // Names are ASCII.
    let begin: String = receiver
        .chars()
        .take(MAX_NAME.saturating_sub(what.len() + 1))
        .collect();
    NamedSubscription {
        name: format!("{begin}-{what}"),
        receiver: receiver.to_owned(),
        subscription: Subscription {
            kinds: Vec::new(),
            parties: Parties::default(),
            least_severity,
            rhythm,
            zone: chrono_tz::America::New_York,
            quiet_hours: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::name;

    #[test]
    fn names_of_the_usual_are_names() {
        for receiver in ["a".to_owned(), "a".repeat(MAX_NAME)] {
            for subscription in usual(&receiver, true).into_iter().chain(usual(&receiver, false)) {
                name("name", &subscription.name).unwrap();
                assert_eq!(subscription.receiver, receiver);
            }
        }
    }
}
