//! A site head's file, `NAME.head.safetensors`: the map, the model it belongs to, and how distances are spread behind it.
//!
//! Knows nothing of how a head is learned and of what is near enough.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use thiserror::Error;

use super::calibration_file::CalibrationFile;
use super::digest::sha256;
use super::whole_file::Beside;
use crate::domain::{Head, ModelId};

/// The tensor's name.
const MATRIX: &str = "head";
/// Keys of the file's notes.
const MODEL: &str = "model";
const CALIBRATION: &str = "calibration";
/// A head of the largest embedding that a gallery takes has 67 MB; what is larger is none.
const MOST_BYTES: u64 = 100_000_000;

/// What the file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadFile {
    pub head: Head,
    /// Measured behind the head, on people that it had not learned from. Its `model` is the head's id.
    pub calibration: CalibrationFile,
}

/// Why a head cannot be read or written.
#[derive(Debug, Error)]
pub enum HeadFileError {
    #[error("the site head {} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error("the site head {} cannot be written: {why}", path.display())]
    Unwritable { path: PathBuf, why: std::io::Error },
    #[error("{} is no site head: {why}; remove it, or learn it again with `usher train head`", path.display())]
    Malformed { path: PathBuf, why: String },
}

/// The file's name for the embedder `name` of the manifest.
pub fn file_name(name: &str) -> String {
    format!("{name}.head.safetensors")
}

/// The tag of embeddings behind a head: the model's own, and the start of the SHA-256 of the map's bytes.
pub fn head_id(base: &ModelId, matrix: &[f32]) -> ModelId {
    ModelId::new(&format!("{base}+{}", &sha256(&bytes(matrix))[..8]))
}

fn bytes(matrix: &[f32]) -> Vec<u8> {
    matrix.iter().flat_map(|value| value.to_le_bytes()).collect()
}

impl HeadFile {
    /// Reads the file; `None` when there is none.
    pub fn load(path: &Path) -> Result<Option<HeadFile>, HeadFileError> {
        let unreadable = |why| HeadFileError::Unreadable { path: path.to_owned(), why };
        let malformed = |why: String| HeadFileError::Malformed { path: path.to_owned(), why };
        match fs::metadata(path) {
            Ok(metadata) if metadata.len() > MOST_BYTES => return Err(malformed("it is too large".to_owned())),
            Ok(_) => {}
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(unreadable(why)),
        }
        let content = fs::read(path).map_err(unreadable)?;
        HeadFile::parse(&content).map(Some).map_err(malformed)
    }

    /// What a file of this form holds; an error says what is wrong with it.
    pub fn parse(content: &[u8]) -> Result<HeadFile, String> {
        let (_, metadata) = SafeTensors::read_metadata(content).map_err(|e| e.to_string())?;
        let note = |key: &str| {
            metadata.metadata().as_ref().and_then(|notes| notes.get(key)).ok_or(format!("it does not say its {key}"))
        };
        let base = ModelId::new(note(MODEL)?);
        let calibration =
            CalibrationFile::parse(note(CALIBRATION)?).map_err(|why| format!("its calibration: {why}"))?;
        let tensors = SafeTensors::deserialize(content).map_err(|e| e.to_string())?;
        let tensor = tensors.tensor(MATRIX).map_err(|e| e.to_string())?;
        let square = matches!(tensor.shape(), [rows, columns] if rows == columns);
        if tensor.dtype() != Dtype::F32 || !square {
            return Err(format!(
                "it holds {:?} of shape {:?}, where a square of float32 is wanted",
                tensor.dtype(),
                tensor.shape()
            ));
        }
        let (figures, _) = tensor.data().as_chunks::<4>();
        let matrix: Box<[f32]> = figures.iter().map(|&four| f32::from_le_bytes(four)).collect();
        let id = head_id(&base, &matrix);
        if calibration.model != id.as_str() {
            return Err(format!("its calibration is of {}, not of {id}", calibration.model));
        }
        let head = Head::new(base, id, matrix).ok_or("it holds what is no number")?;
        Ok(HeadFile { head, calibration })
    }

    /// Writes the file in one step: a reader sees the old one or the new one, whole.
    pub fn save(&self, path: &Path) -> Result<(), HeadFileError> {
        self.save_once(path, |_| Ok(()))
    }

    /// Writes the file, calls `noted` with its SHA-256, and puts it into its place only if that went well.
    pub fn save_once<E: From<HeadFileError>>(
        &self,
        path: &Path,
        noted: impl FnOnce(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let unwritable = |why| HeadFileError::Unwritable { path: path.to_owned(), why };
        let content = self.content().map_err(unwritable)?;
        let beside = Beside::write(path, &content).map_err(unwritable)?;
        noted(&sha256(&content))?;
        Ok(beside.put().map_err(unwritable)?)
    }

    fn content(&self) -> std::io::Result<Vec<u8>> {
        let data = bytes(self.head.matrix());
        let side = self.head.dimension();
        let view = TensorView::new(Dtype::F32, vec![side, side], &data).map_err(std::io::Error::other)?;
        let notes =
            [(MODEL.to_owned(), self.head.base().to_string()), (CALIBRATION.to_owned(), self.calibration.to_toml())];
        let notes = Some(notes.into_iter().collect());
        safetensors::serialize([(MATRIX, view)], notes).map_err(std::io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> HeadFile {
        let base = ModelId::new("net-1");
        let matrix: Box<[f32]> = [1.0, 0.5, -0.5, 1.0].into();
        let id = head_id(&base, &matrix);
        let calibration = CalibrationFile {
            format: super::super::calibration_file::FORMAT,
            model: id.to_string(),
            measured: "a \"site\"".into(),
            people: 20,
            photographs: 100,
            impostor_pairs: 5000,
            genuine_pairs: 300,
            repeats: None,
            impostor: vec![[1e-3, 0.5], [1e-2, 0.75]],
            genuine: vec![[0.5, 0.25]],
        };
        HeadFile { head: Head::new(base, id, matrix).unwrap(), calibration }
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/on/the/way").join(file_name("net"));
        assert_eq!(HeadFile::load(&path).unwrap(), None);
        file().save(&path).unwrap();
        assert_eq!(HeadFile::load(&path).unwrap(), Some(file()));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_head_is_refused_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.head.safetensors");
        file().save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let error = HeadFile::load(&path).unwrap_err().to_string();
            assert!(error.contains("learn it again with `usher train head`"), "{length} bytes: {error}");
        }
        // Another map than the one that was measured.
        let mut other = whole.clone();
        *other.last_mut().unwrap() ^= 1;
        fs::write(&path, other).unwrap();
        assert!(HeadFile::load(&path).unwrap_err().to_string().contains("its calibration is of"));
    }
}
