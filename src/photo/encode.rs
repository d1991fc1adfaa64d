//! Encoding pictures: cropping, scaling down, and writing a JPEG of bounded size.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageBuffer, Rgb, imageops};

use crate::domain::{Bounds, Image};

/// JPEG qualities, tried in turn until the file is small enough; after the last, the sides are halved.
const QUALITIES: [u8; 3] = [85, 70, 50];
/// The shortest useful longer side.
const SMALLEST_PX: u32 = 32;

/// A JPEG file in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jpeg {
    pub bytes: Vec<u8>,
    /// In pixels.
    pub width: u32,
    pub height: u32,
}

/// Crops `image` to `bounds`, extended on each side by `margin` times the longer side of `bounds`, as far as the picture reaches. `None` if
/// nothing remains.
pub fn crop(image: &Image, bounds: &Bounds, margin: f32) -> Option<Image> {
    let beyond = bounds.width().max(bounds.height()) * margin;
    // Float casts saturate, and turn not-a-number into 0.
    let (x1, y1) = ((bounds.x1 - beyond).floor() as u32, (bounds.y1 - beyond).floor() as u32);
    let x2 = ((bounds.x2 + beyond).ceil() as u32).min(image.width());
    let y2 = ((bounds.y2 + beyond).ceil() as u32).min(image.height());
    let (width, height) = (x2.checked_sub(x1)?, y2.checked_sub(y1)?);
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for row in y1..y2 {
        let start = (row as usize * image.width() as usize + x1 as usize) * 3;
        rgb.extend(image.rgb().get(start..start + width as usize * 3)?);
    }
    Image::new(width, height, rgb)
}

/// Encodes `image` as JPEG with a longer side of at most `most_px` pixels and at most `most_bytes` bytes. `None` if that would leave too
/// small a picture.
pub fn to_jpeg(image: &Image, most_px: u32, most_bytes: usize) -> Option<Jpeg> {
    let whole = ImageBuffer::<Rgb<u8>, &[u8]>::from_raw(image.width(), image.height(), image.rgb())?;
    let longer = image.width().max(image.height());
    let mut side = longer.min(most_px);
    while side >= SMALLEST_PX.min(longer) {
        let scaled = |length: u32| (u64::from(length) * u64::from(side) / u64::from(longer)).max(1) as u32;
        let (width, height) = (scaled(image.width()), scaled(image.height()));
        let smaller = (side < longer).then(|| imageops::thumbnail(&whole, width, height));
        let rgb = smaller.as_ref().map_or(image.rgb(), |picture| picture.as_raw());
        for quality in QUALITIES {
            let mut bytes = Vec::new();
            // Encoding to memory fails only for sides above 65,535 pixels, which `most_px` may allow.
            JpegEncoder::new_with_quality(&mut bytes, quality)
                .encode(rgb, width, height, ExtendedColorType::Rgb8)
                .ok()?;
            if bytes.len() <= most_bytes {
                return Some(Jpeg { bytes, width, height });
            }
        }
        side /= 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::photo::decode;

    /// A picture whose pixels encode their position.
    fn map(width: u32, height: u32) -> Image {
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7])).collect();
        Image::new(width, height, rgb).unwrap()
    }

    fn noise(width: u32, height: u32) -> Image {
        let mut random = fastrand::Rng::with_seed(7);
        Image::new(width, height, (0..width * height * 3).map(|_| random.u8(..)).collect()).unwrap()
    }

    #[test]
    fn a_crop_has_its_margin_where_there_is_room() {
        let bounds = Bounds { x1: 20.0, y1: 2.0, x2: 40.0, y2: 12.0 };
        let cut = crop(&map(100, 50), &bounds, 0.5).unwrap();
        assert_eq!((cut.width(), cut.height()), (40, 22));
        assert_eq!(&cut.rgb()[..3], [10, 0, 7]);
        assert_eq!(&cut.rgb()[cut.rgb().len() - 3..], [49, 21, 7]);
    }

    #[test]
    fn a_jpeg_is_within_its_limits_or_not_made() {
        let picture = noise(200, 100);
        let whole = to_jpeg(&picture, 1000, usize::MAX).unwrap();
        assert_eq!((whole.width, whole.height), (200, 100));
        let small = to_jpeg(&picture, 1000, 8000).unwrap();
        assert!(small.bytes.len() <= 8000 && small.width <= 200 && small.width >= SMALLEST_PX);
        let read = decode(&small.bytes).unwrap();
        assert_eq!((read.width(), read.height()), (small.width, small.height));
        let narrow = to_jpeg(&picture, 50, usize::MAX).unwrap();
        assert_eq!((narrow.width, narrow.height), (50, 25));
        assert_eq!(to_jpeg(&picture, 1000, 300), None);
    }

    proptest! {
        #[test]
        fn any_bounds_give_a_part_of_the_picture_or_none(
            corners in prop::array::uniform4(prop_oneof![any::<f32>(), -50.0f32..150.0]), margin in -1.0f32..3.0,
        ) {
            let [x1, y1, x2, y2] = corners;
            if let Some(cut) = crop(&map(100, 50), &Bounds { x1, y1, x2, y2 }, margin) {
                prop_assert!(cut.width() <= 100 && cut.height() <= 50);
            }
        }
    }
}
