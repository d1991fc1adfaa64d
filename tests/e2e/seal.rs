//! Sealed templates: what can be read from the disk and old backups, and what happens when a key is missing, wrong or changed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Daemon, House, Observer, broker, eventually, status};

/// A house whose configuration names no key.
fn plain() -> House {
    let mut house = House::new();
    house.environment.insert("USHER__STORE__KEY_FILE".into(), "usher.store-key".into());
    house
}

/// Whether any file below the folder holds these bytes.
fn on_disk(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| match path.is_dir() {
        true => on_disk(&path, bytes),
        false => std::fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes),
    })
}

/// A piece of a plain template: the last of its numbers, which precede the model's name in a plain backup.
fn piece_of_a_template(house: &House) -> Vec<u8> {
    let path = house.path("plain-backup");
    house.usher(&["backup", path.to_str().unwrap(), "--force"]);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let name = b"sface-";
    let at = bytes
        .windows(name.len())
        .enumerate()
        .find(|(at, window)| *window == name && *at > 64 && bytes[at - 64..*at].iter().any(|byte| *byte > 127))
        .expect("a plain template")
        .0;
    bytes[at - 32..at].to_vec()
}

/// Templates and locked templates of each person.
fn templates(house: &House) -> Vec<(String, u64, u64)> {
    let of = |person: &Value, field: &str| person[field].as_u64().unwrap();
    let mut all: Vec<_> = house
        .people()
        .iter()
        .map(|person| {
            let name = person["name"].as_str().unwrap().to_owned();
            (name, of(person, "templates"), of(person, "locked_templates"))
        })
        .collect();
    all.sort();
    all
}

fn known(name: &str) -> (String, u64, u64) {
    (name.to_owned(), 1, 0)
}

fn locked(name: &str) -> (String, u64, u64) {
    (name.to_owned(), 0, 1)
}

#[test]
fn a_key_seals_plain_templates_and_leaves_no_plain_byte_on_the_disk() {
    let port = broker();
    let mut house = plain().with(&format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}"));
    house.enroll("Barack Obama", &["obama.jpg"]);
    let piece = piece_of_a_template(&house);
    assert!(on_disk(&house.store(), &piece));
    // Without a key, everything reports that.
    let doctor = house.usher(&["doctor"]);
    assert!(doctor.contains("warning  seal") && doctor.contains("stored unsealed"), "{doctor}");
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    eventually("that nothing is sealed, which is no problem", || {
        let state: Value = serde_json::from_slice(&observer.wait_for("state").payload).unwrap();
        assert_eq!(state["problem"], Value::Null, "{state}");
        (state["templates_sealed"] == false).then_some(())
    });
    daemon.stop();

    house.environment.clear();
    assert_eq!(templates(&house), [known("Barack Obama")]);
    let sealed = house.records("sealed").pop().expect("a record");
    assert_eq!((&sealed["content"]["people"], &sealed["content"]["templates"]), (&json!(1), &json!(1)));
    assert!(!on_disk(&house.store(), &piece), "an old page or the second copy has it still");
    let state = house.json(&["store", "status", "--json"]).remove(0);
    assert_eq!((&state["state"], &state["trouble"]), (&json!("sealed"), &Value::Null));
    let backup = house.path("backup");
    house.usher(&["backup", backup.to_str().unwrap()]);
    let bytes = std::fs::read(&backup).unwrap();
    assert!(!bytes.windows(piece.len()).any(|window| window == piece));
    assert_eq!(house.records("sealed").len(), 1, "once");
}

#[test]
fn a_backup_from_before_a_removal_does_not_restore_the_template() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.enroll("Joe Biden", &["biden.jpg"]);
    let backup = house.path("backup");
    let backup = backup.to_str().unwrap();
    house.usher(&["backup", backup]);
    house.usher(&["people", "remove", "Joe Biden", "--yes"]);
    assert_eq!(templates(&house), [known("Barack Obama")]);

    house.usher(&["restore", backup, "--yes"]);
    assert_eq!(templates(&house), [known("Barack Obama"), locked("Joe Biden")]);
    let doctor = house.refused(&["doctor"]);
    assert!(doctor.contains("checks failed"), "{doctor}");
    let daemon = Daemon::start(&house);
    let trouble = status(&house)["seal"]["trouble"].clone();
    assert!(trouble.as_str().unwrap().contains("1 sealed templates of 1 people cannot be opened"), "{trouble}");
    assert!(daemon.log().contains("ALARM: sealed templates cannot be opened"), "{}", daemon.log());
    daemon.stop();
    assert_eq!(house.records("templates_locked").len(), 1);
    // A returning person is enrolled again, in place.
    house.enroll("Joe Biden", &["biden.jpg"]);
    assert_eq!(templates(&house), [known("Barack Obama"), known("Joe Biden")]);
    house.usher(&["doctor"]);
}

