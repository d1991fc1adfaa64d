//! The second copy: a plain file of framed changes beside the database, from which the database can be rebuilt.
//!
//! # Format
//!
//! Integers are little-endian. 16 bytes name the format; frames follow:
//!
//! ```text
//! length   u32, of the payload
//! kind     u8: 1 part of the base, 2 a commit, 3 the end of the base
//! number   u64: of the commit; in the base, of the commit up to which the base is complete
//! check    16 bytes, the beginning of BLAKE3 over kind, number and payload
//! payload
//! ```
//!
//! The payload of kinds 1 and 2 is a list of changes, each: length of the tree's name (u8), the name, length of the key (u32), the key, 1 for
//! put or 0 for delete (u8), and for a put the length of the value (u32) and the value. The payload of kind 3 is BLAKE3 over all bytes of the
//! file before that frame. The base comes first: everything the store held when the file was last rewritten, and the commits made meanwhile.
//! After the end of the base comes one frame for each commit, numbered without gaps. A file that ends with the end of its base is a backup.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use super::Change;

/// The first bytes of the file.
pub(super) const MAGIC: &[u8; 16] = b"usher store, 1\r\n";
/// A longer payload is treated as damage.
const LONGEST_PAYLOAD: u32 = 64 << 20;
const HEADER: usize = 4 + 1 + 8 + 16;

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Base = 1,
    Commit = 2,
    EndOfBase = 3,
}

/// One change, borrowed from a payload.
pub(super) struct ReadChange<'a> {
    pub tree: &'a str,
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// The open file, and where its last whole frame ends.
pub(super) struct SecondCopy {
    file: File,
    end: u64,
    number: u64,
}

/// The result of scanning a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Where the last whole frame ends.
    pub end: u64,
    /// The number of the last commit.
    pub number: u64,
    /// The commit up to which the base is complete; `None` if the base is incomplete and the file useless.
    pub base: Option<u64>,
    /// The length of the file.
    pub length: u64,
}

impl SecondCopy {
    /// Continues a scanned file, and truncates an incomplete last frame.
    pub fn resume(file: File, scan: Scan) -> io::Result<SecondCopy> {
        if scan.length > scan.end {
            file.set_len(scan.end)?;
            file.sync_data()?;
        }
        Ok(SecondCopy { file, end: scan.end, number: scan.number })
    }

    /// The number of the last commit.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The file's length in bytes.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The file, for reading.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Appends the next commit and syncs it. After an error the file is truncated to its old length.
    pub fn append(&mut self, payload: &[u8]) -> io::Result<()> {
        let number = self.number.checked_add(1).ok_or_else(|| io::Error::other("no number is left for a commit"))?;
        let bytes = frame(Kind::Commit, number, payload);
        let written = self.file.write_all_at(&bytes, self.end).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.cut(self.end)?;
            return Err(error);
        }
        self.end = self.end.saturating_add(bytes.len() as u64);
        self.number = number;
        Ok(())
    }

    /// Undoes the last commit, which began at `start`.
    pub fn take_back(&mut self, start: u64) -> io::Result<()> {
        self.cut(start)?;
        self.end = start;
        self.number = self.number.saturating_sub(1);
        Ok(())
    }

    fn cut(&self, end: u64) -> io::Result<()> {
        self.file.set_len(end)?;
        self.file.sync_data()
    }
}

/// The bytes of a frame.
pub(super) fn frame(kind: Kind, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len().saturating_add(HEADER));
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.push(kind as u8);
    bytes.extend(number.to_le_bytes());
    bytes.extend(check(kind as u8, number, payload));
    bytes.extend(payload);
    bytes
}

fn check(kind: u8, number: u64, payload: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[kind]).update(&number.to_le_bytes()).update(payload);
    let hash: [u8; 32] = hasher.finalize().into();
    *hash.first_chunk().unwrap_or(&[0; 16])
}

