//! Candidate boxes of MTCNN and their arithmetic: suppression, regression, squaring.
//!
//! Coordinates are MTCNN's: 1-based pixels, both ends inclusive, so a box is `x2 - x1 + 1` wide (Zhang et al. 2016, as the FaceNet
//! project's detector implements it).

/// A box with its score and the regression that its network proposes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Candidate {
    pub x1: f32,
    pub y1: f32,
    pub x2: f32,
    pub y2: f32,
    pub score: f32,
    /// Shifts of the four sides, relative to width and height.
    pub shift: [f32; 4],
    /// Index of its landmarks, which lets them follow the box through the suppression.
    pub index: usize,
}

impl Candidate {
    fn area(&self) -> f32 {
        (self.x2 - self.x1 + 1.0) * (self.y2 - self.y1 + 1.0)
    }

    /// Whether the common area is more than `limit` times the area that `overlap` selects.
    pub fn overlaps(&self, other: &Candidate, limit: f32, overlap: Overlap) -> bool {
        let w = (self.x2.min(other.x2) - self.x1.max(other.x1) + 1.0).max(0.0);
        let h = (self.y2.min(other.y2) - self.y1.max(other.y1) + 1.0).max(0.0);
        let both = w * h;
        let whole = match overlap {
            Overlap::Union => self.area() + other.area() - both,
            Overlap::Min => self.area().min(other.area()),
        };
        both > limit * whole
    }

    /// Moves the sides by `shift`, measured on a box that is `extra` pixels larger than the difference of its sides.
    pub fn regress(&mut self, extra: f32) {
        let (w, h) = (self.x2 - self.x1 + extra, self.y2 - self.y1 + extra);
        let [left, top, right, bottom] = self.shift;
        self.x1 += left * w;
        self.y1 += top * h;
        self.x2 += right * w;
        self.y2 += bottom * h;
    }

    /// Extends the shorter side around the middle to the longer, and truncates to whole pixels.
    pub fn square(&mut self) {
        let (w, h) = (self.x2 - self.x1, self.y2 - self.y1);
        let side = w.max(h);
        let (left, top) = (self.x1 + w * 0.5 - side * 0.5, self.y1 + h * 0.5 - side * 0.5);
        self.x1 = left.trunc();
        self.y1 = top.trunc();
        self.x2 = (left + side).trunc();
        self.y2 = (top + side).trunc();
    }
}

/// What the common area of two boxes is divided by.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Overlap {
    /// Their union.
    Union,
    /// The smaller of the two.
    Min,
}

/// Non-maximum suppression: of boxes that overlap by more than `limit` keeps the one with the best score. Sorts by score, best first.
#[expect(clippy::indexing_slicing, reason = "`kept` never exceeds `i`")]
pub(super) fn suppress(candidates: &mut Vec<Candidate>, limit: f32, overlap: Overlap) {
    // Unstable sorting does not allocate; equal scores are ordered by position, so that the result is the same everywhere.
    candidates
        .sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.y1.total_cmp(&b.y1)).then(a.x1.total_cmp(&b.x1)));
    let mut kept = 0;
    for i in 0..candidates.len() {
        let candidate = candidates[i];
        let hidden = candidates[..kept].iter().any(|better| candidate.overlaps(better, limit, overlap));
        if !hidden {
            candidates[kept] = candidate;
            kept += 1;
        }
    }
    candidates.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(x: f32, y: f32, side: f32, score: f32) -> Candidate {
        Candidate { x1: x, y1: y, x2: x + side, y2: y + side, score, ..Candidate::default() }
    }

    #[test]
    fn of_two_boxes_on_one_face_the_better_stays() {
        let mut boxes = vec![at(10.0, 10.0, 40.0, 0.8), at(12.0, 11.0, 40.0, 0.9), at(100.0, 10.0, 40.0, 0.7)];
        suppress(&mut boxes, 0.5, Overlap::Union);
        assert_eq!(boxes.iter().map(|b| b.score).collect::<Vec<_>>(), [0.9, 0.7]);
    }

    #[test]
    fn a_box_inside_another_is_suppressed_relative_to_the_smaller_area_only() {
        let inside = || vec![at(0.0, 0.0, 99.0, 0.9), at(30.0, 30.0, 39.0, 0.8)];
        let (mut union, mut min) = (inside(), inside());
        suppress(&mut union, 0.7, Overlap::Union);
        suppress(&mut min, 0.7, Overlap::Min);
        assert_eq!((union.len(), min.len()), (2, 1));
    }

    #[test]
    fn squaring_keeps_the_middle_and_takes_the_longer_side() {
        let mut tall = Candidate { x1: 10.0, y1: 10.0, x2: 20.0, y2: 50.0, ..Candidate::default() };
        tall.square();
        assert_eq!((tall.x1, tall.y1, tall.x2, tall.y2), (-5.0, 10.0, 35.0, 50.0));
    }

    proptest! {
        #[test]
        fn no_two_survivors_overlap_and_nothing_is_invented(
            raw in prop::collection::vec((0f32..200.0, 0f32..200.0, 1f32..90.0, 0f32..1.0), 0..60), limit in 0.1f32..0.9,
        ) {
            let before: Vec<_> = raw.iter().map(|&(x, y, side, score)| at(x, y, side, score)).collect();
            let mut after = before.clone();
            suppress(&mut after, limit, Overlap::Union);
            prop_assert!(after.iter().all(|b| before.contains(b)));
            prop_assert!(after.is_sorted_by(|a, b| a.score >= b.score));
            for (i, a) in after.iter().enumerate() {
                for b in &after[..i] {
                    let w = (a.x2.min(b.x2) - a.x1.max(b.x1) + 1.0).max(0.0);
                    let h = (a.y2.min(b.y2) - a.y1.max(b.y1) + 1.0).max(0.0);
                    prop_assert!(w * h <= limit * (a.area() + b.area() - w * h));
                }
            }
        }
    }
}
