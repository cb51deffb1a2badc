//! Paths with fields in them, such as `/v1/entries/{entry_number}:cancel`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A path as the contract writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    text: String,
    segments: Vec<Segment>,
    verb: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    /// The value of a field of the request.
    Field(String),
}

/// A path as it is asked for: cut before it is decoded, so that an encoded slash or colon belongs to a value.
#[derive(Debug)]
pub(crate) struct Asked<'p> {
    segments: Vec<&'p str>,
    verb: Option<&'p str>,
}

/// Segments of a path at most; no template has so many.
const MAX_SEGMENTS: usize = 8;

impl<'p> Asked<'p> {
    /// A path that could be one of ours.
    pub(crate) fn new(path: &'p str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let (path, verb) = split_verb(path);
        let segments: Vec<&str> = path.split('/').take(MAX_SEGMENTS + 1).collect();
        (segments.len() <= MAX_SEGMENTS).then_some(Self { segments, verb })
    }
}

/// The verb stands behind a colon in the last segment.
fn split_verb(path: &str) -> (&str, Option<&str>) {
    let last = path.rfind('/').map_or(0, |at| at + 1);
    match path[last..].rfind(':') {
        Some(at) => (&path[..last + at], Some(&path[last + at + 1..])),
        None => (path, None),
    }
}

impl Template {
    /// Reads one; `None`: it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (path, verb) = split_verb(text.strip_prefix('/')?);
        let segments = path
            .split('/')
            .map(|segment| match segment.strip_prefix('{') {
                Some(field) => Some(Segment::Field(field.strip_suffix('}')?.to_owned())),
                None if segment.is_empty() => None,
                None => Some(Segment::Literal(segment.to_owned())),
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            text: text.to_owned(),
            segments,
            verb: verb.map(str::to_owned),
        })
    }

    /// As the contract writes it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The fields in it, in their order, by the names in the `.proto` files.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Field(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// The values of the fields, where the path is of this form.
    pub(crate) fn values(&self, asked: &Asked<'_>) -> Option<Vec<String>> {
        if self.segments.len() != asked.segments.len() || self.verb.as_deref() != asked.verb {
            return None;
        }
        let mut values = Vec::new();
        for (segment, given) in self.segments.iter().zip(&asked.segments) {
            let given: Cow<'_, str> = percent_decode_str(given).decode_utf8().ok()?;
            match segment {
                Segment::Literal(literal) if *literal == given => {}
                Segment::Field(_) if !given.is_empty() => values.push(given.into_owned()),
                Segment::Literal(_) | Segment::Field(_) => return None,
            }
        }
        Some(values)
    }

    /// Whether some path is of both forms.
    #[cfg(test)]
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.verb == other.verb
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(|pair| match pair {
                (Segment::Literal(one), Segment::Literal(two)) => one == two,
                _ => true,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_gives_the_values_of_its_fields() {
        for (template, path, expected) in [
            ("/v1/entries", "/v1/entries", Some(vec![])),
            ("/v1/entries", "/v1/entries/", None),
            ("/v1/entries", "/v1//entries", None),
            ("/v1/entries", "/V1/entries", None),
            ("/v1/entries", "/v1/entries:validate", None),
            ("/v1/entries:validate", "/v1/entries:validate", Some(vec![])),
            ("/v1/entries:validate", "/v1/entries%3Avalidate", None),
            ("/v1/entries/{a}", "/v1/entries/B76", Some(vec!["B76"])),
            (
                "/v1/entries/{a}",
                "/v1/entries/a%2Fb%20c%3A",
                Some(vec!["a/b c:"]),
            ),
            ("/v1/entries/{a}", "/v1/entries/%FF", None),
            ("/v1/entries/{a}", "/v1/entries/", None),
            ("/v1/entries/{a}", "/v1/entries/..", Some(vec![".."])),
            ("/v1/entries/{a}:cancel", "/v1/entries/x:cancel", Some(vec!["x"])),
            ("/v1/entries/{a}:cancel", "/v1/entries/x:amend", None),
            ("/v1/entries/{a}/trail", "/v1/entries/x/trail", Some(vec!["x"])),
        ] {
            let template = Template::parse(template).unwrap();
            let found = Asked::new(path).and_then(|asked| template.values(&asked));
            let expected: Option<Vec<String>> =
                expected.map(|values| values.into_iter().map(str::to_owned).collect());
            assert_eq!(found, expected, "{} {path}", template.text());
        }
        assert!(Asked::new("/1/2/3/4/5/6/7/8/9").is_none() && Asked::new("*").is_none());
    }

    #[test]
    fn what_is_no_template_is_none() {
        for text in ["", "v1", "/v1//a", "/v1/{a"] {
            assert_eq!(Template::parse(text), None, "{text}");
        }
    }
}
