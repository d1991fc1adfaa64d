//! The file of the galleries' keys, one for each epoch that is in use, of the office and of each board. It lies beside the store, not in it: a key that is destroyed is
//! overwritten in its place, while a database keeps old pages for a while.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::fleet::{EpochKey, Gallery, SealedError};

/// The longest file that is read.
const MOST: u64 = 16 << 20;

/// The last line: the file was written to its end.
const END: &str = "end";

/// Why the keys cannot be used.
#[derive(Debug, Error)]
pub enum KeyFileError {
    #[error("the galleries' keys {} cannot be used: {cause}. Without them nobody's record can be opened: restore the file from a backup", path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("the galleries' keys {} are damaged in line {line}: restore the file from a backup", path.display())]
    Damaged { path: PathBuf, line: usize },
    #[error("no key can be made: {0}")]
    Key(#[from] SealedError),
}

/// The key of each gallery's epochs.
type Keys = BTreeMap<(Gallery, u64), EpochKey>;

/// The keys, in memory as on disk.
pub struct KeyFile {
    path: PathBuf,
    keys: Keys,
}

impl KeyFile {
    /// Reads the file, or begins one without keys.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn open(path: &Path) -> Result<KeyFile, KeyFileError> {
        let beside = path.with_extension("new");
        let keys = match (load(path), load(&beside)) {
            (Ok(keys), Ok(None)) => return Ok(KeyFile { path: path.to_owned(), keys: keys.unwrap_or_default() }),
            // The power failed while the file was written.
            (Ok(keys), _) => keys.unwrap_or_default(),
            (Err(_), Ok(Some(keys))) => keys,
            (Err(error), _) => return Err(error),
        };
        let keys = KeyFile { path: path.to_owned(), keys };
        keys.write()?;
        Ok(keys)
    }

    /// The key of an epoch.
    pub fn get(&self, gallery: &Gallery, epoch: u64) -> Option<&EpochKey> {
        self.keys.get(&(gallery.clone(), epoch))
    }

    /// All epochs of a gallery whose keys are here.
    pub fn epochs(&self, gallery: &Gallery) -> Vec<u64> {
        self.keys.keys().filter(|(of, _)| of == gallery).map(|(_, epoch)| *epoch).collect()
    }

    /// Makes the key of an epoch, unless there is one. It is on disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn make(&mut self, gallery: &Gallery, epoch: u64) -> Result<(), KeyFileError> {
        match self.get(gallery, epoch) {
            Some(_) => Ok(()),
            None => self.insert(gallery, epoch, EpochKey::generate()?),
        }
    }

    /// Keeps the key of an epoch, unless there is one. It is on disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn insert(&mut self, gallery: &Gallery, epoch: u64, key: EpochKey) -> Result<(), KeyFileError> {
        let place = (gallery.clone(), epoch);
        if !self.keys.contains_key(&place) {
            self.keys.insert(place.clone(), key);
            if let Err(error) = self.write() {
                self.keys.remove(&place);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Destroys the keys of all epochs before `epoch`: in memory and in the file.
    ///
    /// # Errors
    /// The file cannot be written; call it again.
    pub fn destroy_before(&mut self, gallery: &Gallery, epoch: u64) -> Result<(), KeyFileError> {
        let before = self.keys.len();
        self.keys.retain(|(of, at), _| of != gallery || *at >= epoch);
        if self.keys.len() == before { Ok(()) } else { self.write() }
    }

    /// Writes all keys in the place of those before: into the same blocks, where the file system allows. A power cut in between may leave a
    /// damaged line, so the new text is first written and synchronised beside it.
    fn write(&self) -> Result<(), KeyFileError> {
        let failed = |cause| KeyFileError::File { path: self.path.clone(), cause };
        let mut text = Zeroizing::new(String::new());
        for ((gallery, epoch), key) in &self.keys {
            let digits = Zeroizing::new(hex(&*key.to_bytes()));
            text.push_str(&format!("{gallery} {epoch} {}\n", digits.as_str()));
        }
        text.push_str(END);
        text.push('\n');
        let beside = self.path.with_extension("new");
        let mut old = OpenOptions::new();
        old.read(true).write(true).create(true).truncate(false).mode(0o600);
        write_over(&mut old.open(&beside).map_err(failed)?, text.as_bytes()).map_err(failed)?;
        write_over(&mut old.open(&self.path).map_err(failed)?, text.as_bytes()).map_err(failed)?;
        // The one beside it holds the same keys, and goes the same way.
        write_over(&mut old.open(&beside).map_err(failed)?, b"").map_err(failed)?;
        std::fs::remove_file(&beside).map_err(failed)
    }
}

/// Writes `text` over what is there, fills the rest with spaces, synchronises, and only then cuts the file.
fn write_over(file: &mut File, text: &[u8]) -> io::Result<()> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text)?;
    let rest = length.saturating_sub(text.len() as u64);
    io::copy(&mut io::repeat(b' ').take(rest), file)?;
    file.sync_all()?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

