//! What a camera delivers: pictures, positions in them, and faces.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Moment, Score};

/// An upright 8-bit RGB picture: `width * height * 3` bytes, rows top to bottom, no padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Image {
    /// Takes `rgb` as it is. `None` when either side is zero or the length is not `width * height * 3`.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Option<Image> {
        let pixels = (width as usize).checked_mul(height as usize)?.checked_mul(3)?;
        (pixels > 0 && rgb.len() == pixels).then_some(Image { width, height, rgb })
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, `R G B R G B …`, row by row.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The bytes, mutable.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// Gives each pixel its brightness (ITU-R BT.601) three times, as a grey camera's picture has it.
    pub fn make_grey(&mut self) {
        for pixel in self.rgb.as_chunks_mut::<3>().0 {
            let [r, g, b] = pixel.map(u32::from);
            *pixel = [((r * 77 + g * 150 + b * 29) >> 8) as u8; 3];
        }
    }

    /// The buffer, for the next frame to be decoded into.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({}x{})", self.width, self.height)
    }
}

/// The brightness of a picture in cells of 8 by 8 pixels, rows top to bottom: enough to see that something moves. A JPEG gives it away without
/// being decoded. Incomplete cells at the right and at the bottom are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glimpse {
    columns: usize,
    rows: usize,
    step: u16,
    cells: Vec<u16>,
}

impl Glimpse {
    /// The side of a cell in pixels.
    pub const CELL_PX: usize = 8;

    /// Makes it the glimpse of a picture of `width` by `height` pixels, all black. `step` is the least difference between two values of a cell,
    /// in eighths of a level.
    pub fn reset(&mut self, width: u32, height: u32, step: u16) {
        (self.columns, self.rows) = (width as usize / Self::CELL_PX, height as usize / Self::CELL_PX);
        self.step = step;
        self.cells.clear();
        self.cells.resize(self.columns * self.rows, 0);
    }

    /// Cells in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Rows of cells.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The least difference between two values of a cell, in eighths of a level: what a JPEG rounds to.
    pub fn step(&self) -> u16 {
        self.step
    }

    /// The mean brightness of each cell in eighths of a level, 0 to 2040, row by row.
    pub fn cells(&self) -> &[u16] {
        &self.cells
    }

    /// The same, mutable.
    pub fn cells_mut(&mut self) -> &mut [u16] {
        &mut self.cells
    }
}

/// A picture from a camera.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Counts up from 0 for each opening of the camera; gaps are frames that were dropped.
    pub seq: u64,
    /// When it was taken: by the kernel's clock where the camera's driver reports it, else the earliest possible time. A replayed picture
    /// is taken when it is delivered.
    pub captured_at: Moment,
    /// The upright picture.
    pub image: Image,
}

/// A position in pixels of the upright picture; x to the right, y down, the first pixel's centre at (0, 0).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

/// An axis-parallel rectangle in pixels; may extend beyond the picture's edges.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    pub x1: f32,
    pub y1: f32,
    pub x2: f32,
    pub y2: f32,
}

impl Bounds {
    /// Width in pixels; never negative.
    pub fn width(&self) -> f32 {
        (self.x2 - self.x1).max(0.0)
    }

    /// Height in pixels; never negative.
    pub fn height(&self) -> f32 {
        (self.y2 - self.y1).max(0.0)
    }

    /// Area in pixels.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// The middle.
    pub fn centre(&self) -> Point {
        Point { x: (self.x1 + self.x2) / 2.0, y: (self.y1 + self.y2) / 2.0 }
    }

    /// Intersection over union, 0 to 1.
    pub fn iou(&self, other: &Bounds) -> f32 {
        let w = (self.x2.min(other.x2) - self.x1.max(other.x1)).max(0.0);
        let h = (self.y2.min(other.y2) - self.y1.max(other.y1)).max(0.0);
        let both = w * h;
        let either = self.area() + other.area() - both;
        if either > 0.0 { both / either } else { 0.0 }
    }
}

/// A face in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    pub bounds: Bounds,
    pub score: Score,
    /// Left eye, right eye, nose, left and right corner of the mouth, as seen in the picture (its left is the viewer's left).
    pub landmarks: [Point; 5],
}

/// Whether a picture has colour. Grey is what a grey camera gives, a colour camera that has switched to infra-red for the night, and a black and
/// white photograph; the picture does not tell them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Chroma {
    #[default]
    Colour,
    Grey,
}

/// How suitable a face is for recognition.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// The shorter side of the face's bounds in pixels.
    pub size: f32,
    /// Variance of the Laplacian of the aligned face's brightness (0 to 255); below about 30 a face is blurred.
    pub sharpness: f32,
    /// Turn of the head to either side in degrees, estimated from the landmarks; 0 looks into the camera, the sign gives the side.
    pub yaw: f32,
    /// Nod of the head in degrees, estimated from the landmarks; negative looks down.
    pub pitch: f32,
    /// Tilt of the head in degrees, from the line through the eyes.
    pub roll: f32,
    /// Mean brightness of the aligned face, 0 to 255.
    pub brightness: f32,
    /// Length of the embedding before it was brought to unit length, in the network's own unit; larger is better. Faces that are blurred, dark,
    /// turned or covered have shorter ones (Meng et al., "MagFace", CVPR 2021). `None` for a face that was not embedded, and for a template of
    /// usher 0.1.0, which did not keep it.
    pub length: Option<f32>,
    /// Whether the face has colour in the picture. Colour for a template of before this was kept.
    pub chroma: Chroma,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grey_picture_keeps_its_brightness() {
        let mut image = Image::new(2, 1, vec![255, 0, 0, 40, 40, 40]).unwrap();
        image.make_grey();
        assert_eq!(image.rgb(), [76, 76, 76, 40, 40, 40]);
    }
}
