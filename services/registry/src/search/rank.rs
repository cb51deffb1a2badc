//! How well a name answers a query, word by word.

use std::ops::Range;

use super::words::is_weak;

/// What a legal form weighs; other words weigh 1 to 12.
const WEAK_WEIGHT: f32 = 0.1;
/// Words that have less in common have nothing in common.
const LEAST_SIMILARITY: f32 = 0.5;
/// What the query's side counts for, beside the name's.
const QUERY_SIDE: f32 = 0.75;
/// What a word of the query counts for that is the beginning of a word.
const BEGINNING: f32 = 0.85;
/// What words of the query count for that are other words of the name when spaces are left out.
const RESPACED: f32 = 0.99;
/// The most words that one word may have been parted into.
const MOST_PARTS: usize = 4;
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
    /// All words without the spaces.
    run: Run,
}

/// Words without the spaces between them, and where each begins; the last: the end.
#[derive(Debug)]
struct Run {
    letters: String,
    starts: Vec<usize>,
}

impl Run {
    fn new(words: &[&str]) -> Self {
        let mut letters = String::with_capacity(words.iter().map(|word| word.len()).sum());
        let mut starts = Vec::with_capacity(words.len() + 1);
        for word in words {
            starts.push(letters.len());
            letters.push_str(word);
        }
        starts.push(letters.len());
        Self { letters, starts }
    }

    /// The letters of so many words from one on.
    fn piece(&self, first: usize, count: usize) -> &[u8] {
        &self.letters.as_bytes()[self.starts[first]..self.starts[first + count]]
    }

    /// How many words from one on have so many letters together.
    fn words_of_length(&self, first: usize, length: usize) -> Option<usize> {
        let end = self.starts[first] + length;
        (1..=MOST_PARTS.min(self.starts.len() - 1 - first)).find(|count| self.starts[first + count] == end)
    }
}

impl<'a> Query<'a> {
    /// A folded query.
    pub(super) fn new(folded: &'a str, weigh: &impl Weigh) -> Self {
        let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
        Self {
            weights: words.iter().map(|word| weight(word, weigh)).collect(),
            joined: joined(&words),
            run: Run::new(&words),
            words,
        }
    }

    /// 0 to 1,000; 1,000: the same words.
    pub(super) fn score(&self, name: &str, weigh: &impl Weigh) -> f32 {
        let words: Vec<&str> = name.split(' ').filter(|word| !word.is_empty()).collect();
        let mut free: Vec<bool> = vec![true; words.len()];
        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        let mut similarities = vec![0.0; self.words.len()];
        let mut weights = self.weights.clone();
        let (mut own, mut own_total) = (0.0, 0.0);
        self.respaced(&words, &mut free, |queries, names| {
            // The words of the name tell how much they say; each of the query's has its share.
            let weight: f32 = names.map(|name| weight(words[name], weigh)).sum();
            for query in queries.clone() {
                similarities[query] = RESPACED;
                weights[query] = weight / queries.len() as f32;
            }
            own += RESPACED * weight;
            own_total += weight;
        });
        for (index, query) in self.words.iter().enumerate() {
            if similarities[index] > 0.0 {
                continue;
            }
            for (other, word) in words.iter().enumerate() {
                if !free[other] {
                    continue;
                }
                let similarity = similarity(query, word);
                if similarity >= LEAST_SIMILARITY {
                    pairs.push((similarity, index, other));
                }
            }
        }
        // The most alike first; each word is taken once.
        pairs.sort_by(|left, right| right.0.total_cmp(&left.0));
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

impl Query<'_> {
    /// Calls back with runs of words of the query and of the name that have the same letters, but the spaces at other
    /// places: `o brien s` and `obriens`. Each word is in one of them at most; those of the name are no longer free.
    fn respaced(&self, words: &[&str], free: &mut [bool], mut visit: impl FnMut(Range<usize>, Range<usize>)) {
        // Most words of most names cannot begin such a run, so little is built.
        let begins_alike =
            |query: &str, word: &str| query != word && (query.starts_with(word) || word.starts_with(query));
        let mut run = None;
        let mut index = 0;
        while index < self.words.len() {
            let mut after = index + 1;
            for other in 0..words.len() {
                if !begins_alike(self.words[index], words[other]) {
                    continue;
                }
                let run = run.get_or_insert_with(|| Run::new(words));
                if let Some((queries, names)) = self.respaced_from(index, run, other)
                    && free[other..other + names].iter().all(|free| *free)
                {
                    after = index + queries;
                    free[other..other + names].fill(false);
                    visit(index..after, other..other + names);
                    break;
                }
            }
            index = after;
        }
    }

    /// The shortest runs from these two words on that have the same letters.
    fn respaced_from(&self, index: usize, name: &Run, other: usize) -> Option<(usize, usize)> {
        (1..=MOST_PARTS.min(self.words.len() - index)).find_map(|queries| {
            let letters = self.run.piece(index, queries);
            let names = name.words_of_length(other, letters.len())?;
            (name.piece(other, names) == letters).then_some((queries, names))
        })
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
    fn where_the_spaces_are_matters_little() {
        for (query, name) in [
            ("obrien", "o brien"),
            ("o brien s farms", "obriens farms"),
            ("smithjones farm", "farm smith jones"),
            ("sao brien", "sa obrien"),
            ("de longhi foods", "delonghi foods"),
            ("a b c d", "abcd"),
        ] {
            for score in [score(query, name), score(name, query)] {
                assert!((989.0..1_000.0).contains(&score), "{query}: {score}");
            }
        }
        // Only whole words: these have no more in common than before.
        assert!(score("green valley", "greenvale") < 900.0);
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
