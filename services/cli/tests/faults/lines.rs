//! What is asked: lines of the sample of every kind, one by one and in batches.

use nopic_formats::sample::World as Sample;
use nopic_proto::entry_validation::EntryLine;

pub(crate) const OPERATIONS: u32 = 150;
pub(crate) const CERTIFICATES: u32 = 60;
pub(crate) const LINES: u32 = 1500;
pub(crate) const SEED: u64 = 9;

/// What a line needs to be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Its certificate, and who trades.
    Certified,
    /// Nothing: the organic data are disclaimed.
    Disclaimed,
    /// Nothing: no organic data are sent.
    Nothing,
    /// Nothing: a code in place of a certificate's number.
    SpecialCode,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [
        Self::Certified,
        Self::Disclaimed,
        Self::Nothing,
        Self::SpecialCode,
    ];

    pub(crate) fn of(line: &EntryLine) -> Self {
        let number = line.certificate_number.as_str();
        if !line.disclaimer_code.is_empty() {
            Self::Disclaimed
        } else if SPECIAL_CODES.contains(&number) {
            Self::SpecialCode
        } else if number.is_empty() && matches!(line.message_set.as_str(), "" | "NONE") {
            Self::Nothing
        } else {
            Self::Certified
        }
    }
}

const SPECIAL_CODES: [&str; 2] = ["333-550-R", "010-420-L"];

/// One call's lines.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) lines: Vec<EntryLine>,
}

impl Question {
    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.lines.iter().map(Kind::of)
    }
}

/// Lines of the sample that was written with the constants above.
pub(crate) fn sample_lines() -> Vec<EntryLine> {
    let sample = Sample::new(SEED, OPERATIONS, CERTIFICATES);
    sample
        .entry_lines(LINES.into())
        .map(|made| made.line.into())
        .collect()
}

/// Batches among the questions: one of so many calls.
const BATCH_EVERY: usize = 8;
const LINES_A_BATCH: usize = 16;

/// Some hundred questions, half of their single lines such as need no certificate.
pub(crate) fn questions() -> Vec<Question> {
    let lines = sample_lines();
    let of_kind = |kind: Kind, most: usize| {
        let some: Vec<_> = lines
            .iter()
            .filter(|line| Kind::of(line) == kind)
            .take(most)
            .cloned()
            .collect();
        assert!(some.len() >= 10, "{kind:?}: {}", some.len());
        some
    };
    let certified = of_kind(Kind::Certified, 70);
    let others = [Kind::Disclaimed, Kind::Nothing, Kind::SpecialCode]
        .into_iter()
        .flat_map(|kind| of_kind(kind, 25));
    let others: Vec<_> = others.collect();
    let mut batches = lines.chunks(LINES_A_BATCH).map(|lines| Question {
        lines: lines.to_vec(),
    });
    let mut questions = Vec::new();
    let singles = certified
        .iter()
        .zip(others.iter().cycle())
        .flat_map(|(certified, other)| [certified, other]);
    for (index, line) in singles.enumerate() {
        if index % BATCH_EVERY == BATCH_EVERY - 1 {
            questions.extend(batches.next());
        }
        questions.push(Question {
            lines: vec![line.clone()],
        });
    }
    questions
}
