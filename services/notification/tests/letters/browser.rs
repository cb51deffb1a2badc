//! Chromium, that prints a page and shows it, off the network: whatever it asks for comes to a proxy of the test.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

/// No page takes so long.
const PATIENCE: Duration = Duration::from_secs(120);
/// A screenshot without anything on it is smaller, one of a letter larger.
const BLANK: u64 = 20_000;
/// Where a browser looks for updates, the time, accounts and a search engine by itself, whatever it shows: at its maker's.
const ITS_MAKERS: [&str; 4] = ["google.com", "googleapis.com", "gstatic.com", "gvt1.com"];

/// What a letter is printed on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paper {
    A4,
    Letter,
}

impl Paper {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::A4 => "a4",
            Self::Letter => "letter",
        }
    }

    /// Width and height, rounded.
    pub(crate) const fn points(self) -> (u32, u32) {
        match self {
            Self::A4 => (595, 842),
            Self::Letter => (612, 792),
        }
    }

    /// The same in pixels of a screen.
    const fn window(self) -> &'static str {
        match self {
            Self::A4 => "794,1123",
            Self::Letter => "816,1056",
        }
    }
}

/// What became of a page.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) pdf: PathBuf,
    pub(crate) screenshot: PathBuf,
    /// Hosts that the page wanted something of, in their order.
    pub(crate) asked_for: Vec<String>,
}

impl Seen {
    pub(crate) fn screenshot_has_ink(&self) -> bool {
        std::fs::metadata(&self.screenshot).unwrap().len() > BLANK
    }
}

/// A browser of its own profile.
#[derive(Debug)]
pub(crate) struct Browser {
    folder: TempDir,
    proxy: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let mut line = String::new();
                // Whoever asks gets no answer.
                if BufReader::new(connection).read_line(&mut line).await.is_ok() {
                    heard.lock().unwrap().extend(host_of(&line));
                }
            }
        });
        Self {
            folder: tempfile::tempdir().unwrap(),
            proxy,
            asked,
        }
    }

    /// Prints a page to a PDF and shows it in a picture, both of this name with an ending.
    pub(crate) async fn print(&self, page: &str, paper: Paper, output: &Path) -> Seen {
        self.asked.lock().unwrap().clear();
        // The size of paper is asked for where a person would choose it in the dialogue.
        let size = format!("<style>@page {{ size: {} }}</style></head>", paper.name());
        let file = self.folder.path().join("page.html");
        std::fs::write(&file, page.replacen("</head>", &size, 1)).unwrap();
        let name = |ending: &str| {
            let mut name = OsString::from(output);
            name.push(ending);
            PathBuf::from(name)
        };
        let (pdf, screenshot) = (name(".pdf"), name(".png"));
        for old in [&pdf, &screenshot] {
            let _ = std::fs::remove_file(old);
        }
        let mut command = Command::new("chromium");
        // In containers the user is root, whom its sandbox does not take.
        if std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
            command.arg("--no-sandbox");
        }
        let run = command
            .args([
                "--headless=new",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-quic",
                "--hide-scrollbars",
                "--no-pdf-header-footer",
                "--proxy-bypass-list=<-loopback>",
            ])
            .arg(format!("--proxy-server=http://127.0.0.1:{}", self.proxy))
            .arg(format!(
                "--user-data-dir={}",
                self.folder.path().join("profile").display()
            ))
            .arg(format!("--window-size={}", paper.window()))
            .arg(format!("--print-to-pdf={}", pdf.display()))
            .arg(format!("--screenshot={}", screenshot.display()))
            .arg(format!("file://{}", file.display()))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let done = tokio::time::timeout(PATIENCE, run)
            .await
            .unwrap()
            .expect("chromium is needed: tests/run installs it");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success() && pdf.exists() && screenshot.exists(),
            "{said}"
        );
        let mut asked_for = self.asked.lock().unwrap().clone();
        asked_for.sort();
        asked_for.dedup();
        Seen {
            pdf,
            screenshot,
            asked_for,
        }
    }
}

/// Of whom the request of a proxy's client wants something, but for what the browser asks by itself.
fn host_of(line: &str) -> Option<String> {
    let target = line.split(' ').nth(1)?;
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    let name = host.split(':').next().unwrap_or_default();
    let is_its_own = ITS_MAKERS.iter().any(|maker| {
        let below = name.strip_suffix(maker);
        below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
    });
    (!is_its_own).then(|| host.to_owned())
}
