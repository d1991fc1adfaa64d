//! How a camera hangs: by how much its picture is turned, whether it is mirrored, and which part of it counts. Turns pictures and their glimpses
//! upright.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Glimpse, Image};

/// A clockwise turn of a picture. Written as a number of degrees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum Rotation {
    #[default]
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

/// The number is none of 0, 90, 180 and 270.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a picture is turned by 0, 90, 180 or 270 degrees, not by {0}")]
pub struct UnknownRotation(u16);

impl Rotation {
    /// All rotations, by degrees.
    pub const ALL: [Rotation; 4] = [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];

    /// Clockwise, in degrees.
    pub fn degrees(self) -> u16 {
        match self {
            Rotation::None => 0,
            Rotation::Quarter => 90,
            Rotation::Half => 180,
            Rotation::ThreeQuarters => 270,
        }
    }

    /// Both turns, one after the other.
    pub fn and(self, other: Rotation) -> Rotation {
        let quarters = usize::from((self.degrees() + other.degrees()) / 90 % 4);
        Rotation::ALL.get(quarters).copied().unwrap_or_default()
    }

    /// The turn that undoes this one.
    pub fn back(self) -> Rotation {
        match self {
            Rotation::Quarter => Rotation::ThreeQuarters,
            Rotation::ThreeQuarters => Rotation::Quarter,
            same => same,
        }
    }

    /// Whether rows become columns.
    fn is_upended(self) -> bool {
        matches!(self, Rotation::Quarter | Rotation::ThreeQuarters)
    }
}

impl TryFrom<u16> for Rotation {
    type Error = UnknownRotation;

    fn try_from(degrees: u16) -> Result<Rotation, UnknownRotation> {
        Rotation::ALL.into_iter().find(|one| one.degrees() == degrees).ok_or(UnknownRotation(degrees))
    }
}

impl From<Rotation> for u16 {
    fn from(rotation: Rotation) -> u16 {
        rotation.degrees()
    }
}

impl fmt::Display for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}°", self.degrees())
    }
}

/// The sides of a whole picture, as in [`Framing::crop`].
pub const WHOLE: [f32; 4] = [0.0, 0.0, 1.0, 1.0];

/// What is done to each picture of a camera: it is turned, then mirrored, then cropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Framing {
    pub rotation: Rotation,
    /// Whether left and right are exchanged.
    pub mirror: bool,
    /// The part that is kept: left, top, right and bottom, in widths and heights of the turned and mirrored picture.
    pub crop: [f32; 4],
}

impl Default for Framing {
    fn default() -> Framing {
        Framing { rotation: Rotation::None, mirror: false, crop: WHOLE }
    }
}

/// The part of a picture that is kept, before it is turned. In cells, so that a glimpse and its picture are of the same part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    left: usize,
    top: usize,
    columns: usize,
    rows: usize,
}

impl Framing {
    /// Only a turn.
    pub fn turned(rotation: Rotation) -> Framing {
        Framing { rotation, ..Framing::default() }
    }

    /// Whether pictures stay as they are.
    pub fn is_plain(&self) -> bool {
        *self == Framing::default()
    }

    /// The rotation with which a framed picture needs no further turn, if it now needs `further`.
    pub fn rotation_with(&self, further: Rotation) -> Rotation {
        // Mirrored pictures turn the other way.
        self.rotation.and(if self.mirror { further.back() } else { further })
    }

    /// `image` turned, mirrored and cropped, in the memory of `buffer`. The edges lie at multiples of [`Glimpse::CELL_PX`], so up to seven columns at
    /// the right and rows at the bottom of the camera's picture are lost. `None` if nothing is left.
    pub fn picture(&self, image: &Image, mut buffer: Vec<u8>) -> Option<Image> {
        let side = Glimpse::CELL_PX;
        let part = self.part(image.width() as usize / side, image.height() as usize / side)?;
        let (left, top) = (part.left * side, part.top * side);
        let (width, height) = (part.columns * side, part.rows * side);
        let line = |y: usize| {
            let start = ((top + y) * image.width() as usize + left) * 3;
            image.rgb().get(start..start + width * 3).unwrap_or_default().as_chunks::<3>().0
        };
        buffer.clear();
        buffer.reserve(width * height * 3);
        self.move_all(width, height, line, |pixel: &[u8; 3]| buffer.extend_from_slice(pixel));
        let (width, height) = if self.rotation.is_upended() { (height, width) } else { (width, height) };
        Image::new(u32::try_from(width).ok()?, u32::try_from(height).ok()?, buffer)
    }

