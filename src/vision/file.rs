//! Files beside the models: their SHA-256, and replacing one so that a reader sees the old content or the new, never a part.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The SHA-256 of `content` as 64 lower-case hexadecimal digits: identifies a model in the manifest and a site head in the journal.
pub fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// New content of a file, written and synced beside it under another name. If it is dropped before [`StagedFile::commit`], it is removed
/// and the file keeps its old content.
pub struct StagedFile {
    staged: PathBuf,
    target: PathBuf,
}

impl StagedFile {
    /// Writes `content` for the file `target`. Creates missing folders on the way.
    pub fn write(target: &Path, content: &[u8]) -> io::Result<StagedFile> {
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut name = target.as_os_str().to_owned();
        name.push(".new");
        let staged = StagedFile { staged: name.into(), target: target.to_owned() };
        let mut file = fs::File::create(&staged.staged)?;
        file.write_all(content)?;
        file.sync_all()?;
        Ok(staged)
    }

    /// Replaces the file.
    pub fn commit(self) -> io::Result<()> {
        fs::rename(&self.staged, &self.target)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // After a commit there is nothing to remove.
        drop(fs::remove_file(&self.staged));
    }
}
