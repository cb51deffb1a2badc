//! Files in a ZIP.

use std::io::{Read, Seek};

use zip::read::ZipFile;
use zip::{CompressionMethod, ZipArchive};

use super::error::OidProblem;

/// Opens an entry of a ZIP; one that needs a password or is packed by a method that is not read is named.
pub(crate) fn open_entry<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    index: usize,
) -> Result<ZipFile<'_, R>, OidProblem> {
    {
        let entry = archive.by_index_raw(index)?;
        let name = || {
            entry
                .name()
                .map_or_else(|_| "?".to_owned(), |name| crate::reject::shown(&name))
        };
        if entry.encrypted() {
            return Err(OidProblem::Encrypted { entry: name() });
        }
        if let Some(method) = method_not_read(entry.compression()) {
            return Err(OidProblem::PackingNotRead {
                entry: name(),
                method,
            });
        }
    }
    Ok(archive.by_index(index)?)
}

/// The name of a method that is not read, as the programs that pack with it call it; `None`: it is read.
fn method_not_read(method: CompressionMethod) -> Option<String> {
    #[expect(
        deprecated,
        reason = "the only way to the number of a method that is not read"
    )]
    let CompressionMethod::Unsupported(number) = method else {
        return None;
    };
    let name = match number {
        1 => "Shrink",
        2..=5 => "Reduce",
        6 => "Implode",
        9 => "Deflate64",
        12 => "bzip2",
        14 => "LZMA",
        93 => "Zstandard",
        95 => "XZ",
        98 => "PPMd",
        other => return Some(format!("the method of number {other}")),
    };
    Some(name.to_owned())
}
