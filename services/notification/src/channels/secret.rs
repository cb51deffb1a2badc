//! Secrets by which messages are signed, in the form of Standard Webhooks: `whsec_` and base64.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use thiserror::Error;

/// What stands before every secret, so that people and scanners of code know one when they see it.
const PREFIX: &str = "whsec_";
/// How many bytes Standard Webhooks allows, and how many we make.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const MADE_BYTES: usize = 32;

/// A secret that a receiver and we share. It is shown only where that is asked for by name, and compared nowhere.
#[derive(Clone)]
pub struct Secret {
    bytes: Vec<u8>,
}

/// Why a text is no secret. It says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SecretError {
    /// It begins with something else.
    #[error("a secret begins with {PREFIX}")]
    Prefix,
    /// What follows cannot be read.
    #[error("a secret is base64 with its padding behind {PREFIX}")]
    Base64,
    /// It is shorter or longer than Standard Webhooks allows.
    #[error("a secret has 24 to 64 bytes")]
    Length,
    /// The system's source of random bytes has failed.
    #[error("no random bytes are to be had")]
    Random,
}

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<Self, SecretError> {
        let mut bytes = vec![0; MADE_BYTES];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| SecretError::Random)?;
        Ok(Self { bytes })
    }

    /// Reads one in the form of [`Self::show`].
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let text = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let bytes = STANDARD.decode(text).map_err(|_| SecretError::Base64)?;
        if !BYTES.contains(&bytes.len()) {
            return Err(SecretError::Length);
        }
        Ok(Self { bytes })
    }

    /// Its text, for the owner of the receiver and for where secrets are kept.
    #[must_use]
    pub fn show(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.bytes))
    }

    /// HMAC-SHA-256 of these parts, in base64.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> String {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.bytes));
        for part in parts {
            context.update(part);
        }
        STANDARD.encode(context.sign())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_as_it_is_shown_and_printed_nowhere() {
        let secret = Secret::generate().unwrap();
        let text = secret.show();
        assert!(text.starts_with("whsec_") && text.len() == 6 + 44);
        assert_eq!(Secret::parse(&text).unwrap().show(), text);
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert_ne!(Secret::generate().unwrap().show(), text);
    }

    #[test]
    fn what_is_no_secret_is_refused_without_repeating_it() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        assert!(Secret::parse(&of(24)).is_ok() && Secret::parse(&of(64)).is_ok());
        for (text, error) in [
            (of(23), SecretError::Length),
            (of(65), SecretError::Length),
            ("whsec_????".to_owned(), SecretError::Base64),
            (of(32).trim_end_matches('=').to_owned(), SecretError::Base64),
            (of(24).replace("whsec_", ""), SecretError::Prefix),
        ] {
            assert_eq!(Secret::parse(&text).unwrap_err(), error);
        }
    }

    /// The example of the specification of Standard Webhooks.
    #[test]
    fn the_signature_of_the_specifications_example_is_ours() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let parts: [&[u8]; 5] = [
            b"msg_p5jXN8AQM9LWM0D4loKWxJek",
            b".",
            b"1614265330",
            b".",
            br#"{"test": 2432232314}"#,
        ];
        assert_eq!(
            secret.sign(&parts),
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
