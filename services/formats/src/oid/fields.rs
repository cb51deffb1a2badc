//! The complete content of a row, in one piece of memory.

use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;

/// Stands between a name and its value.
const UNIT_SEPARATOR: char = '\u{1f}';
/// Stands behind each value.
const RECORD_SEPARATOR: char = '\u{1e}';

/// The columns that tell products.
const PRODUCTS: [&str; 8] = [
    "CR_CertifiedProducts",
    "CR_CertifiedProducts_Add",
    "LS_CertifiedProducts",
    "LS_CertifiedProducts_Add",
    "WC_CertifiedProducts",
    "WC_CertifiedProducts_Add",
    "Han_CertifiedProducts",
    "Han_CertifiedProducts_Add",
];

/// Every technical name of a row with its value as text, sorted by name. A name without a value is not there.
///
/// Kept as one text (`name 0x1F value 0x1E`, repeated), which is also the stored form: see [`Fields::as_bytes`].
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Fields(String);

/// Stored bytes that are no [`Fields`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("stored fields are damaged: {0}")]
pub struct FieldsError(&'static str);

impl Fields {
    /// The fields with these values; empty ones are left out. Of two values with one name both stay.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut pairs: Vec<(N, V)> = pairs.into_iter().collect();
        pairs.sort_by(|left, right| left.0.as_ref().cmp(right.0.as_ref()));
        let mut fields = Self::default();
        for (name, value) in &pairs {
            fields.push(&printable(name.as_ref()), &printable(value.as_ref()));
        }
        fields
    }

    /// Room for `bytes`, to be filled by [`Fields::push`].
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// Adds a pair. The caller goes by rising names and passes no separators.
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.0.push_str(name);
            self.0.push(UNIT_SEPARATOR);
            self.0.push_str(value);
            self.0.push(RECORD_SEPARATOR);
        }
    }

    /// Names and values, by rising names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .split_terminator(RECORD_SEPARATOR)
            .filter_map(|pair| pair.split_once(UNIT_SEPARATOR))
    }

    /// The value of a name, without regard to case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
    }

    /// Number of names that have a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether no name has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the operation's certificate says about products: the values of all `…_CertifiedProducts` and
    /// `…_CertifiedProducts_Add`, crops, livestock, wild crops and handling in this order, a new line between them.
    #[must_use]
    pub fn products(&self) -> String {
        let mut products = String::new();
        for value in PRODUCTS.iter().filter_map(|name| self.get(name)) {
            if !products.is_empty() {
                products.push('\n');
            }
            products.push_str(value);
        }
        products
    }

    /// The stored form: UTF-8, `name 0x1F value 0x1E` for each pair.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The stored form, owned.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    ///
    /// The bytes are not UTF-8, or do not consist of whole pairs.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, FieldsError> {
        let text = String::from_utf8(bytes.into()).map_err(|_| FieldsError("not UTF-8"))?;
        let whole = text.is_empty() || text.ends_with(RECORD_SEPARATOR);
        let pairs_are_whole = text
            .split_terminator(RECORD_SEPARATOR)
            .all(|pair| pair.matches(UNIT_SEPARATOR).count() == 1);
        if whole && pairs_are_whole {
            Ok(Self(text))
        } else {
            Err(FieldsError("not whole pairs of name and value"))
        }
    }

    /// A number that stands for the content: the first 16 bytes of a SHA-256, the same on every machine and in every
    /// version. It does not depend on the form that the content came in: not on the order of columns, nor on
    /// `Cert_name` or `op_certifierName` as the name of the certifier, nor on how a line ends.
    #[must_use]
    pub fn content_hash(&self) -> u128 {
        let has_certifier = self.iter().any(|(name, _)| name == "op_certifierName");
        let mut hasher = Sha256::new();
        let mut alias = None;
        let mut hash = |name: &str, value: &str| {
            hasher.update(name.as_bytes());
            hasher.update([0x1f]);
            if value.contains('\r') {
                hasher.update(value.replace("\r\n", "\n").replace('\r', "\n").as_bytes());
            } else {
                hasher.update(value.as_bytes());
            }
            hasher.update([0x1e]);
        };
        for (name, value) in self.iter() {
            if name == "Cert_name" && !has_certifier {
                alias = Some(value);
            } else if name == "op_certifierName" {
                // Hashed behind the others, where its other name is hashed too.
                alias = Some(value);
            } else {
                hash(name, value);
            }
        }
        if let Some(certifier) = alias {
            hash("op_certifierName", certifier);
        }
        let digest = hasher.finalize();
        digest[..16]
            .iter()
            .fold(0u128, |number, byte| number << 8 | u128::from(*byte))
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A text without the two separators, which no spreadsheet or XML can hold and JSON should not.
pub(crate) fn printable(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains([UNIT_SEPARATOR, RECORD_SEPARATOR]) {
        text.replace([UNIT_SEPARATOR, RECORD_SEPARATOR], "\u{fffd}")
            .into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_and_read_again() {
        let fields = Fields::from_pairs([("op_name", "A & B"), ("op_city", ""), ("b", "x\u{1e}y")]);
        assert_eq!(
            fields.iter().collect::<Vec<_>>(),
            [("b", "x\u{fffd}y"), ("op_name", "A & B")]
        );
        assert_eq!(fields.get("OP_NAME"), Some("A & B"));
        assert_eq!(fields.get("op_city"), None);
        let again = Fields::from_bytes(fields.as_bytes()).unwrap();
        assert_eq!(again, fields);
        assert_eq!(again.content_hash(), fields.content_hash());
        for bytes in [
            &b"a"[..],
            b"a\x1fb",
            b"a\x1e",
            b"a\x1fb\x1fc\x1e",
            b"\xff\x1f\x1e",
        ] {
            assert!(Fields::from_bytes(bytes).is_err(), "{bytes:?}");
        }
        assert!(Fields::from_bytes(Vec::new()).unwrap().is_empty());
    }

    #[test]
    fn the_hash_is_of_the_content_and_stays_what_it_is() {
        let one = Fields::from_pairs([("op_name", "A\r\nB"), ("Cert_name", "C")]);
        let other = Fields::from_pairs([("op_certifierName", "C"), ("op_name", "A\nB"), ("op_city", "")]);
        assert_eq!(one.content_hash(), other.content_hash());
        let moved = Fields::from_pairs([("op_name", "C"), ("op_certifierName", "A\nB")]);
        assert_ne!(one.content_hash(), moved.content_hash());
        let both = Fields::from_pairs([("op_certifierName", "C"), ("Cert_name", "C"), ("op_name", "A\nB")]);
        assert_ne!(one.content_hash(), both.content_hash());
        // Stored hashes are compared with new ones: this value must never change.
        assert_eq!(
            Fields::default().content_hash(),
            0xe3b0_c442_98fc_1c14_9afb_f4c8_996f_b924
        );
    }

    #[test]
    fn products_in_the_order_of_the_scopes() {
        let fields = Fields::from_pairs([
            ("Han_CertifiedProducts", "tea"),
            ("CR_CertifiedProducts_Add", "oats"),
            ("CR_CertifiedProducts", "corn"),
        ]);
        assert_eq!(fields.products(), "corn\noats\ntea");
    }
}
