//! Names of operations and people, made of the words of their country's language.

use rand::RngExt;

use super::random::Draw;
use super::words::{self, Words};

/// The language in which an operation's name is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Spanish,
    Portuguese,
    French,
    German,
    Italian,
    Turkish,
    Vietnamese,
    Indian,
    Malay,
}

impl Language {
    pub(super) fn words(self) -> &'static Words {
        match self {
            Self::English => &words::ENGLISH,
            Self::Spanish => &words::SPANISH,
            Self::Portuguese => &words::PORTUGUESE,
            Self::French => &words::FRENCH,
            Self::German => &words::GERMAN,
            Self::Italian => &words::ITALIAN,
            Self::Turkish => &words::TURKISH,
            Self::Vietnamese => &words::VIETNAMESE,
            Self::Indian => &words::INDIAN,
            Self::Malay => &words::MALAY,
        }
    }
}

/// A family name.
pub(super) fn family(words: &Words, rng: &mut impl RngExt) -> String {
    let (first, second) = words.family;
    format!("{}{}", rng.one_of(first), rng.one_of(second))
}

/// The name of a business or a farm.
pub(super) fn operation(language: Language, rng: &mut impl RngExt) -> String {
    let words = language.words();
    let legal = rng.one_of(words.legal);
    let given = rng.one_of(words.given);
    let (one, other) = (family(words, rng), family(words, rng));
    let (estate, nature) = (rng.one_of(words.estate), rng.one_of(words.nature));
    let (crop, trade, place) = (
        rng.one_of(words.crop),
        rng.one_of(words.trade),
        rng.one_of(words.place),
    );
    let name = if language == Language::English {
        // What is described stands before the word for the trade.
        match rng.random_range(0..10) {
            0 => {
                let initial = char::from(b'A' + rng.random_range(0..26u8));
                format!("{given} {initial}. {one}")
            }
            1 | 2 => format!("{given} {one} {crop} {trade}{legal}"),
            3 => format!("{one} & {other} {trade}{legal}"),
            4 => format!("{one} Family {crop} {trade}{legal}"),
            5 => format!("{estate} {nature} {crop} {trade}{legal}"),
            6 => format!("{estate} {nature} {trade} of {one}{legal}"),
            7 => format!("{one} {nature} {trade}{legal}"),
            8 => format!("{place} {one} {crop} {trade}{legal}"),
            _ => format!("{nature} & {other} {crop} {trade}{legal}"),
        }
    } else {
        // The trade or the estate stands first.
        match rng.random_range(0..6) {
            0 => format!("{estate} {nature} {given} {one}{legal}"),
            1 => format!("{trade} {crop} {nature} {place}{legal}"),
            2 => format!("{trade} {given} {one} {other}{legal}"),
            3 => format!("{estate} {one} {other} {place}{legal}"),
            4 => format!("{one} {other} {crop} {trade}{legal}"),
            _ => format!("{trade} {nature} {one} {crop}{legal}"),
        }
    };
    // Some certifiers write their whole list in capitals.
    if rng.per_mille(80) {
        name.to_uppercase()
    } else {
        name
    }
}

/// Other names, as the database writes them: separated by `;`, some with `dba`. Mostly empty.
pub(super) fn other_names(language: Language, name: &str, rng: &mut impl RngExt) -> String {
    let words = language.words();
    let short: String = name.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let short = short.trim_end_matches(',');
    let (estate, nature, crop) = (
        rng.one_of(words.estate),
        rng.one_of(words.nature),
        rng.one_of(words.crop),
    );
    match rng.random_range(0..10) {
        0 => format!("dba {estate} {nature}"),
        1 => format!("{estate} {nature}; {short} {crop}"),
        2 => format!("DBA {short} {crop}; formerly {estate} {nature}"),
        _ => String::new(),
    }
}
