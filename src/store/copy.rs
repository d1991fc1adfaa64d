//! The second copy: a plain file of framed changes beside the database, from which the database can be made anew.
//!
//! Knows nothing of sled, nor of what the changes mean.
//!
//! # Bytes
//!
//! Integers are little-endian. After 16 bytes that name the format come frames:
//!
//! ```text
//! length   u32, of the payload
//! kind     u8: 1 part of the base, 2 a commit, 3 the end of the base
//! number   u64: of the commit; in the base, of the commit up to which it speaks
//! check    16 bytes, the beginning of BLAKE3 over kind, number and payload
//! payload
//! ```
//!
//! The payload of 1 and 2 is changes, each: length of the tree's name (u8), the name, length of the key (u32), the key, 1 or 0 for
//! put or delete (u8), and for a put length of the value (u32) and the value. The payload of 3 is BLAKE3 over all bytes of the file
//! before that frame. First the base: what was there when the file was last written anew, with the commits that came in meanwhile.
//! After its end one frame for each commit, numbered without gaps. A file that ends with the end of its base is a backup.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use super::Change;

/// The first bytes of the file.
pub(super) const MAGIC: &[u8; 16] = b"usher store, 1\r\n";
/// Longer payloads are taken for damage.
const LONGEST_PAYLOAD: u32 = 64 << 20;
const HEADER: usize = 4 + 1 + 8 + 16;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Base = 1,
    Commit = 2,
    EndOfBase = 3,
}

/// One change as read back.
pub(super) struct Read1<'a> {
    pub tree: &'a str,
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// The open file, with the place where its last whole frame ends.
pub(super) struct Copy {
    file: File,
    end: u64,
    number: u64,
}

/// What is in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Where the last whole frame ends.
    pub end: u64,
    /// The number of the last commit.
    pub number: u64,
    /// The number up to which the base speaks; `None` when the base is not whole, and the file of no use.
    pub base: Option<u64>,
    /// How long the file is.
    pub length: u64,
}

impl Copy {
    /// Goes on with a file that was scanned; cuts off what is not whole.
    pub fn resume(file: File, scan: Scan) -> io::Result<Copy> {
        if scan.length > scan.end {
            file.set_len(scan.end)?;
            file.sync_data()?;
        }
        Ok(Copy { file, end: scan.end, number: scan.number })
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

    /// Writes the next commit and forces it to disk. After an error nothing of it is left.
    pub fn append(&mut self, payload: &[u8]) -> io::Result<()> {
        let bytes = frame(Kind::Commit, self.number + 1, payload);
        let written = self.file.write_all_at(&bytes, self.end).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.cut(self.end)?;
            return Err(error);
        }
        self.end += bytes.len() as u64;
        self.number += 1;
        Ok(())
    }

    /// Takes the last commit back, which began at `start`.
    pub fn take_back(&mut self, start: u64) -> io::Result<()> {
        self.cut(start)?;
        self.end = start;
        self.number -= 1;
        Ok(())
    }

    fn cut(&self, end: u64) -> io::Result<()> {
        self.file.set_len(end)?;
        self.file.sync_data()
    }
}

/// A frame's bytes.
pub(super) fn frame(kind: Kind, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
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
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    short
}

/// Adds one change to a payload.
pub(super) fn push(payload: &mut Vec<u8>, tree: &str, key: &[u8], value: Option<&[u8]>) {
    // Names of trees are words of this program.
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

/// The changes in a payload; `None` when it is not made of changes.
pub(super) fn changes(payload: &[u8]) -> Option<Vec<Read1<'_>>> {
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
        found.push(Read1 { tree, key, value });
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

/// Reads the file from its beginning to the last frame that is whole, and shows each frame of changes to `each`: its number, whether
/// it belongs to the base, and its payload. Whatever the bytes are, the end is a [`Scan`].
pub(super) fn scan<E: From<io::Error>>(
    file: &File,
    each: impl FnMut(u64, bool, &[u8]) -> Result<(), E>,
) -> Result<Scan, E> {
    scan_from(At { file, place: 0 }, file.metadata()?.len(), each)
}

/// As [`scan`], from any source of so many bytes.
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
            (2, Some(_)) if number == found.number + 1 => {
                each(number, false, &payload)?;
                found.number = number;
            }
            _ => return Ok(found),
        }
        found.end += (HEADER + payload.len()) as u64;
    }
}

/// Fills `bytes`; `false` when the file ends before.
fn whole(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a file from a place of its own, whatever else is done with it.
pub(super) struct At<'a> {
    pub file: &'a File,
    pub place: u64,
}

impl Read for At<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(bytes, self.place)?;
        self.place += count as u64;
        Ok(count)
    }
}
