//! The page's timeline, attendance and health, by HTTP as a browser sends it: log in, look, act, read back, and what other roles may not do.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::json;

use crate::crash::ask;
use crate::support::{Daemon, Film, House, eventually, free_port};

const PASSWORD: &str = "correct horse battery";

/// A house with its page on a port of its own.
struct Site {
    house: House,
    port: u16,
}

/// Somebody at a browser, with cookies.
struct Browser<'a> {
    site: &'a Site,
    jar: String,
}

/// What a browser got.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Site {
    fn of(house: House) -> Site {
        let port = free_port();
        let house = house.with(&format!("[web]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\nkeep_faces = \"2d\""));
        Site { house, port }
    }

    /// Logs somebody of a role in, whose account is made first.
    fn log_in(&self, role: &str) -> Browser<'_> {
        let account = json!({ "name": role, "role": role, "password": PASSWORD });
        assert!(ask(&self.house, "POST", "/v1/accounts", &account.to_string()).is_some());
        let browser = Browser { site: self, jar: self.house.path(&format!("{role}.jar")).display().to_string() };
        let fields = [("name", role), ("password", PASSWORD)];
        let answer =
            eventually("the page", || Some(browser.send("/login", &fields)).filter(|answer| answer.status > 0));
        assert_eq!(answer.status, 303, "{answer:?}");
        browser
    }
}

impl Browser<'_> {
    fn curl(&self, more: &[&str], path: &str) -> Command {
        let url = format!("http://127.0.0.1:{}{path}", self.site.port);
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--cookie", &self.jar, "--cookie-jar", &self.jar]).args(more).arg(url);
        curl
    }

    fn ask(&self, more: &[&str], path: &str) -> Answer {
        let output = self.curl(&[&["--include"], more].concat(), path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn see(&self, path: &str) -> String {
        let answer = self.ask(&[], path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let more: Vec<&str> = fields.iter().flat_map(|field| ["--data-urlencode", field]).collect();
        self.ask(&more, path)
    }

    /// The token of the forms on a page.
    fn token(&self, path: &str) -> String {
        let page = self.see(path);
        let after = page.split("name=\"csrf\" value=\"").nth(1).expect("a form");
        after.split('"').next().unwrap().to_owned()
    }
}

#[test]
fn the_timeline_shows_records_and_each_opens_its_receipt() {
    let film = Film::default().nobody(3).shows("obama2.jpg", 10).nobody(3);
    let site = Site::of(House::new().watching(film, true));
    site.house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&site.house);
    let viewer = site.log_in("viewer");
    let record = eventually("a grant", || site.house.records("granted").pop());
    let seq = record["seq"].to_string();
    let page = viewer.see("/timeline");
    assert!(page.contains(&format!("href=\"/records/{seq}\"")) && page.contains("Barack Obama"), "{page}");
    assert!(page.contains("data-follow=\"/timeline/events?\"") && page.contains("timeline.js"), "{page}");
    // Filters.
    let granted = viewer.see("/timeline?kind=granted&door=front&person=1&day=");
    assert!(granted.contains(&format!("data-seq=\"{seq}\"")) && !granted.contains("usher 0."), "{granted}");
    assert!(viewer.see("/timeline?door=nowhere").contains("There are no records that fit."));
    assert!(viewer.see("/timeline?kind=@people").contains("enrolled"));
    assert!(viewer.see("/timeline?day=2020-01-01").contains("There are no records that fit."));
    assert_eq!(viewer.ask(&[], "/timeline?day=soon").status, 400);
    assert!(viewer.see("/timeline/rows?after=0&kind=granted").starts_with("<tr"));
    // The receipt.
    let receipt = viewer.see(&format!("/records/{seq}"));
    for part in ["Near enough", "Frames agree", "<svg", "passed", record["hash"].as_str().unwrap()] {
        assert!(receipt.contains(part), "{part}: {receipt}");
    }
    assert!(!receipt.contains("style="), "no inline style: {receipt}");
    assert_eq!(viewer.ask(&[], "/records/999999").status, 404);
    assert_eq!(viewer.ask(&[], "/records/..%2f..%2fpeople").status, 422);
    let german = viewer.ask(&["--header", "accept-language: de"], &format!("/records/{seq}")).body;
    assert!(german.contains("Ähnlich genug") && german.contains("erfüllt"), "{german}");
    daemon.stop();
}

#[test]
fn a_new_record_arrives_without_a_reload() {
    let site = Site::of(House::new());
    let daemon = Daemon::start(&site.house);
    let viewer = site.log_in("viewer");
    let mut stream = viewer
        .curl(&["--no-buffer"], "/timeline/events?after=0&kind=operator_locked")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(stream.stdout.take().unwrap()).lines();
    let (send, received) = channel();
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(send.send(line))));
    site.house.usher(&["door", "lock"]);
    let row = eventually("the row", || {
        received.recv_timeout(Duration::from_secs(1)).ok().filter(|line| line.starts_with("data: <tr"))
    });
    assert!(row.contains("locked by an operator") && row.contains("front"), "{row}");
    stream.kill().unwrap();
    stream.wait().unwrap();
    daemon.stop();
}

