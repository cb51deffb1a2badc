//! Short ways to say what examples are about.

use nopic_domain::date::{Date, Period};
use nopic_domain::enforcement::{
    Case, Cases, Closing, CountedFinding, CountedLine, Deployment, End, EntryVersion, Event, FiledLine,
    Recorded, Step, count,
};
use nopic_domain::finding::{Code, Severity};
use nopic_domain::identifier::{EntryNumber, NopId};
use nopic_domain::policy::{Ladder, Policy};

pub(crate) const LADDER: Ladder = Ladder {
    days_between_steps: 30,
    days_until_close: 30,
};

pub(crate) fn importer() -> NopId {
    NopId::parse("0150000002").unwrap()
}

/// So many days after 2026-01-01.
pub(crate) fn day(number: i64) -> Date {
    "2026-01-01".parse::<Date>().unwrap() + chrono::Duration::days(number)
}

pub(crate) fn entry(number: u32) -> EntryNumber {
    EntryNumber::from_parts("B76", number).unwrap()
}

pub(crate) fn found(code: Code, severity: Severity) -> CountedFinding {
    CountedFinding {
        code,
        severity,
        sentence: format!("{code} was found."),
        remedy: format!("Mend {code}."),
    }
}

/// A line of the phase with these codes, rejected.
pub(crate) fn line_of(phase: &str, codes: &[Code], recorded: Recorded) -> CountedLine {
    let findings: Vec<CountedFinding> = codes.iter().map(|code| found(*code, Severity::Reject)).collect();
    let line = FiledLine {
        line_number: 1,
        pga_line_number: 1,
        importer: Some(importer()),
        phase,
        recorded,
        findings: &findings,
    };
    count(&line, &Policy::shipped()).unwrap().1
}

/// An ordinary finding of the strict phase.
pub(crate) fn ordinary(on: i64) -> CountedLine {
    line_of("STRICT", &[Code::PgaDataMissing], Recorded::Filed { on: day(on) })
}

/// The temporary code in the strict phase.
pub(crate) fn grave(on: i64) -> CountedLine {
    line_of("STRICT", &[Code::TemporaryCode], Recorded::Filed { on: day(on) })
}

/// An ordinary finding of history.
pub(crate) fn imported(on: i64) -> CountedLine {
    line_of(
        "STRICT",
        &[Code::PgaDataMissing],
        Recorded::Imported { on: day(on) },
    )
}

/// Cases that are told things one after another.
pub(crate) struct Told {
    pub(crate) cases: Cases,
    entries: u32,
}

impl Told {
    pub(crate) fn to(deployment: Deployment) -> Self {
        Self {
            cases: Cases::new(deployment, LADDER),
            entries: 0,
        }
    }

    pub(crate) fn version(&mut self, number: u32, version: u32, on: i64, lines: &[CountedLine]) {
        let recorded = EntryVersion {
            entry_number: entry(number),
            version,
            recorded_on: day(on),
            lines: lines.to_vec(),
        };
        self.cases.apply(&Event::Recorded(recorded)).unwrap();
    }

    /// A new entry of one line; its number.
    pub(crate) fn file(&mut self, line: &CountedLine) -> u32 {
        self.entries += 1;
        let on = (line.recorded_on() - day(0)).num_days();
        self.version(self.entries, 1, on, std::slice::from_ref(line));
        self.entries
    }

    pub(crate) fn send(&mut self, step: Step, on: i64) {
        let letter = self.cases.send(step, day(on)).unwrap();
        self.cases.apply(&Event::Sent(letter)).unwrap();
    }

    /// Keeps every closing up to that day; their days.
    pub(crate) fn close(&mut self, today: i64, certified: &[(i64, i64)]) -> Vec<i64> {
        let certified: Vec<Period> = certified
            .iter()
            .map(|(from, to)| Period {
                from: Some(day(*from)),
                to: Some(day(*to)),
            })
            .collect();
        let mut days = Vec::new();
        while let Some(closing) = self.cases.close_late(day(today), &certified) {
            days.push((closing.on - day(0)).num_days());
            self.keep(closing);
        }
        days
    }

    pub(crate) fn keep(&mut self, closing: Closing) {
        self.cases.apply(&Event::Closed(closing)).unwrap();
    }

    /// Every case: its steps, and how it ended.
    pub(crate) fn stands(&self) -> Vec<String> {
        self.cases.cases().iter().map(stands).collect()
    }
}

/// A case in one line: `FIRST_WARNING_LETTER SENT 0, … · CLOSED 31`.
fn stands(case: &Case<'_>) -> String {
    let number = |date: Date| (date - day(0)).num_days();
    let steps: Vec<String> = case
        .steps()
        .iter()
        .map(|taken| {
            format!(
                "{} {} {}",
                taken.step,
                taken.state.as_str(),
                number(taken.state.day())
            )
        })
        .collect();
    let end = match case.end() {
        None => "OPEN".to_owned(),
        Some(End::Closed { on }) => format!("CLOSED {}", number(on)),
        Some(End::Withdrawn { on }) => format!("WITHDRAWN {}", number(on)),
    };
    format!("{} · {end}", steps.join(", "))
}
