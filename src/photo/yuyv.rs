//! YUYV camera frames to RGB.

use super::{PhotoError, check_size};
use crate::domain::Image;

/// Pairs of pixels converted together: enough to fill vector registers.
const PAIRS: usize = 16;

// The coefficients of the formula in units of 1 / 8192, so that they fit in 16 bits.

/// 255 / 219 expands limited-range luma (16 to 235).
const LUMA: i16 = 9539;
/// 2 (1 - 0.299) * 255 / 224.
const RED_CR: i16 = 13075;
/// 2 (1 - 0.299) * 0.299 / 0.587 * 255 / 224.
const GREEN_CR: i16 = 6660;
/// 2 (1 - 0.114) * 0.114 / 0.587 * 255 / 224.
const GREEN_CB: i16 = 3209;
/// 2 (1 - 0.114) * 255 / 224.
const BLUE_CB: i16 = 16525;

/// Converts the first `width * height * 2` bytes of a frame, `Y0 Cb Y1 Cr` for each pair of pixels, into `buffer`, whose memory is reused.
/// Further bytes are ignored; rows must have no padding.
///
/// The formula is ITU-R BT.601 with limited range, which the V4L2 documentation gives as the default encoding and range of
/// `V4L2_COLORSPACE_SRGB`, the colour space of webcams. Results are clamped and are within 1 of the exact formula.
///
/// # Errors
/// [`PhotoError::OddFrame`] for an odd width or no pixels, [`PhotoError::ShortFrame`], [`PhotoError::TooLarge`].
pub fn yuyv_to_rgb(bytes: &[u8], width: u32, height: u32, mut buffer: Vec<u8>) -> Result<Image, PhotoError> {
    let bytes = whole_frame(bytes, width, height)?;
    buffer.resize(bytes.len() / 2 * 3, 0);
    let (blocks, rest) = bytes.as_chunks::<{ 4 * PAIRS }>();
    let (blocks_out, rest_out) = buffer.as_chunks_mut::<{ 6 * PAIRS }>();
    for (yuyv, rgb) in blocks.iter().zip(blocks_out) {
        *rgb = block(yuyv);
    }
    let mut last = [0; 4 * PAIRS];
    last.split_at_mut(rest.len()).0.copy_from_slice(rest);
    let converted = block(&last);
    rest_out.copy_from_slice(converted.split_at(rest_out.len()).0);
    Image::new(width, height, buffer).ok_or(PhotoError::OddFrame { width, height })
}

/// The part of `bytes` that is the frame.
pub(super) fn whole_frame(bytes: &[u8], width: u32, height: u32) -> Result<&[u8], PhotoError> {
    if width == 0 || height == 0 || !width.is_multiple_of(2) {
        return Err(PhotoError::OddFrame { width, height });
    }
    check_size(width, height)?;
    let expected = width as usize * height as usize * 2;
    let short = PhotoError::ShortFrame { width, height, expected, actual: bytes.len() };
    bytes.get(..expected).ok_or(short)
}

/// Converts [`PAIRS`] pairs of pixels in 16-bit arithmetic, plane by plane. The compiler vectorises loops of this shape.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "all indices are bounded by the lengths of the arrays")]
fn block(yuyv: &[u8; 4 * PAIRS]) -> [u8; 6 * PAIRS] {
    let mut samples = [[0i16; PAIRS]; 4];
    for (pair, bytes) in yuyv.as_chunks::<4>().0.iter().enumerate() {
        for (channel, zero) in [16, 128, 16, 128].into_iter().enumerate() {
            samples[channel][pair] = i16::from(bytes[channel]) - zero;
        }
    }
    let [first, cb, second, cr] = samples;
    // In eighths of a level; adding 4 rounds the sum.
    let mut chroma = [[0i16; PAIRS]; 3];
    for pair in 0..PAIRS {
        chroma[0][pair] = 4 + eighths(cr[pair], RED_CR);
        chroma[1][pair] = 4 - eighths(cr[pair], GREEN_CR) - eighths(cb[pair], GREEN_CB);
        chroma[2][pair] = 4 + eighths(cb[pair], BLUE_CB);
    }
    let mut planes = [[[0u8; PAIRS]; 3]; 2];
    for (planes, luma) in planes.iter_mut().zip([first, second]) {
        for (pair, luma) in luma.into_iter().enumerate() {
            let luma = eighths(luma, LUMA);
            for channel in 0..3 {
                planes[channel][pair] = ((luma + chroma[channel][pair]) >> 3).clamp(0, 255) as u8;
            }
        }
    }
    let mut rgb = [0; 6 * PAIRS];
    for pair in 0..PAIRS {
        for pixel in 0..2 {
            for channel in 0..3 {
                rgb[6 * pair + 3 * pixel + channel] = planes[pixel][channel][pair];
            }
        }
    }
    rgb
}