#[test]
fn attendance_is_shown_amended_and_exported() {
    let mut house = House::new();
    house.environment.insert("USHER__DEVICE__TIME_ZONE".into(), "Europe/Berlin".into());
    let site = Site::of(house);
    site.house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&site.house);
    let clerk = site.log_in("attendance");
    let page = clerk.see("/attendance/amend?person=1&date=2026-07-06");
    assert!(page.contains("There are no readings") && page.contains("Barack Obama"), "{page}");
    let token = clerk.token("/attendance/amend?person=1&date=2026-07-06");
    let save = |fields: &[(&str, &str)]| {
        let about = [("csrf", token.as_str()), ("person", "1"), ("date", "2026-07-06")];
        clerk.send("/attendance/amend", &[&about, fields].concat())
    };
    let came = [("direction", "in"), ("at", "2026-07-06T08:00"), ("void", ""), ("reason", "forgot")];
    assert_eq!(save(&came).status, 303);
    let page = clerk.see("/attendance/amend?person=1&date=2026-07-06");
    assert!(page.contains("The amendment is recorded.") && page.contains("came in 08:00"), "{page}");
    assert!(!clerk.see("/attendance?month=2026-07").contains("The amendment is recorded."), "a notice is shown once");
    assert_eq!(save(&[("direction", "out"), ("at", "2026-07-06T17:00"), ("reason", "forgot")]).status, 303);
    // In place of the old reading, which no longer counts.
    let first = site.house.records("attendance_amended")[0]["seq"].to_string();
    let instead = [("direction", "in"), ("at", "2026-07-06T08:30"), ("void", first.as_str()), ("reason", "wrong")];
    assert_eq!(save(&instead).status, 303);
    let record = site.house.records("attendance_amended").pop().unwrap();
    assert_eq!(record["content"]["by"], json!("web/attendance"), "{record}");
    let month = clerk.see("/attendance?month=2026-07");
    assert!(month.contains("Barack Obama") && month.contains("8:30") && month.contains("Week 28"), "{month}");
    let person = clerk.see("/attendance?month=2026-07&person=1&group=");
    assert!(person.contains("<td class=\"number\">08:30</td>") && person.contains("2026-07-31"), "{person}");
    let day = clerk.see("/attendance/day?date=2026-07-06");
    assert!(day.contains("08:30–17:00") && day.contains("Nobody is missing."), "{day}");
    // Files.
    let csv = clerk.ask(&[], "/attendance/export?format=csv&month=2026-07&excel=yes");
    assert!(csv.head.contains("attachment; filename=\"attendance-2026-07.csv\""), "{csv:?}");
    assert!(csv.body.starts_with("\u{feff}date;employee;") && csv.body.contains(";8.50;8:30;"), "{csv:?}");
    let odoo = clerk.see("/attendance/export?format=odoo&month=2026-07");
    assert!(odoo.contains("no employee id") && odoo.contains("anyway=yes"), "{odoo}");
    let odoo = clerk.ask(&[], "/attendance/export?format=odoo&month=2026-07&anyway=yes");
    assert!(
        odoo.head.contains("attendance-2026-07-odoo.csv") && odoo.body.starts_with("id,employee_id/id"),
        "{odoo:?}"
    );
    // What is refused.
    assert_eq!(save(&[("direction", "in"), ("at", "2100-01-01T08:00"), ("reason", "x")]).status, 422);
    assert_eq!(save(&[("direction", "in"), ("at", "2026-07-06T08:00"), ("reason", " ")]).status, 422);
    assert_eq!(save(&[("direction", ""), ("at", ""), ("reason", "x")]).status, 422);
    assert_eq!(save(&[("void", "1"), ("reason", "x")]).status, 422);
    let stolen = [("csrf", "0000"), ("person", "1"), ("date", "2026-07-06"), ("void", first.as_str()), ("reason", "x")];
    assert_eq!(clerk.send("/attendance/amend", &stolen).status, 403);
    assert_eq!(clerk.ask(&[], "/attendance?month=2026-7").status, 422);
    assert_eq!(site.house.records("attendance_amended").len(), 4);
    // Others may not.
    let viewer = site.log_in("viewer");
    for path in [
        "/attendance",
        "/attendance/day",
        "/attendance/amend?person=1&date=2026-07-06",
        "/attendance/export?format=csv&month=2026-07",
    ] {
        assert_eq!(viewer.ask(&[], path).status, 403, "{path}");
    }
    assert_eq!(clerk.ask(&[], "/timeline").status, 403, "the attendance role sees no door");
    daemon.stop();
}

