//! Which rows a note speaks of, and what it leaves of each: a hash.
//!
//! A store says for each kind of row that it answers for how all of them are read ([`Audited`]). Whoever changes such
//! rows collects what is left of each in [`Rows`] and gives that to the note of the change, in the same transaction and
//! after the rows: so two notes of one row are in the order of its changes. `nopic audit verify` then reads every row
//! and sets it beside the note that last spoke of it.
//!
//! To put a table under the log:
//!
//! 1. An [`Audited`] constant beside the table's statements: its kind (a name that stays), the statement of a page and
//!    the type of each column, the key's columns first:
//!
//!    ```text
//!    pub(crate) const LINK: Audited = Audited {
//!        kind: "link",
//!        page: "/* entry_validation.audit_links */ SELECT tenant, importer, nop_id, recorded_at FROM link \
//!            WHERE (tenant, importer) > ($1, $2) ORDER BY tenant, importer LIMIT $3",
//!        key: 2,
//!        columns: &[Text, Text, Number, Moment],
//!        shown: str::to_owned,
//!    };
//!    ```
//!
//! 2. It joins the list `audited` of the service's `Schema`, and [`AUDIT_ROWS`](crate::AUDIT_ROWS) its migrations. Where
//!    the database has rows already, that step takes them as they are into notes of their own, the baseline.
//! 3. Where rows are written: `rows.row(&LINK).text(tenant).text(importer).number(id).moment(at).end()`, every column in
//!    the order of the statement; where they are deleted the key's columns and `gone()`; then
//!    `audit::record_rows(connection, &change, role, &rows)` in the place of `audit::record`. What only changes once,
//!    such as an end, is best a kind of its own (the certificates' `draw_end`), so that nobody needs to read the rest of
//!    the row again. Rows whose content is only known to the database are read back with
//!    `audit::read_back(connection, &LINK, statement, …)`.
//! 4. A test that changes, adds and removes such a row by SQL and asks `Audit::verify`.

use chrono::{DateTime, NaiveDate, Utc};
use ring::digest::{Context, SHA256};

use crate::Error;

/// Bytes of a row's hash: of a SHA-256 as many as keep anybody from finding another row that has them.
pub(crate) const ROW_HASH_BYTES: usize = 16;

/// The hash of a row.
pub(crate) type RowHash = [u8; ROW_HASH_BYTES];

/// Parts of the listing: a kind for the rows behind it, a row, a row that is gone.
const KIND: u8 = 0;
const ROW: u8 = 1;
const ROW_GONE: u8 = 2;

/// The type of a column, as it is hashed. Any may be NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// `BIGINT`.
    Number,
    /// `TEXT`.
    Text,
    /// JSON as text: hashed whatever its spaces and the order of its keys.
    Json,
    /// A moment, to the microsecond.
    Moment,
    /// A day.
    Date,
    /// Bytes.
    Bytes,
    /// True or false.
    Flag,
}

/// A kind of rows that the log answers for.
#[derive(Debug, Clone, Copy)]
pub struct Audited {
    /// Its name in notes. It stays.
    pub kind: &'static str,
    /// The statement of a page: the columns of the key first, the rows behind `$1`, … in their order, as many as the
    /// parameter behind those says.
    pub page: &'static str,
    /// How many columns the key has: numbers and texts.
    pub key: usize,
    /// The type of each column.
    pub columns: &'static [Column],
    /// A key in words: the parts of the key come with a slash between them.
    pub shown: fn(&str) -> String,
}

/// What a change leaves of the rows that it wrote.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    listing: Vec<u8>,
    kind: &'static str,
    count: usize,
    scratch: Vec<u8>,
}

impl Rows {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it speaks of no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes a note of them takes: large changes make several.
    #[must_use]
    pub fn size(&self) -> usize {
        self.listing.len()
    }

    pub(crate) fn listing(&self) -> Option<&[u8]> {
        (self.count > 0).then_some(&self.listing[..])
    }

