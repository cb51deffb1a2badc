//! What every service checks of a request in the same way: ids, sizes, pages, moments and days.

use chrono::{DateTime, SecondsFormat, Utc};
use nopic_domain::date::{Date, parse_iso};
use nopic_domain::rules::MAX_LINES_PER_ENTRY;
use thiserror::Error;
use tonic::Status;

/// Items of one request or answer at most: an entry is judged and filed as a whole, so a batch has room for the longest.
pub const MAX_BATCH: usize = MAX_LINES_PER_ENTRY;
/// Characters of the id of a request.
pub const MAX_REQUEST_ID: usize = 200;
/// Items of a page where the caller does not say.
pub const USUAL_PAGE: u32 = 100;
/// Items of the largest page.
pub const LARGEST_PAGE: u32 = 1_000;

/// What is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// A field is wrong.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field by its name in the `.proto` file, with its place in a list.
        field: String,
        /// What is wrong with it, and how to put it right.
        reason: String,
    },
    /// A field holds more than is taken at once.
    #[error("{field}: {given} given, at most {limit} allowed: ask in parts")]
    TooMany {
        /// The field, as above.
        field: &'static str,
        /// How many there are.
        given: usize,
        /// How many there may be.
        limit: usize,
    },
}

impl RequestError {
    /// A field is wrong.
    pub fn invalid(field: impl Into<String>, reason: impl ToString) -> Self {
        Self::Invalid {
            field: field.into(),
            reason: reason.to_string(),
        }
    }
}

impl From<RequestError> for Status {
    fn from(error: RequestError) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

/// Refuses more than a limit.
///
/// # Errors
/// There are more.
pub const fn at_most(field: &'static str, given: usize, limit: usize) -> Result<(), RequestError> {
    if given > limit {
        return Err(RequestError::TooMany { field, given, limit });
    }
    Ok(())
}

/// The id of a request that changes something: the same again changes nothing more.
///
/// # Errors
/// It is none: empty, too long, or not printable.
pub fn request_id(text: &str) -> Result<&str, RequestError> {
    let problem = if text.trim().is_empty() {
        "is required: it names the change, so that asking again changes nothing"
    } else if text.chars().count() > MAX_REQUEST_ID {
        "is longer than 200 characters"
    } else if text.chars().any(char::is_control) {
        "holds control characters"
    } else {
        return Ok(text);
    };
    Err(RequestError::invalid("request_id", problem))
}

/// A text that may be left out by leaving it empty.
#[must_use]
pub fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// A moment; absent where none is given.
///
/// # Errors
/// It is none in RFC 3339.
pub fn moment(field: &str, text: &str) -> Result<Option<DateTime<Utc>>, RequestError> {
    let read = |text| {
        DateTime::parse_from_rfc3339(text)
            .map(|moment| moment.to_utc())
            .map_err(|_| {
                let reason = format!("{text:?} is no moment of the form 2025-06-30T12:00:00Z (RFC 3339)");
                RequestError::invalid(field, reason)
            })
    };
    given(text).map(read).transpose()
}

/// A moment as callers get it, as exactly as it is known: it finds again what was told with it.
#[must_use]
pub fn moment_text(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A day that must be given.
///
/// # Errors
/// It is none, in the form YYYY-MM-DD.
pub fn day(field: &str, text: &str) -> Result<Date, RequestError> {
    parse_iso(text)
        .ok_or_else(|| RequestError::invalid(field, format!("{text:?} is not a date of the form YYYY-MM-DD")))
}

/// A day; absent where none is given.
///
/// # Errors
/// As [`day`].
pub fn given_day(field: &str, text: &str) -> Result<Option<Date>, RequestError> {
    given(text).map(|text| day(field, text)).transpose()
}

/// One page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page(u32);

impl Page {
    /// Of the size that was asked for; 0: the usual one.
    ///
    /// # Errors
    /// It is larger than the largest.
    pub fn of(page_size: u32) -> Result<Self, RequestError> {
        Self::with_usual(page_size, USUAL_PAGE)
    }

    /// The same where another size is usual.
    ///
    /// # Errors
    /// As [`Page::of`].
    pub fn with_usual(page_size: u32, usual: u32) -> Result<Self, RequestError> {
        at_most("page_size", page_size as usize, LARGEST_PAGE as usize)?;
        Ok(Self(if page_size == 0 { usual } else { page_size }))
    }

    /// Items of it.
    #[must_use]
    pub const fn size(self) -> usize {
        self.0 as usize
    }

    /// How many to read: one more than is shown tells whether any follow.
    #[must_use]
    pub const fn to_read(self) -> u32 {
        self.0 + 1
    }

    /// Cuts what was read to the page. The token of the next page is made of the last item; `None`: this is the end.
    pub fn cut<T>(self, items: &mut Vec<T>, token: impl FnOnce(&T) -> String) -> Option<String> {
        let follows = items.len() > self.size();
        items.truncate(self.size());
        items.last().filter(|_| follows).map(token)
    }
}

/// The place of a page, by its token; absent: the first one.
///
/// # Errors
/// The token is none that this call gave.
pub fn page_token<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, RequestError> {
    given(text)
        .map(|text| {
            read(text).ok_or_else(|| RequestError::invalid("page_token", "is not one that this call gave"))
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_a_change() {
        assert_eq!(request_id("a 1"), Ok("a 1"));
        assert!(request_id(&"é".repeat(MAX_REQUEST_ID)).is_ok());
        for wrong in ["", "  ", "a\nb", &"a".repeat(MAX_REQUEST_ID + 1)] {
            let message = request_id(wrong).unwrap_err().to_string();
            assert!(message.starts_with("request_id: "), "{message}");
        }
    }

    #[test]
    fn a_page_says_whether_more_follow() {
        let page = Page::of(2).unwrap();
        assert_eq!((page.size(), page.to_read()), (2, 3));
        let mut items = vec![1, 2, 3];
        assert_eq!(page.cut(&mut items, i32::to_string), Some("2".to_owned()));
        assert_eq!(items, [1, 2]);
        assert_eq!(page.cut(&mut items, i32::to_string), None);
        assert_eq!(page.cut(&mut Vec::new(), i32::to_string), None);
        assert_eq!(Page::of(0).unwrap().size(), 100);
        assert_eq!(Page::with_usual(0, 10).unwrap().size(), 10);
        assert!(Page::of(LARGEST_PAGE).is_ok() && Page::of(LARGEST_PAGE + 1).is_err());
        assert_eq!(page_token("", |text| text.parse::<u32>().ok()), Ok(None));
        assert_eq!(page_token("7", |text| text.parse::<u32>().ok()), Ok(Some(7)));
        assert!(page_token("x", |text| text.parse::<u32>().ok()).is_err());
    }

    #[test]
    fn moments_and_days_are_read_as_they_are_written() {
        assert_eq!(moment("as_of", ""), Ok(None));
        let text = "2026-03-01T12:00:00.000001Z";
        assert_eq!(moment_text(moment("as_of", text).unwrap().unwrap()), text);
        assert_eq!(given_day("on", ""), Ok(None));
        assert_eq!(day("on", "2026-03-01").unwrap().to_string(), "2026-03-01");
        for wrong in ["", "2026-3-1", "yesterday"] {
            assert!(day("on", wrong).unwrap_err().to_string().starts_with("on: "));
        }
        assert!(moment("as_of", "2026-03-01").is_err());
    }
}
