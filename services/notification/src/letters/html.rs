//! A letter as one page that prints on A4 and on Letter paper: nothing is fetched, and whatever stands in it is escaped.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use nopic_domain::enforcement::{EntryFacts, LetterFacts};

use super::fit::fitted;
use super::template::Template;
use super::{heading, place};

/// The paper's size is the printer's: the margins leave room on either. What [`super::fit`] reckons with goes by this.
const STYLE: &str = "\
@page { margin: 14mm 18mm }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 174mm; padding: 8mm 0; font: 10pt/1.35 Georgia, 'Times New Roman', serif; \
color: #111; background: #fff; overflow-wrap: anywhere }
header { display: flex; justify-content: space-between; align-items: baseline; border-bottom: 0.6pt solid #111; \
padding-bottom: 2mm; margin-bottom: 4mm }
h1 { margin: 0; font-size: 16pt; line-height: 1.2 }
h2 { margin: 3.5mm 0 1mm; font-size: 10.5pt; break-after: avoid }
p { margin: 0 0 1.5mm }
.to { margin-bottom: 4mm }
.to p { margin-bottom: 0.5mm }
.more { margin-top: 2mm; font-style: italic }
ul { margin: 0; padding-left: 5mm }
li { margin-bottom: 1mm }
table { width: 100%; table-layout: fixed; border-collapse: collapse; font-size: 9pt }
caption { text-align: left; font-weight: bold; padding: 1.5mm 0 0.5mm }
td { vertical-align: top; padding: 0.8mm 2mm 0.8mm 0; border-top: 0.3pt solid #999 }
td:first-child { width: 35mm }
td:nth-child(2) { width: 21mm }
tr, footer, li { break-inside: avoid }
code { font: 8.5pt ui-monospace, monospace }
footer { margin-top: 4mm }
address { white-space: pre-line; font-style: normal; border-left: 2pt solid #111; padding-left: 3mm }
@media screen { body { padding: 16mm 10mm } }
@media print { body { max-width: none; padding: 0 } }
";

/// The letter.
pub(super) fn of(facts: &LetterFacts, template: &Template) -> String {
    let page = fitted(facts, template);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (template.title) ", importer " (facts.importer) ", " (facts.date) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (template.title) }
                    time datetime=(facts.date) { (facts.date) }
                }
                div class="to" {
                    @for line in &template.head {
                        p { (line) }
                    }
                }
                @for paragraph in &template.opening {
                    p { (paragraph) }
                }
                h2 { "What was found" }
                @for entry in &page.entries {
                    (lines_of(entry))
                }
                @if let Some(left_out) = &page.left_out {
                    p class="more" { (left_out) }
                }
                @if !page.what_to_do.is_empty() {
                    h2 { "What to do" }
                    (points(&page.what_to_do))
                }
                h2 { "What follows" }
                (points(&template.follows))
                footer {
                    h2 { "Where to answer" }
                    p { (template.answer) }
                    address { (facts.answer_to) }
                }
            }
        }
    }
    .into_string()
}

fn lines_of(entry: &EntryFacts) -> Markup {
    html! {
        table {
            caption { (heading(entry)) }
            @for line in &entry.lines {
                tr {
                    td { (place(line)) }
                    td { (line.recorded_on) }
                    td {
                        @for finding in &line.findings {
                            div { (finding.sentence) " " code { (finding.code) } }
                        }
                    }
                }
            }
        }
    }
}

fn points(sentences: &[String]) -> Markup {
    html! {
        ul {
            @for sentence in sentences {
                li { (sentence) }
            }
        }
    }
}
