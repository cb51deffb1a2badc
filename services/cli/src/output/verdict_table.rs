//! Verdicts as a broker reads them: which line, what, why, and what to do. And the summaries below.

use std::collections::HashMap;
use std::fmt::Write as _;

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width};
use nopic_proto::entry_validation::verdict::{Declaration, Outcome, Remedy};
use nopic_proto::entry_validation::{ExplainPolicyResponse, Finding, Verdict, finding};

use super::Terminal;
use super::listing::{plain_table, printable};
use super::verdict_record::{LineKind, Tally, outcome};
use super::words;

/// Widths of the columns before the text, with the space that belongs to each.
const ENTRY: u16 = 12;
const LINE: u16 = 7;
const VERDICT: u16 = 14;
/// Between two columns.
const GAP: u16 = 1;
/// From this width on, what to do has a column of its own.
const WIDE: u16 = 110;
const OUTCOMES: [Outcome; 4] = [
    Outcome::Accept,
    Outcome::Warn,
    Outcome::Reject,
    Outcome::Indeterminate,
];

/// The policy's words for a code.
#[derive(Debug, Clone, Default)]
struct Words {
    sentence: String,
    remedy: String,
}

/// What the policy says about each code: tells what is wrong from what to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sentences(HashMap<i32, Words>);

impl Sentences {
    /// Taken from the policy that the server explains.
    pub(crate) fn new(policy: ExplainPolicyResponse) -> Self {
        Self(
            policy
                .codes
                .into_iter()
                .map(|code| {
                    (
                        code.code,
                        Words {
                            sentence: code.sentence,
                            remedy: code.remedy,
                        },
                    )
                })
                .collect(),
        )
    }

    /// What is wrong, and what to do (empty where the policy says nothing).
    fn split<'a>(&self, finding: &'a Finding) -> (&'a str, &'a str) {
        let message = finding.message.as_str();
        let remedy = self
            .0
            .get(&finding.code)
            .map_or("", |words| words.remedy.as_str());
        // The remedy begins with words of its own before any value that it names.
        let beginning = remedy.split('{').next().unwrap_or_default();
        if beginning.is_empty() {
            return (message, "");
        }
        match message.rfind(beginning) {
            Some(0) | None => (message, ""),
            Some(at) => (message[..at].trim_end(), &message[at..]),
        }
    }

    /// What a code means on no line in particular.
    fn meaning(&self, code: finding::Code) -> String {
        let Some(words) = self.0.get(&(code as i32)) else {
            return "a code that this version does not know".to_owned();
        };
        let sentence = without_values(&words.sentence);
        if sentence.chars().any(char::is_alphabetic) {
            sentence
        } else {
            without_values(&words.remedy)
        }
    }
}

/// A sentence of the policy with dots for the values of a line.
fn without_values(template: &str) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        text.push_str(before);
        // A value glued to the end of a sentence is an optional remark.
        if before.is_empty()
            || before.ends_with(|character: char| character.is_whitespace() || character == '(')
        {
            text.push('…');
        }
        rest = behind.split_once('}').map_or("", |(_, behind)| behind);
    }
    text.push_str(rest);
    text
}

/// Prints verdicts batch by batch under one header.
#[derive(Debug)]
pub(crate) struct VerdictTable {
    width: u16,
    colour: bool,
    sentences: Sentences,
    header_printed: bool,
}

impl VerdictTable {
    /// A table as wide as the terminal.
    pub(crate) fn new(terminal: &Terminal, sentences: Sentences) -> Self {
        Self {
            width: terminal.width(),
            colour: terminal.colours_results(),
            sentences,
            header_printed: false,
        }
    }

    /// The rows of a batch as text, the header before the first.
    pub(crate) fn render(&mut self, verdicts: &[Verdict]) -> String {
        if verdicts.is_empty() {
            return String::new();
        }
        let mut table = self.empty_table();
        for verdict in verdicts {
            self.add(&mut table, verdict);
        }
        let text = table.trim_fmt();
        let text = if self.header_printed {
            // Each batch is a table of its own with the same widths: only the first shows its two lines of header.
            text.splitn(3, '\n').nth(2).unwrap_or_default().to_owned()
        } else {
            text
        };
        self.header_printed = true;
        text + "\n"
    }

