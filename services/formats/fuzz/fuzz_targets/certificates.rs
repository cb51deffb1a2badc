//! Certificates as JSON lines or CSV.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nopic_formats::exercise;

fuzz_target!(|bytes: &[u8]| exercise::certificates(bytes));
