//! A disk that stalls during large writes: events at the doors are still recorded.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::crash::ask;
use crate::support::{Daemon, House, compiled, eventually, status};

/// Far longer than a record takes on a slow, busy machine.
const STALL: Duration = Duration::from_secs(5);
/// The time between records, as at a busy door.
const BETWEEN: Duration = Duration::from_millis(200);

/// A house whose daemon stalls when `SLOW_DISK` says so.
fn house() -> House {
    let mut house = House::new();
    let library = compiled("slow_disk.c", &house.path("slow_disk.so"), &["-ldl"]);
    house.environment.insert("SLOW_DISK".into(), house.path("stall").display().to_string());
    house.environment.insert("LD_PRELOAD".into(), library.display().to_string());
    house
}

fn stall(house: &House, files: &str) {
    // In one step: the daemon may read it at any moment.
    std::fs::write(house.path("stall.new"), format!("{} {files}", STALL.as_millis())).unwrap();
    std::fs::rename(house.path("stall.new"), house.path("stall")).unwrap();
}

fn record(house: &House) -> Option<Value> {
    let body = json!({
        "person": 1, "name": "Barack Obama", "add": ["out", "2026-01-02T16:30:00Z"], "void": null, "reason": "load"
    });
    ask(house, "POST", "/v1/attendance/amend", &body.to_string())
}

/// Writes records until `done`; returns how many, and the longest wait for one.
fn records_until(house: &House, mut done: impl FnMut() -> bool) -> (usize, Duration) {
    let (mut count, mut longest) = (0, Duration::ZERO);
    while !done() {
        let began = Instant::now();
        record(house).expect("a record");
        longest = longest.max(began.elapsed());
        count += 1;
        std::thread::sleep(BETWEEN);
    }
    (count, longest)
}

#[test]
fn records_go_on_while_the_syncs_of_a_backup_stall() {
    let house = house();
    let daemon = Daemon::start(&house);
    (0..20).for_each(|_| drop(record(&house).unwrap()));
    stall(&house, "/store/backup.new");
    let file = house.path("backup");
    let mut backup = house.command(&["backup", file.to_str().unwrap()]).spawn().unwrap();
    let began = Instant::now();
    let (count, longest) = records_until(&house, || backup.try_wait().unwrap().is_some());
    assert!(backup.wait().unwrap().success());
    // Under the writer's lock a record would have waited for a whole stall.
    assert!(began.elapsed() >= STALL, "nothing stalled");
    assert!(count > 1 && longest < STALL, "{count} records, the longest wait {longest:?}");
    std::fs::remove_file(house.path("stall")).unwrap();
    daemon.stop();
    house.usher(&["journal", "verify"]);
}

#[test]
fn records_go_on_while_the_second_copy_is_written_anew() {
    let house = house();
    let daemon = Daemon::start(&house);
    // Larger than what is synchronised at a time, so that there is a sync before the last, short one.
    let long = "x".repeat(60_000);
    let body = |n: u32| json!({ "person": 1, "name": "Ada", "add": ["out", "2026-01-02T16:30:00Z"], "void": null, "reason": format!("{n}{long}") });
    (0..30).for_each(|n| drop(ask(&house, "POST", "/v1/attendance/amend", &body(n).to_string()).unwrap()));
    stall(&house, "/store/copy.new");
    let erased = std::thread::scope(|scope| {
        let erasing = scope.spawn(|| house.json(&["journal", "erase", "--person", "#1", "--yes", "--json"]).remove(0));
        // Records wait only for the last sync; the earlier ones stall as long.
        let (count, _) = records_until(&house, || erasing.is_finished());
        assert!(count > 1, "{count}");
        erasing.join().unwrap()
    });
    assert!(erased["records"].as_u64().unwrap() >= 30, "{erased}");
    std::fs::remove_file(house.path("stall")).unwrap();
    daemon.stop();
    house.usher(&["journal", "verify"]);
}

#[test]
fn a_stalled_disk_delays_no_relay_and_no_door_and_a_kill_meanwhile_leaves_a_trace() {
    let inputs = "[[door]]\nname = \"front\"\npulse = \"1s\"\nmax_on = \"2s\"\n[door.simulated]\ninputs = \"inputs\"\n[door.exit_button]\n";
    let house = house().with(inputs);
    std::fs::write(house.path("inputs"), "").unwrap();
    let daemon = Daemon::start(&house);
    let count = |level: &str| daemon.log().matches(&format!("simulated relay level={level}")).count();
    // Every sync of the store, for longer than the test lasts.
    std::fs::write(house.path("stall"), "600000 /store/").unwrap();
    let safe = count("safe");
    std::fs::write(house.path("inputs"), "exit_button = pressed").unwrap();
    eventually("a relay that lets somebody out", || (count("energised") == 1).then_some(()));
    eventually("a relay that is released", || (count("safe") > safe).then_some(()));
    // With a stalled disk, orders are answered truthfully.
    let unlock = house.refused(&["door", "unlock"]);
    assert!(unlock.contains("not done") && unlock.contains("stalled"), "{unlock}");
    assert_eq!(count("energised"), 1, "nothing but egress moves without a record");
    let lock = house.refused(&["door", "lock"]);
    assert!(lock.contains("locked, but not recorded"), "{lock}");
    let status = status(&house);
    assert!(status["stages"][0]["trouble"].as_str().unwrap().contains("stalled"), "{status}");
    // The exit request, the unlocking, the locking, and two orders wait.
    let mark = house.path("store-gap/waiting");
    eventually("a mark of what waits", || {
        std::fs::read_to_string(&mark).ok().filter(|text| text.contains("\"unlocked\":1"))
    });
    daemon.kill();
    std::fs::remove_file(house.path("stall")).unwrap();

    let daemon = Daemon::start(&house);
    let back = eventually("a record of what is missing", || house.records("journal_back").pop());
    assert_eq!(back["content"]["unlocked"], 1, "{back}");
    assert!(back["content"]["reason"].as_str().unwrap().contains("stalled"), "{back}");
    daemon.stop();
    assert!(house.usher(&["journal", "verify"]).contains("sound"));
    assert_eq!(house.records("journal_back").len(), 1, "it is reported once");
}
