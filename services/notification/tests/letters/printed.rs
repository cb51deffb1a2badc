//! A PDF as poppler reads it: its pages, its words and where they stand, and whether anything is on it.

use std::path::Path;
use std::process::Command;

/// The least margin, in points: 14 mm above and below, 18 mm at the sides, less what rounding takes.
const ABOVE: f64 = 38.0;
const BESIDE: f64 = 50.0;

/// What was printed.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) pages: u32,
    /// Width and height of the first page in points, rounded.
    pub(crate) size: (u32, u32),
    /// All words in their order, without the space between them.
    pub(crate) text: String,
    /// Left, top, right and bottom of each word, and the word.
    places: Vec<([f64; 4], String)>,
}

fn poppler(program: &str, arguments: &[&str], pdf: &Path) -> Vec<u8> {
    let done = Command::new(program)
        .args(arguments)
        .arg(pdf)
        .arg("-")
        .output()
        .expect("poppler-utils is needed: tests/run installs it");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// The value of an attribute.
fn attribute<'a>(line: &'a str, name: &str) -> &'a str {
    let (_, rest) = line.split_once(&format!("{name}=\"")).unwrap();
    rest.split('"').next().unwrap()
}

impl Printed {
    pub(crate) fn read(pdf: &Path) -> Self {
        let boxes = String::from_utf8(poppler("pdftotext", &["-bbox"], pdf)).unwrap();
        let number = |line, name| attribute(line, name).parse::<f64>().unwrap();
        let pages: Vec<&str> = boxes.lines().filter(|line| line.contains("<page ")).collect();
        let words = boxes.lines().filter(|line| line.contains("<word "));
        let raw = String::from_utf8(poppler("pdftotext", &["-raw"], pdf)).unwrap();
        let rounded = |text: &str| format!("{:.0}", text.parse::<f64>().unwrap()).parse().unwrap();
        Self {
            pages: u32::try_from(pages.len()).unwrap(),
            size: (
                rounded(attribute(pages[0], "width")),
                rounded(attribute(pages[0], "height")),
            ),
            text: without_space(&raw.replace(['•', '\u{c}'], "")),
            places: words
                .map(|line| {
                    let place = ["xMin", "yMin", "xMax", "yMax"].map(|name| number(line, name));
                    (place, line.to_owned())
                })
                .collect(),
        }
    }

    /// Every word stands within the margins of its page.
    pub(crate) fn has_margins(&self) {
        let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
        assert!(!self.places.is_empty());
        for ([left, top, right, bottom], word) in &self.places {
            assert!(*left >= BESIDE && *right <= width - BESIDE, "{word}");
            assert!(*top >= ABOVE && *bottom <= height - ABOVE, "{word}");
        }
    }

    /// Whether there is anything on the first page of a PDF, as a picture.
    pub(crate) fn has_ink(pdf: &Path) -> bool {
        let picture = Command::new("pdftoppm")
            .args(["-gray", "-r", "40", "-f", "1", "-l", "1"])
            .arg(pdf)
            .output()
            .expect("poppler-utils is needed: tests/run installs it")
            .stdout;
        // A head of a few digits, then a byte for each of some 150,000 points.
        assert!(picture.len() > 100_000);
        picture[20..].iter().filter(|point| **point < 160).count() > 500
    }
}

fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The words of a page in the order in which it holds them, without the space between them.
pub(crate) fn text_of(page: &str) -> String {
    let (_, body) = page.split_once("<body>").unwrap();
    let mut text = String::new();
    for part in body.split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
    }
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    without_space(&text)
}
