//! Entry lines as CSV: no bytes panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nopic_formats::entries::{Form, read_entries};

fuzz_target!(|bytes: &[u8]| {
    let _ = read_entries(Form::Csv, bytes);
});
