//! Electronic mail: text and HTML with the same words, by SMTP, or into a folder until a server is configured.

mod compose;
mod configuration;
mod folder;
mod html;
mod page;
mod smtp;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lettre::Address;
use lettre::message::Mailbox;
use serde_json::Value;

use super::MailFolder;
use super::settings::{Fields, in_words};
use super::words::shown;
use super::{Channel, Message, Outcome, READ_AT, Secret, SettingsProblem};
pub(super) use configuration::configured;
use smtp::Smtp;
pub use smtp::{Encryption, Server};

/// How many addresses one receiver may have.
const MAX_ADDRESSES: usize = 20;

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct EmailOptions {
    /// By whom it goes.
    pub transport: Transport,
    /// From whom it comes.
    pub from: Mailbox,
    /// How long one try may take in all.
    pub patience: Duration,
    /// Where people find what a message has no room for.
    pub read_at: String,
}

/// By whom mail goes.
#[derive(Debug, Clone)]
pub enum Transport {
    /// By nobody: each letter becomes a file of this folder, for people to look at.
    Folder(MailFolder),
    /// By a server.
    Server(Box<Server>),
}

impl EmailOptions {
    /// Letters go into a folder.
    #[must_use]
    pub fn into_folder(folder: PathBuf) -> Self {
        Self {
            transport: Transport::Folder(MailFolder::at(folder)),
            from: default_from(),
            patience: Duration::from_secs(60),
            read_at: READ_AT.to_owned(),
        }
    }
}

/// Who sends letters into a folder, which nobody answers.
fn default_from() -> Mailbox {
    // Both parts are plain names, which every reader of addresses takes.
    let address = Address::new("nopic", "localhost").expect("a plain address");
    Mailbox::new(Some("nopic".to_owned()), address)
}

/// The channel of electronic mail.
pub struct Email {
    from: Mailbox,
    patience: Duration,
    read_at: String,
    way: Way,
}

enum Way {
    Folder(MailFolder),
    Smtp(Arc<Smtp>),
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email")
            .field("from", &self.from)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl Email {
    /// The channel with these options.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(options: EmailOptions) -> Result<Self, lettre::transport::smtp::Error> {
        // Another part of this process may have done so.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let way = match options.transport {
            Transport::Folder(folder) => Way::Folder(folder),
            Transport::Server(server) => Way::Smtp(Arc::new(Smtp::new(*server, &options.from)?)),
        };
        Ok(Self {
            from: options.from,
            patience: options.patience,
            read_at: options.read_at,
            way,
        })
    }
}

/// Reads the addresses of a receiver.
fn addresses(settings: &Value) -> Result<Vec<Address>, Vec<SettingsProblem>> {
    let mut fields = Fields::of(settings);
    let addresses = fields.texts("addresses").map(|texts| {
        if texts.is_empty() || texts.len() > MAX_ADDRESSES {
            fields.problem(
                "addresses",
                format!("1 to {MAX_ADDRESSES} addresses are expected"),
            );
        }
        let mut seen = BTreeSet::new();
        let mut addresses = Vec::new();
        for text in texts.iter().take(MAX_ADDRESSES) {
            match address(text) {
                Some(_) if !seen.insert(text.to_lowercase()) => {
                    fields.problem("addresses", format!("{} stands there twice", shown(text)));
                }
                Some(address) => addresses.push(address),
                None => fields.problem(
                    "addresses",
                    format!("\"{}\" is no address such as anna@example.com", shown(text)),
                ),
            }
        }
        addresses
    });
    fields.finish(addresses)
}

/// An address of letters that every server takes (a domain of others has a form of these), without anything that might
/// end a line of a letter or of the talk with a server.
fn address(text: &str) -> Option<Address> {
    let is_plain = text
        .chars()
        .all(|character| character.is_ascii_graphic() && !"<>\"\\(),;[]".contains(character));
    text.parse().ok().filter(|_| is_plain)
}

#[async_trait]
impl Channel for Email {
    fn name(&self) -> &'static str {
        "email"
    }

    fn check(&self, settings: &Value) -> Result<(), Vec<SettingsProblem>> {
        addresses(settings).map(|_| ())
    }

    fn destination(&self, settings: &Value) -> String {
        match addresses(settings).as_deref() {
            Ok([only]) => only.to_string(),
            Ok([first, others @ ..]) => format!("{first} and {} more", others.len()),
            _ => "addresses that cannot be used".to_owned(),
        }
    }

    async fn deliver(
        &self,
        settings: &Value,
        _secrets: &[Secret],
        message: &Message,
        _now: DateTime<Utc>,
    ) -> Outcome {
        let to = match addresses(settings) {
            Ok(to) => to,
            Err(problems) => return Outcome::refused(in_words(&problems)),
        };
        let letter = match compose::letter(message, &self.from, &to, &self.read_at) {
            Ok(letter) => letter.formatted(),
            Err(error) => return Outcome::refused(format!("The letter cannot be written: {error}.")),
        };
        match &self.way {
            Way::Folder(folder) => folder::keep(folder.path(), &message.id, &letter).await,
            Way::Smtp(smtp) => smtp.send(&message.id, &to, &letter, self.patience).await,
        }
    }
}
