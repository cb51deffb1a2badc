//! How answers compare with those without the fault.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nopic_proto::entry_validation::{Verdict, finding::Code, verdict::Outcome};

use crate::lines::{Kind, Question};

/// One answer beside the one without the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// Verdict, findings and what may be done.
    Equal,
    /// The verdict; some findings are not known now, or which remedies are open.
    SameVerdict,
    /// It cannot be told now.
    Indeterminate,
    /// Another verdict: never allowed.
    Other,
}

/// How much of an answer must be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Verdict, what was found, and what may be done.
    Verdicts,
    /// The same with every word and number of it, and what it rests on.
    Evidence,
}

/// The same things were found. How much is left of a certificate, which a message may say, changes with what others draw.
pub(crate) fn same_findings(one: &Verdict, other: &Verdict) -> bool {
    let what = |verdict: &Verdict| {
        let findings = verdict.findings.iter();
        findings
            .map(|finding| (finding.code, finding.severity, finding.field.clone()))
            .collect::<Vec<_>>()
    };
    what(one) == what(other)
}

pub(crate) fn likeness(expected: &Verdict, got: &Verdict, depth: Depth) -> Likeness {
    let place = |verdict: &Verdict| {
        (
            verdict.entry_number.clone(),
            verdict.line_number,
            verdict.pga_line_number,
        )
    };
    if place(expected) != place(got) {
        return Likeness::Other;
    }
    let same_findings = match depth {
        Depth::Verdicts => same_findings(expected, got),
        Depth::Evidence => expected.findings == got.findings && expected.evidence == got.evidence,
    };
    let is_equal = expected.verdict == got.verdict && same_findings && expected.remedies == got.remedies;
    if is_equal {
        return Likeness::Equal;
    }
    if got.verdict() == Outcome::Indeterminate {
        return Likeness::Indeterminate;
    }
    let offers_less = same_findings
        && got
            .remedies
            .iter()
            .all(|remedy| expected.remedies.contains(remedy));
    let says_what_is_missing = got.findings.iter().any(|finding| {
        matches!(
            finding.code(),
            Code::CertificateUnavailable | Code::RegistryUnavailable
        )
    });
    if expected.verdict == got.verdict && (depth == Depth::Evidence || offers_less || says_what_is_missing) {
        Likeness::SameVerdict
    } else {
        Likeness::Other
    }
}

/// Lines of one kind, by likeness.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lines {
    pub(crate) equal: usize,
    pub(crate) same_verdict: usize,
    pub(crate) indeterminate: usize,
}

impl Lines {
    fn all(self) -> usize {
        self.decided() + self.indeterminate
    }

    fn decided(self) -> usize {
        self.equal + self.same_verdict
    }
}

/// The calls of one phase.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: usize,
    /// Calls without an answer, by what was said.
    pub(crate) failed: BTreeMap<String, usize>,
    lines: BTreeMap<Kind, Lines>,
    /// Revisions of the registry that answers rest on.
    pub(crate) revisions: BTreeSet<u32>,
    /// What must not be, some of it in full.
    pub(crate) others: usize,
    examples: Vec<String>,
    /// Of every call, answered or not.
    latencies: Vec<Duration>,
    /// Of calls that ask another service for nothing.
    idle: Vec<Duration>,
}

const EXAMPLES: usize = 3;
/// What a call for nothing takes on a machine that has far too much to do.
const OVERLOADED: Duration = Duration::from_millis(250);

impl Tally {
    /// Notes an answer; whether every line of it is as it was.
    pub(crate) fn answered(
        &mut self,
        question: &Question,
        expected: &[Verdict],
        got: &[Verdict],
        depth: Depth,
    ) -> bool {
        let mut is_equal = expected.len() == got.len();
        if !is_equal {
            self.other(&format!("{} verdicts instead of {}", got.len(), expected.len()));
        }
        for ((kind, expected), got) in question.kinds().zip(expected).zip(got) {
            let lines = self.lines.entry(kind).or_default();
            let likeness = likeness(expected, got, depth);
            is_equal &= likeness == Likeness::Equal;
            match likeness {
                Likeness::Equal => lines.equal += 1,
                Likeness::SameVerdict => lines.same_verdict += 1,
                Likeness::Indeterminate => lines.indeterminate += 1,
                Likeness::Other => self.other(&format!("{got:?}\ninstead of\n{expected:?}")),
            }
        }
        is_equal
    }

