//! The file of the galleries' keys, one for each epoch that is in use, of the office and of each board. It lies beside the store, not in it: a key that is destroyed is
//! overwritten in its place, while a database keeps old pages for a while.
//!
//! Its last line is a hash of all others. A new text is first written whole beside it, then over it: at any moment one of the two files has its hash, and where both have,
//! the one beside it is the newer one.

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

/// What the last line begins with. The hash of all lines before it follows.
const END: &str = "end ";

/// Why the keys cannot be used.
#[derive(Debug, Error)]
pub enum KeyFileError {
    #[error("the galleries' keys {} cannot be used: {cause}. Without them nobody's record can be opened: restore the file from a backup", path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("the galleries' keys {} are damaged: restore the file from a backup", path.display())]
    Damaged { path: PathBuf },
    #[error("no key can be made: {0}")]
    Key(#[from] SealedError),
}

/// The key of each gallery's epochs.
type Keys = BTreeMap<(Gallery, u64), EpochKey>;

/// What of the keys is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disk {
    /// The file has all of them, and nothing lies beside it.
    Settled,
    /// One of the files has them, or those from before the last change: what lies beside the file is to be taken care of first.
    Unsettled,
    /// The files could not be read.
    Unread,
}

/// The keys, in memory as on disk.
pub struct KeyFile {
    path: PathBuf,
    keys: Keys,
    disk: Disk,
}

impl KeyFile {
    /// Reads the file, or begins one without keys. A disk that cannot be written is no reason to fail: nothing is lost.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn open(path: &Path) -> Result<KeyFile, KeyFileError> {
        let keys = load(path)?;
        let mut keys = KeyFile { path: path.to_owned(), keys, disk: Disk::Unsettled };
        if let Err(error) = keys.settle() {
            tracing::warn!(%error, "the galleries' keys were read, and cannot be written now");
        }
        Ok(keys)
    }

    /// No keys, where the file cannot be read for now. Before something is written, it is read.
    pub fn unread(path: &Path) -> KeyFile {
        KeyFile { path: path.to_owned(), keys: Keys::new(), disk: Disk::Unread }
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
        match self.keys.len() == before && self.disk == Disk::Settled {
            true => Ok(()),
            // Also if an earlier attempt could not write what it destroyed in memory.
            false => self.write(),
        }
    }

    /// Writes all keys in the place of those before: into the same blocks, where the file system allows. The text is first written and synchronised beside it.
    fn write(&mut self) -> Result<(), KeyFileError> {
        if self.disk == Disk::Unread {
            for (place, key) in load(&self.path)? {
                self.keys.entry(place).or_insert(key);
            }
        }
        if self.disk != Disk::Settled {
            // The whole one of the two must not be overwritten first.
            self.settle()?;
        }
        let mut text = Zeroizing::new(String::new());
        for ((gallery, epoch), key) in &self.keys {
            let digits = Zeroizing::new(hex(&*key.to_bytes()));
            text.push_str(&format!("{gallery} {epoch} {}\n", digits.as_str()));
        }
        let hash = blake3::hash(text.as_bytes()).to_hex();
        text.push_str(&format!("{END}{hash}\n"));
        self.disk = Disk::Unsettled;
        write_over(&beside(&self.path), text.as_bytes())
            .map_err(|cause| KeyFileError::File { path: self.path.clone(), cause })?;
        self.settle()
    }

    /// Brings what lies beside the file into it, if it is whole, and takes it away.
    fn settle(&mut self) -> Result<(), KeyFileError> {
        let failed = |cause| KeyFileError::File { path: self.path.clone(), cause };
        let beside = beside(&self.path);
        if let Some(text) = text_of(&beside)? {
            if keys_of(&text).is_some() {
                write_over(&self.path, text.as_bytes()).map_err(failed)?;
            }
            // It holds the same keys, or some of them, and goes the same way.
            write_over(&beside, b"").map_err(failed)?;
            std::fs::remove_file(&beside).and_then(|()| sync_folder(&beside)).map_err(failed)?;
        }
        self.disk = Disk::Settled;
        Ok(())
    }
}

/// Where a new text is written first.
fn beside(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Writes `text` over what is there, fills the rest with spaces, synchronises, and only then cuts the file.
fn write_over(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text)?;
    let rest = length.saturating_sub(text.len() as u64);
    io::copy(&mut io::repeat(b' ').take(rest), &mut file)?;
    file.sync_all()?;
    file.set_len(text.len() as u64)?;
    file.sync_all()?;
    sync_folder(path)
}

/// Brings the folder of a file to the disk: else a new file may be gone after a power cut, and one that was removed there again.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The keys on disk; none if there is no file.
fn load(path: &Path) -> Result<Keys, KeyFileError> {
    if let Some(keys) = text_of(&beside(path))?.and_then(|text| keys_of(&text)) {
        return Ok(keys);
    }
    match text_of(path)? {
        Some(text) => keys_of(&text).ok_or_else(|| KeyFileError::Damaged { path: path.to_owned() }),
        None => Ok(Keys::new()),
    }
}

