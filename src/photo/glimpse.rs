//! The [`Glimpse`] of a camera's frame: from a JPEG's coded block means, from the brightness of an uncompressed frame, or from a decoded picture.

use super::huffman::{Bits, Table};
use super::raw::{RawLayout, level};
use super::{PhotoError, check_size};
use crate::domain::{Glimpse, Image, RawFormat};

/// The most components of a JPEG that a camera sends.
const MOST_COMPONENTS: usize = 4;
/// A block's mean is its first coefficient over eight, and the middle of the range is 128.
const MIDDLE: i32 = 128 * 8;
const WHITE: i32 = 255 * 8;

/// Reads the mean of each luma block out of JPEGs, and skips the rest of the coded data. Nothing is transformed, so this takes a fraction of
/// the time that decoding takes. Only the coding of cameras is understood: sequential, with Huffman codes and 8 bits a colour.
#[derive(Default)]
pub(super) struct BlockMeans {
    dc: [Table; 4],
    ac: [Table; 4],
}

/// One component of the frame.
#[derive(Clone, Copy, Default)]
struct Component {
    id: u8,
    across: usize,
    down: usize,
    quantiser: u8,
    dc: usize,
    ac: usize,
}

/// What the segments before a scan say.
#[derive(Default)]
struct Header {
    width: usize,
    height: usize,
    components: [Component; MOST_COMPONENTS],
    count: usize,
    /// The first divisor of each quantisation table.
    first_divisor: [u16; 4],
    /// Blocks of blocks between two restart markers; 0 if there are none.
    restart_after: usize,
}

impl BlockMeans {
    /// The glimpse of `jpeg`, an image from its first marker on. `None` if its coding is not understood, or if it is damaged: the decoder finds
    /// out which.
    pub fn read(&mut self, jpeg: &[u8], glimpse: &mut Glimpse) -> Option<()> {
        let mut header = Header::default();
        let mut rest = jpeg.get(2..)?;
        let mut has_tables = false;
        loop {
            let marker = rest.iter().position(|byte| *byte == 0xFF)?;
            let &[_, code, high, low, ..] = rest.get(marker..)? else { return None };
            if matches!(code, 0xFF | 0x00 | 0x01 | 0xD0..=0xD7) {
                rest = rest.get(marker + 1..)?;
                continue;
            }
            let end = marker + 2 + usize::from(u16::from_be_bytes([high, low]));
            let body = rest.get(marker + 4..end)?;
            match code {
                0xC0 | 0xC1 => header.read_frame(body)?,
                0xC2..=0xC3 | 0xC5..=0xCF => return None,
                0xC4 => {
                    has_tables = true;
                    self.read_tables(body)?;
                }
                0xDB => header.read_divisors(body)?,
                0xDD => header.restart_after = usize::from(u16::from_be_bytes(*body.first_chunk()?)),
                0xDA => {
                    if !has_tables {
                        self.use_standard_tables()?;
                    }
                    return self.read_scan(&mut header, body, rest.get(end..)?, glimpse);
                }
                _ => {}
            }
            rest = rest.get(end..)?;
        }
    }

