//! The file with the distribution of a model's distances, `NAME.calibration.toml`: shipped with the model, or measured on a site's own
//! photographs.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::file::StagedFile;

/// The format that is written. Format 1, of usher 0.1.0, can be read too.
pub const FORMAT: u32 = 2;

/// The measured distributions of one embedder's distances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationFile {
    /// [`FORMAT`], or 1.
    pub format: u32,
    /// The embeddings' [`crate::domain::ModelId`].
    pub model: String,
    /// On what, and how.
    pub measured: String,
    pub people: u64,
    pub photographs: u64,
    /// Pairs of photographs of different people.
    pub impostor_pairs: u64,
    /// Pairs of photographs of one person.
    pub genuine_pairs: u64,
    /// How the risk of several pictures of one face accumulates: k pictures count as `k^repeats` people, `repeats` from 0 to 1. `None` if
    /// not measured, and in files of format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<f64>,
    /// False match rate and distance, both increasing: that share of impostor pairs is at or below the distance.
    pub impostor: Vec<[f64; 2]>,
    /// False non-match rate, decreasing, and distance, increasing: that share of genuine pairs is above the distance.
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
    Malformed { path: PathBuf, why: CalibrationContentError },
}

/// What is wrong with a calibration file's content.
#[derive(Debug, Error)]
pub enum CalibrationContentError {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error("format {0} is unknown; this usher reads formats 1 and {FORMAT}")]
    UnknownFormat(u32),
}

/// The file's name for the embedder `name` of the manifest.
pub fn file_name(name: &str) -> String {
    format!("{name}.calibration.toml")
}

impl CalibrationFile {
    /// Reads the file; `None` if there is none.
    pub fn load(path: &Path) -> Result<Option<CalibrationFile>, CalibrationFileError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(CalibrationFileError::Unreadable { path: path.to_owned(), why }),
        };
        let malformed = |why| CalibrationFileError::Malformed { path: path.to_owned(), why };
        CalibrationFile::parse(&text).map(Some).map_err(malformed)
    }

    /// Parses the file's text.
    pub(super) fn parse(text: &str) -> Result<CalibrationFile, CalibrationContentError> {
        let file: CalibrationFile = toml::from_str(text)?;
        match file.format {
            1 | FORMAT => Ok(file),
            other => Err(CalibrationContentError::UnknownFormat(other)),
        }
    }

    /// Writes the file atomically: a reader sees the old content or the new, never a part.
    pub fn save(&self, path: &Path) -> Result<(), CalibrationFileError> {
        StagedFile::write(path, self.to_toml().as_bytes())
            .and_then(StagedFile::commit)
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
    fn a_written_file_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site").join(file_name("net"));
        assert!(matches!(CalibrationFile::load(&path), Ok(None)));
        file().save(&path).unwrap();
        assert_eq!(CalibrationFile::load(&path).unwrap(), Some(file()));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "the staged file is gone");
    }

    #[test]
    fn the_files_of_usher_0_1_0_are_read() {
        let old = file().to_toml().replace("format = 2", "format = 1").replace("repeats = 0.8750\n", "");
        let read = CalibrationFile::parse(&old).unwrap();
        assert_eq!(read, CalibrationFile { format: 1, repeats: None, ..file() });
        assert_eq!(CalibrationFile::parse(&read.to_toml()).unwrap(), read, "and written unchanged");
    }

    #[test]
    fn a_malformed_file_is_named_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.calibration.toml");
        for text in ["", "format = 1\n", "\u{0}", "format = [", &file().to_toml().replace("format = 2", "format = 3")] {
            fs::write(&path, text).unwrap();
            let error = CalibrationFile::load(&path).unwrap_err().to_string();
            assert!(error.contains("net.calibration.toml") && error.contains("usher calibrate"), "{error}");
        }
    }
}
