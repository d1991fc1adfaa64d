//! The page's live view, and its doors and hours: what each role sees and may do, and what changes by itself.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use image::imageops;
use serde_json::{Value, json};

use crate::support::{Daemon, Film, House, eventually, frame, free_port};

const PASSWORD: &str = "correct horse battery";

/// A browser that knows cookies and forms, without a script.
struct Visitor {
    base: String,
    cookies: PathBuf,
}

/// An answer: its status, where it leads, and its text.
#[derive(Debug)]
struct Shown {
    status: u16,
    leads: String,
    text: String,
}

/// A house with its page on a free port.
fn paged(house: House, tables: &str) -> (House, u16) {
    let port = free_port();
    (house.with(&format!("{tables}\n[web]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\n")), port)
}

impl Visitor {
    /// Makes an account of that role, and logs in.
    fn log_in(house: &House, port: u16, role: &str) -> Visitor {
        let account = json!({ "name": role, "role": role, "password": PASSWORD }).to_string();
        let made = Command::new("curl")
            .args(["--silent", "--fail", "--unix-socket"])
            .arg(house.socket())
            .args(["-H", "Content-Type: application/json", "-d", &account, "http://usher/v1/accounts"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let visitor =
            Visitor { base: format!("http://127.0.0.1:{port}"), cookies: house.path(&format!("cookies-{role}")) };
        let shown = eventually("the page", || {
            let shown = visitor
                .ask("/login", &["-d", &format!("name={role}"), "--data-urlencode", &format!("password={PASSWORD}")]);
            (shown.status != 0).then_some(shown)
        });
        assert_eq!(shown.status, 303, "{shown:?}");
        visitor
    }

    fn ask(&self, path: &str, more: &[&str]) -> Shown {
        let output = Command::new("curl")
            .args(["--silent", "--write-out", "\n%{http_code} %{redirect_url}", "--cookie-jar"])
            .arg(&self.cookies)
            .arg("--cookie")
            .arg(&self.cookies)
            .args(more)
            .arg(format!("{}{path}", self.base))
            .output()
            .unwrap();
        let whole = String::from_utf8_lossy(&output.stdout).into_owned();
        let (text, tail) = whole.rsplit_once('\n').unwrap();
        let (status, leads) = tail.split_once(' ').unwrap();
        let leads = leads.strip_prefix(&self.base).unwrap_or(leads).to_owned();
        Shown { status: status.parse().unwrap(), leads, text: text.to_owned() }
    }

    fn get(&self, path: &str) -> Shown {
        self.ask(path, &[])
    }

    /// Sends a form with the session's token, as it stands on the page `from`.
    fn post(&self, from: &str, path: &str, fields: &[(&str, &str)]) -> Shown {
        let page = self.get(from).text;
        let token = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        self.post_with(&token, path, fields)
    }

    fn post_with(&self, token: &str, path: &str, fields: &[(&str, &str)]) -> Shown {
        let fields = fields.iter().map(|(name, value)| format!("{name}={value}"));
        let fields: Vec<String> = [format!("csrf={token}")].into_iter().chain(fields).collect();
        let more: Vec<&str> = fields.iter().flat_map(|field| ["--data-urlencode", field]).collect();
        self.ask(path, &more)
    }

    /// The events of the live view in this time: names with their data.
    fn events(&self, span: Duration) -> Vec<(String, Value)> {
        let output = Command::new("curl")
            .args(["--silent", "--no-buffer", "--max-time", &span.as_secs_f32().to_string(), "--cookie"])
            .arg(&self.cookies)
            .arg(format!("{}/live/events", self.base))
            .stderr(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let whole = text.split("\n\n").filter(|event| event.contains("data:"));
        let field = |event: &str, name: &str| {
            let line = event.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        let parsed = whole
            .filter_map(|event| Some((field(event, "event:"), serde_json::from_str(&field(event, "data:")).ok()?)));
        parsed.collect()
    }
}

#[test]
fn an_operator_sees_who_stands_there_and_the_door_open_without_loading_again() {
    let house = House::new().watching(Film::default().nobody(10).shows("obama2.jpg", 20).nobody(10), true);
    house.enroll("Barack Obama", &["obama.jpg"]);
    let (house, port) = paged(house, "");
    let daemon = Daemon::start(&house);
    let operator = Visitor::log_in(&house, port, "operator");
    let page = operator.get("/live");
    assert_eq!(page.status, 200, "{page:?}");
    for part in ["data-camera=\"porch\"", "data-door=\"front\"", "/doors/front/order", "/assets/live.js"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    // However slow the machine is.
    let mut events = Vec::new();
    eventually("a face, a grant and an unlocked door", || {
        events.extend(operator.events(Duration::from_secs(10)));
        let told =
            |name: &str, part: &str| events.iter().any(|(of, data)| of == name && data.to_string().contains(part));
        (told("faces", "Barack Obama") && told("faces", "let in") && told("doors", "unlocked")).then_some(())
    });
    let picture = operator.get("/cameras/porch/picture");
    assert_eq!((picture.status, picture.text.contains("JFIF")), (200, true));
    assert_eq!(operator.get("/cameras/attic/picture").status, 404);
    assert_eq!(operator.get("/cameras/..%2F..%2Fbackup/picture").status, 404);
    daemon.stop();
}

#[test]
fn orders_are_carried_out_and_recorded_with_the_accounts_name() {
    let (house, port) = paged(House::new(), "");
    let daemon = Daemon::start(&house);
    let operator = Visitor::log_in(&house, port, "operator");
    let shown = operator.post("/live", "/doors/front/order", &[("order", "unlock")]);
    assert_eq!((shown.status, shown.leads.as_str()), (303, "/live"), "{shown:?}");
    assert!(operator.get("/live").text.contains("Unlocked."), "the notice");
    let unlocked = eventually("the record", || house.records("operator_unlocked").pop());
    assert!(unlocked["content"]["by"].to_string().contains("operator"), "{unlocked}");
    assert_eq!(operator.post("/live", "/doors/order", &[("order", "lockdown"), ("group", "")]).status, 303);
    assert!(operator.get("/live").text.contains("Lockdown"));
    assert_eq!(house.json(&["door", "status", "--json"])[0]["mode"], "lockdown");
    assert_eq!(operator.post("/live", "/doors/front/order", &[("order", "normal")]).status, 303);
    let unknown = operator.post("/live", "/doors/attic/order", &[("order", "unlock")]);
    assert_eq!(unknown.status, 404);
    assert!(unknown.text.contains("there is no door `attic`"), "{}", unknown.text);
    assert_eq!(operator.post("/live", "/doors/front/order", &[("order", "explode")]).status, 422);
    let forged = operator.post_with("0000", "/doors/front/order", &[("order", "unlock")]);
    assert_eq!(forged.status, 403);
    assert_eq!(house.records("operator_unlocked").len(), 1);
    daemon.stop();
}

#[test]
fn a_viewer_sees_and_orders_nothing_and_a_stranger_sees_nothing() {
    let (house, port) = paged(House::new(), "");
    let daemon = Daemon::start(&house);
    let viewer = Visitor::log_in(&house, port, "viewer");
    let page = viewer.get("/live").text;
    assert!(page.contains("data-camera") && !page.contains("/doors/front/order"), "{page}");
    assert_eq!(viewer.get("/doors").status, 200);
    for (path, fields) in [
        ("/doors/front/order", &[("order", "unlock")][..]),
        ("/doors/order", &[("order", "release")]),
        ("/cameras/porch/aim", &[]),
        ("/cameras/porch/rotate", &[("turn_deg", "90")]),
        ("/doors/amnesty", &[]),
        ("/doors/admit", &[("person", "1"), ("door", "front"), ("reason", "x")]),
    ] {
        assert_eq!(viewer.post("/live", path, fields).status, 403, "{path}");
    }
    let attendance = Visitor::log_in(&house, port, "attendance");
    for path in ["/live/events", "/cameras/porch/picture", "/doors", "/live"] {
        assert_eq!(attendance.get(path).status, 403, "{path}");
    }
    let stranger = Visitor { base: viewer.base.clone(), cookies: house.path("no-cookies") };
    for path in ["/live", "/live/events", "/cameras/porch/picture", "/cameras/porch/stream", "/doors"] {
        let shown = stranger.get(path);
        assert!(shown.status == 303 && shown.leads.starts_with("/login"), "{path}: {shown:?}");
    }
    assert!(house.records("operator_unlocked").is_empty() && house.records("mode_set").is_empty());
    daemon.stop();
}

#[test]
fn a_camera_that_hangs_on_its_side_is_turned_by_one_click() {
    let scene = imageops::rotate270(&frame("obama2.jpg"));
    let house = House::new().watching(Film::default().picture(scene, 20), true);
    let (house, port) = paged(house, "");
    let daemon = Daemon::start(&house);
    let admin = Visitor::log_in(&house, port, "admin");
    assert_eq!(admin.post("/live", "/cameras/porch/aim", &[]).status, 303);
    let page = eventually("the advice", || {
        let page = admin.get("/live").text;
        page.contains("/cameras/porch/rotate").then_some(page)
    });
    assert!(page.contains("clockwise by 90°"), "{page}");
    let shown = admin.post("/live", "/cameras/porch/rotate", &[("turn_deg", "90")]);
    assert_eq!(shown.status, 303, "{shown:?}");
    assert!(std::fs::read_to_string(house.config()).unwrap().contains("rotate = 90"));
    daemon.stop();
}

#[test]
fn doors_and_hours_show_who_is_inside_the_week_and_a_trial_of_the_rules() {
    let tables = "[[door]]\nname = \"front\"\npulse = \"300ms\"\noutside = \"street\"\ninside = \"office\"\n\
        [[schedule]]\nname = \"day\"\nhours = [\"mon-fri 08:00-18:00\"]\n[[permit]]\ngroups = [\"staff\"]\nschedule = \"day\"\n\
        [[permit]]\ngroups = [\"guards\"]\n";
    let (mut house, port) = paged(House::new(), tables);
    house.environment.insert("USHER__DEVICE__TIME_ZONE".into(), "Europe/Berlin".into());
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.usher(&["people", "groups", "#1", "guards"]);
    let daemon = Daemon::start(&house);
    let operator = Visitor::log_in(&house, port, "operator");
    let fields = [("person", "1"), ("door", "front"), ("direction", "in"), ("reason", "broken arm")];
    let shown = operator.post("/doors", "/doors/admit", &fields);
    assert_eq!((shown.status, shown.leads.as_str()), (303, "/doors"), "{shown:?}");
    assert!(house.records("admitted")[0].to_string().contains("broken arm"));
    let page = eventually("somebody inside", || {
        let page = operator.get("/doors?week=2026-12-23").text;
        page.contains("office: 1").then_some(page)
    });
    for part in ["Barack Obama", "2026-12-21", "<svg class=\"week\"", "08:00–18:00", "guards", "week=2026-12-28"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    house.usher(&["people", "groups", "#1", "staff"]);
    let trial = operator.get("/doors?person=1&door=front&at=2026-12-27T12:00").text;
    assert!(trial.contains("is refused") && trial.contains("not at this time"), "{trial}");
    assert!(operator.get("/doors?person=1&at=2026-12-23T12:00").text.contains("may pass"));
    assert!(operator.get("/doors?person=99").text.contains("role=\"alert\""));
    assert_eq!(operator.post("/doors", "/doors/amnesty", &[("person", "1")]).status, 303);
    assert!(operator.get("/doors").text.contains("Nobody, as far as doors have reported"));
    let german = operator.ask("/doors", &["-H", "Accept-Language: de"]).text;
    assert!(german.contains("Wer drinnen ist"), "{german}");
    daemon.stop();
}
