//! What a file is that is not of the kind a reader reads, so that it can be said where it belongs.
//!
//! Nothing of a line is ever put into a message here: an ABI transmission begins with a password.

/// A kind of content and the command that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// In words.
    pub(crate) found: &'static str,
    /// The command that takes it.
    pub(crate) command: &'static str,
}

pub(crate) const ENTRIES: Kind = Kind {
    found: "entry lines",
    command: "nopic entry validate",
};
pub(crate) const CERTIFICATES: Kind = Kind {
    found: "certificates",
    command: "nopic certificate import",
};
pub(crate) const FLAGS: Kind = Kind {
    found: "flags of tariff codes",
    command: "nopic flags import",
};
const OPERATIONS: Kind = Kind {
    found: "operations of the Organic INTEGRITY Database",
    command: "nopic registry import",
};

/// Names that certificates have and entry lines have not.
const CERTIFICATE_NAMES: [&str; 11] = [
    "number",
    "certifierid",
    "supersededby",
    "finalhandlernopid",
    "product",
    "kind",
    "issuedon",
    "validfrom",
    "validto",
    "totalweightkg",
    "countriesoforigin",
];

/// A name without regard to case and underscores.
pub(crate) fn folded(name: &str) -> String {
    name.chars()
        .filter(|character| *character != '_')
        .flat_map(char::to_lowercase)
        .collect()
}

/// The kind of content that these names of fields or columns belong to, if they say it.
pub(crate) fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Kind> {
    let names: Vec<String> = names.into_iter().map(|name| folded(name.trim())).collect();
    let has = |name: &str| names.iter().any(|known| known == name);
    if has("entrynumber") {
        return Some(ENTRIES);
    }
    if CERTIFICATE_NAMES.iter().filter(|name| has(name)).count() >= 2 {
        return Some(CERTIFICATES);
    }
    if (has("hts") && has("flag")) || (has("tariff number") && has("effective date")) {
        return Some(FLAGS);
    }
    if has("opnopopid") || has("cinopopid") || has("nopoperationid") || (has("success") && has("operations"))
    {
        return Some(OPERATIONS);
    }
    None
}

/// What the first bytes of a file are beyond doubt, with its article. `is_strict`: text that begins with `<` is XML,
/// and a zero byte makes it binary.
pub(crate) fn foreign(start: &[u8], is_strict: bool) -> Option<&'static str> {
    let text = start.trim_ascii_start();
    let begins = |word: &[u8]| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word);
    Some(if is_zip(start) {
        "a ZIP archive or an XLSX workbook"
    } else if start.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        "an old Excel workbook (.xls) or one with a password (save it as .xlsx or CSV, without a password)"
    } else if start.starts_with(&[0x1f, 0x8b]) {
        "compressed with gzip"
    } else if begins(b"%PDF") {
        "a PDF document"
    } else if begins(b"<!doctype html") || begins(b"<html") {
        "an HTML page"
    } else if begins(b"<?xml") || (is_strict && begins(b"<")) {
        "an XML or HTML document"
    } else if begins(b"{\\rtf") {
        "a document of a word processor (RTF)"
    } else if is_strict && start.contains(&0) && !begins(b"{") && !begins(b"10") {
        "binary data"
    } else {
        return None;
    })
}

/// Whether the bytes begin a ZIP archive, as an XLSX workbook is one.
pub(crate) fn is_zip(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06")
}

/// The known name that is nearest to an unknown one, if any is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A name of any length may stand in a file; past this none is near, and the comparison is quadratic.
    if name.len() > 64 {
        return None;
    }
    let folded: String = name
        .chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_known_by_its_names() {
        let of = |names: &str| of_names(names.split(','));
        assert_eq!(of("ENTRY_NUMBER,htsCode"), Some(ENTRIES));
        assert_eq!(of("number,status,htsCode,valid_from"), Some(CERTIFICATES));
        assert_eq!(of("hts,flag,from,to"), Some(FLAGS));
        assert_eq!(of("Tariff Number,Description,Effective Date"), Some(FLAGS));
        assert_eq!(of("op_name,op_nopOpID"), Some(OPERATIONS));
        assert_eq!(of("htsCode,lots,exporterNopId"), None);
    }
}
