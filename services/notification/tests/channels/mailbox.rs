//! A mail server whose mailbox is read.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::{installed, verifier};

/// The server; it ends when it is dropped.
pub(crate) struct Mailbox {
    pub(crate) port: u16,
    letters: Lines<BufReader<ChildStdout>>,
    _child: Child,
    _input: ChildStdin,
}

impl Mailbox {
    /// A server with (certificate, key) and (user, password), where they are wanted.
    pub(crate) async fn open(tls: Option<(&Path, &Path)>, login: Option<(&str, &str)>) -> Self {
        Self::started(tls, login, "-").await
    }

    /// One with TLS from the first byte.
    pub(crate) async fn over_tls(tls: (&Path, &Path), login: (&str, &str)) -> Self {
        Self::started(Some(tls), Some(login), "implicit").await
    }

    async fn started(tls: Option<(&Path, &Path)>, login: Option<(&str, &str)>, implicit: &str) -> Self {
        let python =
            nopic_testing::languages::python(&installed(), "channels-python", &verifier("requirements.txt"));
        let none = (Path::new("-"), Path::new("-"));
        let (certificate, key) = tls.unwrap_or(none);
        let (user, password) = login.unwrap_or(("-", "-"));
        let mut child = Command::new(python)
            .arg(verifier("mailbox.py"))
            .args([certificate, key])
            .args([user, password, implicit])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut letters = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = letters.next_line().await.unwrap().unwrap();
        Self {
            port: port.parse().unwrap(),
            letters,
            _child: child,
            _input: input,
        }
    }

    /// The next letter, once it came.
    pub(crate) async fn next(&mut self) -> Value {
        let line = self.letters.next_line().await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }
}