    /// The name of a file above its rows.
    pub(crate) fn heading(&mut self, name: &str) -> String {
        let above = if self.header_printed { "\n" } else { "" };
        self.header_printed = false;
        format!("{above}{name}\n")
    }

    fn is_wide(&self) -> bool {
        self.width >= WIDE
    }

    fn empty_table(&self) -> Table {
        let text = self.width - ENTRY - LINE - VERDICT - 3 * GAP;
        let (titles, widths): (&[&str], Vec<u16>) = if self.is_wide() {
            let text = text - GAP;
            let reasons = text * 11 / 20;
            (
                &["ENTRY", "LINE", "VERDICT", "WHY", "WHAT TO DO"],
                vec![ENTRY, LINE, VERDICT, reasons, text - reasons],
            )
        } else {
            (
                &["ENTRY", "LINE", "VERDICT", "WHY AND WHAT TO DO"],
                vec![ENTRY, LINE, VERDICT, text],
            )
        };
        let mut table = plain_table(titles);
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(self.width)
            .set_constraints(
                widths
                    .into_iter()
                    .map(|width| ColumnConstraint::Absolute(Width::Fixed(width))),
            );
        if self.colour {
            table.enforce_styling();
        }
        table
    }

    fn add(&self, table: &mut Table, verdict: &Verdict) {
        let outcome = outcome(verdict);
        let mut rows: Vec<(String, String)> = verdict
            .findings
            .iter()
            .map(|finding| {
                let (why, what_to_do) = self.sentences.split(finding);
                (
                    format!("{}{}", weight(finding, outcome), printable(why)),
                    printable(what_to_do),
                )
            })
            .collect();
        if rows.is_empty() {
            let nothing = if verdict.takes_back {
                "It takes the line of this number back."
            } else {
                "Nothing found against it."
            };
            rows.push((nothing.to_owned(), String::new()));
        }
        if let Some(ways) = ways(verdict) {
            rows.push((String::new(), ways));
        }
        for (index, (why, what_to_do)) in rows.into_iter().enumerate() {
            let mut cells = if index == 0 {
                vec![
                    Cell::new(printable(&verdict.entry_number)),
                    Cell::new(line_number(verdict)),
                    self.outcome_cell(outcome),
                ]
            } else {
                vec![Cell::new(""), Cell::new(""), Cell::new("")]
            };
            if self.is_wide() {
                cells.extend([Cell::new(why), Cell::new(what_to_do)]);
            } else {
                cells.push(Cell::new(match (why.as_str(), what_to_do.as_str()) {
                    (why, "") => why.to_owned(),
                    ("", what_to_do) => format!("→ {what_to_do}"),
                    (why, what_to_do) => format!("{why}\n→ {what_to_do}"),
                }));
            }
            table.add_row(cells);
        }
    }

    fn outcome_cell(&self, outcome: Outcome) -> Cell {
        let cell = Cell::new(outcome.as_str_name());
        if !self.colour {
            return cell;
        }
        let colour = match outcome {
            Outcome::Accept => Color::Green,
            Outcome::Warn => Color::Yellow,
            Outcome::Reject => Color::Red,
            Outcome::Indeterminate | Outcome::Unspecified => Color::Magenta,
        };
        cell.fg(colour).add_attribute(Attribute::Bold)
    }

    /// How many lines had which verdict, and which codes, with their meaning.
    pub(crate) fn summary(&self, tally: &Tally) -> String {
        let mut text = outcomes(tally);
        let codes = tally.by_code();
        if codes.is_empty() {
            return text;
        }
        let mut table = plain_table(&["REASON", "LINES", "WHAT IT MEANS"]);
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(self.width);
        for (code, count) in codes {
            table.add_row([
                code.as_str_name().to_owned(),
                words::count(count),
                self.sentences.meaning(code),
            ]);
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{}", table.trim_fmt());
        text
    }
}

/// How many lines had which verdict.
pub(crate) fn outcomes(tally: &Tally) -> String {
    let mut text = String::new();
    for (outcome, meaning, count) in by_meaning(tally) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:>9} {:<13} {meaning}",
            words::count(count),
            outcome.as_str_name(),
        );
    }
    text
}

