//! Which names share runs of three letters.

/// Runs are gathered by hash into so many lists: a few share one, which costs a little time and no hit.
const LISTS: usize = 1 << 17;

/// Lists of names by their runs of three letters: one array, and where each list begins.
#[derive(Debug)]
pub(super) struct Trigrams {
    starts: Vec<u32>,
    names: Vec<u32>,
    /// What all the runs of a name weigh together.
    totals: Vec<f32>,
    count: f32,
}

/// The distinct lists of a folded text's words, sorted.
pub(super) fn lists_of(words: &str, lists: &mut Vec<u32>) {
    lists.clear();
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        // `\u{2}` stands before and `\u{3}` behind a word; its first letter is a run of its own.
        let mut before = ('\u{0}', '\u{2}');
        for character in word.chars().chain(['\u{3}']) {
            lists.push(list_of(before.0, before.1, character));
            before = (before.1, character);
        }
    }
    lists.sort_unstable();
    lists.dedup();
}

fn list_of(first: char, second: char, third: char) -> u32 {
    let key =
        u64::from(u32::from(first)) << 42 | u64::from(u32::from(second)) << 21 | u64::from(u32::from(third));
    let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - LISTS.trailing_zeros());
    u32::try_from(hash).unwrap_or_default()
}

impl Trigrams {
    /// The lists of these folded names, in their order.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Self {
        let mut lists = Vec::new();
        let mut starts = vec![0u32; LISTS + 1];
        let mut count = 0u32;
        for name in names.clone() {
            lists_of(name, &mut lists);
            for list in &lists {
                starts[*list as usize + 1] += 1;
            }
            count += 1;
        }
        for index in 0..LISTS {
            starts[index + 1] += starts[index];
        }
        let mut this = Self {
            names: vec![0; starts[LISTS] as usize],
            starts,
            totals: Vec::with_capacity(count as usize),
            count: count as f32,
        };
        let mut next: Vec<u32> = this.starts[..LISTS].to_vec();
        for (number, name) in (0u32..).zip(names) {
            lists_of(name, &mut lists);
            let mut total = 0.0;
            for list in &lists {
                let place = &mut next[*list as usize];
                this.names[*place as usize] = number;
                *place += 1;
                total += this.weight(*list);
            }
            this.totals.push(total);
        }
        this
    }

    fn list(&self, list: u32) -> &[u32] {
        let index = list as usize;
        &self.names[self.starts[index] as usize..self.starts[index + 1] as usize]
    }

    /// A run that few names have says more.
    fn weight(&self, list: u32) -> f32 {
        let length = self.list(list).len() as f32;
        (1.0 + self.count / (1.0 + length)).ln()
    }

    /// How much each name has in common with these words: 0 to 1.
    pub(super) fn likeness(&self, words: &str, likeness: &mut Vec<f32>) {
        likeness.clear();
        likeness.resize(self.totals.len(), 0.0);
        let mut lists = Vec::new();
        lists_of(words, &mut lists);
        let mut total = 0.0;
        for list in lists {
            let weight = self.weight(list);
            total += weight;
            for name in self.list(list) {
                likeness[*name as usize] += weight;
            }
        }
        for (likeness, own) in likeness.iter_mut().zip(&self.totals) {
            if *likeness > 0.0 {
                // A part of a name counts nearly as much as the whole: the query's side weighs more.
                *likeness /= 0.75 * total + 0.25 * own;
            }
        }
    }
}
