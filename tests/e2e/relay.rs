//! Relays go to their safe level: at a stop, at a second signal, and by `usher door safe` without a readable configuration.

use crate::support::{Daemon, House, eventually, status};

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
    // A test run that ignores SIGHUP, as below nohup, hands that down to the daemon, which then keeps to it.
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = own.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let signals = if ignored.is_some_and(|mask| mask & 1 == 1) { &["TERM"][..] } else { &["TERM", "HUP"] };
    for signal in signals {
        let house = House::new().with(DOOR);
        let daemon = Daemon::start(&house);
        unlocked(&house, &daemon);
        daemon.signal(signal);
        let (status, log) = daemon.ended();
        assert!(status.success(), "{signal}: {status}: {log}");
        let stopping = log.find("stopping").unwrap();
        assert_eq!(levels(&log[..stopping]).last(), Some(&"safe"), "{log}");
        assert!(!levels(&log[stopping..]).contains(&"energised"), "{log}");
        let locked = house.records("locked").pop().unwrap();
        assert_eq!(locked["content"]["reason"], "the daemon stops");
        let stopped = house.records("stopped").pop().unwrap();
        assert_eq!(stopped["content"]["reason"], format!("SIG{signal}"));
        house.usher(&["journal", "verify"]);
    }
}

#[test]
fn an_order_reaches_the_daemon_whatever_is_wrong_with_the_configuration() {
    let house = House::new().with(DOOR);
    let daemon = Daemon::start(&house);
    let sound = std::fs::read_to_string(house.config()).unwrap();
    let mode = || status(&house)["doors"][0]["mode"].clone();
    // A key that is not known, and a line that is not TOML.
    for mistake in ["[nonsense]\na = 1\n", "[access\n"] {
        std::fs::write(house.config(), format!("{sound}\n{mistake}")).unwrap();
        let answer = house.ask(&["door", "lockdown"]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(answer.err.contains("usher config check"), "{answer:?}");
        assert_eq!(mode(), "lockdown");
        house.usher(&["door", "normal"]);
        house.usher(&["people", "list"]);
        let answer = house.ask(&["doctor"]);
        assert!(answer.code == Some(1) && answer.out.contains("would not start again"), "{answer:?}");
    }
    // Nothing of the file is left.
    std::fs::remove_file(house.config()).unwrap();
    let socket = house.socket().display().to_string();
    house.usher(&["door", "lockdown", "--socket", &socket]);
    let error = house.refused(&["door", "normal"]);
    assert!(error.contains("--socket") && error.contains("usher.toml"), "{error}");
    std::fs::write(house.config(), sound).unwrap();
    assert_eq!(mode(), "lockdown");
    daemon.stop();
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
