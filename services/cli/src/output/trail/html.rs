//! A trail as one page that needs nothing beside it: no network, no script. Every text is escaped; the page's policy
//! lets nothing in but its own style.

use std::fmt::Write as _;

use super::Report;
use super::tables::{Table, Tone, all, moment};

const STYLE: &str = "
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; color: #111; background: #fff; margin: 2rem auto; max-width: 78rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.summary { font-weight: 600; padding: .6rem .8rem; border-left: .4rem solid #1a7f37; background: #eef7f0; }
.summary.gaps { border-color: #9a6700; background: #fff8e5; }
.summary.finding { border-color: #b3261e; background: #fdeceb; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #bbb; padding: .35rem .5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { background: #eee; }
tr.finding td { background: #fdeceb; }
tr.withdrawn td { color: #555; text-decoration: line-through; }
tr.withdrawn td:last-child { text-decoration: none; }
footer { margin-top: 2rem; color: #444; font-size: .85rem; }
@media print {
  body { margin: 0; max-width: none; font-size: 9pt; }
  .scroll { overflow: visible; }
  h2 { break-after: avoid; }
  tr { break-inside: avoid; }
  thead { display: table-header-group; }
  @page { size: landscape; margin: 12mm; }
}
";
/// SHA-256 of the style, in base64: the only style that the page may have.
const STYLE_HASH: &str = "D2mvTMInf66wWm8Ce8GZp31vdyUtmcmxDrfLEwdEs4Y=";

/// The page.
pub(crate) fn page(report: &Report) -> String {
    let trail = &report.trail;
    let mut page = String::new();
    let title = format!("Trail of entry {}", escaped(&trail.entry_number));
    let tone = match (report.is_under_finding(), report.gaps.is_empty()) {
        (true, _) => "summary finding",
        (false, false) => "summary gaps",
        (false, true) => "summary",
    };
    let as_of = trail
        .as_of
        .map(|as_of| format!(" as of {}", moment(as_of)))
        .unwrap_or_default();
    // Writing to memory cannot fail.
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; \
         base-uri 'none'; form-action 'none'\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"referrer\" content=\"no-referrer\"/>\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}{as_of}</h1>\n\
         <p class=\"{tone}\">{}</p>\n</header>\n<main>\n",
        escaped(&report.summary())
    );
    for (number, part) in (1..).zip(all(report)) {
        table(&mut page, number, &part);
    }
    page.push_str(
        "</main>\n<footer>\n<p>Records are kept for 7 CFR 205.103 and 7 CFR 205.273(d). Records that were withdrawn \
         are struck out and do not count. Documents are named by the SHA-256 of their content; days and moments are \
         of UTC.</p>\n</footer>\n</body>\n</html>\n",
    );
    page
}

fn table(page: &mut String, number: u32, table: &Table) {
    let _ = write!(
        page,
        "<section aria-labelledby=\"part-{number}\">\n<h2 id=\"part-{number}\">{}</h2>\n",
        escaped(table.title)
    );
    if table.rows.is_empty() {
        let _ = writeln!(page, "<p>{}</p>\n</section>", escaped(table.otherwise));
        return;
    }
    page.push_str("<div class=\"scroll\">\n<table>\n<thead>\n<tr>");
    for column in &table.columns {
        let _ = write!(page, "<th scope=\"col\">{}</th>", escaped(column));
    }
    page.push_str("</tr>\n</thead>\n<tbody>\n");
    for row in &table.rows {
        page.push_str(match row.tone {
            Tone::Plain => "<tr>",
            Tone::Finding => "<tr class=\"finding\">",
            Tone::Withdrawn => "<tr class=\"withdrawn\">",
        });
        for cell in &row.cells {
            let _ = write!(page, "<td>{}</td>", escaped(cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

/// The text as it may stand between tags and in attributes. What no page may hold is replaced; what turns the direction
/// of reading would let a text look like another.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(character),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => {
                safe.push('\u{fffd}');
            }
            other if other.is_control() => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use nopic_domain::trail::Trail;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let bits = chunk
                .iter()
                .chain([0, 0].iter())
                .take(3)
                .fold(0usize, |bits, byte| (bits << 8) | usize::from(*byte));
            for place in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * place)) & 63];
                text.push(if place <= chunk.len() {
                    char::from(digit)
                } else {
                    '='
                });
            }
        }
        text
    }

    #[test]
    fn the_policy_names_the_style() {
        assert_eq!(base64(b"a"), "YQ==");
        assert_eq!(base64(&Sha256::digest(STYLE)), STYLE_HASH);
    }

    #[test]
    fn no_text_is_a_tag() {
        assert_eq!(
            escaped("<script>alert(\"1\")</script> & 'x'\u{0}\u{1b}[31m\u{202e}"),
            "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;\u{fffd}\u{fffd}[31m\u{fffd}"
        );
        let report = Report {
            trail: Trail {
                entry_number: "</title><script>".to_owned(),
                ..Trail::default()
            },
            gaps: Vec::new(),
        };
        let page = page(&report);
        assert!(!page.contains("<script"));
        for outside in ["http://", "https://", "src=", "href=", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
