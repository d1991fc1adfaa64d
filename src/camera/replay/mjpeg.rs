//! Splits a Motion-JPEG file into its images while reading it, with one image in memory at a time.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use crate::photo::{JpegWalk, Walked};

/// A longer image is treated as broken: 640x480 takes about 50 kB, 4K about 2 MB.
const MAX_IMAGE_BYTES: usize = 32 << 20;
/// The number of bytes read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A reader of one file.
pub(super) struct MjpegFile<R = File> {
    input: R,
    /// Bytes read. `bytes[..used]` was returned by the last call.
    bytes: Vec<u8>,
    used: usize,
}

/// The next part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// One JPEG, from its start marker to its end marker.
    Image(&'a [u8]),
    /// A JPEG without an end.
    Truncated,
}

impl MjpegFile {
    pub(super) fn open(path: &Path) -> io::Result<MjpegFile> {
        Ok(MjpegFile::new(File::open(path)?))
    }
}

impl<R: Read + Seek> MjpegFile<R> {
    pub(super) fn new(input: R) -> MjpegFile<R> {
        MjpegFile { input, bytes: Vec::new(), used: 0 }
    }

    /// The next image, or `None` at the end of the file. Bytes between images are skipped.
    pub(super) fn next_part(&mut self) -> io::Result<Option<Part<'_>>> {
        self.discard(self.used);
        while !self.at_start() {
            if self.read_more()? == 0 {
                return Ok(None);
            }
        }
        let mut walk = JpegWalk::default();
        loop {
            match walk.advance(&self.bytes) {
                Walked::Complete { end } => {
                    self.used = end;
                    return Ok(Some(Part::Image(self.bytes.get(..end).unwrap_or_default())));
                }
                Walked::Broken { resume } => {
                    self.used = resume;
                    return Ok(Some(Part::Truncated));
                }
                Walked::Incomplete => {
                    if self.bytes.len() > MAX_IMAGE_BYTES || self.read_more()? == 0 {
                        self.used = self.bytes.len();
                        return Ok(Some(Part::Truncated));
                    }
                }
            }
        }
    }

    /// The image that [`MjpegFile::next_part`] returned last, until the next call.
    pub(super) fn last_image(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }

    /// Returns to the first image.
    pub(super) fn rewind(&mut self) -> io::Result<()> {
        self.input.rewind()?;
        self.bytes.clear();
        self.used = 0;
        Ok(())
    }

    /// Drops the bytes before the next start marker. Returns false if there is none in what has been read.
    fn at_start(&mut self) -> bool {
        match self.bytes.windows(2).position(|pair| pair == [0xFF, 0xD8]) {
            Some(start) => {
                self.discard(start);
                true
            }
            None => {
                // The last byte may be the first half of a marker.
                self.discard(self.bytes.len().saturating_sub(1));
                false
            }
        }
    }

    fn discard(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
        self.used = 0;
    }

    fn read_more(&mut self) -> io::Result<u64> {
        self.input.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut self.bytes).map(|count| count as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// A JPEG skeleton with a thumbnail in its EXIF block and `fill` bytes of scan.
    fn image(fill: usize) -> Vec<u8> {
        let thumbnail = [0xFF, 0xD8, 0xFF, 0xDA, 0, 2, 1, 1, 0xFF, 0xD9];
        let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE1, 0, 2 + thumbnail.len() as u8];
        bytes.extend(thumbnail);
        bytes.extend([0xFF, 0xDA, 0, 2]);
        bytes.resize(bytes.len() + fill, 7);
        bytes.extend([0xFF, 0xD9]);
        bytes
    }

    /// The lengths of a film's images, `None` for a truncated one.
    fn cut(film: &[u8]) -> Vec<Option<usize>> {
        let mut file = MjpegFile::new(Cursor::new(film));
        let mut parts = Vec::new();
        while let Some(part) = file.next_part().unwrap() {
            parts.push(match part {
                Part::Image(bytes) => Some(bytes.len()),
                Part::Truncated => None,
            });
        }
        parts
    }

    #[test]
    fn images_with_thumbnails_are_found_between_other_bytes() {
        let (small, large) = (image(3), image(3 * CHUNK_BYTES));
        let film = [b"head\xFF\xD9".as_slice(), &small, b"\r\n--x\r\n", &large, &small, b"\0\0\xFF"].concat();
        assert_eq!(cut(&film), [Some(small.len()), Some(large.len()), Some(small.len())]);
    }

    #[test]
    fn a_marker_across_two_chunks_is_found() {
        for shift in 0..4 {
            let film = [vec![0; CHUNK_BYTES - 2 + shift], image(5)].concat();
            assert_eq!(cut(&film), [Some(image(5).len())], "{shift}");
        }
    }

    #[test]
    fn a_truncated_image_is_reported_and_the_next_one_found() {
        let whole = image(9);
        let film = [&whole[..whole.len() - 2], &whole, &whole[..10]].concat();
        assert_eq!(cut(&film), [None, Some(whole.len()), None]);
    }

    #[test]
    fn too_long_an_image_is_given_up() {
        let film = [&image(0)[..20], &vec![0; MAX_IMAGE_BYTES + CHUNK_BYTES], &image(1)].concat();
        assert_eq!(cut(&film), [None, Some(image(1).len())]);
    }

    #[test]
    fn rewinding_starts_over() {
        let film = [image(1), image(2)].concat();
        let mut file = MjpegFile::new(Cursor::new(&film));
        for _ in 0..2 {
            assert_eq!(file.next_part().unwrap(), Some(Part::Image(&image(1))));
            file.rewind().unwrap();
        }
    }
}
