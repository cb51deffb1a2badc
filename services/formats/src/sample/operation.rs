//! Operations: who they are, and what each of the three publications says about them.

use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::names::{self, Language};
use super::places::{self, Country};
use super::random::{Draw, Stream, generator, mixed};

/// The days on which the three exports of the sample are published.
pub const PUBLICATIONS: [Date; 3] = [day(2024, 3, 1), day(2024, 9, 30), day(2026, 3, 1)];

/// A day that exists.
pub(super) const fn day(year: i32, month: u32, day: u32) -> Date {
    match Date::from_ymd_opt(year, month, day) {
        Some(date) => date,
        None => panic!("a day of the calendar"),
    }
}

/// The day so many days later.
pub(super) fn later(date: Date, days: u32) -> Date {
    date + chrono::Days::new(u64::from(days))
}

/// The day so many days earlier.
pub(super) fn earlier(date: Date, days: u32) -> Date {
    date - chrono::Days::new(u64::from(days))
}

/// What an operation does in the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A handler in the United States that imports.
    Importer,
    /// An operation abroad that exports.
    Exporter,
    /// A farm or business in the United States that neither imports nor exports.
    Domestic,
}

/// What happens to an operation; numbers are of publications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum History {
    /// Certified all along.
    Steady,
    /// Listed from this publication on.
    NewAt(usize),
    /// No longer listed from this publication on.
    UnlistedFrom(usize),
    /// Another status from this publication on; certified again from the last one on if so said.
    Lost {
        at: usize,
        status: &'static str,
        is_reinstated: bool,
    },
    /// Certified, but this publication corrects the date.
    Corrected(usize),
    /// Never certified.
    Never(&'static str),
}

/// What everything else depends on; cheap to make.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    pub(super) nop_id: NopId,
    pub(super) role: Role,
    pub(super) country: &'static Country,
    pub(super) certifier: u32,
    certified_since: Date,
    history: History,
}

/// What one publication says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleState {
    /// The status text.
    pub status: &'static str,
    /// Its effective date.
    pub effective: Date,
}

/// How many operations there can be: as many as a certifier's seven digits tell apart.
pub(super) const MOST_OPERATIONS: u32 = 10_000_000;

impl Facts {
    /// The operation of this index; every tenth is an importer, four of ten export.
    pub(super) fn new(seed: u64, index: u32) -> Self {
        let mut rng = generator(seed, Stream::Operation, u64::from(index));
        let role = match index % 10 {
            0 => Role::Importer,
            1..=4 => Role::Exporter,
            _ => Role::Domestic,
        };
        let country = if role == Role::Exporter {
            foreign_country(&mut rng)
        } else {
            &places::UNITED_STATES
        };
        // The smaller of two draws: some certifiers have many operations, most have few.
        let certifier = rng
            .random_range(0..places::CERTIFIERS)
            .min(rng.random_range(0..places::CERTIFIERS));
        // The factor ends in 1, so it has no divisor in common with 10^7: no two operations get one number.
        let number = (u64::from(index) * 7_654_321 + mixed(seed) % 10_000_000) % 10_000_000;
        let nop_id = u64::from(places::certifier_prefix(certifier)) * 10_000_000 + number;
        let certified_since = later(day(2003, 1, 1), rng.random_range(0..7_300));
        Self {
            // Three digits before seven.
            nop_id: NopId::from_number(nop_id).unwrap_or_else(|| unreachable!("ten digits")),
            role,
            country,
            certifier,
            certified_since,
            history: history(&mut rng),
        }
    }

    /// Whether the operation is certified on every day of the sample, and every publication says so.
    pub(super) fn is_steady(&self) -> bool {
        self.history == History::Steady
    }

    /// What a publication says; absent: it does not list the operation.
    pub(super) fn state(&self, publication: usize) -> Option<SampleState> {
        let certified = |effective| SampleState {
            status: "Certified",
            effective,
        };
        let steady = certified(self.certified_since);
        // Some weeks before the publication that tells of it.
        let lag = 5 + u32::try_from(self.nop_id.number() % 50).unwrap_or(0);
        let effective = |at: usize| earlier(PUBLICATIONS[at], lag);
        match self.history {
            History::Steady => Some(steady),
            History::NewAt(at) => (publication >= at).then(|| certified(effective(at))),
            History::UnlistedFrom(at) => (publication < at).then_some(steady),
            History::Lost {
                at,
                status,
                is_reinstated,
            } => Some(if publication < at {
                steady
            } else if is_reinstated && publication == PUBLICATIONS.len() - 1 && publication > at {
                certified(effective(publication))
            } else {
                SampleState {
                    status,
                    effective: effective(at),
                }
            }),
            History::Corrected(at) if publication >= at => Some(certified(later(self.certified_since, lag))),
            History::Corrected(_) => Some(steady),
            History::Never(status) => Some(SampleState {
                status,
                effective: self.certified_since,
            }),
        }
    }
}

