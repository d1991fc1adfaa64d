//! Torn, truncated or corrupted files: the store opens, has every acknowledged commit, and reports its repairs.
//!
//! sled 0.34 alone does not withstand this: it refuses most of these files, and opens some with less than was written.

use std::io;

use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

use super::recover::{ANSWERED, COPY, DATABASE};
use super::*;

/// Keys that the store below holds.
const KEYS: u32 = 400;

/// A store that was closed cleanly, with entries written, overwritten and deleted over several openings.
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

/// Expects every entry to be there, and the store to be writable.
fn expect_whole(store: &Store) {
    let tree = store.tree("journal").unwrap();
    assert_eq!(tree.iter().map(Result::unwrap).count(), KEYS as usize);
    for key in 0..KEYS {
        assert_eq!(tree.get(key.to_be_bytes()).unwrap().unwrap().to_vec(), value(key, 3), "{key}");
    }
    store.commit(&[store.tree("after").unwrap().put("k", "v")]).unwrap();
}

/// Damage to a file.
#[derive(Clone, Debug)]
enum Damage {
    Cut(Index),
    Flip(Index, u8),
    /// A sector that was never written, or was overwritten.
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

/// The number of cases; set `USHER_TEST_DAMAGE=5000` for a long search.
fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("USHER_TEST_DAMAGE").ok().and_then(|text| text.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(asked.unwrap_or(usual)) }
}

#[test]
fn a_damaged_database_loses_nothing() {
    let used = used();
    let repaired = std::cell::Cell::new(0);
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
        repaired.set(repaired.get() + usize::from(!repairs.is_empty()));
        drop(store);
        let store = Store::open(tmp.path()).unwrap();
        prop_assert_eq!(store.take_repairs(), vec![], "a repair is permanent");
    });
    assert!(repaired.get() > 0, "no damage needed a repair");
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
        // The copy is complete again: the database can be rebuilt from it alone.
        fs::remove_dir_all(tmp.path().join(DATABASE)).unwrap();
        expect_whole(&Store::open(tmp.path()).unwrap());
    });
}

#[test]
fn a_torn_count_of_commits_does_no_harm() {
    let used = used();
    for damage in [Damage::Empty, Damage::Gone] {
        damage.strike(&used.path().join(ANSWERED));
        let store = Store::open(used.path()).unwrap();
        expect_whole(&store);
        assert_eq!(store.take_repairs(), []);
    }
}

#[test]
fn commits_lost_from_both_are_reported_and_the_store_opens() {
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
    assert_eq!(Store::open(before.path()).unwrap().take_repairs(), [], "reported once");
}

#[test]
fn when_both_are_gone_no_new_store_is_created_silently() {
    let used = used();
    fs::remove_dir_all(used.path().join(DATABASE)).unwrap();
    fs::write(used.path().join(COPY), b"usher").unwrap();
    let Err(error) = Store::open(used.path()) else { panic!("opened a lost store") };
    assert!(matches!(error, StoreError::Damaged { .. }) && error.to_string().contains("usher restore"), "{error}");
    fs::remove_file(used.path().join(COPY)).unwrap();
    assert!(matches!(Store::open(used.path()), Err(StoreError::Damaged { .. })));
}

#[test]
fn the_last_few_damaged_databases_are_kept() {
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
fn being_killed_between_copy_and_database_loses_nothing_and_needs_no_repair() {
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

/// A small file system in memory, unmounted on drop. [`SmallDisk::mount`] prints a note and returns `None` if mounting is not permitted.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let tmp = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(tmp.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(SmallDisk(tmp));
        }
        // Not captured by the test runner.
        io::Write::write_all(&mut io::stderr(), b"SKIPPED: no file system can be mounted here; run it as root\n")
            .unwrap();
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}

