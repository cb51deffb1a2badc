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

/// Names without other names, all else the same.
fn index_of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> SearchIndex {
    let mut builder = SearchIndex::builder(1, today());
    for (number, name) in (1u64..).zip(names) {
        let heading = Heading {
            name: name.into(),
            certifier: "Tilia Certified".into(),
            country: "Côte d'Ivoire".into(),
            ..Heading::default()
        };
        builder.push(
            NopId::from_number(number).unwrap(),
            &heading,
            &certified("Certified"),
        );
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
fn what_stands_between_the_parts_of_a_word_does_not_matter() {
    let all = [
        "O'Brien's Organic Farms, LLC",
        "D'Arrigo Foods",
        "O'Neill",
        "Smith-Jones Orchards",
        "St. Mary's Dairy",
        "De'Longhi Imports",
        "O Connor Mills",
        "DAngelo Olives",
        "Ka\u{02bb}ahumanu Coffee",
        "L.A. Produce-Traders",
        "Brian Organic Farms",
        "Harris Neal Foods",
    ];
    let index = index_of_names(all);
    for (meant, queries) in [
        (
            1,
            &[
                "O Brien",
                "OBrien",
                "O'Brien",
                "O’Brien",
                "O`Brien’s",
                "o brien s organic",
                "O-Brien",
                "O.Brien",
                "O Brein",
            ][..],
        ),
        (
            2,
            &[
                "D Arrigo",
                "DArrigo",
                "D´Arrigo",
                "d arrigo foods",
                "D–Arrigo",
                "Foods D Arrigo",
            ],
        ),
        (3, &["O Neill", "ONeill", "O＇Neill", "o-neill", "O. Neill"]),
        (
            4,
            &[
                "Smith Jones",
                "SmithJones",
                "Smith—Jones",
                "Smith.Jones Orchards",
                "orchards smithjones",
            ],
        ),
        (5, &["St Marys", "St. Mary s", "StMary's Dairy", "St-Mary’s"]),
        (6, &["De Longhi", "Delonghi", "De-Longhi imports"]),
        (7, &["O'Connor", "OConnor", "O’Connor Mills"]),
        (8, &["D'Angelo", "D Angelo", "d-angelo olives"]),
        (9, &["Ka'ahumanu", "Kaahumanu", "Ka ahumanu", "Ka‘ahumanu"]),
        (
            10,
            &["LA Produce Traders", "L A ProduceTraders", "L-A Produce.Traders"],
        ),
    ] {
        for query in queries {
            assert_eq!(
                names(&index, query, &Filter::default()).first(),
                Some(&meant),
                "{query}"
            );
        }
    }
    let filter = Filter {
        country: "cote d ivoire".into(),
        ..Filter::default()
    };
    assert_eq!(names(&index, "", &filter).len(), 10);
}

/// Names with apostrophes and hyphens among those of a registry, each respelt: joined, parted, with another apostrophe
/// or dash.
#[test]
fn respelt_names_are_among_the_first_ten() {
    const APOSTROPHES: [&str; 12] = ["'", "’", "‘", "`", "´", "ʼ", "′", "＇", "ʻ", "‛", "", " "];
    const DASHES: [&str; 10] = ["-", "‐", "‑", "–", "—", "−", "－", ".", "", " "];
    const BEFORE: [&str; 8] = ["O'", "D'", "L'", "Dell'", "M'", "N'", "Ka'", "Qu'"];
    const PARTS: [&str; 24] = [
        "Brien", "Neill", "Connor", "Arrigo", "Angelo", "Olive", "Hara", "Malley", "Amico", "Ahumanu",
        "Appelle", "Sullivan", "Smith", "Jones", "Garcia", "Lopez", "Weber", "Schmidt", "Martin", "Dubois",
        "Tanaka", "Silva", "Okafor", "Berg",
    ];
    const BEHIND: [&str; 8] = [
        "Farms", "Organic", "Foods", "Mills", "Orchards", "Trading", "Dairy", "LLC",
    ];
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let mut all: Vec<String> = operations(7, 6_000)
        .map(|operation| operation.name.to_string())
        .collect();
    let first = all.len();
    for _ in 0..1_000 {
        let mut pick = |from: &[&'static str]| from[rng.random_range(0..from.len())];
        let (before, one, two, three, behind) = (
            pick(&BEFORE),
            pick(&PARTS),
            pick(&PARTS),
            pick(&PARTS),
            pick(&BEHIND),
        );
        all.push(match all.len() % 4 {
            0 => format!("{before}{one} {behind}"),
            1 => format!("{before}{one}'s {two} {behind}"),
            2 => format!("{one}-{two} {behind}"),
            _ => format!("{one} {before}{two}-{three}"),
        });
    }
    let index = index_of_names(all.iter().map(String::as_str));
    let mut missed = Vec::new();
    for meant in &all[first..] {
        let mut query = String::new();
        for letter in meant.chars() {
            match letter {
                '\'' => query.push_str(APOSTROPHES[rng.random_range(0..APOSTROPHES.len())]),
                '-' => query.push_str(DASHES[rng.random_range(0..DASHES.len())]),
                other => query.push(other),
            }
        }
        let found = index.find(&query, &Filter::default());
        if !index.hits(&found, 0, 10).iter().any(|hit| hit.name == meant) {
            missed.push((query, meant));
        }
    }
    assert!(missed.len() <= 10, "{} missed: {missed:#?}", missed.len());
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
