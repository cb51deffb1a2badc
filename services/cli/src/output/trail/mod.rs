//! The trail of an entry as text, as JSON and as a page.

pub(crate) mod html;
pub(crate) mod tables;
pub(crate) mod text;

use nopic_domain::trail::Trail;
use nopic_domain::trail::gaps::{Gap, Level};
use serde::Serialize;

/// A trail and what is wrong with it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) trail: Trail,
    pub(crate) gaps: Vec<Gap>,
}

impl Report {
    /// Whether the entry is under a finding.
    pub(crate) fn is_under_finding(&self) -> bool {
        self.gaps.iter().any(|gap| gap.level == Level::Finding)
    }

    /// What is wrong, in one sentence.
    pub(crate) fn summary(&self) -> String {
        let count = |level| self.gaps.iter().filter(|gap| gap.level == level).count();
        let part = |level, one: &str, several: &str| {
            let number = count(level);
            let word = if number == 1 { one } else { several };
            (number > 0).then(|| format!("{number} {word}"))
        };
        let parts: Vec<String> = [
            part(Level::Finding, "finding", "findings"),
            part(Level::Contradiction, "contradiction", "contradictions"),
            part(Level::Missing, "missing part", "missing parts"),
            part(Level::Advice, "piece of advice", "pieces of advice"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let no_lines = self.trail.lines.is_empty();
        match parts.as_slice() {
            [] if no_lines => "No line of the entry stands on record: there is nothing to trace.".to_owned(),
            [] if self.trail.lines.iter().all(|line| !line.is_organic) => {
                "No line of the entry is organic: it needs no trail.".to_owned()
            }
            [] => "The trail is complete and does not contradict itself.".to_owned(),
            parts if self.is_under_finding() => {
                format!("THE ENTRY IS UNDER A FINDING: {}.", parts.join(", "))
            }
            parts => format!("The trail has gaps: {}.", parts.join(", ")),
        }
    }
}
