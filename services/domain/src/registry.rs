//! What the Organic INTEGRITY Database says about an operation, and the status that follows on a date.
//!
//! Snapshots make [`Observation`]s; [`Timeline::resolve`] folds them, newest knowledge first, into the one answer
//! for every date (RULES, "Status on a date").

use serde::{Deserialize, Serialize};

use crate::date::Date;

/// Status of an operation or of one of its scopes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// The only status that supports an import.
    Certified,
    /// A newer full snapshot no longer lists the operation.
    Unlisted,
    /// Any other text of the database, trimmed, as it stands. Never counts as certified.
    Other(String),
}

impl Status {
    /// Reads a status text: trimmed and compared whole, without regard to case. `None` for an empty one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            None
        } else if text.eq_ignore_ascii_case("certified") {
            Some(Self::Certified)
        } else {
            Some(Self::Other(canonical(text)))
        }
    }

    /// Reads a scope cell: a status text, or `True` (certified) or `False` (not certified). `None`: says nothing.
    #[must_use]
    pub fn parse_scope(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("true") {
            Some(Self::Certified)
        } else if text.eq_ignore_ascii_case("false") {
            Some(Self::Other("Not certified".to_owned()))
        } else {
            Self::parse(text)
        }
    }

    /// The text shown to people.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Certified => "Certified",
            Self::Unlisted => "Unlisted",
            Self::Other(text) => text,
        }
    }

    /// The status that [`Status::as_str`] printed.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        match text {
            "Certified" => Self::Certified,
            "Unlisted" => Self::Unlisted,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// The statuses of the data dictionary in its own spelling; any other text stays as it is.
fn canonical(text: &str) -> String {
    const KNOWN: [&str; 7] = [
        "Surrendered",
        "Suspended",
        "Revoked",
        "Transitional",
        "Denied Certification",
        "Withdrew with NONC",
        "Withdrew from Transitional",
    ];
    KNOWN
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(text))
        // Our own word for absence must not be forged by a cell of the database.
        .or_else(|| {
            text.eq_ignore_ascii_case("unlisted")
                .then_some("Unlisted (as stated)")
        })
        .unwrap_or(text)
        .to_owned()
}

words! {
    /// The four scopes of an organic certificate.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum Scope {
        /// `opSC_CR`.
        Crops = "CROPS",
        /// `opSC_LS`.
        Livestock = "LIVESTOCK",
        /// `opSC_WC`.
        WildCrops = "WILD_CROPS",
        /// `opSC_HANDLING`: what an importer needs.
        Handling = "HANDLING",
    }
}

impl Scope {
    /// Column of the scope's status; its date stands in the column of this name with `_ED` behind it.
    #[must_use]
    pub const fn column(self) -> &'static str {
        match self {
            Self::Crops => "opSC_CR",
            Self::Livestock => "opSC_LS",
            Self::WildCrops => "opSC_WC",
            Self::Handling => "opSC_HANDLING",
        }
    }
}

/// A status and the date from which it is stated.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dated {
    /// The status.
    pub status: Status,
    /// The first day of it; absent where the source gives none (what that means depends on the place).
    pub from: Option<Date>,
}

/// What one row of a snapshot states about an operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Statement {
    /// Status of the operation; without a date, from the publication date of the snapshot on.
    pub status: Dated,
    /// Scopes in the order of [`Scope::ALL`]; `None`: the cell was blank, it says nothing. A scope without a date
    /// of its own holds from the operation's effective date on.
    pub scopes: [Option<Dated>; 4],
}

/// What one snapshot says about one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// The snapshot lists it so.
    Listed(Statement),
    /// Its row was refused: it is there, but says nothing that can be read.
    Refused,
    /// A full snapshot that does not list it.
    Absent,
}

/// A status that holds from a date on, until the next one of its timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// First day.
    pub from: Date,
    /// The status from that day on.
    pub status: Status,
}

/// All that is known of an operation at one revision: status and scopes for every date.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// Rising by date; nothing is known before the first.
    pub status: Vec<Segment>,
    /// The same for each scope, in the order of [`Scope::ALL`]; empty: never stated.
    pub scopes: [Vec<Segment>; 4],
}

