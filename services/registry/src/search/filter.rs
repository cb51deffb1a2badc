//! What a hit must be besides its name.

use std::sync::Arc;

use nopic_domain::identifier::{CertifierId, NopId};
use nopic_domain::registry::Scope;
use rustc_hash::FxHashSet;

use super::words::fold;
use super::{Operation, SearchIndex, Table};

/// The filters of a search; an empty text lets everything pass.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) country: String,
    pub(crate) certifier: String,
    pub(crate) status: String,
    pub(crate) scope: Option<Scope>,
    /// Operations with the product that is asked for; `None`: any.
    pub(crate) with_product: Option<Arc<FxHashSet<NopId>>>,
}

/// A filter with what it means in one index: a yes or no for each text of its tables.
pub(super) struct Passes {
    countries: Option<Vec<bool>>,
    certifiers: Option<Vec<bool>>,
    certifier: Option<CertifierId>,
    statuses: Option<Vec<bool>>,
    scope: Option<Scope>,
    with_product: Option<Arc<FxHashSet<NopId>>>,
}

impl Filter {
    pub(super) fn prepare(&self, index: &SearchIndex) -> Passes {
        let whole = |filter: &str, table: &Table| {
            // Without spaces: `Cote d Ivoire` is `Côte d'Ivoire`, too.
            let letters = |text: &str| text.replace(' ', "");
            let filter = letters(&fold(filter));
            (!filter.is_empty()).then(|| table.folded.iter().map(|text| letters(text) == filter).collect())
        };
        let certifier: Option<CertifierId> = self.certifier.trim().parse().ok();
        let words = fold(&self.certifier);
        let certifiers = (certifier.is_none() && !words.is_empty()).then(|| {
            let has_all = |text: &str| {
                words
                    .split(' ')
                    .all(|word| text.split(' ').any(|other| other == word))
            };
            index.certifiers.folded.iter().map(|text| has_all(text)).collect()
        });
        Passes {
            countries: whole(&self.country, &index.countries),
            certifiers,
            certifier,
            statuses: whole(&self.status, &index.statuses),
            scope: self.scope,
            with_product: self.with_product.clone(),
        }
    }
}

impl Passes {
    pub(super) fn passes(&self, operation: &Operation) -> bool {
        let in_table = |table: &Option<Vec<bool>>, number: u16| {
            table.as_ref().is_none_or(|table| table[usize::from(number)])
        };
        in_table(&self.countries, operation.country)
            && in_table(&self.certifiers, operation.certifier)
            && in_table(&self.statuses, operation.status)
            && self
                .certifier
                .is_none_or(|certifier| operation.nop_id.certifier() == certifier)
            && self
                .scope
                .is_none_or(|scope| operation.scopes & (1 << scope as u8) != 0)
            && self
                .with_product
                .as_ref()
                .is_none_or(|operations| operations.contains(&operation.nop_id))
    }
}

/// Words of a product that are looked for. Whole words count: rice is not in licorice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Product(Vec<String>);

impl Product {
    /// `None`: no word.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let words: Vec<String> = fold(text).split(' ').map(singular).collect();
        words.iter().any(|word| !word.is_empty()).then_some(Self(words))
    }

    /// Whether every word is among the words of this text.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let text = fold(text);
        self.0.iter().all(|word| {
            text.split(' ')
                .any(|other| other == word || singular(other) == *word)
        })
    }
}

/// Apples are found by apple.
fn singular(word: &str) -> String {
    match word.strip_suffix('s') {
        Some(stem) if stem.len() >= 3 && !stem.ends_with('s') => stem.to_owned(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rice_is_not_in_licorice() {
        let rice = Product::new("Rice").unwrap();
        assert!(rice.is_in("Grains: rice, oats"));
        assert!(!rice.is_in("Licorice root"));
        assert!(Product::new("apple").unwrap().is_in("Produce: Apples, pears"));
        assert!(Product::new("green tea").unwrap().is_in("Tea: black, green"));
        assert_eq!(Product::new(" , "), None);
    }
}
