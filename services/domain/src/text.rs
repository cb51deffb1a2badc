//! Texts that others filed, as messages show them.

/// At most so many characters of a text, control characters replaced; an ellipsis says that more follow.
#[must_use]
pub fn shortened(text: &str, characters: usize) -> String {
    let mut shown: String = text
        .chars()
        .take(characters)
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect();
    if text.chars().nth(characters).is_some() {
        shown.push('…');
    }
    shown
}
