//! REST pages: objects with a list of operations, one or many in a file, read without holding a page.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::error::{OidProblem, TooLarge};
use super::record::Record;
use super::{Emitter, OidList, OidReject};
use crate::reject::{Reject, shown};

/// The most bytes from the start of one record to the start of the next.
const LONGEST_RECORD: u64 = 64 << 20;

/// Counts what was read since the last record began, so that no single value exhausts the memory.
struct PerRecord<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for PerRecord<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        match self.left.get().checked_sub(length as u64) {
            Some(left) => {
                self.left.set(left);
                Ok(length)
            }
            None => Err(io::Error::other(TooLarge {
                what: "one operation",
                limit: LONGEST_RECORD,
            })),
        }
    }
}

/// What stays the same over all pages of a file.
struct Pages<'e, 's> {
    emitter: &'e mut Emitter<'s>,
    /// A record and the number of elements so far, by list.
    lists: [(Record, u64); 2],
    /// Why the read ended, where that is no fault of the JSON.
    stop: Option<OidProblem>,
    left: Rc<Cell<u64>>,
}

/// Reads a file of pages: one object, a list of them, or several of either behind one another.
pub(crate) fn read(input: impl Read, emitter: &mut Emitter<'_>) -> Result<(), OidProblem> {
    let left = Rc::new(Cell::new(LONGEST_RECORD));
    let mut input = BufReader::with_capacity(
        64 << 10,
        PerRecord {
            inner: input,
            left: Rc::clone(&left),
        },
    );
    let mut pages = Pages {
        emitter,
        lists: Default::default(),
        stop: None,
        left,
    };
    if input
        .fill_buf()
        .map_err(problem_of_reading)?
        .starts_with(b"\xef\xbb\xbf")
    {
        input.consume(3);
    }
    let mut value = 0;
    while let Some(first) = next_visible(&mut input).map_err(problem_of_reading)? {
        value += 1;
        if !matches!(first, b'{' | b'[') {
            return Err(OidProblem::Json {
                value,
                line: 1,
                column: 1,
                reason: "a page begins with `{` or `[`, and something else stands here".to_owned(),
            });
        }
        let mut deserializer = serde_json::Deserializer::from_reader(&mut input);
        let seed = PageSeed {
            pages: &mut pages,
            may_be_list: true,
        };
        if let Err(error) = seed.deserialize(&mut deserializer) {
            return Err(pages.stop.take().unwrap_or_else(|| problem_of(error, value)));
        }
    }
    if value == 0 {
        return Err(OidProblem::Empty);
    }
    for list in [OidList::Operations, OidList::Items] {
        let columns = &pages.lists[list as usize].0.columns;
        pages.emitter.end_list(list, columns)?;
    }
    let columns = &pages.lists[OidList::Operations as usize].0.columns;
    pages.emitter.note_columns(columns);
    Ok(())
}

/// Goes to the next byte that is no white space; it is not consumed.
fn next_visible(input: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        match buffer.iter().position(|byte| !byte.is_ascii_whitespace()) {
            Some(at) => {
                let byte = buffer[at];
                input.consume(at);
                return Ok(Some(byte));
            }
            None => {
                let length = buffer.len();
                input.consume(length);
            }
        }
    }
}

fn problem_of_reading(error: io::Error) -> OidProblem {
    match error.downcast::<TooLarge>() {
        Ok(TooLarge { what, limit }) => OidProblem::TooLarge {
            what: what.to_owned(),
            limit,
        },
        Err(error) => OidProblem::Io(error),
    }
}

fn problem_of(error: serde_json::Error, value: u64) -> OidProblem {
    let (line, column) = (error.line(), error.column());
    if error.is_io() {
        return problem_of_reading(error.into());
    }
    let reason = if error.is_eof() {
        "the JSON is cut off; fetch it again".to_owned()
    } else {
        // The place is said apart.
        let text = error.to_string();
        let end = text.rfind(" at line ").unwrap_or(text.len());
        text[..end].to_owned()
    };
    OidProblem::Json {
        value,
        line,
        column,
        reason,
    }
}

/// A page, or a list of pages.
struct PageSeed<'p, 'e, 's> {
    pages: &'p mut Pages<'e, 's>,
    may_be_list: bool,
}