    /// Begins a row: all of its columns follow, in the order of the statement that reads them, then the end.
    pub fn row(&mut self, audited: &'static Audited) -> Row<'_> {
        self.scratch.clear();
        Row {
            rows: self,
            audited,
            key: String::new(),
            columns: 0,
        }
    }

    fn push(&mut self, kind: &'static str, key: &str, hash: Option<&RowHash>) {
        if self.kind != kind {
            self.kind = kind;
            self.listing.push(KIND);
            self.text(kind);
        }
        self.listing.push(if hash.is_some() { ROW } else { ROW_GONE });
        self.text(key);
        self.listing.extend_from_slice(hash.map_or(&[], |hash| &hash[..]));
        self.count += 1;
    }

    /// Adds rows of one kind.
    pub(crate) fn append(&mut self, kind: &'static str, other: &Self) -> Result<(), Error> {
        for (_, key, hash) in said(&other.listing)? {
            self.push(kind, key, hash.as_ref());
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        // Keys are short.
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        self.listing.extend_from_slice(&length.to_be_bytes());
        self.listing
            .extend_from_slice(&text.as_bytes()[..usize::from(length)]);
    }
}

/// A row under way.
#[must_use = "a row counts once it has ended"]
#[derive(Debug)]
pub struct Row<'a> {
    rows: &'a mut Rows,
    audited: &'static Audited,
    key: String,
    columns: usize,
}

impl Row<'_> {
    fn column(&mut self, column: Column, value: Option<&[u8]>) {
        debug_assert_eq!(
            self.audited.columns.get(self.columns),
            Some(&column),
            "column {} of {}",
            self.columns,
            self.audited.kind
        );
        self.columns += 1;
        let bytes = &mut self.rows.scratch;
        match value {
            None => bytes.push(0),
            Some(value) => {
                bytes.push(1);
                // A length always fits.
                let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
                bytes.extend_from_slice(&length.to_be_bytes());
                bytes.extend_from_slice(value);
            }
        }
    }

    fn key_part(&mut self, part: &dyn std::fmt::Display) {
        use std::fmt::Write as _;

        if self.columns < self.audited.key {
            if self.columns > 0 {
                self.key.push('/');
            }
            // A String takes everything.
            let _ = write!(self.key, "{part}");
        }
    }

    /// A number.
    pub fn number(mut self, value: impl Into<Option<i64>>) -> Self {
        let value = value.into();
        if let Some(value) = value {
            self.key_part(&value);
        }
        self.column(
            Column::Number,
            value.map(i64::to_be_bytes).as_ref().map(|bytes| &bytes[..]),
        );
        self
    }

    /// A text.
    pub fn text<'t>(mut self, value: impl Into<Option<&'t str>>) -> Self {
        let value = value.into();
        if let Some(value) = value {
            self.key_part(&value);
        }
        self.column(Column::Text, value.map(str::as_bytes));
        self
    }

    /// JSON, by its [`json_hash`].
    pub fn json(mut self, hash: impl Into<Option<[u8; 32]>>) -> Self {
        self.column(Column::Json, hash.into().as_ref().map(|hash| &hash[..]));
        self
    }

    /// A moment.
    pub fn moment(mut self, value: impl Into<Option<DateTime<Utc>>>) -> Self {
        let micros = value.into().map(|value| value.timestamp_micros().to_be_bytes());
        self.column(Column::Moment, micros.as_ref().map(|bytes| &bytes[..]));
        self
    }

    /// A day.
    pub fn date(mut self, value: impl Into<Option<NaiveDate>>) -> Self {
        let text = value.into().map(|value| value.to_string());
        self.column(Column::Date, text.as_deref().map(str::as_bytes));
        self
    }

    /// Bytes.
    pub fn bytes<'t>(mut self, value: impl Into<Option<&'t [u8]>>) -> Self {
        self.column(Column::Bytes, value.into());
        self
    }

    /// True or false.
    pub fn flag(mut self, value: impl Into<Option<bool>>) -> Self {
        let byte = value.into().map(|value| [u8::from(value)]);
        self.column(Column::Flag, byte.as_ref().map(|bytes| &bytes[..]));
        self
    }

    /// The row is as said.
    pub fn end(self) {
        debug_assert_eq!(self.columns, self.audited.columns.len(), "{}", self.audited.kind);
        let hash = {
            let mut context = Context::new(&SHA256);
            context.update(self.audited.kind.as_bytes());
            context.update(&self.rows.scratch);
            let mut hash = RowHash::default();
            hash.copy_from_slice(&context.finish().as_ref()[..ROW_HASH_BYTES]);
            hash
        };
        self.rows.push(self.audited.kind, &self.key, Some(&hash));
    }

    /// The row of this key was deleted.
    pub fn gone(self) {
        debug_assert_eq!(self.columns, self.audited.key, "{}", self.audited.kind);
        self.rows.push(self.audited.kind, &self.key, None);
    }
}

