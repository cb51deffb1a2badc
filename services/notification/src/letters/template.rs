//! What a letter says beside its facts: one template for each step.

use chrono::Days;
use nopic_domain::date::Date;
use nopic_domain::enforcement::{LetterFacts, Step};
use nopic_domain::policy::Ladder;

/// The words of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) title: &'static str,
    /// To whom, in which matter.
    pub(super) head: Vec<String>,
    /// Why it is written.
    pub(super) opening: Vec<String>,
    /// What comes next, and what ends the matter.
    pub(super) follows: Vec<String>,
    /// How to answer.
    pub(super) answer: &'static str,
}

const RULES: &str = "the rules for organic imports (7 CFR 205.273)";
const AT_ONCE: &str = "A cease-and-desist notice comes at once, on any day, if a line judged by the strict rules is \
                       recorded with the temporary code, or with a voided certificate while your operation is not \
                       certified.";

/// Those of a step.
pub(super) fn of(facts: &LetterFacts, opened_on: Date, ladder: Ladder) -> Template {
    let next_from = after(facts.date, ladder.days_between_steps);
    let last_finding_on = facts
        .entries
        .iter()
        .flat_map(|entry| &entry.lines)
        .map(|line| line.recorded_on)
        .max();
    let closes_on = after(last_finding_on.unwrap_or(facts.date), ladder.days_until_close).max(facts.date);
    let closing = format!(
        "The case closes on {closes_on} if no other such finding is recorded before and your operation is certified in the \
         Organic INTEGRITY Database on that day; else on the first later day on which both hold."
    );
    let next = |step: &str, is_strict: bool| {
        let strict = if is_strict {
            " judged by the strict rules"
        } else {
            ""
        };
        format!("A line{strict} with such a finding that is recorded on or after {next_from} brings {step}.")
    };
    let (title, opening, follows) = match facts.step {
        Step::FirstWarningLetter => (
            "First warning letter",
            vec![
                format!(
                    "Entries on record name your operation as the importer of goods filed as organic. The lines below do \
                     not meet {RULES}."
                ),
                "This letter warns you. Please put right what it names, so that nothing further follows.".to_owned(),
            ],
            vec![next("a second warning letter", false), AT_ONCE.to_owned(), closing],
        ),
        Step::SecondWarningLetter => (
            "Second warning letter",
            vec![
                format!(
                    "You were warned before, and lines that do not meet {RULES} were recorded again with your operation \
                     as the importer. The lines of the case are below."
                ),
                "This is the second and last letter that only warns.".to_owned(),
            ],
            vec![next("a cease-and-desist notice", true), AT_ONCE.to_owned(), closing],
        ),
        Step::CeaseAndDesist => (
            "Cease-and-desist notice",
            vec![
                format!(
                    "Lines that do not meet {RULES} are on record with your operation as the importer. They are listed \
                     below."
                ),
                "You are told to cease and desist: bring no further goods in as organic without an issued NOP Import \
                 Certificate that still holds, and none while your operation is not certified in the Organic INTEGRITY \
                 Database."
                    .to_owned(),
            ],
            vec![next("a referral for civil penalty", true), closing],
        ),
        Step::CivilPenaltyReferral => (
            "Referral for civil penalty",
            vec![
                format!(
                    "You were told to cease and desist, and lines that do not meet {RULES} were recorded again with your \
                     operation as the importer. The lines of the case are below."
                ),
                "The matter is therefore referred to those who decide on civil penalties.".to_owned(),
            ],
            vec![
                "Whether there is a penalty, and which, is decided there. This letter sets none.".to_owned(),
                closing,
            ],
        ),
    };
    Template {
        title,
        head: head(facts, opened_on),
        opening,
        follows,
        answer: "Please answer in writing to the address below, and name the importer and the date of this letter. If you \
                 think that a line is listed in error, say which and why.",
    }
}

fn head(facts: &LetterFacts, opened_on: Date) -> Vec<String> {
    let mut head = vec![
        format!("To: the importer with NOP operation ID {}", facts.importer),
        format!("Case: opened on {opened_on}"),
    ];
    if !facts.earlier.is_empty() {
        let earlier: Vec<String> = facts
            .earlier
            .iter()
            .map(|(step, date)| format!("{} of {date}", name(*step)))
            .collect();
        head.push(format!("Letters before this one: {}", earlier.join(", ")));
    }
    head
}

const fn name(step: Step) -> &'static str {
    match step {
        Step::FirstWarningLetter => "first warning letter",
        Step::SecondWarningLetter => "second warning letter",
        Step::CeaseAndDesist => "cease-and-desist notice",
        Step::CivilPenaltyReferral => "referral for civil penalty",
    }
}

/// The day so many days and one after another, as the ladder counts.
fn after(day: Date, days: u32) -> Date {
    day.checked_add_days(Days::new(u64::from(days) + 1))
        .unwrap_or(Date::MAX)
}
