//! Entry lines as CSV.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nopic_formats::exercise;
use nopic_formats::entries::Form;

fuzz_target!(|bytes: &[u8]| exercise::entries(Form::Csv, bytes));
