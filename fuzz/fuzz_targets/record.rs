//! The journal's decoder: whatever the bytes are, reading them ends in a record or in a reason, and a record can be shown, told in
//! JSON and reckoned with.
#![no_main]

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;
use usher::ledger::attendance::{Method, Rules, readings, reckon};
use usher::ledger::{Dated, Record, explain, receipt};

const HASH_BYTES: usize = 32;

fuzz_target!(|data: &[u8]| {
    // The first byte says where the header ends and the content begins.
    let Some((split, rest)) = data.split_first() else { return };
    let (header, content) = rest.split_at(usize::from(*split).min(rest.len()));
    look_at(header, content);

    // The same with the right hashes, so that what lies behind the checks is reached, too. The last three fields of a header are the
    // content's hash, that of the record before, and its own.
    let mut fields = header[..header.len().saturating_sub(HASH_BYTES)].to_vec();
    if let Some(at) = fields.len().checked_sub(2 * HASH_BYTES) {
        fields[at..at + HASH_BYTES].copy_from_slice(blake3::hash(content).as_bytes());
    }
    fields.extend_from_slice(blake3::hash(&fields.clone()).as_bytes());
    look_at(&fields, content);
});

fn look_at(header: &[u8], content: &[u8]) {
    let Ok(record) = Record::decode(header, content) else { return };

    let line = explain(&record);
    assert!(!line.contains(char::is_control), "{line:?}");
    let receipt = receipt(&record);
    assert!(!receipt.contains(|c: char| c.is_control() && c != '\n'), "{receipt:?}");

    let json = record.to_json();
    let back = Record::from_json(&json).expect("what was told reads back");
    assert_eq!(back.to_json(), json);

    let readings = readings(&[Dated::plainly(record)], &|_| None);
    for method in [Method::Side, Method::Alternate, Method::FirstLast] {
        let rules = Rules {
            method,
            double_read: SignedDuration::from_secs(60),
            day_starts: Time::constant(4, 0, 0, 0),
            zone: TimeZone::UTC,
            long_day: SignedDuration::from_hours(13),
            longest_stint: SignedDuration::from_hours(26),
        };
        for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            for day in reckon(&readings, &rules, now) {
                let _ = (day.first_in(), day.last_out());
            }
        }
    }
}