/// The hash of a JSON value, whatever the order of its keys.
#[must_use]
pub fn json_hash(value: &serde_json::Value) -> [u8; 32] {
    let mut text = Vec::with_capacity(512);
    canonical(value, &mut text);
    let mut hash = [0; 32];
    hash.copy_from_slice(ring::digest::digest(&SHA256, &text).as_ref());
    hash
}

fn canonical(value: &serde_json::Value, into: &mut Vec<u8>) {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            into.push(b'{');
            for (name, value) in fields {
                plain(&name, into);
                canonical(value, into);
            }
            into.push(b'}');
        }
        Value::Array(values) => {
            into.push(b'[');
            for value in values {
                canonical(value, into);
                into.push(b',');
            }
            into.push(b']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => plain(value, into),
    }
}

fn plain(value: &impl serde::Serialize, into: &mut Vec<u8>) {
    // Texts, numbers and the like always have a form, and a Vec takes everything.
    let _ = serde_json::to_writer(into, value);
}

/// What a listing says of a row: kind, key, and the hash; absent: it is gone.
pub(crate) type Said<'a> = (&'a str, &'a str, Option<RowHash>);

/// The rows of a listing.
pub(crate) fn said(listing: &[u8]) -> Result<Vec<Said<'_>>, Error> {
    fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
        let (taken, behind) = rest.split_at_checked(length)?;
        *rest = behind;
        Some(taken)
    }
    fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
        let length = u16::from_be_bytes(take(rest, 2)?.try_into().ok()?);
        std::str::from_utf8(take(rest, usize::from(length))?).ok()
    }
    let read = || {
        let mut rest = listing;
        let mut kind = "";
        let mut rows = Vec::new();
        while let Some(part) = take(&mut rest, 1) {
            match part[0] {
                KIND => kind = text(&mut rest)?,
                ROW => {
                    let key = text(&mut rest)?;
                    rows.push((kind, key, Some(take(&mut rest, ROW_HASH_BYTES)?.try_into().ok()?)));
                }
                ROW_GONE => rows.push((kind, text(&mut rest)?, None)),
                _ => return None,
            }
        }
        Some(rows)
    };
    read().ok_or_else(|| Error::corrupt("audit_record.row_hashes", "it is cut off or of another form"))
}

/// As hexadecimal digits; none for a row that is gone.
pub(crate) fn hash_text(hash: Option<&RowHash>) -> String {
    hash.map(|hash| super::head::hexadecimal(hash))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Column::{Json, Number, Text};
    use super::*;

    const AUDITED: Audited = Audited {
        kind: "thing",
        page: "",
        key: 2,
        columns: &[Number, Text, Json],
        shown: str::to_owned,
    };

    fn row(number: i64, text: &str, json: &str) -> Rows {
        let mut rows = Rows::new();
        let json = json_hash(&serde_json::from_str(json).unwrap());
        rows.row(&AUDITED).number(number).text(text).json(json).end();
        rows
    }

    #[test]
    fn what_is_said_comes_back() {
        let mut rows = row(7, "a", "{}");
        rows.row(&AUDITED).number(8).text("b").gone();
        let listing = rows.listing().unwrap();
        let said = said(listing).unwrap();
        assert_eq!(
            (said[0].0, said[0].1, said[0].2.is_some()),
            ("thing", "7/a", true)
        );
        assert_eq!(said[1], ("thing", "8/b", None));
        assert!(super::said(&listing[..listing.len() - 1]).is_err());
    }

    #[test]
    fn the_form_of_json_does_not_count_but_every_value_does() {
        let hash = |rows: Rows| said(rows.listing().unwrap()).unwrap()[0].2;
        let one = hash(row(7, "a", r#"{"a":1,"b":[true,null,"x"]}"#));
        assert_eq!(one, hash(row(7, "a", r#"{ "b": [true, null, "x"], "a": 1 }"#)));
        for other in [
            r#"{"a":2,"b":[true,null,"x"]}"#,
            r#"{"a":1,"b":[true,"x"]}"#,
            r#"{"a":1}"#,
        ] {
            assert_ne!(one, hash(row(7, "a", other)));
        }
        assert_ne!(one, hash(row(8, "a", r#"{"a":1,"b":[true,null,"x"]}"#)));
    }
}
