//! A contact sheet: a row of faces for each group, with the group's name above it.

use std::path::{Path, PathBuf};

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use thiserror::Error;

use super::lettering;
use crate::domain::{Face, Image};
use crate::photo::{self, PhotoError};
use crate::vision::align::region;
use crate::vision::manifest::MarginOf;

/// Side of a face, and width of a gap, in pixels.
const CELL: u32 = 96;
const GAP: u32 = 4;
/// The height of a line of text.
const LETTERS: u32 = 17;
const LABEL: u32 = LETTERS + 2 * GAP;
const ROW: u32 = LABEL + CELL + GAP;
/// The most faces in a row, and the most rows. (A sheet of 200 rows is a picture of 25 megapixels.)
pub const MAX_FACES: usize = 12;
pub const MAX_ROWS: usize = 200;

const PAPER: Rgb<u8> = Rgb([250, 250, 248]);
const INK: Rgb<u8> = Rgb([40, 40, 44]);
const LINE: Rgb<u8> = Rgb([214, 214, 210]);

/// A row of the sheet.
#[derive(Clone, Debug)]
pub struct Row {
    pub label: String,
    pub faces: Vec<(PathBuf, Face)>,
}

/// Why a sheet could not be made.
#[derive(Debug, Error)]
pub enum SheetError {
    #[error(transparent)]
    Photo(#[from] PhotoError),
    #[error("{} cannot be written: {why}", path.display())]
    Unwritable { path: PathBuf, why: image::ImageError },
}

/// Draws the first [`MAX_ROWS`] of `rows` into the PNG file `path`. Reads the photographs again, one at a time.
pub fn draw(rows: &[Row], path: &Path) -> Result<(), SheetError> {
    let rows = rows.get(..MAX_ROWS).unwrap_or(rows);
    let widest = rows.iter().map(|row| row.faces.len().min(MAX_FACES)).max().unwrap_or(0).max(4) as u32;
    let height = (rows.len().max(1) as u32) * ROW;
    let mut sheet = RgbImage::from_pixel(widest * (CELL + GAP) + GAP, height, PAPER);
    for (index, row) in rows.iter().enumerate() {
        let top = index as u32 * ROW;
        for x in 0..sheet.width() {
            sheet.put_pixel(x, top, LINE);
        }
        write(&mut sheet, GAP, top + GAP, &row.label);
        for (column, (file, face)) in row.faces.iter().take(MAX_FACES).enumerate() {
            let picture = thumbnail(&photo::load(file)?, face);
            let x = GAP + column as u32 * (CELL + GAP);
            imageops::replace(&mut sheet, &picture, i64::from(x), i64::from(top + LABEL));
        }
    }
    let bytes = sheet.save_with_format(path, image::ImageFormat::Png);
    bytes.map_err(|why| SheetError::Unwritable { path: path.to_owned(), why })
}

/// A face with some of its surroundings, scaled to fit a cell without distortion.
fn thumbnail(image: &Image, face: &Face) -> RgbImage {
    let mut bounds = *face;
    let centre = face.bounds.centre();
    let half = face.bounds.width().max(face.bounds.height()) / 2.0;
    bounds.bounds =
        crate::domain::Bounds { x1: centre.x - half, y1: centre.y - half, x2: centre.x + half, y2: centre.y + half };
    let [x1, y1, x2, y2] = region(image, &bounds, CELL as f32 / 4.0, MarginOf::Input, CELL as usize);
    let stride = image.width() as usize * 3;
    let mut cut = RgbImage::new(x2 - x1, y2 - y1);
    for (y, row) in cut.rows_mut().enumerate() {
        let line = image.rgb().get((y1 as usize + y) * stride + x1 as usize * 3..).unwrap_or_default();
        for (pixel, source) in row.zip(line.chunks_exact(3)) {
            pixel.0.copy_from_slice(source);
        }
    }
    // At the picture's edge the region is not square; it is scaled to fit.
    let scale = CELL as f32 / (cut.width().max(cut.height()) as f32);
    let side = |length: u32| ((length as f32 * scale).round() as u32).clamp(1, CELL);
    imageops::resize(&cut, side(cut.width()), side(cut.height()), FilterType::Triangle)
}

/// Writes one line; text that does not fit is cut off.
fn write(sheet: &mut RgbImage, x: u32, y: u32, text: &str) {
    lettering::write(text, LETTERS, |dx, dy, share| {
        if let Some(pixel) = sheet.get_pixel_mut_checked(x.saturating_add(dx), y.saturating_add(dy)) {
            for (value, ink) in pixel.0.iter_mut().zip(INK.0) {
                *value = (f32::from(*value) * (1.0 - share) + f32::from(ink) * share).round() as u8;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Bounds, Point, Score};

    #[test]
    fn a_sheet_has_a_row_for_each_group_and_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("red.png");
        RgbImage::from_pixel(200, 100, Rgb([200, 0, 0])).save(&file).unwrap();
        let bounds = Bounds { x1: 60.0, y1: 20.0, x2: 100.0, y2: 60.0 };
        let face = Face { bounds, score: Score(1.0), landmarks: [Point::default(); 5] };
        let row = |label: &str, count| Row { label: label.into(), faces: vec![(file.clone(), face); count] };
        let out = folder.path().join("sheet.png");
        draw(&[row("person-1", 2), row("Zoë", 14)], &out).unwrap();
        let sheet = image::open(&out).unwrap().into_rgb8();
        assert_eq!((sheet.width(), sheet.height()), (12 * (CELL + GAP) + GAP, 2 * ROW));
        let middle = |column: u32, row: u32| {
            *sheet.get_pixel(GAP + column * (CELL + GAP) + CELL / 2, row * ROW + LABEL + CELL / 2)
        };
        assert_eq!((middle(0, 0), middle(1, 0), middle(2, 0)), (Rgb([200, 0, 0]), Rgb([200, 0, 0]), PAPER));
        assert_eq!(middle(11, 1), Rgb([200, 0, 0]));
        // The name is in ink, and only the name.
        let ink = |from: u32, to: u32| (from..to).any(|x| (0..LABEL).any(|y| sheet.get_pixel(x, y).0[0] < 90));
        let end = GAP + lettering::width("person-1", LETTERS);
        assert!(ink(GAP, end) && !ink(end + 1, sheet.width()));
    }

    #[test]
    fn a_missing_photograph_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let face = Face { bounds: Bounds::default(), score: Score(1.0), landmarks: [Point::default(); 5] };
        let row = Row { label: "a".into(), faces: vec![(folder.path().join("gone.jpg"), face)] };
        assert!(draw(&[row], &folder.path().join("s.png")).unwrap_err().to_string().contains("gone.jpg"));
    }
}
