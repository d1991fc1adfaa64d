//! A site goes over to another embedder: the real program, a real server, and the models of this repository.

use crate::server::{Program, Servers};
use crate::support::{Daemon, Film, House, Office, eventually, photo, status};

#[test]
fn a_door_opens_by_the_old_model_until_its_site_has_gone_over_and_by_the_new_one_from_then_on() {
    let Some(servers) = Servers::start(Program::Newer, 1) else { return };
    let office = Office::start(&servers);
    let front = office.joined(House::new().watching(Film::default().shows("obama3.jpg", 10), true), "front");
    let daemon = Daemon::start(&front);
    office.waits_for("front");
    office.enroll("Barack Obama", &["obama.jpg", "obama2.jpg"]);
    eventually("a grant by the old model", || front.records("granted").pop());
    let models = || office.json(&["models", "status", "--site", "berlin", "--json"]).remove(0);
    let old = models()["boards"][0]["model"].as_str().unwrap().to_owned();
    let to = if old.starts_with("sface") { "dlib" } else { "sface" };
    assert!(office.refused(&["models", "switch", "nonsense", "--site", "berlin"]).contains("nonsense"));
    office.usher(&["models", "switch", to, "--site", "berlin", "--learn", "false"]);
    eventually("the new list at the board", || (models()["boards"][0]["beside"]["whole"] == true).then_some(()));
    assert_eq!(models()["roll"]["left"], serde_json::json!(["Barack Obama"]));
    for acts in [&["switch", to, "--after", "all"][..], &["switch", to, "--learn"], &["switch", "--cancel"]] {
        assert!(front.refused(&[&["models"], acts].concat()).contains("its office"), "{acts:?}");
    }

    let (one, other) = (photo("obama.jpg").display().to_string(), photo("obama2.jpg").display().to_string());
    let wrong = photo("biden.jpg").display().to_string();
    let give = |photo: &str| ["models", "photographs", "Barack Obama", "--site", "berlin", photo].map(str::to_owned);
    assert!(office.refused(&give(&wrong).each_ref().map(String::as_str)).contains("does not look like"));
    let both: Vec<String> = give(&one).into_iter().chain([other]).collect();
    office.usher(&both.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(models()["roll"]["switched"], true);
    // The daemon ends with a failure, so that its service manager starts it again.
    let (status_of_end, _) = daemon.ended();
    assert!(!status_of_end.success());
    let granted = front.records("granted").len();
    let daemon = Daemon::start(&front);
    eventually("a board that follows", || (models()["boards"][0]["follows"] == true).then_some(()));
    eventually("a grant by the new model", || (front.records("granted").len() > granted).then_some(()));
    assert_eq!(front.records("model_switched").len(), 1);
    assert!(models()["boards"][0]["model"].as_str().unwrap().starts_with(to));

    office.usher(&["models", "finish", "--site", "berlin"]);
    eventually("the end of the old templates", || front.records("model_switch_finished").pop());
    assert_eq!(status(&front)["fleet"]["whole"], true);
    daemon.stop();
    let daemon = Daemon::start(&front);
    eventually("the new model after a restart", || (models()["boards"][0]["follows"] == true).then_some(()));
    daemon.stop();
}
