//! Reads how mail is sent.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::client::Certificate;
use nopic_chassis::config::{Reader, Secret};
use reqwest::Url;

use super::{Email, EmailOptions, Encryption, Server, Transport, default_from};
use crate::channels::{Channel, MailFolder, Surroundings, read_at};

const TRANSPORT: &str = "notification.mail.transport";
const USER: &str = "notification.mail.user";
const PASSWORD: &str = "notification.mail.password";
const FROM: &str = "notification.mail.from";
const AUTHORITY: &str = "notification.mail.authority";
const CONNECTIONS: &str = "notification.mail.connections";
const PATIENCE: &str = "notification.mail.patience";

/// The channel as the configuration says; absent: it cannot be, and the reader knows why.
pub(in crate::channels) fn configured(
    reader: &mut Reader,
    surroundings: &Surroundings,
) -> Option<Arc<dyn Channel>> {
    let way = read_way(reader);
    let credentials = read_credentials(reader);
    let is_by_server = matches!(way, Some(Some(Way::Server { .. })));
    let from = read_from(reader, is_by_server);
    let authority = read_authority(reader);
    let connections = read_number(reader, CONNECTIONS, 1..=20, 4);
    let patience = read_number(reader, PATIENCE, 10..=90, 60);
    let read_at = read_at(reader);
    let (credentials, authority, connections) = (credentials?, authority?, connections?);
    let transport = match way? {
        None => Transport::Folder(surroundings.mail_folder.clone()),
        Some(Way::Folder(folder)) => Transport::Folder(MailFolder::at(folder)),
        Some(Way::Server {
            host,
            port,
            encryption,
        }) => Transport::Server(Box::new(Server {
            host,
            port,
            encryption,
            credentials,
            authority,
            connections: usize::try_from(connections).unwrap_or(1),
        })),
    };
    let options = EmailOptions {
        transport,
        from: from?,
        patience: Duration::from_secs(patience?),
        read_at,
    };
    match Email::new(options) {
        Ok(email) => Some(Arc::new(email)),
        Err(error) => {
            reader.problem(TRANSPORT, format_args!("TLS cannot be set up: {error}"));
            None
        }
    }
}

enum Way {
    Folder(PathBuf),
    Server {
        host: String,
        port: u16,
        encryption: Encryption,
    },
}

/// Where mail goes; absent within: it is not said. Absent: it is wrong.
fn read_way(reader: &mut Reader) -> Option<Option<Way>> {
    let is_there = reader.has(TRANSPORT);
    let Some(text) = reader.text(TRANSPORT) else {
        return (!is_there).then_some(None);
    };
    match way_of(&text) {
        Ok(way) => Some(Some(way)),
        Err(why) => {
            // The text may have a password in it, where none belongs: it is not repeated.
            reader.problem(TRANSPORT, why);
            None
        }
    }
}

fn way_of(text: &str) -> Result<Way, &'static str> {
    const EXPECTED: &str = "smtps://HOST (TLS from the first byte), smtp://HOST (TLS by STARTTLS), each with a port \
                            where it is another, or file:FOLDER is expected";
    if let Some(folder) = text.strip_prefix("file:").filter(|folder| !folder.is_empty()) {
        return Ok(Way::Folder(folder.into()));
    }
    let url = Url::parse(text).map_err(|_| EXPECTED)?;
    let (is_implicit, usual_port) = match url.scheme() {
        "smtps" => (true, 465),
        "smtp" => (false, 587),
        _ => return Err(EXPECTED),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "a name and a password do not stand here: notification.mail.user and .password are theirs",
        );
    }
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let host = url
        .host_str()
        .filter(|host| !host.is_empty() && is_bare)
        .ok_or(EXPECTED)?;
    let host = host.trim_matches(['[', ']']).to_owned();
    let is_this_machine =
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    Ok(Way::Server {
        port: url.port().unwrap_or(usual_port),
        encryption: match (is_implicit, is_this_machine) {
            (true, _) => Encryption::Implicit,
            (false, true) => Encryption::IfOffered,
            (false, false) => Encryption::StartTls,
        },
        host,
    })
}

fn read_credentials(reader: &mut Reader) -> Option<Option<(String, Secret)>> {
    let user = reader.text(USER);
    let password = reader.secret(PASSWORD);
    match (user, password) {
        (None, None) => Some(None),
        (Some(user), Some(password)) => Some(Some((user, password))),
        (Some(_), None) => {
            reader.problem(PASSWORD, "there is a user, and no password for it");
            None
        }
        (None, Some(_)) => {
            reader.problem(USER, "there is a password, and no user whose it is");
            None
        }
    }
}

fn read_from(reader: &mut Reader, must_be_there: bool) -> Option<Mailbox> {
    if reader.has(FROM) {
        return reader.parsed(FROM);
    }
    // Asked for all the same, so that it is a known key.
    let from: Option<Mailbox> = reader.parsed(FROM);
    if must_be_there {
        reader.problem(
            FROM,
            "from whom mail comes must be said, such as nopic <nopic@example.com>",
        );
        return None;
    }
    from.or_else(|| Some(default_from()))
}

fn read_authority(reader: &mut Reader) -> Option<Option<Certificate>> {
    let is_there = reader.has(AUTHORITY);
    let Some(pem) = reader.file(AUTHORITY) else {
        return (!is_there).then_some(None);
    };
    match Certificate::from_pem(&pem) {
        Ok(authority) => Some(Some(authority)),
        Err(error) => {
            reader.problem(AUTHORITY, format_args!("it cannot be read: {error}"));
            None
        }
    }
}

/// A number that may be missing; absent: it is wrong.
fn read_number(
    reader: &mut Reader,
    key: &str,
    range: std::ops::RangeInclusive<u64>,
    usual: u64,
) -> Option<u64> {
    let is_there = reader.has(key);
    match reader.number(key, range) {
        None if !is_there => Some(usual),
        number => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_is_a_server_or_a_folder_and_only_this_machine_is_spoken_to_without_tls() {
        for (text, expected) in [
            (
                "smtps://mail.example.com",
                ("mail.example.com", 465, Encryption::Implicit),
            ),
            (
                "smtp://mail.example.com:2525/",
                ("mail.example.com", 2_525, Encryption::StartTls),
            ),
            ("smtp://localhost:25", ("localhost", 25, Encryption::IfOffered)),
            ("smtp://127.0.0.1", ("127.0.0.1", 587, Encryption::IfOffered)),
            ("smtp://[::1]", ("::1", 587, Encryption::IfOffered)),
            (
                "smtp://localhost.example.com",
                ("localhost.example.com", 587, Encryption::StartTls),
            ),
        ] {
            let Ok(Way::Server {
                host,
                port,
                encryption,
            }) = way_of(text)
            else {
                panic!("{text}");
            };
            assert_eq!((host.as_str(), port, encryption), expected, "{text}");
        }
        assert!(matches!(way_of("file:mail/out"), Ok(Way::Folder(folder)) if folder.ends_with("mail/out")));
        for text in [
            "file:",
            "mail.example.com",
            "https://mail.example.com",
            "smtp://",
            "smtp://user:word@mail.example.com",
            "smtp://mail.example.com/a",
            "smtp://mail.example.com?tls=none",
        ] {
            let why = way_of(text).err().unwrap();
            assert!(!why.contains("word@"), "{text}");
        }
    }
}
