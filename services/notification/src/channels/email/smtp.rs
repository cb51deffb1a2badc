//! Letters by SMTP.
//!
//! A letter goes to all its recipients in one turn, each of which the server takes or refuses by itself. While somebody
//! does not have it, who has it is remembered for some days, so that a try for the others does not bring it twice; when
//! the process ends this is forgotten, and a letter may come again with the same `Message-ID`; so may one that all have,
//! where that could not be kept.
//!
//! There is one server for all receivers. What it says of a recipient or of a letter is about these; all else (it is
//! not there, it is slow, it does not let us in or does not want our name) is a fault of this deployment.
//!
//! Connections are kept here and not by lettre: a try that is given up in the middle must close its connection, or the
//! next letter would read the answers to this one.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use nopic_chassis::config::Secret;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::channels::words::cause;
use crate::channels::{MessageId, Outcome};

/// How long a letter waits for a connection: with its turn, no longer than a try may last.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection is kept for the next letter: less than servers wait.
const KEPT: Duration = Duration::from_secs(20);
/// For how many letters it is remembered who has them, and how long: as long as letters are tried.
const REMEMBERED: u64 = 10_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(4 * 24 * 3_600);

/// A server for mail.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name, which its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// Who we are to it.
    pub credentials: Option<(String, Secret)>,
    /// An authority to believe beside the system's.
    pub authority: Option<Certificate>,
    /// How many connections there are at most.
    pub connections: usize,
}

/// How the connection to a server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// From its first byte.
    Implicit,
    /// From the command STARTTLS on, and nothing is said without it.
    StartTls,
    /// By STARTTLS where the server has it: for servers on this machine alone.
    IfOffered,
}

/// Sends letters by one server.
pub(super) struct Smtp {
    server: Server,
    tls: TlsParameters,
    credentials: Option<Credentials>,
    from: Address,
    hello: ClientId,
    places: Semaphore,
    kept: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
    have: moka::sync::Cache<MessageId, BTreeSet<Address>>,
}

/// What became of a turn that went to its end.
#[derive(Default)]
struct Turn {
    took: BTreeSet<Address>,
    /// Recipients that the server refused, with its words.
    passing: Vec<String>,
    refused: Vec<String>,
}

/// Where a turn was broken off.
enum Broken {
    /// Before any recipient was named.
    Hello(Error),
    Letter(Error),
}

impl Smtp {
    pub(super) fn new(server: Server, from: &Mailbox) -> Result<Self, Error> {
        let mut tls = TlsParameters::builder(server.host.clone());
        if let Some(authority) = &server.authority {
            tls = tls.add_root_certificate(authority.clone());
        }
        let credentials = server
            .credentials
            .as_ref()
            .map(|(user, password)| Credentials::new(user.clone(), password.reveal().to_owned()));
        Ok(Self {
            tls: tls.build_rustls()?,
            credentials,
            from: from.email.clone(),
            hello: ClientId::Domain(from.email.domain().to_owned()),
            places: Semaphore::new(server.connections),
            kept: Mutex::default(),
            have: moka::sync::Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(REMEMBERED_FOR)
                .build(),
            server,
        })
    }

    /// Sends a letter to those who do not have it yet. A turn begins when there is a place for it, and may take as long as
    /// is said.
    pub(super) async fn send(
        &self,
        id: &MessageId,
        to: &[Address],
        letter: &[u8],
        patience: Duration,
    ) -> Outcome {
        let Ok(Ok(_place)) = timeout(LONGEST_WAIT, self.places.acquire()).await else {
            return Outcome::ours(
                "There was no connection to the mail server for it: others take too long, or there are too few \
                 (notification.mail.connections).",
            );
        };
        timeout(patience, self.send_now(id, to, letter))
            .await
            .unwrap_or_else(|_| {
                Outcome::ours(format!(
                    "The mail server did not take the letter within {} seconds.",
                    patience.as_secs()
                ))
            })
    }

