//! The folder of a liveness test: who is enrolled, and the clips of each species and subject, with what is known about each clip.
//!
//! `FOLDER/enrolled/SUBJECT.jpg` (or a folder of photographs), `FOLDER/bona-fide/SUBJECT/CLIP` and `FOLDER/SPECIES/SUBJECT/CLIP`. A clip is a
//! folder of pictures, or a Motion-JPEG file. What is known about it is in `meta.toml` in that folder, or in `CLIP.toml` beside the file.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::dataset::{self, DatasetError, LeftOut};
use crate::domain::{Moment, Side};

/// The folder of the people themselves, beside those of attacks.
pub const BONA_FIDE: &str = "bona-fide";
/// The folder of the photographs that people are enrolled with.
pub const ENROLLED: &str = "enrolled";
/// The file of what is known about a clip, in its folder.
pub const META: &str = "meta.toml";

const MOTION_JPEG: [&str; 2] = ["mjpeg", "mjpg"];
const VIDEOS: [&str; 8] = ["mkv", "mp4", "m4v", "avi", "mov", "webm", "gif", "mpg"];
/// The frame rates that a clip can have.
const FPS: std::ops::RangeInclusive<f64> = 1.0..=240.0;

/// What is known about a clip.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClipMeta {
    /// Frames a second, where they come evenly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// When each frame was captured, in milliseconds from the first; takes precedence over `fps`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times_ms: Vec<u64>,
    /// The sides to which the person was asked to turn, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<Side>,
    /// The camera that recorded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// When it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<String>,
    /// How the person who is seen agreed to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent: Option<String>,
    /// Anything else, such as where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A clip of a test.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// `None` for a bona fide one.
    pub species: Option<String>,
    pub subject: String,
    /// A folder of pictures, or a Motion-JPEG file.
    pub path: PathBuf,
    pub meta: ClipMeta,
}

/// The content of a test's folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LivenessTest {
    /// The photographs that each subject is enrolled with.
    pub enrolled: BTreeMap<String, Vec<PathBuf>>,
    /// By species and subject.
    pub clips: Vec<Clip>,
    pub left_out: Vec<LeftOut>,
}

/// Why a test's folder cannot be used.
#[derive(Debug, Error)]
pub enum ClipError {
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error(
        "{}: {}; it may have fps, times_ms, order, camera, recorded, consent and note", path.display(), why.message()
    )]
    Meta { path: PathBuf, why: Box<toml::de::Error> },
    #[error("{}: fps is {fps}, and must be from 1 to 240", path.display())]
    Fps { path: PathBuf, fps: f64 },
    #[error("{}: times_ms must grow from frame to frame, and {at} does not come after {before}", path.display())]
    Times { path: PathBuf, before: u64, at: u64 },
    #[error("{}: order names {side} twice; a side is asked for once", path.display())]
    Order { path: PathBuf, side: &'static str },
    #[error(
        "{} has no clips: they are expected as {BONA_FIDE}/SUBJECT/CLIP for people themselves and as SPECIES/SUBJECT/CLIP for attacks, each a \
         folder of pictures or a .mjpeg file. `usher liveness record` makes them",
        path.display()
    )]
    NoClips { path: PathBuf },
    #[error(
        "how fast were the frames of {} taken? Write fps = 15 (or what it was) into {}, or give --fps for all clips without one",
        path.display(), meta.display()
    )]
    NoFrameRate { path: PathBuf, meta: PathBuf },
    #[error(
        "{} has more frames than its times_ms: {frames} and more against {times}; correct one of them",
        path.display()
    )]
    TooFewTimes { path: PathBuf, frames: usize, times: usize },
}

/// Reads a test's folder: names and metas, no pictures. What cannot be a clip is left out, with the reason.
///
/// # Errors
/// A folder or a meta cannot be read, or there are no clips.
pub fn read(folder: &Path) -> Result<LivenessTest, ClipError> {
    let mut test = LivenessTest::default();
    let dataset::Listing { files, folders, left_out } = dataset::list(folder)?;
    test.left_out = left_out;
    test.left_out.extend(files.iter().map(|file| beside(file, "it is beside the folders of species")));
    for species in folders {
        match name(&species).as_str() {
            ENROLLED => test.read_enrolled(&species)?,
            BONA_FIDE => test.read_species(&species, None)?,
            other => {
                let other = other.to_owned();
                test.read_species(&species, Some(other))?;
            }
        }
    }
    match test.clips.is_empty() {
        true => Err(ClipError::NoClips { path: folder.to_owned() }),
        false => Ok(test),
    }
}

impl LivenessTest {
    /// The subjects of clips who are not enrolled.
    pub fn strangers(&self) -> BTreeSet<&str> {
        let subjects = self.clips.iter().map(|clip| clip.subject.as_str());
        subjects.filter(|subject| !self.enrolled.contains_key(*subject)).collect()
    }

