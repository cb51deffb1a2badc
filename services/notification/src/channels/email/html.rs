//! A letter as HTML: without pictures, scripts or anything that is fetched, and whatever stands in it is escaped.

use maud::{DOCTYPE, Markup, html};

use super::page::{Page, Part};

const BODY: &str = "margin: 0; padding: 24px; font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', sans-serif; \
                    color: #1a1a1a; background: #ffffff";
const COLUMN: &str = "max-width: 640px; margin: 0 auto";
const PART: &str = "margin: 0 0 32px; padding: 0 0 16px; border-bottom: 1px solid #d0d0d0";
const TITLE: &str = "margin: 0 0 12px; font-size: 20px; line-height: 1.3";
const TO_DO: &str = "margin: 16px 0; padding: 12px 16px; background: #f2f5f9; border-left: 4px solid #1f5fa8";
const SMALL: &str = "margin: 0 0 8px; font-size: 13px; color: #555555";

/// The letter.
pub(super) fn of(page: &Page) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (page.subject) }
            }
            body style=(BODY) {
                div style=(COLUMN) {
                    @if let Some(opening) = &page.opening {
                        h1 style=(TITLE) { (opening.title) }
                        p { (opening.sentence) }
                    }
                    @for part in &page.parts {
                        (section(part, page.opening.is_some()))
                    }
                    @for sentence in &page.closing {
                        p style=(SMALL) { (sentence) }
                    }
                }
            }
        }
    }
    .into_string()
}

/// A notice; of a digest, below its title.
fn section(part: &Part, is_of_digest: bool) -> Markup {
    html! {
        div style=(PART) {
            @if is_of_digest {
                h2 style=(TITLE) { (part.title) }
            } @else {
                h1 style=(TITLE) { (part.title) }
            }
            @for sentence in &part.sentences {
                p { (sentence) }
            }
            @if !part.to_do.is_empty() {
                div style=(TO_DO) {
                    strong { "What to do" }
                    ul style="margin: 8px 0 0; padding-left: 20px" {
                        @for item in &part.to_do {
                            li { strong { (item.who) ":" } " " (item.what) }
                        }
                    }
                }
            }
            @for (name, value) in &part.facts {
                p style=(SMALL) { (name) ": " (value) }
            }
        }
    }
}
