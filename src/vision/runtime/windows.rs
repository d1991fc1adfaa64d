//! How an input holds a picture: as it is, or as the windows that the first layer looks at, laid out beside each other.
//!
//! Knows nothing of networks, and nothing of what a pixel's value becomes.

/// Squares of pixels, one at each place where a whole one fits. Each position of the input holds one, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Pixels of a square's side; 1 is the picture as it is.
    pub side: usize,
}

/// Bytes of a pixel.
const RGB: usize = 3;
/// The side of MTCNN's windows, whose rows are then a few instructions each.
const USUAL: usize = 3;

impl Windows {
    /// The picture as it is.
    pub const PIXELS: Windows = Windows { side: 1 };

    /// The input's shape for pictures of `[batch, rows, columns, 3]`.
    pub(super) fn shape(self, [batch, rows, columns, colours]: [usize; 4]) -> [usize; 4] {
        let positions = |pixels: usize| (pixels + 1).saturating_sub(self.side);
        [batch, positions(rows), positions(columns), self.side * self.side * colours]
    }

    /// Lays one picture with rows of `columns` pixels out in `input`.
    pub(super) fn lay(self, rgb: &[u8], columns: usize, input: &mut [u8]) {
        let across = (columns + 1).saturating_sub(self.side);
        let lines = input.chunks_exact_mut((across * self.side * self.side * RGB).max(1));
        // From each row of the picture on as many rows as a window has.
        let stride = columns * RGB;
        for (line, rows) in lines.zip((0..).map_while(|row| rgb.get(row * stride..(row + self.side) * stride))) {
            match self.side {
                1 => line.copy_from_slice(rows),
                USUAL => lay_usual(rows, stride, line),
                side => {
                    for (x, window) in line.chunks_exact_mut(side * side * RGB).enumerate() {
                        for (run, row) in window.chunks_exact_mut(side * RGB).zip(rows.chunks_exact(stride)) {
                            run.copy_from_slice(&row[x * RGB..][..side * RGB]);
                        }
                    }
                }
            }
        }
    }
}

fn lay_usual(rows: &[u8], stride: usize, line: &mut [u8]) {
    const RUN: usize = USUAL * RGB;
    let rows: [&[u8]; USUAL] = std::array::from_fn(|row| &rows[row * stride..][..stride]);
    for (x, window) in line.as_chunks_mut::<{ USUAL * RUN }>().0.iter_mut().enumerate() {
        for (run, row) in window.as_chunks_mut::<RUN>().0.iter_mut().zip(rows) {
            if let Some(pixels) = row[x * RGB..].first_chunk() {
                *run = *pixels;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn windows_of_three_lie_as_their_layer_reads_them() {
        // Two rows of windows over 4 rows and 3 columns; red counts the pixels.
        let rgb: Vec<u8> = (0..12).flat_map(|pixel| [pixel, 100, 200]).collect();
        let windows = Windows { side: 3 };
        assert_eq!(windows.shape([5, 4, 3, 3]), [5, 2, 1, 27]);
        let mut input = vec![0; 54];
        windows.lay(&rgb, 3, &mut input);
        let reds: Vec<u8> = input.iter().step_by(3).copied().collect();
        assert_eq!(reds, [0, 1, 2, 3, 4, 5, 6, 7, 8, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    }

    proptest! {
        #[test]
        fn each_value_is_the_pixel_below_it(side in 1usize..6, rows in 1usize..12, columns in 1usize..12) {
            let windows = Windows { side };
            let rgb: Vec<u8> = (0..rows * columns * 3).map(|v| v as u8).collect();
            let [_, down, across, values] = windows.shape([1, rows, columns, 3]);
            let mut input = vec![255; down * across * values];
            windows.lay(&rgb, columns, &mut input);
            for (place, value) in input.iter().enumerate() {
                let (window, inner) = (place / values, place % values);
                let (y, x) = (window / across + inner / 3 / side, window % across + inner / 3 % side);
                prop_assert_eq!(*value, rgb[(y * columns + x) * 3 + inner % 3]);
            }
        }
    }
}
