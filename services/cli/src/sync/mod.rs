//! Fetches a file over HTTP: conditionally, again after a passing fault, checked before anybody uses it.

mod checksum;
mod retry;

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, RETRY_AFTER,
};
use reqwest::{Client, Response, StatusCode, Url};
use tempfile::NamedTempFile;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::output::progress::Progress;
use checksum::Hasher;
pub(crate) use checksum::{Sha256, sha256};
pub(crate) use retry::Retry;

/// How long a server may take to take a connection, and to send the next bytes.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(60);
/// No snapshot is larger; a server that never ends must not fill the disk.
const MOST_BYTES: u64 = 4 << 30;

/// What is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) url: Url,
    /// The server's validators of the content that we have.
    pub(crate) known: Option<Validators>,
    /// The content must have this hash.
    pub(crate) sha256: Option<Sha256>,
    pub(crate) retry: Retry,
}

/// What a server says about a version of a content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Validators {
    pub(crate) entity_tag: String,
    pub(crate) last_modified: String,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The content is the one that we have.
    NotModified,
    /// A whole file.
    File(Download),
}

/// A file that was fetched whole and checked. It vanishes when it is dropped.
#[derive(Debug)]
pub(crate) struct Download {
    pub(crate) file: NamedTempFile,
    pub(crate) name: String,
    pub(crate) validators: Validators,
}

/// Why an attempt failed.
#[derive(Debug)]
enum Fault {
    /// It may pass: the reason, and when the server wants to be asked again.
    Passing(String, Option<Duration>),
    /// It will not.
    Lasting(Failure),
}

/// Reads the address of a snapshot.
pub(crate) fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text)
        .map_err(|_| "expected an address such as https://example.org/file.xlsx".to_owned())?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err("expected an address that begins with https:// or http://".to_owned()),
    }
}

/// An address as it may be shown and kept: without the name and password that it may hold.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for addresses without a host, which `address` refuses.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// Fetches into a temporary file of `folder`.
///
/// # Errors
/// When the server refuses, when what it sends is not what it announced or what is wanted, and when a passing fault
/// did not pass in time.
pub(crate) async fn fetch(wanted: &Wanted, folder: &Path, progress: &Progress) -> Result<Fetched, Failure> {
    // Only a second installation in one process fails, and then the provider is there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .user_agent(concat!("nopic/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Failure::new(format!("No connection can be made: {}", cause(&error))))?;
    let started = Instant::now();
    let mut attempt = 0;
    loop {
        attempt += 1;
        progress.restart();
        let left = wanted.retry.most_time.saturating_sub(started.elapsed());
        let fetched = tokio::time::timeout(left, fetch_once(&client, wanted, folder, progress)).await;
        let (why, wish) = match fetched {
            Ok(Ok(fetched)) => return Ok(fetched),
            Ok(Err(Fault::Lasting(failure))) => return Err(failure),
            Ok(Err(Fault::Passing(why, wish))) => (why, wish),
            Err(_) => ("the time for it is used up".to_owned(), None),
        };
        let pause = wanted.retry.pause(attempt, wish, started.elapsed());
        let Some(pause) = pause else {
            return Err(Failure::new(format!(
                "{} could not be fetched in {attempt} {}: {why}.",
                shown(&wanted.url),
                if attempt == 1 { "attempt" } else { "attempts" }
            ))
            .advice("What was imported before goes on serving. Try again later."));
        };
        progress.note(&format!(
            "attempt {attempt}: {why}; again in {:.1} s",
            pause.as_secs_f64()
        ));
        tokio::time::sleep(pause).await;
    }
}

async fn fetch_once(
    client: &Client,
    wanted: &Wanted,
    folder: &Path,
    progress: &Progress,
) -> Result<Fetched, Fault> {
    // A content that is compressed on the way would have another length and hash than it is announced with.
    let mut request = client.get(wanted.url.clone()).header(ACCEPT_ENCODING, "identity");
    if let Some(known) = &wanted.known {
        if !known.entity_tag.is_empty() {
            request = request.header(IF_NONE_MATCH, &known.entity_tag);
        }
        if !known.last_modified.is_empty() {
            request = request.header(IF_MODIFIED_SINCE, &known.last_modified);
        }
    }
    let response = request.send().await.map_err(|error| passing(&error))?;
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED && wanted.known.is_some() {
        return Ok(Fetched::NotModified);
    }
    if status != StatusCode::OK {
        return Err(refused(&wanted.url, status, response.headers()));
    }
    download(response, wanted, folder, progress)
        .await
        .map(Fetched::File)
}