/// What a timeline says about one date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusOnDate<'a> {
    /// Listed, with this status.
    Known(&'a Status),
    /// Listed at some time, but no snapshot says anything about the date.
    Unknown,
}

impl Timeline {
    /// Folds the observations of the snapshots that a revision holds. They come oldest first, in the order of their
    /// publication dates (and of their revisions where those are equal).
    ///
    /// `None` if no snapshot ever listed the operation.
    #[must_use]
    pub fn resolve<'a>(observations: impl IntoIterator<Item = (Date, &'a Observation)>) -> Option<Self> {
        observations
            .into_iter()
            .fold(None, |known, (published, observation)| {
                Self::after(known, published, observation)
            })
    }

    /// What is known once one more observation, newer than all before it, is counted too: so that a new snapshot
    /// costs only what it changed. `None`: no snapshot ever listed the operation.
    #[must_use]
    pub fn after(known: Option<Self>, published: Date, observation: &Observation) -> Option<Self> {
        match observation {
            Observation::Refused => Some(known.unwrap_or_default()),
            Observation::Absent => known.map(|mut timeline| {
                push(&mut timeline.status, published, &Status::Unlisted);
                timeline
            }),
            Observation::Listed(statement) => {
                let mut timeline = known.unwrap_or_default();
                let effective = statement.status.from.unwrap_or(published);
                push(&mut timeline.status, effective, &statement.status.status);
                for (segments, scope) in timeline.scopes.iter_mut().zip(&statement.scopes) {
                    if let Some(scope) = scope {
                        push(segments, scope.from.unwrap_or(effective), &scope.status);
                    }
                }
                Some(timeline)
            }
        }
    }

    /// The status on a date.
    #[must_use]
    pub fn status_on(&self, date: Date) -> StatusOnDate<'_> {
        at(&self.status, date).map_or(StatusOnDate::Unknown, StatusOnDate::Known)
    }

    /// Whether the operation is certified on a date: a yes only from knowledge.
    #[must_use]
    pub fn is_certified_on(&self, date: Date) -> bool {
        self.status_on(date) == StatusOnDate::Known(&Status::Certified)
    }

    /// The status of a scope on a date; `None` where no snapshot says anything about that date.
    #[must_use]
    pub fn scope_on(&self, scope: Scope, date: Date) -> Option<&Status> {
        at(&self.scopes[scope as usize], date)
    }

    /// Whether any snapshot ever stated the scope.
    #[must_use]
    pub fn ever_stated(&self, scope: Scope) -> bool {
        !self.scopes[scope as usize].is_empty()
    }
}

/// Newer knowledge covers every date from its own on, so it replaces what was known of those.
fn push(segments: &mut Vec<Segment>, from: Date, status: &Status) {
    segments.truncate(segments.partition_point(|segment| segment.from < from));
    if segments.last().is_none_or(|last| last.status != *status) {
        segments.push(Segment {
            from,
            status: status.clone(),
        });
    }
}

