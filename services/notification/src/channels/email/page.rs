//! The words of a letter, once for text and HTML.

use chrono::{DateTime, NaiveDate, Utc};
use nopic_domain::notice::{Notice, NoticeSeverity, ToDo};

use crate::channels::shorten::shortened;
use crate::channels::words::{cut, one_line};
use crate::channels::{Content, Message};

/// The longest subject line, in characters.
const MAX_SUBJECT: usize = 150;
/// Most notices of one letter, and the longest of them in characters.
const MAX_NOTICES: usize = 100;
const MAX_CHARACTERS: usize = 8_000;

/// A letter.
pub(super) struct Page {
    pub(super) subject: String,
    /// What stands above a digest; absent: the letter has one notice.
    pub(super) opening: Option<Opening>,
    pub(super) parts: Vec<Part>,
    /// Sentences at the end: what is left out, why this letter came.
    pub(super) closing: Vec<String>,
}

/// What stands above the notices of a digest.
pub(super) struct Opening {
    pub(super) title: String,
    pub(super) sentence: String,
}

/// One notice.
pub(super) struct Part {
    pub(super) title: String,
    pub(super) sentences: Vec<String>,
    pub(super) to_do: Vec<Item>,
    /// Names and values.
    pub(super) facts: Vec<(&'static str, String)>,
}

/// What somebody is to do.
pub(super) struct Item {
    /// `The importer, by December 3, 2026`.
    pub(super) who: String,
    pub(super) what: String,
}

impl Page {
    /// The letter for a message.
    pub(super) fn of(message: &Message, read_at: &str) -> Self {
        let mut closing = Vec::new();
        let (subject, opening, parts) = match &message.content {
            Content::Notice(notice) => {
                let part = Part::of(notice, read_at);
                (part.title.clone(), None, vec![part])
            }
            Content::Digest(notices) => {
                // What somebody must do stands above what is good to know.
                let mut sorted: Vec<&Notice> = notices.iter().collect();
                sorted.sort_by_key(|notice| std::cmp::Reverse(notice.severity));
                let opening = Opening::of(&sorted);
                let left_out = sorted.len().saturating_sub(MAX_NOTICES);
                if left_out > 0 {
                    closing.push(format!(
                        "{} more had no room in this letter. All of them can be read at: {read_at}",
                        notices_in_words(left_out)
                    ));
                }
                let parts: Vec<Part> = sorted
                    .iter()
                    .take(MAX_NOTICES)
                    .map(|notice| Part::of(notice, read_at))
                    .collect();
                let subject = match sorted.as_slice() {
                    [] => opening.title.clone(),
                    [only] => format!("{}: {}", opening.title, line(&only.title)),
                    [first, others @ ..] => {
                        format!(
                            "{}: {}, and {} more",
                            opening.title,
                            cut(&line(&first.title), 100),
                            others.len()
                        )
                    }
                };
                (subject, Some(opening), parts)
            }
        };
        closing.push(format!(
            "nopic sent this letter because somebody of {} subscribed to such notices for this address. It was sent by \
             a program: nobody reads answers to it.",
            line(&message.tenant)
        ));
        closing.push(format!("Message {} of {}.", message.id, moment(message.made_at)));
        Self {
            subject: cut(&subject, MAX_SUBJECT),
            opening,
            parts,
            closing,
        }
    }
}

impl Opening {
    fn of(notices: &[&Notice]) -> Self {
        let count = |severity| {
            let count = notices
                .iter()
                .filter(|notice| notice.severity == severity)
                .count();
            // The word that follows has its ending by the number.
            (count, if count == 1 { "s" } else { "" })
        };
        let (actions, of_actions) = count(NoticeSeverity::Action);
        let (warnings, of_warnings) = count(NoticeSeverity::Warning);
        let asks = format!("{actions} of them ask{of_actions} somebody to act");
        let warns = format!("warn{of_warnings} of something that may go wrong");
        let sentence = match (actions, warnings) {
            (0, 0) => "Nobody must do anything: this is good to know.".to_owned(),
            (0, _) => format!("{warnings} of them {warns}."),
            (_, 0) => format!("{asks}."),
            _ => format!("{asks}, {warnings} {warns}."),
        };
        Self {
            title: notices_in_words(notices.len()),
            sentence,
        }
    }
}

fn notices_in_words(count: usize) -> String {
    if count == 1 {
        "1 notice".to_owned()
    } else {
        format!("{count} notices")
    }
}

impl Part {
    fn of(notice: &Notice, read_at: &str) -> Self {
        let fits = |notice: &Notice| {
            let sentences: usize = notice.sentences.iter().map(String::len).sum();
            let to_do: usize = notice
                .to_do
                .iter()
                .map(|to_do| to_do.who.len() + to_do.what.len())
                .sum();
            let parties = &notice.parties;
            let count = parties.importers.len() + parties.exporters.len() + parties.certifiers.len();
            // An identifier is at most a dozen characters.
            notice.title.len() + notice.subject.len() + sentences + to_do + 12 * count <= MAX_CHARACTERS
        };
        let short = shortened(notice, fits);
        let is_short = short.is_some();
        let notice = short.as_ref().unwrap_or(notice);
        let mut sentences: Vec<String> = notice.sentences.iter().map(|sentence| line(sentence)).collect();
        if is_short {
            sentences.push(format!(
                "This is not all of it. The rest can be read at: {read_at}"
            ));
        }
        let mut facts = vec![
            ("About", line(&notice.subject)),
            ("When", moment(notice.occurred_at)),
        ];
        let parties = &notice.parties;
        for (names, identifiers) in [
            (["Importer", "Importers"], texts(&parties.importers)),
            (["Exporter", "Exporters"], texts(&parties.exporters)),
            (["Certifier", "Certifiers"], texts(&parties.certifiers)),
        ] {
            let name = names[usize::from(identifiers.len() > 1)];
            if !identifiers.is_empty() {
                facts.push((name, identifiers.join(", ")));
            }
        }
        facts.retain(|(_, value)| !value.is_empty());
        Self {
            title: line(&notice.title),
            sentences,
            to_do: notice.to_do.iter().map(Item::of).collect(),
            facts,
        }
    }
}

impl Item {
    fn of(to_do: &ToDo) -> Self {
        let who = capitalised(&line(&to_do.who));
        Self {
            who: match to_do.by {
                Some(day) => format!("{who}, by {}", date(day)),
                None => who,
            },
            what: line(&to_do.what),
        }
    }
}

fn texts(identifiers: &[impl ToString]) -> Vec<String> {
    identifiers.iter().map(ToString::to_string).collect()
}

/// Texts come from files of others, too: nothing in them starts a line of a letter, or turns what stands beside it.
fn line(text: &str) -> String {
    one_line(text)
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}

fn date(day: NaiveDate) -> String {
    day.format("%B %-d, %Y").to_string()
}

fn moment(moment: DateTime<Utc>) -> String {
    moment.format("%B %-d, %Y, %H:%M UTC").to_string()
}
