//! Numbers of a workbook as a spreadsheet shows them.

/// Whether a number format shows a day or a year.
pub(super) fn is_date_format(code: &str) -> bool {
    let mut characters = code.chars();
    while let Some(character) = characters.next() {
        match character {
            // Literal text, colours and conditions.
            '"' => while characters.next().is_some_and(|next| next != '"') {},
            '[' => while characters.next().is_some_and(|next| next != ']') {},
            '\\' | '_' | '*' => {
                characters.next();
            }
            'd' | 'D' | 'y' | 'Y' => return true,
            _ => {}
        }
    }
    false
}

/// The shortest decimal of at most 15 digits, without an exponent: what a spreadsheet shows of a number.
pub(crate) fn shortest_decimal(number: f64) -> Option<String> {
    if !number.is_finite() {
        return None;
    }
    let scientific = format!("{number:.14e}");
    let (mantissa, exponent) = scientific.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    // Where the point stands among the digits.
    let point = exponent + 1;
    let length = i32::try_from(digits.len()).ok()?;
    Some(match usize::try_from(point) {
        Ok(point) if point > 0 => {
            if length <= exponent + 1 {
                format!("{sign}{digits:0<point$}")
            } else {
                format!("{sign}{}.{}", &digits[..point], &digits[point..])
            }
        }
        _ => {
            let zeros = usize::try_from(-point).ok()?;
            format!("{sign}0.{}{digits}", "0".repeat(zeros))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_a_spreadsheet_does() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.1 + 0.2, "0.3"),
            (13138.5, "13138.5"),
            (804_400_020.0, "804400020"),
            (2.788_547_079e9, "2788547079"),
            (1e20, "100000000000000000000"),
            (123_456_789_012_345_678.0, "123456789012346000"),
            (1e-7, "0.0000001"),
            (-0.25, "-0.25"),
            (0.1, "0.1"),
            (100.0, "100"),
        ] {
            assert_eq!(shortest_decimal(number).as_deref(), Some(text));
        }
        assert_eq!(shortest_decimal(f64::NAN), None);
    }

    #[test]
    fn formats_that_show_a_day_are_known() {
        for code in ["m/d/yyyy", "[$-409]d\\-mmm\\-yy;@", "yyyy\"x\"", "[Red]DD"] {
            assert!(is_date_format(code), "{code}");
        }
        for code in [
            "General", "0.00", "\"day\"0", "[dd]0", "h:mm:ss", "\\d0", "@", "_d0",
        ] {
            assert!(!is_date_format(code), "{code}");
        }
    }
}
