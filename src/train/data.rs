//! Training data: aligned faces, one folder per person as `usher align` writes them, decoded and resized to the network's input. Unusable files are
//! skipped, with the reason.

#![expect(
    clippy::indexing_slicing,
    reason = "indices of pictures and people are those of this data set, and `window` cuts within the kept size"
)]

use std::path::{Path, PathBuf};

use image::imageops::{FilterType, resize};
use thiserror::Error;

use crate::lab::dataset::{self, DatasetError, Photograph};
use crate::lab::walk::walk;
use crate::photo::{self, PhotoError};

/// The size at which pictures are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Side of the network's input in pixels.
    pub side: usize,
    /// Additional pixels of a kept picture on each axis: training cuts the input at a random position (the FaceNet project's `random_crop`),
    /// embedding cuts it from the middle.
    pub spare: usize,
}

impl Size {
    /// Side of the kept pictures in pixels.
    pub fn kept(self) -> usize {
        self.side + self.spare
    }
}

/// How the network's input is cut out of a kept picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    /// Whether left and right are swapped.
    pub mirrored: bool,
    /// Pixels left of and above the window.
    pub across: usize,
    pub down: usize,
}

impl Crop {
    /// The middle, not mirrored.
    pub fn middle(size: Size) -> Crop {
        Crop { mirrored: false, across: size.spare / 2, down: size.spare / 2 }
    }

    /// A random position; with `mirror`, mirrored with a probability of one half.
    pub fn random(size: Size, mirror: bool, rng: &mut fastrand::Rng) -> Crop {
        Crop { mirrored: mirror && rng.bool(), across: rng.usize(..=size.spare), down: rng.usize(..=size.spare) }
    }
}

/// A data set, checked and in memory.
pub struct Faces {
    size: Size,
    /// Names of the people; a label is an index of this list.
    people: Vec<String>,
    pictures: Vec<Picture>,
    /// The pictures of each person, by label.
    of: Vec<Vec<usize>>,
    skipped: Vec<Skipped>,
}

struct Picture {
    file: PathBuf,
    person: u32,
    /// RGB, of the kept size.
    pixels: Box<[u8]>,
}

/// A file that was skipped.
#[derive(Debug)]
pub struct Skipped {
    pub file: PathBuf,
    pub why: Why,
}

/// Why a file was skipped.
#[derive(Debug, Error)]
pub enum Why {
    #[error("{0}")]
    Unreadable(PhotoError),
    #[error("it has only one colour")]
    OneColour,
    /// It is not a photograph in a person's folder.
    #[error("{0}")]
    NotTaken(String),
}

/// Why a data set cannot be used.
#[derive(Debug, Error)]
pub enum DataError {
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error("{path} has {people} people with at least {pictures} pictures; {needed} are needed to learn from", path = path.display())]
    TooFewPeople { path: PathBuf, people: usize, pictures: usize, needed: usize },
    #[error("{path} needs {needed} MB of memory at {side} x {side} pixels, more than the {limit} MB of --memory; increase it, or use fewer pictures", path = path.display())]
    TooLarge { path: PathBuf, needed: u64, side: usize, limit: u64 },
}

impl Faces {
    /// Reads a data set with one folder per person, on `threads` threads. Unusable files are skipped and listed.
    ///
    /// `limit` is the memory in bytes that its pictures may take.
    pub fn read(folder: &Path, size: Size, limit: u64, threads: usize) -> Result<Self, DataError> {
        let (listed, left_out) = dataset::people(folder)?;
        let side = size.kept();
        let needed = listed.len() as u64 * (side * side * 3) as u64;
        if needed > limit {
            let [needed, limit] = [needed, limit].map(|bytes| bytes.div_ceil(1_000_000));
            return Err(DataError::TooLarge { path: folder.to_owned(), needed, side, limit });
        }
        let mut faces = Self { size, people: Vec::new(), pictures: Vec::new(), of: Vec::new(), skipped: Vec::new() };
        faces.skipped.extend(
            left_out.into_iter().map(|left_out| Skipped { file: left_out.path, why: Why::NotTaken(left_out.why) }),
        );
        let mut workers = vec![(); threads.max(1)];
        walk(
            &listed,
            &mut workers,
            |_, photograph| face(&photograph.file, side),
            |photograph, decoded| {
                match decoded {
                    Ok(pixels) => faces.add(photograph, pixels),
                    Err(why) => faces.skipped.push(Skipped { file: photograph.file.clone(), why }),
                }
                Ok::<(), DataError>(())
            },
        )?;
        Ok(faces)
    }

