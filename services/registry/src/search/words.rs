//! Words of a name, so that spellings that people take for the same are the same.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Words that tell no operation from another: legal forms, "doing business as", articles.
const WEAK: &[&str] = &[
    "ab",
    "ag",
    "aka",
    "and",
    "as",
    "bhd",
    "bv",
    "bvba",
    "cia",
    "co",
    "coop",
    "corp",
    "corporation",
    "company",
    "cv",
    "da",
    "dba",
    "de",
    "del",
    "do",
    "doing",
    "dos",
    "du",
    "eirl",
    "eurl",
    "fba",
    "for",
    "gmbh",
    "inc",
    "incorporated",
    "kg",
    "la",
    "las",
    "le",
    "les",
    "limited",
    "limitada",
    "llc",
    "llp",
    "lp",
    "los",
    "ltd",
    "ltda",
    "mbh",
    "nv",
    "of",
    "oy",
    "plc",
    "private",
    "pt",
    "pte",
    "pty",
    "pvt",
    "rl",
    "sa",
    "sac",
    "saic",
    "sapi",
    "sarl",
    "sas",
    "sdn",
    "slu",
    "sl",
    "spa",
    "spr",
    "sprl",
    "srl",
    "sro",
    "the",
    "und",
    "van",
    "von",
    "y",
];

/// Whether a folded word is a legal form or the like.
pub(super) fn is_weak(word: &str) -> bool {
    WEAK.contains(&word)
}

/// The text in small letters without accents and punctuation, its words with one space between. Apostrophes of every
/// kind are left out, dashes and full stops part words. Single letters that stand together become one word (`L.L.C.`,
/// `S. A.`).
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    if text.is_ascii() {
        for character in text.chars() {
            push(&mut folded, character.to_ascii_lowercase());
        }
    } else {
        // Before the decomposition, which makes a space and an accent of some apostrophes.
        let visible = text.chars().filter(|character| !is_left_out(*character));
        for character in visible.nfkd().filter(|character| !is_combining_mark(*character)) {
            match character {
                'ß' | 'ẞ' => folded.push_str("ss"),
                'æ' | 'Æ' => folded.push_str("ae"),
                'œ' | 'Œ' => folded.push_str("oe"),
                'þ' | 'Þ' => folded.push_str("th"),
                'ø' | 'Ø' => folded.push('o'),
                'ł' | 'Ł' => folded.push('l'),
                'đ' | 'Đ' | 'ð' | 'Ð' => folded.push('d'),
                'ı' => folded.push('i'),
                'ħ' | 'Ħ' => folded.push('h'),
                other => other.to_lowercase().for_each(|lower| push(&mut folded, lower)),
            }
        }
    }
    join_single_letters(&folded)
}

fn push(folded: &mut String, character: char) {
    match character {
        '&' | '+' => folded.push_str(" and "),
        _ if is_left_out(character) => {}
        _ if character.is_alphanumeric() => folded.push(character),
        _ => folded.push(' '),
    }
}

/// Whether a character within a word is left out: apostrophes and what people type for them (O'Brien), and what cannot
/// be seen.
fn is_left_out(character: char) -> bool {
    matches!(
        character,
        '\'' | '"' | '`' | '´' | '¨'
            // Quotation marks, single and double; primes.
            | '\u{2018}'..='\u{201f}' | '\u{2032}'..='\u{2037}' | '\u{2057}' | '‹' | '›'
            // Letters that are apostrophes, such as the ʻokina, and spacing accents.
            | '\u{02b9}'..='\u{02c1}' | '\u{02c8}' | '\u{02ca}' | '\u{02cb}' | '\u{02ee}' | '\u{02f4}'
            | '\u{0374}' | '\u{0384}' | '\u{055a}' | '\u{055b}' | '\u{05f3}' | '\u{05f4}' | '\u{07f4}' | '\u{07f5}'
            | '\u{1fbd}' | '\u{1fbf}' | '\u{1fef}' | '\u{1ffd}' | '\u{1ffe}'
            | '\u{275b}' | '\u{275c}' | '\u{275f}' | '\u{a78b}' | '\u{a78c}' | '\u{ff07}' | '\u{ff40}'
            // Soft hyphen, joiners, marks of direction.
            | '\u{00ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

/// The folded text with its single letters joined to the words that they belong to, as where an apostrophe was typed
/// as a space: `o brien s farms` becomes `obriens farms`. `None`: it has none.
pub(super) fn without_single_letters(folded: &str) -> Option<String> {
    let words: Vec<&str> = folded.split(' ').collect();
    let is_single = |word: &str| {
        let mut characters = word.chars();
        characters.next().is_some_and(char::is_alphabetic) && characters.next().is_none()
    };
    if words.len() < 2 || !words.iter().any(|word| is_single(word)) {
        return None;
    }
    let mut joined = String::with_capacity(folded.len());
    let mut before_is_single = false;
    for (index, word) in words.iter().enumerate() {
        let is_behind = is_single(word) && (*word == "s" || index + 1 == words.len());
        if index > 0 && !before_is_single && !is_behind {
            joined.push(' ');
        }
        joined.push_str(word);
        before_is_single = is_single(word) && !is_behind;
    }
    Some(joined)
}

fn join_single_letters(folded: &str) -> String {
    let mut joined = String::with_capacity(folded.len());
    let mut after_single = false;
    for word in folded.split(' ').filter(|word| !word.is_empty()) {
        let mut characters = word.chars();
        let is_single = characters.next().is_some_and(char::is_alphabetic) && characters.next().is_none();
        let goes_on = is_single && after_single;
        if !joined.is_empty() && !goes_on {
            joined.push(' ');
        }
        joined.push_str(word);
        after_single = is_single;
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_one() {
        for (text, folded) in [
            ("Société  Agricole MÉNARD", "societe agricole menard"),
            ("Green Valley, L.L.C.", "green valley llc"),
            ("Agrícola San José S.A. de C.V.", "agricola san jose sa de cv"),
            ("O’Brien & Sons", "obrien and sons"),
            ("Müller-Straße GmbH", "muller strasse gmbh"),
            ("Øvergård + Łódź", "overgard and lodz"),
            ("有機 茶", "有機 茶"),
            ("  ", ""),
            (
                "O`Brien O´Brien O＇Brien OʼBrien O‘Brien O‛Brien O′Brien",
                &["obrien"; 7].join(" "),
            ),
            ("Kaʻahumanu Ka\u{00ad}uai", "kaahumanu kauai"),
            (
                "Smith‐Jones Smith–Jones Smith—Jones Smith−Jones Smith－Jones St.Mary",
                "smith jones smith jones smith jones \
              smith jones smith jones st mary",
            ),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
        for (folded, joined) in [
            ("o brien", Some("obrien")),
            ("o brien s organic farms", Some("obriens organic farms")),
            ("farmer s market of d arrigo", Some("farmers market of darrigo")),
            ("ka i", Some("kai")),
            ("green valley", None),
            ("x", None),
        ] {
            assert_eq!(without_single_letters(folded).as_deref(), joined, "{folded}");
        }
        assert!(is_weak("llc") && is_weak("dba") && !is_weak("valley"));
    }
}
