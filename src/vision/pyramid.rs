//! A frame at half, quarter, … size.
//!
//! Every smaller picture is made from the halving that is just larger, so a frame is read once and not once a level.

use multiversion::multiversion;

use crate::domain::Image;

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
            halve(source, plane, &mut self.means);
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
fn halve(source: View<'_>, target: &mut Plane, means: &mut Vec<u8>) {
    let stride = source.width * 3;
    means.resize(target.width * 6, 0);
    for (y, out) in target.rgb.chunks_exact_mut(target.width * 3).enumerate() {
        let top = &source.rgb[2 * y * stride..][..target.width * 6];
        let bottom = &source.rgb[(2 * y + 1) * stride..][..target.width * 6];
        halve_rows(top, bottom, means, out);
    }
}

/// One row of means from two rows. First the mean of each two by two pixels, also of those that begin at an odd column: without gaps
/// the processor's vectors are filled. Then every second one is taken.
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
    fn an_odd_row_and_an_odd_column_are_left_out() {
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
