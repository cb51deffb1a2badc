//! Any bytes as a flag table: the reader never panics, and what a table took in survives its stored text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nopic_domain::flags::FlagTable;

fuzz_target!(|content: &[u8]| {
    let Ok(file) = nopic_formats::flags::read(content) else {
        return;
    };
    let mut table = FlagTable::shipped();
    if file.import(&mut table, false).is_ok() {
        assert_eq!(FlagTable::from_text(&table.to_text()), Ok(table));
    }
});
