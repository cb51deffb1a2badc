//! SHA-256 in hexadecimal digits.

use sha2::{Digest as _, Sha256};

/// The first 12 digits of a text's SHA-256: enough to name a version, short enough to read.
pub(crate) fn version_of(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..6])
}

/// Whether this is a whole SHA-256: 64 digits in lower case.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
