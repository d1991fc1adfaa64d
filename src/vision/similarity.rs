//! Similarity transforms of the plane (rotation, uniform scale, translation): the best fit between two sets of landmarks, and its inverse.

use crate::domain::Point;

/// `x' = a x - b y + c`, `y' = b x + a y + d`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Similarity {
    a: f32,
    b: f32,
    c: f32,
    d: f32,
}

impl Similarity {
    /// The least-squares fit from `from` to `to` (Umeyama 1991, without reflection; in the plane it has this closed form).
    pub fn between(from: &[Point; 5], to: &[Point; 5]) -> Similarity {
        let mean = |points: &[Point; 5]| {
            let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + f64::from(p.x), y + f64::from(p.y)));
            (x / 5.0, y / 5.0)
        };
        let (mf, mt) = (mean(from), mean(to));
        let (mut dot, mut cross, mut spread) = (0.0, 0.0, 0.0);
        for (f, t) in from.iter().zip(to) {
            let (fx, fy) = (f64::from(f.x) - mf.0, f64::from(f.y) - mf.1);
            let (tx, ty) = (f64::from(t.x) - mt.0, f64::from(t.y) - mt.1);
            dot += fx * tx + fy * ty;
            cross += fx * ty - fy * tx;
            spread += fx * fx + fy * fy;
        }
        let (a, b) = (dot / spread.max(1e-9), cross / spread.max(1e-9));
        let (c, d) = (mt.0 - a * mf.0 + b * mf.1, mt.1 - b * mf.0 - a * mf.1);
        Similarity { a: a as f32, b: b as f32, c: c as f32, d: d as f32 }
    }

    /// The inverse; not finite if the transform maps everything to a point.
    pub fn inverse(&self) -> Similarity {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        Similarity { a, b, c: b * self.d - a * self.c, d: -b * self.c - a * self.d }
    }

    /// The image of `p`.
    pub fn apply(&self, p: Point) -> Point {
        Point { x: self.a * p.x - self.b * p.y + self.c, y: self.b * p.x + self.a * p.y + self.d }
    }

    /// The composition: first `first`, then this one.
    pub fn after(&self, first: &Similarity) -> Similarity {
        let shift = self.apply(Point { x: first.c, y: first.d });
        let (a, b) = (self.a * first.a - self.b * first.b, self.b * first.a + self.a * first.b);
        Similarity { a, b, c: shift.x, d: shift.y }
    }

    /// The factor by which it scales lengths.
    pub fn scale(&self) -> f32 {
        self.a.hypot(self.b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEMPLATE: [[f32; 2]; 5] = [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]];

    proptest! {
        #[test]
        fn a_similarity_is_found_again(angle in -3.0f32..3.0, scale in 0.2f32..5.0, c in -200f32..200.0, d in -200f32..200.0) {
            let truth = Similarity { a: scale * angle.cos(), b: scale * angle.sin(), c, d };
            let from = TEMPLATE.map(|[x, y]| Point { x, y });
            let found = Similarity::between(&from, &from.map(|p| truth.apply(p)));
            for p in from {
                let (p, q) = (truth.apply(p), found.apply(p));
                prop_assert!((p.x - q.x).abs() < 0.01 * scale.max(1.0) && (p.y - q.y).abs() < 0.01 * scale.max(1.0));
            }
        }

        #[test]
        fn a_point_mapped_there_and_back_is_unchanged(angle in -3.0f32..3.0, scale in 0.2f32..5.0, x in -200f32..200.0, y in -200f32..200.0) {
            let there = Similarity { a: scale * angle.cos(), b: scale * angle.sin(), c: x, d: -y };
            let p = there.inverse().apply(there.apply(Point { x: y, y: x }));
            prop_assert!((p.x - y).abs() < 0.01 && (p.y - x).abs() < 0.01);
        }

        #[test]
        fn landmarks_that_fit_badly_give_a_larger_region(
            noise in prop::array::uniform5((-9f32..9.0, -9f32..9.0)), scale in 0.5f32..4.0,
        ) {
            let template = TEMPLATE.map(|[x, y]| Point { x, y });
            let seen: [Point; 5] = std::array::from_fn(|i| Point {
                x: scale * (template[i].x + noise[i].0),
                y: scale * (template[i].y + noise[i].1),
            });
            // A least-squares fit of noisy points shrinks towards the mean; the inverse of a smaller scale is a larger region.
            let back = Similarity::between(&seen, &template).inverse();
            let other = Similarity::between(&template, &seen);
            prop_assert!(back.scale() >= other.scale() * 0.9999);
        }
    }
}
