//! Bytes of a list to text: UTF-8, UTF-16, else Windows-1252.
//!
//! Knows nothing of columns.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Text with LF at the end of each line.
pub struct Decoded {
    pub text: String,
    /// What was assumed.
    pub note: Option<String>,
}

/// The text of `bytes`, or what they are instead.
pub fn decode(bytes: &[u8]) -> Result<Decoded, String> {
    if let Some(what) = workbook(bytes) {
        return Err(format!("this is {what}, not a list as text"));
    }
    let utf_32 = bytes.starts_with(&[0xFF, 0xFE, 0, 0]) || bytes.starts_with(&[0, 0, 0xFE, 0xFF]);
    if utf_32 {
        return Err("it is written in UTF-32".to_owned());
    }
    let (encoding, note) = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => (encoding, None),
        None => match unmarked_utf16(bytes) {
            Some(encoding) => (encoding, None),
            None => match std::str::from_utf8(bytes) {
                Ok(_) => (UTF_8, None),
                Err(error) => (WINDOWS_1252, Some(assumed(bytes, error.valid_up_to()))),
            },
        },
    };
    let (text, _, damaged) = encoding.decode(bytes);
    if damaged {
        return Err(format!("it is damaged: not all of it is {}", encoding.name()));
    }
    if text.contains('\0') {
        return Err("this is not a list as text".to_owned());
    }
    Ok(Decoded { text: text.replace("\r\n", "\n").replace('\r', "\n"), note })
}

fn assumed(bytes: &[u8], first: usize) -> String {
    let line = 1 + bytes.get(..first).map_or(0, |before| before.iter().filter(|byte| **byte == b'\n').count());
    format!(
        "not UTF-8 (line {line}), so it was read as Windows-1252: check the names, and save as CSV UTF-8 where they are wrong"
    )
}

/// UTF-16 without a byte order mark: of text that is mostly ASCII every second byte is zero.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let pairs = bytes.chunks_exact(2).take(512);
    let (mut first, mut second, mut all) = (0, 0, 0);
    for pair in pairs {
        first += usize::from(pair.first() == Some(&0));
        second += usize::from(pair.last() == Some(&0));
        all += 1;
    }
    let mostly = |zeros: usize, others: usize| all >= 2 && zeros * 2 > all && others * 8 < zeros;
    match (mostly(second, first), mostly(first, second)) {
        (true, _) => Some(UTF_16LE),
        (_, true) => Some(UTF_16BE),
        _ => None,
    }
}

fn workbook(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"PK\x03\x04") {
        Some("a workbook (.xlsx or .ods)")
    } else if bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
        Some("an old Excel workbook (.xls)")
    } else {
        None
    }
}
