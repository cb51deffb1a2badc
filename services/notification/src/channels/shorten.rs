//! Makes a notice fit where there is little room.

use nopic_domain::notice::{Notice, Parties, ToDo};

use super::words::cut;

/// What is kept of a notice, in steps from much to little: of each list so many, of each text so many characters.
struct Step {
    parties: usize,
    items: usize,
    characters: usize,
}

const STEPS: [Step; 5] = [
    Step {
        parties: 100,
        items: 40,
        characters: 2_000,
    },
    Step {
        parties: 20,
        items: 15,
        characters: 500,
    },
    Step {
        parties: 5,
        items: 8,
        characters: 200,
    },
    Step {
        parties: 2,
        items: 4,
        characters: 80,
    },
    // At most six bytes a character and five texts: half a kilobyte, which every channel has room for.
    Step {
        parties: 0,
        items: 1,
        characters: 20,
    },
];

/// The notice if it fits, else the longest shortened one that does; `None`: it fits as it is.
pub(super) fn shortened(notice: &Notice, fits: impl Fn(&Notice) -> bool) -> Option<Notice> {
    if fits(notice) {
        return None;
    }
    let mut shortened = notice.clone();
    for step in &STEPS {
        shortened = step.of(notice);
        if fits(&shortened) {
            break;
        }
    }
    Some(shortened)
}

impl Step {
    fn of(&self, notice: &Notice) -> Notice {
        let text = |text: &String| cut(text, self.characters);
        let parties = &notice.parties;
        Notice {
            kind: notice.kind,
            severity: notice.severity,
            subject: text(&notice.subject),
            parties: Parties {
                importers: first(&parties.importers, self.parties),
                exporters: first(&parties.exporters, self.parties),
                certifiers: first(&parties.certifiers, self.parties),
            },
            occurred_at: notice.occurred_at,
            title: text(&notice.title),
            sentences: notice.sentences.iter().take(self.items).map(text).collect(),
            to_do: notice
                .to_do
                .iter()
                .take(self.items)
                .map(|to_do| ToDo {
                    who: text(&to_do.who),
                    what: text(&to_do.what),
                    by: to_do.by,
                })
                .collect(),
        }
    }
}

fn first<T: Clone>(list: &[T], most: usize) -> Vec<T> {
    list.iter().take(most).cloned().collect()
}
