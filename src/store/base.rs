//! Writes the whole store as one file of frames, for a new second copy or for a backup.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::copy::{self, Kind, MAGIC, ReadAt, frame};
use super::{StoreError, expect_room, explain};

/// Payload size at which a frame is written.
const FRAME_BYTES: usize = 256 << 10;
/// The file is synced after this many bytes, so that the file system never delays syncs of other files for long.
const SYNC_BYTES: usize = 1 << 20;

/// A file being written, with mode 0600. Dropping it before [`Base::end`] removes the file.
pub(super) struct Base<'a> {
    path: &'a Path,
    /// `None` once it has ended.
    out: Option<BufWriter<File>>,
    hasher: blake3::Hasher,
    unsynced: usize,
    /// Writing fails with [`StoreError::Full`] when less than this is free on the disk.
    spare_bytes: u64,
}

/// A callback that takes an entry: the tree's name, key and value.
pub(super) type Show<'s> = &'s mut dyn FnMut(&str, &[u8], &[u8]) -> Result<(), StoreError>;

impl<'a> Base<'a> {
    /// Starts the file at `path`, replacing an existing one.
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

    /// Writes every entry that `each` produces. They must include at least the commits up to `number`.
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

    /// Appends the commits of another copy, byte for byte.
    pub fn commits(&mut self, file: &File, from: u64, to: u64) -> Result<(), StoreError> {
        let mut source = ReadAt { file, place: from };
        let mut left = to.saturating_sub(from);
        let mut bytes = vec![0; 64 << 10];
        while left > 0 {
            let wanted = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let (part, _) = bytes.split_at_mut(wanted);
            source.read_exact(part).map_err(|error| explain(self.path, error))?;
            self.write(part)?;
            left = left.saturating_sub(part.len() as u64);
        }
        Ok(())
    }

    /// Syncs what was written so far.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.unsynced = 0;
        let Some(out) = &mut self.out else { return Ok(()) };
        let synced = out.flush().and_then(|()| out.get_ref().sync_data());
        synced.map_err(|error| explain(self.path, error))?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        expect_room(folder, self.spare_bytes, 0)
    }

    /// Ends the base at commit `number`, and syncs the file.
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
        self.unsynced = self.unsynced.saturating_add(bytes.len());
        if self.unsynced >= SYNC_BYTES { self.sync() } else { Ok(()) }
    }
}

impl Drop for Base<'_> {
    fn drop(&mut self) {
        if let Some(out) = self.out.take() {
            // Discards the buffer instead of writing it out.
            drop(out.into_parts());
            drop(fs::remove_file(self.path));
        }
    }
}