    /// The glimpse of the picture that [`Framing::picture`] makes, from the glimpse of the camera's. `false` if nothing is left.
    pub fn glimpse(&self, glimpse: &Glimpse, framed: &mut Glimpse) -> bool {
        let Some(part) = self.part(glimpse.columns(), glimpse.rows()) else { return false };
        let (columns, rows) =
            if self.rotation.is_upended() { (part.rows, part.columns) } else { (part.columns, part.rows) };
        let px = |cells: usize| u32::try_from(cells * Glimpse::CELL_PX).unwrap_or(u32::MAX);
        framed.reset(px(columns), px(rows), glimpse.step());
        let line = |row: usize| {
            let start = (part.top + row) * glimpse.columns() + part.left;
            glimpse.cells().get(start..start + part.columns).unwrap_or_default()
        };
        let mut cells = framed.cells_mut().iter_mut();
        self.move_all(part.columns, part.rows, line, |value: &u16| {
            if let Some(cell) = cells.next() {
                *cell = *value;
            }
        });
        true
    }

    /// The part that is kept of a picture of `columns` by `rows` cells, as the camera delivers it.
    fn part(&self, columns: usize, rows: usize) -> Option<Part> {
        let [left, top, right, bottom] = self.crop;
        let [left, right] = if self.mirror { [1.0 - right, 1.0 - left] } else { [left, right] };
        // The turn is taken back: where each side is in the camera's picture.
        let [left, top, right, bottom] = match self.rotation {
            Rotation::None => [left, top, right, bottom],
            Rotation::Quarter => [top, 1.0 - right, bottom, 1.0 - left],
            Rotation::Half => [1.0 - right, 1.0 - bottom, 1.0 - left, 1.0 - top],
            Rotation::ThreeQuarters => [1.0 - bottom, left, 1.0 - top, right],
        };
        let (left, columns) = span(left, right, columns)?;
        let (top, rows) = span(top, bottom, rows)?;
        Some(Part { left, top, columns, rows })
    }

