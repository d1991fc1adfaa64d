//! Writing the whole store as one file of frames: a second copy that begins anew, or a backup.
//!
//! Knows nothing of when that is done.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::copy::{self, At, Kind, MAGIC, frame};
use super::{StoreError, expect_room, explain};

/// Bytes of changes in one frame.
const FRAME_BYTES: usize = 256 << 10;
/// So many bytes are forced to disk at a time. A file system that has little of this file to write holds up no other file's syncs for long.
const SYNC_BYTES: usize = 1 << 20;

/// A file that is being written, readable for its owner only. Dropped before its end, it is removed.
pub(super) struct Base<'a> {
    path: &'a Path,
    /// `None` once it has come to its end.
    out: Option<BufWriter<File>>,
    hasher: blake3::Hasher,
    unsynced: usize,
    /// It stops with [`StoreError::Full`] when less than this is left free on the disk.
    spare_bytes: u64,
}

/// Shows entries, each a tree's name, a key and a value.
pub(super) type Show<'s> = &'s mut dyn FnMut(&str, &[u8], &[u8]) -> Result<(), StoreError>;

impl<'a> Base<'a> {
    /// Begins the file at `path`, in place of one that is there.
    pub fn begin(path: &'a Path, spare_bytes: u64) -> Result<Base<'a>, StoreError> {
        let begin = || -> io::Result<BufWriter<File>> {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?;
            Ok(BufWriter::with_capacity(FRAME_BYTES, file))
        };
        let out = begin().map_err(|error| explain(path, error))?;
        let mut base = Base { path, out: Some(out), hasher: blake3::Hasher::new(), unsynced: 0, spare_bytes };
        base.write(MAGIC)?;
        Ok(base)
    }

    /// Everything that `each` shows, which is at least what commits up to `number` made.
    pub fn all_of(
        &mut self,
        number: u64,
        each: impl FnOnce(Show<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut payload = Vec::with_capacity(FRAME_BYTES + 4096);
        each(&mut |tree, key, value| {
            copy::push(&mut payload, tree, key, Some(value));
            if payload.len() >= FRAME_BYTES {
                self.write(&frame(Kind::Base, number, &payload))?;
                payload.clear();
            }
            Ok(())
        })?;
        if !payload.is_empty() {
            self.write(&frame(Kind::Base, number, &payload))?;
        }
        self.sync()
    }

    /// The commits of another file, byte for byte.
    pub fn commits(&mut self, file: &File, from: u64, to: u64) -> Result<(), StoreError> {
        let mut source = At { file, place: from };
        let mut left = to.saturating_sub(from);
        let mut bytes = vec![0; 64 << 10];
        while left > 0 {
            let wanted = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            source.read_exact(&mut bytes[..wanted]).map_err(|error| explain(self.path, error))?;
            self.write(&bytes[..wanted])?;
            left -= wanted as u64;
        }
        Ok(())
    }

    /// Forces to disk what was written so far.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.unsynced = 0;
        let Some(out) = &mut self.out else { return Ok(()) };
        let synced = out.flush().and_then(|()| out.get_ref().sync_data());
        synced.map_err(|error| explain(self.path, error))?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        expect_room(folder, self.spare_bytes, 0)
    }

    /// Ends the base as that of commit `number`, and forces the file to disk.
    pub fn end(mut self, number: u64) -> Result<File, StoreError> {
        let hash = self.hasher.finalize();
        let end = |mut out: BufWriter<File>| -> io::Result<File> {
            out.write_all(&frame(Kind::EndOfBase, number, hash.as_bytes()))?;
            let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            Ok(file)
        };
        let Some(out) = self.out.take() else {
            return Err(StoreError::Failed { why: "a file ended twice".to_owned() });
        };
        end(out).map_err(|error| {
            drop(fs::remove_file(self.path));
            explain(self.path, error)
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hasher.update(bytes);
        if let Some(out) = &mut self.out {
            out.write_all(bytes).map_err(|error| explain(self.path, error))?;
        }
        self.unsynced += bytes.len();
        if self.unsynced >= SYNC_BYTES { self.sync() } else { Ok(()) }
    }
}

impl Drop for Base<'_> {
    fn drop(&mut self) {
        if let Some(out) = self.out.take() {
            // Not what is still in the buffer, too.
            drop(out.into_parts());
            drop(fs::remove_file(self.path));
        }
    }
}
