//! Tenants, people and keys as they are kept, and what follows from how they stand.

use chrono::{DateTime, TimeDelta, Utc};
use nopic_domain::identifier::{CertifierId, NopId};
use nopic_domain::principal::{FilerCodes, Principal, Role};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::key::SecretHash;
use crate::authenticate::Refused;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tenant {
    pub(crate) tenant: String,
    pub(crate) filer_codes: FilerCodes,
    pub(crate) certifier_id: Option<CertifierId>,
    pub(crate) nop_ids: Vec<NopId>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) suspended_at: Option<DateTime<Utc>>,
}

/// Who a person is in the tokens of an identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub(crate) issuer: String,
    pub(crate) subject: String,
}

/// A person or job of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) tenant: String,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) certificate_name: Option<String>,
    pub(crate) token: Option<Subject>,
    pub(crate) added_at: DateTime<Utc>,
    pub(crate) removed_at: Option<DateTime<Utc>>,
}

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyState {
    Active,
    Ended,
    Revoked,
    /// Its person or job was removed.
    Removed,
    /// Its tenant is suspended.
    Suspended,
}

impl KeyState {
    /// Its word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Ended => "ENDED",
            Self::Revoked => "REVOKED",
            Self::Removed => "REMOVED",
            Self::Suspended => "SUSPENDED",
        }
    }
}

/// What is known of a key. The key itself is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) prefix: String,
    pub(crate) tenant: String,
    pub(crate) person: String,
    pub(crate) role: Role,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) created_by: String,
    pub(crate) ends_at: Option<DateTime<Utc>>,
    pub(crate) revoked_at: Option<DateTime<Utc>>,
    pub(crate) replaced_by: Option<String>,
    pub(crate) is_removed: bool,
    pub(crate) is_suspended: bool,
}

/// Why a key has no successor.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum NotRotated {
    #[error("the key {0} is {1} and takes nobody in: make a new one for its person by CreateKey")]
    Over(String, &'static str),
    #[error("the key {0} was replaced by {1}: rotate that one")]
    Replaced(String, String),
}

impl Key {
    /// How it stands.
    pub(crate) fn state(&self, now: DateTime<Utc>) -> KeyState {
        if self.revoked_at.is_some() {
            KeyState::Revoked
        } else if self.ends_at.is_some_and(|end| end <= now) {
            KeyState::Ended
        } else if self.is_removed {
            KeyState::Removed
        } else if self.is_suspended {
            KeyState::Suspended
        } else {
            KeyState::Active
        }
    }

    /// When it ends where another key takes its place now.
    pub(crate) fn end_when_replaced(
        &self,
        now: DateTime<Utc>,
        grace: TimeDelta,
    ) -> Result<DateTime<Utc>, NotRotated> {
        match self.state(now) {
            KeyState::Active | KeyState::Suspended => {}
            over @ (KeyState::Ended | KeyState::Revoked | KeyState::Removed) => {
                return Err(NotRotated::Over(self.prefix.clone(), over.as_str()));
            }
        }
        if let Some(successor) = &self.replaced_by {
            return Err(NotRotated::Replaced(self.prefix.clone(), successor.clone()));
        }
        let end = now.checked_add_signed(grace).unwrap_or(now);
        Ok(self.ends_at.map_or(end, |own| own.min(end)))
    }
}

/// Somebody who may come in, if nothing stands against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) principal: Principal,
    pub(crate) is_removed: bool,
    pub(crate) is_suspended: bool,
}

impl Known {
    /// Who comes in.
    pub(crate) fn admit(&self) -> Result<Principal, Refused> {
        if self.is_removed {
            return Err(Refused::Unknown);
        }
        if self.is_suspended {
            return Err(Refused::Suspended);
        }
        Ok(self.principal.clone())
    }
}

/// A key, and who comes in by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownKey {
    pub(crate) secret_hash: SecretHash,
    pub(crate) ends_at: Option<DateTime<Utc>>,
    pub(crate) revoked_at: Option<DateTime<Utc>>,
    pub(crate) known: Known,
}

impl KnownKey {
    /// Who comes in by a key with this secret.
    pub(crate) fn admit(&self, secret_hash: &SecretHash, now: DateTime<Utc>) -> Result<Principal, Refused> {
        // In constant time. Whoever has only the public part hears nothing of how it stands.
        let is_it = self.secret_hash == *secret_hash;
        if !is_it || self.revoked_at.is_some() || self.ends_at.is_some_and(|end| end <= now) {
            return Err(Refused::Unknown);
        }
        self.known.admit()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;
    use crate::access::key::NewKey;

    fn at(second: i64) -> DateTime<Utc> {
        Utc.timestamp_opt(second, 0).unwrap()
    }

    fn key() -> Key {
        Key {
            prefix: "abcdefghij".to_owned(),
            tenant: "acme".to_owned(),
            person: "maria".to_owned(),
            role: Role::Broker,
            created_at: at(0),
            created_by: "tester".to_owned(),
            ends_at: None,
            revoked_at: None,
            replaced_by: None,
            is_removed: false,
            is_suspended: false,
        }
    }

    #[test]
    fn a_key_ends_when_its_time_has_come_not_before() {
        let key = Key {
            ends_at: Some(at(10)),
            ..key()
        };
        assert_eq!(key.state(at(9)), KeyState::Active);
        assert_eq!(key.state(at(10)), KeyState::Ended);
    }

    #[test]
    fn grace_never_lengthens_a_life() {
        let grace = TimeDelta::seconds(60);
        assert_eq!(key().end_when_replaced(at(0), grace), Ok(at(60)));
        assert_eq!(key().end_when_replaced(at(5), TimeDelta::zero()), Ok(at(5)));
        let short = Key {
            ends_at: Some(at(10)),
            ..key()
        };
        assert_eq!(short.end_when_replaced(at(0), grace), Ok(at(10)));
        assert!(matches!(
            short.end_when_replaced(at(10), grace),
            Err(NotRotated::Over(_, "ENDED"))
        ));
        let replaced = Key {
            replaced_by: Some("b".to_owned()),
            ..key()
        };
        assert!(matches!(
            replaced.end_when_replaced(at(0), grace),
            Err(NotRotated::Replaced(..))
        ));
    }

    #[test]
    fn whoever_lacks_the_secret_hears_nothing_of_the_key() {
        let (new, other) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
        let mut known = KnownKey {
            secret_hash: new.secret_hash,
            ends_at: None,
            revoked_at: None,
            known: Known {
                principal: Principal::built_in("maria"),
                is_removed: false,
                is_suspended: true,
            },
        };
        assert_eq!(known.admit(&other.secret_hash, at(0)), Err(Refused::Unknown));
        assert_eq!(known.admit(&new.secret_hash, at(0)), Err(Refused::Suspended));
        known.known.is_suspended = false;
        assert!(known.admit(&new.secret_hash, at(0)).is_ok());
        known.ends_at = Some(at(1));
        assert!(known.admit(&new.secret_hash, at(0)).is_ok());
        assert_eq!(known.admit(&new.secret_hash, at(1)), Err(Refused::Unknown));
        known.ends_at = None;
        known.known.is_removed = true;
        assert_eq!(known.admit(&new.secret_hash, at(0)), Err(Refused::Unknown));
        known.known.is_removed = false;
        known.revoked_at = Some(at(0));
        assert_eq!(known.admit(&new.secret_hash, at(0)), Err(Refused::Unknown));
    }
}