fn foreign_country(rng: &mut ChaCha8Rng) -> &'static Country {
    let total: u32 = places::FOREIGN.iter().map(|country| country.weight).sum();
    let mut place = rng.random_range(0..total);
    for country in &places::FOREIGN {
        if place < country.weight {
            return country;
        }
        place -= country.weight;
    }
    // Not reached: the place is below the sum of the weights.
    &places::FOREIGN[0]
}

fn history(rng: &mut ChaCha8Rng) -> History {
    let at = rng.random_range(1..PUBLICATIONS.len());
    let lost = |status, is_reinstated| History::Lost {
        at,
        status,
        is_reinstated,
    };
    match rng.random_range(0..1000) {
        // Less than 5 % of the statuses change between two publications, or an import would rightly be held.
        0..890 => History::Steady,
        890..910 => History::NewAt(at),
        910..920 => History::UnlistedFrom(at),
        920..932 => lost("Suspended", false),
        932..942 => lost("Suspended", true),
        942..958 => lost("Surrendered", false),
        958..962 => lost("Revoked", false),
        962..972 => History::Corrected(at),
        972..984 => History::Never("Transitional"),
        984..988 => History::Never("Denied Certification"),
        988..992 => History::Never("Withdrew with NONC"),
        992..996 => History::Never("Withdrew from Transitional"),
        // As met in old exports: any text can stand there.
        _ => History::Never("Applied; certified under another standard"),
    }
}

/// One operation with all that its rows show.
#[derive(Debug, Clone)]
pub struct SampleOperation {
    /// The key.
    pub nop_id: NopId,
    /// What it does in the sample.
    pub role: Role,
    /// Name of its certifier.
    pub certifier: String,
    /// Its name.
    pub name: String,
    /// Other names as the database writes them, `;` between them; mostly empty.
    pub other_names: String,
    /// First and last name of the contact.
    pub contact: (String, String),
    /// Country as the database writes it.
    pub country: &'static str,
    /// ISO 3166 alpha-2.
    pub country_code: &'static str,
    /// Street and number.
    pub street: String,
    /// City.
    pub city: String,
    /// U.S. state by its letters; empty abroad.
    pub state: &'static str,
    /// Postal code.
    pub zip: String,
    /// Products, some words each.
    pub products: Vec<&'static str>,
    /// Since when it is certified, if it ever was.
    pub certified_since: Date,
    /// What each of [`PUBLICATIONS`] says of it.
    pub states: [Option<SampleState>; 3],
}

impl SampleOperation {
    /// The operation of this index, always the same for one seed.
    #[must_use]
    pub fn new(seed: u64, index: u32) -> Self {
        let facts = Facts::new(seed, index);
        let mut rng = generator(seed, Stream::OperationText, u64::from(index));
        let language = facts.country.language;
        let words = language.words();
        let name = names::operation(language, &mut rng);
        let state = if facts.country.code == "US" {
            rng.one_of(&places::STATES)
        } else {
            ""
        };
        let street_name = names::family(words, &mut rng);
        let house = rng.random_range(1..9_900);
        let street = if language == Language::English {
            format!("{house} {street_name} Road")
        } else {
            format!("{street_name} {house}")
        };
        Self {
            nop_id: facts.nop_id,
            role: facts.role,
            certifier: places::certifier_name(facts.certifier),
            other_names: names::other_names(language, &name, &mut rng),
            contact: (rng.one_of(words.given).to_owned(), names::family(words, &mut rng)),
            country: facts.country.name,
            country_code: facts.country.code,
            street,
            city: rng.one_of(words.place).to_owned(),
            state,
            zip: format!("{:05}", rng.random_range(501..99_951)),
            products: (0..rng.random_range(0..4))
                .map(|_| super::products::any_name(&mut rng))
                .collect(),
            certified_since: facts.certified_since,
            states: [0, 1, 2].map(|publication| facts.state(publication)),
            name,
        }
    }
}

/// The first `count` operations of a seed, made one by one.
pub fn operations(seed: u64, count: u32) -> impl ExactSizeIterator<Item = SampleOperation> {
    (0..count).map(move |index| SampleOperation::new(seed, index))
}