    /// ITU-T T.81, B.2.4.2.
    fn read_tables(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&[kind_and_place, counts @ ..], rest)) = body.split_first_chunk::<17>() {
            let symbols = counts.iter().map(|count| usize::from(*count)).sum();
            let tables = if kind_and_place >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            tables.get_mut(usize::from(kind_and_place & 15))?.fill(&counts, rest.get(..symbols)?)?;
            body = rest.get(symbols..)?;
        }
        Some(())
    }

    /// The tables of ITU-T T.81, annex K.3, which Motion-JPEG cameras may leave out. Every JPEG of our own encoder has them.
    fn use_standard_tables(&mut self) -> Option<()> {
        let picture = Image::new(8, 8, vec![90; 8 * 8 * 3])?;
        let bytes = super::to_jpeg(&picture, 8, 1 << 16)?.bytes;
        let mut rest = bytes.get(2..)?;
        loop {
            let &[0xFF, code, high, low, ..] = rest else { return None };
            let end = 2 + usize::from(u16::from_be_bytes([high, low]));
            match code {
                0xC4 => self.read_tables(rest.get(4..end)?)?,
                0xDA => return Some(()),
                _ => {}
            }
            rest = rest.get(end..)?;
        }
    }

    fn read_scan(&mut self, header: &mut Header, body: &[u8], coded: &[u8], glimpse: &mut Glimpse) -> Option<()> {
        header.read_scan(body)?;
        let components = header.components.get(..header.count)?;
        let luma = *components.first()?;
        let divisor = i32::from(*header.first_divisor.get(usize::from(luma.quantiser))?);
        let (width, height) = (u32::try_from(header.width).ok()?, u32::try_from(header.height).ok()?);
        glimpse.reset(width, height, u16::try_from(divisor).ok()?);
        let (columns, rows) = (glimpse.columns(), glimpse.rows());
        let cells = glimpse.cells_mut();
        let side = |pixels: usize, blocks: usize| pixels.div_ceil(Glimpse::CELL_PX * blocks);
        let (across, down) = (side(header.width, luma.across), side(header.height, luma.down));
        let (dc, ac) = (self.dc.get(luma.dc)?, self.ac.get(luma.ac)?);
        let mut colours = [(dc, ac, 0); MOST_COMPONENTS - 1];
        for (colour, said) in colours.iter_mut().zip(components.iter().skip(1)) {
            *colour = (self.dc.get(said.dc)?, self.ac.get(said.ac)?, said.across * said.down);
        }
        let (mut bits, mut mean) = (Bits::new(coded), 0_i32);
        for unit in 0..across * down {
            if header.restart_after > 0 && unit > 0 && unit % header.restart_after == 0 {
                bits.restart()?;
                mean = 0;
            }
            let (left, top) = (unit % across * luma.across, unit / across * luma.down);
            for block in 0..luma.across * luma.down {
                mean = mean.checked_add(bits.difference(dc)?)?;
                bits.skip_block(ac)?;
                let (column, row) = (left + block % luma.across, top + block / luma.across);
                if column < columns
                    && row < rows
                    && let Some(cell) = cells.get_mut(row * columns + column)
                {
                    *cell = (mean.saturating_mul(divisor).saturating_add(MIDDLE)).clamp(0, WHITE) as u16;
                }
            }
            for (dc, ac, blocks) in colours {
                for _ in 0..blocks {
                    bits.skip_difference(dc)?;
                    bits.skip_block(ac)?;
                }
            }
            if bits.are_over() {
                return None;
            }
        }
        Some(())
    }
}

impl Header {
    /// ITU-T T.81, B.2.2.
    fn read_frame(&mut self, body: &[u8]) -> Option<()> {
        let &[8, h1, h2, w1, w2, count, ref components @ ..] = body else { return None };
        self.height = usize::from(u16::from_be_bytes([h1, h2]));
        self.width = usize::from(u16::from_be_bytes([w1, w2]));
        check_size(self.width as u32, self.height as u32).ok()?;
        self.count = usize::from(count);
        let said = components.as_chunks::<3>().0.get(..self.count)?;
        for (component, &[id, factors, quantiser]) in self.components.get_mut(..self.count)?.iter_mut().zip(said) {
            let (across, down) = (usize::from(factors >> 4), usize::from(factors & 15));
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
                return None;
            }
            *component = Component { id, across, down, quantiser, ..Component::default() };
        }
        Some(())
    }

    /// ITU-T T.81, B.2.4.1.
    fn read_divisors(&mut self, mut body: &[u8]) -> Option<()> {
        while let [precision_and_place, rest @ ..] = body {
            let (length, first) = match (precision_and_place >> 4, rest) {
                (0, &[first, ..]) => (64, u16::from(first)),
                (1, &[high, low, ..]) => (128, u16::from_be_bytes([high, low])),
                _ => return None,
            };
            *self.first_divisor.get_mut(usize::from(precision_and_place & 15))? = first;
            body = rest.get(length..)?;
        }
        Some(())
    }

    /// ITU-T T.81, B.2.3. The scan must have all components, the first of which is brightness and the finest. A single component comes block by
    /// block, whatever its factors say (A.2.2).
    fn read_scan(&mut self, body: &[u8]) -> Option<()> {
        let (&count, rest) = body.split_first()?;
        let (named, &[0, 63, 0]) = rest.split_at_checked(usize::from(count) * 2)? else { return None };
        if count == 0 || usize::from(count) != self.count {
            return None;
        }
        let components = self.components.get_mut(..self.count)?;
        for (component, &[id, tables]) in components.iter_mut().zip(named.as_chunks::<2>().0) {
            if component.id != id {
                return None;
            }
            (component.dc, component.ac) = (usize::from(tables >> 4), usize::from(tables & 15));
        }
        if let [only] = components {
            (only.across, only.down) = (1, 1);
        }
        let luma = *components.first()?;
        let finest = components.iter().all(|other| other.across <= luma.across && other.down <= luma.down);
        finest.then_some(())
    }
}

