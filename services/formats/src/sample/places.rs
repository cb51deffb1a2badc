//! Countries as the Organic INTEGRITY Database writes them, and the certifiers of the sample.

use super::names::Language;

/// A country of the trade.
#[derive(Clone, Copy)]
pub(super) struct Country {
    /// As the database writes it.
    pub(super) name: &'static str,
    /// ISO 3166 alpha-2.
    pub(super) code: &'static str,
    pub(super) language: Language,
    /// Share among foreign operations.
    pub(super) weight: u32,
}

const fn country(name: &'static str, code: &'static str, language: Language, weight: u32) -> Country {
    Country {
        name,
        code,
        language,
        weight,
    }
}

pub(super) static UNITED_STATES: Country =
    country("United States of America (the)", "US", Language::English, 0);

/// Everywhere else.
pub(super) static FOREIGN: [Country; 33] = [
    country("Mexico", "MX", Language::Spanish, 14),
    country("Peru", "PE", Language::Spanish, 10),
    country("Canada", "CA", Language::English, 6),
    country("Canada", "CA", Language::French, 2),
    country("Italy", "IT", Language::Italian, 5),
    country("Turkey", "TR", Language::Turkish, 7),
    country("India", "IN", Language::Indian, 8),
    country("Ecuador", "EC", Language::Spanish, 6),
    country("Colombia", "CO", Language::Spanish, 5),
    country("Brazil", "BR", Language::Portuguese, 5),
    country("Dominican Republic (the)", "DO", Language::Spanish, 4),
    country("Guatemala", "GT", Language::Spanish, 3),
    country("Honduras", "HN", Language::Spanish, 2),
    country("Costa Rica", "CR", Language::Spanish, 2),
    country("Argentina", "AR", Language::Spanish, 4),
    country("Chile", "CL", Language::Spanish, 3),
    country("Bolivia (Plurinational State of)", "BO", Language::Spanish, 2),
    country("Paraguay", "PY", Language::Spanish, 1),
    country("Spain", "ES", Language::Spanish, 3),
    country("Portugal", "PT", Language::Portuguese, 1),
    country("France", "FR", Language::French, 3),
    country("Madagascar", "MG", Language::French, 1),
    country("Germany", "DE", Language::German, 2),
    country("Austria", "AT", Language::German, 1),
    country("Viet Nam", "VN", Language::Vietnamese, 4),
    country("Indonesia", "ID", Language::Malay, 4),
    country("Malaysia", "MY", Language::Malay, 1),
    country("Sri Lanka", "LK", Language::Indian, 2),
    country(
        "United Kingdom of Great Britain and Northern Ireland (the)",
        "GB",
        Language::English,
        1,
    ),
    country("New Zealand", "NZ", Language::English, 1),
    country("Australia", "AU", Language::English, 2),
    country("Switzerland", "CH", Language::German, 1),
    country("Uganda", "UG", Language::English, 1),
];

/// U.S. states, by the letters of an address.
pub(super) static STATES: [&str; 24] = [
    "AZ", "CA", "CO", "FL", "GA", "IA", "ID", "IL", "IN", "KS", "ME", "MI", "MN", "MT", "NC", "NE", "NY",
    "OH", "OR", "PA", "TX", "VT", "WA", "WI",
];

/// CBP ports, by their codes.
pub(super) static PORTS: [&str; 12] = [
    "0901", "1001", "1101", "1303", "1401", "2002", "2304", "2501", "2704", "2809", "3001", "5301",
];

/// How many certifiers there are.
pub(super) const CERTIFIERS: u32 = 80;

const CERTIFIER_ROOTS: [&str; 16] = [
    "Tilia",
    "Meridian",
    "Northfield",
    "Clearwater",
    "Agri",
    "Verde",
    "Bluestem",
    "Terra Viva",
    "Highland",
    "Coastal",
    "Sol y Campo",
    "Prairie States",
    "Old Mill",
    "Granite",
    "Harvest",
    "Lumen",
];
const CERTIFIER_FORMS: [&str; 5] = [
    "Organic Certifiers",
    "Certification Services LLC",
    "Assurance International",
    "Bio Control GmbH",
    "Certificadora Orgánica S.A.",
];

/// The name of a certifier, `number` below [`CERTIFIERS`].
pub(super) fn certifier_name(number: u32) -> String {
    let number = number as usize;
    format!(
        "{} {}",
        CERTIFIER_ROOTS[number % CERTIFIER_ROOTS.len()],
        CERTIFIER_FORMS[number / CERTIFIER_ROOTS.len() % CERTIFIER_FORMS.len()]
    )
}

/// The first three digits of the operation IDs that it assigns: 015, 027, … 963.
pub(super) const fn certifier_prefix(number: u32) -> u32 {
    15 + number * 12
}
