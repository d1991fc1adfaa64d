//! Finds the end of a JPEG by walking its markers, without decoding anything.
//!
//! Searching for the bytes `FF D9` is not enough: an EXIF block can contain a whole thumbnail with its own end marker. So segments are skipped
//! by their length (ITU-T T.81, annex B).

/// The state of a walk through one JPEG. It can be resumed when more bytes have arrived.
#[derive(Debug, Default)]
pub struct JpegWalk {
    at: usize,
    scans: u32,
    huffman_tables: bool,
}

/// The result of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walked {
    /// The bytes end before the image does.
    Incomplete,
    /// The image is `bytes[..end]`.
    Complete { end: usize },
    /// There is no image here. The next one starts at `resume` or later, which is at least 1.
    Broken { resume: usize },
}

impl JpegWalk {
    /// Continues through `bytes`, which start with the image's first byte and may have grown since the last call.
    pub fn advance(&mut self, bytes: &[u8]) -> Walked {
        if self.at == 0 {
            match bytes {
                [0xFF, 0xD8, ..] => self.at = 2,
                [] | [0xFF] => return Walked::Incomplete,
                _ => return Walked::Broken { resume: 1 },
            }
        }
        loop {
            // Anything but FF is padding between segments, or compressed data inside a scan.
            let Some(found) = bytes.get(self.at..).unwrap_or_default().iter().position(|&b| b == 0xFF) else {
                self.at = bytes.len();
                return Walked::Incomplete;
            };
            self.at += found;
            let Some(&code) = bytes.get(self.at + 1) else { return Walked::Incomplete };
            match code {
                0xFF => self.at += 1,
                // A stuffed byte, TEM, or a restart marker; these have no length.
                0x00 | 0x01 | 0xD0..=0xD7 => self.at += 2,
                0xD8 => return Walked::Broken { resume: self.at },
                0xD9 if self.scans > 0 => return Walked::Complete { end: self.at + 2 },
                0xD9 => return Walked::Broken { resume: self.at + 2 },
                _ => {
                    let Some(&[high, low]) = bytes.get(self.at + 2..self.at + 4) else { return Walked::Incomplete };
                    let length = usize::from(u16::from_be_bytes([high, low]));
                    if length < 2 {
                        return Walked::Broken { resume: self.at + 2 };
                    }
                    let next = self.at + 2 + length;
                    if next > bytes.len() {
                        return Walked::Incomplete;
                    }
                    self.at = next;
                    self.huffman_tables |= code == 0xC4;
                    self.scans += u32::from(code == 0xDA);
                }
            }
        }
    }

    /// Whether the walk has passed Huffman tables. Motion-JPEG cameras may omit the standard tables.
    pub fn has_huffman_tables(&self) -> bool {
        self.huffman_tables
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Start, a comment with `payload`, a scan with a stuffed byte and a restart marker, end.
    fn skeleton(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xFE];
        bytes.extend((payload.len() as u16 + 2).to_be_bytes());
        bytes.extend(payload);
        bytes.extend([0xFF, 0xDA, 0, 3, 7, 1, 2, 0xFF, 0x00, 3, 0xFF, 0xD3, 4, 0xFF, 0xFF, 0xD9]);
        bytes
    }

    #[test]
    fn an_image_inside_a_segment_is_skipped() {
        let bytes = skeleton(&skeleton(b"thumbnail"));
        assert_eq!(JpegWalk::default().advance(&bytes), Walked::Complete { end: bytes.len() });
    }

    #[test]
    fn bytes_after_the_end_are_ignored() {
        let mut bytes = skeleton(b"x");
        let end = bytes.len();
        bytes.extend([0xFF, 0xD9, 0, 0, 0xFF, 0xD9]);
        assert_eq!(JpegWalk::default().advance(&bytes), Walked::Complete { end });
    }

    #[test]
    fn a_second_start_marker_breaks_the_first_image() {
        let whole = skeleton(b"x");
        let mut bytes = whole[..whole.len() - 4].to_vec();
        let resume = bytes.len();
        bytes.extend(&whole);
        assert_eq!(JpegWalk::default().advance(&bytes), Walked::Broken { resume });
    }

    #[test]
    fn other_bytes_are_broken_and_skipped() {
        assert_eq!(JpegWalk::default().advance(b"hello"), Walked::Broken { resume: 1 });
        assert_eq!(JpegWalk::default().advance(&[0xFF, 0xD8, 0xFF, 0xD9]), Walked::Broken { resume: 4 });
        assert_eq!(JpegWalk::default().advance(&[0xFF, 0xD8, 0xFF, 0xE0, 0, 1]), Walked::Broken { resume: 4 });
    }

    proptest! {
        #[test]
        fn resuming_gives_the_same_result(payload in prop::collection::vec(any::<u8>(), 0..40), cut in 0usize..60) {
            let bytes = skeleton(&payload);
            let cut = cut.min(bytes.len() - 1);
            let mut walk = JpegWalk::default();
            prop_assert_eq!(walk.advance(&bytes[..cut]), Walked::Incomplete);
            prop_assert_eq!(walk.advance(&bytes), Walked::Complete { end: bytes.len() });
        }

        #[test]
        fn walking_any_bytes_never_panics(mut bytes in prop::collection::vec(
            prop_oneof![Just(0xFFu8), Just(0xD8), Just(0xDA), Just(0), any::<u8>()], 0..200)) {
            bytes.splice(0..0, [0xFF, 0xD8]);
            match JpegWalk::default().advance(&bytes) {
                Walked::Complete { end } => prop_assert!(end <= bytes.len()),
                Walked::Broken { resume } => prop_assert!(resume > 0 && resume <= bytes.len()),
                Walked::Incomplete => {}
            }
        }
    }
}
