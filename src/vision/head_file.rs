//! A site head's file, `NAME.head.safetensors`: the linear map, the model it belongs to, and the distribution of distances behind it.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use thiserror::Error;

use super::calibration_file::{CalibrationContentError, CalibrationFile};
use super::file::{StagedFile, sha256};
use crate::domain::{ModelId, SiteHead};

/// The tensor's name.
const MATRIX: &str = "head";
/// Keys of the file's metadata.
const MODEL: &str = "model";
const CALIBRATION: &str = "calibration";
/// A head for the largest embedding that a gallery accepts has 67 MB; a larger file is refused.
const MAX_BYTES: u64 = 100_000_000;

/// What the file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadFile {
    pub head: SiteHead,
    /// Measured behind the head, on people whom it was not trained on. Its `model` is the head's id.
    pub calibration: CalibrationFile,
}

/// Why a head cannot be read or written.
#[derive(Debug, Error)]
pub enum HeadFileError {
    #[error("the site head {} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error("the site head {} cannot be written: {why}", path.display())]
    Unwritable { path: PathBuf, why: std::io::Error },
    #[error("{} is not a site head: {why}; remove it, or learn it again with `usher train head`", path.display())]
    Malformed { path: PathBuf, why: HeadContentError },
}

/// What is wrong with a head file's content.
#[derive(Debug, Error)]
pub enum HeadContentError {
    #[error("it is too large")]
    TooLarge,
    #[error(transparent)]
    Safetensors(#[from] safetensors::SafeTensorError),
    #[error("its metadata has no {0}")]
    NoMetadata(&'static str),
    #[error("its calibration: {0}")]
    Calibration(#[from] CalibrationContentError),
    #[error("it holds {kind:?} of shape {shape:?}, expected a square float32 matrix")]
    WrongTensor { kind: Dtype, shape: Vec<usize> },
    #[error("its calibration is of {model}, not of {id}")]
    OtherCalibration { model: String, id: ModelId },
    #[error("its matrix has values that are not finite")]
    NotFinite,
}

/// The file's name for the embedder `name` of the manifest.
pub fn file_name(name: &str) -> String {
    format!("{name}.head.safetensors")
}

/// The id of embeddings behind a head: the model's, followed by the start of the SHA-256 of the map's bytes.
pub fn head_id(base: &ModelId, matrix: &[f32]) -> ModelId {
    let hash: String = sha256(&bytes(matrix)).chars().take(8).collect();
    ModelId::new(&format!("{base}+{hash}"))
}

fn bytes(matrix: &[f32]) -> Vec<u8> {
    matrix.iter().flat_map(|value| value.to_le_bytes()).collect()
}

impl HeadFile {
    /// Reads the file; `None` if there is none.
    pub fn load(path: &Path) -> Result<Option<HeadFile>, HeadFileError> {
        let unreadable = |why| HeadFileError::Unreadable { path: path.to_owned(), why };
        let malformed = |why| HeadFileError::Malformed { path: path.to_owned(), why };
        match fs::metadata(path) {
            Ok(metadata) if metadata.len() > MAX_BYTES => return Err(malformed(HeadContentError::TooLarge)),
            Ok(_) => {}
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(unreadable(why)),
        }
        let content = fs::read(path).map_err(unreadable)?;
        HeadFile::parse(&content).map(Some).map_err(malformed)
    }

    /// Parses the content of such a file.
    pub fn parse(content: &[u8]) -> Result<HeadFile, HeadContentError> {
        let (_, metadata) = SafeTensors::read_metadata(content)?;
        let note = |key: &'static str| {
            metadata.metadata().as_ref().and_then(|notes| notes.get(key)).ok_or(HeadContentError::NoMetadata(key))
        };
        let base = ModelId::new(note(MODEL)?);
        let calibration = CalibrationFile::parse(note(CALIBRATION)?)?;
        let tensors = SafeTensors::deserialize(content)?;
        let tensor = tensors.tensor(MATRIX)?;
        let square = matches!(tensor.shape(), [rows, columns] if rows == columns);
        if tensor.dtype() != Dtype::F32 || !square {
            return Err(HeadContentError::WrongTensor { kind: tensor.dtype(), shape: tensor.shape().to_vec() });
        }
        let (figures, _) = tensor.data().as_chunks::<4>();
        let matrix: Box<[f32]> = figures.iter().map(|&four| f32::from_le_bytes(four)).collect();
        let id = head_id(&base, &matrix);
        if calibration.model != id.as_str() {
            return Err(HeadContentError::OtherCalibration { model: calibration.model, id });
        }
        let head = SiteHead::new(base, id, matrix).ok_or(HeadContentError::NotFinite)?;
        Ok(HeadFile { head, calibration })
    }

    /// Writes the file atomically: a reader sees the old content or the new, never a part.
    pub fn save(&self, path: &Path) -> Result<(), HeadFileError> {
        self.save_after(path, |_| Ok(()))
    }

    /// Stages the file, calls `record` with its SHA-256, and replaces the file only if `record` succeeds.
    pub fn save_after<E: From<HeadFileError>>(
        &self,
        path: &Path,
        record: impl FnOnce(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let unwritable = |why| HeadFileError::Unwritable { path: path.to_owned(), why };
        let content = self.content().map_err(unwritable)?;
        let staged = StagedFile::write(path, &content).map_err(unwritable)?;
        record(&sha256(&content))?;
        Ok(staged.commit().map_err(unwritable)?)
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
            lengths: Vec::new(),
            impostor: vec![[1e-3, 0.5], [1e-2, 0.75]],
            genuine: vec![[0.5, 0.25]],
        };
        HeadFile { head: SiteHead::new(base, id, matrix).unwrap(), calibration }
    }

    #[test]
    fn a_written_file_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/on/the/way").join(file_name("net"));
        assert_eq!(HeadFile::load(&path).unwrap(), None);
        file().save(&path).unwrap();
        assert_eq!(HeadFile::load(&path).unwrap(), Some(file()));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_is_refused_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.head.safetensors");
        file().save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let error = HeadFile::load(&path).unwrap_err().to_string();
            assert!(error.contains("learn it again with `usher train head`"), "{length} bytes: {error}");
        }
        // A different map from the one that was measured.
        let mut other = whole.clone();
        *other.last_mut().unwrap() ^= 1;
        fs::write(&path, other).unwrap();
        assert!(HeadFile::load(&path).unwrap_err().to_string().contains("its calibration is of"));
    }
}
