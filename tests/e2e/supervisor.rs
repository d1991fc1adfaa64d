//! The service manager: which notifications it gets, and which stop when a stage hangs.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::mpsc::{TryRecvError, channel};

use crate::support::{Daemon, Film, House, eventually};

/// Stands in for systemd: a socket, and a watchdog that expects a beat every 1.5 s.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    fn of(house: &mut House) -> Manager {
        let path = house.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        house.environment.insert("NOTIFY_SOCKET".to_owned(), path.display().to_string());
        house.environment.insert("WATCHDOG_USEC".to_owned(), "1500000".to_owned());
        Manager { socket, heard: Vec::new() }
    }

    /// All notifications so far, line by line.
    fn heard(&mut self) -> &[String] {
        let mut message = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut message) {
            let text = std::str::from_utf8(&message[..length]).unwrap();
            self.heard.extend(text.lines().map(str::to_owned));
        }
        &self.heard
    }

    fn beats(&mut self) -> usize {
        self.heard().iter().filter(|line| *line == "WATCHDOG=1").count()
    }
}

#[test]
fn readiness_beats_doors_and_the_end_are_reported() {
    let mut house = House::new().watching(Film::default().nobody(5), true);
    let mut manager = Manager::of(&mut house);
    let daemon = Daemon::start(&house);
    eventually("three beats", || (manager.beats() >= 3).then_some(()));
    assert_eq!(manager.heard()[0], "READY=1");
    assert!(manager.heard().contains(&"STATUS=front locked (simulated); porch watching".to_owned()));
    house.usher(&["door", "unlock", "--for", "5m"]);
    let unlocked = "STATUS=front unlocked (simulated); porch watching".to_owned();
    eventually("the news of the open door", || manager.heard().contains(&unlocked).then_some(()));
    assert!(!manager.heard().contains(&"STOPPING=1".to_owned()));
    daemon.stop();
    let end = manager.heard().iter().position(|line| line == "STOPPING=1").expect("the end is reported");
    assert_eq!(manager.heard()[end + 1..], ["STATUS=stopping: SIGTERM"]);
}

#[test]
fn a_daemon_that_cannot_start_is_never_ready() {
    let mut house = House::new().with("[runtime]\nlibrary = \"/nowhere/libLiteRt.so\"");
    let mut manager = Manager::of(&mut house);
    house.refused(&["run"]);
    assert_eq!(manager.heard(), [""; 0]);
}

#[test]
fn beats_stop_when_a_stage_hangs() {
    let mut house = House::new();
    let film = std::fs::read(Film::default().nobody(5).write(&house.path("film.mjpeg"))).unwrap();
    let fifo = house.path("fifo.mjpeg");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    house = house.with_camera(&format!("kind = \"replay\"\npath = {:?}\nfps = 10", fifo.display().to_string()));
    let mut manager = Manager::of(&mut house);
    // A recording through a pipe: when the other end stops, the camera's thread waits in a read.
    let (hang, told_to_hang) = channel::<()>();
    let (end, told_to_end) = channel::<()>();
    let feeder = std::thread::spawn(move || {
        let mut pipe = OpenOptions::new().write(true).open(fifo).unwrap();
        while told_to_hang.try_recv() == Err(TryRecvError::Empty) {
            pipe.write_all(&film).unwrap();
        }
        told_to_end.recv().unwrap_err();
    });
    let daemon = Daemon::start(&house);
    eventually("three beats", || (manager.beats() >= 3).then_some(()));
    hang.send(()).unwrap();
    let before = manager.beats();
    let (status, log) = daemon.ended();
    drop(end);
    feeder.join().unwrap();

    assert!(!status.success());
    assert!(log.contains("the stage `camera porch` has not answered for 10 s"), "{log}");
    // What was in the pipe is still played, for a second or two. Ten seconds of silence would have been twenty beats.
    let after = manager.beats() - before;
    assert!(after < 10, "{after} beats for a camera that hangs");
    assert!(manager.heard().contains(&"STOPPING=1".to_owned()));
}
