//! The API from the outside: its description, each call in docs/api.md, and the same answers with and without a daemon.

use std::process::Command;

use serde_json::Value;

use crate::support::{Daemon, House, photo};

/// The `curl` commands in docs/api.md, in order.
fn documented() -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md")).unwrap();
    text.lines().filter(|line| line.starts_with("curl ")).map(str::to_owned).collect()
}

#[test]
fn every_call_in_the_documentation_works() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);
    std::fs::write(house.path("pin.json"), r#"{"pin": "407123"}"#).unwrap();
    std::fs::copy(photo("obama.jpg"), house.path("photo.jpg")).unwrap();
    let daemon = Daemon::start(&house);
    let calls = documented();
    assert!(calls.len() >= 7, "{calls:?}");
    for call in calls {
        assert!(call.contains("--unix-socket /run/usher/usher.sock"), "{call}");
        let here = call.replace("/run/usher/usher.sock", &house.socket().display().to_string());
        let output = Command::new("sh")
            .args(["-c", &format!("{here} --silent --show-error --fail")])
            .current_dir(house.path("."))
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        // 28: an endless answer was cut off by --max-time.
        let done = output.status.success() || call.contains("--max-time") && output.status.code() == Some(28);
        assert!(done && (call.contains("--output") || !output.stdout.is_empty()), "{call}: {error}");
    }
    assert!(house.path("usher.backup").metadata().unwrap().len() > 0);
    assert_eq!((house.records("unlocked").len(), house.records("admitted").len()), (2, 1));
    assert_eq!(house.people()[0]["pin"], true);
    daemon.stop();
}

#[test]
fn the_description_is_printed_without_a_configuration() {
    let house = House::new();
    std::fs::remove_file(house.config()).unwrap();
    let description: Value = serde_json::from_str(&house.usher(&["api"])).unwrap();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"), "{description}");
    assert!(description["paths"]["/v1/doors"]["post"].is_object());
}

#[test]
fn an_error_reads_the_same_with_and_without_a_daemon() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);
    let acts: [&[&str]; 9] = [
        &["journal", "show", "4711"],
        &["journal", "show", "a/b?c"],
        &["journal", "show", "zz"],
        &["people", "show", "Nobody"],
        &["people", "rename", "#1", "Bar\u{0430}ck"],
        &["people", "unknown", "--distance", "nan"],
        &["why", "4711"],
        &["people", "groups", "#1", ""],
        &["people", "valid", "#1", "--from", "2026-12-02", "--until", "2026-12-01"],
    ];
    let answers = |house: &House| acts.map(|act| (house.ask(act).code, house.ask(act).err));
    let without = answers(&house);
    let daemon = Daemon::start(&house);
    assert_eq!(answers(&house), without);
    daemon.stop();
    let failed = without.iter().filter(|(code, _)| *code != Some(0)).count();
    assert!(failed >= 7, "{without:?}");
}
