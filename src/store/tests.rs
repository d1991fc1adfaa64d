//! The store as its users see it; `damage` tests what damage does to it.

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn put(store: &Store, key: &str, value: &str) {
    store.commit(&[store.tree("t").unwrap().put(key, value)]).unwrap();
}

fn get(store: &Store, key: &str) -> Option<String> {
    let value = store.tree("t").unwrap().get(key).unwrap()?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

#[test]
fn keeps_what_was_committed() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("a/store");
    let store = Store::open(&dir).unwrap();
    put(&store, "k", "v");
    drop(store);
    let store = Store::open(&dir).unwrap();
    assert_eq!(get(&store, "k").unwrap(), "v");
    assert_eq!(store.take_repairs(), []);
}

#[test]
fn a_commit_over_several_trees_is_whole() {
    let tmp = tempfile::tempdir().unwrap();
    let store = Store::open(tmp.path()).unwrap();
    let (a, b) = (store.tree("a").unwrap(), store.tree("b").unwrap());
    store.commit(&[a.put("1", "x"), b.put("1", "y"), a.put("2", "z")]).unwrap();
    store.commit(&[a.delete("1"), b.put("1", "w"), b.delete("7")]).unwrap();
    let entries =
        |tree: &Tree| tree.iter().map(|e| String::from_utf8(e.unwrap().1.to_vec()).unwrap()).collect::<Vec<_>>();
    assert_eq!((entries(&a), entries(&b)), (vec!["z".to_owned()], vec!["w".to_owned()]));
    assert_eq!(a.range("3".."1").count(), 0, "a range that ends before it begins");
}

#[test]
fn is_for_its_owner_only() {
    let tmp = tempfile::tempdir().unwrap();
    let fresh = tmp.path().join("fresh");
    let store = Store::open(&fresh).unwrap();
    assert_eq!((mode(&fresh), mode(&fresh.join("copy"))), (0o700, 0o600));
    store.back_up(&tmp.path().join("backup")).unwrap();
    assert_eq!(mode(&tmp.path().join("backup")), 0o600);
    let open = tmp.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
    Store::open(&open).unwrap();
    assert_eq!(mode(&open), 0o700);
}

#[test]
fn opening_a_store_twice_fails_as_busy() {
    let tmp = tempfile::tempdir().unwrap();
    let first = Store::open(tmp.path()).unwrap();
    put(&first, "k", "v");
    assert!(matches!(Store::open(tmp.path()), Err(StoreError::Busy { .. })));
    drop(first);
    assert!(Store::open(tmp.path()).is_ok());
}

#[test]
fn refuses_a_newer_format() {
    let tmp = tempfile::tempdir().unwrap();
    drop(Store::open(tmp.path()).unwrap());
    let engine = Engine::open(&tmp.path().join(recover::DATABASE)).unwrap();
    engine.set_format(7).unwrap();
    engine.flush().unwrap();
    drop(engine);
    assert!(matches!(Store::open(tmp.path()), Err(StoreError::Newer { found: 7, .. })));
}

