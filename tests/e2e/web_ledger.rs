//! The page's timeline, attendance and health, by HTTP as a browser sends it: log in, look, act, read back, and what other roles may not do.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime};

use serde_json::json;
use usher::domain::{Decided, Direction, Distance, Frames, Gate, Named, Outcome, PersonId, Stamp, TrackId};
use usher::gallery::{FacePictures, KeptFace, Retention};
use usher::ledger::Journal;
use usher::seal::{Ring, StoreKey};
use usher::store::Store;

use crate::support::{House, Visitor, add_account, eventually, photo, with_page};

/// FacePictures are kept for two days. Comes directly after the table of the page.
const FACES: &str = "keep_faces = \"2d\"\n";

/// A grant in the journal, with a face beside it; the record's number and hash.
fn granted(house: &House) -> (u64, String) {
    let store = Store::open(&house.store()).unwrap();
    let gate = |name, input: &str, limit: &str| Gate::new(name, input, limit, true);
    let decided = Decided {
        door: "front".into(),
        camera: "porch".into(),
        direction: Some(Direction::In),
        outcome: Outcome::Granted,
        person: Some(Named::new(PersonId(1), "Barack Obama", None, Vec::new()).into()),
        distance: Some(Distance(0.62)),
        runner_up: None,
        frames: Frames { agree: 3, of: 5 },
        track: TrackId(4),
        frame: 7,
        capture_to_verdict: Duration::from_millis(214),
        gates: vec![
            gate("distance", "0.6200 to person 1", "at most 0.9000"),
            gate("agreement", "3 of 5 frames show person 1", "this frame and at least 2 of the last 5 within 1500 ms"),
            Gate::new("age", "914 ms", "at most 800 ms", false),
        ],
        captured_at: None,
    };
    let journal = Journal::open(&store).unwrap();
    let record = journal.append(&decided.into(), &Stamp::at(SystemTime::now())).unwrap();
    let ring = Arc::new(Ring::open(&house.store(), StoreKey::load(&house.key()).map(Some)));
    let week = Retention { span: Duration::from_secs(7 * 86_400), most: 10 };
    let face =
        KeptFace { record: record.seq, person: Some(PersonId(1)), jpeg: std::fs::read(photo("obama.jpg")).unwrap() };
    FacePictures::open(&store, &ring, week).unwrap().keep(&face, SystemTime::now()).unwrap();
    (record.seq, record.hashes().1)
}

/// Somebody of a role, at the same page as `other`.
fn visitor(house: &House, other: &Visitor, role: &str) -> Visitor {
    add_account(house, role, role);
    let mut visitor = Visitor::at(other.port());
    visitor.log_in(role);
    visitor
}

/// curl as the browser of somebody, for answers without end and for files.
fn curl(visitor: &Visitor, more: &[&str], path: &str) -> Command {
    let cookies: Vec<String> = visitor.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--cookie", &cookies.join("; ")]).args(more);
    curl.arg(format!("http://127.0.0.1:{}{path}", visitor.port()));
    curl
}

