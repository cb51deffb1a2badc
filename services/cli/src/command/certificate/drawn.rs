//! What was drawn from a certificate, in words.

use nopic_domain::weight::Weight;

use super::kilograms;
use crate::output::words::counted;

/// All that was drawn. Where others drew, too, the caller's part of it stands first, and only what theirs come to: how many
/// draws those are is not told.
pub(super) fn in_words(all: &str, own: &str, count: u32) -> String {
    let own_draws = counted(count, "draw", "draws");
    // A server of an earlier version does not say what is ours.
    let weight = |text: &str| text.parse::<Weight>().ok();
    match (weight(all), weight(own)) {
        (Some(sum), Some(part)) if sum != part => format!(
            "yours {} in {own_draws}; by others {}",
            kilograms(own),
            kilograms(&sum.saturating_sub(part).to_string())
        ),
        _ => format!("{} in {own_draws}", kilograms(all)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_drew_is_told_apart() {
        assert_eq!(
            in_words("200", "100", 1),
            "yours 100 kg in 1 draw; by others 100 kg"
        );
        assert_eq!(in_words("0.5", "0", 0), "yours 0 kg in 0 draws; by others 0.5 kg");
        assert_eq!(in_words("200", "200", 2), "200 kg in 2 draws");
        assert_eq!(in_words("200", "", 2), "200 kg in 2 draws");
    }
}
