//! Spans of time: where nobody holds the goods, and where two do.
//!
//! Days have no hour, so a step has a span that it may cover (from the begin of its first day to the end of its last)
//! and a span that it surely covers (from the end of its first day to the begin of its last). A gap is where no step
//! can have been, a contradiction where two surely were.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Point;

type Moment = DateTime<Utc>;

/// The time of one step, and who it is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'a> {
    /// Absent: nobody knows.
    pub(super) from: Option<Point>,
    /// Absent: nobody knows, or still.
    pub(super) to: Option<Point>,
    /// Tells parties apart.
    pub(super) who: &'a str,
}

/// The time within which all spans lie and which none of them can have covered, in order.
pub(super) fn holes(spans: &[Span<'_>]) -> Vec<(Moment, Moment)> {
    let mut possible: Vec<(Moment, Moment)> = spans
        .iter()
        .map(|span| {
            (
                span.from.map_or(Moment::MIN_UTC, Point::earliest),
                span.to.map_or(Moment::MAX_UTC, Point::latest),
            )
        })
        .collect();
    possible.sort_unstable();
    let mut holes = Vec::new();
    let mut covered_to: Option<Moment> = None;
    for (from, to) in possible {
        if let Some(end) = covered_to
            && end < from
        {
            holes.push((end, from));
        }
        covered_to = covered_to.max(Some(to));
    }
    holes
}

/// A time at which several parties surely had what only one can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clash<'a> {
    pub(super) from: Moment,
    pub(super) to: Moment,
    /// In their order.
    pub(super) parties: Vec<&'a str>,
}

/// Every such time, in order; each with the same parties from its begin to its end.
pub(super) fn clashes<'a>(spans: &[Span<'a>]) -> Vec<Clash<'a>> {
    let mut changes: BTreeMap<Moment, Vec<(&'a str, i32)>> = BTreeMap::new();
    for span in spans {
        let (Some(from), Some(to)) = (span.from, span.to) else {
            continue;
        };
        let (from, to) = (from.latest(), to.earliest());
        if from < to {
            changes.entry(from).or_default().push((span.who, 1));
            changes.entry(to).or_default().push((span.who, -1));
        }
    }
    let mut holding: BTreeMap<&'a str, i32> = BTreeMap::new();
    let mut found: Vec<Clash<'a>> = Vec::new();
    let mut since: Option<Moment> = None;
    for (moment, changed) in changes {
        if let Some(from) = since.filter(|_| holding.len() > 1) {
            let parties: Vec<&str> = holding.keys().copied().collect();
            match found.last_mut() {
                Some(last) if last.to == from && last.parties == parties => last.to = moment,
                _ => found.push(Clash {
                    from,
                    to: moment,
                    parties,
                }),
            }
        }
        for (who, change) in changed {
            let count = holding.entry(who).or_default();
            *count += change;
            if *count == 0 {
                holding.remove(who);
            }
        }
        since = Some(moment);
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    const PARTIES: [&str; 3] = ["a", "b", "c"];

    fn midnight() -> Moment {
        "2024-02-27T00:00:00Z".parse().unwrap()
    }

    fn at(hour: i64) -> Moment {
        midnight() + TimeDelta::hours(hour)
    }

    /// What the model has instead of a point: the first and the last hour that it can mean.
    fn point() -> impl Strategy<Value = (Point, i64, i64)> {
        // Over the leap day, and its midnights.
        prop_oneof![
            (0i64..6).prop_map(|day| {
                let date = at(day * 24).date_naive();
                (Point::Day(date), day * 24, day * 24 + 24)
            }),
            (0i64..144).prop_map(|hour| (Point::Moment(at(hour)), hour, hour)),
        ]
    }

    type End = Option<(Point, i64, i64)>;

    fn ends() -> impl Strategy<Value = (End, End, usize)> {
        (
            proptest::option::weighted(0.9, point()),
            proptest::option::weighted(0.9, point()),
            0usize..PARTIES.len(),
        )
            .prop_filter("it does not end before it begins", |(from, to, _)| {
                match (from, to) {
                    (Some((_, earliest, _)), Some((_, _, latest))) => earliest <= latest,
                    _ => true,
                }
            })
    }

    proptest! {
        /// The model looks at every hour for itself.
        #[test]
        fn holes_and_clashes_are_those_of_a_model_of_hours(ends in proptest::collection::vec(ends(), 0..7)) {
            let spans: Vec<Span<'_>> = ends
                .iter()
                .map(|(from, to, who)| Span {
                    from: from.map(|(point, ..)| point),
                    to: to.map(|(point, ..)| point),
                    who: PARTIES[*who],
                })
                .collect();
            let may_begin = |from: &End| from.map_or(i64::MIN, |(_, earliest, _)| earliest);
            let may_end = |to: &End| to.map_or(i64::MAX, |(_, _, latest)| latest);
            let mut empty = BTreeSet::new();
            let mut doubled = BTreeMap::new();
            for hour in -1i64..146 {
                let covered = ends.iter().any(|(from, to, _)| may_begin(from) <= hour && hour < may_end(to));
                let before = ends.iter().any(|(from, ..)| may_begin(from) <= hour);
                let after = ends.iter().any(|(from, ..)| may_begin(from) > hour);
                if !covered && before && after {
                    empty.insert(hour);
                }
                let sure: BTreeSet<&str> = ends
                    .iter()
                    .filter(|(from, to, _)| match (from, to) {
                        (Some((_, _, latest)), Some((_, earliest, _))) => *latest <= hour && hour < *earliest,
                        _ => false,
                    })
                    .map(|(_, _, who)| PARTIES[*who])
                    .collect();
                if sure.len() > 1 {
                    doubled.insert(hour, sure.into_iter().collect::<Vec<_>>());
                }
            }
            let hours = |from: Moment, to: Moment| {
                (from - midnight()).num_hours()..(to - midnight()).num_hours()
            };
            let found: Vec<(Moment, Moment)> = holes(&spans);
            prop_assert!(found.windows(2).all(|pair| pair[0].1 <= pair[1].0));
            let found: BTreeSet<i64> = found.into_iter().flat_map(|(from, to)| hours(from, to)).collect();
            prop_assert_eq!(found, empty);
            let found = clashes(&spans);
            let is_apart = |pair: &[Clash<'_>]| {
                pair[0].to < pair[1].from || (pair[0].to == pair[1].from && pair[0].parties != pair[1].parties)
            };
            prop_assert!(found.windows(2).all(is_apart));
            let found: BTreeMap<i64, Vec<&str>> = found
                .into_iter()
                .flat_map(|clash| hours(clash.from, clash.to).map(move |hour| (hour, clash.parties.clone())))
                .collect();
            prop_assert_eq!(found, doubled);
        }
    }
}
