//! Configuration: one TOML file, above it the environment, read strictly and to the end, so that whoever must mend it
//! hears of every problem at once.
//!
//! A key is named by its path, such as `server.listen`; the environment variable of the same key is
//! `NOPIC_SERVER_LISTEN`. A secret stands in a file of its own, which the key with `_file` behind it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use toml::{Table, Value};

/// What is wrong with a configuration: everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", problems.join("\n"))]
pub struct ConfigError {
    /// One sentence each, with the key at fault.
    pub problems: Vec<String>,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for whom it is meant.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Reads keys one by one, and notes every problem.
#[derive(Debug)]
pub struct Reader {
    values: BTreeMap<String, Value>,
    environment: BTreeMap<String, String>,
    /// Against which relative paths in the file stand.
    folder: PathBuf,
    known: BTreeSet<String>,
    secrets: BTreeSet<String>,
    problems: Vec<String>,
}

impl Reader {
    /// Reads a file; `environment` is what stands above it.
    ///
    /// # Errors
    /// The file cannot be read, or is not TOML.
    pub fn of_file(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let single = |problem: String| ConfigError {
            problems: vec![problem],
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| single(format!("{} cannot be read: {error}", path.display())))?;
        let table: Table = text
            .parse()
            .map_err(|error| single(format!("{} is not TOML: {error}", path.display())))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self::new(table, folder, environment))
    }

    /// Without a file: only the environment.
    pub fn of_environment(environment: impl IntoIterator<Item = (String, String)>) -> Self {
        Self::new(Table::new(), PathBuf::new(), environment)
    }