#[test]
fn a_path_that_is_not_a_directory_is_named_in_the_error() {
    let tmp = tempfile::tempdir().unwrap();
    let file = tmp.path().join("file");
    fs::write(&file, "x").unwrap();
    let Err(error) = Store::open(&file) else { panic!("opened a file as a directory") };
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn compacting_drops_what_was_deleted_and_keeps_the_rest_while_others_write() {
    let tmp = tempfile::tempdir().unwrap();
    let store = Store::open(tmp.path()).unwrap();
    let secret = "a name to be forgotten ".repeat(50);
    put(&store, "gone", &secret);
    store.commit(&[store.tree("t").unwrap().delete("gone")]).unwrap();
    let copy = tmp.path().join("copy");
    let holds = |text: &str| fs::read(&copy).unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(holds("forgotten"));
    std::thread::scope(|scope| {
        scope.spawn(|| (0..40).for_each(|n| put(&store, &n.to_string(), "v")));
        (0..3).for_each(|_| store.compact().unwrap());
    });
    assert!(!holds("forgotten"));
    put(&store, "after", "v");
    drop(store);
    // Rebuilt from the copy alone, nothing is missing.
    fs::remove_dir_all(tmp.path().join(recover::DATABASE)).unwrap();
    let store = Store::open(tmp.path()).unwrap();
    assert!((0..40).all(|n| get(&store, &n.to_string()).is_some()));
    assert_eq!((get(&store, "after").as_deref(), get(&store, "gone")), (Some("v"), None));
}

#[test]
fn a_backup_is_restored_elsewhere_and_replaces_a_store_only_with_force() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, backup) = (tmp.path().join("one"), tmp.path().join("backup"));
    let store = Store::open(&dir).unwrap();
    put(&store, "k", "v");
    let contents = store.back_up(&backup).unwrap();
    assert_eq!(verify_backup(&backup).unwrap(), contents);
    put(&store, "k", "later");
    drop(store);

    let nothing = |_: &Store| Ok::<(), StoreError>(());
    let note = |store: &Store| store.commit(&[store.tree("t").unwrap().put("note", "restored")]);
    let (fresh, aside) = restore(&tmp.path().join("two"), &backup, false, note).unwrap();
    assert_eq!((get(&fresh, "k").as_deref(), aside, fresh.take_repairs()), (Some("v"), None, vec![]));
    assert_eq!(get(&fresh, "note").as_deref(), Some("restored"));
    put(&fresh, "k", "on");

    assert!(matches!(restore(&tmp.path().join("two"), &backup, true, nothing), Err(StoreError::Busy { .. })));
    let Err(error) = restore(&dir, &backup, false, nothing) else { panic!("wrote over a store") };
    assert!(error.to_string().contains("already holds a store"), "{error}");
    // A failed preparation changes nothing.
    let refused = restore(&dir, &backup, true, |_| Err(StoreError::Full));
    assert!(matches!(refused, Err(StoreError::Full)));
    let old = Store::open(&dir).unwrap();
    assert_eq!(get(&old, "k").unwrap(), "later");
    drop(old);
    let (store, aside) = restore(&dir, &backup, true, nothing).unwrap();
    assert_eq!(get(&store, "k").unwrap(), "v");
    let old = aside.unwrap();
    drop(store);
    fs::rename(&dir, tmp.path().join("restored")).unwrap();
    let old = Store::open(&tmp.path().join("restored").join(old.file_name().unwrap())).unwrap();
    assert_eq!(get(&old, "k").unwrap(), "later");
}

#[test]
fn a_damaged_backup_is_refused_and_the_store_left_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, backup) = (tmp.path().join("one"), tmp.path().join("backup"));
    let store = Store::open(&dir).unwrap();
    (0..20).for_each(|n| put(&store, &n.to_string(), "value"));
    store.back_up(&backup).unwrap();
    let whole = fs::read(&backup).unwrap();
    for place in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x20;
        fs::write(&backup, &damaged).unwrap();
        assert!(verify_backup(&backup).is_err(), "a changed byte at {place}");
        fs::write(&backup, &whole[..place]).unwrap();
        assert!(verify_backup(&backup).is_err(), "cut at {place}");
    }
    fs::write(&backup, [&whole[..], b"more"].concat()).unwrap();
    assert!(verify_backup(&backup).is_err());
    assert!(restore(&tmp.path().join("two"), &backup, false, |_| Ok::<(), StoreError>(())).is_err());
    assert!(!tmp.path().join("two").exists());
    assert!(matches!(verify_backup(&tmp.path().join("none")), Err(StoreError::BadBackup { .. })));
}

#[test]
fn a_backup_that_finds_no_room_leaves_no_file_and_keeps_the_room_for_records() {
    let tmp = tempfile::tempdir().unwrap();
    let store = Store::open_sparing(&tmp.path().join("store"), SPARE_BYTES).unwrap();
    let large: Vec<Change> =
        (0..40u32).map(|n| store.tree("t").unwrap().put(n.to_be_bytes(), vec![7; 64 << 10])).collect();
    store.commit(&large).unwrap();
    // Simulates a disk that is nearly full.
    let path = tmp.path().join("copy.new");
    let mut base = Base::begin(&path, u64::MAX).unwrap();
    assert!(matches!(base.all_of(1, |show| store.shared.show_all(show)), Err(StoreError::Full)));
    drop(base);
    assert!(!path.exists());
}

#[test]
fn a_commit_during_a_backup_is_in_it_completely_or_not_at_all() {
    let tmp = tempfile::tempdir().unwrap();
    let store = Store::open(&tmp.path().join("store")).unwrap();
    let tree = store.tree("t").unwrap();
    (0..30u32).for_each(|n| store.commit(&[tree.put(n.to_be_bytes(), vec![n as u8; 20 << 10])]).unwrap());
    let (done, backups) = (std::sync::atomic::AtomicBool::new(false), 4);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 100u32;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                store
                    .commit(&[tree.put(n.to_be_bytes(), "one"), tree.put((n + 1_000_000).to_be_bytes(), "two")])
                    .unwrap();
                n += 1;
            }
        });
        let make = |of: usize| store.back_up(&tmp.path().join(format!("backup-{of}"))).unwrap();
        let makers: Vec<_> = (0..backups).map(|of| scope.spawn(move || make(of))).collect();
        makers.into_iter().for_each(|maker| assert!(maker.join().unwrap().commit >= 30));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    for of in 0..backups {
        let dir = tmp.path().join(format!("restored-{of}"));
        let nothing = |_: &Store| Ok::<(), StoreError>(());
        let (restored, _) = restore(&dir, &tmp.path().join(format!("backup-{of}")), false, nothing).unwrap();
        let keys: Vec<u32> = (restored.tree("t").unwrap().iter())
            .map(|entry| u32::from_be_bytes(entry.unwrap().0.as_ref().try_into().unwrap()))
            .collect();
        assert!((0..30).all(|n| keys.contains(&n)));
        let (ones, twos): (Vec<u32>, Vec<u32>) = keys.into_iter().filter(|n| *n >= 100).partition(|n| *n < 1_000_000);
        assert_eq!(ones.iter().map(|n| n + 1_000_000).collect::<Vec<_>>(), twos);
        // A prefix of what was committed, without gaps.
        assert!(ones.iter().zip(100..).all(|(n, expected)| *n == expected));
    }
}

