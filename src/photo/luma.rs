//! Glimpses of brightness that a decoder keeps in a plane of its own, or beside the colours.

use crate::domain::Glimpse;

/// Where the brightness of a picture is among bytes: 8 bits a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Luma {
    /// Pixels.
    pub width: u32,
    pub height: u32,
    /// Bytes to the first pixel, from one pixel to the next, and from one row to the next.
    pub offset: usize,
    pub pixel_stride: usize,
    pub row_stride: usize,
}

/// The glimpse of such a picture, from every second row and pixel. Cells whose bytes are missing are black.
pub fn glimpse_of_luma(bytes: &[u8], luma: Luma, glimpse: &mut Glimpse) {
    glimpse.reset(luma.width, luma.height, 0);
    let (columns, pixel_stride) = (glimpse.columns().max(1), luma.pixel_stride.max(1));
    for (row, cells) in glimpse.cells_mut().chunks_exact_mut(columns).enumerate() {
        for line in (row * 8..row * 8 + 8).step_by(2) {
            let line = luma.row_stride.checked_mul(line).and_then(|start| bytes.get(start..)?.get(luma.offset..));
            let line = line.unwrap_or_default();
            let span = line.len().min(luma.width as usize * pixel_stride);
            let line = line.get(..span).unwrap_or_default();
            for (cell, block) in cells.iter_mut().zip(line.chunks(8 * pixel_stride)) {
                *cell += block.iter().step_by(2 * pixel_stride).map(|luma| u16::from(*luma)).sum::<u16>();
            }
        }
        // Of 16 pixels, in eighths of a level.
        cells.iter_mut().for_each(|cell| *cell /= 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_means_whatever_lies_between_the_pixels() {
        for (pixel_stride, row_stride, offset) in [(1, 16, 0), (1, 40, 0), (2, 32, 0), (2, 50, 1)] {
            let mut bytes = vec![255; row_stride * 16 + offset];
            for (x, y) in (0..16).flat_map(|y| (0..16).map(move |x| (x, y))) {
                bytes[offset + y * row_stride + x * pixel_stride] = if x < 8 { 10 } else { 200 };
            }
            let mut glimpse = Glimpse::default();
            let luma = Luma { width: 16, height: 16, offset, pixel_stride, row_stride };
            glimpse_of_luma(&bytes, luma, &mut glimpse);
            assert_eq!(glimpse.cells(), [80, 1600, 80, 1600], "{luma:?}");
        }
    }

    #[test]
    fn missing_bytes_are_black() {
        let mut glimpse = Glimpse::default();
        let luma = Luma { width: 16, height: 16, offset: 0, pixel_stride: 1, row_stride: 16 };
        glimpse_of_luma(&[160; 16 * 8], luma, &mut glimpse);
        assert_eq!(glimpse.cells(), [1280, 1280, 0, 0]);
        glimpse_of_luma(&[], Luma { row_stride: usize::MAX, ..luma }, &mut glimpse);
        assert_eq!(glimpse.cells(), [0; 4]);
    }
}