    fn new(table: Table, folder: PathBuf, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut values = BTreeMap::new();
        flatten("", table, &mut values);
        Self {
            values,
            environment: environment.into_iter().collect(),
            folder,
            known: BTreeSet::new(),
            secrets: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// Notes a problem of a key.
    pub fn problem(&mut self, key: &str, what: impl fmt::Display) {
        let problem = format!("{key}: {what}");
        // A section that several parts read is wrong once.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// The value of a key: from the environment, else from the file.
    fn value(&mut self, key: &str) -> Option<Value> {
        self.known.insert(key.to_owned());
        match self.environment.get(&variable(key)) {
            Some(text) => Some(Value::String(text.clone())),
            None => self.values.get(key).cloned(),
        }
    }

    /// Whether a key has a value.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key) || self.environment.contains_key(&variable(key))
    }

    /// A text that is not empty.
    pub fn text(&mut self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::String(text) if !text.trim().is_empty() => Some(text),
            Value::String(_) => {
                self.problem(key, "it is empty: give it a value, or leave it out");
                None
            }
            other => {
                self.problem(key, format_args!("a text is expected, not {}", kind(&other)));
                None
            }
        }
    }

    /// A text that is read as `T`.
    pub fn parsed<T: std::str::FromStr<Err: fmt::Display>>(&mut self, key: &str) -> Option<T> {
        let text = self.text(key)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(key, format_args!("{text:?}: {error}"));
                None
            }
        }
    }

    /// An address to listen on.
    pub fn address(&mut self, key: &str) -> Option<SocketAddr> {
        let text = self.text(key)?;
        let address = text.parse().ok();
        if address.is_none() {
            self.problem(
                key,
                format_args!("{text:?} is no address and port, such as 127.0.0.1:50051"),
            );
        }
        address
    }

    /// A path; a relative one stands against the folder of the configuration file.
    pub fn path(&mut self, key: &str) -> Option<PathBuf> {
        let is_of_file = !self.environment.contains_key(&variable(key));
        let path = PathBuf::from(self.text(key)?);
        Some(if is_of_file { self.folder.join(path) } else { path })
    }

    /// What stands in the file that a key names.
    pub fn file(&mut self, key: &str) -> Option<Vec<u8>> {
        let path = self.path(key)?;
        match std::fs::read(&path) {
            Ok(content) => Some(content),
            Err(error) => {
                self.problem(key, format_args!("{} cannot be read: {error}", path.display()));
                None
            }
        }
    }

    /// A whole number within bounds.
    pub fn number(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let number = match self.value(key)? {
            Value::Integer(number) => u64::try_from(number).ok(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.problem(
                key,
                format_args!(
                    "a whole number from {} to {} is expected",
                    range.start(),
                    range.end()
                ),
            );
        }
        number
    }

    /// Whole seconds within bounds.
    pub fn seconds(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<Duration> {
        self.number(key, range).map(Duration::from_secs)
    }

    /// Yes or no.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        let flag = match self.value(key)? {
            Value::Boolean(flag) => Some(flag),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        if flag.is_none() {
            self.problem(key, "true or false is expected");
        }
        flag
    }

    /// A list of texts, in the environment with commas between them.
    pub fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let texts: Option<Vec<String>> = match self.value(key)? {
            Value::Array(values) => values
                .into_iter()
                .map(|value| value.as_str().map(str::to_owned))
                .collect(),
            Value::String(text) => Some(text.split(',').map(|part| part.trim().to_owned()).collect()),
            _ => None,
        };
        let texts = texts.filter(|texts| texts.iter().all(|text| !text.trim().is_empty()));
        if texts.is_none() {
            self.problem(key, "a list of texts is expected, none of them empty");
        }
        texts
    }

    /// A secret: from the file that the key with `_file` names, or from the environment; never from the file of the
    /// configuration itself.
    pub fn secret(&mut self, key: &str) -> Option<Secret> {
        self.secrets.insert(key.to_owned());
        let file_key = format!("{key}_file");
        let is_in_file = self.values.contains_key(key);
        let stated = self.value(key);
        let path = self.path(&file_key);
        match (stated, path) {
            (Some(_), _) if is_in_file => {
                self.problem(
                    key,
                    format_args!("a secret does not stand here: name a file of its own by {file_key}"),
                );
                None
            }
            (Some(_), Some(_)) => {
                self.problem(key, format_args!("it is given twice: also by {file_key}"));
                None
            }
            (Some(Value::String(text)), None) => Some(Secret(text)),
            (Some(_), None) => None,
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(text) => Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned())),
                Err(error) => {
                    self.problem(
                        &file_key,
                        format_args!("{} cannot be read: {error}", path.display()),
                    );
                    None
                }
            },
            (None, None) => None,
        }
    }

    /// The names under a key: of `callers.gateway` and `callers.registry` under `callers` it is `gateway`, `registry`.
    #[must_use]
    pub fn names(&self, key: &str) -> Vec<String> {
        let prefix = format!("{key}.");
        let mut names: Vec<String> = self
            .values
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .map(|rest| rest.split('.').next().unwrap_or(rest).to_owned())
            .collect();
        names.dedup();
        names
    }

    /// What was given of what has been asked for, for a log: `key=value`, sorted, without secrets.
    #[must_use]
    pub fn stated(&self) -> Vec<String> {
        let mut stated = Vec::new();
        for key in &self.known {
            let given = self.environment.get(&variable(key)).cloned();
            let Some(value) = given.or_else(|| self.values.get(key).map(shown)) else {
                continue;
            };
            let value = if self.secrets.contains(key) {
                "(secret)".to_owned()
            } else {
                without_password(value)
            };
            stated.push(format!("{key}={value}"));
        }
        stated
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Every problem that was noted, and every key that nobody asked for.
    pub fn finish(mut self) -> Result<(), ConfigError> {
        for key in self.values.keys() {
            if self.known.contains(key) {
                continue;
            }
            let distance = |known: &&String| strsim::levenshtein(known, key);
            let nearest = self
                .known
                .iter()
                .filter(|known| distance(known) <= 3)
                .min_by_key(distance);
            self.problems.push(match nearest {
                Some(nearest) => format!("{key}: there is no such key; {nearest} is one"),
                None => format!("{key}: there is no such key"),
            });
        }
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError {
                problems: self.problems,
            })
        }
    }
}

/// The environment variable of a key.
#[must_use]
pub fn variable(key: &str) -> String {
    let upper = key.to_ascii_uppercase().replace(['.', '-'], "_");
    format!("NOPIC_{upper}")
}

