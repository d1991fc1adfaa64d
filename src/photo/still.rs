//! Photographs: files and bytes of any supported kind to upright RGB.
//!
//! Grey becomes RGB with three equal channels, 16-bit channels are rounded to 8 bits, and palettes are resolved. Transparency is dropped
//! without blending. Of an animation, the first picture is used.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use super::{PhotoError, catch_panic, check_size, jpeg, kind};
use crate::domain::Image;

/// The longest file that is read. An uncompressed picture of [`super::MAX_PIXELS`] fits.
const MAX_FILE_BYTES: u64 = 512 << 20;
/// The most memory a decoder may allocate. 100 megapixels of four 16-bit channels fit.
const MAX_DECODER_BYTES: u64 = 1 << 30;

/// Reads and decodes the picture at `path`.
///
/// # Errors
/// Always [`PhotoError::File`], with the path and the cause.
pub fn load(path: &Path) -> Result<Image, PhotoError> {
    read(path)
        .and_then(|bytes| decode(&bytes))
        .map_err(|cause| PhotoError::File { path: path.into(), cause: cause.into() })
}

/// As [`load`] with bounded memory: a photograph of more than [`LARGE_PIXELS`](super::LARGE_PIXELS) is halved until it has fewer, before it is
/// turned upright, and only one such photograph is decoded at a time. Also returns the factor by which the sides were reduced: 1, 2 or 4.
pub fn load_reduced(path: &Path) -> Result<(Image, u32), PhotoError> {
    let decoded = read(path).and_then(|bytes| decode_reduced(&bytes));
    decoded.map_err(|cause| PhotoError::File { path: path.into(), cause: cause.into() })
}

/// As [`load_reduced`], from bytes.
///
/// # Errors
/// Those of [`decode`].
pub fn decode_reduced(bytes: &[u8]) -> Result<(Image, u32), PhotoError> {
    /// Held while a large photograph is decoded.
    static LARGE: Mutex<()> = Mutex::new(());
    let size = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map(ImageReader::into_dimensions);
    let is_large = matches!(size, Ok(Ok((w, h))) if u64::from(w) * u64::from(h) > super::LARGE_PIXELS);
    let _alone = is_large.then(|| LARGE.lock().unwrap_or_else(PoisonError::into_inner));
    decode_to(bytes, super::LARGE_PIXELS)
}

/// Decodes a JPEG, PNG, BMP or WebP picture, recognised by its first bytes, and turns it upright.
///
/// # Errors
/// [`PhotoError::Empty`], [`PhotoError::UnknownKind`], [`PhotoError::Damaged`] (also if it is truncated),
/// [`PhotoError::Unsupported`], [`PhotoError::TooLarge`].
pub fn decode(bytes: &[u8]) -> Result<Image, PhotoError> {
    Ok(decode_to(bytes, u64::MAX)?.0)
}