    fn read_enrolled(&mut self, folder: &Path) -> Result<(), ClipError> {
        let dataset::Listing { files, folders, left_out } = dataset::list(folder)?;
        self.left_out.extend(left_out);
        for file in files {
            self.enrolled.entry(stem(&file)).or_default().push(file);
        }
        for subject in folders {
            let own = dataset::list(&subject)?;
            self.left_out.extend(own.folders.iter().map(|folder| LeftOut::folder(folder)).chain(own.left_out));
            if !own.files.is_empty() {
                self.enrolled.entry(name(&subject)).or_default().extend(own.files);
            }
        }
        Ok(())
    }

    fn read_species(&mut self, folder: &Path, species: Option<String>) -> Result<(), ClipError> {
        let dataset::Listing { files, folders, left_out } = dataset::list(folder)?;
        self.left_out.extend(left_out);
        self.left_out.extend(files.iter().map(|file| beside(file, "it is beside the subjects' folders")));
        for subject in folders {
            self.read_subject(&subject, species.as_deref())?;
        }
        Ok(())
    }

    fn read_subject(&mut self, folder: &Path, species: Option<&str>) -> Result<(), ClipError> {
        let dataset::Listing { files, folders, left_out } = dataset::list(folder)?;
        self.left_out.extend(left_out);
        let films: Vec<&PathBuf> = files.iter().filter(|file| has_extension(file, &MOTION_JPEG)).collect();
        let is_meta = |file: &Path| films.iter().any(|film| film.with_extension("toml") == file);
        let strays = files.iter().filter(|file| !films.contains(file) && !is_meta(file));
        self.left_out.extend(strays.map(|file| match has_extension(file, &VIDEOS) {
            true => video(file),
            false => beside(file, "a clip is a folder of pictures or a .mjpeg file"),
        }));
        for path in folders.iter().chain(films.iter().copied()) {
            let (species, subject) = (species.map(str::to_owned), name(folder));
            self.clips.push(Clip { species, subject, path: path.clone(), meta: ClipMeta::read(&meta_of(path))? });
        }
        Ok(())
    }
}

impl ClipMeta {
    /// Reads the file of a clip's meta; the default if there is none.
    fn read(path: &Path) -> Result<ClipMeta, ClipError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(ClipMeta::default()),
            Err(why) => return Err(ClipError::Unreadable { path: path.to_owned(), why }),
        };
        let meta: ClipMeta =
            toml::from_str(&text).map_err(|why| ClipError::Meta { path: path.to_owned(), why: Box::new(why) })?;
        meta.check(path)?;
        Ok(meta)
    }

    fn check(&self, path: &Path) -> Result<(), ClipError> {
        if let Some(fps) = self.fps.filter(|fps| !FPS.contains(fps)) {
            return Err(ClipError::Fps { path: path.to_owned(), fps });
        }
        for (before, at) in self.times_ms.iter().zip(self.times_ms.iter().skip(1)) {
            if at <= before {
                return Err(ClipError::Times { path: path.to_owned(), before: *before, at: *at });
            }
        }
        let mut seen = Vec::new();
        for side in &self.order {
            if seen.contains(side) {
                return Err(ClipError::Order { path: path.to_owned(), side: side.as_str() });
            }
            seen.push(*side);
        }
        Ok(())
    }
}

impl Clip {
    /// When the frame number `at` was captured, counted from 0. `fps` is for clips that do not know theirs.
    ///
    /// # Errors
    /// The clip has no frame rate, or fewer times than frames.
    pub fn captured_at(&self, at: usize, fps: Option<f64>) -> Result<Moment, ClipError> {
        if let Some(times) = Some(&self.meta.times_ms).filter(|times| !times.is_empty()) {
            let few = || ClipError::TooFewTimes { path: self.path.clone(), frames: at + 1, times: times.len() };
            return Ok(Moment(Duration::from_millis(*times.get(at).ok_or_else(few)?)));
        }
        let fps = self.meta.fps.or(fps).filter(|fps| FPS.contains(fps));
        let unknown = || ClipError::NoFrameRate { path: self.path.clone(), meta: meta_of(&self.path) };
        Ok(Moment(Duration::from_secs_f64(at as f64 / fps.ok_or_else(unknown)?)))
    }

    /// Its path within the test's folder.
    pub fn name_in(&self, folder: &Path) -> String {
        self.path.strip_prefix(folder).unwrap_or(&self.path).display().to_string()
    }
}

/// The file of a clip's meta, whether or not it exists.
pub fn meta_of(clip: &Path) -> PathBuf {
    if clip.is_dir() { clip.join(META) } else { clip.with_extension("toml") }
}

