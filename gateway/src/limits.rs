//! How much a tenant may ask of this deployment, and the section `[limits]` of a configuration.

use nopic_cache::limiter::{LINES, Rate, lines, rate};
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
    /// Lines a second, which entry validation charges.
    pub(crate) lines: Rate,
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
    /// Lines a second.
    Lines,
}

impl Limit {
    /// Its name in quotas, keys and metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Kilobytes => "kilobytes",
            Self::Calls => "calls",
            Self::Lines => LINES,
        }
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
            requests: rate(reader, Limit::Requests.name(), REQUESTS),
            kilobytes: rate(reader, Limit::Kilobytes.name(), KILOBYTES),
            calls: reader
                .number("limits.calls", 1..=100_000)
                .and_then(|calls| usize::try_from(calls).ok())
                .unwrap_or(CALLS),
            lines: lines(reader),
        }
    }
}
