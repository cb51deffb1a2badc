//! Names as people type them: one or two wrong letters, words in another order, accents and legal forms left out.

use rand::{Rng, RngExt as _};

/// Words that people leave out at the end of a name.
const LEGAL: &[&str] = &[
    "llc",
    "inc",
    "inc.",
    "ltd",
    "ltd.",
    "co.",
    "corp",
    "corp.",
    "gmbh",
    "sa",
    "s.a.",
    "sas",
    "s.r.l.",
    "srl",
    "ltda",
    "ltda.",
    "cv",
    "c.v.",
    "ag",
    "kg",
    "sarl",
    "lp",
    "pvt",
    "sl",
    "s.l.",
    "ltd.şti.",
    "bv",
    "spa",
    "s.p.a.",
];

/// The name with mistakes. Each seed of `rng` gives another.
pub(crate) fn misspell(name: &str, rng: &mut impl Rng) -> String {
    let mut words: Vec<String> = name.split(' ').map(str::to_owned).collect();
    if rng.random_bool(0.5) {
        while words.len() > 1
            && words
                .last()
                .is_some_and(|word| LEGAL.contains(&word.to_lowercase().trim_matches(',')))
        {
            words.pop();
        }
    }
    if rng.random_bool(0.3) && words.len() > 1 {
        let index = rng.random_range(1..words.len());
        words.swap(index - 1, index);
    }
    let mut letters: Vec<char> = words.join(" ").chars().collect();
    if rng.random_bool(0.5) {
        letters = letters.into_iter().map(without_accent).collect();
    }
    for _ in 0..rng.random_range(1..=2) {
        edit(&mut letters, rng);
    }
    letters.into_iter().collect()
}

fn edit(letters: &mut Vec<char>, rng: &mut impl Rng) {
    if letters.len() < 4 {
        return;
    }
    let place = rng.random_range(0..letters.len() - 1);
    let other = char::from(b'a' + rng.random_range(0..26u8));
    match rng.random_range(0..4) {
        0 => letters[place] = other,
        1 => letters.insert(place, other),
        2 => {
            letters.remove(place);
        }
        _ => letters.swap(place, place + 1),
    }
}

fn without_accent(letter: char) -> char {
    const ACCENTS: &str = "áaàaâaãaäaéeèeêeëeíiìiîiïióoòoôoõoöoúuùuûuüuçcñnşsıiğgÁAÉEÍIÓOÚUÑN";
    let pairs: Vec<char> = ACCENTS.chars().collect();
    pairs
        .chunks(2)
        .find(|pair| pair[0] == letter)
        .map_or(letter, |pair| pair[1])
}