/// The text of a file; `None` if there is none.
fn text_of(path: &Path) -> Result<Option<Zeroizing<String>>, KeyFileError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    match read {
        // What is no text has no hash, either.
        Ok(_) => Ok(Some(Zeroizing::new(std::str::from_utf8(&bytes).unwrap_or_default().to_owned()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(KeyFileError::File { path: path.to_owned(), cause }),
    }
}

/// The keys in a text; `None` unless it is whole.
fn keys_of(text: &str) -> Option<Keys> {
    // A longer text before it was overwritten with spaces.
    let (lines, hash) = text.trim_end().rsplit_once(END)?;
    if blake3::hash(lines.as_bytes()).to_hex().as_str() != hash {
        return None;
    }
    lines.lines().map(read).collect()
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

    /// A file with keys of Berlin's epochs; its text and their bytes.
    fn with_epochs(dir: &Path, epochs: &[u64]) -> String {
        let berlin = "berlin".parse().unwrap();
        let mut keys = KeyFile::open(&dir.join("keys")).unwrap();
        for epoch in epochs {
            keys.make(&berlin, *epoch).unwrap();
        }
        std::fs::read_to_string(dir.join("keys")).unwrap()
    }

    #[test]
    fn a_damaged_file_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let whole = with_epochs(dir.path(), &[1, 2]);
        let mixed = with_epochs(tempfile::tempdir().unwrap().path(), &[1, 2]);
        assert_eq!(whole.len(), mixed.len());
        // The beginning of the new text and the end of the old one: every line of it can be read.
        let torn = format!("{}{}", &mixed[..40], &whole[40..]);
        let line = whole.lines().next().unwrap();
        let bad =
            [torn, whole[..20].to_owned(), String::new(), " ".repeat(99), whole.replacen(line, "", 1), "end\n".into()];
        for bad in bad {
            std::fs::write(&path, &bad).unwrap();
            assert!(matches!(KeyFile::open(&path), Err(KeyFileError::Damaged { .. })), "{bad:?}");
            // What lies beside it counts if it is whole.
            std::fs::write(dir.path().join("keys.new"), &whole).unwrap();
            assert_eq!(KeyFile::open(&path).unwrap().epochs(&"berlin".parse().unwrap()), [1, 2]);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
            assert!(!dir.path().join("keys.new").exists());
        }
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(KeyFile::open(&path), Err(KeyFileError::Damaged { .. })));
    }

    #[test]
    fn a_power_cut_at_any_moment_leaves_the_keys_before_or_after() {
        let (dir, berlin) = (tempfile::tempdir().unwrap(), "berlin".parse().unwrap());
        let (path, beside) = (dir.path().join("keys"), dir.path().join("keys.new"));
        let before = with_epochs(dir.path(), &[1]);
        let after = with_epochs(dir.path(), &[1, 2]);
        let open = || KeyFile::open(&path).unwrap().epochs(&berlin);
        for cut in 0..after.len() {
            // While the new text is written beside: over nothing, or over spaces.
            for half in [after[..cut].to_owned(), format!("{}{}", &after[..cut], " ".repeat(after.len() - cut))] {
                std::fs::write(&path, &before).unwrap();
                std::fs::write(&beside, half).unwrap();
                // All but the end of the line is there.
                let is_whole = cut + 1 == after.len();
                assert_eq!(open(), if is_whole { vec![1, 2] } else { vec![1] }, "{cut}");
            }
            // While it is written over the old one, also of one that was longer.
            for (half, whole, epochs) in [
                (format!("{}{}", &after[..cut], before.get(cut..).unwrap_or_default()), &after, vec![1, 2]),
                (
                    format!("{}{}", before.get(..cut).unwrap_or(&before), &after[cut.min(before.len())..]),
                    &before,
                    vec![1],
                ),
            ] {
                std::fs::write(&path, half).unwrap();
                std::fs::write(&beside, whole).unwrap();
                assert_eq!(open(), epochs, "{cut}");
                assert!(!beside.exists());
            }
        }
    }

    #[test]
    fn a_disk_that_cannot_be_written_loses_no_key_and_destroys_what_it_was_told_to_later() {
        let (dir, berlin) = (tempfile::tempdir().unwrap(), "berlin".parse().unwrap());
        let (path, beside) = (dir.path().join("keys"), dir.path().join("keys.new"));
        let whole = with_epochs(dir.path(), &[1, 2]);
        let mut keys = KeyFile::open(&path).unwrap();
        // A folder in its place: it can be neither read nor written.
        std::fs::create_dir(&beside).unwrap();
        assert!(matches!(keys.make(&berlin, 3), Err(KeyFileError::File { .. })));
        assert!(matches!(keys.destroy_before(&berlin, 2), Err(KeyFileError::File { .. })));
        assert!(matches!(keys.destroy_before(&berlin, 2), Err(KeyFileError::File { .. })), "not forgotten");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        let mut unread = KeyFile::unread(&path);
        assert!(KeyFile::open(&path).is_err() && unread.make(&berlin, 4).is_err());
        std::fs::remove_dir(&beside).unwrap();
        keys.destroy_before(&berlin, 2).unwrap();
        assert_eq!(KeyFile::open(&path).unwrap().epochs(&berlin), [2]);
        // What could not be read is kept once it can be.
        unread.make(&berlin, 4).unwrap();
        assert_eq!((unread.epochs(&berlin), KeyFile::open(&path).unwrap().epochs(&berlin)), (vec![2, 4], vec![2, 4]));
    }
}
