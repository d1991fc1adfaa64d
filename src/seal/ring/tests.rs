//! The ring across restarts, key changes, kills and damage.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::seal::file::{RING_COPY, save};

fn key() -> StoreKey {
    StoreKey::generate().unwrap()
}

fn ring(dir: &Path, key: &StoreKey) -> Ring {
    Ring::open(dir, Ok(Some(key.clone())))
}

#[test]
fn a_sub_key_survives_a_restart_until_it_is_removed() {
    let (dir, key) = (tempfile::tempdir().unwrap(), key());
    let first = ring(dir.path(), &key);
    let [one, two] = first.add(2).unwrap()[..] else { panic!() };
    let (a, b) = (first.seal(one, b"a", b"Ada").unwrap(), first.seal(two, b"b", b"Bob").unwrap());
    let again = ring(dir.path(), &key);
    assert_eq!(&**again.unseal(one, b"a", &a).unwrap(), b"Ada");
    assert_eq!(again.unseal(two, b"a", &b), Err(SealError::Broken), "in another's place");
    assert_eq!(again.unseal(two, b"a", &a), Err(SealError::Broken), "of another's key");
    again.remove(&[one]).unwrap();
    assert_eq!(again.unseal(one, b"a", &a), Err(SealError::NoSubKey));
    let later = ring(dir.path(), &key);
    assert_eq!(later.unseal(one, b"a", &a), Err(SealError::NoSubKey));
    assert_eq!(&**later.unseal(two, b"b", &b).unwrap(), b"Bob");
    assert_eq!(later.ids(), [two]);
}

#[test]
fn a_removed_sub_key_is_in_neither_file() {
    let (dir, key) = (tempfile::tempdir().unwrap(), key());
    let ring = ring(dir.path(), &key);
    let ids = ring.add(3).unwrap();
    let holds = |id: &SubKeyId| {
        [RING, RING_COPY].iter().any(|name| {
            let bytes = fs::read(dir.path().join(name)).unwrap();
            bytes.windows(16).any(|window| window == id.0)
        })
    };
    assert!(ids.iter().all(holds));
    ring.remove(&ids[..2]).unwrap();
    assert!(!holds(&ids[0]) && !holds(&ids[1]) && holds(&ids[2]));
}

#[test]
fn without_a_key_nothing_is_sealed_and_a_sealed_store_stays_locked() {
    let (dir, key) = (tempfile::tempdir().unwrap(), key());
    let plain = Ring::open(dir.path(), Ok(None));
    assert_eq!((plain.state(), plain.add(1).unwrap().len()), (RingState::Plain, 0));
    let id = ring(dir.path(), &key).add(1).unwrap()[0];
    let shut = Ring::open(dir.path(), Ok(None));
    assert_eq!(shut.state(), RingState::Locked(SealError::NoKey { wanted: key.id() }));
    assert!(shut.add(1).is_err() && shut.seal(id, b"", b"").is_err() && shut.remove(&[id]).is_err());
    let other = self::key();
    let wrong = ring(dir.path(), &other);
    assert_eq!(wrong.state(), RingState::Locked(SealError::WrongKey { wanted: key.id(), given: other.id() }));
    let unreadable = SealError::NotAKey { path: "k".into() };
    assert_eq!(Ring::open(dir.path(), Err(unreadable.clone())).state(), RingState::Locked(unreadable));
    assert_eq!(ring(dir.path(), &key).ids(), [id]);
}

#[test]
fn a_new_store_key_replaces_the_old_one() {
    let (dir, old, new) = (tempfile::tempdir().unwrap(), key(), key());
    let ring = ring(dir.path(), &old);
    let id = ring.add(1).unwrap()[0];
    let sealed = ring.seal(id, b"", b"Ada").unwrap();
    assert_eq!(ring.change_key(new.clone()), Ok(1));
    assert_eq!(&**ring.unseal(id, b"", &sealed).unwrap(), b"Ada");
    assert_eq!(&**self::ring(dir.path(), &new).unseal(id, b"", &sealed).unwrap(), b"Ada");
    assert!(matches!(self::ring(dir.path(), &old).state(), RingState::Locked(SealError::WrongKey { .. })));
}

