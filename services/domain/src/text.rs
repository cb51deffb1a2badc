//! Texts that others filed, as messages show them.

use std::fmt::{self, Write};

/// At most so many characters of a text, control characters replaced; an ellipsis says that more follow.
#[must_use]
pub fn shortened(text: &str, characters: usize) -> String {
    let mut shown = String::new();
    // Writing to a String cannot fail.
    let _ = write_shortened(text, characters, &mut shown);
    shown
}

/// Writes what [`shortened`] gives.
pub(crate) fn write_shortened(text: &str, characters: usize, out: &mut impl Write) -> fmt::Result {
    let mut rest = text.chars();
    for character in rest.by_ref().take(characters) {
        out.write_char(if character.is_control() {
            '\u{fffd}'
        } else {
            character
        })?;
    }
    match rest.next() {
        Some(_) => out.write_char('…'),
        None => Ok(()),
    }
}
