//! What the page costs, in figures for docs/web.md. Not part of the suite, because they say something only on an idle machine:
//!
//!     cargo test --release --locked --test web -- --ignored --nocapture figures

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::browser::{Browser, is_installed};
use crate::site::Site;

/// For how long each number of viewers is measured.
const WHILE: Duration = Duration::from_secs(20);

/// Somebody who looks at the live page: the stream of what is seen, and each camera's picture.
struct Viewer {
    over: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
}

impl Viewer {
    fn of(site: &Site, cookie: &str, paths: &[&str]) -> Viewer {
        let viewer = Viewer { over: Arc::default(), bytes: Arc::default() };
        let host = site.address.trim_start_matches("http://").to_owned();
        for path in paths {
            let mut stream = TcpStream::connect(&host).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n").unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let (over, bytes) = (Arc::clone(&viewer.over), Arc::clone(&viewer.bytes));
            std::thread::spawn(move || {
                let mut buffer = vec![0; 1 << 16];
                while !over.load(Ordering::Relaxed) {
                    match stream.read(&mut buffer) {
                        Ok(0) => break,
                        Ok(read) => drop(bytes.fetch_add(read as u64, Ordering::Relaxed)),
                        Err(_) => {}
                    }
                }
            });
        }
        viewer
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The time that a process has used of all processors, in seconds, and its memory in use, in megabytes (proc(5)).
fn used(process: u32) -> (f64, f64) {
    /// Ticks a second; the same on all of Linux's architectures that usher runs on.
    const USER_HZ: f64 = 100.0;
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap();
    let stat = read("stat");
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    let status = read("status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident_kb: f64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    (ticks / USER_HZ, resident_kb / 1e3)
}

#[test]
#[ignore = "takes minutes, and says something only on an idle machine"]
fn figures() {
    if !is_installed() {
        return;
    }
    let site = Site::new("", |house| house.enroll("Barack Obama", &["obama.jpg"]));
    let browser = site.visited_by("admin");
    let cookies: Vec<String> = browser.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let cookie = cookies.join("; ");
    weigh(&browser);
    first_picture(&browser);
    drop(browser);
    for (scene, actor) in [("an empty scene", None), ("a known face", Some("obama2.jpg"))] {
        actor.map_or_else(|| site.nobody(), |actor| site.shows(actor));
        for viewers in [0, 1, 5] {
            let watching: Vec<Viewer> =
                (0..viewers).map(|_| Viewer::of(&site, &cookie, &["/live/events", "/cameras/porch/stream"])).collect();
            std::thread::sleep(Duration::from_secs(3));
            let (before, began) = (used(site.process()).0, Instant::now());
            let sent = || watching.iter().map(|viewer| viewer.bytes.load(Ordering::Relaxed)).sum::<u64>();
            let sent_before = sent();
            std::thread::sleep(WHILE);
            let (after, memory_mb) = used(site.process());
            let seconds = began.elapsed().as_secs_f64();
            println!(
                "{scene}, {viewers} viewers: {:.1} % of one processor, {memory_mb:.0} MB, {:.0} kB/s sent",
                100.0 * (after - before) / seconds,
                (sent() - sent_before) as f64 / seconds / 1e3
            );
        }
    }
}

/// What a first view fetches, with one picture of the camera.
fn weigh(browser: &Browser) {
    for path in ["/live", "/timeline", "/people", "/attendance", "/doors", "/health"] {
        browser.forget_cache();
        drop(browser.fetched());
        browser.go(path);
        std::thread::sleep(Duration::from_secs(2));
        let fetched: Vec<_> = browser.fetched().into_iter().filter(|fetch| !fetch.url.contains("?n=")).collect();
        let bytes: u64 = fetched.iter().map(|fetch| fetch.bytes).sum();
        println!("{path}: {} files, {:.1} kB over the wire", fetched.len(), bytes as f64 / 1e3);
    }
}

/// From the request of the live page to the camera's picture in it.
fn first_picture(browser: &Browser) {
    let mut taken: Vec<f64> = Vec::new();
    for _ in 0..10 {
        browser.go("/health");
        browser.go("/live");
        let ask = "const picture = document.querySelector('img[src^=\"/cameras/\"]');\
            return picture && picture.naturalWidth > 0 ? performance.now() : null";
        taken.push(browser.eventually("the camera's picture", || browser.script(ask, &[]).as_f64()));
    }
    taken.sort_by(f64::total_cmp);
    println!(
        "first picture: {:.0} ms in the middle of {} visits, {:.0} to {:.0}",
        taken[5],
        taken.len(),
        taken[0],
        taken[9]
    );
}
