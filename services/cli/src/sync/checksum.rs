//! SHA-256 of a content, in the spellings that users and servers have for it.

use std::fmt;

use reqwest::header::HeaderMap;
use sha2::Digest as _;

/// A SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sha256([u8; 32]);

/// Hashes a content as it comes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hasher(sha2::Sha256);

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Sha256 {
        Sha256(self.0.finalize().into())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Reads 64 hexadecimal digits.
pub(crate) fn sha256(text: &str) -> Result<Sha256, String> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| "expected a SHA-256 of 64 hexadecimal digits".to_owned())?;
    Ok(Sha256(bytes))
}

/// The SHA-256 that a server states in `Repr-Digest`, `Content-Digest` (RFC 9530) or the older `Digest` (RFC 3230).
pub(crate) fn stated(headers: &HeaderMap) -> Option<Sha256> {
    ["repr-digest", "content-digest", "digest"]
        .into_iter()
        .flat_map(|name| headers.get_all(name))
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|member| {
            let (algorithm, value) = member.trim().split_once('=')?;
            if !algorithm.trim().eq_ignore_ascii_case("sha-256") {
                return None;
            }
            base64(value.trim().trim_matches(':'))
        })
}

/// Decodes the base64 of 32 bytes.
fn base64(text: &str) -> Option<Sha256> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = text.trim_end_matches('=');
    if text.len() != 43 {
        return None;
    }
    let mut bytes = [0; 32];
    let mut place = 0;
    let (mut bits, mut count) = (0_u32, 0);
    for symbol in text.bytes() {
        let value = ALPHABET.iter().position(|letter| *letter == symbol)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            *bytes.get_mut(place)? = u8::try_from((bits >> count) & 0xff).ok()?;
            place += 1;
        }
    }
    Some(Sha256(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of "hello\n"; hexadecimal and base64 as `sha256sum` and `openssl base64` write them.
    const HEXADECIMAL: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    const BASE64: &str = "WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=";

    #[test]
    fn the_hash_is_the_usual_one() {
        let mut hasher = Hasher::default();
        hasher.update(b"hel");
        hasher.update(b"lo\n");
        assert_eq!(hasher.finish().to_string(), HEXADECIMAL);
        assert_eq!(
            sha256(&HEXADECIMAL.to_uppercase()).unwrap().to_string(),
            HEXADECIMAL
        );
        for wrong in ["", "58", &"+5".repeat(32), &"é".repeat(32)] {
            assert!(sha256(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_of_both_standards_are_read() {
        let stated_in = |name: &'static str, value: String| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            stated(&headers).map(|hash| hash.to_string())
        };
        let expected = Some(HEXADECIMAL.to_owned());
        assert_eq!(stated_in("repr-digest", format!("sha-256=:{BASE64}:")), expected);
        assert_eq!(
            stated_in("content-digest", format!("sha-512=:x:, sha-256=:{BASE64}:")),
            expected
        );
        assert_eq!(stated_in("digest", format!("MD5=x,SHA-256={BASE64}")), expected);
        assert_eq!(stated_in("digest", "SHA-256=nonsense".into()), None);
        assert_eq!(stated_in("etag", BASE64.into()), None);
    }
}
