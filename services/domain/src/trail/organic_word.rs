//! Whether a document says that the goods are organic.

/// Whether the text has the word "organic", in whatever case, and not only as "non-organic" or "not organic".
///
/// ```
/// use nopic_domain::trail::says_organic;
///
/// assert!(says_organic("12 bags ORGANIC green coffee"));
/// assert!(!says_organic("12 bags green coffee, non-organic"));
/// assert!(!says_organic("inorganic fertiliser"));
/// ```
#[must_use]
pub fn says_organic(text: &str) -> bool {
    let mut before = "";
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .any(|word| {
            let denies = ["non", "not"].iter().any(|no| before.eq_ignore_ascii_case(no));
            before = word;
            word.eq_ignore_ascii_case("organic") && !denies
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_itself_counts() {
        for text in [
            "organic",
            "Organic,",
            "(ORGANIC) cocoa",
            "100% organic\ncane sugar",
            "certified-organic",
            "non-organic sugar and organic cocoa",
            "ÉTÉ organic",
        ] {
            assert!(says_organic(text), "{text}");
        }
        for text in [
            "",
            "organically",
            "inorganic",
            "organics",
            "non-organic",
            "NON ORGANIC",
            "not organic",
            "nonorganic",
            "Organik",
            "or ganic",
            "éorganic",
        ] {
            assert!(!says_organic(text), "{text}");
        }
    }
}
