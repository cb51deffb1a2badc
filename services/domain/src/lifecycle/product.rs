//! Finds a product among certified products, by whole words.

use super::knowledge::StatedProduct;
use crate::registry::{Scope, Status};

/// Words that tell no product from another.
const FILL_WORDS: &[&str] = &[
    "and",
    "certified",
    "in",
    "of",
    "or",
    "organic",
    "the",
    "usda",
    "with",
];

/// A certified product that is the one asked for, as far as words tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductMatch {
    /// The scope for which it is certified, where that is stated.
    pub scope: Option<Scope>,
    /// What stands in the registry and where, for the reviewer.
    pub evidence: String,
}

/// Every certified product that matches, in the order of the registry.
///
/// Two ways to match: all words of the product stand in one statement, or all words of one certified product stand in
/// the product's name. Words are compared whole and without regard to case; `nut` is not in `nutmeg`.
#[must_use]
pub fn matches(product: &str, stated: &[StatedProduct]) -> Vec<ProductMatch> {
    let product = words(product);
    if product.is_empty() {
        return Vec::new();
    }
    stated
        .iter()
        .filter(|stated| {
            stated
                .status
                .as_ref()
                .is_none_or(|status| *status == Status::Certified)
        })
        .filter_map(|stated| {
            let found = stated
                .text
                .split([';', '\n'])
                .find_map(|statement| matching(&product, statement, &stated.category))?;
            let scope = stated
                .scope
                .map_or_else(String::new, |scope| format!(", {}", scope.as_str()));
            Some(ProductMatch {
                scope: stated.scope,
                evidence: format!("{:?} ({}{scope})", found, stated.field),
            })
        })
        .collect()
}

/// Whether a statement names the product; it is the evidence.
fn matching<'a>(product: &[String], statement: &'a str, category: &str) -> Option<&'a str> {
    // A category alone (`Nuts: almonds`) is not what is certified; only what stands behind it is.
    let listed = statement.rsplit(':').next().unwrap_or(statement);
    let is_named = || listed.split(',').any(|phrase| all_in(&words(phrase), product));
    let is_covered = || {
        let listed = words(listed);
        let some_listed = product.iter().any(|word| listed.contains(word));
        let mut among = words(statement);
        among.extend(words(category));
        some_listed && all_in(product, &among)
    };
    (is_named() || is_covered()).then(|| statement.trim())
}

/// Whether there are words, and all of them stand among the others.
pub(super) fn all_in(needed: &[String], among: &[String]) -> bool {
    !needed.is_empty() && needed.iter().all(|word| among.contains(word))
}

/// Runs of letters and digits in lower case, without fill words.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .filter(|word| !FILL_WORDS.contains(&word.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(text: &str) -> StatedProduct {
        StatedProduct {
            field: "ci_itemList".into(),
            scope: Some(Scope::Handling),
            status: None,
            category: String::new(),
            text: text.into(),
        }
    }

    fn evidence(product: &str, text: &str) -> Option<String> {
        matches(product, &[stated(text)])
            .pop()
            .map(|found| found.evidence)
    }

    #[test]
    fn whole_words_match_with_their_evidence() {
        assert_eq!(
            evidence("Organic Almonds, raw", "walnuts, almonds; tea").as_deref(),
            Some("\"walnuts, almonds\" (ci_itemList, HANDLING)")
        );
        assert_eq!(
            evidence("green tea", "Coffee; Tea: black, green").as_deref(),
            Some("\"Tea: black, green\" (ci_itemList, HANDLING)")
        );
        assert!(evidence("Honeycrisp apples", "Produce: apples, \"Honeycrisp\"").is_some());
    }

    #[test]
    fn parts_of_words_and_categories_do_not_match() {
        assert_eq!(evidence("nut", "nutmeg"), None);
        assert_eq!(evidence("brazil nuts", "Nuts: almonds"), None);
        assert_eq!(evidence("organic", "organic almonds"), None);
        assert_eq!(evidence("almonds", ""), None);
    }

    #[test]
    fn what_is_no_longer_certified_does_not_match() {
        let mut gone = stated("almonds");
        gone.status = Some(Status::Other("Surrendered".into()));
        assert!(matches("almonds", &[gone]).is_empty());
    }
}
