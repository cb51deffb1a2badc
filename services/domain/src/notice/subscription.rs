//! Who is told what, and when.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{Notice, NoticeKind, NoticeSeverity, Parties};

/// A span of every day, in local time, in which nobody is disturbed. It may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    /// From this time on.
    pub from: NaiveTime,
    /// Up to this time, which is not quiet any more. The same as `from`: never quiet.
    pub to: NaiveTime,
}

impl QuietHours {
    fn holds(self, time: NaiveTime) -> bool {
        if self.from <= self.to {
            self.from <= time && time < self.to
        } else {
            time >= self.from || time < self.to
        }
    }
}

/// How often somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Rhythm {
    /// Of each notice by itself, as soon as there is one.
    AtOnce,
    /// Of all of a day together, at this local time.
    Daily(NaiveTime),
}

/// What somebody wants to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Only of these kinds; empty: of every kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<NoticeKind>,
    /// Only about one of these; where several lists are given, one of each. Empty lists ask for nobody.
    #[serde(default)]
    pub parties: Parties,
    /// Only what matters at least so much.
    pub least_severity: NoticeSeverity,
    /// At once, or once a day.
    pub rhythm: Rhythm,
    /// In which its times are.
    pub zone: Tz,
    /// What comes in them waits for their end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
}

impl Subscription {
    /// Whether it asks for a notice. A test is for the receiver that it was asked of, and for nobody else.
    #[must_use]
    pub fn asks_for(&self, notice: &Notice) -> bool {
        notice.kind != NoticeKind::Test
            && notice.severity >= self.least_severity
            && (self.kinds.is_empty() || self.kinds.contains(&notice.kind))
            && meets(&self.parties.importers, &notice.parties.importers)
            && meets(&self.parties.exporters, &notice.parties.exporters)
            && meets(&self.parties.certifiers, &notice.parties.certifiers)
    }

    /// When a notice that comes now is due: never before now.
    #[must_use]
    pub fn due(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let wanted = match self.rhythm {
            Rhythm::AtOnce => now,
            Rhythm::Daily(at) => next(self.zone, now, at),
        };
        match self.quiet_hours {
            Some(quiet) if quiet.holds(wanted.with_timezone(&self.zone).time()) => {
                next(self.zone, wanted, quiet.to)
            }
            _ => wanted,
        }
    }
}

fn meets<T: PartialEq>(asked: &[T], of: &[T]) -> bool {
    asked.is_empty() || of.iter().any(|one| asked.contains(one))
}

/// The first moment after `now` at which clocks of the zone show this time.
fn next(zone: Tz, now: DateTime<Utc>, time: NaiveTime) -> DateTime<Utc> {
    let today = now.with_timezone(&zone).date_naive();
    let days = (0..3).filter_map(|days| today.checked_add_days(Days::new(days)));
    days.map(|day| moment(zone, day, time))
        .find(|moment| *moment > now)
        // The calendar ends: then is never, and now is the best that is left.
        .unwrap_or(now)
}

