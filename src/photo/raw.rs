//! Uncompressed camera frames: where their lines lie in a buffer, and their conversion to RGB.

use super::yuv::{pairs_of, yuyv_to_rgb};
use super::{PhotoError, check_size};
use crate::domain::{Image, RawFormat};

/// How a frame lies in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawLayout {
    pub format: RawFormat,
    /// Pixels.
    pub width: u32,
    pub height: u32,
    /// Bytes from one line of the first plane to the next: V4L2's `bytesperline`. Bytes beyond a line's pixels are padding.
    stride: u32,
}

impl RawLayout {
    /// A frame of that size. `stride` is what the driver reports as `bytesperline`; 0, or less than the pixels of a line need, means lines without
    /// padding.
    pub fn new(format: RawFormat, width: u32, height: u32, stride: u32) -> RawLayout {
        RawLayout { format, width, height, stride: stride.max(least_stride(format, width)) }
    }

    /// Bytes from one line to the next.
    pub fn stride(&self) -> usize {
        self.stride as usize
    }

    /// Whether there are bytes between the lines.
    pub fn is_padded(&self) -> bool {
        self.stride > least_stride(self.format, self.width)
    }

    /// The bytes that a frame has at least: up to its last pixel.
    pub fn bytes(&self) -> usize {
        let rows = self.height as usize;
        let rows_of_colour = rows.div_ceil(2);
        // Padding after the last line need not be there.
        let plane = |stride: usize, least: usize, rows: usize| {
            stride.saturating_mul(rows.saturating_sub(1)).saturating_add(least)
        };
        let (stride, least) = (self.stride(), least_stride(self.format, self.width) as usize);
        let whole = stride.saturating_mul(rows);
        match self.format {
            RawFormat::Nv12 => whole.saturating_add(plane(stride, least, rows_of_colour)),
            RawFormat::Yu12 => {
                let blue = (stride / 2).saturating_mul(rows_of_colour);
                whole.saturating_add(blue).saturating_add(plane(stride / 2, least / 2, rows_of_colour))
            }
            _ => plane(stride, least, rows),
        }
    }

    /// The part of `bytes` that is the frame.
    ///
    /// # Errors
    /// [`PhotoError::OddFrame`] for no pixels, or an odd side where pixels share their colour; [`PhotoError::ShortFrame`], [`PhotoError::TooLarge`].
    pub(super) fn frame<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], PhotoError> {
        let RawLayout { format, width, height, .. } = *self;
        let (pairs, squares) = match format {
            RawFormat::Yuyv | RawFormat::Uyvy => (true, false),
            RawFormat::Nv12 | RawFormat::Yu12 => (true, true),
            _ => (false, false),
        };
        let odd = pairs && !width.is_multiple_of(2) || squares && !height.is_multiple_of(2);
        if width == 0 || height == 0 || odd {
            return Err(PhotoError::OddFrame { format, width, height });
        }
        check_size(width, height)?;
        let expected = self.bytes();
        bytes.get(..expected).ok_or(PhotoError::ShortFrame { format, width, height, expected, actual: bytes.len() })
    }

    /// The bytes of the pixels of row `row` of the first plane of `frame`.
    pub(super) fn line<'a>(&self, frame: &'a [u8], row: usize) -> &'a [u8] {
        part(frame, row * self.stride(), least_stride(self.format, self.width) as usize)
    }

    /// The colours of row `row` in formats with planes: `Cb Cr` in turn, or `Cb` and `Cr`.
    fn colours<'a>(&self, frame: &'a [u8], row: usize) -> (&'a [u8], &'a [u8]) {
        let (width, rows) = (self.width as usize, self.height as usize);
        let planes = self.stride() * rows;
        match self.format {
            RawFormat::Nv12 => (part(frame, planes + row / 2 * self.stride(), width), &[]),
            _ => {
                let stride = self.stride() / 2;
                let blue = planes + row / 2 * stride;
                (part(frame, blue, width / 2), part(frame, blue + stride * rows.div_ceil(2), width / 2))
            }
        }
    }
}

