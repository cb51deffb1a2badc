//! Workbooks of entry lines and of certificates.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nopic_formats::exercise;

fuzz_target!(|bytes: &[u8]| exercise::xlsx(bytes));