#[test]
fn the_timeline_shows_records_and_each_opens_its_receipt() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);
    let (seq, hash) = granted(&house);
    let (house, daemon, anna) = with_page(house, FACES);
    let mut viewer = visitor(&house, &anna, "viewer");
    let page = viewer.page("/timeline");
    assert!(page.contains(&format!("href=\"/records/{seq}\"")) && page.contains("Barack Obama"), "{page}");
    assert!(page.contains("data-follow=\"/timeline/events?\"") && page.contains("timeline.js"), "{page}");
    // Filters.
    let granted = viewer.page("/timeline?kind=granted&door=front&person=1&day=");
    assert!(granted.contains(&format!("data-seq=\"{seq}\"")) && !granted.contains("started usher"), "{granted}");
    assert!(viewer.page("/timeline?door=nowhere").contains("There are no records that fit."));
    assert!(viewer.page("/timeline?kind=@people").contains("enrolled"));
    assert!(viewer.page("/timeline?day=2020-01-01").contains("There are no records that fit."));
    assert_eq!(viewer.get("/timeline?day=soon").status, 400);
    assert!(viewer.page("/timeline/rows?after=0&kind=granted").starts_with("<tr"));
    // The receipt.
    let receipt = viewer.page(&format!("/records/{seq}"));
    for part in ["Near enough", "Frames agree", "<svg", "passed", hash.as_str()] {
        assert!(receipt.contains(part), "{part}: {receipt}");
    }
    assert!(!receipt.contains("style="), "no inline style: {receipt}");
    assert_eq!(viewer.get("/records/999999").status, 404);
    assert_eq!(viewer.get("/records/..%2f..%2fpeople").status, 422);
    let german = viewer.request("GET", &format!("/records/{seq}"), &[("Accept-Language", "de")], b"").body;
    assert!(german.contains("Ähnlich genug") && german.contains("erfüllt"), "{german}");
    // The face beside it, which leaves with the person.
    assert!(page.contains(&format!("/records/{seq}/face")) && receipt.contains(&format!("/records/{seq}/face")));
    let face = viewer.get(&format!("/records/{seq}/face"));
    assert_eq!((face.status, face.header("content-type")), (200, Some("image/jpeg")));
    house.usher(&["people", "remove", "#1", "--yes"]);
    assert_eq!(viewer.get(&format!("/records/{seq}/face")).status, 404);
    daemon.stop();
}

#[test]
fn a_new_record_arrives_without_a_reload() {
    let (house, daemon, anna) = with_page(House::new(), "");
    let viewer = visitor(&house, &anna, "viewer");
    let mut stream = curl(&viewer, &["--no-buffer"], "/timeline/events?after=0&kind=operator_locked");
    let mut stream = stream.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(stream.stdout.take().unwrap()).lines();
    let (send, received) = channel();
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(send.send(line))));
    house.usher(&["door", "lock"]);
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
    house.enroll("Barack Obama", &["obama.jpg"]);
    let (house, daemon, anna) = with_page(house, "");
    let mut clerk = visitor(&house, &anna, "attendance");
    let page = clerk.page("/attendance/amend?person=1&date=2026-07-06");
    assert!(page.contains("There are no readings") && page.contains("Barack Obama"), "{page}");
    let save = |clerk: &mut Visitor, fields: &[(&str, &str)]| {
        let about = [("person", "1"), ("date", "2026-07-06")];
        let form = "/attendance/amend?person=1&date=2026-07-06";
        clerk.submit(form, "/attendance/amend", &[&about, fields].concat()).status
    };
    let came = [("direction", "in"), ("at", "2026-07-06T08:00"), ("void", ""), ("reason", "forgot")];
    assert_eq!(save(&mut clerk, &came), 303);
    let page = clerk.page("/attendance/amend?person=1&date=2026-07-06");
    assert!(page.contains("The amendment is recorded.") && page.contains("came in 08:00"), "{page}");
    assert!(!clerk.page("/attendance?month=2026-07").contains("The amendment is recorded."), "a notice is shown once");
    assert_eq!(save(&mut clerk, &[("direction", "out"), ("at", "2026-07-06T17:00"), ("reason", "forgot")]), 303);
    // In place of the old reading, which no longer counts.
    let first = house.records("attendance_amended")[0]["seq"].to_string();
    let instead = [("direction", "in"), ("at", "2026-07-06T08:30"), ("void", first.as_str()), ("reason", "wrong")];
    assert_eq!(save(&mut clerk, &instead), 303);
    let record = house.records("attendance_amended").pop().unwrap();
    assert_eq!(record["content"]["by"], json!("web/attendance"), "{record}");
    let month = clerk.page("/attendance?month=2026-07");
    assert!(month.contains("Barack Obama") && month.contains("8:30") && month.contains("Week 28"), "{month}");
    let person = clerk.page("/attendance?month=2026-07&person=1&group=");
    assert!(person.contains("<td class=\"number\">08:30</td>") && person.contains("2026-07-31"), "{person}");
    let day = clerk.page("/attendance/day?date=2026-07-06");
    assert!(day.contains("08:30–17:00") && day.contains("Nobody is missing."), "{day}");
    // Files.
    let csv = clerk.get("/attendance/export?format=csv&month=2026-07&excel=yes");
    let named = |name: &str| Some(format!("attachment; filename=\"{name}\""));
    assert_eq!(csv.header("content-disposition").map(str::to_owned), named("attendance-2026-07.csv"));
    assert!(csv.body.starts_with("\u{feff}date;employee;") && csv.body.contains(";8.50;8:30;"), "{csv:?}");
    let odoo = clerk.page("/attendance/export?format=odoo&month=2026-07");
    assert!(odoo.contains("no employee id") && odoo.contains("anyway=yes"), "{odoo}");
    let odoo = clerk.get("/attendance/export?format=odoo&month=2026-07&anyway=yes");
    assert!(
        odoo.header("content-disposition").is_some_and(|name| name.contains("attendance-2026-07-odoo.csv"))
            && odoo.body.starts_with("id,employee_id/id"),
        "{odoo:?}"
    );
    // What is refused.
    assert_eq!(save(&mut clerk, &[("direction", "in"), ("at", "2100-01-01T08:00"), ("reason", "x")]), 422);
    assert_eq!(save(&mut clerk, &[("direction", "in"), ("at", "2026-07-06T08:00"), ("reason", " ")]), 422);
    assert_eq!(save(&mut clerk, &[("direction", ""), ("at", ""), ("reason", "x")]), 422);
    assert_eq!(save(&mut clerk, &[("void", "1"), ("reason", "x")]), 422);
    let stolen = [("csrf", "0000"), ("person", "1"), ("date", "2026-07-06"), ("void", first.as_str()), ("reason", "x")];
    assert_eq!(clerk.send("/attendance/amend", &stolen).status, 403);
    assert_eq!(clerk.get("/attendance?month=2026-7").status, 422);
    assert_eq!(house.records("attendance_amended").len(), 4);
    // Others may not.
    let mut viewer = visitor(&house, &anna, "viewer");
    for path in [
        "/attendance",
        "/attendance/day",
        "/attendance/amend?person=1&date=2026-07-06",
        "/attendance/export?format=csv&month=2026-07",
    ] {
        assert_eq!(viewer.get(path).status, 403, "{path}");
    }
    assert_eq!(clerk.get("/timeline").status, 403, "the attendance role sees no door");
    daemon.stop();
}

