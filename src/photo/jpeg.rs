//! JPEG to RGB: a strict decoder for photographs and for Motion-JPEG frames.
//!
//! A picture is decoded completely or refused: the end marker must be there, and damage that the decoder detects is an error, not a grey
//! patch. It does not detect pixel data that was truncated and closed with a new end marker.

use std::borrow::Cow;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

use super::glimpse::BlockMeans;
use super::markers::{Prepared, prepare};
use super::{JpegWalk, PhotoError, Walked, catch_panic, check_size};
use crate::domain::{Glimpse, Image};

/// Decodes camera frames one after another, reusing its memory.
#[derive(Default)]
pub struct JpegDecoder {
    /// A frame without Huffman tables, rewritten to use the standard ones.
    rewritten: Vec<u8>,
    block_means: BlockMeans,
}

impl JpegDecoder {
    /// Creates a decoder.
    pub fn new() -> JpegDecoder {
        JpegDecoder::default()
    }

    /// Decodes the image at the start of `bytes` into `buffer`, whose memory is reused. Bytes after the image are ignored, because a video
    /// loopback delivers its whole buffer. EXIF orientation is ignored, because cameras do not write it.
    ///
    /// # Errors
    /// [`PhotoError::Damaged`] if the image has no end marker or is damaged,
    /// [`PhotoError::Unsupported`], [`PhotoError::TooLarge`], [`PhotoError::Empty`].
    pub fn decode_into(&mut self, bytes: &[u8], buffer: Vec<u8>) -> Result<Image, PhotoError> {
        let mut walk = JpegWalk::default();
        let whole = &*prepared(whole_image(bytes, &mut walk)?)?;
        if walk.has_huffman_tables() {
            return decode_whole(whole, buffer).map(|(image, _)| image);
        }
        // An `AVI1` segment marks Motion-JPEG; the decoder then uses the tables of ITU-T T.81, annex K.3.
        self.rewritten.clear();
        self.rewritten.extend_from_slice(b"\xFF\xD8\xFF\xE0\x00\x10AVI1\0\0\0\0\0\0\0\0\0\0");
        self.rewritten.extend_from_slice(whole.get(2..).unwrap_or_default());
        decode_whole(&self.rewritten, buffer).map(|(image, _)| image)
    }

    /// Reads the glimpse of the image at the start of `bytes`, without decoding it. `false` if its coding is not one that cameras use, or if the
    /// image is damaged inside: then only [`JpegDecoder::decode_into`] can tell what it shows.
    ///
    /// # Errors
    /// [`PhotoError::Damaged`] if the image has no end marker, [`PhotoError::Empty`].
    pub fn glimpse(&mut self, bytes: &[u8], glimpse: &mut Glimpse) -> Result<bool, PhotoError> {
        let whole = whole_image(bytes, &mut JpegWalk::default())?;
        Ok(self.block_means.read(whole, glimpse).is_some())
    }
}

/// Decodes a photograph as stored. Also returns its EXIF block, from the TIFF header on, if it has one.
pub(super) fn decode_with_exif(bytes: &[u8]) -> Result<(Image, Option<Vec<u8>>), PhotoError> {
    decode_whole(&prepared(whole_image(bytes, &mut JpegWalk::default())?)?, Vec::new())
}

/// Removes stray bytes between segments. Fails for an unsupported coding.
fn prepared(whole: &[u8]) -> Result<Cow<'_, [u8]>, PhotoError> {
    let Prepared { bytes, unsupported } = prepare(whole);
    match unsupported {
        Some(what) => Err(PhotoError::Unsupported(format!("JPEG with {what}"))),
        None => Ok(bytes),
    }
}

/// The part of `bytes` that is the image.
fn whole_image<'a>(bytes: &'a [u8], walk: &mut JpegWalk) -> Result<&'a [u8], PhotoError> {
    if bytes.is_empty() {
        return Err(PhotoError::Empty);
    }
    match walk.advance(bytes) {
        Walked::Complete { end } => Ok(bytes.get(..end).unwrap_or_default()),
        Walked::Incomplete => Err(PhotoError::Damaged("a JPEG without an end marker".into())),
        Walked::Broken { .. } => Err(PhotoError::Damaged("a JPEG with malformed segments".into())),
    }
}

fn decode_whole(bytes: &[u8], mut buffer: Vec<u8>) -> Result<(Image, Option<Vec<u8>>), PhotoError> {
    // The sides of a JPEG are 16-bit numbers; `check_size` bounds its area.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    catch_panic(move || {
        let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        decoder.decode_headers().map_err(refusal)?;
        let info = decoder.info().ok_or_else(|| PhotoError::Damaged("its size is missing".into()))?;
        let (width, height) = (u32::from(info.width), u32::from(info.height));
        check_size(width, height)?;
        // Clear the buffer, so that pixels the decoder skips do not show an earlier picture.
        buffer.clear();
        buffer.resize(usize::from(info.width) * usize::from(info.height) * 3, 0);
        decoder.decode_into(&mut buffer).map_err(refusal)?;
        let image = Image::new(width, height, buffer)
            .ok_or_else(|| PhotoError::Damaged("its size is not the one in its header".into()))?;
        Ok((image, decoder.exif().cloned()))
    })
}

