//! Words of others, made fit to be shown.

/// How much is shown of what another machine says.
pub(super) const SHOWN: usize = 200;

/// The text in one line, without characters that steer a terminal or turn the reading direction, and cut.
pub(super) fn shown(text: &str) -> String {
    cut(&one_line(text), SHOWN)
}

/// The text in one line: what steers becomes a space, and spaces in a row become one.
pub(crate) fn one_line(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|character| if steers(character) { ' ' } else { character })
        .collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most so many characters of the text; the last of them says that something is missing.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// What an error's innermost cause says: the outer ones often repeat addresses, with whatever secret is in them.
pub(super) fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let text = cause.to_string();
    shown(text.split(" (os error").next().unwrap_or_default())
}

fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Marks and overrides of direction, separators of lines, characters without width, tags.
            '\u{00AD}' | '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_one_line_of_plain_characters() {
        assert_eq!(
            shown("no\r\n\tsuch\u{1b}[31m \u{202e}hook\0"),
            "no such [31m hook"
        );
        let long = shown(&"é".repeat(300));
        assert_eq!(long.chars().count(), SHOWN);
        assert!(long.ends_with("é…"));
    }
}