/// The glimpse of an uncompressed frame (see [`super::raw_to_rgb`]), from every second row.
///
/// # Errors
/// Those of [`super::raw_to_rgb`].
pub fn glimpse_of_raw(bytes: &[u8], layout: &RawLayout, glimpse: &mut Glimpse) -> Result<(), PhotoError> {
    let frame = layout.frame(bytes)?;
    glimpse.reset(layout.width, layout.height, 0);
    let line = |row: usize| layout.line(frame, row);
    let format = layout.format;
    match format {
        RawFormat::Yuyv => sum_cells(line, glimpse, |[luma, _]| luma),
        RawFormat::Uyvy => sum_cells(line, glimpse, |[_, luma]| luma),
        RawFormat::Nv12 | RawFormat::Yu12 | RawFormat::Grey => sum_cells(line, glimpse, |[luma]| luma),
        RawFormat::Y10 | RawFormat::Y12 | RawFormat::Y16 => sum_cells(line, glimpse, |word| level(format, word)),
        RawFormat::Rgb3 => sum_cells(line, glimpse, luma),
        RawFormat::Bgr3 => sum_cells(line, glimpse, |[b, g, r]| luma([r, g, b])),
    }
    Ok(())
}

/// The mean brightness of each cell from every second row. `line` gives a row, `brightness` that of a pixel of `BYTES` bytes.
fn sum_cells<'a, const BYTES: usize>(
    line: impl Fn(usize) -> &'a [u8],
    glimpse: &mut Glimpse,
    brightness: impl Fn([u8; BYTES]) -> u8,
) {
    let columns = glimpse.columns().max(1);
    for (row, cells) in glimpse.cells_mut().chunks_exact_mut(columns).enumerate() {
        for y in (row * 8..row * 8 + 8).step_by(2) {
            for (cell, block) in cells.iter_mut().zip(line(y).chunks_exact(8 * BYTES)) {
                *cell += block.as_chunks::<BYTES>().0.iter().map(|pixel| u16::from(brightness(*pixel))).sum::<u16>();
            }
        }
        // Of 32 pixels, in eighths of a level.
        cells.iter_mut().for_each(|cell| *cell /= 4);
    }
}

/// ITU-R BT.601 weights in 256ths.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 77 + u32::from(g) * 150 + u32::from(b) * 29) >> 8) as u8
}

