//! Channels: the ways on which a notice reaches a person or a program.
//!
//! A channel checks the settings of its receivers and tries, once, to deliver a message to one of them; when to try
//! again, and when to give up, is decided by who calls it, by the [`Outcome`]. A new channel is a file (or folder)
//! here and a line in [`ALL`].

pub mod email;
mod message;
mod outcome;
mod secret;
mod settings;
mod shorten;
pub mod webhook;
pub(crate) mod words;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nopic_chassis::config::Reader;
use serde_json::Value;

pub use message::{Content, Message, MessageId, MessageIdError};
pub use outcome::Outcome;
pub use secret::{Secret, SecretError};
pub use settings::SettingsProblem;
use webhook::{Resolver, SystemResolver};

/// Reads a channel from the configuration; absent: it cannot be, and the reader knows why.
type Configured = fn(&mut Reader, &Surroundings) -> Option<Arc<dyn Channel>>;

/// Every channel.
const ALL: &[Configured] = &[webhook::configured, email::configured];

/// A way on which messages reach their receivers.
#[async_trait]
pub trait Channel: fmt::Debug + Send + Sync {
    /// Its name, by which receivers choose it.
    fn name(&self) -> &'static str;

    /// Whether its messages are signed, so that each receiver has secrets.
    fn signs(&self) -> bool {
        false
    }

    /// Whether a person reads its messages, who wants to be disturbed by what cannot wait alone.
    fn is_read_by_people(&self) -> bool {
        true
    }

    /// Checks the settings of a receiver: a JSON object.
    ///
    /// # Errors
    /// Everything that is wrong with them, each with the name of its field.
    fn check(&self, settings: &Value) -> Result<(), Vec<SettingsProblem>>;

    /// Where these settings lead to, in a few words for lists and notices; nothing secret is among them.
    fn destination(&self, settings: &Value) -> String;

    /// Tries once to deliver a message. It ends by itself within a minute and a half; whoever gives it up earlier
    /// must take the message as perhaps delivered.
    ///
    /// `secrets` are all that are in force: while one takes the place of another, both.
    async fn deliver(
        &self,
        settings: &Value,
        secrets: &[Secret],
        message: &Message,
        now: DateTime<Utc>,
    ) -> Outcome;
}

/// What channels need of the process around them.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Where mail goes until a server is configured for it. The folder is made when the first mail is written.
    pub mail_folder: MailFolder,
    /// Who knows the addresses of names.
    pub resolver: Arc<dyn Resolver>,
}

impl Surroundings {
    /// Those of a process on its machine.
    #[must_use]
    pub fn new(mail_folder: MailFolder) -> Self {
        Self {
            mail_folder,
            resolver: Arc::new(SystemResolver),
        }
    }
}

/// A folder for mail. It is named before anything is sent: a configuration is read before it is known where the data are.
#[derive(Debug, Clone, Default)]
pub struct MailFolder(Arc<OnceLock<PathBuf>>);

impl MailFolder {
    /// This one.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self(Arc::new(OnceLock::from(folder)))
    }

    /// Names it, for every clone, unless it has a name.
    pub fn name(&self, folder: PathBuf) {
        let _ = self.0.set(folder);
    }

    /// The folder; where nobody has named one, `mail` in the working directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.get().map_or(Path::new("mail"), PathBuf::as_path)
    }
}

/// Every channel of a process.
#[derive(Debug, Clone)]
pub struct Channels(Vec<Arc<dyn Channel>>);

impl Channels {
    /// Reads their configuration. Channels whose configuration is wrong are left out: the reader has the problems, and
    /// the process does not start.
    #[must_use]
    pub fn configured(reader: &mut Reader, surroundings: &Surroundings) -> Self {
        Self(ALL.iter().filter_map(|read| read(reader, surroundings)).collect())
    }

    /// These channels: for tests of whoever delivers by them.
    #[must_use]
    pub fn of(channels: Vec<Arc<dyn Channel>>) -> Self {
        Self(channels)
    }

    /// The channel of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<dyn Channel>> {
        self.0.iter().find(|channel| channel.name() == name)
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|channel| channel.name())
    }
}

/// Where people can read every notice, as a channel tells it whose message has no room for all.
fn read_at(reader: &mut Reader) -> String {
    reader
        .text("notification.read_at")
        .unwrap_or_else(|| READ_AT.to_owned())
}

/// What is told where the operator has named no place.
const READ_AT: &str = "nopic notice list";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_is_there_without_any_configuration_and_is_found_by_its_name() {
        let mut reader = Reader::of_environment([]);
        let channels = Channels::configured(&mut reader, &Surroundings::new(MailFolder::default()));
        reader.finish().unwrap();
        assert_eq!(channels.names().collect::<Vec<_>>(), ["webhook", "email"]);
        assert!(channels.find("webhook").unwrap().signs());
        assert!(!channels.find("email").unwrap().signs());
        assert!(channels.find("email").unwrap().is_read_by_people());
        assert!(!channels.find("webhook").unwrap().is_read_by_people());
        assert!(channels.find("pigeon").is_none());
    }

    #[test]
    fn what_is_wrong_with_the_configuration_is_said_by_key() {
        let environment = [
            ("NOPIC_NOTIFICATION_WEBHOOK_ALLOW", "10.0.0.0/8, ten"),
            ("NOPIC_NOTIFICATION_WEBHOOK_PLAIN_HTTP", "http://inside"),
            ("NOPIC_NOTIFICATION_WEBHOOK_PATIENCE", "3"),
            ("NOPIC_NOTIFICATION_MAIL_TRANSPORT", "smtp://mail.example.com"),
            ("NOPIC_NOTIFICATION_MAIL_USER", "nopic"),
        ];
        let mut reader = Reader::of_environment(environment.map(|(k, v)| (k.to_owned(), v.to_owned())));
        let channels = Channels::configured(&mut reader, &Surroundings::new(MailFolder::default()));
        assert_eq!(channels.names().count(), 0);
        let problems = reader.finish().unwrap_err().problems;
        let keys: Vec<_> = problems
            .iter()
            .map(|problem| problem.split(": ").next().unwrap())
            .collect();
        assert_eq!(
            keys,
            [
                "notification.webhook.allow",
                "notification.webhook.plain_http",
                "notification.webhook.patience",
                "notification.mail.password",
                "notification.mail.from",
            ]
        );
    }
}
