//! The faces that a network learns from: one folder a person, as `usher align` writes them, decoded and brought to the network's size.
//!
//! Owns what is taken and what is left out and why. Knows nothing of networks.

use std::path::{Path, PathBuf};

use image::imageops::{FilterType, resize};
use thiserror::Error;

use crate::lab::crowd::{self, CrowdError, Photograph};
use crate::photo::{self, PhotoError};

/// The size at which pictures are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// What the network takes, pixels of a side.
    pub side: usize,
    /// Pixels that a picture has over that on each axis: learning cuts a window at a place drawn by chance (the FaceNet project's
    /// `random_crop`), embedding takes the middle.
    pub spare: usize,
}

impl Size {
    /// Side of the pictures as they are kept, in pixels.
    pub fn kept(self) -> usize {
        self.side + self.spare
    }
}

/// How a picture is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Left to right.
    pub mirrored: bool,
    /// Pixels left of and above the window.
    pub across: usize,
    pub down: usize,
}

impl View {
    /// The middle, as it is.
    pub fn middle(size: Size) -> View {
        View { mirrored: false, across: size.spare / 2, down: size.spare / 2 }
    }

    /// A place drawn by chance; turned every other time if `mirror`.
    pub fn drawn(size: Size, mirror: bool, chance: &mut fastrand::Rng) -> View {
        View {
            mirrored: mirror && chance.bool(),
            across: chance.usize(..=size.spare),
            down: chance.usize(..=size.spare),
        }
    }
}

/// A data set, checked and in memory.
pub struct Faces {
    size: Size,
    /// Names of the people, in order; a label is a place in here.
    people: Vec<String>,
    pictures: Vec<Picture>,
    /// The pictures of each person.
    of: Vec<Vec<usize>>,
    skipped: Vec<Skipped>,
}

struct Picture {
    file: PathBuf,
    person: u32,
    /// RGB, of the kept size.
    pixels: Box<[u8]>,
}

/// A file that was left out.
#[derive(Debug)]
pub struct Skipped {
    pub file: PathBuf,
    pub why: Why,
}

/// Why a file was left out.
#[derive(Debug, Error)]
pub enum Why {
    #[error("{0}")]
    Unreadable(PhotoError),
    #[error("it is of one colour throughout")]
    OneColour,
    /// The file is no photograph of a person.
    #[error("{0}")]
    NotTaken(String),
}

/// Why a data set cannot be used.
#[derive(Debug, Error)]
pub enum DataError {
    #[error(transparent)]
    Crowd(#[from] CrowdError),
    #[error("{path} holds faces of {people} people with {pictures} pictures or more; {needed} are needed. Nothing can be told apart from fewer", path = path.display())]
    TooFewPeople { path: PathBuf, people: usize, pictures: usize, needed: usize },
    #[error("{path} needs {needed} MB of memory at {side} x {side} pixels, more than the {limit} MB of --memory; give more, or fewer pictures", path = path.display())]
    TooLarge { path: PathBuf, needed: u64, side: usize, limit: u64 },
}

impl Faces {
    /// Reads a data set of one folder a person, on `threads` threads. What cannot be used is left out and listed.
    ///
    /// `most` is how many bytes its pictures may take.
    pub fn read(folder: &Path, size: Size, most: u64, threads: usize) -> Result<Self, DataError> {
        let (listed, left_out) = crowd::people(folder)?;
        let side = size.kept();
        let needed = listed.len() as u64 * (side * side * 3) as u64;
        if needed > most {
            let [needed, limit] = [needed, most].map(|bytes| bytes.div_ceil(1_000_000));
            return Err(DataError::TooLarge { path: folder.to_owned(), needed, side, limit });
        }
        let mut faces = Self { size, people: Vec::new(), pictures: Vec::new(), of: Vec::new(), skipped: Vec::new() };
        faces.skipped.extend(
            left_out.into_iter().map(|left_out| Skipped { file: left_out.path, why: Why::NotTaken(left_out.why) }),
        );
        let mut workers = vec![(); threads.max(1)];
        crowd::walk(
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
        // The data set is listed person by person.
        if self.people.last() != Some(&photograph.person) {
            self.people.push(photograph.person.clone());
            self.of.push(Vec::new());
        }
        let person = self.people.len() - 1;
        self.of[person].push(self.pictures.len());
        self.pictures.push(Picture { file: photograph.file.clone(), person: person as u32, pixels });
    }

    /// Asks that so many people have so many pictures each.
    pub fn require(&self, folder: &Path, needed: usize, pictures: usize) -> Result<(), DataError> {
        let people = self.of.iter().filter(|of| of.len() >= pictures).count();
        match people >= needed {
            true => Ok(()),
            false => Err(DataError::TooFewPeople { path: folder.to_owned(), people, pictures, needed }),
        }
    }

    /// How many pictures there are.
    pub fn count(&self) -> usize {
        self.pictures.len()
    }

    /// The people's names, by label.
    pub fn people(&self) -> &[String] {
        &self.people
    }

    /// The pictures of each person, by label.
    pub fn by_person(&self) -> &[Vec<usize>] {
        &self.of
    }

    /// What was left out.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Whom a picture shows.
    pub fn label(&self, picture: usize) -> u32 {
        self.pictures[picture].person
    }

    /// A picture's file.
    pub fn file(&self, picture: usize) -> &Path {
        &self.pictures[picture].file
    }

    /// The size of its pictures.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Pictures as a network takes them: (pixel - 127.5) / 128, RGB, one after the other, each as `view` says for its place.
    pub fn batch(&self, pictures: &[usize], view: impl Fn(usize) -> View) -> Vec<f32> {
        let mut figures = Vec::with_capacity(pictures.len() * self.size.side * self.size.side * 3);
        for (place, &picture) in pictures.iter().enumerate() {
            window(&self.pictures[picture].pixels, self.size, view(place), &mut figures);
        }
        figures
    }
}

/// Adds a picture's window to `figures`.
pub(super) fn window(pixels: &[u8], size: Size, view: View, figures: &mut Vec<f32>) {
    for row in pixels.chunks_exact(size.kept() * 3).skip(view.down).take(size.side) {
        let row = &row[view.across * 3..(view.across + size.side) * 3];
        match view.mirrored {
            true => figures.extend(row.chunks_exact(3).rev().flatten().map(standard)),
            false => figures.extend(row.iter().map(standard)),
        }
    }
}

/// A pixel's figure as networks take it, the FaceNet project's `fixed_image_standardization`.
fn standard(value: &u8) -> f32 {
    (f32::from(*value) - 127.5) / 128.0
}

/// The pixels of one picture at the wanted size, RGB by rows.
pub(super) fn face(file: &Path, side: usize) -> Result<Box<[u8]>, Why> {
    let photograph = photo::load(file).map_err(Why::Unreadable)?;
    let (width, height) = (photograph.width(), photograph.height());
    let whole = image::RgbImage::from_raw(width, height, photograph.into_rgb()).expect("an image has all its pixels");
    let pixels = match (width, height) == (side as u32, side as u32) {
        true => whole,
        false => resize(&whole, side as u32, side as u32, FilterType::Triangle),
    };
    let pixels = pixels.into_raw().into_boxed_slice();
    let first = &pixels[..3];
    match pixels.chunks_exact(3).all(|pixel| pixel == first) {
        true => Err(Why::OneColour),
        false => Ok(pixels),
    }
}