#[test]
fn a_rebuilt_database_has_what_was_committed_meanwhile() {
    let tmp = tempfile::tempdir().unwrap();
    let store = Store::open(tmp.path()).unwrap();
    (0..50).for_each(|n| put(&store, &n.to_string(), "v"));
    std::thread::scope(|scope| {
        scope.spawn(|| (50..90).for_each(|n| put(&store, &n.to_string(), "v")));
        (0..2).for_each(|_| store.rebuild().unwrap());
    });
    assert!((0..90).all(|n| get(&store, &n.to_string()).is_some()));
    put(&store, "after", "v");
    drop(store);
    let store = Store::open(tmp.path()).unwrap();
    assert_eq!(store.take_repairs(), []);
    assert!((0..90).all(|n| get(&store, &n.to_string()).is_some()) && get(&store, "after").is_some());
}

#[test]
fn an_interrupted_restore_leaves_the_old_store() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("store");
    let store = Store::open(&dir).unwrap();
    put(&store, "k", "v");
    drop(store);
    // Killed just before the new copy replaces the old one.
    let aside = dir.join("before-restore-1");
    fs::create_dir(&aside).unwrap();
    backup::keep_aside(&dir, &aside).unwrap();
    fs::create_dir(dir.join("restore.new")).unwrap();
    for dir in [&dir, &aside] {
        let store = Store::open(dir).unwrap();
        assert_eq!(get(&store, "k").as_deref(), Some("v"));
        put(&store, "after", "v");
    }
    assert!(!dir.join("restore.new").exists());
}

#[test]
fn a_store_on_standby_serves_from_memory_until_the_disk_works() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, memory) = (tmp.path().join("store"), tmp.path().join("memory"));
    fs::create_dir(&memory).unwrap();
    let store = Store::open(&dir).unwrap();
    put(&store, "k", "v");
    store.commit(&[store.tree("large").unwrap().put("k", "v")]).unwrap();
    drop(store);
    let open = || Store::open_or_stand_by(&dir, &memory, &["large"]);
    // A directory under that name stands for a disk that fails.
    let block = |name: &str| fs::create_dir(dir.join(name)).unwrap();
    fs::rename(dir.join("answered"), tmp.path().join("answered")).unwrap();
    block("answered");
    let store = open().unwrap();
    assert!(store.standby_reason().is_some());
    assert_eq!(get(&store, "k").as_deref(), Some("v"));
    assert!(matches!(store.tree("large"), Err(StoreError::StandingBy { .. })));
    assert!(matches!(store.tree_lazily("large").get("k"), Err(StoreError::StandingBy { .. })));
    let change = store.tree("t").unwrap().put("k", "later");
    assert!(store.commit(std::slice::from_ref(&change)).is_err());
    assert!(matches!(store.back_up(&tmp.path().join("backup")), Err(StoreError::StandingBy { .. })));
    assert!(matches!(Store::open(&dir), Err(StoreError::Busy { .. })), "it is locked all the same");
    fs::remove_dir(dir.join("answered")).unwrap();
    fs::rename(tmp.path().join("answered"), dir.join("answered")).unwrap();
    let until = Instant::now() + 60 * REOPEN_PAUSE;
    while let Err(error) = store.commit(std::slice::from_ref(&change)) {
        assert!(Instant::now() < until, "{error}");
        std::thread::sleep(REOPEN_PAUSE / 4);
    }
    assert_eq!((store.standby_reason(), get(&store, "k").as_deref()), (None, Some("later")));
    assert_eq!(store.tree("large").unwrap().get("k").unwrap().unwrap(), b"v");
    assert_eq!(store.take_repairs().len(), 1);
    assert_eq!(fs::read_dir(&memory).unwrap().count(), 0, "nothing is left in memory");
}
