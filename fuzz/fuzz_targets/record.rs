//! The journal's decoder: whatever the bytes are, reading them ends in a record or in a reason, and a record can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use usher::ledger::{Record, explain, receipt};

fuzz_target!(|data: &[u8]| {
    // The first byte says where the header ends and the content begins.
    let Some((split, rest)) = data.split_first() else { return };
    let (header, content) = rest.split_at(usize::from(*split).min(rest.len()));
    if let Ok(record) = Record::decode(header, content) {
        let _ = (explain(&record), receipt(&record));
        assert!(Record::from_json(&record.to_json()).is_some());
    }
    // A header whose hash is right, so that what lies behind the check is reached, too.
    if header.len() > 32 {
        let (fields, _) = header.split_at(header.len() - 32);
        let hashed = [fields, blake3::hash(fields).as_bytes().as_slice()].concat();
        let _ = Record::decode(&hashed, content);
    }
});
