//! The reader of the store's second copy and of backups: whatever the bytes are, it ends and says what is whole, and it never takes a
//! damaged one for whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use usher::store::read_backup;

const MAGIC: &[u8] = b"usher store, 1\r\n";
const COMMIT: u8 = 2;
const END_OF_BASE: u8 = 3;

fuzz_target!(|data: &[u8]| {
    let length = data.len() as u64;
    let _ = read_backup(data, length);
    // A file that shrank or grew while it was read.
    let _ = (read_backup(data, length / 2), read_backup(data, length + (1 << 20)));

    let Some((place, rest)) = data.split_first_chunk::<2>() else { return };
    let mut file = framed(rest);
    let length = file.len() as u64;
    let Ok(contents) = read_backup(&file[..], length) else { return };
    assert_eq!(contents.bytes, length);
    assert!(read_backup(&file[..file.len() - 1], length - 1).is_err(), "cut short by a byte");
    let place = usize::from(u16::from_be_bytes(*place)) % (file.len() * 8);
    file[place / 8] ^= 1 << (place % 8);
    assert!(read_backup(&file[..], length).is_err(), "bit {place} turned over");
});

/// A file of frames whose checks are right, so that what lies behind them is reached, too: for each frame a byte that says what it is
/// and a byte that counts its payload, which follows.
fn framed(mut plan: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    let mut number = 0u64;
    while let Some(([what, size], rest)) = plan.split_first_chunk::<2>() {
        let (payload, rest) = rest.split_at(usize::from(*size).min(rest.len()));
        plan = rest;
        let kind = what & 3;
        // Sometimes a number that is not the next.
        number = number.wrapping_add(if what & 0x80 == 0 { u64::from(kind == COMMIT) } else { u64::from(*what) });
        match kind {
            END_OF_BASE if what & 0x40 == 0 => {
                let hash = blake3::hash(&file);
                push(&mut file, kind, number, hash.as_bytes());
            }
            _ => push(&mut file, kind, number, payload),
        }
    }
    file
}

fn push(file: &mut Vec<u8>, kind: u8, number: u64, payload: &[u8]) {
    let mut checked = vec![kind];
    checked.extend(number.to_le_bytes());
    checked.extend(payload);
    file.extend((payload.len() as u32).to_le_bytes());
    file.extend(&checked[..9]);
    file.extend(&blake3::hash(&checked).as_bytes()[..16]);
    file.extend(payload);
}
