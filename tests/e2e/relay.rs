//! Relays go to their safe level: at a stop, at a second signal, and by `usher door safe` without a readable configuration.

use crate::support::{Daemon, House, eventually};

const DOOR: &str = "[[door]]\nname = \"front\"\npulse = \"300ms\"\nmax_on = \"60s\"\n";

fn levels(log: &str) -> Vec<&str> {
    let lines = log.lines().filter(|line| line.contains("simulated relay"));
    lines.filter_map(|line| line.split("level=").nth(1)).map(str::trim).collect()
}

fn unlocked(house: &House, daemon: &Daemon) {
    house.usher(&["door", "unlock", "--for", "50s"]);
    eventually("a relay that is energised", || (levels(&daemon.log()).last() == Some(&"energised")).then_some(()));
}

#[test]
fn a_stop_puts_the_relay_at_its_safe_level_before_anything_else() {
    let house = House::new().with(DOOR);
    let daemon = Daemon::start(&house);
    unlocked(&house, &daemon);
    daemon.signal("TERM");
    let (status, log) = daemon.ended();
    assert!(status.success(), "{status}: {log}");
    let stopping = log.find("stopping").unwrap();
    assert_eq!(levels(&log[..stopping]).last(), Some(&"safe"), "{log}");
    assert!(!levels(&log[stopping..]).contains(&"energised"), "{log}");
    let locked = house.records("locked").pop().unwrap();
    assert_eq!(locked["content"]["reason"], "the daemon stops");
    house.usher(&["journal", "verify"]);
}

#[test]
fn door_safe_needs_no_readable_configuration() {
    let mut house = House::new().with(DOOR);
    let runtime = house.path("").display().to_string();
    house.environment.insert("RUNTIME_DIRECTORY".into(), runtime);
    let daemon = Daemon::start(&house);
    unlocked(&house, &daemon);
    std::fs::write(house.config(), "[[door]\nname = ").unwrap();

    // A running daemon is ordered to lock.
    house.usher(&["door", "safe"]);
    eventually("a relay at its safe level", || (levels(&daemon.log()).last() == Some(&"safe")).then_some(()));
    daemon.kill();

    // Without one, its claims name the lines.
    let answer = house.ask(&["door", "safe"]);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    assert!(answer.err.contains("using the last daemon's list of lines"), "{}", answer.err);

    std::fs::remove_file(house.path("claims.json")).unwrap();
    let error = house.refused(&["door", "safe"]);
    assert!(error.contains("no relay is known") && error.contains("usher.toml"), "{error}");
}

#[test]
fn a_lock_within_unlock_hours_survives_a_restart_until_the_operator_sets_normal() {
    let door = format!("{DOOR}unlock_schedule = \"always\"\nmax_hold = \"12h\"\n");
    let house = House::new().with(&format!("{door}[[schedule]]\nname = \"always\"\nhours = [\"daily 00:00-24:00\"]\n"));
    let is = |unlocked: bool| {
        eventually("the door's state", || {
            (house.json(&["door", "status", "--json"])[0]["unlocked"] == unlocked).then_some(())
        });
    };
    let daemon = Daemon::start(&house);
    is(true);
    house.usher(&["door", "lock"]);
    is(false);
    daemon.kill();
    let daemon = Daemon::start(&house);
    std::thread::sleep(std::time::Duration::from_millis(2500));
    is(false);
    house.usher(&["door", "normal"]);
    is(true);
    daemon.kill();
    let daemon = Daemon::start(&house);
    is(true);
    daemon.stop();
}
