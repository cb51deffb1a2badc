//! How much a tenant may ask of this deployment, and the section `[limits]` of a configuration.

use std::fmt;

use nopic_cache::limiter::Rate;
use nopic_chassis::config::Reader;

/// Bounds for each tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Calls a second.
    pub(crate) requests: Rate,
    /// Kilobytes of requests a second.
    pub(crate) kilobytes: Rate,
    /// Calls at a time.
    pub(crate) calls: usize,
}

/// What is limited, as it is named to callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Calls a second.
    Requests,
    /// Kilobytes a second.
    Kilobytes,
    /// Calls at a time.
    Calls,
}

impl Limit {
    /// Its name in quotas, keys and metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Kilobytes => "kilobytes",
            Self::Calls => "calls",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The usual: generous for a brokerage, and far below what would hurt the others.
const REQUESTS: (u32, u32) = (2_000, 4_000);
const KILOBYTES: (u32, u32) = (65_536, 262_144);
const CALLS: usize = 256;

impl Limits {
    /// Reads the section.
    pub(crate) fn read(reader: &mut Reader) -> Self {
        Self {
            requests: rate(reader, "requests", REQUESTS),
            kilobytes: rate(reader, "kilobytes", KILOBYTES),
            calls: reader
                .number("limits.calls", 1..=100_000)
                .and_then(|calls| usize::try_from(calls).ok())
                .unwrap_or(CALLS),
        }
    }
}

fn rate(reader: &mut Reader, what: &str, (per_second, burst): (u32, u32)) -> Rate {
    let mut number = |key: &str, usual: u32| {
        reader
            .number(&format!("limits.{what}_{key}"), 1..=1_000_000_000)
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(usual)
    };
    let (per_second, burst) = (number("per_second", per_second), number("burst", burst));
    // Neither is zero: the reader takes none, nor is one above.
    Rate::new(per_second, burst).unwrap_or_else(|_| unreachable!("at least 1 of each"))
}