fn flatten(prefix: &str, table: Table, values: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let path = if prefix.is_empty() {
            key
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            Value::Table(table) => flatten(&path, table, values),
            value => {
                values.insert(path, value);
            }
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The text without what a URL in it has before the host.
fn without_password(text: String) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text;
    };
    // A password may have any sign in it that ends a host.
    match rest.rfind('@') {
        None => text,
        Some(at) => format!("{scheme}://(secret){}", &rest[at..]),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(text: &str, environment: &[(&str, &str)]) -> Reader {
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Reader::new(
            text.parse().expect("TOML"),
            PathBuf::from("/etc/nopic"),
            environment,
        )
    }

    #[test]
    fn values_come_from_the_environment_first() {
        let mut reader = reader(
            "[server]\nlisten = \"127.0.0.1:1\"\nmax_connections = 5\n[tls]\nkey = \"a.key\"\n",
            &[
                ("NOPIC_SERVER_LISTEN", "127.0.0.1:2"),
                ("NOPIC_CERTIFICATE_ISSUES_FOR", "015, 062"),
            ],
        );
        assert_eq!(
            reader.address("server.listen").map(|address| address.port()),
            Some(2)
        );
        assert_eq!(reader.number("server.max_connections", 1..=10), Some(5));
        assert_eq!(reader.path("tls.key"), Some("/etc/nopic/a.key".into()));
        assert_eq!(
            reader.texts("certificate.issues_for"),
            Some(vec!["015".to_owned(), "062".to_owned()])
        );
        assert_eq!(reader.text("server.nothing"), None);
        reader.finish().expect("nothing is wrong");
    }

    #[test]
    fn every_problem_is_said_at_once() {
        let mut reader = reader(
            "[server]\nlisten = \"here\"\nmax_conections = 5\nmax_age = -1\n[storage]\npassword = \"x\"\n\
             [tls]\nkey = 3\ncertificate = \" \"\n",
            &[("NOPIC_SERVER_PLAIN", "perhaps")],
        );
        reader.address("server.listen");
        reader.number("server.max_connections", 1..=10);
        reader.seconds("server.max_age", 1..=10);
        reader.flag("server.plain");
        reader.secret("storage.password");
        reader.path("tls.key");
        reader.path("tls.certificate");
        let problems = reader.finish().expect_err("much is wrong").problems;
        assert_eq!(
            problems,
            [
                "server.listen: \"here\" is no address and port, such as 127.0.0.1:50051",
                "server.max_age: a whole number from 1 to 10 is expected",
                "server.plain: true or false is expected",
                "storage.password: a secret does not stand here: name a file of its own by storage.password_file",
                "tls.key: a text is expected, not a number",
                "tls.certificate: it is empty: give it a value, or leave it out",
                "server.max_conections: there is no such key; server.max_connections is one",
            ]
        );
    }

    #[test]
    fn what_was_given_is_told_without_secrets() {
        let text = "[server]\nlisten = \"127.0.0.1:1\"\nplain = true\n[redis]\nurl = \"redis://me:hush/x@r/0\"\n\
                    nodes = [\"a:1\", \"b:2\"]\n";
        let mut reader = reader(
            text,
            &[("NOPIC_SERVER_LISTEN", "127.0.0.1:2"), ("NOPIC_STORE", "hush")],
        );
        for key in ["server.listen", "redis.url", "redis.absent"] {
            reader.text(key);
        }
        reader.texts("redis.nodes");
        reader.secret("store");
        assert_eq!(
            reader.stated(),
            [
                "redis.nodes=a:1,b:2",
                "redis.url=redis://(secret)@r/0",
                "server.listen=127.0.0.1:2",
                "store=(secret)",
            ]
        );
    }

    #[test]
    fn a_secret_comes_from_a_file_and_is_not_printed() {
        let folder = std::env::temp_dir().join(format!("nopic-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("password"), "s3cret\n").expect("a file");
        let environment = [(
            "NOPIC_REDIS_PASSWORD_FILE".to_owned(),
            folder.join("password").to_string_lossy().into_owned(),
        )];
        let mut reader = Reader::of_environment(environment);
        let secret = reader.secret("redis.password").expect("a secret");
        assert_eq!(secret.reveal(), "s3cret");
        assert_eq!(format!("{secret:?}"), "(secret)");
        reader.finish().expect("nothing is wrong");
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
