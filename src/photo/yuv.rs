//! Brightness and colour difference (YCbCr) of camera frames to RGB, line by line.

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

/// Writes `Y0 Cb Y1 Cr` for each pair of pixels of a line: its brightness, and the `[Cb, Cr]` of each pair.
pub(super) fn pairs_of(luma: &[u8], colours: impl Iterator<Item = [u8; 2]>, pairs: &mut Vec<u8>) {
    pairs.clear();
    pairs.extend(luma.as_chunks::<2>().0.iter().zip(colours).flat_map(|([y0, y1], [cb, cr])| [*y0, cb, *y1, cr]));
}

/// Converts `Y0 Cb Y1 Cr` for each pair of pixels to `R G B` for each pixel, as far as both reach. The formula is that of
/// [`super::raw_to_rgb`].
pub(super) fn yuyv_to_rgb(yuyv: &[u8], rgb: &mut [u8]) {
    let (blocks, rest) = yuyv.as_chunks::<{ 4 * PAIRS }>();
    let (blocks_out, rest_out) = rgb.as_chunks_mut::<{ 6 * PAIRS }>();
    for (yuyv, rgb) in blocks.iter().zip(blocks_out) {
        *rgb = block(yuyv);
    }
    let mut last = [0; 4 * PAIRS];
    last.split_at_mut(rest.len()).0.copy_from_slice(rest);
    for (out, level) in rest_out.iter_mut().zip(block(&last)) {
        *out = level;
    }
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

    fn converted(yuyv: &[u8]) -> Vec<u8> {
        let mut rgb = vec![99; yuyv.len() / 2 * 3];
        yuyv_to_rgb(yuyv, &mut rgb);
        rgb
    }

    #[test]
    fn every_colour_is_within_one_level_of_the_exact_formula() {
        // One row for each chroma with all lumas, two per pair.
        for cb in (0..=255u8).step_by(3) {
            for cr in (0..=255u8).step_by(3) {
                let row: Vec<u8> = (0..=255u8).step_by(2).flat_map(|y| [y, cb, y + 1, cr]).collect();
                for (y, rgb) in (0..=255u8).zip(converted(&row).chunks(3)) {
                    for (level, exact) in rgb.iter().zip(exact(y, cb, cr)) {
                        assert!((f64::from(*level) - exact).abs() <= 1.0, "{y} {cb} {cr}: {rgb:?}, {exact}");
                    }
                }
            }
        }
    }

    #[test]
    fn lines_of_any_length_are_converted_to_the_last_pixel() {
        for width in (2..=100).step_by(2) {
            assert!(converted(&[235, 128].repeat(width)).iter().all(|level| *level == 255), "{width}");
        }
    }

    #[test]
    fn black_white_and_grey_are_exact() {
        assert_eq!(converted(&[16, 128, 235, 128]), [0, 0, 0, 255, 255, 255]);
    }
}
