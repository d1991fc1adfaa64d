//! The ring on disk: a small file and its second copy, of which one is whole at any moment.
//!
//! Both are written in place, one after the other, each synchronised: so an entry that is taken off is written over where it lay, as
//! far as file system and drive write in place at all. Knows nothing of sub-keys' use.
//!
//! ```text
//! 16 bytes that name the format
//! key         8 bytes, by which the store's key is known
//! generation  u64, grows with each writing
//! count       u32
//! entries     each: id 16 bytes, wrapped sub-key 72 bytes
//! check       BLAKE3 of all before it, with a key of the store's
//! sum         BLAKE3 of all before it, by which a torn file is known without that key
//! ```
//!
//! Integers are little-endian.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::cipher::{KEY, OVERHEAD};
use super::key::{KeyId, StoreKey};
use super::ring::SubKeyId;
use super::{RING, RING_COPY, SealError};

const MAGIC: &[u8; 16] = b"usher keyring 1\n";
const CHECK: usize = 32;
const SUM: usize = 32;
/// A sub-key as it stands on the ring.
pub(super) const WRAPPED: usize = KEY + OVERHEAD;
/// Longer files are taken for damage: 100,000 entries.
const LONGEST_FILE: u64 = 100_000 * (16 + WRAPPED) as u64;

/// The wrapped sub-keys.
pub(super) type Entries = BTreeMap<SubKeyId, [u8; WRAPPED]>;

/// A ring as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub key: KeyId,
    pub generation: u64,
    pub entries: Entries,
}

/// What a folder holds of a ring.
pub(super) enum Found {
    Nothing,
    /// The newest; `mend` when one of the two files is behind or damaged.
    Ring {
        ring: Written,
        mend: bool,
    },
    /// A ring of another key than the one given.
    OfAnotherKey(KeyId),
    Damaged {
        why: String,
    },
}

/// Reads both files. What is torn counts for nothing. Without a key their checks cannot be made; the answer is then [`Found::OfAnotherKey`].
pub(super) fn read(dir: &Path, key: Option<&StoreKey>) -> Found {
    let (mut whole, mut others, mut whys, mut missing): (Vec<Written>, Vec<Written>, Vec<String>, usize) =
        Default::default();
    for name in [RING, RING_COPY] {
        match bytes(&dir.join(name)) {
            Ok(None) => missing += 1,
            Ok(Some(bytes)) => match (parse(&bytes), key) {
                (None, _) => whys.push("it is cut short or no key ring".to_owned()),
                (Some(ring), Some(key)) if ring.key == key.id() => match is_whole(&bytes, key) {
                    true => whole.push(ring),
                    false => whys.push("its check does not fit".to_owned()),
                },
                (Some(ring), _) => others.push(ring),
            },
            Err(error) => whys.push(error.to_string()),
        }
    }
    let newest = |rings: &[Written]| rings.iter().max_by_key(|ring| ring.generation).cloned();
    match (newest(&whole), newest(&others)) {
        // A change of the key was cut short: the ring is the new key's.
        (Some(ours), Some(other)) if other.generation > ours.generation => Found::OfAnotherKey(other.key),
        (Some(ring), _) => Found::Ring { mend: whole.len() < 2 || whole[0] != whole[1], ring },
        (None, Some(other)) => Found::OfAnotherKey(other.key),
        (None, None) if missing == 2 => Found::Nothing,
        (None, None) => Found::Damaged { why: whys.join("; ") },
    }
}

/// By which the key of the newest ring in `dir` is known; `None` where there is no ring.
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

/// `None` when it is no whole ring by its form.
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
    // BLAKE3's hashes compare in constant time.
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

/// Writes both files, the copy first. When it returns both are on disk.
pub(super) fn write(dir: &Path, ring: &Written, key: &StoreKey) -> Result<(), SealError> {
    let bytes = encode(ring, key);
    for name in [RING_COPY, RING] {
        let path = dir.join(name);
        in_place(&path, &bytes)
            .and_then(|()| sync_folder_of(&path))
            .map_err(|error| SealError::Unwritable { path, why: error.to_string() })?;
    }
    Ok(())
}

/// Makes it last that a file has this name: syncs the folder that it lies in.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Writes over what is there, to its end.
fn in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let before = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    file.write_all_at(bytes, 0)?;
    if before > bytes.len() {
        file.write_all_at(&vec![0; before - bytes.len()], bytes.len() as u64)?;
        file.sync_data()?;
        file.set_len(bytes.len() as u64)?;
    }
    file.sync_all()
}

/// Writes the ring in `dir` into a file of its own at `path`, over an older one that is there, and says how many sub-keys it holds. What
/// is written is the file as it stands: sub-keys wrapped by the store's key.
pub fn save(dir: &Path, path: &Path, key: &StoreKey) -> Result<usize, SealError> {
    let damaged = |why: &str| SealError::RingDamaged { path: dir.join(RING), why: why.to_owned() };
    match read(dir, Some(key)) {
        Found::Ring { ring, .. } => {
            in_place(path, &encode(&ring, key))
                .map_err(|error| SealError::Unwritable { path: path.to_owned(), why: error.to_string() })?;
            Ok(ring.entries.len())
        }
        Found::Nothing => Err(damaged("there is none")),
        Found::OfAnotherKey(wanted) => Err(SealError::WrongKey { wanted, given: key.id() }),
        Found::Damaged { why } => Err(damaged(&why)),
    }
}

/// The ring of a file that [`save`] wrote.
pub(super) fn load(path: &Path, key: &StoreKey) -> Result<Written, SealError> {
    let bad = |why: &str| SealError::RingDamaged { path: path.to_owned(), why: why.to_owned() };
    let bytes = bytes(path).map_err(|error| bad(&error.to_string()))?.ok_or_else(|| bad("there is none"))?;
    let ring = parse(&bytes).ok_or_else(|| bad("it is cut short or no key ring"))?;
    if ring.key != key.id() {
        return Err(SealError::WrongKey { wanted: ring.key, given: key.id() });
    }
    if is_whole(&bytes, key) { Ok(ring) } else { Err(bad("its check does not fit")) }
}