/// When clocks of the zone show this; of two moments the first. Where they skip it, the moment of the skip.
fn moment(zone: Tz, day: NaiveDate, time: NaiveTime) -> DateTime<Utc> {
    let mut local: NaiveDateTime = day.and_time(time);
    // Clocks skip three hours at most, and in zones that changed sides of the date line a day.
    for _ in 0..=25 * 60 {
        if let Some(moment) = zone.from_local_datetime(&local).earliest() {
            return moment.to_utc();
        }
        local += TimeDelta::minutes(1);
    }
    local.and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn time(hour: u32, minute: u32) -> NaiveTime {
        NaiveTime::from_hms_opt(hour, minute, 0).unwrap()
    }

    fn subscription(rhythm: Rhythm, quiet_hours: Option<QuietHours>) -> Subscription {
        Subscription {
            kinds: Vec::new(),
            parties: Parties::default(),
            least_severity: NoticeSeverity::Information,
            rhythm,
            zone: chrono_tz::America::New_York,
            quiet_hours,
        }
    }

    fn notice(severity: NoticeSeverity) -> Notice {
        Notice {
            kind: NoticeKind::LinesRejected,
            severity,
            subject: "231-0000001-1".to_owned(),
            parties: Parties {
                importers: vec!["8150000001".parse().unwrap()],
                ..Parties::default()
            },
            occurred_at: at("2026-03-01T12:00:00Z"),
            title: String::new(),
            sentences: Vec::new(),
            to_do: Vec::new(),
        }
    }

    #[test]
    fn what_is_asked_for_is_of_the_kind_the_party_and_the_severity() {
        let mut wanted = subscription(Rhythm::AtOnce, None);
        assert!(wanted.asks_for(&notice(NoticeSeverity::Information)));
        wanted.least_severity = NoticeSeverity::Action;
        assert!(!wanted.asks_for(&notice(NoticeSeverity::Warning)));
        assert!(wanted.asks_for(&notice(NoticeSeverity::Action)));
        wanted.parties.importers = vec!["8150000002".parse().unwrap()];
        assert!(!wanted.asks_for(&notice(NoticeSeverity::Action)));
        wanted.parties.importers.push("8150000001".parse().unwrap());
        assert!(wanted.asks_for(&notice(NoticeSeverity::Action)));
        wanted.parties.certifiers = vec!["815".parse().unwrap()];
        assert!(!wanted.asks_for(&notice(NoticeSeverity::Action)));
        wanted.parties.certifiers.clear();
        wanted.kinds = vec![NoticeKind::CaseStep];
        assert!(!wanted.asks_for(&notice(NoticeSeverity::Action)));
        let mut test = notice(NoticeSeverity::Action);
        test.kind = NoticeKind::Test;
        assert!(!subscription(Rhythm::AtOnce, None).asks_for(&test));
    }

    #[test]
    fn a_digest_is_due_at_its_time_of_day_whatever_the_clocks_did() {
        let daily = subscription(Rhythm::Daily(time(7, 0)), None);
        for (now, due) in [
            ("2026-01-10T11:59:59Z", "2026-01-10T12:00:00Z"),
            // Exactly then, the next one is a day away.
            ("2026-01-10T12:00:00Z", "2026-01-11T12:00:00Z"),
            // In the night before clocks go forward, and the one before they go back.
            ("2026-03-07T23:00:00Z", "2026-03-08T11:00:00Z"),
            ("2026-10-31T23:00:00Z", "2026-11-01T12:00:00Z"),
            ("2024-02-28T13:00:00Z", "2024-02-29T12:00:00Z"),
        ] {
            assert_eq!(daily.due(at(now)), at(due), "{now}");
        }
    }

    #[test]
    fn a_time_that_clocks_skip_is_when_they_skip_it_and_of_two_the_first_counts() {
        let skipped = subscription(Rhythm::Daily(time(2, 30)), None);
        assert_eq!(
            skipped.due(at("2026-03-08T05:00:00Z")),
            at("2026-03-08T07:00:00Z")
        );
        let twice = subscription(Rhythm::Daily(time(1, 30)), None);
        assert_eq!(twice.due(at("2026-11-01T04:00:00Z")), at("2026-11-01T05:30:00Z"));
        assert_eq!(twice.due(at("2026-11-01T05:30:00Z")), at("2026-11-02T06:30:00Z"));
    }

    #[test]
    fn in_quiet_hours_nobody_is_disturbed() {
        let night = Some(QuietHours {
            from: time(22, 0),
            to: time(6, 30),
        });
        let at_once = subscription(Rhythm::AtOnce, night);
        for (now, due) in [
            ("2026-01-11T02:59:00Z", "2026-01-11T02:59:00Z"),
            ("2026-01-11T03:00:00Z", "2026-01-11T11:30:00Z"),
            ("2026-01-11T11:29:59Z", "2026-01-11T11:30:00Z"),
            ("2026-01-11T11:30:00Z", "2026-01-11T11:30:00Z"),
        ] {
            assert_eq!(at_once.due(at(now)), at(due), "{now}");
        }
        let in_the_night = subscription(Rhythm::Daily(time(23, 0)), night);
        assert_eq!(
            in_the_night.due(at("2026-01-10T20:00:00Z")),
            at("2026-01-11T11:30:00Z")
        );
        let never = Some(QuietHours {
            from: time(8, 0),
            to: time(8, 0),
        });
        assert_eq!(
            subscription(Rhythm::AtOnce, never).due(at("2026-01-10T13:00:00Z")),
            at("2026-01-10T13:00:00Z")
        );
    }
}
