//! A letter as plain text.

use std::fmt::Write as _;

use super::page::{Page, Part};

/// Where lines end.
const WIDTH: usize = 76;

/// The letter; line ends as the wire wants them are made where it is sent.
pub(super) fn of(page: &Page) -> String {
    let mut text = String::new();
    if let Some(opening) = &page.opening {
        heading(&mut text, &opening.title, '=');
        paragraph(&mut text, "", &opening.sentence);
    }
    for part in &page.parts {
        put(&mut text, part);
    }
    text.push_str("--\n");
    for sentence in &page.closing {
        paragraph(&mut text, "", sentence);
    }
    format!("{}\n", text.trim_end())
}

fn put(text: &mut String, part: &Part) {
    heading(text, &part.title, '-');
    for sentence in &part.sentences {
        paragraph(text, "", sentence);
    }
    if !part.to_do.is_empty() {
        text.push_str("What to do:\n\n");
    }
    for item in &part.to_do {
        paragraph(text, "* ", &format!("{}: {}", item.who, item.what));
    }
    for (name, value) in &part.facts {
        wrapped(text, "", &format!("{name}: {value}"));
    }
    text.push_str("\n\n");
}

fn heading(text: &mut String, title: &str, line: char) {
    let before = text.len();
    wrapped(text, "", title);
    let widest = text[before..].lines().map(|line| line.chars().count()).max();
    let line: String = std::iter::repeat_n(line, widest.unwrap_or_default()).collect();
    // Writing to a text cannot fail.
    let _ = write!(text, "{line}\n\n");
}

fn paragraph(text: &mut String, mark: &str, sentence: &str) {
    wrapped(text, mark, sentence);
    text.push('\n');
}

/// Puts words into lines; the first begins with the mark, the others are as far in. A word that is too long for a line,
/// such as an address to click on, has one of its own.
fn wrapped(text: &mut String, mark: &str, words: &str) {
    let inset = mark.chars().count();
    text.push_str(mark);
    let mut column = inset;
    for word in words.split_whitespace() {
        let length = word.chars().count();
        if column > inset && column + 1 + length > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(inset));
            column = inset;
        }
        if column > inset {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}