/// The glimpse of a decoded picture, from a quarter of its pixels.
pub fn glimpse_of(image: &Image, glimpse: &mut Glimpse) {
    glimpse.reset(image.width(), image.height(), 0);
    let (columns, stride) = (glimpse.columns().max(1), image.width() as usize * 3);
    for (row, cells) in glimpse.cells_mut().chunks_exact_mut(columns).enumerate() {
        for line in (row * 8..row * 8 + 8).step_by(2) {
            let line = image.rgb().get(line * stride..(line + 1) * stride).unwrap_or_default();
            for (cell, block) in cells.iter_mut().zip(line.as_chunks::<24>().0) {
                let pixels = block.as_chunks::<3>().0.iter().step_by(2);
                *cell += pixels.map(|pixel| u16::from(luma(*pixel))).sum::<u16>();
            }
        }
        // Of 16 pixels, in eighths of a level.
        cells.iter_mut().for_each(|cell| *cell /= 2);
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use proptest::prelude::*;

    use super::*;
    use crate::photo::raw::tests::raw;
    use crate::photo::{JpegDecoder, raw_to_rgb};

    /// A picture with detail in every block.
    fn picture(width: u32, height: u32, seed: u32) -> Image {
        let pixel = |x: u32, y: u32| [(x * 3 + seed) as u8, (y * 5) as u8, ((x * y / 7) ^ seed) as u8];
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
        Image::new(width, height, rgb).unwrap()
    }

    fn encoded(image: &Image, quality: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let colour = image::ExtendedColorType::Rgb8;
        JpegEncoder::new_with_quality(&mut bytes, quality)
            .encode(image.rgb(), image.width(), image.height(), colour)
            .unwrap();
        bytes
    }

    /// The means of all pixels of the cells.
    fn exact(image: &Image) -> Vec<f64> {
        let (columns, rows) = (image.width() as usize / 8, image.height() as usize / 8);
        let at = |x: usize, y: usize| &image.rgb()[(y * image.width() as usize + x) * 3..][..3];
        let luma = |p: &[u8]| 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2]);
        let mean = |cell: usize| {
            let (left, top) = (cell % columns * 8, cell / columns * 8);
            (0..64).map(|i| luma(at(left + i % 8, top + i / 8))).sum::<f64>() / 64.0
        };
        (0..columns * rows).map(mean).collect()
    }

    fn worst(glimpse: &Glimpse, image: &Image) -> f64 {
        let cells = glimpse.cells().iter().map(|cell| f64::from(*cell) / 8.0);
        assert_eq!(glimpse.cells().len(), (image.width() / 8 * (image.height() / 8)) as usize);
        cells.zip(exact(image)).map(|(cell, mean)| (cell - mean).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn a_jpegs_block_means_are_those_of_its_decoded_picture() {
        let mut reader = BlockMeans::default();
        for (width, height) in [(640, 480), (64, 48), (37, 29), (8, 8)] {
            for quality in [50, 75, 90, 100] {
                let bytes = encoded(&picture(width, height, 3), quality);
                let decoded = JpegDecoder::new().decode_into(&bytes, Vec::new()).unwrap();
                let mut glimpse = Glimpse::default();
                reader.read(&bytes, &mut glimpse).unwrap();
                // Clamping to 0..255 after the transform moves the mean of a block with strong edges.
                assert!(worst(&glimpse, &decoded) < 4.0, "{width}x{height} {quality}: {}", worst(&glimpse, &decoded));
            }
        }
    }

    #[test]
    fn restart_markers_and_coarser_colours_are_understood() {
        // Made by libjpeg: 4:2:0, with a restart marker every five blocks of blocks.
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        for name in ["coarse-colours.jpg", "stray-before-table.jpg"] {
            let bytes = std::fs::read(folder.join(name)).unwrap();
            let decoded = JpegDecoder::new().decode_into(&bytes, Vec::new()).unwrap();
            let mut glimpse = Glimpse::default();
            BlockMeans::default().read(&bytes, &mut glimpse).unwrap();
            assert!(worst(&glimpse, &decoded) < 4.0, "{name}: {}", worst(&glimpse, &decoded));
        }
    }

    #[test]
    fn raw_frames_and_pictures_give_the_means_of_what_they_sample() {
        let size = (64_u32, 40_u32);
        // Rows and columns in pairs, so that a sample is the mean.
        let luma = |x: u32, y: u32| (x / 2 * 5 + y / 2 * 3 + 16) as u8 % 200;
        let means: Vec<f64> = (0..40)
            .map(|cell| {
                let (left, top) = (cell % 8 * 8, cell / 8 * 8);
                (0..64).map(|i| f64::from(luma(left + i % 8, top + i / 8))).sum::<f64>() / 64.0
            })
            .collect();
        let mut glimpse = Glimpse::default();
        for format in RawFormat::ALL {
            for padding in [0, 32] {
                // Grey also as RGB, where the three levels are the brightness.
                let (bytes, layout) = match format {
                    RawFormat::Rgb3 | RawFormat::Bgr3 => {
                        let grey: Vec<u8> = (0..size.1)
                            .flat_map(|y| {
                                let pixels = (0..size.0).flat_map(move |x| [luma(x, y); 3]);
                                pixels.chain(std::iter::repeat_n(0xEE, padding as usize))
                            })
                            .collect();
                        (grey, RawLayout::new(format, size.0, size.1, size.0 * 3 + padding))
                    }
                    _ => raw(format, size, padding, luma, |_, _| [128, 128]),
                };
                glimpse_of_raw(&bytes, &layout, &mut glimpse).unwrap();
                for (value, mean) in glimpse.cells().iter().zip(&means) {
                    assert!((f64::from(*value) / 8.0 - mean).abs() < 0.3, "{format} {padding}: {value} {mean}");
                }
                assert!(glimpse_of_raw(&bytes[..layout.bytes() - 1], &layout, &mut glimpse).is_err(), "{format}");
            }
        }
        let (bytes, layout) = raw(RawFormat::Yuyv, size, 0, luma, |_, _| [128, 128]);
        let image = raw_to_rgb(&bytes, &layout, Vec::new()).unwrap();
        glimpse_of(&image, &mut glimpse);
        assert!(worst(&glimpse, &image) < 1.5);
    }

    #[test]
    fn a_coding_that_is_not_understood_gives_nothing() {
        let mut bytes = encoded(&picture(64, 48, 1), 90);
        let mut glimpse = Glimpse::default();
        assert!(BlockMeans::default().read(&bytes, &mut glimpse).is_some());
        let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        bytes[frame + 1] = 0xC2;
        assert!(BlockMeans::default().read(&bytes, &mut glimpse).is_none());
        assert!(BlockMeans::default().read(b"", &mut glimpse).is_none());
    }

    proptest! {
        #[test]
        fn damage_anywhere_never_panics(
            hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = encoded(&picture(48, 32, 9), 80);
            for (place, value) in hits {
                let at = place.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(bytes.len() - cut.index(bytes.len()) / 3);
            let mut glimpse = Glimpse::default();
            if BlockMeans::default().read(&bytes, &mut glimpse).is_some() {
                prop_assert!(glimpse.cells().iter().all(|cell| *cell <= 2040));
            }
        }
    }
}