#[test]
fn health_shows_checks_and_an_admin_downloads_a_backup() {
    let site = Site::of(House::new());
    let daemon = Daemon::start(&site.house);
    let admin = site.log_in("admin");
    let page = admin.see("/health");
    for part in ["All is well.", "disk", "no backup", "The first measurement comes after a minute.", "Check the chain"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let token = admin.token("/health");
    let sound = admin.send("/health/verify", &[("csrf", &token)]);
    assert!(sound.status == 200 && sound.body.contains("the chain is sound"), "{sound:?}");
    assert_eq!(admin.send("/health/backup", &[("csrf", "0000")]).status, 403);
    let file = site.house.path("usher.backup").display().to_string();
    let field = format!("csrf={token}");
    let done = admin.curl(&["--output", &file, "--data-urlencode", &field], "/health/backup").status().unwrap();
    assert!(done.success());
    usher::store::verify_backup(std::path::Path::new(&file)).unwrap();
    assert_eq!(site.house.records("backup_taken")[0]["content"]["by"], json!("web/admin"));
    assert!(admin.see("/health").contains("less than a day ago"));
    let viewer = site.log_in("viewer");
    let token = viewer.token("/health");
    assert!(!viewer.see("/health").contains("Make a backup and download it"));
    assert_eq!(viewer.send("/health/backup", &[("csrf", &token)]).status, 403);
    assert_eq!(site.house.records("backup_taken").len(), 1);
    daemon.stop();
}

#[test]
fn nobody_sees_anything_without_a_login() {
    let site = Site::of(House::new());
    let daemon = Daemon::start(&site.house);
    drop(site.log_in("viewer"));
    let stranger = Browser { site: &site, jar: site.house.path("stranger.jar").display().to_string() };
    for path in ["/timeline", "/timeline/rows", "/timeline/events", "/records/1", "/attendance", "/health"] {
        let answer = stranger.ask(&["--max-time", "10"], path);
        assert!(answer.status == 303 && answer.head.contains("location: /login"), "{path}: {answer:?}");
    }
    assert_eq!(stranger.send("/health/backup", &[]).status, 303);
    daemon.stop();
}