async fn download(
    mut response: Response,
    wanted: &Wanted,
    folder: &Path,
    progress: &Progress,
) -> Result<Download, Fault> {
    let writing = |error: &std::io::Error| Fault::Lasting(Failure::writing(folder, error));
    let headers = response.headers().clone();
    let announced = response.content_length();
    progress.expect(announced);
    let mut file = NamedTempFile::new_in(folder).map_err(|error| writing(&error))?;
    let mut hasher = Hasher::default();
    let mut length = 0_u64;
    while let Some(chunk) = response.chunk().await.map_err(|error| passing(&error))? {
        length += chunk.len() as u64;
        if length > MOST_BYTES {
            return Err(Fault::Lasting(Failure::new(format!(
                "{} sends more than 4 GiB: that is no snapshot.",
                shown(&wanted.url)
            ))));
        }
        hasher.update(&chunk);
        file.write_all(&chunk).map_err(|error| writing(&error))?;
        progress.add(chunk.len());
    }
    if let Some(announced) = announced
        && announced != length
    {
        return Err(Fault::Passing(
            format!("the answer broke off after {length} of {announced} bytes"),
            None,
        ));
    }
    if length == 0 {
        return Err(Fault::Passing("the answer is empty".to_owned(), None));
    }
    let found = hasher.finish();
    if let Some(stated) = checksum::stated(&headers)
        && stated != found
    {
        return Err(Fault::Passing(
            "the content does not have the checksum that the server states".to_owned(),
            None,
        ));
    }
    if let Some(expected) = wanted.sha256
        && expected != found
    {
        return Err(Fault::Lasting(
            Failure::new(format!(
                "{} has the SHA-256 {found}, not {expected}: nothing was imported.",
                shown(&wanted.url)
            ))
            .advice(
                "Compare the checksum with the one that was published, and the address with the right one.",
            ),
        ));
    }
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &reqwest::header::HeaderValue| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    Ok(Download {
        name: name_of(response.url(), &headers),
        validators: Validators {
            entity_tag: text(ETAG),
            last_modified: text(LAST_MODIFIED),
        },
        file,
    })
}

/// An answer that is no content.
fn refused(url: &Url, status: StatusCode, headers: &HeaderMap) -> Fault {
    let said = format!(
        "the server answered {} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    );
    let said = said.trim_end();
    let passes = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT;
    if passes {
        let wish = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.trim().parse().ok())
            .map(Duration::from_secs);
        return Fault::Passing(said.to_owned(), wish);
    }
    let advice = match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => "Check the address: the file may have moved.",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "The address may need a login: download the file with a browser and import it with `nopic registry import`."
        }
        _ => "Check the address with a browser.",
    };
    Fault::Lasting(
        Failure::new(format!("{} could not be fetched: {said}.", shown(url)))
            .advice(format!("{advice} What was imported before goes on serving.")),
    )
}

/// A fault of the connection.
fn passing(error: &reqwest::Error) -> Fault {
    let why = if error.is_timeout() {
        "the server did not answer in time".to_owned()
    } else if error.is_connect() {
        format!("the server cannot be reached ({})", cause(error))
    } else {
        format!("the answer broke off ({})", cause(error))
    };
    Fault::Passing(why, None)
}

/// The innermost cause: reqwest's own words name the address, with the password in it.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if std::ptr::eq(
        std::ptr::from_ref(cause).cast::<u8>(),
        std::ptr::from_ref(error).cast::<u8>(),
    ) {
        return "no reason was given".to_owned();
    }
    let text = cause.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// What the file is called: its name may tell the publication date.
fn name_of(url: &Url, headers: &HeaderMap) -> String {
    let stated = headers
        .get(CONTENT_DISPOSITION)
        .and_then(|value| value.to_str().ok())
        .and_then(disposition_name);
    let from_path = || {
        url.path_segments()
            .and_then(|mut segments| segments.next_back())
            .filter(|segment| !segment.is_empty())
            .map(ToOwned::to_owned)
    };
    let is_page = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/html"));
    let name = stated.or_else(from_path).unwrap_or_else(|| "snapshot".to_owned());
    // Only a name: never a path that the server chooses.
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let name: String = name
        .chars()
        .filter(|character| !character.is_control())
        .take(200)
        .collect();
    if name.is_empty() {
        if is_page { "page.html" } else { "snapshot" }.to_owned()
    } else {
        name
    }
}

/// The `filename` of a `Content-Disposition`.
fn disposition_name(value: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|part| {
        let (key, name) = part.split_once('=')?;
        let name = name.trim().trim_matches('"');
        (key.trim().eq_ignore_ascii_case("filename") && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests;
