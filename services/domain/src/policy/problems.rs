//! What can be wrong with a policy file: everything is said at once.

use std::fmt;

/// Every problem of a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// One sentence each, with its place in the file.
    pub problems: Vec<String>,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the policy cannot be used: {}", self.problems.join("; "))
    }
}

impl std::error::Error for PolicyError {}
