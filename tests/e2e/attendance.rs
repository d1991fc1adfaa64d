//! Attendance behind the API: totals, absentees, files, and what an amendment is refused for; the same with and without a daemon.

use serde_json::{Value, json};

use crate::crash::ask;
use crate::support::{Daemon, House, photo};

/// A house in Berlin with Ada of the office, who was there on two days, and Ben, who was not.
fn house() -> House {
    let mut house = House::new();
    let holidays = house.path("holidays");
    std::fs::write(&holidays, "12-25 Christmas Day\n").unwrap();
    let tables = format!(
        "[[schedule]]\nname = \"office\"\nholidays = {:?}\nhours = [\"mon-fri 08:00-18:00\"]\n[[permit]]\ngroups = [\"office\"]\nschedule = \"office\"\n[[permit]]\ngroups = [\"guards\"]",
        holidays.display().to_string()
    );
    house = house.with(&tables);
    house.environment.insert("USHER__DEVICE__TIME_ZONE".into(), "Europe/Berlin".into());
    for (name, id, photograph) in [("Ada Probe", "E042", "obama.jpg"), ("Ben Probe", "E077", "biden.jpg")] {
        let photograph = photo(photograph).display().to_string();
        house.usher(&["enroll", name, "--id", id, &photograph]);
    }
    house.usher(&["people", "groups", "E042", "office"]);
    house.usher(&["people", "groups", "E077", "guards"]);
    for (way, at) in [
        ("in", "2026-06-29T08:00"),
        ("out", "2026-06-29T16:30"),
        ("in", "2026-07-06T09:00"),
        ("out", "2026-07-06T12:00"),
    ] {
        house.usher(&["attendance", "amend", "--person", "E042", &format!("--{way}"), at, "--reason", "trial"]);
    }
    house
}

#[test]
fn weeks_and_all_days_are_added_up() {
    let house = house();
    let of = |more: &[&str]| house.json(&[&["attendance", "totals", "--json"], more].concat());
    let months = of(&["--from", "2026-06-01", "--to", "2026-07-31"]);
    assert_eq!((months.len(), &months[0]["person"]["name"]), (1, &json!("Ada Probe")));
    assert_eq!(months[0]["total"]["worked_seconds"], json!((8 * 60 + 30 + 3 * 60) * 60));
    let weeks: Vec<_> = months[0]["weeks"].as_array().unwrap().iter().map(|w| (&w["week"], &w["to"])).collect();
    assert_eq!(weeks, [(&json!(27), &json!("2026-07-05")), (&json!(28), &json!("2026-07-12"))]);
    // A month cuts the week.
    let june = of(&["--month", "2026-06"]);
    assert_eq!((&june[0]["weeks"][0]["to"], &june[0]["total"]["days"]), (&json!("2026-06-30"), &json!(1)));
    assert!(of(&["--month", "2026-06", "--person", "E077"]).is_empty());
    assert!(house.ask(&["attendance", "totals", "--month", "2026-6"]).err.contains("write it as in 2026-05"));
    let table = house.usher(&["attendance", "totals", "--month", "2026-07"]);
    assert!(table.contains("2026-W28") && table.contains("2026-07-01 to 2026-07-31"), "{table}");
}

#[test]
fn who_was_absent_is_listed_with_holidays_and_days_without_hours() {
    let house = house();
    // Nobody counts as absent before the day of the enrolment, which is today.
    assert!(house.usher(&["attendance", "absent", "--day", "2026-06-30"]).starts_with("Nobody was absent"));
    let today = house.json(&["attendance", "absent", "--json"]);
    let names: Vec<&str> = today.iter().map(|absent| absent["person"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Ada Probe", "Ben Probe"]);
    assert_eq!(house.json(&["attendance", "absent", "--json", "--group", "guards"]).len(), 1);
    assert!(house.refused(&["attendance", "absent", "--group", "night"]).contains("nobody is in the group"));
    house.usher(&["people", "disable", "E077"]);
    assert_eq!(house.json(&["attendance", "absent", "--json"]).len(), 1);
}

#[test]
fn the_api_answers_with_and_without_a_daemon_alike() {
    let house = house();
    let asked = ["attendance", "--month", "2026-07", "--format", "json"];
    let file = ["attendance", "--month", "2026-07", "--template", "timesheet"];
    let without = (house.json(&asked), house.usher(&file));
    let daemon = Daemon::start(&house);
    assert_eq!((house.json(&asked), house.usher(&file)), without);
    let get = |path: &str| ask(&house, "GET", path, "");
    let july = get("/v1/attendance?month=2026-07&person=1").unwrap();
    assert_eq!((&july["from"], &july["time_zone"]), (&json!("2026-07-01"), &json!("Europe/Berlin")));
    assert_eq!(july["days"].as_array().unwrap().len(), 1);
    assert_eq!(get("/v1/attendance?month=2026-07&person=2").unwrap()["days"], json!([]));
    let export = get("/v1/attendance/export?format=zkteco&month=2026-07").unwrap();
    assert_eq!((&export["name"], &export["left_out"]), (&json!("1_attlog.dat"), &json!([])));
    let sheet = get("/v1/attendance/day?date=2026-07-06").unwrap();
    assert_eq!((sheet["days"].as_array().unwrap().len(), &sheet["absent"]), (1, &json!([])));
    for bad in ["month=2026-7", "month=2026-07&day=2026-07-01", "from=2026-07-02&to=2026-07-01", "person=ada", "week=3"]
    {
        assert_eq!(get(&format!("/v1/attendance?{bad}")), None, "{bad}");
    }
    assert_eq!(get("/v1/attendance/export?format=excel&month=2026-07"), None);
    assert_eq!(get("/v1/attendance/export?format=odoo&bom=true&month=2026-07"), None);
    let amend = |add: Value, void: Value, reason: &str| {
        let body = json!({ "person": 1, "name": "Ada Probe", "add": add, "void": void, "reason": reason });
        ask(&house, "POST", "/v1/attendance/amend", &body.to_string())
    };
    let past = json!(["in", "2026-07-07T06:00:00Z"]);
    assert!(amend(past.clone(), Value::Null, "forgot").is_some());
    assert_eq!(amend(past.clone(), Value::Null, "  "), None, "without a reason");
    assert_eq!(amend(json!(["in", "2100-01-01T00:00:00Z"]), Value::Null, "x"), None, "in the future");
    assert_eq!(amend(json!(["over", "2026-07-07T06:00:00Z"]), Value::Null, "x"), None, "no direction");
    assert_eq!(amend(Value::Null, json!(1), "x"), None, "the record of the start");
    assert_eq!(amend(Value::Null, json!(999_999), "x"), None, "no record");
    assert_eq!(amend(past, json!(1), "x"), None, "both at once");
    daemon.stop();
}