    pub(crate) fn other(&mut self, example: &str) {
        self.others += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example.to_owned());
        }
    }

    pub(crate) fn called(&mut self, latency: Duration) {
        self.calls += 1;
        self.latencies.push(latency);
    }

    pub(crate) fn idled(&mut self, latency: Duration) {
        self.idle.push(latency);
    }

    pub(crate) fn failed(&mut self, why: String) {
        *self.failed.entry(why).or_default() += 1;
    }

    pub(crate) fn failures(&self) -> usize {
        self.failed.values().sum()
    }

    /// Lines of these kinds, of every call that was answered.
    fn lines(&self, kinds: &[Kind]) -> Lines {
        let mut sum = Lines::default();
        for kind in kinds {
            let lines = self.lines.get(kind).copied().unwrap_or_default();
            sum.equal += lines.equal;
            sum.same_verdict += lines.same_verdict;
            sum.indeterminate += lines.indeterminate;
        }
        sum
    }

    /// The share of lines of these kinds that were decided, in percent.
    pub(crate) fn decided(&self, kinds: &[Kind]) -> f64 {
        let lines = self.lines(kinds);
        share(lines.decided(), lines.all())
    }

    /// The share of lines of every kind whose answer was equal in all, in percent.
    pub(crate) fn equal(&self) -> f64 {
        let lines = self.lines(&Kind::ALL);
        share(lines.equal, lines.all())
    }

    /// The time within which so many percent of the calls were answered, or failed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        percentile(&self.latencies, percent)
    }

    /// The calls were answered within this time, but for one in a hundred: beyond the delay that a busy machine gives
    /// every call. A call for nothing waits for a processor twice, a question that asks for a certificate and then for
    /// its entry's draws ten times.
    #[track_caller]
    pub(crate) fn assert_p99(&self, longest: Duration) {
        let (p99, idle) = (self.percentile(99), percentile(&self.idle, 99));
        assert!(
            p99 <= longest + 5 * idle,
            "p99 {p99:?}, {idle:?} for nothing; at most {longest:?} more than five times that is allowed: {self}"
        );
    }

    /// No answer was another one, and enough was asked for that to mean something.
    #[track_caller]
    pub(crate) fn assert_never_another(&self, calls: usize) {
        assert_eq!(self.others, 0, "{}", self.examples.join("\n\n"));
        assert!(self.calls >= calls, "only {} calls were made", self.calls);
        assert!(
            Kind::ALL.iter().all(|kind| self.lines.contains_key(kind)),
            "not every kind of line was asked: {self}"
        );
    }

    /// Nearly all is as it should be while nothing is broken: a machine that is too busy for that tells nothing.
    #[track_caller]
    pub(crate) fn assert_sound(&self) {
        assert_eq!(self.others, 0, "{}", self.examples.join("\n\n"));
        let sound = self.equal() >= 95.0 && self.failures() * 20 <= self.calls;
        assert!(sound, "without a fault: {self}, {:?}", self.failed);
    }

    /// Every answer is equal. A machine on which a call for nothing takes so long that services give each other up may
    /// have one in a hundred that cannot be told.
    #[track_caller]
    pub(crate) fn assert_all_equal(&self) {
        let lines = self.lines(&Kind::ALL);
        if percentile(&self.idle, 99) > OVERLOADED {
            assert!(
                self.equal() >= 99.0 && self.failures() * 100 <= self.calls,
                "{self}, {:?}",
                self.failed
            );
            return;
        }
        assert_eq!(self.failures(), 0, "{:?}", self.failed);
        assert_eq!((lines.same_verdict, lines.indeterminate), (0, 0), "{self}");
    }
}

fn percentile(latencies: &[Duration], percent: usize) -> Duration {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

#[allow(clippy::cast_precision_loss, reason = "some thousand lines")]
fn share(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines = self.lines(&Kind::ALL);
        write!(
            f,
            "{} calls ({} failed), {} lines: {:.1} % equal, {:.1} % decided, {} indeterminate, {} other; p50 {:?}, \
             p99 {:?} (for nothing {:?})",
            self.calls,
            self.failures(),
            lines.all(),
            self.equal(),
            self.decided(&Kind::ALL),
            lines.indeterminate,
            self.others,
            round(self.percentile(50)),
            round(self.percentile(99)),
            round(percentile(&self.idle, 99)),
        )
    }
}

pub(crate) fn round(duration: Duration) -> Duration {
    Duration::from_millis(duration.as_millis().try_into().unwrap_or(u64::MAX))
}
