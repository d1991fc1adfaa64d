//! The weights of a network by name, and their files: `.npz` with the names of FaceNet's variables.
//!
//! Layouts are TensorFlow's: a convolution's kernel is rows, columns, inputs, outputs; a dense layer's is inputs, outputs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use npyz::WriterBuilder as _;
use thiserror::Error;

/// A row-major array: the last dimension varies fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// Arrays by name.
pub type Weights = BTreeMap<String, Array>;

/// Why a file of weights cannot be read or written.
#[derive(Debug, Error)]
pub enum WeightsError {
    #[error("cannot read the weights in {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is not a complete .npz file: {source}; was the copy interrupted?")]
    NoArchive { path: PathBuf, source: zip::result::ZipError },
    #[error("{path}: {name} cannot be read: {source}")]
    BadArray { path: PathBuf, name: String, source: std::io::Error },
    #[error("{path}: {name} is {kind}; weights must be float32")]
    WrongKind { path: PathBuf, name: String, kind: String },
    #[error("{path}: {name} has a value that is not finite; the network that wrote it had diverged")]
    NotFinite { path: PathBuf, name: String },
    #[error("cannot write the weights to {path}: {source}; the previous file is unchanged")]
    Write { path: PathBuf, source: std::io::Error },
}

/// The entry of an archive that is not an array.
const NOTE: &str = "note.json";
/// The most values that an array may have, more than any network here needs: bounds the memory that a damaged header requests.
const MAX_VALUES: u64 = 1 << 30;

/// Reads all arrays of an `.npz` file.
pub fn read(path: &Path) -> Result<Weights, WeightsError> {
    Ok(read_with_note(path)?.0)
}

/// Reads all arrays of an `.npz` file, and the note that was written with them; empty without a note.
pub fn read_with_note(path: &Path) -> Result<(Weights, String), WeightsError> {
    let file = File::open(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
    let no_archive = |source| WeightsError::NoArchive { path: path.to_owned(), source };
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(no_archive)?;
    let (mut weights, mut note) = (Weights::new(), String::new());
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(no_archive)?;
        if entry.name() == NOTE {
            let bad = |source| WeightsError::BadArray { path: path.to_owned(), name: NOTE.to_owned(), source };
            entry.read_to_string(&mut note).map_err(bad)?;
            continue;
        }
        let name = entry.name().trim_end_matches(".npy").to_owned();
        let array = read_array(entry, path, &name)?;
        weights.insert(name, array);
    }
    Ok((weights, note))
}

fn read_array(entry: impl Read, path: &Path, name: &str) -> Result<Array, WeightsError> {
    let bad = |source| WeightsError::BadArray { path: path.to_owned(), name: name.to_owned(), source };
    let file = npyz::NpyFile::new(entry).map_err(bad)?;
    let shape: Vec<usize> = file.shape().iter().map(|&side| side as usize).collect();
    let wrong_kind = |kind: String| WeightsError::WrongKind { path: path.to_owned(), name: name.to_owned(), kind };
    if file.order() != npyz::Order::C {
        return Err(wrong_kind("column-major (Fortran order)".to_owned()));
    }
    let count = file
        .shape()
        .iter()
        .try_fold(1u64, |product, &side| product.checked_mul(side))
        .filter(|&count| count <= MAX_VALUES);
    if count.is_none() {
        return Err(wrong_kind(format!("an array of shape {shape:?}")));
    }
    let kind = file.dtype().descr();
    let values: Vec<f32> = match file.try_data::<f32>() {
        Ok(values) => values.collect::<Result<_, _>>().map_err(bad)?,
        Err(_) => return Err(wrong_kind(kind)),
    };
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(Array { shape, values }),
        false => Err(WeightsError::NotFinite { path: path.to_owned(), name: name.to_owned() }),
    }
}

/// Writes all arrays into an `.npz` file, atomically and synced.
pub fn write(path: &Path, weights: &Weights) -> Result<(), WeightsError> {
    write_with_note(path, weights, None)
}

/// The same with a note, which `read_with_note` returns.
pub fn write_with_note(path: &Path, weights: &Weights, note: Option<&str>) -> Result<(), WeightsError> {
    write_arrays(path, weights, note).map_err(|source| WeightsError::Write { path: path.to_owned(), source })
}

fn write_arrays(path: &Path, weights: &Weights, note: Option<&str>) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let draft = PathBuf::from(draft);
    let written = write_draft(&draft, weights, note)
        .and_then(|()| std::fs::rename(&draft, path))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    written
}

fn write_draft(draft: &Path, weights: &Weights, note: Option<&str>) -> std::io::Result<()> {
    let mut archive = zip::ZipWriter::new(BufWriter::new(File::create(draft)?));
    // Float weights hardly compress, so they are stored. Without a time stamp, the same weights give the same bytes.
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored).large_file(true);
    for (name, array) in weights {
        archive.start_file(format!("{name}.npy"), options)?;
        let shape: Vec<u64> = array.shape.iter().map(|&side| side as u64).collect();
        let mut writer =
            npyz::WriteOptions::<f32>::new().default_dtype().shape(&shape).writer(&mut archive).begin_nd()?;
        writer.extend(array.values.iter().copied())?;
        writer.finish()?;
    }
    if let Some(note) = note {
        archive.start_file(NOTE, options)?;
        archive.write_all(note.as_bytes())?;
    }
    let mut file = archive.finish()?;
    file.flush()?;
    file.get_ref().sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_weights_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.npz");
        let array = |shape: &[usize], values: &[f32]| Array { shape: shape.to_vec(), values: values.to_vec() };
        let weights = Weights::from([
            ("a/weights".to_owned(), array(&[2, 1, 2], &[1.5, -2.0, 0.0, 1e-20])),
            ("a/biases".to_owned(), array(&[1], &[3.0])),
        ]);
        write(&path, &weights).unwrap();
        assert_eq!(read(&path).unwrap(), weights);
        let first = std::fs::read(&path).unwrap();
        write(&path, &weights).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_malformed_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.npz");
        assert!(read(&path).unwrap_err().to_string().starts_with("cannot read the weights"));
        let array = Array { shape: vec![2], values: vec![1.0, f32::NAN] };
        write(&path, &Weights::from([("w".to_owned(), array)])).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("w has a value that is not finite"));
        let bytes = std::fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(read(&path).is_err(), "{length} bytes of {}", bytes.len());
        }
        assert!(
            write(&folder.path().join("none/weights.npz"), &Weights::new())
                .unwrap_err()
                .to_string()
                .contains("unchanged")
        );
    }
}