/// A store without spare space fills the disk until sled itself meets the full disk and refuses everything.
#[test]
fn a_database_that_meets_a_full_disk_is_reopened_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let dir = disk.0.path().join("store");
    let store = Store::open_sparing(&dir, 0).unwrap();
    let tree = store.tree("journal").unwrap();
    let mut answered: u32 = 0;
    for _ in 0..3 {
        // Uneven sizes: sometimes the copy is the first to meet the end of the disk, sometimes sled.
        let failed = loop {
            let value = value(answered, 3).repeat(1 + answered as usize % 7);
            match store.commit(&[tree.put(answered.to_be_bytes(), value)]) {
                Ok(()) => answered += 1,
                Err(error) => break error,
            }
        };
        let message = failed.to_string();
        assert!(
            matches!(failed, StoreError::Full | StoreError::Failed { .. } | StoreError::Unusable { .. }),
            "{message}"
        );
        for _ in 0..3 {
            assert!(store.commit(&[tree.put(*b"more", vec![7; 200_000])]).is_err());
        }
        // Makes room: the disk grows.
        let size = format!("remount,size={}m", 8 + 8 * (1 + answered / 400));
        let grown = std::process::Command::new("mount").args(["-o", &size]).arg(disk.0.path()).status().unwrap();
        assert!(grown.success());
        let value = value(answered, 3).repeat(1 + answered as usize % 7);
        let change = [tree.put(answered.to_be_bytes(), value)];
        // Attempts are a second apart, or more on a slow machine.
        let until = Instant::now() + 60 * REOPEN_PAUSE;
        while let Err(error) = store.commit(&change) {
            assert!(Instant::now() < until, "{error}");
            std::thread::sleep(REOPEN_PAUSE / 4);
        }
        answered += 1;
        for key in 0..answered {
            assert!(tree.get(key.to_be_bytes()).unwrap().is_some(), "{key} of {answered}");
        }
    }
    drop((store, tree));
    let store = Store::open(&dir).unwrap();
    assert_eq!(
        store.tree("journal").unwrap().iter().filter(|e| e.as_ref().unwrap().0.len() == 4).count(),
        answered as usize
    );
}

#[test]
fn the_next_commit_reopens_a_database_that_a_failure_closed() {
    let used = used();
    let store = Store::open(used.path()).unwrap();
    *store.shared.engine.write().unwrap() = None;
    assert!(matches!(store.tree("journal"), Err(StoreError::Failed { .. })));
    store.commit(&[Change { tree: "more".into(), key: b"k".to_vec(), value: Some(b"v".to_vec()) }]).unwrap();
    expect_whole(&store);
    assert_eq!(store.tree("more").unwrap().get("k").unwrap().unwrap(), b"v");
    let repairs = store.take_repairs();
    assert!(repairs.len() == 1 && repairs[0].what.contains("reopened"), "{repairs:?}");
}

/// A measurement for docs/journal.md: how sled alone reacts to damage.
#[test]
#[ignore = "a measurement; run it with --nocapture"]
fn what_sled_alone_makes_of_damage() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let used = used();
    let number = Engine::open(&used.path().join(DATABASE)).unwrap().number().unwrap();
    let counts = std::cell::RefCell::new(std::collections::BTreeMap::<&str, u32>::new());
    proptest!(cases(300), |(which: Index, damage in any_damage())| {
        let tmp = copy_of(used.path());
        let files = files(&tmp.path().join(DATABASE));
        damage.strike(&files[which.index(files.len())]);
        let looked = catch_unwind(AssertUnwindSafe(|| -> sled::Result<bool> {
            let db = sled::open(tmp.path().join(DATABASE))?;
            let read = db.open_tree("journal")?.iter().map(|entry| entry.map(drop)).collect::<sled::Result<Vec<()>>>()?.len();
            Ok(db.get("commit")?.as_deref() == Some(&number.to_le_bytes()[..]) && read == KEYS as usize)
        }));
        let outcome = match looked {
            Err(_) => "panics",
            Ok(Err(_)) => "is an error",
            Ok(Ok(false)) => "opens with less than was written",
            Ok(Ok(true)) => "opens complete",
        };
        *counts.borrow_mut().entry(outcome).or_default() += 1;
    });
    println!("{:?}", counts.borrow());
}
