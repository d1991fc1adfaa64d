//! The key ring on disk: a small file and its copy, at least one of which is intact at any moment.
//!
//! Both are overwritten in place, one after the other, each followed by a sync. A removed entry is therefore overwritten where it was stored,
//! as far as the file system and the drive write in place at all.
//!
//! ```text
//! magic       16 bytes that name the format
//! key         8 bytes, the id of the store key
//! generation  u64, incremented with each write
//! count       u32
//! entries     each: id 16 bytes, wrapped sub-key 72 bytes
//! check       BLAKE3 of everything before it, keyed with a key derived from the store key
//! sum         BLAKE3 of everything before it, which detects a torn file without the key
//! ```
//!
//! Integers are little-endian.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::cipher::{KEY, OVERHEAD};
use super::key::{StoreKey, sync_parent_dir};
use super::{KeyId, SealError};

/// The key ring's file name in the store's directory.
pub(super) const RING: &str = "keyring";
/// The file name of its copy.
pub(super) const RING_COPY: &str = "keyring.copy";

const MAGIC: &[u8; 16] = b"usher keyring 1\n";
const CHECK: usize = 32;
const SUM: usize = 32;
/// Length of a wrapped sub-key in bytes.
pub(super) const WRAPPED: usize = KEY + OVERHEAD;
/// A longer file is treated as damaged: 400,000 entries. A site of a fleet has at most 100,000 people, each with templates of two models while it goes
/// over from one to the other, and its boards have people of their own.
const LONGEST_FILE: u64 = 400_000 * (16 + WRAPPED) as u64;

/// Identifies a sub-key: random, and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubKeyId(pub [u8; 16]);

/// The wrapped sub-keys by id.
pub(super) type Entries = BTreeMap<SubKeyId, [u8; WRAPPED]>;

/// The contents of a key ring file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub key: KeyId,
    pub generation: u64,
    pub entries: Entries,
}

/// What a directory holds of a key ring.
pub(super) enum Found {
    Nothing,
    /// The newest intact ring. `mend` is set when one of the two files is older or damaged.
    Ring {
        ring: Written,
        mend: bool,
    },
    /// A ring that belongs to a key other than the one given.
    OfAnotherKey(KeyId),
    Damaged {
        why: String,
    },
}

/// Reads both files and ignores a torn one. Without a key, the keyed checks cannot be verified; the answer is then
/// [`Found::OfAnotherKey`].
pub(super) fn read(dir: &Path, key: Option<&StoreKey>) -> Found {
    let (mut whole, mut others, mut whys, mut missing): (Vec<Written>, Vec<Written>, Vec<String>, usize) =
        Default::default();
    for name in [RING, RING_COPY] {
        match bytes(&dir.join(name)) {
            Ok(None) => missing = missing.saturating_add(1),
            Ok(Some(bytes)) => match (parse(&bytes), key) {
                (None, _) => whys.push("it is truncated or not a key ring".to_owned()),
                (Some(ring), Some(key)) if ring.key == key.id() => match is_whole(&bytes, key) {
                    true => whole.push(ring),
                    false => whys.push("its checksum does not match".to_owned()),
                },
                (Some(ring), _) => others.push(ring),
            },
            Err(error) => whys.push(error.to_string()),
        }
    }
    let newest = |rings: &[Written]| rings.iter().max_by_key(|ring| ring.generation).cloned();
    match (newest(&whole), newest(&others)) {
        // A key change was interrupted: the ring already belongs to the new key.
        (Some(ours), Some(other)) if other.generation > ours.generation => Found::OfAnotherKey(other.key),
        (Some(ring), _) => Found::Ring { mend: !matches!(&whole[..], [one, two] if one == two), ring },
        (None, Some(other)) => Found::OfAnotherKey(other.key),
        (None, None) if missing == 2 => Found::Nothing,
        (None, None) => Found::Damaged { why: whys.join("; ") },
    }
}

/// The id of the store key that wraps the newest ring in `dir`; `None` without a ring.
pub(super) fn newest_key(dir: &Path) -> Option<KeyId> {
    let rings = [RING, RING_COPY].iter().filter_map(|name| parse(&bytes(&dir.join(name)).ok()??));
    rings.max_by_key(|ring| ring.generation).map(|ring| ring.key)
}

fn bytes(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(found) if found.len() > LONGEST_FILE => Err(io::Error::other("it is longer than a key ring can be")),
        Ok(_) => fs::read(path).map(Some),
    }
}

