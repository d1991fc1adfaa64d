//! Removes stray bytes between the segments of a JPEG, and detects unsupported codings.
//!
//! libjpeg skips anything between the end of a segment and the next marker (its warning `JWRN_EXTRANEOUS_DATA`), and some cameras and
//! programs leave bytes there. This module does the same.

use std::borrow::Cow;

/// A whole JPEG, prepared for a strict decoder.
pub struct Prepared<'a> {
    /// The image without bytes between segments.
    pub bytes: Cow<'a, [u8]>,
    /// The unsupported coding, if any, for messages.
    pub unsupported: Option<&'static str>,
}

/// Prepares `bytes`, an image from its first to its last marker. Scan data is left unchanged.
pub fn prepare(bytes: &[u8]) -> Prepared<'_> {
    let mut kept: Option<Vec<u8>> = None;
    let mut unsupported = None;
    // The position reached, and where uncopied bytes begin.
    let (mut at, mut from) = (2, 0);
    let mut in_scan = false;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xFF)) {
        let marker = at + found;
        let Some(&code) = bytes.get(marker + 1) else { break };
        if code == 0xFF {
            // Fill bytes may precede any marker. Outside scans they are removed too.
            at = marker + 1;
            if !in_scan {
                skip(&mut kept, bytes, &mut from, marker, at);
            }
            continue;
        }
        if in_scan && matches!(code, 0x00 | 0x01 | 0xD0..=0xD7) {
            at = marker + 2;
            continue;
        }
        if !in_scan {
            // Between segments, stuffed bytes and restart markers are stray too.
            let stray = matches!(code, 0x00 | 0x01 | 0xD0..=0xD7);
            let end = if stray { marker + 2 } else { marker };
            skip(&mut kept, bytes, &mut from, at.min(marker), end);
            at = end;
            if stray {
                continue;
            }
        }
        if code == 0xD9 {
            break;
        }
        let Some(&[high, low]) = bytes.get(marker + 2..marker + 4) else { break };
        let length = usize::from(u16::from_be_bytes([high, low]));
        unsupported = unsupported.or(coding(code, bytes.get(marker + 4).copied()));
        in_scan = code == 0xDA;
        at = marker + 2 + length;
    }
    let bytes = match kept {
        None => Cow::Borrowed(bytes),
        Some(mut kept) => {
            kept.extend_from_slice(bytes.get(from..).unwrap_or_default());
            Cow::Owned(kept)
        }
    };
    Prepared { bytes, unsupported }
}

/// Removes `bytes[start..end]`.
fn skip(kept: &mut Option<Vec<u8>>, bytes: &[u8], from: &mut usize, start: usize, end: usize) {
    if start < end {
        kept.get_or_insert_default().extend_from_slice(bytes.get(*from..start).unwrap_or_default());
        *from = end;
    }
}

/// The unsupported coding of a frame header (ITU-T T.81, table B.1), if any.
fn coding(code: u8, precision: Option<u8>) -> Option<&'static str> {
    match code {
        0xC0..=0xC2 if precision.is_some_and(|bits| bits != 8) => Some("more than 8 bits a colour"),
        0xC3 => Some("lossless coding"),
        0xC5..=0xC7 => Some("hierarchical coding"),
        0xC9..=0xCF => Some("arithmetic coding"),
        0xF7 => Some("JPEG-LS"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded() -> Vec<u8> {
        let mut bytes = Vec::new();
        let picture = image::RgbImage::from_fn(40, 24, |x, y| image::Rgb([(x * 5) as u8, (y * 9) as u8, 90]));
        image::codecs::jpeg::JpegEncoder::new(&mut bytes).encode_image(&picture).unwrap();
        bytes
    }

    /// Where each segment of the header begins, and its marker.
    fn segments(jpeg: &[u8]) -> Vec<(usize, u8)> {
        let (mut at, mut found) = (2, Vec::new());
        loop {
            found.push((at, jpeg[at + 1]));
            if jpeg[at + 1] == 0xDA {
                return found;
            }
            at += 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        }
    }

    #[test]
    fn stray_bytes_before_any_segment_are_removed() {
        let whole = encoded();
        assert!(matches!(prepare(&whole).bytes, Cow::Borrowed(_)));
        for stray in [&b"\0"[..], b"abc", b"\xFF", b"\xFF\xFF", b"\xFF\0\0", b"\x12\xFF\xD3\xFF\xFF"] {
            for (at, code) in segments(&whole) {
                let bytes = [&whole[..at], stray, &whole[at..]].concat();
                let prepared = prepare(&bytes);
                assert_eq!(&*prepared.bytes, &*whole, "{stray:?} before {code:02X}");
                assert!(super::super::decode(&bytes).is_ok(), "{stray:?} before {code:02X}");
            }
        }
    }

    #[test]
    fn unsupported_codings_are_named() {
        let whole = encoded();
        let (frame, _) = segments(&whole).into_iter().find(|(_, code)| *code == 0xC0).unwrap();
        for (code, word) in [(0xC9, "arithmetic"), (0xCA, "arithmetic"), (0xC3, "lossless"), (0xC5, "hierarchical")] {
            let mut bytes = whole.clone();
            bytes[frame + 1] = code;
            let error = super::super::decode(&bytes).unwrap_err();
            assert!(matches!(error, super::super::PhotoError::Unsupported(_)), "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
        let mut bytes = whole;
        bytes[frame + 4] = 12;
        assert!(super::super::decode(&bytes).unwrap_err().to_string().contains("8 bits"));
    }

    proptest! {
        #[test]
        fn preparing_any_bytes_never_panics(mut bytes in prop::collection::vec(
            prop_oneof![Just(0xFFu8), Just(0xD8), Just(0xDA), Just(0), any::<u8>()], 0..200)) {
            bytes.splice(0..0, [0xFF, 0xD8]);
            prop_assert!(prepare(&bytes).bytes.len() <= bytes.len());
        }
    }
}
