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

/// The text in small letters without accents and punctuation, its words with one space between. Single letters that
/// stand together become one word (`L.L.C.`, `S. A.`).
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    if text.is_ascii() {
        for character in text.chars() {
            push(&mut folded, character.to_ascii_lowercase());
        }
    } else {
        for character in text.nfkd().filter(|character| !is_combining_mark(*character)) {
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
        // Within a word: O'Brien.
        '\'' | '’' | '‘' | '`' | '´' | 'ʼ' | '″' | '"' => {}
        _ if character.is_alphanumeric() => folded.push(character),
        _ => folded.push(' '),
    }
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
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
        assert!(is_weak("llc") && is_weak("dba") && !is_weak("valley"));
    }
}