/// The bytes of the pixels of a line of the first plane.
fn least_stride(format: RawFormat, width: u32) -> u32 {
    let bytes = match format {
        RawFormat::Nv12 | RawFormat::Yu12 | RawFormat::Grey => 1,
        RawFormat::Yuyv | RawFormat::Uyvy | RawFormat::Y10 | RawFormat::Y12 | RawFormat::Y16 => 2,
        RawFormat::Rgb3 | RawFormat::Bgr3 => 3,
    };
    width.saturating_mul(bytes)
}

fn part(bytes: &[u8], start: usize, length: usize) -> &[u8] {
    bytes.get(start..).and_then(|rest| rest.get(..length)).unwrap_or_default()
}

/// The 8 most significant bits of brightness in a 16-bit word of a grey format.
pub(super) fn level(format: RawFormat, word: [u8; 2]) -> u8 {
    let word = u16::from_le_bytes(word);
    let level = match format {
        RawFormat::Y10 => word >> 2,
        RawFormat::Y12 => word >> 4,
        _ => word >> 8,
    };
    level.min(255) as u8
}

/// Converts the frame at the start of `bytes` into `buffer`, whose memory is reused. Further bytes, and bytes between lines, are ignored.
///
/// Colours follow ITU-R BT.601 with limited range, which the V4L2 documentation gives as the default encoding and range of
/// `V4L2_COLORSPACE_SRGB`, the colour space of webcams. Results are clamped and are within 1 of the exact formula. Grey formats give equal red,
/// green and blue, over the full range.
///
/// # Errors
/// [`PhotoError::OddFrame`] for no pixels, or an odd side where pixels share their colour; [`PhotoError::ShortFrame`], [`PhotoError::TooLarge`].
pub fn raw_to_rgb(bytes: &[u8], layout: &RawLayout, mut buffer: Vec<u8>) -> Result<Image, PhotoError> {
    let frame = layout.frame(bytes)?;
    let RawLayout { format, width, height, .. } = *layout;
    let row_bytes = width as usize * 3;
    buffer.resize(row_bytes * height as usize, 0);
    if format == RawFormat::Yuyv && !layout.is_padded() {
        yuyv_to_rgb(frame, &mut buffer);
    } else {
        let mut pairs = Vec::new();
        for (row, rgb) in buffer.chunks_exact_mut(row_bytes).enumerate() {
            let line = layout.line(frame, row);
            match format {
                RawFormat::Yuyv => yuyv_to_rgb(line, rgb),
                RawFormat::Uyvy => {
                    pairs.clear();
                    pairs.extend(line.as_chunks::<4>().0.iter().flat_map(|[cb, y0, cr, y1]| [*y0, *cb, *y1, *cr]));
                    yuyv_to_rgb(&pairs, rgb);
                }
                RawFormat::Nv12 => {
                    let (colours, _) = layout.colours(frame, row);
                    pairs_of(line, colours.as_chunks::<2>().0.iter().copied(), &mut pairs);
                    yuyv_to_rgb(&pairs, rgb);
                }
                RawFormat::Yu12 => {
                    let (blue, red) = layout.colours(frame, row);
                    pairs_of(line, blue.iter().zip(red).map(|(cb, cr)| [*cb, *cr]), &mut pairs);
                    yuyv_to_rgb(&pairs, rgb);
                }
                RawFormat::Rgb3 => rgb.copy_from_slice(line),
                RawFormat::Bgr3 => {
                    for (out, [b, g, r]) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(line.as_chunks::<3>().0) {
                        *out = [*r, *g, *b];
                    }
                }
                RawFormat::Grey => grey(line.iter().copied(), rgb),
                RawFormat::Y10 | RawFormat::Y12 | RawFormat::Y16 => {
                    grey(line.as_chunks::<2>().0.iter().map(|word| level(format, *word)), rgb);
                }
            }
        }
    }
    Image::new(width, height, buffer).ok_or(PhotoError::OddFrame { format, width, height })
}