/// Lines by what their verdict means: an ACCEPT of a line that is not declared organic is not one to file as organic.
fn by_meaning(tally: &Tally) -> Vec<(Outcome, &'static str, u64)> {
    let mut counted: Vec<(Outcome, &'static str, u64)> = Vec::new();
    for outcome in OUTCOMES {
        for kind in LineKind::ALL {
            let count = tally.of_kind(outcome, kind);
            let meaning = words::outcome(outcome, kind);
            match counted.last_mut() {
                _ if count == 0 => {}
                Some((_, before, sum)) if *before == meaning => *sum += count,
                _ => counted.push((outcome, meaning, count)),
            }
        }
    }
    counted
}

/// How many lines declare what: `20 organic, 3 disclaimed, 1 not declared`; and how many take others back.
pub(crate) fn declarations(tally: &Tally) -> String {
    let seldom = [LineKind::Declares(Declaration::Unspecified), LineKind::TakesBack];
    let parts: Vec<String> = LineKind::ALL
        .into_iter()
        .map(|kind| (kind, tally.kind(kind)))
        .filter(|(kind, count)| *count > 0 || !seldom.contains(kind))
        .map(|(kind, count)| format!("{} {}", words::count(count), words::kind(kind)))
        .collect();
    parts.join(", ")
}

/// How many lines had which verdict, in one line: `9 ACCEPT, 1 REJECT`.
pub(crate) fn outcomes_in_line(tally: &Tally) -> String {
    let parts: Vec<String> = OUTCOMES
        .into_iter()
        .filter(|outcome| tally.of(*outcome) > 0)
        .map(|outcome| format!("{} {}", words::count(tally.of(outcome)), outcome.as_str_name()))
        .collect();
    parts.join(", ")
}

/// Says of a finding that it does not decide the verdict.
fn weight(finding: &Finding, outcome: Outcome) -> &'static str {
    match (
        finding::Severity::try_from(finding.severity).unwrap_or_default(),
        outcome,
    ) {
        (finding::Severity::Info, _) => "Note: ",
        (finding::Severity::Warning, Outcome::Reject | Outcome::Indeterminate) => "Warning: ",
        (finding::Severity::Indeterminate, Outcome::Reject) => "Not known: ",
        _ => "",
    }
}

/// The ways that are left for a rejected line.
fn ways(verdict: &Verdict) -> Option<String> {
    let ways: Vec<&str> = verdict
        .remedies
        .iter()
        .map(|remedy| words::remedy(Remedy::try_from(*remedy).unwrap_or_default()))
        .collect();
    // To correct the line is what the findings themselves say.
    if ways.is_empty() || verdict.remedies == [Remedy::CorrectAndRefile as i32] {
        return None;
    }
    Some(format!(
        "If that is not possible: {}.",
        words::joined(&ways, "or")
    ))
}

fn line_number(verdict: &Verdict) -> String {
    if verdict.pga_line_number == 1 {
        verdict.line_number.to_string()
    } else {
        format!("{}/{}", verdict.line_number, verdict.pga_line_number)
    }
}

#[cfg(test)]
mod tests {
    use nopic_proto::entry_validation::CodeExplanation;

    use super::super::verdict_record::tests::rejected;
    use super::*;

    fn sentences() -> Sentences {
        Sentences::new(ExplainPolicyResponse {
            codes: vec![CodeExplanation {
                code: finding::Code::CertificateVoided.into(),
                sentence: "Certificate {number} was voided by its certifier.".into(),
                remedy: "Ask the exporter for a valid certificate.".into(),
                ..CodeExplanation::default()
            }],
            ..ExplainPolicyResponse::default()
        })
    }

    fn table(columns: Option<u16>) -> VerdictTable {
        VerdictTable::new(
            &Terminal {
                columns,
                ..Terminal::none()
            },
            sentences(),
        )
    }

