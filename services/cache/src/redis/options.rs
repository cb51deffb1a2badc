//! How to reach Redis, and how long to wait for it.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// Which servers there are. URLs are `redis://host:port` or, with TLS, `rediss://host:port`; a database number and
/// a user may stand in them, a password should not.
#[derive(Clone, PartialEq, Eq)]
pub enum Mode {
    /// One server.
    Single {
        /// Its URL.
        url: String,
    },
    /// The primary that sentinels name.
    Sentinel {
        /// URLs of the sentinels.
        nodes: Vec<String>,
        /// The name under which they know the primary.
        primary: String,
        /// The sentinels' own password, where they have one.
        password: Option<String>,
    },
    /// A cluster.
    Cluster {
        /// URLs of some of its nodes.
        nodes: Vec<String>,
    },
}

/// TLS, with other certificates than those of the system.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Roots in PEM form; `None`: those of the system, else Mozilla's.
    pub roots: Option<Vec<u8>>,
    /// The client's certificate and key in PEM form.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Everything that the Redis layer wants to be told.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// Which servers there are.
    pub mode: Mode,
    /// The user, where the server knows more than one.
    pub user: Option<String>,
    /// The password of the servers that hold data.
    pub password: Option<String>,
    /// Certificates for URLs that begin with `rediss`; `None`: the system's roots.
    pub tls: Option<Tls>,
    /// Name of the deployment, part of every key: letters, digits, `-`, `_` and `.`.
    pub deployment: String,
    /// How long a reader waits for the answer to a small call. A call for shards may take this long for every 64.
    pub call_timeout: Duration,
    /// How long making a connection may take; callers do not wait for it longer than for a call.
    pub connect_timeout: Duration,
    /// How long a publisher waits for each of its calls.
    pub publish_timeout: Duration,
    /// How long values stay that nobody publishes again.
    pub keep_for: Duration,
    /// Failures in a row after which Redis is left alone.
    pub failures_to_trip: u32,
    /// How long it is left alone before one call tries it again.
    pub probe_every: Duration,
    /// How long the pointer is believed without asking the registry.
    pub registry_every: Duration,
    /// How long the registry may take for one call.
    pub registry_timeout: Duration,
    /// Calls to the registry that are in flight at once.
    pub registry_calls: usize,
    /// Shards that the registry is asked for in one call.
    pub registry_shards_a_call: usize,
}

impl Options {
    /// The usual bounds for these servers and this deployment, without a password.
    #[must_use]
    pub fn new(mode: Mode, deployment: impl Into<String>) -> Self {
        Self {
            mode,
            user: None,
            password: None,
            tls: None,
            deployment: deployment.into(),
            call_timeout: Duration::from_millis(50),
            connect_timeout: Duration::from_secs(2),
            publish_timeout: Duration::from_secs(5),
            keep_for: Duration::from_secs(30 * 24 * 60 * 60),
            failures_to_trip: 5,
            probe_every: Duration::from_secs(1),
            registry_every: Duration::from_secs(10),
            registry_timeout: Duration::from_secs(3),
            registry_calls: 4,
            registry_shards_a_call: 64,
        }
    }
}

/// Options that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OptionsError {
    /// The deployment's name would not be one part of a key.
    #[error(
        "the deployment name {0:?} cannot be part of a Redis key: use 1 to 64 letters, digits, '-', '_' and '.'"
    )]
    Deployment(String),
    /// A list of nodes is empty.
    #[error("no Redis node is named: name at least one")]
    NoNode,
    /// A bound is zero.
    #[error("{0} must be more than zero")]
    Zero(&'static str),
    /// An address, certificate or other part that the client refuses.
    #[error("Redis cannot be reached with these settings: {0}")]
    Refused(String),
}

impl Options {
    /// # Errors
    /// Something in them cannot be meant.
    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !(1..=64).contains(&self.deployment.len()) || !self.deployment.chars().all(allowed) {
            return Err(OptionsError::Deployment(self.deployment.clone()));
        }
        if matches!(&self.mode, Mode::Sentinel { nodes, .. } | Mode::Cluster { nodes } if nodes.is_empty()) {
            return Err(OptionsError::NoNode);
        }
        for (name, bound) in [
            ("call_timeout", self.call_timeout),
            ("connect_timeout", self.connect_timeout),
            ("publish_timeout", self.publish_timeout),
            ("registry_timeout", self.registry_timeout),
        ] {
            if bound.is_zero() {
                return Err(OptionsError::Zero(name));
            }
        }
        for (name, bound) in [
            ("keep_for in seconds", self.keep_for.as_secs()),
            ("failures_to_trip", u64::from(self.failures_to_trip)),
            ("registry_calls", self.registry_calls as u64),
            ("registry_shards_a_call", self.registry_shards_a_call as u64),
        ] {
            if bound == 0 {
                return Err(OptionsError::Zero(name));
            }
        }
        Ok(())
    }

    /// The limit of a call that carries so many shards.
    pub(crate) fn bulk_timeout(&self, shards: usize) -> Duration {
        self.call_timeout * u32::try_from(shards.div_ceil(64)).unwrap_or(u32::MAX).max(1)
    }
}

/// Neither passwords nor keys reach a log, and a URL may hold one.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("mode", &self.mode)
            .field("deployment", &self.deployment)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single { .. } => f.write_str("Single"),
            Self::Sentinel { nodes, primary, .. } => {
                write!(f, "Sentinel({primary:?}, {} nodes)", nodes.len())
            }
            Self::Cluster { nodes } => write!(f, "Cluster({} nodes)", nodes.len()),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(deployment: &str) -> Options {
        let url = "redis://:secret@localhost".to_owned();
        Options::new(Mode::Single { url }, deployment)
    }

    #[test]
    fn a_deployment_is_one_part_of_a_key() {
        assert_eq!(options("us-east_1.test").check(), Ok(()));
        for name in ["", "a:b", "a{b}", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(
                options(name).check(),
                Err(OptionsError::Deployment(name.to_owned()))
            );
        }
    }

    #[test]
    fn bounds_of_zero_and_empty_lists_are_refused() {
        let mut zero = options("test");
        zero.call_timeout = Duration::ZERO;
        assert_eq!(zero.check(), Err(OptionsError::Zero("call_timeout")));
        let nodes = Options::new(Mode::Cluster { nodes: Vec::new() }, "test");
        assert_eq!(nodes.check(), Err(OptionsError::NoNode));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let mut options = options("test");
        options.password = Some("secret".to_owned());
        assert!(!format!("{options:?}").contains("secret"));
    }
}
