//! The colour between a picture's pixels: bilinear, from the halving that suits the shrink.
//!
//! Knows nothing of what is drawn with it.

use super::pyramid::{Halvings, View};
use crate::domain::{Image, Point};

/// Reads one picture at places that need not be whole.
pub(super) struct Sampler<'a> {
    view: View<'a>,
    /// From the picture's pixels to the halving's.
    shrink: f32,
    half: f32,
}

impl<'a> Sampler<'a> {
    /// For pixels that lie `step` of the picture's pixels apart. `halvings` must have been made of `image`.
    pub fn new(image: &'a Image, halvings: &'a Halvings, step: f32) -> Sampler<'a> {
        let (view, times) = halvings.for_shrink(image, step);
        let shrink = (-(times as f32)).exp2();
        // A pixel's centre lies half a pixel inside, at every size.
        Sampler { view, shrink, half: 0.5 * shrink - 0.5 }
    }

    /// RGB at `p`, in pixels of the picture; black outside.
    pub fn at(&self, p: Point) -> [u8; 3] {
        let view = &self.view;
        let (right, bottom) = (view.width as f32 - 1.0, view.height as f32 - 1.0);
        let (x, y) = (p.x * self.shrink + self.half, p.y * self.shrink + self.half);
        // Half a pixel beyond the edge still belongs to the edge's pixel. (NaN is outside.)
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