fn refusal(error: zune_jpeg::errors::DecodeErrors) -> PhotoError {
    use zune_jpeg::errors::DecodeErrors;
    match error {
        DecodeErrors::Unsupported(scheme) => PhotoError::Unsupported(format!("JPEG: {scheme:?}")),
        DecodeErrors::LargeDimensions(side) => PhotoError::Damaged(format!("JPEG: a side of {side} pixels")),
        other => PhotoError::Damaged(format!("JPEG: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use proptest::prelude::*;

    /// A soft gradient, which JPEG hardly changes.
    fn gradient(width: u32, height: u32) -> image::RgbImage {
        image::RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 3) as u8, (y * 5) as u8, 100]))
    }

    fn encoded(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(&gradient(width, height)).unwrap();
        bytes
    }

    /// The same image without its Huffman tables, as Motion-JPEG cameras send it. The encoder writes the standard
    /// tables.
    fn without_tables(jpeg: &[u8]) -> Vec<u8> {
        let mut bytes = jpeg[..2].to_vec();
        let mut at = 2;
        while jpeg[at + 1] != 0xDA {
            let next = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            if jpeg[at + 1] != 0xC4 {
                bytes.extend(&jpeg[at..next]);
            }
            at = next;
        }
        bytes.extend(&jpeg[at..]);
        bytes
    }

    fn worst_difference(image: &Image, expected: &image::RgbImage) -> u8 {
        image.rgb().iter().zip(expected.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    }

    #[test]
    fn frames_decode_into_the_same_memory() {
        let mut decoder = JpegDecoder::new();
        let first = decoder.decode_into(&encoded(64, 48), Vec::new()).unwrap();
        assert_eq!((first.width(), first.height()), (64, 48));
        assert!(worst_difference(&first, &gradient(64, 48)) < 12);
        let memory = first.into_rgb();
        let before = memory.as_ptr();
        let second = decoder.decode_into(&encoded(32, 48), memory).unwrap();
        assert_eq!((second.width(), second.rgb().as_ptr()), (32, before));
        assert!(worst_difference(&second, &gradient(32, 48)) < 12);
    }

    #[test]
    fn bytes_after_the_image_are_ignored() {
        let mut bytes = encoded(16, 16);
        let alone = JpegDecoder::new().decode_into(&bytes, Vec::new()).unwrap();
        bytes.extend([0xFF, 0xDA, 0, 0, 7, 0xFF, 0xD9]);
        bytes.resize(bytes.len() + 10_000, 0);
        assert_eq!(JpegDecoder::new().decode_into(&bytes, Vec::new()).unwrap(), alone);
    }

    #[test]
    fn frames_without_huffman_tables_use_the_standard_ones() {
        let (whole, bare) = (encoded(40, 24), without_tables(&encoded(40, 24)));
        assert!(bare.len() < whole.len());
        let mut decoder = JpegDecoder::new();
        let expected = decoder.decode_into(&whole, Vec::new()).unwrap();
        assert_eq!(decoder.decode_into(&bare, Vec::new()).unwrap(), expected);
    }

    #[test]
    fn a_grey_jpeg_becomes_rgb() {
        let mut bytes = Vec::new();
        let grey = image::GrayImage::from_pixel(9, 7, image::Luma([200]));
        JpegEncoder::new(&mut bytes).encode_image(&grey).unwrap();
        let image = JpegDecoder::new().decode_into(&bytes, Vec::new()).unwrap();
        assert!(image.rgb().iter().all(|v| v.abs_diff(200) <= 1));
    }

    #[test]
    fn a_frame_cut_anywhere_is_refused() {
        let whole = encoded(64, 64);
        let mut decoder = JpegDecoder::new();
        for cut in (0..whole.len()).step_by(7).chain([whole.len() - 1, whole.len() - 2]) {
            let error = decoder.decode_into(&whole[..cut], Vec::new()).unwrap_err();
            assert!(matches!(error, PhotoError::Damaged(_) | PhotoError::Empty), "{cut}: {error}");
        }
    }

    #[test]
    fn a_glimpse_needs_no_tables_and_no_bytes_after_the_end_but_the_end() {
        let (whole, bare) = (encoded(64, 48), without_tables(&encoded(64, 48)));
        let mut decoder = JpegDecoder::new();
        let (mut first, mut second) = (Glimpse::default(), Glimpse::default());
        assert!(decoder.glimpse(&whole, &mut first).unwrap());
        assert!(decoder.glimpse(&bare, &mut second).unwrap());
        assert_eq!((first.columns(), first.rows(), &first), (8, 6, &second));
        let mut longer = whole.clone();
        longer.resize(whole.len() + 1000, 0);
        assert!(decoder.glimpse(&longer, &mut second).unwrap());
        assert_eq!(first, second);
        let error = decoder.glimpse(&whole[..whole.len() - 2], &mut second).unwrap_err();
        assert!(matches!(error, PhotoError::Damaged(_)), "{error}");
        // Damage inside is for the decoder to find.
        let scan = whole.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
        let mut damaged = whole.clone();
        damaged[scan + 14..scan + 60].fill(0xFE);
        assert!(!decoder.glimpse(&damaged, &mut second).unwrap());
    }

    #[test]
    fn too_large_a_size_is_refused_before_allocating() {
        let mut bytes = encoded(16, 16);
        let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        bytes[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF]);
        let error = JpegDecoder::new().decode_into(&bytes, Vec::new()).unwrap_err();
        assert!(matches!(error, PhotoError::TooLarge { width: 65535, height: 65535 }), "{error}");
    }

    proptest! {
        #[test]
        fn damage_anywhere_never_panics(hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut bytes = encoded(48, 32);
            for (place, value) in hits {
                let at = place.index(bytes.len());
                bytes[at] = value;
            }
            if let Ok(image) = JpegDecoder::new().decode_into(&bytes, Vec::new()) {
                prop_assert!(u64::from(image.width()) * u64::from(image.height()) <= super::super::MAX_PIXELS);
            }
        }
    }
}
