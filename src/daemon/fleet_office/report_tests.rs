//! Tests of what the office reports over all boards, asked through its API.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request as HttpRequest, StatusCode};
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use uuid::Uuid;

use super::desk::{Office, Report};
use super::report::report;
use super::tests::Names;
use crate::api::Caller;
use crate::clock::{Clock, SimulatedClock};
use crate::config::Config;
use crate::domain::Direction::{In, Out};
use crate::fleet::{Board, BoardKey, Site};
use crate::office::fleet::Collected;
use crate::office::fleet::history::NUMBERS;
use crate::office::fleet::history_tests::{MORNING, OneBoard, keep, named, passed};
use crate::office::fleet::protocol::BoardReport;
use crate::office::fleet::tests::{open, somebody};

const CONFIG: &str = "[attendance]\ntime_zone = \"UTC\"\nmethod = \"side\"\n[[door]]\nname = \"none\"\n[[camera]]\nname = \"none\"\n\
                      kind = \"replay\"\npath = \"/nothing\"\n";

/// An office in the afternoon of 2026-05-04, in UTC.
struct Afternoon {
    _dir: TempDir,
    office: Arc<Office>,
    clock: Arc<SimulatedClock>,
    api: Router,
}

impl Afternoon {
    fn new() -> Afternoon {
        let dir = tempfile::tempdir().unwrap();
        let mut book = open(dir.path()).unwrap();
        for (board, site) in [("front", "berlin"), ("back", "berlin"), ("gate", "rome")] {
            let (board, site): (Board, Site) = (board.parse().unwrap(), site.parse().unwrap());
            let key = BoardKey::from_bytes(&[3; 32]);
            book.add_board(&board, &site, key.public(), format!("credential of {board}"), 0).unwrap();
            book.board_heard(&board).unwrap();
        }
        let collected = Collected::open(&book.trees.store).unwrap();
        let clock = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(MORNING + 10 * 3600)));
        let office = Arc::new(Office::new(book, collected, Box::new(Names::default()), clock.clone()));
        let api = report(&office, clock.clone(), &Config::from_toml(CONFIG).unwrap());
        Afternoon { _dir: dir, office, clock, api }
    }

    /// Enrols somebody at a site.
    fn enrolled(&self, name: &str, site: &str, degrees: f32) -> Uuid {
        let new = crate::office::fleet::protocol::Enrolment {
            site: site.parse().unwrap(),
            force: true,
            ..somebody(name, degrees)
        };
        self.office.with(|book| book.enroll(new, "anna")).unwrap()
    }

    /// A board says that it has nothing left to send.
    fn has_sent_all(&self, board: &str, sent: u64) {
        let said = BoardReport { sent, ..BoardReport::default() };
        let at_ms =
            i64::try_from(self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap();
        let author = self.office.with(|book| book.boards[&board.parse::<Board>().unwrap()].author());
        let report = Report { author, said, at_ms, head_ms: u64::try_from(at_ms).unwrap() };
        self.office.note_report(&board.parse().unwrap(), report);
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = HttpRequest::builder().method(method).uri(path).header("content-type", "application/json");
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(Caller::User(None));
        let answer = self.api.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask(Method::GET, path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }
}

const HOUR: u64 = 3600;

#[tokio::test]
async fn a_day_over_several_boards_is_one_line_and_names_the_boards_that_are_late() {
    let office = Afternoon::new();
    let (berlin, rome) = (office.enrolled("Ada", "berlin", 0.0), office.enrolled("Ada", "rome", 90.0));
    let (mut front, mut back, mut gate) =
        (OneBoard::new("front", "berlin"), OneBoard::new("back", "berlin"), OneBoard::new("gate", "rome"));
    front.people.insert(1, berlin);
    back.people.insert(9, berlin);
    gate.people.insert(4, rome);
    // In at the front; out at the back, whose clock was not set then; the afternoon at the other site.
    front.writes(0, passed("front", named(1, "Ada"), In, 9));
    back.writes_at(Some(false), 2 * HOUR, 2 * HOUR, passed("yard", named(9, "Ada"), Out, 9));
    back.writes(2 * HOUR + 60, passed("yard", named(3, "Bob"), In, 9));
    gate.writes(4 * HOUR, passed("gate", named(4, "Ada"), In, 9));
    gate.writes(6 * HOUR, passed("gate", named(4, "Ada"), Out, 9));
    for board in [&front, &gate] {
        keep(&office.office.collected, &board.sends());
    }
    office.has_sent_all("front", 1);
    office.has_sent_all("gate", 2);

    // The back has not sent yet.
    let found = office.get("/v1/attendance?day=2026-05-04").await;
    assert_eq!(found["late"], json!([{ "board": "back", "site": "berlin", "until": null }]));
    assert_eq!((&found["days"][0]["worked_seconds"], found["days"].as_array().unwrap().len()), (&json!(2 * HOUR), 1));
    let file = office.get("/v1/attendance/export?format=csv&day=2026-05-04").await;
    assert!(file["remarks"].to_string().contains("back of berlin has sent no records yet"), "{file}");

    keep(&office.office.collected, &back.sends());
    office.has_sent_all("back", 2);
    let found = office.get("/v1/attendance?day=2026-05-04").await;
    assert_eq!(found["late"], Value::Null);
    let days = found["days"].as_array().unwrap();
    assert_eq!(days.len(), 2, "{found}");
    let ada = days.iter().find(|day| day["person"]["name"] == "Ada").unwrap();
    assert_eq!((&ada["worked_seconds"], &ada["anomalies"]), (&json!(4 * HOUR), &json!([])), "{ada}");
    assert_eq!(ada["stints"][0]["out"]["door"], "back/yard");
    assert_eq!(ada["stints"][0]["out"]["at"], "2026-05-04T08:00:00Z", "dated by the record after it");
    assert_eq!(found["totals"].as_array().unwrap().len(), 2);
    // She is one person in the list, and in the journal.
    let people = office.get("/v1/people").await;
    assert_eq!((people.as_array().unwrap().len(), &people[0]["id"]), (1, &ada["person"]["id"]), "{people}");
    let id = &ada["person"]["id"];
    let records = office.get(&format!("/v1/journal?person={id}&limit=10")).await;
    let boards: Vec<&str> = records.as_array().unwrap().iter().map(|r| r["board"].as_str().unwrap()).collect();
    assert_eq!(boards, ["gate", "gate", "back", "front"]);
    // Two hours later nobody has heard of the back again.
    office.clock.advance(Duration::from_secs(2 * HOUR));
    office.has_sent_all("front", 1);
    office.has_sent_all("gate", 2);
    let late = &office.get("/v1/attendance?day=2026-05-04").await["late"];
    assert_eq!(late, &json!([{ "board": "back", "site": "berlin", "until": "2026-05-04T16:00:00Z" }]));
}

#[tokio::test]
async fn who_was_absent_is_asked_of_all_sites() {
    let office = Afternoon::new();
    let (ada, bob) = (office.enrolled("Ada", "berlin", 0.0), office.enrolled("Bob", "rome", 90.0));
    let (mut front, mut gate) = (OneBoard::new("front", "berlin"), OneBoard::new("gate", "rome"));
    front.people.insert(1, ada);
    gate.people.insert(1, bob);
    front.writes(0, passed("front", named(1, "Ada"), In, 9));
    gate.writes(60, passed("gate", named(1, "Bob"), In, 9));
    front.writes(30 * HOUR, passed("front", named(1, "Ada"), In, 9));
    keep(&office.office.collected, &front.sends());
    keep(&office.office.collected, &gate.sends());
    office.clock.advance(Duration::from_secs(24 * HOUR));
    let names = |sheet: &Value, of: &str| -> Vec<String> {
        let list = sheet[of].as_array().unwrap().iter();
        list.map(|one| one["person"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let monday = office.get("/v1/attendance/day?date=2026-05-04").await;
    assert_eq!((names(&monday, "days"), names(&monday, "absent")), (vec!["Ada".into(), "Bob".into()], vec![]));
    let tuesday = office.get("/v1/attendance/day?date=2026-05-05").await;
    assert_eq!((names(&tuesday, "days"), names(&tuesday, "absent")), (vec!["Ada".into()], vec!["Bob".into()]));
    // Before a board knew them, nobody missed them.
    assert_eq!(names(&office.get("/v1/attendance/day?date=2026-05-03").await, "absent"), [""; 0]);
    // Forgotten: neither there nor missed, and in no list.
    let forgotten = office.office.with(|book| book.forget(&"rome".parse().unwrap(), "Bob", 0)).unwrap();
    office.office.collected.erase(forgotten.uuid, &office.clock.stamp()).unwrap();
    let monday = office.get("/v1/attendance/day?date=2026-05-04").await;
    assert_eq!((names(&monday, "days"), names(&monday, "absent")), (vec!["Ada".to_owned()], vec![]));
    assert!(!office.get("/v1/journal").await.to_string().contains("Bob"));
}

#[tokio::test]
async fn attendance_is_amended_at_the_office_and_the_amendment_is_a_record() {
    let office = Afternoon::new();
    let ada = office.enrolled("Ada", "berlin", 0.0);
    let mut front = OneBoard::new("front", "berlin");
    front.people.insert(1, ada);
    front.writes(0, passed("front", named(1, "Ada"), In, 9));
    front.writes(600, passed("front", named(1, "Ada"), Out, 9));
    keep(&office.office.collected, &front.sends());
    let person = office.get("/v1/people").await[0]["id"].as_u64().unwrap();
    let amend = |what: Value| {
        let mut request = json!({ "person": person, "name": "Ada", "reason": "her sister" });
        request.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        request
    };
    let wrong = amend(json!({ "void": NUMBERS + 77 }));
    assert_eq!(office.ask(Method::POST, "/v1/attendance/amend", wrong).await.0, StatusCode::NOT_FOUND);
    let future = amend(json!({ "add": ["out", "2027-01-01T00:00:00Z"] }));
    assert_eq!(office.ask(Method::POST, "/v1/attendance/amend", future).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    for what in [json!({ "void": NUMBERS + 2 }), json!({ "add": ["out", "2026-05-04T09:00:00Z"] })] {
        let (status, record) = office.ask(Method::POST, "/v1/attendance/amend", amend(what)).await;
        assert_eq!((status, &record["board"]), (StatusCode::OK, &json!("office")), "{record}");
    }
    let day = office.get("/v1/attendance?day=2026-05-04").await["days"][0].clone();
    assert_eq!(day["worked_seconds"], 3 * HOUR, "{day}");
    let records = office.get("/v1/journal?kinds=attendance_amended").await;
    assert_eq!(records.as_array().unwrap().len(), 2, "{records}");
    // One amendment takes another back.
    let back = amend(json!({ "void": records[0]["seq"] }));
    assert_eq!(office.ask(Method::POST, "/v1/attendance/amend", back).await.0, StatusCode::OK);
    assert_eq!(office.get("/v1/attendance?day=2026-05-04").await["days"][0]["worked_seconds"], 0);
    // The name goes from the office's own records, too.
    office.office.with(|book| book.forget(&"berlin".parse().unwrap(), "Ada", 0)).unwrap();
    office.office.collected.erase(ada, &office.clock.stamp()).unwrap();
    assert!(!office.get("/v1/journal").await.to_string().contains("Ada"));
}

#[tokio::test]
async fn new_records_are_followed_as_they_come_and_what_a_board_alone_has_is_not_here() {
    let office = Afternoon::new();
    let front = OneBoard::new("front", "berlin");
    front.writes(0, passed("front", named(1, "Ada"), In, 9));
    front.writes(60, passed("front", named(1, "Ada"), Out, 1));
    let sent = front.sends();
    keep(&office.office.collected, &sent[..1]);
    let mut request = HttpRequest::get("/v1/journal/follow?after=0").body(Body::empty()).unwrap();
    request.extensions_mut().insert(Caller::User(None));
    let mut lines = office.api.clone().oneshot(request).await.unwrap().into_body().into_data_stream();
    let number = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap()["seq"].as_u64().unwrap();
    assert_eq!(number(&lines.next().await.unwrap().unwrap()), NUMBERS + 1);
    keep(&office.office.collected, &sent);
    assert_eq!(number(&lines.next().await.unwrap().unwrap()), NUMBERS + 2, "once");
    // A record and what it says of another have numbers that hold here.
    let record = office.get(&format!("/v1/journal/{}", NUMBERS + 2)).await;
    assert_eq!(record["content"]["record"], NUMBERS + 1);
    for path in ["/v1/doors", "/v1/journal/verify", "/v1/unknown", "/v1/people/3/export"] {
        let (status, answer) = office.ask(Method::GET, path, Value::Null).await;
        assert!(
            status == StatusCode::NOT_FOUND && answer["error"].as_str().unwrap().contains("at the board"),
            "{path}"
        );
    }
    let (status, answer) = office.ask(Method::GET, "/v1/journal?after=5", Value::Null).await;
    assert!(status == StatusCode::NOT_FOUND && answer["error"].as_str().unwrap().contains("record 5"), "{answer}");
}