#[test]
fn a_new_device_needs_the_backup_the_ring_and_the_key() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);
    let (backup, ring) = (house.path("backup"), house.path("ring"));
    house.usher(&["backup", backup.to_str().unwrap()]);
    house.usher(&["store", "ring", "save", ring.to_str().unwrap()]);

    // Every test's house has the same key.
    let fresh = House::new();
    let answer = fresh.ask(&["restore", backup.to_str().unwrap()]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.err.contains("NO DOOR WILL OPEN FOR 1 OF 1 PEOPLE"), "{answer:?}");
    assert!(answer.err.contains("usher store ring load FILE"), "{answer:?}");
    assert_eq!(templates(&fresh), [locked("Barack Obama")]);
    let loaded = fresh.usher(&["store", "ring", "load", ring.to_str().unwrap()]);
    assert!(loaded.starts_with("1 sub-keys"), "{loaded}");
    assert_eq!(templates(&fresh), [known("Barack Obama")]);

    // The ring first, which is all that this device holds then: nothing is lost, so nothing is asked.
    let fresh = House::new();
    fresh.usher(&["store", "ring", "load", ring.to_str().unwrap()]);
    let answer = fresh.ask(&["restore", backup.to_str().unwrap()]);
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""), "{answer:?}");
    assert_eq!(templates(&fresh), [known("Barack Obama")]);
    // Now there is something to lose.
    assert!(fresh.refused(&["restore", backup.to_str().unwrap()]).contains("holds a store already"));
}

#[test]
fn a_missing_or_wrong_key_opens_the_door_for_nobody_and_is_reported() {
    let mut house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);
    let other = house.path("other.key");
    house.usher(&["store", "key", "new", other.to_str().unwrap()]);
    assert!(house.refused(&["store", "key", "new", other.to_str().unwrap()]).contains("cannot be written"));
    let exposed = house.path("exposed.key");
    std::fs::write(&exposed, "c0ffee07".repeat(8)).unwrap();
    for (key, reason) in [
        ("usher.store-key", "no key is configured"),
        (other.to_str().unwrap(), "configure the right one"),
        (exposed.to_str().unwrap(), "chmod 600"),
        ("/nowhere/key", "cannot be read"),
    ] {
        house.environment.insert("USHER__STORE__KEY_FILE".into(), key.into());
        assert_eq!(templates(&house), [locked("Barack Obama")], "{key}");
        let trouble = house.json(&["store", "status", "--json"]).remove(0)["trouble"].to_string();
        assert!(trouble.contains(reason), "{key}: {trouble}");
        let photo = crate::support::photo("biden.jpg");
        let refused = house.refused(&["enroll", "Joe Biden", photo.to_str().unwrap()]);
        assert!(refused.contains(reason), "{key}: {refused}");
    }
    // systemd passes it.
    let credentials = house.path("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::copy(house.key(), credentials.join("usher.store-key")).unwrap();
    house.environment.insert("USHER__STORE__KEY_FILE".into(), "usher.store-key".into());
    house.environment.insert("CREDENTIALS_DIRECTORY".into(), credentials.display().to_string());
    assert_eq!(templates(&house), [known("Barack Obama")]);
    house.environment.clear();
    assert_eq!(templates(&house), [known("Barack Obama")]);
}

#[test]
fn a_kill_during_a_key_change_leaves_the_old_key_or_the_new_one() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);
    let before = std::fs::read(house.key()).unwrap();
    house.usher(&["store", "key", "rotate"]);
    assert_ne!(std::fs::read(house.key()).unwrap(), before);
    assert_eq!(templates(&house), [known("Barack Obama")]);
    assert_eq!(house.records("store_key_changed").len(), 1);
    let mut changes = std::collections::BTreeSet::new();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..30 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut child =
            house.command(&["store", "key", "rotate"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(random % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(templates(&house), [known("Barack Obama")], "round {round}");
        changes.insert(std::fs::read(house.key()).unwrap());
    }
    println!("{} keys after 30 kills", changes.len());

    let next = house.path("next.key");
    house.usher(&["store", "key", "new", next.to_str().unwrap()]);
    let output = house.usher(&["store", "key", "rotate", "--to", next.to_str().unwrap()]);
    assert!(output.contains("replace the old key"), "{output}");
    assert_eq!(templates(&house), [locked("Barack Obama")]);
    std::fs::rename(&next, house.key()).unwrap();
    assert_eq!(templates(&house), [known("Barack Obama")]);
    house.usher(&["journal", "verify"]);
}