/// Appends one change to a payload.
pub(super) fn push(payload: &mut Vec<u8>, tree: &str, key: &[u8], value: Option<&[u8]>) {
    // Tree names are constants of this program, shorter than 256 bytes.
    payload.push(tree.len() as u8);
    payload.extend(tree.as_bytes());
    payload.extend((key.len() as u32).to_le_bytes());
    payload.extend(key);
    payload.push(u8::from(value.is_some()));
    if let Some(value) = value {
        payload.extend((value.len() as u32).to_le_bytes());
        payload.extend(value);
    }
}

/// The payload of a commit.
pub(super) fn payload(changes: &[Change]) -> Vec<u8> {
    let mut payload = Vec::new();
    for change in changes {
        push(&mut payload, &change.tree, &change.key, change.value.as_deref());
    }
    payload
}

/// Parses the changes in a payload; `None` if it is malformed.
pub(super) fn changes(payload: &[u8]) -> Option<Vec<ReadChange<'_>>> {
    let mut rest = payload;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let [length] = take(&mut rest)?;
        let tree = std::str::from_utf8(slice(&mut rest, usize::from(length))?).ok()?;
        let key = sized(&mut rest)?;
        let value = match take(&mut rest)? {
            [0] => None,
            [1] => Some(sized(&mut rest)?),
            _ => return None,
        };
        found.push(ReadChange { tree, key, value });
    }
    Some(found)
}

fn sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(take(rest)?);
    slice(rest, length as usize)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    slice(rest, N)?.try_into().ok()
}

fn slice<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

/// Reads the file from its beginning to the last whole frame, and passes each frame of changes to `each`: its number, whether it belongs to
/// the base, and its payload. Damage ends the scan and is no error.
pub(super) fn scan<E: From<io::Error>>(
    file: &File,
    each: impl FnMut(u64, bool, &[u8]) -> Result<(), E>,
) -> Result<Scan, E> {
    scan_from(ReadAt { file, place: 0 }, file.metadata()?.len(), each)
}

/// As [`scan`], from any source of `length` bytes.
pub(super) fn scan_from<E: From<io::Error>>(
    source: impl Read,
    length: u64,
    mut each: impl FnMut(u64, bool, &[u8]) -> Result<(), E>,
) -> Result<Scan, E> {
    let mut found = Scan { length, ..Scan::default() };
    let mut input = BufReader::with_capacity(256 << 10, source);
    let mut magic = [0; MAGIC.len()];
    if !whole(&mut input, &mut magic)? || magic != *MAGIC {
        return Ok(found);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&magic);
    found.end = MAGIC.len() as u64;
    let mut payload = Vec::new();
    loop {
        let mut header = [0; HEADER];
        if !whole(&mut input, &mut header)? {
            return Ok(found);
        }
        let mut rest = &header[..];
        let (Some(size), Some([kind]), Some(number), Some(expected)) =
            (take(&mut rest).map(u32::from_le_bytes), take(&mut rest), take(&mut rest), take::<16>(&mut rest))
        else {
            return Ok(found);
        };
        let number = u64::from_le_bytes(number);
        if size > LONGEST_PAYLOAD || u64::from(size) > length.saturating_sub(found.end) {
            return Ok(found);
        }
        payload.resize(size as usize, 0);
        if !whole(&mut input, &mut payload)? || check(kind, number, &payload) != expected {
            return Ok(found);
        }
        match (kind, found.base) {
            (1 | 2, None) => {
                hasher.update(&header).update(&payload);
                each(number, true, &payload)?;
            }
            (3, None) if payload == hasher.finalize().as_bytes() => {
                found.base = Some(number);
                found.number = number;
            }
            (2, Some(_)) if Some(number) == found.number.checked_add(1) => {
                each(number, false, &payload)?;
                found.number = number;
            }
            _ => return Ok(found),
        }
        found.end = found.end.saturating_add(HEADER as u64).saturating_add(payload.len() as u64);
    }
}

/// Fills `bytes`; `false` if the input ends before.
fn whole(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a file from a position of its own, independent of the file's cursor.
pub(super) struct ReadAt<'a> {
    pub file: &'a File,
    pub place: u64,
}

impl Read for ReadAt<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(bytes, self.place)?;
        self.place = self.place.saturating_add(count as u64);
        Ok(count)
    }
}
