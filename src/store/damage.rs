//! What a torn, cut or rotten file does to the store: it opens, everything that was answered for is there, and what was mended is told.
//!
//! sled 0.34 alone does not stand this: it panics on some of these files, and goes on with less than was written on others.

use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

use super::recover::{ANSWERED, COPY, DATABASE};
use super::*;

/// Keys that the store below holds.
const KEYS: u32 = 400;

/// A store that was closed in order, with entries written, overwritten and deleted over several openings.
fn used() -> TempDir {
    let tmp = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let store = Store::open(tmp.path()).unwrap();
        let tree = store.tree("journal").unwrap();
        for chunk in 0..10 {
            let keys = chunk * KEYS / 10..(chunk + 1) * KEYS / 10;
            let changes: Vec<Change> = keys.map(|key| tree.put(key.to_be_bytes(), value(key, round))).collect();
            store.commit(&changes).unwrap();
        }
    }
    tmp
}

fn value(key: u32, round: u32) -> Vec<u8> {
    let mut value = (key * 31 + round).to_le_bytes().repeat(60);
    value.push(round as u8);
    value
}

fn copy_of(dir: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                fs::create_dir(&target).unwrap();
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
    let tmp = tempfile::tempdir().unwrap();
    copy(dir, tmp.path());
    tmp
}

/// Everything is there, and can be written to.
fn expect_whole(store: &Store) {
    let tree = store.tree("journal").unwrap();
    assert_eq!(tree.iter().map(Result::unwrap).count(), KEYS as usize);
    for key in 0..KEYS {
        assert_eq!(tree.get(key.to_be_bytes()).unwrap().unwrap().to_vec(), value(key, 3), "{key}");
    }
    store.commit(&[store.tree("after").unwrap().put("k", "v")]).unwrap();
}

/// What happens to a file.
#[derive(Clone, Debug)]
enum Damage {
    Cut(Index),
    Flip(Index, u8),
    /// A sector that was never written, or written with something else.
    Sector(Index, u8),
    Empty,
    Gone,
}

impl Damage {
    fn strike(&self, file: &Path) {
        let mut bytes = fs::read(file).unwrap();
        if bytes.is_empty() && !matches!(self, Damage::Gone) {
            return;
        }
        match self {
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Damage::Flip(at, bits) => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Damage::Sector(at, fill) => {
                let at = at.index(bytes.len()) / 512 * 512;
                let end = bytes.len().min(at + 512);
                bytes[at..end].fill(*fill);
            }
            Damage::Empty => bytes.clear(),
            Damage::Gone => return fs::remove_file(file).unwrap(),
        }
        fs::write(file, bytes).unwrap();
    }
}

fn any_damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => any::<Index>().prop_map(Damage::Cut),
        4 => (any::<Index>(), 1u8..).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, fill)| Damage::Sector(at, fill)),
        1 => Just(Damage::Empty),
        1 => Just(Damage::Gone),
    ]
}

/// All files of the database, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect();
    found.sort();
    found
}

/// How many cases: `USHER_TEST_DAMAGE=5000` for a long search.
fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("USHER_TEST_DAMAGE").ok().and_then(|text| text.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(asked.unwrap_or(usual)) }
}

#[test]
fn a_damaged_database_loses_nothing() {
    let used = used();
    let mended = std::cell::Cell::new(0);
    proptest!(cases(60), |(which: Index, damage in prop::collection::vec(any_damage(), 1..3))| {
        let tmp = copy_of(used.path());
        for damage in &damage {
            let files = files(&tmp.path().join(DATABASE));
            if !files.is_empty() {
                damage.strike(&files[which.index(files.len())]);
            }
        }
        let store = Store::open(tmp.path()).unwrap();
        expect_whole(&store);
        let repairs = store.take_repairs();
        prop_assert!(repairs.iter().all(|repair| repair.lost == 0), "{:?}", repairs);
        mended.set(mended.get() + usize::from(!repairs.is_empty()));
        drop(store);
        let store = Store::open(tmp.path()).unwrap();
        prop_assert_eq!(store.take_repairs(), vec![], "what was mended stays mended");
    });
    assert!(mended.get() > 0, "nothing was hit that matters");
}

