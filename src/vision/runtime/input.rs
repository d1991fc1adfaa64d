//! How a network's input holds a picture: the type and range of its values, and whether it holds pixels or the windows that the first
//! layer reads, side by side.

#![expect(clippy::indexing_slicing, reason = "inputs and pictures are cut into pieces of the sizes that are indexed")]

/// The type of a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    Int8,
    Float32,
}

/// How an RGB byte becomes an input value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pixels {
    /// An int8 input that holds `(pixel - 128) / 128`: scale 1/128, zero point 0, so conversion flips the byte's top bit.
    Int8,
    /// A float input that holds `(pixel - mean) / std`.
    Float { mean: f32, std: f32 },
}

impl Pixels {
    /// The type of the input's values.
    pub fn element_type(self) -> ElementType {
        match self {
            Pixels::Int8 => ElementType::Int8,
            Pixels::Float { .. } => ElementType::Float32,
        }
    }

    pub(super) fn bytes(self) -> usize {
        match self {
            Pixels::Int8 => 1,
            Pixels::Float { .. } => 4,
        }
    }
}

/// What an input holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputForm {
    pub pixels: Pixels,
    pub windows: Windows,
}

impl InputForm {
    /// Plain pictures.
    pub fn plain(pixels: Pixels) -> InputForm {
        InputForm { pixels, windows: Windows::PIXELS }
    }

    /// The input's shape for pictures of `[batch, rows, columns, 3]`.
    pub(super) fn shape(self, pictures: [usize; 4]) -> [usize; 4] {
        self.windows.shape(pictures)
    }

    /// Bytes of an input for pictures of `[batch, rows, columns, 3]`.
    pub(super) fn bytes(self, pictures: [usize; 4]) -> usize {
        self.shape(pictures).iter().product::<usize>() * self.pixels.bytes()
    }

    /// Converts the pictures in `rgb`, each of `rows` by `columns` pixels, into the first bytes of `input`.
    pub(super) fn write(self, rgb: &[u8], [rows, columns]: [usize; 2], input: &mut [u8]) {
        let (picture, converted) = (rows * columns * 3, self.bytes([1, rows, columns, 3]));
        for (rgb, input) in rgb.chunks_exact(picture.max(1)).zip(input.chunks_exact_mut(converted.max(1))) {
            match self.pixels {
                Pixels::Int8 => {
                    self.windows.lay_out(rgb, columns, input);
                    input.iter_mut().for_each(|value| *value ^= 0x80);
                }
                Pixels::Float { mean, std } => {
                    // The bytes are laid out in the last quarter of the room for the floats: each is read before it is overwritten.
                    let values = converted / 4;
                    let bytes = values * 3;
                    self.windows.lay_out(rgb, columns, &mut input[bytes..]);
                    for i in 0..values {
                        let value = (f32::from(input[bytes + i]) - mean) / std;
                        input[i * 4..][..4].copy_from_slice(&value.to_ne_bytes());
                    }
                }
            }
        }
    }
}

/// Square windows of pixels, one at each position where a whole one fits (a convolution without padding, stride 1). Each position of the
/// input holds one window, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Side of a window in pixels; 1 is the plain picture.
    pub side: usize,
}

/// Bytes of a pixel.
const RGB: usize = 3;
/// The side of MTCNN's windows. A constant side turns the copy of a row into a few instructions.
const MTCNN_SIDE: usize = 3;

impl Windows {
    /// The plain picture.
    pub const PIXELS: Windows = Windows { side: 1 };

    /// The input's shape for pictures of `[batch, rows, columns, 3]`.
    pub(super) fn shape(self, [batch, rows, columns, colours]: [usize; 4]) -> [usize; 4] {
        let positions = |pixels: usize| (pixels + 1).saturating_sub(self.side);
        [batch, positions(rows), positions(columns), self.side * self.side * colours]
    }

    /// Copies the windows of one picture with rows of `columns` pixels into `input`.
    pub(super) fn lay_out(self, rgb: &[u8], columns: usize, input: &mut [u8]) {
        let across = (columns + 1).saturating_sub(self.side);
        let lines = input.chunks_exact_mut((across * self.side * self.side * RGB).max(1));
        // One line of windows reads as many rows of the picture as a window has.
        let stride = columns * RGB;
        for (line, rows) in lines.zip((0..).map_while(|row| rgb.get(row * stride..(row + self.side) * stride))) {
            match self.side {
                1 => line.copy_from_slice(rows),
                MTCNN_SIDE => lay_out_mtcnn(rows, stride, line),
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

fn lay_out_mtcnn(rows: &[u8], stride: usize, line: &mut [u8]) {
    const RUN: usize = MTCNN_SIDE * RGB;
    let rows: [&[u8]; MTCNN_SIDE] = std::array::from_fn(|row| &rows[row * stride..][..stride]);
    for (x, window) in line.as_chunks_mut::<{ MTCNN_SIDE * RUN }>().0.iter_mut().enumerate() {
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
    fn windows_of_three_are_laid_out_as_the_layer_reads_them() {
        // Two rows of windows over 4 rows and 3 columns; red counts the pixels.
        let rgb: Vec<u8> = (0..12).flat_map(|pixel| [pixel, 100, 200]).collect();
        let windows = Windows { side: 3 };
        assert_eq!(windows.shape([5, 4, 3, 3]), [5, 2, 1, 27]);
        let mut input = vec![0; 54];
        windows.lay_out(&rgb, 3, &mut input);
        let reds: Vec<u8> = input.iter().step_by(3).copied().collect();
        assert_eq!(reds, [0, 1, 2, 3, 4, 5, 6, 7, 8, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    }

    proptest! {
        #[test]
        fn each_value_is_its_pixel(side in 1usize..6, rows in 1usize..12, columns in 1usize..12) {
            let windows = Windows { side };
            let rgb: Vec<u8> = (0..rows * columns * 3).map(|v| v as u8).collect();
            let [_, down, across, values] = windows.shape([1, rows, columns, 3]);
            let mut input = vec![255; down * across * values];
            windows.lay_out(&rgb, columns, &mut input);
            for (place, value) in input.iter().enumerate() {
                let (window, inner) = (place / values, place % values);
                let (y, x) = (window / across + inner / 3 / side, window % across + inner / 3 % side);
                prop_assert_eq!(*value, rgb[(y * columns + x) * 3 + inner % 3]);
            }
        }
    }
}
