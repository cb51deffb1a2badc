//! What the files of a command are called in words.

use std::path::Path;

use super::listing::printable;

/// A file as it is named in words.
pub(crate) fn name_of(file: &Path) -> String {
    if is_input(file) {
        return "the standard input".to_owned();
    }
    printable(&file.to_string_lossy())
}

/// Whether it stands for the standard input.
pub(crate) fn is_input(file: &Path) -> bool {
    file == Path::new("-")
}