fn at(segments: &[Segment], date: Date) -> Option<&Status> {
    let after = segments.partition_point(|segment| segment.from <= date);
    after.checked_sub(1).map(|index| &segments[index].status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(number: u16) -> Date {
        Date::from_ymd_opt(2024, 1, 1).unwrap() + chrono::Days::new(u64::from(number))
    }

    /// RULES.md word for word: ask the snapshots from the newest to the oldest; the first that says something about
    /// the date decides.
    fn naive(
        observations: &[(Date, Observation)],
        scope: Option<usize>,
        date: Date,
    ) -> Option<Option<Status>> {
        let ever = observations
            .iter()
            .any(|(_, observation)| matches!(observation, Observation::Listed(_) | Observation::Refused));
        if !ever {
            return None;
        }
        for (index, (published, observation)) in observations.iter().enumerate().rev() {
            match observation {
                Observation::Refused => {}
                Observation::Absent => {
                    let older_listed = observations[..index]
                        .iter()
                        .any(|(_, older)| matches!(older, Observation::Listed(_) | Observation::Refused));
                    if scope.is_none() && older_listed && date >= *published {
                        return Some(Some(Status::Unlisted));
                    }
                }
                Observation::Listed(statement) => {
                    let effective = statement.status.from.unwrap_or(*published);
                    let said = match scope {
                        None => Some((effective, &statement.status.status)),
                        Some(scope) => statement.scopes[scope]
                            .as_ref()
                            .map(|dated| (dated.from.unwrap_or(effective), &dated.status)),
                    };
                    if let Some((from, status)) = said
                        && date >= from
                    {
                        return Some(Some(status.clone()));
                    }
                }
            }
        }
        Some(None)
    }

    fn dated() -> impl Strategy<Value = Dated> {
        let status = prop_oneof![
            Just(Status::Certified),
            Just(Status::Other("Suspended".into())),
            Just(Status::Other("Surrendered".into())),
        ];
        (status, proptest::option::of(0u16..40)).prop_map(|(status, from)| Dated {
            status,
            from: from.map(day),
        })
    }

    fn observation() -> impl Strategy<Value = Observation> {
        let scope = || proptest::option::of(dated());
        prop_oneof![
            6 => (dated(), [scope(), scope(), scope(), scope()])
                .prop_map(|(status, scopes)| Observation::Listed(Statement { status, scopes })),
            1 => Just(Observation::Refused),
            3 => Just(Observation::Absent),
        ]
    }

    proptest! {
        #[test]
        fn the_timeline_says_what_the_naive_model_says(
            mut observations in proptest::collection::vec((0u16..40, observation()), 0..12)
        ) {
            observations.sort_by_key(|(published, _)| *published);
            let observations: Vec<_> = observations
                .into_iter()
                .map(|(published, observation)| (day(published), observation))
                .collect();
            let timeline = Timeline::resolve(observations.iter().map(|(published, o)| (*published, o)));
            for number in 0..45 {
                let date = day(number);
                let expected = naive(&observations, None, date);
                let found = timeline.as_ref().map(|timeline| match timeline.status_on(date) {
                    StatusOnDate::Known(status) => Some(status.clone()),
                    StatusOnDate::Unknown => None,
                });
                prop_assert_eq!(found, expected);
                for (index, scope) in Scope::ALL.into_iter().enumerate() {
                    let expected = naive(&observations, Some(index), date);
                    let found = timeline.as_ref().map(|timeline| timeline.scope_on(scope, date).cloned());
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }

    #[test]
    fn a_status_is_compared_whole() {
        assert_eq!(Status::parse(" CERTIFIED\u{a0}"), Some(Status::Certified));
        assert_eq!(
            Status::parse("Applied; APEDA certified"),
            Some(Status::Other("Applied; APEDA certified".into()))
        );
        assert_eq!(
            Status::parse("suspended"),
            Some(Status::Other("Suspended".into()))
        );
        assert_eq!(Status::parse("  "), None);
        assert_eq!(Status::parse_scope("True"), Some(Status::Certified));
        assert_ne!(Status::parse_scope("false"), Some(Status::Certified));
        assert_ne!(Status::parse("unlisted"), Some(Status::Unlisted));
    }

    #[test]
    fn a_withdrawn_suspension_takes_effect_for_the_past() {
        let listed = |status: &str, from: u16| {
            Observation::Listed(Statement {
                status: Dated {
                    status: Status::parse(status).unwrap(),
                    from: Some(day(from)),
                },
                scopes: [None, None, None, None],
            })
        };
        let observations = [
            (day(0), listed("Certified", 0)),
            (day(20), listed("Suspended", 10)),
            (day(30), listed("Certified", 0)),
        ];
        let as_of = |count: usize| {
            Timeline::resolve(observations[..count].iter().map(|(published, o)| (*published, o))).unwrap()
        };
        assert!(!as_of(2).is_certified_on(day(15)));
        assert!(as_of(3).is_certified_on(day(15)));
    }
}
