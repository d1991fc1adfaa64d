//! A file that a reader sees as it was or as it is, whole: it is written beside its place, and put there in one step.
//!
//! Knows nothing of what is in it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file on disk beside its place. Dropped, it is removed, and what is in the place stays.
pub struct Beside {
    written: PathBuf,
    place: PathBuf,
}

impl Beside {
    /// Writes it, and makes the folders on the way to its place.
    pub fn write(place: &Path, content: &[u8]) -> io::Result<Beside> {
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut written = place.as_os_str().to_owned();
        written.push(".new");
        let beside = Beside { written: written.into(), place: place.to_owned() };
        let mut file = fs::File::create(&beside.written)?;
        file.write_all(content)?;
        file.sync_all()?;
        Ok(beside)
    }

    /// Puts it into its place.
    pub fn put(self) -> io::Result<()> {
        fs::rename(&self.written, &self.place)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Once it is in its place, there is nothing left here.
        drop(fs::remove_file(&self.written));
    }
}
