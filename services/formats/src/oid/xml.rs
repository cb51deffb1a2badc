//! The bulk download: a root with a list of `<Operation>` and a list of `<Item>` elements.

use std::io::Read;

use super::error::OidProblem;
use super::record::Record;
use super::scan::{Scanner, Token, local, unescape};
use super::{Emitter, OidList};

/// The deepest nesting; the download itself nests four deep.
const DEEPEST: usize = 64;

/// Why a token does not fit.
enum Misfit {
    /// The XML is at fault, here.
    Xml(String),
    /// Something else is.
    Other(OidProblem),
}

impl From<OidProblem> for Misfit {
    fn from(problem: OidProblem) -> Self {
        Self::Other(problem)
    }
}

/// The names of the open elements, one behind the other.
#[derive(Default)]
struct OpenElements {
    names: Vec<u8>,
    starts: Vec<usize>,
}

impl OpenElements {
    fn depth(&self) -> usize {
        self.starts.len()
    }

    fn push(&mut self, name: &[u8]) {
        self.starts.push(self.names.len());
        self.names.extend_from_slice(name);
    }

    fn last(&self) -> Option<&[u8]> {
        self.starts.last().map(|start| &self.names[*start..])
    }

    fn pop(&mut self) {
        if let Some(start) = self.starts.pop() {
            self.names.truncate(start);
        }
    }
}

/// The list and the record that are being read.
struct Reading {
    list: OidList,
    /// How many elements are open around the fields.
    depth: usize,
    /// Position of the open field's name.
    field: Option<usize>,
}

struct Download<'e, 's> {
    emitter: &'e mut Emitter<'s>,
    open: OpenElements,
    root: Option<String>,
    reading: Option<Reading>,
    /// A record and the number of elements so far, by list.
    lists: [(Record, u64); 2],
}

/// Reads unpacked XML.
pub(crate) fn read(input: impl Read, emitter: &mut Emitter<'_>) -> Result<(), OidProblem> {
    let mut scanner = Scanner::new(input, "the XML")?;
    let mut download = Download {
        emitter,
        open: OpenElements::default(),
        root: None,
        reading: None,
        lists: Default::default(),
    };
    loop {
        let step = match scanner.next()? {
            Token::Start(tag) => download.start(tag.name, tag.is_empty),
            Token::End(name) => download.end(name),
            Token::Text(text) => download.text(text, false),
            Token::CData(text) => download.text(text, true),
            Token::Eof => break,
        };
        step.map_err(|misfit| match misfit {
            Misfit::Xml(reason) => scanner.error(reason),
            Misfit::Other(problem) => problem,
        })?;
    }
    if let Some(name) = download.open.last() {
        let reason = format!(
            "the XML is cut off inside <{}>; download it again",
            crate::reject::shown(&String::from_utf8_lossy(name))
        );
        return Err(scanner.error(reason));
    }
    let Some(root) = download.root else {
        return Err(OidProblem::Empty);
    };
    if download.lists.iter().all(|(_, elements)| *elements == 0) {
        return Err(OidProblem::NoOperations { root });
    }
    for list in [OidList::Operations, OidList::Items] {
        let columns = &download.lists[list as usize].0.columns;
        download.emitter.end_list(list, columns)?;
    }
    let columns = &download.lists[OidList::Operations as usize].0.columns;
    download.emitter.note_columns(columns);
    Ok(())
}

impl Download<'_, '_> {
    fn start(&mut self, name: &[u8], is_empty: bool) -> Result<(), Misfit> {
        let depth = self.open.depth();
        if depth == 0 {
            if self.root.is_some() {
                return Err(Misfit::Xml(
                    "a second root element: the XML is not well formed".to_owned(),
                ));
            }
            let root = crate::reject::shown(&String::from_utf8_lossy(name));
            if root.eq_ignore_ascii_case("html") {
                return Err(OidProblem::WebPage.into());
            }
            self.root = Some(root);
        }
        if depth >= DEEPEST {
            return Err(Misfit::Xml(format!(
                "elements are nested more than {DEEPEST} deep; this is no file of the database"
            )));
        }
        match &self.reading {
            None => {
                let list = match local(name) {
                    b"Operation" => Some(OidList::Operations),
                    b"Item" => Some(OidList::Items),
                    _ => None,
                };
                if let Some(list) = list {
                    let (record, number) = &mut self.lists[list as usize];
                    record.clear();
                    *number += 1;
                    if !is_empty {
                        let depth = depth + 1;
                        let field = None;
                        self.reading = Some(Reading { list, depth, field });
                    }
                }
            }
            Some(reading) => {
                let is_field = depth == reading.depth;
                let list = reading.list;
                let name = std::str::from_utf8(name)
                    .map_err(|_| Misfit::Xml("a name is not UTF-8; download it again".to_owned()))?;
                let (record, _) = &mut self.lists[list as usize];
                if is_field {
                    // Whatever prefix the service gives its fields: the technical name stands behind it.
                    let field = name.rsplit_once(':').map_or(name, |(_, field)| field);
                    let column = record.column(field)?;
                    record.open();
                    if let Some(reading) = &mut self.reading
                        && !is_empty
                    {
                        reading.field = Some(column);
                    }
                } else {
                    // What is nested in a field is kept as XML.
                    let text = record.open_text();
                    text.push('<');
                    text.push_str(name);
                    text.push_str(if is_empty { "/>" } else { ">" });
                }
            }
        }
        if !is_empty {
            self.open.push(name);
        }
        Ok(())
    }

    fn end(&mut self, name: &[u8]) -> Result<(), Misfit> {
        if self.open.last() != Some(name) {
            let shown = |name: &[u8]| crate::reject::shown(&String::from_utf8_lossy(name));
            return Err(Misfit::Xml(match self.open.last() {
                Some(open) => format!(
                    "</{}> ends <{}>: the XML is not well formed; download it again",
                    shown(name),
                    shown(open)
                ),
                None => format!("</{}> ends nothing: the XML is not well formed", shown(name)),
            }));
        }
        self.open.pop();
        let depth = self.open.depth();
        let Some(reading) = &mut self.reading else {
            return Ok(());
        };
        let list = reading.list;
        let inner = reading.depth;
        let (record, number) = &mut self.lists[list as usize];
        if depth + 1 == inner {
            self.reading = None;
            self.emitter.finish_named(list, record, *number)?;
        } else if depth == inner {
            if let Some(column) = reading.field.take() {
                record.close(column, false)?;
            }
        } else {
            let text = record.open_text();
            text.push_str("</");
            text.push_str(&String::from_utf8_lossy(name));
            text.push('>');
        }
        Ok(())
    }

    fn text(&mut self, raw: &[u8], is_cdata: bool) -> Result<(), Misfit> {
        let Some(reading) = &self.reading else {
            let is_outside = self.open.depth() == 0;
            return if is_outside && !raw.trim_ascii().is_empty() {
                Err(Misfit::Xml(
                    "text outside the root element: the XML is not well formed; download it again".to_owned(),
                ))
            } else {
                Ok(())
            };
        };
        if reading.field.is_none() {
            // Line ends between the fields.
            return Ok(());
        }
        let list = reading.list;
        let text = self.lists[list as usize].0.open_text();
        if text.len() > super::record::ROW_LIMIT {
            return Err(super::record::row_too_large().into());
        }
        if is_cdata {
            match std::str::from_utf8(raw) {
                Ok(raw) => text.push_str(raw),
                Err(_) => return Err(Misfit::Xml("is not UTF-8; download it again".to_owned())),
            }
            Ok(())
        } else {
            unescape(raw, text).map_err(Misfit::Xml)
        }
    }
}