/// The keys of a file; `None` if there is no file, or an empty one.
fn load(path: &Path) -> Result<Option<Keys>, KeyFileError> {
    let failed = |cause| KeyFileError::File { path: path.to_owned(), cause };
    let mut text = Zeroizing::new(String::new());
    match File::open(path) {
        Ok(file) => file.take(MOST).read_to_string(&mut text).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let damaged = |line| KeyFileError::Damaged { path: path.to_owned(), line };
    let (mut keys, mut ended, mut last) = (BTreeMap::new(), false, 0);
    // Overwritten lines are spaces.
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        last = number + 1;
        ended = line.trim() == END;
        if !ended {
            let (place, key) = read(line).ok_or_else(|| damaged(last))?;
            keys.insert(place, key);
        }
    }
    match (last, ended) {
        (0, _) => Ok(None),
        (_, true) => Ok(Some(keys)),
        (last, false) => Err(damaged(last)),
    }
}

fn read(line: &str) -> Option<((Gallery, u64), EpochKey)> {
    let mut words = line.split_whitespace();
    let (gallery, epoch, digits) = (words.next()?, words.next()?, words.next()?);
    let key = Zeroizing::new(unhex(digits)?);
    Some(((gallery.parse().ok()?, epoch.parse().ok()?), EpochKey::from_bytes(&key)))
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_kept_over_a_restart_and_destroyed_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let (berlin, bonn): (Gallery, Gallery) = ("berlin".parse().unwrap(), "bonn".parse().unwrap());
        let mut keys = KeyFile::open(&path).unwrap();
        for (gallery, epoch) in [(&berlin, 1), (&berlin, 2), (&bonn, 1)] {
            keys.make(gallery, epoch).unwrap();
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let old = hex(&*keys.get(&berlin, 1).unwrap().to_bytes());
        let kept = hex(&*keys.get(&bonn, 1).unwrap().to_bytes());
        keys.make(&bonn, 1).unwrap();
        keys.destroy_before(&berlin, 2).unwrap();
        assert!(keys.get(&berlin, 1).is_none());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&old) && text.contains(&kept), "{text}");
        let again = KeyFile::open(&path).unwrap();
        assert_eq!((again.epochs(&berlin), again.epochs(&bonn)), (vec![2], vec![1]));
        assert_eq!(hex(&*again.get(&bonn, 1).unwrap().to_bytes()), kept);
    }

    #[test]
    fn a_damaged_file_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        for bad in ["\nberlin 1 abc\nend\n".to_owned(), format!("\nberlin 1 {}\n", "ab".repeat(32))] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(KeyFile::open(&path), Err(KeyFileError::Damaged { line: 2, .. })));
        }
    }

    #[test]
    fn a_power_cut_while_the_file_is_written_loses_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let (path, berlin) = (dir.path().join("keys"), "berlin".parse().unwrap());
        let mut keys = KeyFile::open(&path).unwrap();
        keys.make(&berlin, 1).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        // Half of the file, while the one beside it is whole; then the other way round.
        std::fs::write(dir.path().join("keys.new"), &whole).unwrap();
        std::fs::write(&path, &whole[..20]).unwrap();
        assert_eq!(KeyFile::open(&path).unwrap().epochs(&berlin), [1]);
        std::fs::write(dir.path().join("keys.new"), &whole[..20]).unwrap();
        assert_eq!(KeyFile::open(&path).unwrap().epochs(&berlin), [1]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        assert!(!dir.path().join("keys.new").exists());
    }
}