/// `value * coefficient` in eighths of a level; `value` lies within ±255, so nothing overflows.
#[inline(always)]
fn eighths(value: i16, coefficient: i16) -> i16 {
    ((i32::from(value << 6) * i32::from(coefficient)) >> 16) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// ITU-R BT.601 in floating point, from the luma weights.
    fn exact(y: u8, cb: u8, cr: u8) -> [f64; 3] {
        let (kr, kb) = (0.299, 0.114);
        let kg = 1.0 - kr - kb;
        let y = (f64::from(y) - 16.0) / 219.0;
        let (pb, pr) = ((f64::from(cb) - 128.0) / 224.0, (f64::from(cr) - 128.0) / 224.0);
        let red = y + 2.0 * (1.0 - kr) * pr;
        let blue = y + 2.0 * (1.0 - kb) * pb;
        let green = (y - kr * red - kb * blue) / kg;
        [red, green, blue].map(|v| (v * 255.0).clamp(0.0, 255.0))
    }

    #[test]
    fn every_colour_is_within_one_level_of_the_exact_formula() {
        // One row for each chroma with all lumas, two per pair.
        for cb in (0..=255u8).step_by(3) {
            for cr in (0..=255u8).step_by(3) {
                let row: Vec<u8> = (0..=255u8).step_by(2).flat_map(|y| [y, cb, y + 1, cr]).collect();
                let image = yuyv_to_rgb(&row, 256, 1, Vec::new()).unwrap();
                for (y, rgb) in (0..=255u8).zip(image.rgb().chunks(3)) {
                    for (level, exact) in rgb.iter().zip(exact(y, cb, cr)) {
                        assert!((f64::from(*level) - exact).abs() <= 1.0, "{y} {cb} {cr}: {rgb:?}, {exact}");
                    }
                }
            }
        }
    }

    #[test]
    fn frames_of_any_length_are_converted_to_the_last_pixel() {
        for width in (2..=100).step_by(2) {
            let image = yuyv_to_rgb(&[235, 128].repeat(width as usize), width, 1, Vec::new()).unwrap();
            assert!(image.rgb().iter().all(|level| *level == 255), "{width}");
        }
    }

    #[test]
    fn black_white_and_grey_are_exact() {
        let image = yuyv_to_rgb(&[16, 128, 235, 128], 2, 1, Vec::new()).unwrap();
        assert_eq!(image.rgb(), [0, 0, 0, 255, 255, 255]);
    }

    #[test]
    fn the_buffer_is_reused_and_its_contents_are_overwritten() {
        let buffer = vec![99; 4096];
        let before = buffer.as_ptr();
        let image = yuyv_to_rgb(&[16, 128, 16, 128, 7, 7], 2, 1, buffer).unwrap();
        assert_eq!(image.rgb(), [0; 6]);
        assert_eq!(image.rgb().as_ptr(), before);
    }

    #[test]
    fn odd_sizes_and_short_frames_are_refused() {
        let frame = [0; 64];
        for (width, height) in [(3, 2), (0, 2), (2, 0), (1, 1)] {
            let error = yuyv_to_rgb(&frame, width, height, Vec::new()).unwrap_err();
            assert!(matches!(error, PhotoError::OddFrame { .. }), "{error}");
        }
        let error = yuyv_to_rgb(&frame[..15], 4, 2, Vec::new()).unwrap_err();
        assert!(matches!(error, PhotoError::ShortFrame { expected: 16, actual: 15, .. }), "{error}");
        let error = yuyv_to_rgb(&frame, u32::MAX - 1, u32::MAX, Vec::new()).unwrap_err();
        assert!(matches!(error, PhotoError::TooLarge { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn any_frame_and_size_is_an_image_of_that_size_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..300), width in 0u32..20, height in 0u32..20) {
            if let Ok(image) = yuyv_to_rgb(&bytes, width, height, Vec::new()) {
                prop_assert_eq!((image.width(), image.height()), (width, height));
                prop_assert!(bytes.len() >= (width * height * 2) as usize);
            }
        }
    }
}
