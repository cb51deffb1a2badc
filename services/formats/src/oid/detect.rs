//! Which form a file has, told by its content and never by its name.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::archive::open_entry;
use super::error::{Bounded, OidError, OidProblem, UNPACKED_LIMIT};
use super::{Emitter, OidForm, json, xlsx, xml};

/// How many bytes of a file are looked at.
const SNIFFED: usize = 4096;
/// How many entries of a strange ZIP are named.
const NAMED_ENTRIES: usize = 5;

/// What a reader can go back and forth in.
trait Content: Read + Seek + Send {}
impl<T: Read + Seek + Send> Content for T {}

/// One file of a source.
enum Part<'a> {
    Path(PathBuf),
    Open(String, Box<dyn Content + 'a>),
}

/// Where a content of the database is read from: one file, or several files of JSON pages.
pub struct OidSource<'a> {
    parts: Vec<Part<'a>>,
}

impl std::fmt::Debug for OidSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.parts.iter().map(Part::name)).finish()
    }
}

impl Part<'_> {
    fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Open(name, _) => name.clone(),
        }
    }
}

impl<'a> OidSource<'a> {
    /// One file. It is opened by [`read`](super::read).
    #[must_use]
    pub fn from_path(path: impl Into<PathBuf>) -> Self {
        Self::from_paths([path])
    }

    /// Several files that make one content, in this order. More than one must all be JSON pages.
    #[must_use]
    pub fn from_paths<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Self {
        Self {
            parts: paths.into_iter().map(|path| Part::Path(path.into())).collect(),
        }
    }

    /// What a reader holds from its start on; `name` stands for it in messages.
    #[must_use]
    pub fn from_reader(name: impl Into<String>, reader: impl Read + Seek + Send + 'a) -> Self {
        Self {
            parts: vec![Part::Open(name.into(), Box::new(reader))],
        }
    }

    /// A whole file in memory; `name` stands for it in messages.
    #[must_use]
    pub fn from_bytes(name: impl Into<String>, bytes: &'a [u8]) -> Self {
        Self::from_reader(name, Cursor::new(bytes))
    }

    /// Reads every part.
    pub(crate) fn read_into(self, emitter: &mut Emitter<'_>) -> Result<(), OidError> {
        let several = self.parts.len() > 1;
        if self.parts.is_empty() {
            return Err(OidError::new("no file", OidProblem::Empty));
        }
        // All of them before the first is read, so that a wrong one is said at once.
        for part in self.parts.iter().filter(|_| several) {
            if let Part::Path(path) = part {
                let form = detect(path)?;
                if form != OidForm::Json {
                    return Err(OidError::new(
                        part.name(),
                        OidProblem::MixedForms { found: form.as_str() },
                    ));
                }
            }
        }
        for (index, part) in self.parts.into_iter().enumerate() {
            emitter.part = u32::try_from(index).unwrap_or(u32::MAX);
            let file = part.name();
            let result = match part {
                Part::Path(path) => File::open(&path)
                    .map_err(OidProblem::Io)
                    .and_then(|file| read_part(BufReader::new(file), emitter)),
                Part::Open(_, reader) => read_part(reader, emitter),
            };
            result.map_err(|problem| OidError::new(file, problem))?;
        }
        Ok(())
    }
}

/// Tells the form of a file.
///
/// # Errors
///
/// It cannot be opened, is empty, a web page, a damaged ZIP, or nothing that is known.
pub fn detect(path: &Path) -> Result<OidForm, OidError> {
    File::open(path)
        .map_err(OidProblem::Io)
        .and_then(|file| Detected::of(BufReader::new(file)))
        .map(|detected| detected.form())
        .map_err(|problem| OidError::new(path.display().to_string(), problem))
}

/// A form, with the opened archive where there is one.
enum Detected<R> {
    Xlsx(ZipArchive<R>),
    /// The archive, and the number of the entry that holds the XML.
    ZippedXml(ZipArchive<R>, usize),
    Xml(R),
    Json(R),
}

impl<R: Read + Seek> Detected<R> {
    fn form(&self) -> OidForm {
        match self {
            Self::Xlsx(_) => OidForm::Xlsx,
            Self::ZippedXml(..) | Self::Xml(_) => OidForm::Xml,
            Self::Json(_) => OidForm::Json,
        }
    }