    #[test]
    fn a_wide_table_tells_why_from_what_to_do() {
        let text = table(None).render(&[rejected()]);
        assert!(text.contains("WHAT TO DO"), "{text}");
        let row = text.lines().nth(2).unwrap();
        assert!(row.starts_with("B7603245278  1/2     REJECT"), "{text}");
        assert!(text.contains("  Ask the exporter"), "{text}");
        assert!(text.contains("Warning: Old."), "{text}");
        assert!(text.contains("If that is not possible: re-export or"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }

    #[test]
    fn a_narrow_table_wraps() {
        let text = table(Some(70)).render(&[rejected()]);
        assert!(text.contains("WHY AND WHAT TO DO"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 70), "{text}");
        assert!(!text.contains('\u{1b}'), "no colour was allowed: {text}");
    }

    #[test]
    fn batches_share_one_header_and_their_widths() {
        let mut table = table(None);
        let whole = table.render(&[rejected()]) + &table.render(&[rejected()]);
        assert_eq!(whole.matches("VERDICT").count(), 1, "{whole}");
        assert_eq!(whole.matches("B7603245278").count(), 2, "{whole}");
        assert_eq!(table.render(&[]), "");
    }

    #[test]
    fn what_a_file_holds_cannot_steer_the_terminal() {
        let mut verdict = rejected();
        verdict.entry_number = "\u{1b}[2J".into();
        assert!(!table(None).render(&[verdict]).contains('\u{1b}'));
    }

    #[test]
    fn the_summary_says_what_a_code_means() {
        let mut tally = Tally::default();
        tally.add(&[rejected()]);
        let text = table(None).summary(&tally);
        assert!(
            text.contains("1 REJECT        cannot be filed as organic"),
            "{text}"
        );
        assert!(
            text.contains("Certificate … was voided by its certifier."),
            "{text}"
        );
        assert!(!text.contains("ACCEPT"), "{text}");
    }

    #[test]
    fn what_is_not_declared_organic_is_not_filed_as_organic() {
        let mut tally = Tally::default();
        for (declaration, count) in [
            (Declaration::Organic, 3),
            (Declaration::Disclaimed, 2),
            (Declaration::None, 1),
        ] {
            let accepted = Verdict {
                verdict: Outcome::Accept.into(),
                declaration: declaration.into(),
                findings: Vec::new(),
                ..rejected()
            };
            tally.add(&vec![accepted; count]);
        }
        tally.add(&[rejected()]);
        assert_eq!(
            outcomes(&tally),
            "        3 ACCEPT        can be filed as organic\n        \
             2 ACCEPT        can be filed with its disclaimer, not as organic\n        \
             1 ACCEPT        can be filed: nothing organic is declared\n        \
             1 REJECT        cannot be filed as organic as it stands\n"
        );
        assert_eq!(declarations(&tally), "4 organic, 2 disclaimed, 1 not declared");
        assert_eq!(outcomes_in_line(&tally), "6 ACCEPT, 1 REJECT");
    }

    #[test]
    fn a_line_that_takes_another_back_is_not_filed_as_organic() {
        let accepted = Verdict {
            verdict: Outcome::Accept.into(),
            findings: Vec::new(),
            remedies: Vec::new(),
            ..rejected()
        };
        let taking_back = Verdict {
            takes_back: true,
            ..accepted.clone()
        };
        let rendered = table(None).render(std::slice::from_ref(&taking_back));
        assert!(
            rendered.contains("It takes the line of this number back."),
            "{rendered}"
        );
        let mut tally = Tally::default();
        tally.add(&[accepted, taking_back]);
        assert_eq!(
            outcomes(&tally),
            "        1 ACCEPT        can be filed as organic\n        \
             1 ACCEPT        takes a line back, and declares nothing\n"
        );
        assert_eq!(
            declarations(&tally),
            "1 organic, 0 disclaimed, 0 not declared, 1 to be taken back"
        );
    }

    #[test]
    fn optional_remarks_leave_no_dots() {
        assert_eq!(
            without_values("{value} is not one (3 digits).{suggestion}"),
            "… is not one (3 digits)."
        );
        assert_eq!(without_values("Ask {whom}, then go."), "Ask …, then go.");
    }
}
