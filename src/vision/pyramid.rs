//! A frame at half, quarter, … size, and the levels of MTCNN's pyramid cut from them.
//!
//! Every smaller picture is made from the halving that is just larger, so a frame is read once and not once a level.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use multiversion::multiversion;

use crate::domain::Image;

/// The halvings of a frame: level 0 is the frame itself, level n is `2^n` times smaller, each pixel the mean of four.
#[derive(Default)]
pub(super) struct Halvings {
    smaller: Vec<Plane>,
    used: usize,
}

#[derive(Default)]
struct Plane {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

/// A borrowed picture: `width * height * 3` bytes.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub width: usize,
    pub height: usize,
    pub rgb: &'a [u8],
}

impl<'a> View<'a> {
    pub fn of(image: &'a Image) -> View<'a> {
        View { width: image.width() as usize, height: image.height() as usize, rgb: image.rgb() }
    }
}

impl Halvings {
    /// Makes the halvings of `image` down to `smallest` pixels on the shorter side; buffers are kept from frame to frame.
    pub fn make(&mut self, image: &Image, smallest: usize) {
        self.used = 0;
        let (mut width, mut height) = (image.width() as usize, image.height() as usize);
        while width.min(height) / 2 >= smallest.max(1) {
            (width, height) = (width / 2, height / 2);
            if self.smaller.len() == self.used {
                self.smaller.push(Plane::default());
            }
            let (before, rest) = self.smaller.split_at_mut(self.used);
            let source = match before.last() {
                Some(plane) => View { width: plane.width, height: plane.height, rgb: &plane.rgb },
                None => View::of(image),
            };
            let plane = &mut rest[0];
            (plane.width, plane.height) = (width, height);
            plane.rgb.resize(width * height * 3, 0);
            halve(source, plane);
            self.used += 1;
        }
    }

    /// The smallest halving that is still at least `1 / shrink` of the frame's size, and how many times it was halved.
    pub fn for_shrink<'a>(&'a self, image: &'a Image, shrink: f32) -> (View<'a>, u32) {
        let level = if shrink >= 2.0 { (shrink.log2().floor() as usize).min(self.used) } else { 0 };
        match level {
            0 => (View::of(image), 0),
            n => {
                let plane = &self.smaller[n - 1];
                (View { width: plane.width, height: plane.height, rgb: &plane.rgb }, n as u32)
            }
        }
    }
}

/// Means of two by two pixels; an odd last row or column is left out.
fn halve(source: View<'_>, target: &mut Plane) {
    let stride = source.width * 3;
    for (y, out) in target.rgb.chunks_exact_mut(target.width * 3).enumerate() {
        let top = &source.rgb[2 * y * stride..][..stride];
        let bottom = &source.rgb[(2 * y + 1) * stride..][..stride];
        halve_rows(top, bottom, out);
    }
}

/// One row of means from two rows; eight pixels at a time, so that the processor's vectors are filled.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1+ssse3", "aarch64+neon"))]
fn halve_rows(top: &[u8], bottom: &[u8], out: &mut [u8]) {
    let mean = |a: &[u8], b: &[u8], i: usize| {
        ((u16::from(a[i]) + u16::from(a[i + 3]) + u16::from(b[i]) + u16::from(b[i + 3]) + 2) >> 2) as u8
    };
    let (blocks, rest) = out.as_chunks_mut::<24>();
    let (tops, top_rest) = top.as_chunks::<48>();
    let (bottoms, bottom_rest) = bottom.as_chunks::<48>();
    for ((out, a), b) in blocks.iter_mut().zip(tops).zip(bottoms) {
        for (i, value) in out.iter_mut().enumerate() {
            *value = mean(a, b, i / 3 * 6 + i % 3);
        }
    }
    let done = blocks.len().min(tops.len());
    let (top_rest, bottom_rest) = match done == tops.len() {
        true => (top_rest, bottom_rest),
        // An odd width leaves a whole block of input for less than a block of output.
        false => (&top[done * 48..], &bottom[done * 48..]),
    };
    for ((out, a), b) in rest.chunks_exact_mut(3).zip(top_rest.chunks_exact(6)).zip(bottom_rest.chunks_exact(6)) {
        for (c, value) in out.iter_mut().enumerate() {
            *value = mean(a, b, c);
        }
    }
}

/// Resizes one picture into another; keeps its own scratch memory.
#[derive(Default)]
pub(super) struct Shrinker(Resizer);

impl Shrinker {
    /// Fills `target` (`width * height * 3` bytes) with `source` at that size. (Mitchell's filter: of those tried on the golden faces
    /// it puts boxes and landmarks nearest to the reference, which resizes by area; docs/benchmarks.md.)
    ///
    /// `false` when a size is empty or does not fit.
    pub fn shrink(&mut self, source: View<'_>, width: usize, height: usize, target: &mut [u8]) -> bool {
        let Some(from) = TypedImageRef::<U8x3>::from_buffer(source.width as u32, source.height as u32, source.rgb).ok()
        else {
            return false;
        };
        let Some(mut to) = TypedImage::<U8x3>::from_buffer(width as u32, height as u32, target).ok() else {
            return false;
        };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Mitchell));
        self.0.resize_typed(&from, &mut to, &options).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halving_is_the_mean_of_four() {
        let rgb = (0..4 * 2 * 3).map(|v| v * 10).collect();
        let image = Image::new(4, 2, rgb).unwrap();
        let mut halvings = Halvings::default();
        halvings.make(&image, 1);
        let (view, times) = halvings.for_shrink(&image, 2.5);
        assert_eq!((view.width, view.height, times), (2, 1, 1));
        // Column 0: pixels 0, 1 of both rows: 0, 30, 120, 150.
        assert_eq!(&view.rgb[..3], &[75, 85, 95]);
    }

    #[test]
    fn one_pixel_has_no_halvings() {
        let image = Image::new(1, 1, vec![7; 3]).unwrap();
        let mut halvings = Halvings::default();
        halvings.make(&image, 0);
        assert_eq!(halvings.for_shrink(&image, 64.0).1, 0);
    }
}
