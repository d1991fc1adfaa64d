//! The bytes of a list as text: UTF-8, UTF-16, or else Windows-1252.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use thiserror::Error;

/// Text with LF line endings.
pub struct Decoded {
    pub text: String,
    /// What was assumed about the encoding, for the user.
    pub note: Option<String>,
}

/// Why bytes are not text.
#[derive(Debug, Error)]
pub enum TextError {
    #[error("this is a workbook (.xlsx or .ods), not a text file")]
    Workbook,
    #[error("this is an old Excel workbook (.xls), not a text file")]
    OldWorkbook,
    #[error("its encoding is UTF-32")]
    Utf32,
    #[error("it is damaged: parts of it are not {0}")]
    Damaged(&'static str),
    #[error("this is not a text file")]
    Binary,
    #[error("{0}")]
    Csv(#[from] csv::Error),
}

/// Decodes a text file.
pub fn decode(bytes: &[u8]) -> Result<Decoded, TextError> {
    if bytes.starts_with(b"PK\x03\x04") {
        return Err(TextError::Workbook);
    }
    if bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
        return Err(TextError::OldWorkbook);
    }
    let utf_32 = bytes.starts_with(&[0xFF, 0xFE, 0, 0]) || bytes.starts_with(&[0, 0, 0xFE, 0xFF]);
    if utf_32 {
        return Err(TextError::Utf32);
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
        return Err(TextError::Damaged(encoding.name()));
    }
    if text.contains('\0') {
        return Err(TextError::Binary);
    }
    Ok(Decoded { text: text.replace("\r\n", "\n").replace('\r', "\n"), note })
}

fn assumed(bytes: &[u8], first: usize) -> String {
    let line = 1 + bytes.get(..first).map_or(0, |before| before.iter().filter(|byte| **byte == b'\n').count());
    format!(
        "not UTF-8 (line {line}), so it was read as Windows-1252: check the names, and save as CSV UTF-8 if they are wrong"
    )
}

/// Detects UTF-16 without a byte order mark: if the text is mostly ASCII, every second byte is zero.
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
