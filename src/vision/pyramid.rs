//! A frame at half, quarter, … size, and sampling it between pixels.
//!
//! Every smaller picture is made from the next larger halving, so the full frame is read only once.

#![expect(
    clippy::indexing_slicing,
    reason = "rows and columns are computed from the sides of the picture whose pixels they index"
)]

use multiversion::multiversion;

use crate::domain::{Image, Point};

/// The halvings of a frame: level 0 is the frame itself, level n is `2^n` times smaller, each pixel the mean of four.
#[derive(Default)]
pub(super) struct Halvings {
    smaller: Vec<Plane>,
    used: usize,
    means: Vec<u8>,
}

#[derive(Default)]
struct Plane {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

/// A borrowed picture: `width * height * 3` bytes.
#[derive(Clone, Copy)]
pub(super) struct ImageView<'a> {
    pub width: usize,
    pub height: usize,
    pub rgb: &'a [u8],
}

impl<'a> ImageView<'a> {
    pub fn of(image: &'a Image) -> ImageView<'a> {
        ImageView { width: image.width() as usize, height: image.height() as usize, rgb: image.rgb() }
    }
}

impl Halvings {
    /// Makes the halvings of `image` down to `smallest` pixels on the shorter side. Buffers are reused from frame to frame.
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
                Some(plane) => ImageView { width: plane.width, height: plane.height, rgb: &plane.rgb },
                None => ImageView::of(image),
            };
            let plane = &mut rest[0];
            (plane.width, plane.height) = (width, height);
            plane.rgb.resize(width * height * 3, 0);
            halve(source, plane, &mut self.means);
            self.used += 1;
        }
    }

    /// The smallest halving that is at least `1 / shrink` of the frame's size, and how many times it was halved.
    pub fn for_shrink<'a>(&'a self, image: &'a Image, shrink: f32) -> (ImageView<'a>, u32) {
        let level = if shrink >= 2.0 { (shrink.log2().floor() as usize).min(self.used) } else { 0 };
        match level {
            0 => (ImageView::of(image), 0),
            n => {
                let plane = &self.smaller[n - 1];
                (ImageView { width: plane.width, height: plane.height, rgb: &plane.rgb }, n as u32)
            }
        }
    }
}

/// Means of two by two pixels; an odd last row or column is ignored.
fn halve(source: ImageView<'_>, target: &mut Plane, means: &mut Vec<u8>) {
    let stride = source.width * 3;
    means.resize(target.width * 6, 0);
    for (y, out) in target.rgb.chunks_exact_mut(target.width * 3).enumerate() {
        let top = &source.rgb[2 * y * stride..][..target.width * 6];
        let bottom = &source.rgb[(2 * y + 1) * stride..][..target.width * 6];
        halve_rows(top, bottom, means, out);
    }
}

/// One row of means from two rows. Computes the mean of two by two pixels at every column, odd ones too, because that vectorises without
/// gaps; then takes every second mean.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1+ssse3", "aarch64+neon"))]
fn halve_rows(top: &[u8], bottom: &[u8], means: &mut [u8], out: &mut [u8]) {
    let rows = top.iter().zip(bottom).map(|(&a, &b)| u16::from(a) + u16::from(b));
    let shifted = top[3..].iter().zip(&bottom[3..]).map(|(&a, &b)| u16::from(a) + u16::from(b));
    for ((mean, left), right) in means.iter_mut().zip(rows).zip(shifted) {
        *mean = ((left + right + 2) >> 2) as u8;
    }
    for (out, mean) in out.as_chunks_mut::<3>().0.iter_mut().zip(means.as_chunks::<6>().0) {
        *out = [mean[0], mean[1], mean[2]];
    }
}

/// Samples a picture bilinearly at fractional positions, from the halving that suits the shrink.
pub(super) struct Sampler<'a> {
    view: ImageView<'a>,
    /// Factor from the picture's pixels to the halving's.
    shrink: f32,
    half: f32,
}

impl<'a> Sampler<'a> {
    /// For samples `step` pixels of the picture apart. `halvings` must have been made of `image`.
    pub fn new(image: &'a Image, halvings: &'a Halvings, step: f32) -> Sampler<'a> {
        let (view, times) = halvings.for_shrink(image, step);
        let shrink = (-(times as f32)).exp2();
        // A pixel's centre is half a pixel inside, at every size.
        Sampler { view, shrink, half: 0.5 * shrink - 0.5 }
    }

    /// RGB at `p`, in pixels of the picture; black outside.
    pub fn at(&self, p: Point) -> [u8; 3] {
        let view = &self.view;
        let (right, bottom) = (view.width as f32 - 1.0, view.height as f32 - 1.0);
        let (x, y) = (p.x * self.shrink + self.half, p.y * self.shrink + self.half);
        // Up to half a pixel beyond the edge is still the edge's pixel. NaN is outside.
        if !(x > -0.5 && y > -0.5 && x < right + 0.5 && y < bottom + 0.5) {
            return [0; 3];
        }
        let (x, y) = (x.clamp(0.0, right), y.clamp(0.0, bottom));
        let (x0, y0) = (x as usize, y as usize);
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let (x1, y1) = ((x0 + 1).min(view.width - 1), (y0 + 1).min(view.height - 1));
        let pixel = |x: usize, y: usize| &view.rgb[(y * view.width + x) * 3..][..3];
        let (a, b, c, d) = (pixel(x0, y0), pixel(x1, y0), pixel(x0, y1), pixel(x1, y1));
        std::array::from_fn(|k| {
            let top = f32::from(a[k]) + (f32::from(b[k]) - f32::from(a[k])) * fx;
            let low = f32::from(c[k]) + (f32::from(d[k]) - f32::from(c[k])) * fx;
            (top + (low - top) * fy + 0.5) as u8
        })
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
    fn an_odd_row_and_an_odd_column_are_ignored() {
        for width in 2..40 {
            let rgb: Vec<u8> = (0..width * 3 * 3).map(|v| (v * 7 % 256) as u8).collect();
            let image = Image::new(width as u32, 3, rgb.clone()).unwrap();
            let mut halvings = Halvings::default();
            halvings.make(&image, 1);
            let (view, _) = halvings.for_shrink(&image, 2.0);
            let at = |x: usize, y: usize, c: usize| u16::from(rgb[(y * width + x) * 3 + c]);
            let expected: Vec<u8> = (0..width / 2 * 3)
                .map(|i| (i / 3 * 2, i % 3))
                .map(|(x, c)| ((at(x, 0, c) + at(x + 1, 0, c) + at(x, 1, c) + at(x + 1, 1, c) + 2) >> 2) as u8)
                .collect();
            assert_eq!((view.width, view.height, view.rgb), (width / 2, 1, &expected[..]));
        }
    }

    #[test]
    fn one_pixel_has_no_halvings() {
        let image = Image::new(1, 1, vec![7; 3]).unwrap();
        let mut halvings = Halvings::default();
        halvings.make(&image, 0);
        assert_eq!(halvings.for_shrink(&image, 64.0).1, 0);
    }
}