fn video(file: &Path) -> LeftOut {
    let frames = file.with_extension("");
    let why = format!(
        "usher decodes no videos: make a folder of its frames with `mkdir {0} && ffmpeg -i {1} {0}/%05d.jpg`, and write fps = … into {2}",
        frames.display(),
        file.display(),
        frames.join(META).display()
    );
    LeftOut { path: file.to_owned(), why }
}

fn beside(file: &Path, what: &str) -> LeftOut {
    LeftOut { path: file.to_owned(), why: format!("{what}; clips are SPECIES/SUBJECT/CLIP") }
}

fn has_extension(path: &Path, any_of: &[&str]) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|own| any_of.iter().any(|one| one.eq_ignore_ascii_case(own)))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_folder_is_species_subjects_and_clips_with_what_is_known_of_them() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for file in ["enrolled/ada.jpg", "enrolled/bob/1.jpg", "enrolled/bob/2.jpg", "bona-fide/ada/one/000.jpg"] {
            put(root, file, "");
        }
        put(root, "bona-fide/ada/one/meta.toml", "fps = 12.5\norder = [\"right\", \"left\"]\nconsent = \"written\"\n");
        put(root, "print/ada/moved.mjpeg", "");
        put(root, "print/ada/moved.toml", "times_ms = [0, 80, 200]\n");
        put(root, "print/cyd/film.mkv", "");
        put(root, "print/cyd/still/1.jpg", "");
        put(root, "print/notes.txt", "");
        put(root, "README.md", "");
        let test = read(root).unwrap();
        assert_eq!(
            test.enrolled.iter().map(|(name, files)| (name.as_str(), files.len())).collect::<Vec<_>>(),
            [("ada", 1), ("bob", 2)]
        );
        let names: Vec<_> = test.clips.iter().map(|clip| (clip.species.as_deref(), clip.name_in(root))).collect();
        assert_eq!(
            names,
            [
                (None, "bona-fide/ada/one".to_owned()),
                (Some("print"), "print/ada/moved.mjpeg".to_owned()),
                (Some("print"), "print/cyd/still".to_owned()),
            ]
        );
        assert_eq!(test.strangers().into_iter().collect::<Vec<_>>(), ["cyd"]);
        let [real, moved, still] = &test.clips[..] else { panic!("{test:?}") };
        assert_eq!(real.meta.order, [Side::Right, Side::Left]);
        let ms = |clip: &Clip, at, fps| clip.captured_at(at, fps).map(|at| at.0.as_millis());
        assert_eq!((ms(real, 10, None).unwrap(), ms(moved, 2, Some(1.0)).unwrap()), (800, 200));
        assert!(ms(moved, 3, None).unwrap_err().to_string().contains("more frames than its times_ms"));
        let error = ms(still, 1, None).unwrap_err().to_string();
        assert!(error.contains("print/cyd/still/meta.toml") && error.contains("--fps"), "{error}");
        assert_eq!(ms(still, 30, Some(30.0)).unwrap(), 1000);
        let why: Vec<_> = test.left_out.iter().map(|out| (name(&out.path), out.why.clone())).collect();
        assert_eq!(why.len(), 3, "{why:?}");
        assert!(why.iter().any(|(name, why)| name == "film.mkv" && why.contains("ffmpeg -i")), "{why:?}");
    }

    #[test]
    fn a_folder_without_clips_and_a_meta_that_is_wrong_are_refused_with_what_is_right() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let refused = |root: &Path| read(root).unwrap_err().to_string();
        assert!(refused(root).contains("has no clips") && refused(root).contains("usher liveness record"));
        assert!(refused(&root.join("nowhere")).contains("nowhere cannot be read"));
        put(root, "print/ada/one/1.jpg", "");
        for (text, expected) in [
            ("fps = 0", "from 1 to 240"),
            ("fps = nan", "from 1 to 240"),
            ("fps = \"fast\"", "it may have fps"),
            ("speed = 3", "it may have fps"),
            ("times_ms = [0, 40, 40]", "40 does not come after 40"),
            ("order = [\"left\", \"left\"]", "names left twice"),
            ("order = [\"down\"]", "it may have fps"),
        ] {
            put(root, "print/ada/one/meta.toml", text);
            let error = refused(root);
            assert!(error.contains(expected) && error.contains("one/meta.toml"), "{text}: {error}");
        }
    }

    #[test]
    fn a_meta_is_written_as_it_is_read() {
        let meta = ClipMeta {
            times_ms: vec![0, 70],
            order: vec![Side::Left, Side::Right],
            camera: Some("porch".into()),
            consent: Some("signed".into()),
            ..ClipMeta::default()
        };
        let text = toml::to_string(&meta).unwrap();
        assert!(!text.contains("fps") && text.contains("order = [\"left\", \"right\"]"), "{text}");
        assert_eq!(toml::from_str::<ClipMeta>(&text).unwrap(), meta);
    }
}
