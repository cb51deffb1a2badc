//! Namespaces of the elements of a small XML part.
//!
//! Other programs add elements of their own to a workbook, some with the very names that the format itself uses
//! (`x15:workbookPr` of Excel 2013): only the namespace tells whose an element is.

use super::scan::{Tag, split_name, unescape};

/// The deepest nesting of a part; a workbook part nests five deep.
pub(crate) const DEEPEST: usize = 64;

/// The main namespace of spreadsheets, as it is mostly written and in the strict form.
const SPREADSHEETS: [&str; 2] = [
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
];
/// The namespace of `r:id` ends so in both forms.
const RELATIONSHIPS: &str = "/relationships";

/// What the open elements declare.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    /// How many elements are open.
    pub(crate) depth: usize,
    /// Depth of the element that declares it, prefix (empty: none) and namespace; the innermost last.
    declared: Vec<(usize, Vec<u8>, String)>,
}

impl Namespaces {
    /// Goes into an element.
    pub(crate) fn open(&mut self, tag: &Tag<'_>) {
        self.depth += 1;
        for (name, raw) in tag.attributes_as_written() {
            let prefix = match split_name(name) {
                (b"", b"xmlns") => b"",
                (b"xmlns", prefix) => prefix,
                _ => continue,
            };
            if let Some(namespace) = text(raw) {
                self.declared.push((self.depth, prefix.to_vec(), namespace));
            }
        }
    }

    /// Leaves the element last entered.
    pub(crate) fn close(&mut self) {
        let depth = self.depth;
        self.declared.retain(|(declared_at, ..)| *declared_at < depth);
        self.depth = depth.saturating_sub(1);
    }

    fn of(&self, prefix: &[u8]) -> Option<&str> {
        self.declared
            .iter()
            .rfind(|(_, declared, _)| *declared == prefix)
            .map(|(.., namespace)| namespace.as_str())
    }
}

/// A start tag, whose namespaces are known.
#[derive(Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: Tag<'a>,
    pub(crate) namespaces: &'a Namespaces,
}

impl Element<'_> {
    /// Its name without its prefix.
    pub(crate) fn name(&self) -> &[u8] {
        split_name(self.tag.name).1
    }

    /// How deep it stands; the root: 1.
    pub(crate) fn depth(&self) -> usize {
        self.namespaces.depth
    }

    /// Whether it is one of the format itself. A part that declares no namespace at all is taken for one.
    pub(crate) fn is_of_spreadsheets(&self) -> bool {
        let (prefix, _) = split_name(self.tag.name);
        match self.namespaces.of(prefix) {
            Some("") | None => prefix.is_empty(),
            Some(namespace) => SPREADSHEETS.contains(&namespace),
        }
    }

    /// The value of an attribute of its own, which has no prefix; `None` too where it cannot be read, since then it
    /// cannot be what is looked for.
    pub(crate) fn attribute(&self, name: &[u8]) -> Option<String> {
        self.tag
            .attributes_as_written()
            .find(|(written, _)| *written == name)
            .and_then(|(_, raw)| text(raw))
    }

    /// The value of `r:id`, whatever its prefix.
    pub(crate) fn relationship_id(&self) -> Option<String> {
        self.tag
            .attributes_as_written()
            .find(|(written, _)| {
                let (prefix, name) = split_name(written);
                let is_of_relationships = self
                    .namespaces
                    .of(prefix)
                    .is_none_or(|namespace| namespace.ends_with(RELATIONSHIPS));
                name == b"id" && (prefix.is_empty() || is_of_relationships)
            })
            .and_then(|(_, raw)| text(raw))
    }
}

fn text(raw: &[u8]) -> Option<String> {
    let mut text = String::new();
    unescape(raw, &mut text).is_ok().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::super::scan::{Scanner, Token};
    use super::*;

    /// Name, whether it is of the format itself, and depth, of each element.
    fn elements(xml: &str) -> Vec<(String, bool, usize)> {
        let mut scanner = Scanner::new(xml.as_bytes(), "part").unwrap();
        let mut namespaces = Namespaces::default();
        let mut found = Vec::new();
        loop {
            match scanner.next().unwrap() {
                Token::Start(tag) => {
                    namespaces.open(&tag);
                    let element = Element {
                        tag,
                        namespaces: &namespaces,
                    };
                    let name = String::from_utf8(element.name().to_vec()).unwrap();
                    found.push((name, element.is_of_spreadsheets(), element.depth()));
                    if tag.is_empty {
                        namespaces.close();
                    }
                }
                Token::End(_) => namespaces.close(),
                Token::Eof => return found,
                _ => {}
            }
        }
    }

    #[test]
    fn an_element_belongs_to_the_namespace_of_its_prefix() {
        let main = SPREADSHEETS[0];
        let xml =
            format!("<a xmlns=\"{main}\" xmlns:o=\"other\"><o:b/><c xmlns=\"other\"><d/></c><e/><u:f/></a>");
        let own: Vec<_> = elements(&xml)
            .into_iter()
            .map(|(name, is_own, _)| (name, is_own))
            .collect();
        let expected = [
            ("a", true),
            ("b", false),
            ("c", false),
            ("d", false),
            ("e", true),
            ("f", false),
        ];
        assert_eq!(own, expected.map(|(name, is_own)| (name.to_owned(), is_own)));
        let strict = SPREADSHEETS[1];
        let xml = format!("<x:a xmlns:x=\"{strict}\"><b/><x:c><x:d/></x:c></x:a>");
        let found = elements(&xml);
        assert_eq!(found[0], ("a".to_owned(), true, 1));
        assert_eq!(found[3], ("d".to_owned(), true, 3));
        assert_eq!(elements("<a><b/></a>")[1], ("b".to_owned(), true, 2));
    }
}
