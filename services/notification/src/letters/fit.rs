//! What of a letter stands on its page: a letter prints on one sheet, and says what it has no room for.
//!
//! The room is reckoned, not measured: by the widest of the fonts that a reader may have, on Letter, the shorter of the
//! two papers (A4 has more rows than its narrower ones cost). A test prints letters on both in a browser, and sees to it
//! that the reckoning holds.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use nopic_domain::date::Date;
use nopic_domain::enforcement::{EntryFacts, LetterFacts, LineFacts};

use super::place;
use super::template::Template;
use crate::channels::words::cut;

/// What stands on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) entries: Vec<EntryFacts>,
    pub(super) what_to_do: Vec<String>,
    /// What does not, and where it is; absent: all does.
    pub(super) left_out: Option<String>,
}

/// Lengths are in hundredths of a point.
const POINT: usize = 100;
/// Letter less its margins, and less a little for what browsers do differently.
const HEIGHT: usize = 706 * POINT;
const WIDTH: usize = 510 * POINT;
/// Of the column of findings, and of the one with their place.
const FINDINGS: usize = 345 * POINT;
const PLACE: usize = 93 * POINT;
/// The two sizes of letters, and the heights of their rows.
const TEXT: (usize, usize) = (10 * POINT, 1_350);
const SMALL: (usize, usize) = (9 * POINT, 1_215);
/// Beside its rows: the head with its rule, a heading, a row below the head, a paragraph, a point, an entry, a line.
const HEAD: usize = 47 * POINT;
const HEADING: usize = 25 * POINT;
const BELOW_HEAD: usize = 150;
const PARAGRAPH: usize = 430;
const ITEM: usize = 290;
const ENTRY: usize = 1_800;
const LINE: usize = 560;
/// Of one sentence or row of the address so much is shown where not all has room.
const SHOWN: usize = 240;
/// Entries that are named among what is left out.
const NAMED: usize = 4;

/// What of the facts has room beside what every letter says.
pub(super) fn fitted(facts: &LetterFacts, template: &Template) -> Page {
    let room = HEIGHT.saturating_sub(always(facts, template));
    let to_do: usize = facts.what_to_do.iter().map(|point| item(point)).sum();
    let lines: usize = facts
        .entries
        .iter()
        .map(|entry| ENTRY + entry.lines.iter().map(line_height).sum::<usize>())
        .sum();
    if to_do + lines <= room {
        return Page {
            entries: facts.entries.clone(),
            what_to_do: facts.what_to_do.clone(),
            left_out: None,
        };
    }
    let room = room.saturating_sub(4 * TEXT.1 + PARAGRAPH);
    let what_to_do = points(&facts.what_to_do, room / 2);
    let to_do: usize = what_to_do.iter().map(|point| item(point)).sum();
    let chosen = chosen(facts, room.saturating_sub(to_do));
    let entries: Vec<EntryFacts> = facts
        .entries
        .iter()
        .enumerate()
        .map(|(place, entry)| EntryFacts {
            entry_number: entry.entry_number,
            lines: entry
                .lines
                .iter()
                .enumerate()
                .filter(|(index, _)| chosen.contains(&(place, *index)))
                .map(|(_, line)| shortened(line))
                .collect(),
        })
        .filter(|entry| !entry.lines.is_empty())
        .collect();
    let points_left = facts.what_to_do.len() - what_to_do.len();
    Page {
        entries,
        what_to_do,
        left_out: left_out(facts, &chosen, points_left),
    }
}

/// The height of what stands in every letter of this kind.
fn always(facts: &LetterFacts, template: &Template) -> usize {
    let height = |text: &str| rows(text, WIDTH, TEXT.0) * TEXT.1;
    let head = template.head.iter().map(|line| height(line) + BELOW_HEAD);
    let opening = template.opening.iter().map(|text| height(text) + PARAGRAPH);
    let follows = template.follows.iter().map(|point| item(point));
    let answer = std::iter::once(template.answer).chain(facts.answer_to.lines());
    HEAD + head.sum::<usize>()
        + opening.sum::<usize>()
        + follows.sum::<usize>()
        + answer.map(height).sum::<usize>()
        + PARAGRAPH
        + 4 * HEADING
}

fn item(point: &str) -> usize {
    rows(point, WIDTH - 15 * POINT, TEXT.0) * TEXT.1 + ITEM
}

fn line_height(line: &LineFacts) -> usize {
    let of_place = rows(&place(line), PLACE, SMALL.0);
    let findings = line.findings.iter();
    let of_findings: usize = findings
        .map(|finding| {
            let code = finding.code.as_str().len() * CODE;
            rows_with(&finding.sentence, Some(code), FINDINGS, SMALL.0)
        })
        .sum();
    of_place.max(of_findings) * SMALL.1 + LINE
}

/// The first points that have room, one at least.
fn points(points: &[String], room: usize) -> Vec<String> {
    let mut left = room;
    let mut taken = Vec::new();
    for point in points {
        let point = cut(point, SHOWN);
        let height = item(&point);
        if height > left && !taken.is_empty() {
            break;
        }
        left = left.saturating_sub(height);
        taken.push(point);
    }
    taken
}

fn shortened(line: &LineFacts) -> LineFacts {
    let mut line = line.clone();
    for finding in &mut line.findings {
        finding.sentence = cut(&finding.sentence, SHOWN);
    }
    line
}

