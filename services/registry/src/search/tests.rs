use nopic_domain::registry::{Dated, Observation, Statement};
use nopic_formats::sample::operations;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

#[path = "../../tests/support/misspell.rs"]
mod misspell;

fn today() -> Date {
    Date::from_ymd_opt(2026, 3, 1).unwrap()
}

fn certified(status: &str) -> Timeline {
    let dated = |status| Dated {
        status,
        from: Date::from_ymd_opt(2020, 1, 1),
    };
    let statement = Statement {
        status: dated(Status::parse(status).unwrap()),
        scopes: [None, None, None, Some(dated(Status::Certified))],
    };
    Timeline::resolve([(today(), &Observation::Listed(statement))]).unwrap()
}

/// Id, name, other names, certifier, country, status.
type Row<'a> = (u64, &'a str, &'a [&'a str], &'a str, &'a str, &'a str);

fn index_of(operations: &[Row<'_>]) -> SearchIndex {
    let mut builder = SearchIndex::builder(1, today());
    for (number, name, other_names, certifier, country, status) in operations {
        let heading = Heading {
            name: (*name).into(),
            other_names: other_names.iter().map(|name| (*name).into()).collect(),
            certifier: (*certifier).into(),
            country: (*country).into(),
        };
        builder.push(NopId::from_number(*number).unwrap(), &heading, &certified(status));
    }
    builder.finish()
}

fn small() -> SearchIndex {
    index_of(&[
        (
            150_000_001,
            "Green Valley Farms LLC",
            &["dba Happy Hen"],
            "Tilia Certified",
            "Peru",
            "Certified",
        ),
        (
            150_000_002,
            "Société Agricole Ménard",
            &[],
            "Ecocert SAS",
            "France",
            "Certified",
        ),
        (
            160_000_003,
            "Valley Green Dairy",
            &[],
            "Tilia Certified",
            "United States of America (the)",
            "Suspended",
        ),
        (
            160_000_004,
            "Agrícola San José S.A. de C.V.",
            &["La Finca"],
            "Ecocert SAS",
            "Mexico",
            "Surrendered",
        ),
    ])
}

fn names(index: &SearchIndex, query: &str, filter: &Filter) -> Vec<u64> {
    let found = index.find(query, filter);
    index
        .hits(&found, 0, 10)
        .iter()
        .map(|hit| hit.nop_id.number())
        .collect()
}

#[test]
fn names_are_found_however_they_are_written() {
    let index = small();
    for (query, expected) in [
        ("green valley farms", 150_000_001),
        ("Farms Valley Green, Inc.", 150_000_001),
        ("gren valey farm", 150_000_001),
        ("greenvalley farms", 150_000_001),
        ("happy hen", 150_000_001),
        ("SOCIETE AGRICOLE MENARD", 150_000_002),
        ("menard", 150_000_002),
        ("agricola san jose", 160_000_004),
        ("finca la", 160_000_004),
    ] {
        assert_eq!(
            names(&index, query, &Filter::default()).first(),
            Some(&expected),
            "{query}"
        );
    }
    assert_eq!(names(&index, "zzzzqq", &Filter::default()), Vec::<u64>::new());
    let found = index.find("Green Valley Farms LLC", &Filter::default());
    let hits = index.hits(&found, 0, 1);
    assert_eq!(
        (hits[0].score, hits[0].matched_name),
        (1_000, "Green Valley Farms LLC")
    );
    assert_eq!(hits[0].other_names, ["dba Happy Hen"]);
}

#[test]
fn filters_let_pass_what_they_say() {
    let index = small();
    let filter = |change: fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        filter
    };
    let all = |filter: &Filter| names(&index, "", filter);
    assert_eq!(
        all(&Filter::default()),
        [160_000_004, 150_000_001, 150_000_002, 160_000_003],
        "an empty query lists all by name"
    );
    assert_eq!(
        all(&filter(|filter| filter.country = "PERU".into())),
        [150_000_001]
    );
    assert_eq!(
        all(&filter(|filter| filter.certifier = "ecocert".into())),
        [160_000_004, 150_000_002]
    );
    assert_eq!(
        all(&filter(|filter| filter.certifier = "016".into())),
        [160_000_004, 160_000_003]
    );
    assert_eq!(
        all(&filter(|filter| filter.status = "suspended".into())),
        [160_000_003]
    );
    assert_eq!(
        all(&filter(|filter| filter.scope = Some(Scope::Crops))),
        [0u64; 0]
    );
    assert_eq!(
        all(&filter(|filter| filter.scope = Some(Scope::Handling))).len(),
        4
    );
    assert_eq!(
        all(&filter(|filter| filter.country = "Atlantis".into())),
        [0u64; 0]
    );
}

/// Recall at 10 over seeded misspellings. Where several operations have the name that was meant, any of them counts.
/// The full size runs in the bench `search`, optimised.
#[test]
fn misspelt_names_are_among_the_first_ten() {
    let count = 6_000;
    let mut builder = SearchIndex::builder(1, today());
    let all: Vec<_> = operations(7, count).collect();
    for operation in &all {
        let heading = Heading {
            name: operation.name.clone(),
            other_names: operation
                .other_names
                .split(';')
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect(),
            certifier: operation.certifier.clone(),
            country: operation.country.into(),
        };
        builder.push(operation.nop_id, &heading, &certified("Certified"));
    }
    let index = builder.finish();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (mut tried, mut found_count, mut missed) = (0, 0, Vec::new());
    while tried < 150 {
        let operation = &all[rng.random_range(0..all.len())];
        let mut meant = operation.name.as_str();
        if let Some(other) = operation.other_names.split(';').next().map(str::trim)
            && !other.is_empty()
        {
            meant = other;
        }
        let query = misspell::misspell(meant, &mut rng);
        tried += 1;
        let found = index.find(&query, &Filter::default());
        let hits = index.hits(&found, 0, 10);
        let is_meant =
            |hit: &Hit<'_>| hit.nop_id == operation.nop_id || fold(hit.matched_name) == fold(meant);
        if hits.iter().any(is_meant) {
            found_count += 1;
        } else {
            missed.push((query, meant.to_owned()));
        }
    }
    assert!(
        f64::from(found_count) >= 0.95 * f64::from(tried),
        "{found_count} of {tried}; missed {missed:#?}"
    );
}
