//! The enforcement ladder (RULES, "Enforcement ladder"): the cases of one tenant and importer, the letters that they
//! make, and when they close.
//!
//! [`count`] says which filed lines count; [`Cases`] is made from the kept history, one [`Event`] after another, and
//! answers what is due, expected, sent and overtaken; [`Cases::send`] and [`Cases::close_on`] decide, and give the fact
//! that is to be kept as the next event.
//!
//! What RULES leaves open is decided so:
//!
//! - **Order.** Lines count in the order of their days; those of one day in the order in which they were told; those of
//!   one version of an entry with the line first that brings the cease-and-desist notice at once: a letter that would be
//!   made and overtaken in the same moment was never outstanding.
//! - **Facts and consequences.** Letters that were sent and closings are facts, kept with all that is needed to read them
//!   after the policy's intervals changed. All else (cases, what is due or expected) follows from the lines that count
//!   now, whatever the order in which they were told: a line that is withdrawn takes along what only it had made.
//! - **An amended entry** counts by its current version alone, each line on its own day. A version that was told already,
//!   or an older one, changes nothing.
//! - **Steps that are expected** (no authority) are a forecast: they follow the lines that count, in closed cases, too.
//!   History that is brought in counts for them like any other line: they are no letters.
//! - **Steps of an authority** are made by filed lines only. History that is brought in opens and continues a case, moves
//!   its last finding, and makes no step: no letter was sent, so there is no date from which days could count.
//! - **One letter at a time.** While a letter is due, nothing follows it but the cease-and-desist notice at once. The
//!   referral, too, asks for a finding in the strict phase, as the notice before it does.
//! - **A letter that is still due when its case closes** is overtaken by that: nobody is warned of what is cured.
//! - **Closing and findings of one day.** A line recorded on the day on which the case might close keeps it open; once
//!   the case is closed, a line of that day opens the next.
//! - **A closing that came too early** (a line is told later whose day shows it) is undone, unless a letter was sent
//!   or overtaken since: else one case would hold a step twice. Then the line joins the closed case and changes nothing.
//! - **A gap without findings** in which a case should have closed closes it there, whenever it is noticed: never before a
//!   letter that was sent, and not in a closed case that holds a letter.
//! - **A withdrawn case** is one of which nothing was sent and no line counts any more, closed or not. One that had a
//!   letter goes on, and closes by the day of the finding that made its last letter.

mod cases;
mod closing;
mod counted;
mod event;
mod letter;
mod outlook;
mod statistics;
mod step;
mod view;

pub use cases::Cases;
pub use closing::certified_periods;
pub use counted::{COUNTED_CODES, CountedFinding, CountedLine, FiledLine, Origin, Reach, Recorded, count};
pub use event::{Closing, EntryVersion, Event, Letter, Refusal};
pub use letter::{EntryFacts, LetterFacts, LineFacts};
pub use outlook::{NextStep, Outlook};
pub use statistics::Statistics;
pub use step::{Step, StepState, TakenStep, Unsent};
pub use view::{Case, End};

use chrono::Days;

use crate::date::Date;

words! {
    /// Who runs the deployment.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Deployment {
        /// One that enforces: it sends letters.
        Authority = "AUTHORITY",
        /// Any other: it shows the step that AMS is expected to take.
        Other = "OTHER",
    }
}

/// The day so many days and one after another, as the ladder counts: with 30, the 31st day after it. `None` past the
/// end of the calendar, which no day reaches.
fn past_interval(day: Date, days: u32) -> Option<Date> {
    day.checked_add_days(Days::new(u64::from(days) + 1))
}