/// Covers every state in which a kill can leave the two files, since they are written one after the other.
#[test]
fn an_interrupted_key_change_leaves_the_old_ring_or_the_new_one() {
    let (dir, old, new) = (tempfile::tempdir().unwrap(), key(), key());
    let files = || [RING, RING_COPY].map(|name| fs::read(dir.path().join(name)).unwrap());
    let ring = ring(dir.path(), &old);
    let id = ring.add(1).unwrap()[0];
    let sealed = ring.seal(id, b"", b"Ada").unwrap();
    let before = files();
    ring.change_key(new.clone()).unwrap();
    let after = files();
    for place in 0..=2 * before[0].len() {
        let (copy, main) = (place.min(before[0].len()), place.saturating_sub(before[0].len()));
        let torn = |at: usize, file: usize| [&after[file][..at], &before[file][at..]].concat();
        fs::write(dir.path().join(RING_COPY), torn(copy, 1)).unwrap();
        fs::write(dir.path().join(RING), torn(main, 0)).unwrap();
        let opened: Vec<bool> = [&old, &new]
            .map(|key| {
                let ring = Ring::open(dir.path(), Ok(Some(key.clone())));
                ring.unseal(id, b"", &sealed).is_ok()
            })
            .to_vec();
        assert!(opened.contains(&true), "cut after {place} bytes");
    }
}

#[test]
fn one_damaged_file_is_repaired_and_two_are_reported() {
    let (dir, key) = (tempfile::tempdir().unwrap(), key());
    let id = ring(dir.path(), &key).add(1).unwrap()[0];
    for name in [RING, RING_COPY] {
        fs::write(dir.path().join(name), b"scratched").unwrap();
        assert_eq!(ring(dir.path(), &key).ids(), [id]);
        fs::remove_file(dir.path().join(name)).unwrap();
        assert_eq!(ring(dir.path(), &key).ids(), [id]);
        assert_eq!(fs::read(dir.path().join(RING)).unwrap(), fs::read(dir.path().join(RING_COPY)).unwrap());
    }
    let saved = dir.path().join("saved");
    assert_eq!(save(dir.path(), &saved, &key), Ok(1));
    for name in [RING, RING_COPY] {
        fs::write(dir.path().join(name), b"scratched").unwrap();
    }
    let damaged = ring(dir.path(), &key);
    assert!(matches!(damaged.state(), RingState::Locked(SealError::RingDamaged { .. })), "{damaged:?}");
    assert_eq!(load(dir.path(), &saved, &key), Ok(1));
    assert_eq!(ring(dir.path(), &key).ids(), [id]);
}

#[test]
fn a_saved_ring_is_merged_with_the_present_one() {
    let (dir, key) = (tempfile::tempdir().unwrap(), key());
    let saved = dir.path().join("saved");
    let ring = ring(dir.path(), &key);
    let mut ids = ring.add(2).unwrap();
    assert_eq!(save(dir.path(), &saved, &key), Ok(2));
    ring.remove(&ids[..1]).unwrap();
    ids.extend(ring.add(1).unwrap());
    // Saving again drops the removed sub-key from the saved file too.
    let kept = fs::read(&saved).unwrap();
    assert_eq!(save(dir.path(), &saved, &key), Ok(2));
    assert_eq!(load(dir.path(), &saved, &key), Ok(0));
    fs::write(&saved, kept).unwrap();
    assert_eq!(load(dir.path(), &saved, &key), Ok(1));
    ids.sort();
    assert_eq!(self::ring(dir.path(), &key).ids(), ids);
    let other = self::key();
    assert!(matches!(load(dir.path(), &saved, &other), Err(SealError::WrongKey { .. })));
    fs::write(&saved, b"no ring").unwrap();
    assert!(matches!(load(dir.path(), &saved, &key), Err(SealError::RingDamaged { .. })));
}

proptest! {
    #[test]
    fn no_bytes_panic_and_none_pass_for_a_ring(bytes: Vec<u8>, place: prop::sample::Index, flip in 1u8..) {
        let (dir, key) = (tempfile::tempdir().unwrap(), key());
        let id = ring(dir.path(), &key).add(1).unwrap()[0];
        let mut whole = fs::read(dir.path().join(RING)).unwrap();
        let at = place.index(whole.len());
        whole[at] ^= flip;
        for bytes in [bytes, whole] {
            fs::write(dir.path().join(RING), &bytes).unwrap();
            fs::write(dir.path().join(RING_COPY), &bytes).unwrap();
            let ring = ring(dir.path(), &key);
            prop_assert!(!ring.ids().contains(&id));
            prop_assert!(matches!(ring.state(), RingState::Locked(_)));
        }
    }
}
