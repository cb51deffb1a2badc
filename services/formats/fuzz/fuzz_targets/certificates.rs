//! Certificates as JSON lines: no bytes panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nopic_formats::certificates::read_certificates;

fuzz_target!(|bytes: &[u8]| {
    let _ = read_certificates(bytes);
});
