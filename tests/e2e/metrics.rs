//! The page `/metrics`.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{Daemon, Film, House, eventually, free_port};

#[test]
fn metrics_are_on_the_control_socket_and_on_the_configured_address() {
    let port = free_port();
    let film = Film::default().shows("obama2.jpg", 8).nobody(14);
    let house = House::new().watching(film, true).with(&format!("[metrics]\nlisten = \"127.0.0.1:{port}\""));
    house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&house);
    eventually("a grant", || house.records("unlocked").pop());
    let ask = |stream: &mut dyn ReadWrite| {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: usher\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let over_tcp = ask(&mut TcpStream::connect(("127.0.0.1", port)).unwrap());
    let over_socket = ask(&mut std::os::unix::net::UnixStream::connect(house.socket()).unwrap());
    for answer in [&over_tcp, &over_socket] {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
        assert!(answer.contains("\nusher_journal_records_total{kind=\"granted\"} "), "{answer}");
        assert!(answer.contains("\nusher_stage_well{role=\"camera\",name=\"porch\"} 1\n"), "{answer}");
        assert!(!answer.contains("Obama"), "no names: {answer}");
    }
    // The other routes are on the socket alone.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /v1/people HTTP/1.1\r\nHost: usher\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");

    // docs/metrics.md lists every metric.
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    for name in over_tcp.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(page.contains(&format!("| `{name}` |")), "docs/metrics.md does not list {name}");
    }
    daemon.stop();
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}
