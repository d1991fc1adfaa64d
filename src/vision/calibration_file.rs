//! The file beside a model that says how its distances are spread: `NAME.calibration.toml`, shipped with the model, or measured on a
//! site's own photographs.
//!
//! Knows nothing of what is near enough.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::whole_file::Beside;

/// The form that is written. Files of format 1, of usher 0.1.0, are read as well.
pub const FORMAT: u32 = 2;

/// What was measured of one embedder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationFile {
    /// [`FORMAT`], or 1.
    pub format: u32,
    /// The tag of the embeddings, as [`crate::domain::ModelId`] writes it.
    pub model: String,
    /// On what, and how.
    pub measured: String,
    pub people: u64,
    pub photographs: u64,
    /// Pairs of photographs of different people.
    pub impostor_pairs: u64,
    /// Pairs of photographs of one person.
    pub genuine_pairs: u64,
    /// How pictures of one face add up: k of them are like those of `k^repeats` people, 0 to 1. `None` where it was not measured, and in
    /// files of format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<f64>,
    /// False match rate and distance, both rising: that share of impostor pairs is at or below the distance.
    pub impostor: Vec<[f64; 2]>,
    /// False non-match rate, falling, and distance, rising: that share of genuine pairs is above the distance.
    pub genuine: Vec<[f64; 2]>,
}

/// Why a calibration cannot be read or written.
#[derive(Debug, Error)]
pub enum CalibrationFileError {
    #[error("the calibration {} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error("the calibration {} cannot be written: {why}", path.display())]
    Unwritable { path: PathBuf, why: std::io::Error },
    #[error("the calibration {}: {why}; remove it, or measure again with `usher calibrate DIR --write`", path.display())]
    Malformed { path: PathBuf, why: String },
}

/// The file's name for the embedder `name` of the manifest.
pub fn file_name(name: &str) -> String {
    format!("{name}.calibration.toml")
}

impl CalibrationFile {
    /// Reads the file; `None` when there is none.
    pub fn load(path: &Path) -> Result<Option<CalibrationFile>, CalibrationFileError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(CalibrationFileError::Unreadable { path: path.to_owned(), why }),
        };
        let malformed = |why: String| CalibrationFileError::Malformed { path: path.to_owned(), why };
        CalibrationFile::parse(&text).map(Some).map_err(malformed)
    }

    /// From the file's text; an error says why it is none.
    pub(super) fn parse(text: &str) -> Result<CalibrationFile, String> {
        let file: CalibrationFile = toml::from_str(text).map_err(|e| e.to_string())?;
        match file.format {
            1 | FORMAT => Ok(file),
            other => Err(format!("format {other} is not known; this usher reads formats 1 and {FORMAT}")),
        }
    }

    /// Writes the file in one step: a reader sees the old one or the new one, whole.
    pub fn save(&self, path: &Path) -> Result<(), CalibrationFileError> {
        Beside::write(path, self.to_toml().as_bytes())
            .and_then(Beside::put)
            .map_err(|why| CalibrationFileError::Unwritable { path: path.to_owned(), why })
    }

    /// One point a line, so that two calibrations can be compared by eye.
    pub(super) fn to_toml(&self) -> String {
        let table = |points: &[[f64; 2]]| -> String {
            points.iter().map(|[rate, distance]| format!("    [{rate:.9e}, {distance:.5}],\n")).collect()
        };
        let repeats = self.repeats.map_or_else(String::new, |repeats| format!("repeats = {repeats:.4}\n"));
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        format!(
            "format = {}\nmodel = {}\nmeasured = {}\npeople = {}\nphotographs = {}\nimpostor_pairs = {}\ngenuine_pairs = {}\n{repeats}\
             # False match rate, distance.\nimpostor = [\n{}]\n# False non-match rate, distance.\ngenuine = [\n{}]\n",
            self.format,
            quoted(&self.model),
            quoted(&self.measured),
            self.people,
            self.photographs,
            self.impostor_pairs,
            self.genuine_pairs,
            table(&self.impostor),
            table(&self.genuine)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> CalibrationFile {
        CalibrationFile {
            format: FORMAT,
            model: "net-1".into(),
            measured: "on \"faces\"\nof two people".into(),
            people: 2,
            photographs: 5,
            impostor_pairs: 6,
            genuine_pairs: 4,
            repeats: Some(0.875),
            impostor: vec![[1.5e-7, 0.9], [0.5, 1.4]],
            genuine: vec![[0.25, 0.4], [0.0, 0.8]],
        }
    }

    #[test]
    fn what_was_written_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site").join(file_name("net"));
        assert!(matches!(CalibrationFile::load(&path), Ok(None)));
        file().save(&path).unwrap();
        assert_eq!(CalibrationFile::load(&path).unwrap(), Some(file()));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn the_files_of_usher_0_1_0_are_read() {
        let old = file().to_toml().replace("format = 2", "format = 1").replace("repeats = 0.8750\n", "");
        let read = CalibrationFile::parse(&old).unwrap();
        assert_eq!(read, CalibrationFile { format: 1, repeats: None, ..file() });
        assert_eq!(CalibrationFile::parse(&read.to_toml()).unwrap(), read, "and written as they were");
    }

    #[test]
    fn what_is_no_calibration_is_told_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.calibration.toml");
        for text in ["", "format = 1\n", "\u{0}", "format = [", &file().to_toml().replace("format = 2", "format = 3")] {
            fs::write(&path, text).unwrap();
            let error = CalibrationFile::load(&path).unwrap_err().to_string();
            assert!(error.contains("net.calibration.toml") && error.contains("usher calibrate"), "{error}");
        }
    }
}