/// The lines that have room, one at least, by the places of their entry and in it: those of the day that made the letter
/// due, then the latest.
fn chosen(facts: &LetterFacts, room: usize) -> BTreeSet<(usize, usize)> {
    let mut lines: Vec<((usize, usize), &LineFacts)> = Vec::new();
    for (entry, of_entry) in facts.entries.iter().enumerate() {
        let places = of_entry.lines.iter().enumerate();
        lines.extend(places.map(|(index, line)| ((entry, index), line)));
    }
    // Of equal ones the first stay the first.
    lines.sort_by_key(|(_, line)| (line.recorded_on != facts.cause, Reverse(line.recorded_on)));
    let mut left = room;
    let mut chosen = BTreeSet::new();
    let mut headed = BTreeSet::new();
    for ((entry, index), line) in lines {
        let heading = if headed.contains(&entry) { 0 } else { ENTRY };
        let height = heading + line_height(&shortened(line));
        if height > left && !chosen.is_empty() {
            break;
        }
        left = left.saturating_sub(height);
        headed.insert(entry);
        chosen.insert((entry, index));
    }
    chosen
}

/// What is not on the page, and where it is.
fn left_out(facts: &LetterFacts, chosen: &BTreeSet<(usize, usize)>, points: usize) -> Option<String> {
    let mut count = 0;
    let mut entries = Vec::new();
    let mut days: BTreeSet<Date> = BTreeSet::new();
    for (place, entry) in facts.entries.iter().enumerate() {
        let indexed = entry.lines.iter().enumerate();
        let gone = indexed.filter(|(index, _)| !chosen.contains(&(place, *index)));
        let before = count;
        for (_, line) in gone {
            count += 1;
            days.insert(line.recorded_on);
        }
        if count > before {
            entries.push(entry.entry_number.to_string());
        }
    }
    let mut missing = Vec::new();
    if let (Some(first), Some(last)) = (days.first(), days.last()) {
        let named = entries.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let others = match entries.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (lines, of) = (
            if count == 1 { "line" } else { "lines" },
            if entries.len() == 1 { "entry" } else { "entries" },
        );
        let when = if first == last {
            format!("on {first}")
        } else {
            format!("from {first} to {last}")
        };
        missing.push(format!(
            "{count} more {lines} of {of} {named}{others}, recorded {when}"
        ));
    }
    if points > 0 {
        let word = if points == 1 { "thing" } else { "things" };
        missing.push(format!("{points} more {word} to do"));
    }
    let missing = if missing.is_empty() {
        "the whole of some sentences".to_owned()
    } else {
        missing.join("; ")
    };
    Some(format!(
        "For want of room this page leaves out: {missing}. The text of this letter holds all of it. It is on record with the \
         case: the address below sends it when it is asked."
    ))
}

/// Rows of a text, broken between its words, and within one that is wider than a row.
fn rows(text: &str, width: usize, size: usize) -> usize {
    rows_with(text, None, width, size)
}

/// The same with a last word of this width.
fn rows_with(text: &str, last: Option<usize>, width: usize, size: usize) -> usize {
    let room = width * 100 / size;
    let (mut rows, mut used) = (1, 0);
    let words = text.split(' ').map(|word| word.chars().map(character).sum());
    for word in words.chain(last) {
        let word: usize = word;
        if used > 0 && used + character(' ') + word <= room {
            used += character(' ') + word;
            continue;
        }
        if used > 0 {
            rows += 1;
        }
        rows += word.saturating_sub(1) / room;
        used = match word % room {
            0 => word.min(room),
            rest => rest,
        };
    }
    rows
}

/// The width of a character in hundredths of the letters' size, in the widest of the usual fonts, rounded up.
const fn character(character: char) -> usize {
    match character {
        ' ' | 'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '-' | '/' => 34,
        'f' | 't' | 'r' | '(' | ')' | 'I' | 'J' | '!' => 48,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 103,
        'D' | 'G' | 'H' | 'N' | 'O' | 'Q' | 'U' => 87,
        'A'..='Z' => 77,
        's' | 'c' | 'z' | 'v' | 'x' | 'y' => 57,
        'a' | 'e' | 'o' => 61,
        'a'..='z' | '0'..='9' => 64,
        '!'..='~' => 84,
        _ => 115,
    }
}

/// That of one of a code, which is smaller and of one width.
const CODE: usize = 58;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_takes_the_rows_that_its_words_need() {
        let ten = 64 * POINT;
        assert_eq!(rows("bbbbbbbbbb", ten, 10 * POINT), 1);
        assert_eq!(rows("bbbb bbbb", ten, 10 * POINT), 1);
        assert_eq!(rows("bbbbb bbbbb", ten, 10 * POINT), 2);
        assert_eq!(rows(&"b".repeat(21), ten, 10 * POINT), 3);
        assert_eq!(rows("", ten, 10 * POINT), 1);
        assert_eq!(rows_with("bbbbb", Some(4 * CODE), ten, 10 * POINT), 1);
        assert_eq!(rows_with("bbbbb", Some(6 * CODE), ten, 10 * POINT), 2);
    }

    #[test]
    fn of_what_is_to_do_the_first_stands_always_and_no_more_than_there_is_room_for() {
        let all = ["Do this.", "Do that.", "And that."].map(str::to_owned);
        assert_eq!(points(&all, 2 * item("Do that.")), all[..2]);
        assert_eq!(points(&all, 0), all[..1]);
        assert_eq!(points(&all, HEIGHT), all);
        let long = ["Long. ".repeat(1_000)];
        assert_eq!(points(&long, 0)[0].chars().count(), SHOWN);
    }
}
