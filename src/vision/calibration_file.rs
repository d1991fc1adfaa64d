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
    /// Share and length, both increasing: that share of the photographs has a shorter embedding, measured before it was brought to unit length
    /// ([`crate::domain::Quality::length`]). Empty if not measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lengths: Vec<[f64; 2]>,
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
    #[error("its lengths must be positive and rise with their shares, which are from 0 to 1")]
    Lengths,
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
        if !matches!(file.format, 1 | FORMAT) {
            return Err(CalibrationContentError::UnknownFormat(file.format));
        }
        let positive = file.lengths.iter().all(|[share, length]| (0.0..=1.0).contains(share) && *length > 0.0);
        let rising = file.lengths.is_sorted_by(|[a, short], [b, long]| a < b && short <= long);
        let finite = file.lengths.iter().all(|[_, length]| length.is_finite());
        if positive && rising && finite { Ok(file) } else { Err(CalibrationContentError::Lengths) }
    }

    /// The length below which the share `share` (0 to 1) of the photographs is, between two measured ones by linear interpolation. `None` if
    /// lengths were not measured. A share beyond the measured ones has the nearest one's length.
    pub fn length_at(&self, share: f64) -> Option<f32> {
        let after = self.lengths.partition_point(|[at, _]| *at < share);
        let before = after.checked_sub(1).and_then(|at| self.lengths.get(at));
        let length = match (before, self.lengths.get(after)) {
            (Some([a, short]), Some([b, long])) => short + (long - short) * (share - a) / (b - a),
            (Some([_, length]), None) | (None, Some([_, length])) => *length,
            (None, None) => return None,
        };
        Some(length as f32)
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
        let lengths = match self.lengths.is_empty() {
            true => String::new(),
            false => format!(
                "# Share of the photographs, and the embedding's length below which it is.\nlengths = [\n{}]\n",
                lengths(&self.lengths)
            ),
        };
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        format!(
            "format = {}\nmodel = {}\nmeasured = {}\npeople = {}\nphotographs = {}\nimpostor_pairs = {}\ngenuine_pairs = {}\n{repeats}{lengths}\
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

fn lengths(points: &[[f64; 2]]) -> String {
    points.iter().map(|[share, length]| format!("    [{share:.2}, {length:.4}],\n")).collect()
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
            lengths: vec![[0.1, 4.5], [0.2, 5.0], [0.5, 8.0]],
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
        let newer = CalibrationFile { lengths: Vec::new(), ..file() };
        let old = newer.to_toml().replace("format = 2", "format = 1").replace("repeats = 0.8750\n", "");
        let read = CalibrationFile::parse(&old).unwrap();
        assert_eq!(read, CalibrationFile { format: 1, repeats: None, ..newer });
        assert_eq!(read.length_at(0.2), None);
        assert_eq!(CalibrationFile::parse(&read.to_toml()).unwrap(), read, "and written unchanged");
    }

    #[test]
    fn a_length_is_read_off_between_the_measured_shares() {
        let at = |share| file().length_at(share).unwrap();
        assert_eq!([0.0, 0.1, 0.15, 0.2, 0.35, 0.5, 0.9].map(at), [4.5, 4.5, 4.75, 5.0, 6.5, 8.0, 8.0]);
        for broken in
            [[[0.2, 5.0], [0.1, 6.0]], [[0.1, 5.0], [0.2, 4.0]], [[0.1, -1.0], [0.2, 4.0]], [[0.1, 1.0], [1.2, 4.0]]]
        {
            let text = CalibrationFile { lengths: broken.to_vec(), ..file() }.to_toml();
            assert!(matches!(CalibrationFile::parse(&text), Err(CalibrationContentError::Lengths)), "{broken:?}");
        }
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
