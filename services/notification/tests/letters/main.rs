//! Letters as a browser prints and shows them: every page among the golden files, on the paper of either continent.
//!
//! The PDF and the screenshot of each stay in the folder of test output, for whoever wants to look at them.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![allow(clippy::print_stderr, reason = "tests say where their output is")]

mod browser;
mod printed;

use std::path::{Path, PathBuf};

use browser::{Browser, Paper};
use printed::Printed;
use rstest::rstest;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden/letters")
}

/// Where what was printed stays.
fn output() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("letters");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

const LETTERS: [&str; 8] = [
    "cease_and_desist",
    "cease_and_desist.many",
    "civil_penalty_referral",
    "first_warning_letter",
    "first_warning_letter.many",
    "first_warning_letter.wide",
    "second_warning_letter",
    "second_warning_letter.many",
];

#[test]
fn every_letter_of_the_files_is_printed() {
    let mut names: Vec<String> = std::fs::read_dir(golden())
        .unwrap()
        .filter_map(|file| {
            let name = file.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".html").map(str::to_owned)
        })
        .collect();
    names.sort();
    assert_eq!(names, LETTERS);
}

#[rstest]
#[tokio::test]
async fn a_letter_is_one_page(
    #[values(0, 1, 2, 3, 4, 5, 6, 7)] letter: usize,
    #[values(Paper::A4, Paper::Letter)] paper: Paper,
) {
    let name = LETTERS[letter];
    let page = std::fs::read_to_string(golden().join(format!("{name}.html"))).unwrap();
    let browser = Browser::start().await;
    let output = output().join(format!("{name}.{}", paper.name()));
    let seen = browser.print(&page, paper, &output).await;
    eprintln!("printed: {}", seen.pdf.display());
    eprintln!("shown: {}", seen.screenshot.display());

    let printed = Printed::read(&seen.pdf);
    assert_eq!(printed.pages, 1, "{}", seen.pdf.display());
    assert_eq!(printed.size, paper.points());
    printed.has_margins();
    assert_eq!(printed.text, printed::text_of(&page), "{}", seen.pdf.display());
    assert!(Printed::has_ink(&seen.pdf) && seen.screenshot_has_ink());
    assert_eq!(seen.asked_for, [""; 0], "the page fetches something");
}

#[tokio::test]
async fn a_page_that_fetches_or_is_too_long_would_be_noticed() {
    let browser = Browser::start().await;
    let rows = "<p>Words.</p>".repeat(100);
    let page = format!(
        "<!DOCTYPE html><html><head><link rel=stylesheet href='https://styles.example/a.css'></head>\
         <body><img src='http://pictures.example/a.png'>{rows}<p style='margin-left: 200mm'>Cut</p></body></html>"
    );
    let seen = browser.print(&page, Paper::A4, &output().join("notices")).await;
    assert_eq!(seen.asked_for, ["pictures.example", "styles.example:443"]);
    let printed = Printed::read(&seen.pdf);
    assert!(printed.pages > 1);
    assert!(std::panic::catch_unwind(|| printed.has_margins()).is_err());
    let empty = "<!DOCTYPE html><html><body></body></html>";
    let seen = browser.print(empty, Paper::Letter, &output().join("empty")).await;
    assert!(!Printed::has_ink(&seen.pdf) && !seen.screenshot_has_ink());
}