#[test]
fn a_damaged_copy_loses_nothing() {
    let used = used();
    proptest!(cases(40), |(damage in any_damage())| {
        let tmp = copy_of(used.path());
        damage.strike(&tmp.path().join(COPY));
        let store = Store::open(tmp.path()).unwrap();
        expect_whole(&store);
        prop_assert!(store.take_repairs().iter().all(|repair| repair.lost == 0));
        drop(store);
        // The copy is whole again: it alone makes the database anew.
        fs::remove_dir_all(tmp.path().join(DATABASE)).unwrap();
        expect_whole(&Store::open(tmp.path()).unwrap());
    });
}

#[test]
fn a_torn_count_of_commits_hinders_nothing() {
    let used = used();
    for damage in [Damage::Empty, Damage::Gone] {
        damage.strike(&used.path().join(ANSWERED));
        let store = Store::open(used.path()).unwrap();
        expect_whole(&store);
        assert_eq!(store.take_repairs(), []);
    }
}

#[test]
fn commits_that_both_lost_are_told_and_the_store_goes_on() {
    let used = used();
    let before = copy_of(used.path());
    let store = Store::open(used.path()).unwrap();
    let tree = store.tree("more").unwrap();
    (0..5u32).for_each(|key| store.commit(&[tree.put(key.to_be_bytes(), "v")]).unwrap());
    drop((store, tree));
    // Database and copy as they were, the count as it is.
    fs::copy(used.path().join(ANSWERED), before.path().join(ANSWERED)).unwrap();
    let store = Store::open(before.path()).unwrap();
    let repairs = store.take_repairs();
    assert_eq!(repairs.iter().map(|repair| repair.lost).sum::<u64>(), 5, "{repairs:?}");
    expect_whole(&store);
    drop(store);
    assert_eq!(Store::open(before.path()).unwrap().take_repairs(), [], "told once");
}

#[test]
fn when_both_are_gone_nothing_is_begun_in_silence() {
    let used = used();
    fs::remove_dir_all(used.path().join(DATABASE)).unwrap();
    fs::write(used.path().join(COPY), b"usher").unwrap();
    let Err(error) = Store::open(used.path()) else { panic!("opened what is gone") };
    assert!(matches!(error, StoreError::Damaged { .. }) && error.to_string().contains("usher restore"), "{error}");
    fs::remove_file(used.path().join(COPY)).unwrap();
    assert!(matches!(Store::open(used.path()), Err(StoreError::Damaged { .. })));
}

#[test]
fn damaged_databases_are_kept_aside_but_not_for_ever() {
    let used = used();
    for _ in 0..6 {
        fs::write(used.path().join(DATABASE).join("db"), b"").unwrap();
        for file in files(&used.path().join(DATABASE)) {
            fs::write(file, b"rubbish").unwrap();
        }
        expect_whole(&Store::open(used.path()).unwrap());
    }
    let asides = fs::read_dir(used.path())
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with("damaged-"));
    assert_eq!(asides.count(), 4);
}

#[test]
fn dying_between_the_copy_and_the_database_loses_nothing_and_is_no_damage() {
    let used = used();
    let before = copy_of(used.path());
    let store = Store::open(used.path()).unwrap();
    store.commit(&[store.tree("more").unwrap().put("k", "v")]).unwrap();
    drop(store);
    fs::copy(used.path().join(COPY), before.path().join(COPY)).unwrap();
    let store = Store::open(before.path()).unwrap();
    assert_eq!(store.take_repairs(), []);
    assert_eq!(store.tree("more").unwrap().get("k").unwrap().unwrap(), b"v");
    expect_whole(&store);
}
