//! Writing the whole store as one file of frames: a second copy that begins anew, or a backup.
//!
//! Knows nothing of when that is done.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::copy::{self, At, Kind, MAGIC, frame};
use super::engine::Engine;
use super::{StoreError, explain};

/// Bytes of changes in one frame.
const FRAME_BYTES: usize = 256 << 10;

/// A file that is being written, readable for its owner only.
pub(super) struct Base<'a> {
    path: &'a Path,
    out: BufWriter<File>,
    hasher: blake3::Hasher,
}

impl<'a> Base<'a> {
    /// Begins the file at `path`, in place of one that is there.
    pub fn begin(path: &'a Path) -> Result<Base<'a>, StoreError> {
        let begin = || -> io::Result<BufWriter<File>> {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?;
            Ok(BufWriter::with_capacity(FRAME_BYTES, file))
        };
        let out = begin().map_err(|error| explain(path, error))?;
        let mut base = Base { path, out, hasher: blake3::Hasher::new() };
        base.write(MAGIC)?;
        Ok(base)
    }

    /// Everything that is in `engine`, which holds at least what commits up to `number` made.
    pub fn all_of(&mut self, engine: &Engine, number: u64) -> Result<(), StoreError> {
        let mut payload = Vec::with_capacity(FRAME_BYTES + 4096);
        engine.each::<StoreError>(|tree, key, value| {
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
        Ok(())
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

    /// Ends the base as that of commit `number`, and forces the file to disk.
    pub fn end(self, number: u64) -> Result<File, StoreError> {
        let hash = self.hasher.finalize();
        let end = |mut out: BufWriter<File>| -> io::Result<File> {
            out.write_all(&frame(Kind::EndOfBase, number, hash.as_bytes()))?;
            let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            Ok(file)
        };
        end(self.out).map_err(|error| explain(self.path, error))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hasher.update(bytes);
        self.out.write_all(bytes).map_err(|error| explain(self.path, error))
    }
}