fn grey(levels: impl Iterator<Item = u8>, rgb: &mut [u8]) {
    for (out, level) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(levels) {
        *out = [level; 3];
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame of `width` by `height` in `format`, with `padding` more bytes a line, all 0xEE; the first plane's pixels have brightness `luma`, each
    /// square of four the colours that `chroma` gives.
    pub fn raw(
        format: RawFormat,
        (width, height): (u32, u32),
        padding: u32,
        luma: impl Fn(u32, u32) -> u8,
        chroma: impl Fn(u32, u32) -> [u8; 2],
    ) -> (Vec<u8>, RawLayout) {
        let mut bytes = Vec::new();
        let mut line = |pixels: Vec<u8>, padding: u32| {
            bytes.extend(pixels);
            bytes.extend(std::iter::repeat_n(0xEE, padding as usize));
        };
        for y in 0..height {
            let of = |x: u32| (luma(x, y), chroma(x / 2, y / 2));
            let pixels = (0..width).flat_map(|x| match (format, of(x), x % 2) {
                (RawFormat::Yuyv, (l, [cb, _]), 0) | (RawFormat::Yuyv, (l, [_, cb]), _) => vec![l, cb],
                (RawFormat::Uyvy, (l, [cb, _]), 0) | (RawFormat::Uyvy, (l, [_, cb]), _) => vec![cb, l],
                (RawFormat::Rgb3, (l, [cb, cr]), _) => vec![l, cb, cr],
                (RawFormat::Bgr3, (l, [cb, cr]), _) => vec![cr, cb, l],
                (RawFormat::Y10, (l, _), _) => (u16::from(l) << 2 | 3).to_le_bytes().to_vec(),
                (RawFormat::Y12, (l, _), _) => (u16::from(l) << 4 | 9).to_le_bytes().to_vec(),
                (RawFormat::Y16, (l, _), _) => (u16::from(l) << 8 | 77).to_le_bytes().to_vec(),
                (RawFormat::Nv12 | RawFormat::Yu12 | RawFormat::Grey, (l, _), _) => vec![l],
            });
            line(pixels.collect(), padding);
        }
        let squares = (0..height / 2).map(|y| (0..width / 2).map(|x| chroma(x, y)).collect::<Vec<_>>());
        match format {
            RawFormat::Nv12 => squares.for_each(|row| line(row.concat(), padding)),
            RawFormat::Yu12 => {
                for plane in 0..2 {
                    squares
                        .clone()
                        .for_each(|row| line(row.iter().map(|colours| colours[plane]).collect(), padding / 2));
                }
            }
            _ => {}
        }
        let stride = least_stride(format, width) + padding;
        (bytes, RawLayout::new(format, width, height, stride))
    }

    /// The same picture as YUYV without padding, converted.
    fn expected(size: (u32, u32), luma: impl Fn(u32, u32) -> u8, chroma: impl Fn(u32, u32) -> [u8; 2]) -> Image {
        let (bytes, layout) = raw(RawFormat::Yuyv, size, 0, luma, chroma);
        raw_to_rgb(&bytes, &layout, Vec::new()).unwrap()
    }

    fn luma(x: u32, y: u32) -> u8 {
        (x * 7 + y * 31 + 16) as u8
    }

    fn chroma(x: u32, y: u32) -> [u8; 2] {
        [(x * 23 + 40) as u8, (y * 19 + 90) as u8]
    }

    #[test]
    fn one_picture_is_the_same_in_every_colour_format_whatever_its_padding() {
        for size in [(2, 2), (34, 6), (64, 48), (130, 10)] {
            let expected = expected(size, luma, chroma);
            for format in [RawFormat::Yuyv, RawFormat::Uyvy, RawFormat::Nv12, RawFormat::Yu12] {
                for padding in [0, 2, 64] {
                    let (bytes, layout) = raw(format, size, padding, luma, chroma);
                    assert_eq!(layout.is_padded(), padding > 0);
                    let image = raw_to_rgb(&bytes, &layout, vec![9; 4096]).unwrap();
                    assert!(image == expected, "{format} {size:?} {padding}");
                }
            }
        }
    }

    #[test]
    fn rgb_and_grey_formats_keep_their_levels() {
        for padding in [0, 6] {
            let (bytes, layout) = raw(RawFormat::Rgb3, (5, 3), padding, luma, chroma);
            let rgb = raw_to_rgb(&bytes, &layout, Vec::new()).unwrap();
            assert_eq!(rgb.rgb()[..6], [luma(0, 0), 40, 90, luma(1, 0), 40, 90]);
            let (bytes, layout) = raw(RawFormat::Bgr3, (5, 3), padding, luma, chroma);
            assert_eq!(raw_to_rgb(&bytes, &layout, Vec::new()).unwrap(), rgb);
            for format in [RawFormat::Grey, RawFormat::Y10, RawFormat::Y12, RawFormat::Y16] {
                let (bytes, layout) = raw(format, (5, 3), padding, luma, chroma);
                let image = raw_to_rgb(&bytes, &layout, Vec::new()).unwrap();
                let levels: Vec<u8> = (0..15).flat_map(|at| [luma(at % 5, at / 5); 3]).collect();
                assert_eq!(image.rgb(), levels, "{format}");
            }
        }
        // Bits beyond the ten are ignored, not wrapped around.
        assert_eq!(level(RawFormat::Y10, [0xFF, 0xFF]), 255);
    }

    #[test]
    fn a_frame_may_end_with_its_last_pixel() {
        for format in RawFormat::ALL {
            let (mut bytes, layout) = raw(format, (8, 4), 10, luma, chroma);
            bytes.truncate(layout.bytes());
            assert_ne!(bytes.last(), Some(&0xEE), "{format}");
            assert!(raw_to_rgb(&bytes, &layout, Vec::new()).is_ok(), "{format}");
            let error = raw_to_rgb(&bytes[..bytes.len() - 1], &layout, Vec::new()).unwrap_err();
            assert!(matches!(error, PhotoError::ShortFrame { .. }), "{format}: {error}");
        }
    }

    #[test]
    fn sizes_that_a_format_cannot_have_are_refused() {
        let refused = |format, width, height| {
            raw_to_rgb(&[0; 4096], &RawLayout::new(format, width, height, 0), Vec::new()).unwrap_err()
        };
        for (format, width, height) in [
            (RawFormat::Yuyv, 3, 2),
            (RawFormat::Uyvy, 3, 2),
            (RawFormat::Nv12, 4, 3),
            (RawFormat::Yu12, 3, 4),
            (RawFormat::Grey, 0, 3),
        ] {
            let error = refused(format, width, height);
            assert!(matches!(error, PhotoError::OddFrame { .. }), "{format} {error}");
        }
        assert!(matches!(refused(RawFormat::Grey, u32::MAX, u32::MAX), PhotoError::TooLarge { .. }));
        let odd = raw_to_rgb(&[7; 15], &RawLayout::new(RawFormat::Grey, 5, 3, 0), Vec::new()).unwrap();
        assert_eq!((odd.width(), odd.height()), (5, 3));
    }

    proptest! {
        #[test]
        fn any_frame_and_layout_is_an_image_of_that_size_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..400), format in 0usize..10,
            width in 0u32..20, height in 0u32..20, stride in prop_oneof![0u32..80, any::<u32>()],
        ) {
            let layout = RawLayout::new(RawFormat::ALL[format], width, height, stride);
            if let Ok(image) = raw_to_rgb(&bytes, &layout, Vec::new()) {
                prop_assert_eq!((image.width(), image.height()), (width, height));
                prop_assert!(bytes.len() >= layout.bytes());
            }
        }
    }
}
