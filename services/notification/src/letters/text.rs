//! A letter as plain text.

use nopic_domain::enforcement::LetterFacts;

use super::template::Template;
use super::{heading, place};

/// Characters of a line.
const WIDTH: usize = 78;

/// The letter.
pub(super) fn of(facts: &LetterFacts, template: &Template) -> String {
    let mut text = String::new();
    let mut add = |indent: &str, line: &str| wrap(&mut text, indent, line);
    add("", template.title);
    add("", &facts.date.to_string());
    add("", "");
    for line in &template.head {
        add("", line);
    }
    for paragraph in &template.opening {
        add("", "");
        add("", paragraph);
    }
    add("", "");
    add("", "What was found");
    for entry in &facts.entries {
        add("", "");
        add("", &heading(entry));
        for line in &entry.lines {
            add(
                "  ",
                &format!("{}, recorded on {}", place(line), line.recorded_on),
            );
            for finding in &line.findings {
                add("    ", &format!("{} ({})", finding.sentence, finding.code));
            }
        }
    }
    if !facts.what_to_do.is_empty() {
        add("", "");
        add("", "What to do");
        for sentence in &facts.what_to_do {
            add("", &format!("- {sentence}"));
        }
    }
    add("", "");
    add("", "What follows");
    for sentence in &template.follows {
        add("", &format!("- {sentence}"));
    }
    add("", "");
    add("", "Where to answer");
    add("", template.answer);
    add("", "");
    for line in facts.answer_to.lines() {
        add("", line.trim_end());
    }
    text
}

/// Adds a paragraph in lines of at most [`WIDTH`] characters, where its words allow; what follows the first line of a point
/// stands below its words.
fn wrap(text: &mut String, indent: &str, paragraph: &str) {
    let hanging = if paragraph.starts_with("- ") { "  " } else { "" };
    let mut width = 0;
    for word in paragraph.split(' ') {
        let length = word.chars().count();
        if width == 0 {
            text.push_str(indent);
            width = indent.len();
        } else if width + 1 + length > WIDTH {
            text.push('\n');
            text.push_str(indent);
            text.push_str(hanging);
            width = indent.len() + hanging.len();
        } else {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += length;
    }
    text.push('\n');
}
