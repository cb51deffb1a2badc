//! API keys as texts: `nopic_`, a public part to find one, a low line, and a secret of which only the hash is kept.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::authenticate::KEY_PREFIX;

/// Characters of the public part.
const PUBLIC: usize = 10;
/// Bytes of the secret: as hexadecimal digits twice as many.
const SECRET: usize = 32;
/// What the public part is made of: 32 of them, none like another.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

/// SHA-256 of the secret. The secret is as long as the hash and random: nothing is gained by a slower one.
#[derive(Clone, Copy)]
pub(crate) struct SecretHash([u8; 32]);

impl SecretHash {
    /// As it was kept; absent: it is none.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().map(Self).ok()
    }

    /// As it is kept.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// In constant time, wherever two are compared: how long it takes says nothing of how much is right.
impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretHash {}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash")
    }
}

/// A key that was just made. This is the only place where its secret is.
pub(crate) struct NewKey {
    pub(crate) prefix: String,
    pub(crate) secret_hash: SecretHash,
    text: String,
}

impl NewKey {
    /// A new one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut public = [0; PUBLIC];
        let mut secret = [0; SECRET];
        getrandom::fill(&mut public)?;
        getrandom::fill(&mut secret)?;
        let prefix: String = public
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
            .collect();
        let secret = hex::encode(secret);
        Ok(Self {
            secret_hash: hash(&secret),
            text: format!("{KEY_PREFIX}{prefix}_{secret}"),
            prefix,
        })
    }

    /// The key as it is sent: for whoever asked for it, once.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKey({})", self.prefix)
    }
}

/// The public part and the secret's hash of a key as it is sent; absent: it is of no such form.
pub(crate) fn read(text: &str) -> Option<(&str, SecretHash)> {
    let (prefix, secret) = text.strip_prefix(KEY_PREFIX)?.split_once('_')?;
    let is_secret = secret.len() == 2 * SECRET && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_prefix(prefix) && is_secret).then(|| (prefix, hash(secret)))
}

/// Whether a text may be the public part of a key.
pub(crate) fn is_prefix(text: &str) -> bool {
    text.len() == PUBLIC && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

fn hash(secret: &str) -> SecretHash {
    SecretHash(Sha256::digest(secret).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_public_part_and_known_by_its_secret() {
        let (one, other) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
        assert_ne!(one.prefix, other.prefix);
        assert_ne!(one.secret_hash, other.secret_hash);
        assert!(!format!("{one:?}").contains(&one.text[17..]));
        let (prefix, secret_hash) = (one.prefix.clone(), one.secret_hash);
        let text = one.into_text();
        assert_eq!(text.len(), 6 + 10 + 1 + 64);
        assert_eq!(read(&text), Some((prefix.as_str(), secret_hash)));
    }

    #[test]
    fn hashes_are_alike_in_every_bit_or_not_at_all() {
        let hash = NewKey::generate().unwrap().secret_hash;
        assert_eq!(SecretHash::from_bytes(hash.as_bytes()), Some(hash));
        for bit in 0..256 {
            let mut other = hash;
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(hash, other);
        }
        assert_eq!(SecretHash::from_bytes(&hash.as_bytes()[1..]), None);
        let digits: String = hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!format!("{hash:?}").contains(&digits[..8]));
    }

    #[test]
    fn what_is_no_key_is_not_looked_up() {
        let text = NewKey::generate().unwrap().into_text();
        for wrong in [
            "",
            "nopic_",
            "nopic__",
            &text[..80],
            &text[1..],
            &format!("{text}0"),
            &text.replace("nopic_", "nopic_ABC"),
            &format!("nopic_abcdefghi1_{}", "0".repeat(64)),
            &format!("nopic_abcdefghij_{}", "é".repeat(32)),
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
