//! The API key with which a command calls a server.

use std::path::Path;

use tonic::Status;
use tonic::metadata::{Ascii, MetadataValue};

use crate::failure::Failure;

/// Environment variable with an API key.
const KEY: &str = "NOPIC_API_KEY";
/// Environment variable with the path of a file that holds an API key.
const KEY_FILE: &str = "NOPIC_API_KEY_FILE";

/// The API key of the environment as a header that no log shows.
pub(super) fn key() -> Result<Option<MetadataValue<Ascii>>, Failure> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let (key, place) = match (variable(KEY), variable(KEY_FILE)) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(Failure::new(format!("Both {KEY} and {KEY_FILE} are set."))
                .advice("Unset one of them: they may name different keys."));
        }
        (Some(key), None) => (key, KEY.to_owned()),
        (None, Some(path)) => {
            let path = Path::new(&path).to_path_buf();
            let key = std::fs::read_to_string(&path).map_err(|error| Failure::reading(&path, &error))?;
            (key, path.display().to_string())
        }
    };
    bearer(&key).map(Some).ok_or_else(|| {
        Failure::new(format!(
            "{place} holds no API key: a key is one line of printable ASCII characters."
        ))
    })
}

/// A server that does not let this key in.
pub(super) fn refused(target: &str, status: &Status) -> Failure {
    Failure::new(format!(
        "{target} does not know who is calling by the API key in hand: {}.",
        status.message().trim_end_matches('.')
    ))
    .advice(format!(
        "Ask its operator for another one (`nopic key create`), or unset {KEY} and {KEY_FILE} to call without. A service by \
         itself takes certificates and no keys: call the gateway in front of it."
    ))
}

fn bearer(key: &str) -> Option<MetadataValue<Ascii>> {
    let key = key.trim();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut value: MetadataValue<Ascii> = format!("Bearer {key}").parse().ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_line_and_never_shown() {
        let key = bearer(" secret-1 \n").unwrap();
        assert_eq!(key.to_str().unwrap(), "Bearer secret-1");
        assert!(!format!("{key:?}").contains("secret"));
        assert!(bearer("two words").is_none());
        assert!(bearer("two\nlines").is_none());
        assert!(bearer(" ").is_none());
    }
}