    async fn send_now(&self, id: &MessageId, to: &[Address], letter: &[u8]) -> Outcome {
        let mut have = self.have.get(id).unwrap_or_default();
        let mut left: Vec<&Address> = to.iter().filter(|address| !have.contains(address)).collect();
        if left.is_empty() {
            // All have it, and somebody wants it sent again.
            left = to.iter().collect();
        }
        let mut connection = match self.connection().await {
            Ok(connection) => connection,
            Err(error) => return self.unreachable(&error),
        };
        let turn = match self.turn(&mut connection, &left, letter).await {
            Ok(turn) => turn,
            // The connection is closed: where the talk stands is not known.
            Err(Broken::Hello(error)) => return self.unreachable(&error),
            Err(Broken::Letter(error)) => return refusal(&error),
        };
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((connection, Instant::now()));
        have.extend(turn.took);
        if turn.passing.is_empty() && turn.refused.is_empty() {
            self.have.invalidate(id);
        } else if !have.is_empty() {
            self.have.insert(id.clone(), have.clone());
        }
        let others = if have.is_empty() {
            ""
        } else {
            " The others have the letter."
        };
        if !turn.passing.is_empty() {
            // The refused ones are told when nobody is left to wait for.
            return Outcome::passing(format!("{}.{others}", turn.passing.join("; ")));
        }
        if !turn.refused.is_empty() {
            return Outcome::refused(format!("{}.{others}", turn.refused.join("; ")));
        }
        Outcome::Delivered
    }

    /// A kept connection that is still there, or a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, Error> {
        loop {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((mut connection, since)) = kept else {
                return self.connect().await;
            };
            if since.elapsed() < KEPT && connection.command(Noop).await.is_ok() {
                return Ok(connection);
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let implicit = self.server.encryption == Encryption::Implicit;
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            (self.server.host.as_str(), self.server.port),
            Some(CONNECT),
            &self.hello,
            implicit.then(|| self.tls.clone()),
            None,
        )
        .await?;
        let starts = match self.server.encryption {
            Encryption::Implicit => false,
            // Without the server's offer this fails, as it should.
            Encryption::StartTls => true,
            Encryption::IfOffered => connection.can_starttls(),
        };
        if starts {
            connection.starttls(self.tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], credentials)
                .await?;
        }
        Ok(connection)
    }

    /// One letter to these recipients.
    async fn turn(
        &self,
        connection: &mut AsyncSmtpConnection,
        to: &[&Address],
        letter: &[u8],
    ) -> Result<Turn, Broken> {
        let mut turn = Turn::default();
        connection
            .command(Mail::new(Some(self.from.clone()), Vec::new()))
            .await
            .map_err(Broken::Hello)?;
        for address in to {
            let taken = connection
                .command(Rcpt::new((*address).clone(), Vec::new()))
                .await;
            let Err(error) = taken else {
                turn.took.insert((*address).clone());
                continue;
            };
            let code = error.status().map(|code| code.to_string());
            let Some(code) = code.filter(|code| code != CLOSING) else {
                return Err(Broken::Letter(error));
            };
            let words = format!("The mail server refused {address} ({code} {})", cause(&error));
            if error.is_permanent() {
                turn.refused.push(words);
            } else {
                turn.passing.push(words);
            }
        }
        if turn.took.is_empty() {
            connection.command(Rset).await.map_err(Broken::Letter)?;
        } else {
            connection.command(Data).await.map_err(Broken::Letter)?;
            connection.message(letter).await.map_err(Broken::Letter)?;
        }
        Ok(turn)
    }

    /// What no connection means: nothing about the letter.
    fn unreachable(&self, error: &Error) -> Outcome {
        tracing::warn!(
            host = self.server.host,
            port = self.server.port,
            error = error as &dyn std::error::Error,
            "the server for mail could not be reached"
        );
        let why = format!(
            "The mail server could not be reached, or did not let nopic in; an operator must look after it: {}.",
            cause(error)
        );
        Outcome::ours(why)
    }
}

/// By this a server says that it has no time.
const CLOSING: &str = "421";
/// By these it says that it does not know us, which an operator mends.
const STRANGER: [&str; 4] = ["530", "534", "535", "538"];

/// What a server's refusal of a letter means.
fn refusal(error: &Error) -> Outcome {
    let Some(code) = error.status().map(|code| code.to_string()) else {
        return Outcome::ours(format!(
            "The mail server broke the connection off: {}.",
            cause(error)
        ));
    };
    let why = format!(
        "The mail server did not take the letter ({code} {}).",
        cause(error)
    );
    if code == CLOSING || STRANGER.contains(&code.as_str()) {
        Outcome::ours(why)
    } else if error.is_permanent() {
        Outcome::refused(why)
    } else {
        Outcome::passing(why)
    }
}
