//! How well a name answers a query, word by word.

use super::words::is_weak;

/// What a legal form weighs; other words weigh 1 to 12.
const WEAK_WEIGHT: f32 = 0.1;
/// Words that have less in common have nothing in common.
const LEAST_SIMILARITY: f32 = 0.5;
/// What the query's side counts for, beside the name's.
const QUERY_SIDE: f32 = 0.75;
/// What a word of the query counts for that is the beginning of a word.
const BEGINNING: f32 = 0.85;
/// Names that agree when spaces are left out.
const JOINED: f32 = 0.95;
/// The best score.
const WHOLE: f32 = 1_000.0;

/// Weighs words by how many names have them.
pub(super) trait Weigh {
    fn weight(&self, word: &str) -> f32;
}

/// A query, prepared once for many names.
#[derive(Debug)]
pub(super) struct Query<'a> {
    words: Vec<&'a str>,
    weights: Vec<f32>,
    joined: String,
}

impl<'a> Query<'a> {
    /// A folded query.
    pub(super) fn new(folded: &'a str, weigh: &impl Weigh) -> Self {
        let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
        Self {
            weights: words.iter().map(|word| weight(word, weigh)).collect(),
            joined: joined(&words),
            words,
        }
    }

    /// 0 to 1,000; 1,000: the same words.
    pub(super) fn score(&self, name: &str, weigh: &impl Weigh) -> f32 {
        let words: Vec<&str> = name.split(' ').filter(|word| !word.is_empty()).collect();
        let mut free: Vec<bool> = vec![true; words.len()];
        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        for (index, query) in self.words.iter().enumerate() {
            for (other, word) in words.iter().enumerate() {
                let similarity = similarity(query, word);
                if similarity >= LEAST_SIMILARITY {
                    pairs.push((similarity, index, other));
                }
            }
        }
        // The most alike first; each word is taken once.
        pairs.sort_by(|left, right| right.0.total_cmp(&left.0));
        let mut similarities = vec![0.0; self.words.len()];
        let mut weights = self.weights.clone();
        let (mut own, mut own_total) = (0.0, 0.0);
        for (similarity, index, other) in pairs {
            if similarities[index] == 0.0 && free[other] {
                similarities[index] = similarity;
                free[other] = false;
                // A misspelt common word is common.
                weights[index] = weight(words[other], weigh);
                own += similarity * weights[index];
                own_total += weights[index];
            }
        }
        own_total += words
            .iter()
            .zip(&free)
            .filter(|(_, free)| **free)
            .map(|(word, _)| weight(word, weigh))
            .sum::<f32>();
        let total: f32 = weights.iter().sum();
        if total == 0.0 || own_total == 0.0 {
            return 0.0;
        }
        let matched: f32 = similarities
            .iter()
            .zip(&weights)
            .map(|(similarity, weight)| similarity * weight)
            .sum();
        let by_words = QUERY_SIDE * matched / total + (1.0 - QUERY_SIDE) * own / own_total;
        if by_words >= JOINED {
            return WHOLE * by_words;
        }
        let joined = joined(&words);
        if cannot_be_alike(&self.joined, &joined) {
            return WHOLE * by_words;
        }
        WHOLE * by_words.max(JOINED * normalized(&self.joined, &joined))
    }
}

fn weight(word: &str, weigh: &impl Weigh) -> f32 {
    if is_weak(word) {
        WEAK_WEIGHT
    } else {
        weigh.weight(word)
    }
}

fn joined(words: &[&str]) -> String {
    words.iter().filter(|word| !is_weak(word)).copied().collect()
}

/// 0 to 1: letters that need not be changed.
fn normalized(left: &str, right: &str) -> f32 {
    let longest = left.chars().count().max(right.chars().count());
    if longest == 0 {
        return 0.0;
    }
    1.0 - strsim::osa_distance(left, right) as f32 / longest as f32
}

fn similarity(query: &str, word: &str) -> f32 {
    if query == word {
        return 1.0;
    }
    // A legal form is another one with one letter changed.
    if is_weak(query) || is_weak(word) {
        return 0.0;
    }
    if word.starts_with(query) && query.len() >= 3 {
        return BEGINNING.max(normalized(query, word));
    }
    if cannot_be_alike(query, word) {
        return 0.0;
    }
    let letters = normalized(query, word);
    if letters < LEAST_SIMILARITY {
        return 0.0;
    }
    // Errors stand seldom at the beginning.
    let beginning = strsim::jaro_winkler(query, word);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "between 0 and 1: only digits behind the seventh are lost"
    )]
    let beginning = beginning as f32;
    (0.7 * letters + 0.3 * beginning).min(0.99)
}

/// Whether two texts are too different in length or in letters to have half of their letters in common: spares the
/// comparison. Each change of one letter takes at most one of the different letters away.
fn cannot_be_alike(left: &str, right: &str) -> bool {
    let (shorter, longer) = if left.len() < right.len() {
        (left, right)
    } else {
        (right, left)
    };
    let lost = (letters_of(longer) & !letters_of(shorter)).count_ones() as usize;
    shorter.len() * 2 < longer.len() || lost * 2 > longer.len()
}

/// The different bytes of a word, one bit each (some share a bit).
fn letters_of(word: &str) -> u64 {
    word.bytes().fold(0, |letters, byte| letters | 1 << (byte & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Equal;

    impl Weigh for Equal {
        fn weight(&self, _: &str) -> f32 {
            5.0
        }
    }

    fn score(query: &str, name: &str) -> f32 {
        Query::new(query, &Equal).score(name, &Equal)
    }

    #[test]
    fn the_same_words_score_a_thousand_in_any_order() {
        assert!(score("green valley llc", "green valley llc") > 999.9);
        assert!(score("valley green", "green valley") > 999.9);
        assert!(score("green valley", "green valley llc") > 990.0);
        assert!(score("green valley inc", "green valley llc") > 960.0);
    }

    #[test]
    fn errors_cost_less_than_other_words() {
        let misspelt = score("gren vally", "green valley");
        assert!(misspelt > 800.0, "{misspelt}");
        assert!(score("greenvalley", "green valley") > 900.0);
        assert!(score("green valley", "green mountain") < misspelt);
        assert!(score("green valley", "blue ocean") < 300.0);
    }
}
