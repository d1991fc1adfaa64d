//! The reader of the store's second copy and of backups: whatever the bytes are, it ends and says what is whole.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = usher::store::contents_of(data, data.len() as u64);
});