    /// Looks at the start of the content; the reader stands at its start afterwards.
    fn of(mut reader: R) -> Result<Self, OidProblem> {
        let mut start = Vec::new();
        reader.by_ref().take(SNIFFED as u64).read_to_end(&mut start)?;
        reader.seek(SeekFrom::Start(0))?;
        if start.starts_with(b"PK") {
            return Self::of_zip(ZipArchive::new(reader)?);
        }
        let text = start
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(&start)
            .trim_ascii_start();
        let lower: Vec<u8> = text.iter().take(16).map(u8::to_ascii_lowercase).collect();
        match lower.first() {
            // A longer run of white space is no file that anyone has.
            None => Err(OidProblem::Empty),
            Some(b'{' | b'[') => Ok(Self::Json(reader)),
            Some(b'<') if lower.starts_with(b"<!doctype") || lower.starts_with(b"<html") => {
                Err(OidProblem::WebPage)
            }
            Some(b'<') => Ok(Self::Xml(reader)),
            Some(_) => Err(OidProblem::UnknownForm {
                found: describe(&start),
            }),
        }
    }

    fn of_zip(mut archive: ZipArchive<R>) -> Result<Self, OidProblem> {
        let mut names = Vec::new();
        for name in archive.file_names() {
            names.push(name?.replace('\\', "/"));
        }
        let has = |path: &str| names.iter().any(|name| name.eq_ignore_ascii_case(path));
        if has("xl/workbook.xml") {
            return Ok(Self::Xlsx(archive));
        }
        if has("xl/workbook.bin") {
            return Err(OidProblem::UnknownForm {
                found: "a binary workbook (XLSB); save it as XLSX".to_owned(),
            });
        }
        let files: Vec<usize> = (0..names.len())
            .filter(|index| !names[*index].ends_with('/'))
            .collect();
        let stream =
            files
                .iter()
                .copied()
                .find(|index| names[*index] == "stream")
                .or(match files.as_slice() {
                    [only] => Some(*only),
                    _ => None,
                });
        let Some(index) = stream else {
            let mut found: Vec<String> = names
                .iter()
                .take(NAMED_ENTRIES)
                .map(|name| crate::reject::shown(name))
                .collect();
            if names.len() > NAMED_ENTRIES {
                found.push("…".to_owned());
            }
            return Err(OidProblem::UnknownForm {
                found: format!("a ZIP of {} entries ({})", names.len(), found.join(", ")),
            });
        };
        let mut start = Vec::new();
        open_entry(&mut archive, index)?
            .take(SNIFFED as u64)
            .read_to_end(&mut start)
            .map_err(OidProblem::from_unpacking)?;
        let text = start
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(&start)
            .trim_ascii_start();
        // UTF-16 goes on to the reader, which says what it is.
        let is_utf16 = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
        match text.first() {
            None => Err(OidProblem::Empty),
            Some(b'<') => Ok(Self::ZippedXml(archive, index)),
            Some(_) if is_utf16 => Ok(Self::ZippedXml(archive, index)),
            Some(_) => Err(OidProblem::UnknownForm {
                found: format!(
                    "a ZIP that holds {} ({}); unpack it first",
                    crate::reject::shown(&names[index]),
                    describe(&start)
                ),
            }),
        }
    }
}

/// What a file is that begins so, as far as can be told.
fn describe(start: &[u8]) -> String {
    if start.starts_with(b"PK") {
        "a ZIP or XLSX file".to_owned()
    } else if start.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        "an old Excel workbook (.xls) or one with a password (save it as .xlsx, without a password)"
            .to_owned()
    } else if start.starts_with(b"\x1f\x8b") {
        "a gzip file; unpack it first".to_owned()
    } else if start.starts_with(b"%PDF") {
        "a PDF file".to_owned()
    } else if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        "text in UTF-16; save it as UTF-8".to_owned()
    } else {
        let text = String::from_utf8_lossy(&start[..start.len().min(40)]);
        format!("a file that begins with {:?}", crate::reject::shown(&text))
    }
}

/// Reads one file, whatever its form.
fn read_part<R: Read + Seek>(reader: R, emitter: &mut Emitter<'_>) -> Result<(), OidProblem> {
    let detected = Detected::of(reader)?;
    emitter.summary.form = detected.form();
    match detected {
        Detected::Xlsx(archive) => xlsx::read(archive, emitter),
        Detected::ZippedXml(mut archive, index) => {
            let mut budget = UNPACKED_LIMIT;
            let entry = open_entry(&mut archive, index)?;
            xml::read(Bounded::new(entry, &mut budget), emitter)
        }
        Detected::Xml(reader) => xml::read(reader, emitter),
        Detected::Json(reader) => json::read(reader, emitter),
    }
}
