//! The skeleton of a JPEG: walks its markers from the start to the end of the image, without decoding anything.
//!
//! Searching for the bytes `FF D9` is not enough: an EXIF block carries a whole thumbnail with its own end marker.
//! Segments are skipped by their length instead (ITU-T T.81, annex B). Knows nothing of pixels, files or cameras.

/// How far the walk through one JPEG has come; it resumes where it stood when more bytes have arrived.
#[derive(Debug, Default)]
pub struct Walk {
    at: usize,
    scans: u32,
    huffman_tables: bool,
}

/// What the walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walked {
    /// The bytes end before the image does.
    Incomplete,
    /// The image is `bytes[..end]`.
    Complete { end: usize },
    /// No image; the next one cannot begin before `resume`, which is at least 1.
    Broken { resume: usize },
}

impl Walk {
    /// Walks on through `bytes`, which begin with the image's first byte and may have grown since the last call.
    pub fn advance(&mut self, bytes: &[u8]) -> Walked {
        if self.at == 0 {
            match bytes {
                [0xFF, 0xD8, ..] => self.at = 2,
                [] | [0xFF] => return Walked::Incomplete,
                _ => return Walked::Broken { resume: 1 },
            }
        }
        loop {
            // Between segments anything but FF is padding; inside a scan it is compressed data.
            let Some(found) = bytes[self.at..].iter().position(|&b| b == 0xFF) else {
                self.at = bytes.len();
                return Walked::Incomplete;
            };
            self.at += found;
            let Some(&code) = bytes.get(self.at + 1) else { return Walked::Incomplete };
            match code {
                0xFF => self.at += 1,
                // A stuffed byte, TEM, or a restart marker: none has a length.
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

    /// Whether a segment with Huffman tables has passed; Motion-JPEG cameras may leave the standard tables out.
    pub fn has_huffman_tables(&self) -> bool {
        self.huffman_tables
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Start, a comment holding `payload`, a scan with a stuffed byte and a restart marker, end.
    fn skeleton(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xFE];
        bytes.extend((payload.len() as u16 + 2).to_be_bytes());
        bytes.extend(payload);
        bytes.extend([0xFF, 0xDA, 0, 3, 7, 1, 2, 0xFF, 0x00, 3, 0xFF, 0xD3, 4, 0xFF, 0xFF, 0xD9]);
        bytes
    }

    #[test]
    fn a_whole_image_inside_a_segment_is_passed_over() {
        let bytes = skeleton(&skeleton(b"thumbnail"));
        assert_eq!(Walk::default().advance(&bytes), Walked::Complete { end: bytes.len() });
    }

    #[test]
    fn bytes_after_the_end_do_not_count() {
        let mut bytes = skeleton(b"x");
        let end = bytes.len();
        bytes.extend([0xFF, 0xD9, 0, 0, 0xFF, 0xD9]);
        assert_eq!(Walk::default().advance(&bytes), Walked::Complete { end });
    }

    #[test]
    fn a_second_start_ends_the_hope_for_the_first() {
        let whole = skeleton(b"x");
        let mut bytes = whole[..whole.len() - 4].to_vec();
        let resume = bytes.len();
        bytes.extend(&whole);
        assert_eq!(Walk::default().advance(&bytes), Walked::Broken { resume });
    }

    #[test]
    fn what_is_no_jpeg_is_broken_and_moves_on() {
        assert_eq!(Walk::default().advance(b"hello"), Walked::Broken { resume: 1 });
        assert_eq!(Walk::default().advance(&[0xFF, 0xD8, 0xFF, 0xD9]), Walked::Broken { resume: 4 });
        assert_eq!(Walk::default().advance(&[0xFF, 0xD8, 0xFF, 0xE0, 0, 1]), Walked::Broken { resume: 4 });
    }

    proptest! {
        #[test]
        fn piecemeal_or_at_once_is_the_same(payload in prop::collection::vec(any::<u8>(), 0..40), cut in 0usize..60) {
            let bytes = skeleton(&payload);
            let cut = cut.min(bytes.len() - 1);
            let mut walk = Walk::default();
            prop_assert_eq!(walk.advance(&bytes[..cut]), Walked::Incomplete);
            prop_assert_eq!(walk.advance(&bytes), Walked::Complete { end: bytes.len() });
        }

        #[test]
        fn any_bytes_are_walked_without_leaving_them(mut bytes in prop::collection::vec(
            prop_oneof![Just(0xFFu8), Just(0xD8), Just(0xDA), Just(0), any::<u8>()], 0..200)) {
            bytes.splice(0..0, [0xFF, 0xD8]);
            match Walk::default().advance(&bytes) {
                Walked::Complete { end } => prop_assert!(end <= bytes.len()),
                Walked::Broken { resume } => prop_assert!(resume > 0 && resume <= bytes.len()),
                Walked::Incomplete => {}
            }
        }
    }
}