    /// Passes on the pixels or cells of a part of `width` by `height` in the order of the framed picture. `line` gives a row of the part.
    fn move_all<'a, T: 'a>(
        &self,
        width: usize,
        height: usize,
        line: impl Fn(usize) -> &'a [T],
        mut put: impl FnMut(&'a T),
    ) {
        // A mirrored picture is one whose lines, after the turn, are read from their end.
        match (self.rotation, self.mirror) {
            (Rotation::None, false) => (0..height).for_each(|y| line(y).iter().for_each(&mut put)),
            (Rotation::None, true) => (0..height).for_each(|y| line(y).iter().rev().for_each(&mut put)),
            (Rotation::Half, false) => (0..height).rev().for_each(|y| line(y).iter().rev().for_each(&mut put)),
            (Rotation::Half, true) => (0..height).rev().for_each(|y| line(y).iter().for_each(&mut put)),
            (Rotation::Quarter, mirror) => (0..width).for_each(|x| column(x, height, !mirror, &line, &mut put)),
            (Rotation::ThreeQuarters, mirror) => {
                (0..width).rev().for_each(|x| column(x, height, mirror, &line, &mut put));
            }
        }
    }
}

/// Passes on column `x`, from the top or from the bottom.
fn column<'a, T: 'a>(
    x: usize,
    height: usize,
    from_bottom: bool,
    line: &impl Fn(usize) -> &'a [T],
    put: &mut impl FnMut(&'a T),
) {
    for y in 0..height {
        let y = if from_bottom { height - 1 - y } else { y };
        if let Some(value) = line(y).get(x) {
            put(value);
        }
    }
}

/// The first of `cells` and how many, from the share `from` to the share `to` of them; at least one.
fn span(from: f32, to: f32, cells: usize) -> Option<(usize, usize)> {
    let at = |share: f32| (share.clamp(0.0, 1.0) * cells as f32).round() as usize;
    let first = at(from).min(cells.checked_sub(1)?);
    Some((first, at(to).saturating_sub(first).max(1)))
}

impl fmt::Display for Framing {
    /// `turned by 90°, mirrored, cropped to 0.25, 0, 0.75, 1`; empty if pictures stay as they are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.rotation != Rotation::None {
            parts.push(format!("turned by {}", self.rotation));
        }
        if self.mirror {
            parts.push("mirrored".to_owned());
        }
        if self.crop != WHOLE {
            let [left, top, right, bottom] = self.crop;
            parts.push(format!("cropped to {left}, {top}, {right}, {bottom}"));
        }
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A picture of cells, each of one colour: its column, its row.
    fn cells(columns: u32, rows: u32) -> (Image, Glimpse) {
        let pixel = |x: u32, y: u32| [(x / 8) as u8, (y / 8) as u8, 7];
        let (width, height) = (columns * 8, rows * 8);
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
        let mut glimpse = Glimpse::default();
        glimpse.reset(width, height, 3);
        for (at, cell) in glimpse.cells_mut().iter_mut().enumerate() {
            *cell = (at as u32 % columns * 100 + at as u32 / columns) as u16;
        }
        (Image::new(width, height, rgb).unwrap(), glimpse)
    }

    /// Column and row of each cell of the framed picture, and that its glimpse says the same.
    fn framed(framing: Framing, columns: u32, rows: u32) -> Vec<Vec<(u8, u8)>> {
        let (image, glimpse) = cells(columns, rows);
        let picture = framing.picture(&image, vec![9; 5]).unwrap();
        let mut small = Glimpse::default();
        assert!(framing.glimpse(&glimpse, &mut small));
        let (across, down) = (picture.width() as usize / 8, picture.height() as usize / 8);
        assert_eq!((small.columns(), small.rows(), small.step()), (across, down, 3));
        let at = |x: usize, y: usize| &picture.rgb()[(y * picture.width() as usize + x) * 3..][..3];
        let mut lines = Vec::new();
        for row in 0..down {
            let mut line = Vec::new();
            for column in 0..across {
                let first = at(column * 8, row * 8);
                assert_eq!(first, at(column * 8 + 7, row * 8 + 7), "one colour in {column}, {row}");
                let cell = small.cells()[row * across + column];
                assert_eq!((cell / 100, cell % 100), (u16::from(first[0]), u16::from(first[1])));
                line.push((first[0], first[1]));
            }
            lines.push(line);
        }
        lines
    }

    #[test]
    fn a_picture_is_turned_clockwise() {
        let turned = |degrees: u16| framed(Framing::turned(degrees.try_into().unwrap()), 3, 2);
        assert_eq!(turned(0), [[(0, 0), (1, 0), (2, 0)], [(0, 1), (1, 1), (2, 1)]]);
        // The left column becomes the top row.
        assert_eq!(turned(90), [[(0, 1), (0, 0)], [(1, 1), (1, 0)], [(2, 1), (2, 0)]]);
        assert_eq!(turned(180), [[(2, 1), (1, 1), (0, 1)], [(2, 0), (1, 0), (0, 0)]]);
        assert_eq!(turned(270), [[(2, 0), (2, 1)], [(1, 0), (1, 1)], [(0, 0), (0, 1)]]);
    }

    #[test]
    fn a_picture_is_mirrored_after_it_was_turned() {
        for rotation in Rotation::ALL {
            let mut plain = framed(Framing::turned(rotation), 3, 2);
            plain.iter_mut().for_each(|line| line.reverse());
            assert_eq!(framed(Framing { mirror: true, ..Framing::turned(rotation) }, 3, 2), plain, "{rotation}");
        }
    }

    #[test]
    fn a_crop_is_a_part_of_the_picture_as_it_is_seen() {
        for rotation in Rotation::ALL {
            for mirror in [false, true] {
                let whole = framed(Framing { rotation, mirror, crop: WHOLE }, 8, 4);
                let (columns, rows) = (whole[0].len(), whole.len());
                let part = framed(Framing { rotation, mirror, crop: [0.25, 0.0, 1.0, 0.5] }, 8, 4);
                let expected: Vec<_> = whole[..rows / 2].iter().map(|line| line[columns / 4..].to_vec()).collect();
                assert_eq!(part, expected, "{rotation} {mirror}");
            }
        }
    }

    #[test]
    fn four_quarters_are_none_and_other_numbers_are_refused() {
        assert_eq!(Rotation::Quarter.and(Rotation::ThreeQuarters), Rotation::None);
        assert_eq!(Rotation::Half.and(Rotation::Quarter), Rotation::ThreeQuarters);
        assert!(Rotation::try_from(45).is_err() && Rotation::try_from(360).is_err());
    }

    #[test]
    fn a_framing_is_described() {
        let framing = Framing { rotation: Rotation::Quarter, mirror: true, crop: [0.25, 0.0, 1.0, 1.0] };
        assert_eq!(framing.to_string(), "turned by 90°, mirrored, cropped to 0.25, 0, 1, 1");
        assert!(Framing::default().is_plain() && Framing::default().to_string().is_empty());
    }

    proptest! {
        #[test]
        fn any_framing_gives_a_picture_and_its_glimpse_or_neither(
            turn in 0usize..4, mirror: bool, crop in prop::array::uniform4(prop_oneof![any::<f32>(), -0.5f32..1.5]),
            width in 1u32..70, height in 1u32..70,
        ) {
            let framing = Framing { rotation: Rotation::ALL[turn], mirror, crop };
            let image = Image::new(width, height, vec![1; (width * height * 3) as usize]).unwrap();
            let (mut glimpse, mut small) = (Glimpse::default(), Glimpse::default());
            glimpse.reset(width, height, 0);
            let picture = framing.picture(&image, Vec::new());
            prop_assert_eq!(framing.glimpse(&glimpse, &mut small), picture.is_some());
            if let Some(picture) = picture {
                prop_assert_eq!(picture.width() as usize, small.columns() * 8);
                prop_assert_eq!(picture.height() as usize, small.rows() * 8);
            }
        }
    }
}