    fn add(&mut self, photograph: &Photograph, pixels: Box<[u8]>) {
        // The data set is sorted by person.
        if self.people.last() != Some(&photograph.person) {
            self.people.push(photograph.person.clone());
            self.of.push(Vec::new());
        }
        let person = self.people.len() - 1;
        self.of[person].push(self.pictures.len());
        self.pictures.push(Picture { file: photograph.file.clone(), person: person as u32, pixels });
    }

    /// Checks that at least `needed` people have at least `pictures` pictures each.
    pub fn require(&self, folder: &Path, needed: usize, pictures: usize) -> Result<(), DataError> {
        let people = self.of.iter().filter(|of| of.len() >= pictures).count();
        match people >= needed {
            true => Ok(()),
            false => Err(DataError::TooFewPeople { path: folder.to_owned(), people, pictures, needed }),
        }
    }

    /// The number of pictures.
    pub fn count(&self) -> usize {
        self.pictures.len()
    }

    /// The names of the people, by label.
    pub fn people(&self) -> &[String] {
        &self.people
    }

    /// The pictures of each person, by label.
    pub fn by_person(&self) -> &[Vec<usize>] {
        &self.of
    }

    /// The pictures of one person; empty for an unknown label.
    pub fn of_person(&self, label: usize) -> &[usize] {
        self.of.get(label).map_or(&[], Vec::as_slice)
    }

    /// The skipped files.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The label of a picture's person.
    pub fn label(&self, picture: usize) -> u32 {
        self.pictures[picture].person
    }

    /// The file of a picture.
    pub fn file(&self, picture: usize) -> &Path {
        &self.pictures[picture].file
    }

    /// The size of its pictures.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The input for `pictures`: (pixel - 127.5) / 128, RGB, one picture after the other. `crop` gives the crop of the i-th of them.
    pub fn batch(&self, pictures: &[usize], crop: impl Fn(usize) -> Crop) -> Vec<f32> {
        let mut values = Vec::with_capacity(pictures.len() * self.size.side * self.size.side * 3);
        for (place, &picture) in pictures.iter().enumerate() {
            window(&self.pictures[picture].pixels, self.size, crop(place), &mut values);
        }
        values
    }
}

/// Appends a crop of a picture to `values`.
pub(super) fn window(pixels: &[u8], size: Size, crop: Crop, values: &mut Vec<f32>) {
    for row in pixels.chunks_exact(size.kept() * 3).skip(crop.down).take(size.side) {
        let row = &row[crop.across * 3..(crop.across + size.side) * 3];
        match crop.mirrored {
            true => values.extend(row.chunks_exact(3).rev().flatten().map(standardised)),
            false => values.extend(row.iter().map(standardised)),
        }
    }
}

/// A pixel as an input value, the FaceNet project's `fixed_image_standardization`.
fn standardised(value: &u8) -> f32 {
    (f32::from(*value) - 127.5) / 128.0
}

/// The pixels of one picture resized to `side`, RGB by rows.
pub(super) fn face(file: &Path, side: usize) -> Result<Box<[u8]>, Why> {
    let photograph = photo::load(file).map_err(Why::Unreadable)?;
    let (width, height) = (photograph.width(), photograph.height());
    // An `Image` has all its pixels, so this cannot fail.
    let whole = image::RgbImage::from_raw(width, height, photograph.into_rgb()).unwrap_or_default();
    let pixels = match (width, height) == (side as u32, side as u32) {
        true => whole,
        false => resize(&whole, side as u32, side as u32, FilterType::Triangle),
    };
    let pixels = pixels.into_raw().into_boxed_slice();
    let mut colours = pixels.chunks_exact(3);
    let first = colours.next();
    match colours.all(|pixel| Some(pixel) == first) {
        true => Err(Why::OneColour),
        false => Ok(pixels),
    }
}