#[test]
fn health_shows_checks_and_an_admin_downloads_a_backup() {
    let (house, daemon, mut anna) = with_page(House::new(), "");
    let page = anna.page("/health");
    for part in ["All is well.", "disk", "no backup", "The first measurement comes after a minute.", "Check the chain"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let sound = anna.submit("/health", "/health/verify", &[]);
    assert!(sound.status == 200 && sound.body.contains("the chain is sound"), "{sound:?}");
    assert_eq!(anna.send("/health/backup", &[("csrf", "0000")]).status, 403);
    let file = house.path("usher.backup").display().to_string();
    let field = format!("csrf={}", anna.get("/health").token());
    let done = curl(&anna, &["--output", &file, "--data-urlencode", &field], "/health/backup").status().unwrap();
    assert!(done.success());
    usher::store::verify_backup(std::path::Path::new(&file)).unwrap();
    assert_eq!(house.records("backup_taken")[0]["content"]["by"], json!("web/anna"));
    assert!(anna.page("/health").contains("less than a day ago"));
    let mut viewer = visitor(&house, &anna, "viewer");
    assert!(!viewer.page("/health").contains("Make a backup and download it"));
    assert_eq!(viewer.submit("/health", "/health/backup", &[]).status, 403);
    assert_eq!(house.records("backup_taken").len(), 1);
    daemon.stop();
}

#[test]
fn nobody_sees_anything_without_a_login() {
    let (_house, daemon, anna) = with_page(House::new(), "");
    let mut stranger = Visitor::at(anna.port());
    for path in ["/timeline", "/timeline/rows", "/timeline/events", "/records/1", "/attendance", "/health"] {
        let answer = stranger.get(path);
        let to = answer.header("location").unwrap_or_default();
        assert!(answer.status == 303 && to.starts_with("/login"), "{path}: {answer:?}");
    }
    assert_eq!(stranger.send("/health/backup", &[]).status, 303);
    daemon.stop();
}
