//! A square box of a picture, brought to a network's input size by area.
//!
//! What reaches beyond the picture is black, as MTCNN pads it.

use super::pyramid::View;

/// Cuts squares out of pictures; keeps its scratch rows.
#[derive(Default)]
pub(super) struct Cropper {
    row: Vec<f32>,
    columns: Vec<Span>,
    rows: Vec<Span>,
}

/// The source pixels of one target pixel with their shares; at most four, which is enough for a shrink by less than two.
#[derive(Clone, Copy, Default)]
struct Span {
    first: isize,
    count: usize,
    share: [f32; TAPS],
}

const TAPS: usize = 4;

impl Cropper {
    /// Fills `target` (`width * height * 3` bytes) with the box from `(x, y)` to `(x + w, y + h)`, in pixel edges of `source`.
    pub fn crop(
        &mut self,
        source: View<'_>,
        [x, y, w, h]: [f32; 4],
        (width, height): (usize, usize),
        target: &mut [u8],
    ) {
        spans(&mut self.columns, x, w, width, source.width);
        spans(&mut self.rows, y, h, height, source.height);
        // The columns of the source that any target pixel needs.
        let first = self.columns.iter().filter(|s| s.count > 0).map(|s| s.first).min().unwrap_or(0) as usize;
        let last =
            self.columns.iter().map(|s| s.first + s.count as isize).max().unwrap_or(0).max(first as isize) as usize;
        let stride = source.width * 3;
        self.row.resize((last - first) * 3, 0.0);
        for (rows, out) in self.rows.iter().zip(target.chunks_exact_mut(width * 3)) {
            self.row.fill(0.0);
            for tap in 0..rows.count {
                let share = rows.share[tap];
                let start = (rows.first as usize + tap) * stride;
                let line = &source.rgb[start + first * 3..start + last * 3];
                for (sum, &value) in self.row.iter_mut().zip(line) {
                    *sum += f32::from(value) * share;
                }
            }
            for (columns, out) in self.columns.iter().zip(out.chunks_exact_mut(3)) {
                let mut sum = [0.5f32; 3];
                let from = (columns.first as usize).saturating_sub(first) * 3;
                for (share, pixel) in columns.share[..columns.count].iter().zip(self.row[from..].chunks_exact(3)) {
                    for c in 0..3 {
                        sum[c] += share * pixel[c];
                    }
                }
                for c in 0..3 {
                    out[c] = sum[c] as u8;
                }
            }
        }
    }
}

/// For each of `side` target pixels the source pixels below it: shares of area when shrinking, linear weights when growing.
/// Pixels outside `0..limit` are left out: they are black.
fn spans(spans: &mut Vec<Span>, start: f32, length: f32, side: usize, limit: usize) {
    spans.clear();
    let step = length / side as f32;
    for i in 0..side {
        let mut span = Span::default();
        let mut add = |position: isize, share: f32| {
            if position >= 0 && (position as usize) < limit && span.count < TAPS && share > 0.0 {
                if span.count == 0 {
                    span.first = position;
                }
                span.share[span.count] = share;
                span.count += 1;
            }
        };
        if step >= 1.0 {
            let (a, b) = (start + i as f32 * step, start + (i + 1) as f32 * step);
            let mut position = a.floor();
            while position < b {
                add(position as isize, ((position + 1.0).min(b) - position.max(a)) / step);
                position += 1.0;
            }
        } else {
            let centre = start + (i as f32 + 0.5) * step - 0.5;
            let position = centre.floor();
            add(position as isize, 1.0 - (centre - position));
            add(position as isize + 1, centre - position);
        }
        spans.push(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_crop_at_its_own_size_is_the_picture() {
        let rgb: Vec<u8> = (0..8 * 8 * 3).map(|v| v as u8).collect();
        let mut out = vec![0; 4 * 4 * 3];
        Cropper::default().crop(View { width: 8, height: 8, rgb: &rgb }, [2.0, 3.0, 4.0, 4.0], (4, 4), &mut out);
        for y in 0..4 {
            assert_eq!(out[y * 12..][..12], rgb[((y + 3) * 8 + 2) * 3..][..12]);
        }
    }

    #[test]
    fn outside_is_black_and_a_grey_stays_grey() {
        let rgb = vec![200; 10 * 10 * 3];
        let mut out = vec![1; 4 * 4 * 3];
        Cropper::default().crop(View { width: 10, height: 10, rgb: &rgb }, [-4.0, 0.0, 8.0, 8.0], (4, 4), &mut out);
        for row in out.chunks_exact(12) {
            assert_eq!(row[..6], [0; 6]);
            assert_eq!(row[6..], [200; 6]);
        }
    }

    proptest! {
        #[test]
        fn any_box_is_cut_without_panic_and_never_brighter_than_the_picture(
            width in 1usize..40, height in 1usize..40, x in -60f32..60.0, y in -60f32..60.0, size in 1f32..90.0, level in 0u8..=255,
        ) {
            let rgb = vec![level; width * height * 3];
            let mut out = vec![0; 24 * 24 * 3];
            Cropper::default().crop(View { width, height, rgb: &rgb }, [x, y, size, size], (24, 24), &mut out);
            prop_assert!(out.iter().all(|&v| v <= level));
        }
    }
}
