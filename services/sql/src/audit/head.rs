//! The head of a chain: what an auditor keeps elsewhere.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::key::{SigningKey, is_signed};
use super::{Seal, encoding};

/// A text that is no head.
#[derive(Debug, Error)]
#[error("this is not a head of an audit log, as `nopic audit heads --output jsonl` prints it: {0}")]
pub struct HeadError(serde_json::Error);

/// How far a service's log had come, signed by the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The service.
    pub service: String,
    /// Number of the last seal.
    pub seal: i64,
    /// How many records were sealed by then: the number of the last one.
    pub records: i64,
    /// The seal's hash.
    #[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")]
    pub hash: Vec<u8>,
    /// When it was made.
    pub sealed_at: DateTime<Utc>,
    /// The public half of the key that signed.
    #[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")]
    pub public_key: Vec<u8>,
    /// Ed25519.
    #[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")]
    pub signature: Vec<u8>,
}

impl Head {
    pub(super) fn sign(service: &str, seal: &Seal, key: &SigningKey) -> Self {
        let mut head = Self {
            service: service.to_owned(),
            seal: seal.number,
            records: seal.last,
            hash: seal.hash.clone(),
            sealed_at: seal.sealed_at,
            public_key: key.public().to_vec(),
            signature: Vec::new(),
        };
        head.signature = key.sign(&head.signed());
        head
    }

    fn signed(&self) -> Vec<u8> {
        encoding::head(
            &self.service,
            self.seal,
            self.records,
            &self.hash,
            self.sealed_at,
            &self.public_key,
        )
    }

    /// Whether the key that it names signed it.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        is_signed(&self.public_key, &self.signed(), &self.signature)
    }

    /// Reads the JSON of one head.
    ///
    /// # Errors
    /// The text is none.
    pub fn parse(text: &str) -> Result<Self, HeadError> {
        serde_json::from_str(text).map_err(HeadError)
    }

    /// The hash in hexadecimal digits.
    #[must_use]
    pub fn hash_text(&self) -> String {
        hexadecimal(&self.hash)
    }

    /// Its JSON, without a line's end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Numbers, texts and a moment cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

fn write_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hexadecimal(bytes))
}

fn read_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|character| character.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => {
            Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
        }
        _ => Err(serde::de::Error::custom("bytes are pairs of hexadecimal digits")),
    }
}
