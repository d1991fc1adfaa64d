//! Floods of connections, of faces and of a loose contact's changes; and a daemon that does not answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::{Daemon, Film, House, SmallDisk, eventually, status};

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// As many descriptors as this process may have, up to what the flood needs.
fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(u64::MAX).min(4096);
    if current.is_some_and(|now| now < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).unwrap();
    }
}

/// The answer to a request on the control socket.
fn ask(house: &House, path: &str) -> String {
    let mut stream = UnixStream::connect(house.socket()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: usher\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn figure(page: &str, name: &str) -> f64 {
    let line = page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn idle_and_slow_connections_keep_nobody_out() {
    raise_limit();
    let address = free_address();
    let house = House::new();
    let later = house.path("later.mjpeg").display().to_string();
    let house = house
        .with_camera(&format!("kind = \"replay\"\npath = {later:?}\nfps = 10\nloop = true"))
        .with(&format!("[metrics]\nlisten = \"{address}\""));
    let daemon = Daemon::start(&house);

    let mut flood: Vec<TcpStream> = Vec::new();
    for n in 0..1015 {
        let Ok(mut stream) = TcpStream::connect(address) else { continue };
        if n % 3 == 0 {
            // The daemon may have closed it by now.
            drop(stream.write_all(b"GET /metrics HTTP/1.1\r\nx-slow: "));
        }
        flood.push(stream);
    }
    let mut inside: Vec<UnixStream> = Vec::new();
    for n in 0..400 {
        let Ok(mut stream) = UnixStream::connect(house.socket()) else { continue };
        if n % 3 == 0 {
            drop(stream.write_all(b"POST /v1/doors HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{"));
        }
        inside.push(stream);
        if n % 100 == 0 {
            house.usher(&["door", "lock"]);
        }
    }
    assert!(flood.len() > 900 && inside.len() > 300, "{} {}", flood.len(), inside.len());
    assert_eq!(status(&house)["device"], "house");
    house.usher(&["door", "lock"]);
    let page = ask(&house, "/metrics");
    assert!(figure(&page, "usher_connections{listener=\"metrics\"}") <= 32.0, "{page}");
    assert!(figure(&page, "usher_connections{listener=\"control\"}") <= 64.0, "{page}");
    assert!(figure(&page, "usher_connections_turned_away_total{listener=\"metrics\"}") > 500.0, "{page}");
    // The metrics are still available, and the camera gets its descriptor.
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.contains("usher_uptime_seconds"), "{page}");
    Film::default().nobody(3).write(&house.path("later.mjpeg"));
    eventually("a camera that is back", || house.records("camera_back").pop());
    drop((flood, inside));
    daemon.stop();
}

#[test]
fn a_hanging_daemon_is_reported_and_not_waited_for() {
    let house = House::new();
    let daemon = Daemon::start(&house);
    daemon.signal("STOP");
    let begun = Instant::now();
    let error = house.refused(&["door", "lock"]);
    assert!(error.contains("has not answered for 15 s") && error.contains("journalctl -u usher"), "{error}");
    let error = house.refused(&["journal", "verify"]);
    assert!(error.contains("has not answered for 15 s"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(120));
    daemon.kill();
}

fn kinds(house: &House, kind: &str) -> u64 {
    house.records(kind).len() as u64
}

#[test]
fn a_loose_contact_makes_a_few_records_that_add_up() {
    let house = House::new();
    let inputs = house.path("inputs");
    std::fs::write(&inputs, "").unwrap();
    let quoted = inputs.display().to_string();
    let house =
        house.with(&format!("[[door]]\nname = \"front\"\n[door.simulated]\ninputs = {quoted:?}\n[door.sensor]\n"));
    let daemon = Daemon::start(&house);
    eventually("a sensor that was read", || (status(&house)["doors"][0]["open"] == false).then_some(()));
    let next = house.path("next");
    for _ in 0..60 {
        for state in ["sensor = open\n", ""] {
            std::fs::write(&next, state).unwrap();
            std::fs::rename(&next, &inputs).unwrap();
            std::thread::sleep(Duration::from_millis(120));
        }
    }
    let trouble = status(&house)["doors"][0]["trouble"].as_str().unwrap_or_default().to_owned();
    assert!(trouble.contains("the door sensor changes all the time"), "{trouble}");
    daemon.stop();
    let all = house.journal();
    assert!(all.len() < 60, "{} records", all.len());
    let singly = kinds(&house, "door_opened") + kinds(&house, "door_closed");
    let counted: u64 =
        house.records("contact_chattered").iter().map(|r| r["content"]["changes"].as_u64().unwrap()).sum();
    // A slow machine may not see every change of the file.
    assert!(counted > 20 && singly <= 12 && singly + counted <= 120, "{singly} {counted}");
    assert!(house.usher(&["journal", "list", "-n", "50"]).contains("the door sensor of front changed"));
    house.usher(&["journal", "verify"]);
}

#[test]
fn a_person_who_stays_at_the_door_is_counted() {
    let film = Film::default().nobody(2).shows("obama2.jpg", 150);
    let mut house = House::new().watching(film, false);
    house.environment.insert("USHER__ACCESS__REPEAT_DENIAL".into(), "500ms".into());
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.usher(&["people", "disable", "#1"]);
    house.usher(&["run", "--until-replays-end"]);
    let denied = house.records("denied");
    // One face, or two where a slow machine lost sight of it.
    assert!(!denied.is_empty() && denied.len() <= 6, "{}", denied.len());
    let repeated: Value = house.records("denials_repeated").pop().expect("a summary");
    let content = &repeated["content"];
    assert_eq!((&content["reason"], &content["person"]["name"]), (&"disabled".into(), &"Barack Obama".into()));
    assert!(content["count"].as_u64().unwrap() >= 1, "{content}");
    // A person who is erased is gone from summaries too.
    house.usher(&["people", "remove", "#1", "--yes"]);
    house.usher(&["journal", "erase", "--person", "#1", "--yes"]);
    assert!(!house.journal().iter().any(|record| record.to_string().contains("Obama")));
}

#[test]
fn the_last_space_of_the_disk_is_for_grants() {
    let film = Film::default().shows("obama2.jpg", 8).nobody(14).shows("biden.jpg", 8).nobody(14);
    let mut house = House::new().watching(film, true);
    let Some(disk) = SmallDisk::mount(house.path("disk")) else { return };
    house.environment.insert("USHER__STORE__PATH".into(), house.path("disk/store").display().to_string());
    house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&house);
    eventually("a denial", || house.records("denied").pop());
    // Above what the store leaves free, and within what is reserved for grants.
    disk.fill_but((4 << 20) + (1300 << 10));
    eventually("the word of it", || daemon.log().contains("the disk is nearly full").then_some(()));
    let trouble = status(&house)["journal_trouble"].as_str().unwrap_or_default().to_owned();
    assert!(trouble.contains("nearly full"), "{trouble}");
    let (granted, denied) = (kinds(&house, "granted"), kinds(&house, "denied"));
    eventually("two more grants", || (kinds(&house, "granted") >= granted + 2).then_some(()));
    assert!(kinds(&house, "denied") <= denied + 1);
    disk.make_room();
    eventually("room", || status(&house)["journal_trouble"].is_null().then_some(()));
    daemon.stop();
    let summary = house.records("denials_repeated").pop().expect("a summary");
    assert_eq!(summary["content"]["reason"], "unknown");
    house.usher(&["journal", "verify"]);
}
