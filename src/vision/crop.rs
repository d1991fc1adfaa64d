//! Cuts a box out of a picture and resizes it by area to a network's input size.

#![expect(
    clippy::indexing_slicing,
    reason = "`spans` keeps every source pixel inside the picture, at most TAPS for each target pixel"
)]

use multiversion::multiversion;

use super::pyramid::ImageView;

/// Cuts boxes out of pictures. Reuses its scratch rows.
#[derive(Default)]
pub(super) struct Cropper {
    row: Vec<f32>,
    columns: Vec<Span>,
    rows: Vec<Span>,
}

/// The source pixels of one target pixel with their shares; at most four, enough for a shrink by less than two.
#[derive(Clone, Copy, Default)]
struct Span {
    first: usize,
    count: usize,
    share: [f32; TAPS],
}

const TAPS: usize = 4;

/// What is beyond a picture's edges.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    /// Black, as MTCNN pads its crops.
    IsBlack,
    /// The edge's pixels repeated, as a resize of the whole picture has it.
    Repeats,
}

impl Cropper {
    /// Fills `target` (`width * height * 3` bytes) with the box from `(x, y)` to `(x + w, y + h)`, in pixel edges of `source`.
    pub fn crop(
        &mut self,
        source: ImageView<'_>,
        outside: Outside,
        [x, y, w, h]: [f32; 4],
        (width, height): (usize, usize),
        target: &mut [u8],
    ) {
        spans(&mut self.columns, outside, x, w, width, source.width);
        spans(&mut self.rows, outside, y, h, height, source.height);
        // The columns of the source that any target pixel needs.
        let used = || self.columns.iter().filter(|s| s.count > 0);
        let first = used().map(|s| s.first).min().unwrap_or(0);
        let last = used().map(|s| s.first + s.count).max().unwrap_or(first);
        // Missing taps have share 0, so each pixel may read all its taps and one value more.
        self.row.clear();
        self.row.resize((last - first + TAPS) * 3 + 1, 0.0);
        for column in &mut self.columns {
            column.first = column.first.max(first) - first;
        }
        let stride = source.width * 3;
        let line = |row: usize| &source.rgb[row * stride + first * 3..row * stride + last * 3];
        for (rows, out) in self.rows.iter().zip(target.chunks_exact_mut(width * 3)) {
            let row = &mut self.row[..(last - first) * 3];
            let (at, share) = (rows.first, rows.share);
            match rows.count {
                0 => row.fill(0.0),
                1 => blend([line(at)], [share[0]], row),
                2 => blend([line(at), line(at + 1)], [share[0], share[1]], row),
                3 => blend([line(at), line(at + 1), line(at + 2)], [share[0], share[1], share[2]], row),
                _ => blend([line(at), line(at + 1), line(at + 2), line(at + 3)], share, row),
            }
            gather(&self.row, &self.columns, out);
        }
    }
}

/// The sum of `lines` by their shares, value by value.
fn blend<const LINES: usize>(lines: [&[u8]; LINES], shares: [f32; LINES], row: &mut [f32]) {
    blend_rows(&lines, &shares, row);
}

#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1+ssse3", "aarch64+neon"))]
fn blend_rows(lines: &[&[u8]], shares: &[f32], row: &mut [f32]) {
    let (Some((first, lines)), Some((share, shares))) = (lines.split_first(), shares.split_first()) else {
        return;
    };
    for (sum, &value) in row.iter_mut().zip(*first) {
        *sum = f32::from(value) * share;
    }
    for (line, share) in lines.iter().zip(shares) {
        for (sum, &value) in row.iter_mut().zip(*line) {
            *sum += f32::from(value) * share;
        }
    }
}

/// Each pixel of `out` from its columns of `row`, which has room for all taps of each and one value more.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1+ssse3", "aarch64+neon"))]
fn gather(row: &[f32], columns: &[Span], out: &mut [u8]) {
    for (column, pixel) in columns.iter().zip(out.as_chunks_mut::<3>().0) {
        let Some(values) = row[column.first * 3..].first_chunk::<{ TAPS * 3 + 1 }>() else { continue };
        // Four values at once: red, green, blue, and the next pixel's red, which is discarded.
        let mut sums = [0.5f32; 4];
        for (tap, share) in column.share.iter().enumerate() {
            for (c, sum) in sums.iter_mut().enumerate() {
                *sum += share * values[tap * 3 + c];
            }
        }
        // Shares sum to one, or a little more by rounding: the cast saturates.
        *pixel = [sums[0] as u8, sums[1] as u8, sums[2] as u8];
    }
}

/// For each of `side` target pixels its source pixels: shares of area when shrinking, linear weights when enlarging.
fn spans(spans: &mut Vec<Span>, outside: Outside, start: f32, length: f32, side: usize, limit: usize) {
    spans.clear();
    let step = length / side as f32;
    for i in 0..side {
        let mut span = Span::default();
        let mut add = |position: isize, share: f32| {
            let position = match outside {
                Outside::IsBlack => position,
                Outside::Repeats => position.clamp(0, limit as isize - 1),
            };
            if span.count > 0 && position < (span.first + span.count) as isize {
                // The edge's pixel again.
                span.share[span.count - 1] += share;
            } else if position >= 0 && (position as usize) < limit && span.count < TAPS && share > 0.0 {
                if span.count == 0 {
                    span.first = position as usize;
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
        Cropper::default().crop(
            ImageView { width: 8, height: 8, rgb: &rgb },
            Outside::IsBlack,
            [2.0, 3.0, 4.0, 4.0],
            (4, 4),
            &mut out,
        );
        for y in 0..4 {
            assert_eq!(out[y * 12..][..12], rgb[((y + 3) * 8 + 2) * 3..][..12]);
        }
    }

    #[test]
    fn outside_is_black_and_a_grey_stays_grey() {
        let rgb = vec![200; 10 * 10 * 3];
        let mut out = vec![1; 4 * 4 * 3];
        Cropper::default().crop(
            ImageView { width: 10, height: 10, rgb: &rgb },
            Outside::IsBlack,
            [-4.0, 0.0, 8.0, 8.0],
            (4, 4),
            &mut out,
        );
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
            let view = ImageView { width, height, rgb: &rgb };
            Cropper::default().crop(view, Outside::IsBlack, [x, y, size, size], (24, 24), &mut out);
            prop_assert!(out.iter().all(|&v| v <= level));
            let size = size.min(47.0);
            Cropper::default().crop(view, Outside::Repeats, [x, y, size, size], (24, 24), &mut out);
            prop_assert!(out.iter().all(|&v| v.abs_diff(level) <= 1));
        }
    }
}