impl<'de> DeserializeSeed<'de> for PageSeed<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PageSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page: an object with `success` and `operations`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if !self.may_be_list {
            return Err(A::Error::custom(
                "a list inside the list of pages; expected objects",
            ));
        }
        while list
            .next_element_seed(PageSeed {
                pages: self.pages,
                may_be_list: false,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut page: A) -> Result<(), A::Error> {
        let mut success = None;
        let mut message = None;
        let mut has_list = false;
        let mut names = Vec::new();
        while let Some(name) = page.next_key::<String>()? {
            let list = if name.eq_ignore_ascii_case("operations") {
                OidList::Operations
            } else if name.eq_ignore_ascii_case("items") {
                OidList::Items
            } else {
                if name.eq_ignore_ascii_case("success") {
                    success = match page.next_value::<Value>()? {
                        Value::Bool(success) => Some(success),
                        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
                        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
                        _ => return Err(A::Error::custom("`success` is neither true nor false")),
                    };
                } else if name.eq_ignore_ascii_case("errorMessage") {
                    message = match page.next_value::<Value>()? {
                        Value::Null => None,
                        Value::String(text) => Some(text),
                        other => Some(other.to_string()),
                    };
                } else {
                    page.next_value::<IgnoredAny>()?;
                    if names.len() < 10 {
                        names.push(shown(&name));
                    }
                }
                continue;
            };
            let pages = &mut *self.pages;
            has_list |= page.next_value_seed(ListSeed { pages, list })?;
        }
        let has_failed = success == Some(false) || (!has_list && message.is_some());
        if has_failed {
            let message = message.unwrap_or_else(|| "no message".to_owned());
            self.pages.stop = Some(OidProblem::ServiceError {
                message: shown(&message),
            });
            return Err(A::Error::custom("the service failed"));
        }
        if has_list {
            Ok(())
        } else {
            Err(A::Error::custom(format!(
                "a page without `operations` (found: {}); expected {{\"success\": true, \"operations\": […]}}",
                names.join(", ")
            )))
        }
    }
}

/// The list of a page; gives whether there was one.
struct ListSeed<'p, 'e, 's> {
    pages: &'p mut Pages<'e, 's>,
    list: OidList,
}

impl<'de> DeserializeSeed<'de> for ListSeed<'_, '_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_, '_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of operations")
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        while list
            .next_element_seed(RecordSeed {
                pages: &mut *self.pages,
                list: self.list,
            })?
            .is_some()
        {}
        Ok(true)
    }
}

/// One element of a list.
struct RecordSeed<'p, 'e, 's> {
    pages: &'p mut Pages<'e, 's>,
    list: OidList,
}

impl RecordSeed<'_, '_, '_> {
    fn begin(&mut self) -> &mut (Record, u64) {
        self.pages.left.set(LONGEST_RECORD);
        let current = &mut self.pages.lists[self.list as usize];
        current.0.clear();
        current.1 += 1;
        current
    }

    /// An element that is no object is refused; its neighbours are read.
    fn refuse<E: Error>(mut self, value: &str) -> Result<(), E> {
        let number = self.begin().1;
        let reject = Reject::new(number, "is no object of technical names and values").with_value(value);
        let result = self.pages.emitter.refuse(Box::new(OidReject {
            reject,
            nop_id: None,
            list: self.list,
            part: self.pages.emitter.part,
        }));
        self.stop_on(result)
    }

    fn stop_on<E: Error>(self, result: Result<(), OidProblem>) -> Result<(), E> {
        result.map_err(|problem| {
            self.pages.stop = Some(problem);
            E::custom("stopped")
        })
    }
}

impl<'de> DeserializeSeed<'de> for RecordSeed<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of technical names and values")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<(), A::Error> {
        let (record, number) = self.begin();
        let number = *number;
        let mut problem = None;
        while let Some(name) = fields.next_key::<String>()? {
            match record.column(&name) {
                Ok(column) => {
                    let numeric = fields.next_value_seed(FieldSeed(record.open()))?;
                    problem = record.close(column, numeric).err();
                }
                Err(too_many) => problem = Some(too_many),
            }
            if problem.is_some() {
                break;
            }
        }
        if let Some(problem) = problem {
            return self.stop_on(Err(problem));
        }
        let Pages { emitter, lists, .. } = &mut *self.pages;
        let result = emitter.finish_named(self.list, &lists[self.list as usize].0, number);
        self.stop_on(result)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        self.refuse("[…]")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.refuse(if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.refuse(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.refuse(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.refuse(&value.to_string())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.refuse(value)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.refuse("null")
    }
}

/// The value of a field, pushed to the text; gives whether it is a number.
struct FieldSeed<'t>(&'t mut String);

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl FieldSeed<'_> {
    /// Nested values stay as JSON.
    fn push_nested<E: Error>(self, value: &Value) -> Result<bool, E> {
        self.0.push_str(&value.to_string());
        Ok(false)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<bool, E> {
        self.0.push_str(value);
        Ok(false)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<bool, E> {
        // As the other forms write it.
        self.0.push_str(if value { "True" } else { "False" });
        Ok(false)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<bool, E> {
        self.0.push_str(&value.to_string());
        Ok(true)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<bool, E> {
        self.0.push_str(&value.to_string());
        Ok(true)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<bool, E> {
        self.0.push_str(&value.to_string());
        Ok(true)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<bool, A::Error> {
        let value = Value::deserialize(SeqAccessDeserializer::new(list))?;
        self.push_nested(&value)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        let value = Value::deserialize(MapAccessDeserializer::new(map))?;
        self.push_nested(&value)
    }
}
