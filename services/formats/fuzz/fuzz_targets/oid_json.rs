#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nopic_formats::oid::exercise::json(bytes));
