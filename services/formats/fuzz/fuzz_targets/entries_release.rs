//! Cargo releases as ABI transmissions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nopic_formats::exercise;
use nopic_formats::entries::Form;

fuzz_target!(|bytes: &[u8]| {
    // Behind a block header that says what they are, the bytes need not begin with an SE10.
    exercise::entries(Form::Abi, &[b"B  0901B76SE\n".as_slice(), bytes].concat());
});