/// Parses a key ring file. `None` if it is truncated, torn or malformed; the keyed check is not verified here.
pub(super) fn parse(bytes: &[u8]) -> Option<Written> {
    let (checked, sum) = bytes.split_last_chunk::<SUM>()?;
    if blake3::hash(checked).as_bytes() != sum {
        return None;
    }
    let (text, _) = checked.split_last_chunk::<CHECK>()?;
    let rest = text.strip_prefix(MAGIC)?;
    let (key, rest) = rest.split_first_chunk::<8>()?;
    let (generation, rest) = rest.split_first_chunk::<8>()?;
    let (count, entries) = rest.split_first_chunk::<4>()?;
    let (entries, odd) = entries.as_chunks::<{ 16 + WRAPPED }>();
    if !odd.is_empty() || entries.len() != u32::from_le_bytes(*count) as usize {
        return None;
    }
    let entry = |bytes: &[u8; 16 + WRAPPED]| {
        let (id, wrapped) = bytes.split_first_chunk::<16>()?;
        Some((SubKeyId(*id), wrapped.try_into().ok()?))
    };
    let entries = entries.iter().map(entry).collect::<Option<Entries>>()?;
    Some(Written { key: KeyId(*key), generation: u64::from_le_bytes(*generation), entries })
}

fn is_whole(bytes: &[u8], key: &StoreKey) -> bool {
    let Some((checked, _)) = bytes.split_last_chunk::<SUM>() else { return false };
    let Some((text, check)) = checked.split_last_chunk::<CHECK>() else { return false };
    // `blake3::Hash` compares in constant time.
    blake3::keyed_hash(&key.checking(), text) == blake3::Hash::from_bytes(*check)
}

fn encode(ring: &Written, key: &StoreKey) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(ring.key.0);
    bytes.extend(ring.generation.to_le_bytes());
    bytes.extend((ring.entries.len() as u32).to_le_bytes());
    for (id, wrapped) in &ring.entries {
        bytes.extend(id.0);
        bytes.extend(wrapped);
    }
    let check = blake3::keyed_hash(&key.checking(), &bytes);
    bytes.extend(check.as_bytes());
    let sum = blake3::hash(&bytes);
    bytes.extend(sum.as_bytes());
    bytes
}

/// Writes both files, the copy first. Both are on disk when it returns.
pub(super) fn write(dir: &Path, ring: &Written, key: &StoreKey) -> Result<(), SealError> {
    let bytes = encode(ring, key);
    for name in [RING_COPY, RING] {
        let path = dir.join(name);
        in_place(&path, &bytes)
            .and_then(|()| sync_parent_dir(&path))
            .map_err(|error| SealError::Unwritable { path, why: error.to_string() })?;
    }
    Ok(())
}

/// Overwrites a file in place, including any part beyond the new length.
fn in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let before = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    file.write_all_at(bytes, 0)?;
    let beyond = before.saturating_sub(bytes.len());
    if beyond > 0 {
        file.write_all_at(&vec![0; beyond], bytes.len() as u64)?;
        file.sync_data()?;
        file.set_len(bytes.len() as u64)?;
    }
    file.sync_all()
}

/// Saves the ring in `dir` to a file of its own at `path`, overwriting an older one, and returns the number of sub-keys. The file has the
/// ring's format: the sub-keys stay wrapped by the store key.
pub fn save(dir: &Path, path: &Path, key: &StoreKey) -> Result<usize, SealError> {
    let damaged = |why: &str| SealError::RingDamaged { path: dir.join(RING), why: why.to_owned() };
    match read(dir, Some(key)) {
        Found::Ring { ring, .. } => {
            in_place(path, &encode(&ring, key))
                .map_err(|error| SealError::Unwritable { path: path.to_owned(), why: error.to_string() })?;
            Ok(ring.entries.len())
        }
        Found::Nothing => Err(damaged("there is no key ring")),
        Found::OfAnotherKey(wanted) => Err(SealError::WrongKey { wanted, given: key.id() }),
        Found::Damaged { why } => Err(damaged(&why)),
    }
}

/// Reads a ring that [`save`] wrote.
pub(super) fn load(path: &Path, key: &StoreKey) -> Result<Written, SealError> {
    let bad = |why: &str| SealError::RingDamaged { path: path.to_owned(), why: why.to_owned() };
    let bytes = bytes(path).map_err(|error| bad(&error.to_string()))?.ok_or_else(|| bad("the file does not exist"))?;
    let ring = parse(&bytes).ok_or_else(|| bad("it is truncated or not a key ring"))?;
    if ring.key != key.id() {
        return Err(SealError::WrongKey { wanted: ring.key, given: key.id() });
    }
    if is_whole(&bytes, key) { Ok(ring) } else { Err(bad("its checksum does not match")) }
}