/// As [`decode`], halved until it has at most `most` pixels. Also returns the factor by which the sides were reduced.
fn decode_to(bytes: &[u8], most: u64) -> Result<(Image, u32), PhotoError> {
    if bytes.is_empty() {
        return Err(PhotoError::Empty);
    }
    // `guess_format` needs the second marker, but stray bytes may precede it.
    let format = if bytes.starts_with(&[0xFF, 0xD8]) { Ok(ImageFormat::Jpeg) } else { image::guess_format(bytes) };
    match format {
        Ok(ImageFormat::Jpeg) => {
            let (image, exif) = jpeg::decode_with_exif(bytes)?;
            let (image, times) = reduce(image, most)?;
            match exif.and_then(|exif| Orientation::from_exif_chunk(&exif)) {
                None | Some(Orientation::NoTransforms) => Ok((image, times)),
                Some(orientation) => catch_panic(|| turn(image, orientation)).map(|image| (image, times)),
            }
        }
        Ok(format @ (ImageFormat::Png | ImageFormat::Bmp | ImageFormat::WebP)) => {
            let (image, orientation) = catch_panic(|| decode_as(format, bytes))?;
            let (image, times) = reduce(image, most)?;
            match orientation {
                Orientation::NoTransforms => Ok((image, times)),
                orientation => catch_panic(|| turn(image, orientation)).map(|image| (image, times)),
            }
        }
        _ => Err(kind::other(bytes).map_or(PhotoError::UnknownKind, PhotoError::OtherKind)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, PhotoError> {
    // Checked before opening, because opening a pipe would block.
    let kind = std::fs::metadata(path)?;
    if kind.is_dir() {
        return Err(PhotoError::Folder);
    }
    if !kind.is_file() {
        return Err(PhotoError::NotAFile);
    }
    if kind.len() > MAX_FILE_BYTES {
        return Err(PhotoError::TooLong { bytes: kind.len(), limit: MAX_FILE_BYTES });
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Decodes a picture as stored. Also returns its orientation.
fn decode_as(format: ImageFormat, bytes: &[u8]) -> Result<(Image, Orientation), PhotoError> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refusal)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    if decoder.total_bytes() > MAX_DECODER_BYTES {
        return Err(PhotoError::TooLarge { width, height });
    }
    // Unreadable metadata is no reason to refuse the picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(refusal)?;
    Ok((upright(picture.into_rgb8())?, orientation))
}

/// Halves a picture until it has at most `most` pixels, in place: each pixel becomes the mean of four, and an odd last row or column is
/// dropped.
fn reduce(image: Image, most: u64) -> Result<(Image, u32), PhotoError> {
    let (mut width, mut height) = (image.width() as usize, image.height() as usize);
    let mut times = 1;
    if width as u64 * height as u64 <= most {
        return Ok((image, times));
    }
    let mut rgb = image.into_rgb();
    while width as u64 * height as u64 > most && width >= 2 && height >= 2 {
        let (half_width, half_height) = (width / 2, height / 2);
        for y in 0..half_height {
            for x in 0..half_width {
                for channel in 0..3 {
                    let at = |dx: usize, dy: usize| ((2 * y + dy) * width + 2 * x + dx) * 3 + channel;
                    let four = [at(0, 0), at(1, 0), at(0, 1), at(1, 1)];
                    let sum: u16 = four.iter().map(|&at| rgb.get(at).copied().map_or(0, u16::from)).sum();
                    // The target is at or before the first of the four, so everything overwritten has been read.
                    if let Some(pixel) = rgb.get_mut((y * half_width + x) * 3 + channel) {
                        *pixel = ((sum + 2) / 4) as u8;
                    }
                }
            }
        }
        (width, height, times) = (half_width, half_height, times * 2);
    }
    rgb.truncate(width * height * 3);
    rgb.shrink_to_fit();
    Image::new(width as u32, height as u32, rgb).map(|image| (image, times)).ok_or_else(wrong_size)
}

fn turn(image: Image, orientation: Orientation) -> Result<Image, PhotoError> {
    let (width, height) = (image.width(), image.height());
    let stored = RgbImage::from_raw(width, height, image.into_rgb()).ok_or_else(wrong_size)?;
    let mut picture = DynamicImage::ImageRgb8(stored);
    picture.apply_orientation(orientation);
    upright(picture.into_rgb8())
}

fn upright(picture: RgbImage) -> Result<Image, PhotoError> {
    Image::new(picture.width(), picture.height(), picture.into_raw()).ok_or_else(wrong_size)
}

fn wrong_size() -> PhotoError {
    PhotoError::Damaged("its size is not the one in its header".into())
}

fn refusal(error: ImageError) -> PhotoError {
    match error {
        ImageError::Unsupported(kind) => PhotoError::Unsupported(kind.to_string()),
        other => PhotoError::Damaged(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, ImageBuffer, Luma, LumaA, Rgb, Rgba};
    use proptest::prelude::*;

    fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// 32 by 16 pixels of four colours: red, green / blue, white.
    fn quarters(x: u32, y: u32) -> [u8; 3] {
        match (x < 16, y < 8) {
            (true, true) => [255, 0, 0],
            (false, true) => [0, 255, 0],
            (true, false) => [0, 0, 255],
            (false, false) => [255, 255, 255],
        }
    }

    /// The quarters as a camera stores them for an orientation: row 0 and column 0 are the sides of the upright picture that the EXIF
    /// standard (JEITA CP-3451, tag 0x0112) names.
    fn stored(orientation: u8) -> RgbImage {
        let (w, h) = (32, 16);
        let (columns, rows) = if orientation < 5 { (w, h) } else { (h, w) };
        RgbImage::from_fn(columns, rows, |column, row| {
            let (x, y) = match orientation {
                1 => (column, row),                 // row 0 top, column 0 left
                2 => (w - 1 - column, row),         // top, right
                3 => (w - 1 - column, h - 1 - row), // bottom, right
                4 => (column, h - 1 - row),         // bottom, left
                5 => (row, column),                 // left, top
                6 => (w - 1 - row, column),         // right, top
                7 => (w - 1 - row, h - 1 - column), // right, bottom
                _ => (row, h - 1 - column),         // left, bottom
            };
            Rgb(quarters(x, y))
        })
    }

    /// A big-endian TIFF header with one entry: the orientation, a SHORT.
    fn exif(orientation: u8) -> Vec<u8> {
        let mut block = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        block.extend([orientation, 0, 0, 0, 0, 0, 0]);
        block
    }

    fn with_exif(jpeg: &[u8], block: &[u8]) -> Vec<u8> {
        let length = (block.len() as u16 + 2).to_be_bytes();
        [&jpeg[..2], &[0xFF, 0xE1], &length, block, &jpeg[2..]].concat()
    }

    #[test]
    fn all_eight_orientations_are_turned_upright() {
        for orientation in 1..=8 {
            let mut jpeg = Vec::new();
            image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 100)
                .encode_image(&stored(orientation))
                .unwrap();
            let image = decode(&with_exif(&jpeg, &exif(orientation))).unwrap();
            assert_eq!((image.width(), image.height()), (32, 16), "{orientation}");
            for (x, y) in [(4, 4), (28, 4), (4, 12), (28, 12)] {
                let at = (y * 32 + x) as usize * 3;
                let pixel = &image.rgb()[at..at + 3];
                let near = pixel.iter().zip(quarters(x, y)).all(|(a, b)| a.abs_diff(b) < 30);
                assert!(near, "orientation {orientation}, ({x}, {y}): {pixel:?}");
            }
        }
    }

    #[test]
    fn a_broken_exif_block_is_ignored() {
        let jpeg = encoded(stored(1), ImageFormat::Jpeg);
        for block in [b"Exif\0\0".as_slice(), b"Exif\0\0MM\0*\xFF\xFF\xFF\xFF", &exif(9), &exif(0)] {
            let image = decode(&with_exif(&jpeg, block)).unwrap();
            assert_eq!((image.width(), image.height()), (32, 16));
        }
    }

    #[test]
    fn every_kind_of_pixel_becomes_rgb() {
        let one = |bytes: Vec<u8>| decode(&bytes).unwrap().into_rgb();
        let png = ImageFormat::Png;
        assert_eq!(one(encoded(GrayImage::from_pixel(1, 1, Luma([7])), png)), [7, 7, 7]);
        let grey_alpha = ImageBuffer::from_pixel(1, 1, LumaA([7u8, 0]));
        assert_eq!(one(encoded(grey_alpha, png)), [7, 7, 7]);
        let rgba = ImageBuffer::from_pixel(1, 1, Rgba([1u8, 2, 3, 0]));
        assert_eq!(one(encoded(rgba.clone(), png)), [1, 2, 3]);
        assert_eq!(one(encoded(rgba, ImageFormat::WebP)), [1, 2, 3]);
        let deep = ImageBuffer::from_pixel(1, 1, Rgb([0u16, 257 * 100, 65535]));
        assert_eq!(one(encoded(deep, png)), [0, 100, 255]);
        let deep_grey = ImageBuffer::from_pixel(1, 1, Luma([257u16 * 30 + 120]));
        assert_eq!(one(encoded(deep_grey, png)), [30, 30, 30]);
        assert_eq!(one(encoded(RgbImage::from_pixel(1, 1, Rgb([9, 8, 7])), ImageFormat::Bmp)), [9, 8, 7]);
        let jpeg = one(encoded(GrayImage::from_pixel(1, 1, Luma([128])), ImageFormat::Jpeg));
        assert!(jpeg.len() == 3 && jpeg.iter().all(|v| v.abs_diff(128) <= 1), "{jpeg:?}");
    }

    #[test]
    fn a_large_photograph_is_halved_before_it_is_turned() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("large.jpg");
        // 18 megapixels: the left half light, stored on its side.
        let picture = GrayImage::from_fn(4500, 4000, |_, y| Luma([if y < 2000 { 200 } else { 50 }]));
        std::fs::write(&file, with_exif(&encoded(picture, ImageFormat::Jpeg), &exif(8))).unwrap();
        let (image, times) = load_reduced(&file).unwrap();
        assert_eq!((image.width(), image.height(), times), (2000, 2250, 2));
        let at = |x: usize| image.rgb()[(1000 * 2000 + x) * 3];
        assert!(at(500).abs_diff(200) < 3 && at(1500).abs_diff(50) < 3, "{} {}", at(500), at(1500));
        let whole = load(&file).unwrap();
        assert_eq!((whole.width(), whole.height()), (4000, 4500));
        let (small, times) = reduce(Image::new(3, 2, (0..18).collect()).unwrap(), 2).unwrap();
        assert_eq!((small.width(), small.height(), times, small.rgb()), (1, 1, 2, &[6, 7, 8][..]));
    }

    #[test]
    fn a_palette_is_resolved() {
        // 8-bit BMP, 2x1, two colours (blue, green, red, 0 each), rows padded to 4 bytes.
        let mut bmp = b"BM\x42\0\0\0\0\0\0\0\x3e\0\0\0\x28\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\x08\0".to_vec();
        bmp.extend([0; 16]);
        bmp.extend([2, 0, 0, 0, 2, 0, 0, 0, 30, 20, 10, 0, 60, 50, 40, 0, 1, 0, 0, 0]);
        assert_eq!(decode(&bmp).unwrap().rgb(), [40, 50, 60, 10, 20, 30]);
    }

    #[test]
    fn a_truncated_picture_of_any_kind_is_an_error() {
        let noise = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * y) as u8, (x * 7 + y * 13) as u8, (x ^ y) as u8]));
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP] {
            let whole = encoded(noise.clone(), format);
            assert!(decode(&whole).is_ok());
            for cut in [whole.len() / 3, whole.len() / 2, whole.len() * 9 / 10] {
                let error = decode(&whole[..cut]).unwrap_err();
                assert!(matches!(error, PhotoError::Damaged(_)), "{format:?} at {cut}: {error}");
            }
        }
    }

    #[test]
    fn files_that_are_not_pictures_are_refused_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("notes.jpg");
        std::fs::write(&text, "Dear reader, this is a letter.").unwrap();
        let empty = folder.path().join("empty.png");
        std::fs::write(&empty, "").unwrap();
        let cases = [
            (text.as_path(), "convert it"),
            (&empty, "0 bytes"),
            (folder.path(), "name one picture in it"),
            (&folder.path().join("missing.jpg"), "check the path"),
            (Path::new("/dev/null"), "name a picture file"),
        ];
        for (path, advice) in cases {
            let error = load(path).unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()) && error.contains(advice), "{error}");
        }
    }

    #[test]
    fn fifty_megapixels_are_decoded_and_more_than_a_hundred_refused() {
        let large = encoded(GrayImage::from_pixel(8000, 6250, Luma([50])), ImageFormat::Png);
        let image = decode(&large).unwrap();
        assert_eq!((image.width(), image.height(), image.rgb()[149_999_999]), (8000, 6250, 50));
        drop(image);

        // Only the header claims this size; nothing of it is allocated.
        let mut bomb = encoded(GrayImage::from_pixel(1, 1, Luma([50])), ImageFormat::Bmp);
        bomb[18..26].copy_from_slice(&[0x10, 0x27, 0, 0, 0x11, 0x27, 0, 0]);
        let error = decode(&bomb).unwrap_err();
        assert!(matches!(error, PhotoError::TooLarge { width: 10_000, height: 10_001 }), "{error}");
    }

    #[test]
    fn photographs_of_people_decode_completely() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/mtcnn-golden"));
        let Ok(entries) = std::fs::read_dir(folder) else {
            eprintln!("skipped photographs_of_people_decode_completely: {} is missing", folder.display());
            return;
        };
        let paths =
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "jpg"));
        let mut decoded = 0;
        for path in paths {
            let image = load(&path).unwrap();
            let other = image::open(&path).unwrap();
            assert_eq!(image.width().max(image.height()), other.width().max(other.height()), "{}", path.display());
            decoded += 1;
        }
        assert!(decoded > 0, "{} holds no .jpg", folder.display());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_picture_or_an_error(
            head in prop::sample::select(vec![&b""[..], b"\xFF\xD8\xFF", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF\x40\0\0\0WEBPVP8L"]),
            tail in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(image) = decode(&[head, &tail].concat()) {
                prop_assert!(u64::from(image.width()) * u64::from(image.height()) <= super::super::MAX_PIXELS);
            }
        }

        #[test]
        fn a_damaged_picture_is_a_picture_or_an_error(
            format in prop::sample::select(vec![ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP]),
            hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut bytes = encoded(stored(1), format);
            for (place, value) in hits {
                let at = place.index(bytes.len());
                bytes[at] = value;
            }
            if let Ok(image) = decode(&bytes) {
                prop_assert!(u64::from(image.width()) * u64::from(image.height()) <= super::super::MAX_PIXELS);
            }
        }
    }
}
