//! `usher doctor`: a sound house, and each thing that can be broken.

use std::path::Path;

use serde_json::Value;

use crate::support::{Daemon, Film, House, lines};

/// State and text of the checks of one kind.
fn checks(house: &House, what: &str) -> (Option<i32>, Vec<(String, String)>) {
    let answer = house.ask(&["doctor", "--json"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_that_kind = lines(&answer.out).into_iter().filter(|check| check["check"] == what);
    (answer.code, of_that_kind.map(|check| (text(&check["state"]), text(&check["text"]))).collect())
}

#[test]
fn all_is_well_with_and_without_a_daemon() {
    let house = House::new().watching(Film::default().nobody(1), true);
    let said = house.usher(&["doctor"]);
    assert!(said.contains("All is well.") && !said.contains("BROKEN") && !said.contains("warning"), "{said}");
    let daemon = Daemon::start(&house);
    let said = house.usher(&["doctor"]);
    assert!(said.contains("All is well.") && said.contains("daemon         runs"), "{said}");
    daemon.stop();
}

#[test]
fn a_daemon_with_another_configuration_is_named() {
    let house = House::new().with("[log]\nlevel = \"info\"");
    let daemon = Daemon::start(&house);
    let another =
        |house: &House| checks(house, "daemon").1.into_iter().any(|(_, text)| text.contains("another configuration"));
    assert!(!another(&house));
    // Not what the file looks like but what it says.
    let text = std::fs::read_to_string(house.config()).unwrap();
    std::fs::write(house.config(), format!("# A remark.\n{text}")).unwrap();
    assert!(!another(&house));
    let house = house.with("[log]\nlevel = \"debug\"");
    assert!(another(&house));
    let said = house.ask(&["doctor"]);
    assert!(said.code == Some(0) && !said.out.contains("All is well"), "{said:?}");
    daemon.stop();
}

#[test]
fn a_busy_address_of_the_metrics_is_a_warning_and_no_reason_not_to_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let house = House::new().with(&format!("[metrics]\nlisten = \"{address}\""));
    let warned = |house: &House| {
        let (code, found) = checks(house, "metrics");
        assert_eq!((code, found.len()), (Some(0), 1), "{found:?}");
        assert!(found[0].1.contains(&address), "{found:?}");
        found[0].0 == "warning"
    };
    assert!(warned(&house));
    let daemon = Daemon::start(&house);
    house.usher(&["door", "unlock"]);
    crate::support::eventually("the daemon's warning", || warned(&house).then_some(()));
    drop(taken);
    crate::support::eventually("the metrics", || (!warned(&house)).then_some(()));
    daemon.stop();
    assert!(!warned(&house), "the address is free again");
}

#[test]
fn a_key_that_cannot_be_read_is_broken() {
    let house = House::new();
    std::fs::remove_file(house.key()).unwrap();
    let (code, found) = checks(&house, "seal");
    assert_eq!(code, Some(1));
    assert!(found[0].0 == "broken" && found[0].1.contains("store.key"), "{found:?}");
}

#[test]
fn status_fails_where_something_does_not_work() {
    let house = House::new();
    let daemon = Daemon::start(&house);
    house.usher(&["status"]);
    daemon.stop();
    let house = house.with_camera("kind = \"v4l2\"\ndevice = \"/dev/video99\"");
    let daemon = Daemon::start(&house);
    let answer = crate::support::eventually("the camera's trouble", || {
        Some(house.ask(&["status"])).filter(|answer| answer.out.contains("/dev/video99"))
    });
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.err.contains("one part of the daemon"), "{answer:?}");
    assert_eq!(house.ask(&["status", "--json"]).code, Some(1));
    daemon.stop();
}

#[test]
fn a_changed_model_is_named() {
    let mut house = House::new();
    let models = house.path("models");
    std::fs::create_dir(&models).unwrap();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("models")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, models.join(path.file_name().unwrap())).unwrap();
        }
    }
    house.environment.insert("USHER__MODELS__PATH".into(), models.display().to_string());
    assert_eq!(checks(&house, "models").0, Some(0));

    let file = models.join("onet.tflite");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let (code, found) = checks(&house, "models");
    assert_eq!((code, found[0].0.as_str()), (Some(1), "broken"));
    assert!(found[0].1.contains("onet.tflite") && found[0].1.contains("SHA-256"), "{found:?}");
    // Nor does the daemon start with it, and it leaves no trace.
    let error = house.refused(&["run"]);
    assert!(error.contains("onet.tflite"), "{error}");
    assert!(!house.socket().exists());

    std::fs::remove_file(&file).unwrap();
    let (_, found) = checks(&house, "models");
    assert!(found[0].1.contains("onet.tflite") && found[0].1.contains("cannot be read"), "{found:?}");
}

#[test]
fn a_missing_library_s_error_names_script_setup() {
    let mut house = House::new();
    for library in ["/no/such/libLiteRt.so", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
        house.environment.insert("USHER__RUNTIME__LIBRARY".into(), library.into());
        let (code, found) = checks(&house, "runtime");
        assert_eq!((code, found[0].0.as_str()), (Some(1), "broken"));
        assert!(found[0].1.contains(library) && found[0].1.contains("script/setup"), "{found:?}");
    }
}

#[test]
fn a_missing_accelerator_is_a_warning_with_its_reason() {
    let mut house = House::new();
    for (asked, reason) in [("gpu", "gpu"), ("npu", "npu"), ("/nonexistent/delegate.so", "there is no such file")] {
        house.environment.insert("USHER__RUNTIME__ACCELERATOR".into(), asked.into());
        let (code, found) = checks(&house, "model");
        assert_eq!((code, found.len()), (Some(0), 4), "{found:?}");
        for (state, text) in found {
            // Some machines have a GPU.
            let works = state == "ok" && asked != "/nonexistent/delegate.so";
            let fell_back =
                state == "warning" && text.contains(&format!("instead of {asked}")) && text.contains(reason);
            assert!(works || fell_back, "{asked}: {state}: {text}");
        }
    }
}

#[test]
fn an_absent_camera_or_recording_is_broken() {
    let house = House::new().with_camera("kind = \"v4l2\"\ndevice = \"/dev/video99\"");
    let (code, found) = checks(&house, "camera");
    assert_eq!((code, found[0].0.as_str()), (Some(1), "broken"));
    assert!(found[0].1.contains("/dev/video99"), "{found:?}");
    assert!(found[1].1.contains("devices on this machine"), "{found:?}");

    let house = house.with_camera("kind = \"replay\"\npath = \"no-such.mjpeg\"");
    let (code, found) = checks(&house, "camera");
    assert_eq!((code, found[0].0.as_str()), (Some(1), "broken"));
    assert!(found[0].1.contains("no-such.mjpeg"), "{found:?}");
}

#[test]
fn a_simulated_door_shows_its_lock_and_what_its_inputs_read() {
    let house = House::new();
    let inputs = house.path("inputs");
    std::fs::write(&inputs, "sensor = open\n").unwrap();
    let house = house.with(&format!(
        "[[door]]\nname = \"front\"\nlock = \"fail-safe\"\n[door.simulated]\ninputs = {:?}\n[door.sensor]\n[door.exit_button]\n[door.indicator]",
        inputs.display().to_string()
    ));
    let (code, found) = checks(&house, "door");
    assert_eq!(code, Some(0), "{found:?}");
    let said = |part: &str| found.iter().any(|(state, text)| state == "ok" && text.contains(part));
    assert!(said("opens when its power is cut") && said("relay: simulated"), "{found:?}");
    assert!(said("indicator: simulated"), "{found:?}");
    assert!(said("door sensor: simulated by") && said("now open") && said("now released"), "{found:?}");

    let daemon = Daemon::start(&house);
    let (code, found) = checks(&house, "door");
    assert_eq!(code, Some(0), "{found:?}");
    assert!(found.iter().any(|(_, text)| text.contains("front: the daemon has simulated")), "{found:?}");
    daemon.stop();
}

#[test]
fn a_chip_that_is_not_there_is_broken_and_no_daemon_starts_with_it() {
    let door = |driver: &str| format!("[[door]]\nname = \"front\"\n{driver}\n[door.relay]\nline = 17");
    let house = House::new().with(&door("driver = \"gpiocdev\"\nchip = \"/dev/gpiochip250\""));
    let (code, found) = checks(&house, "door");
    assert_eq!(code, Some(1));
    assert!(found[0].0 == "broken" && found[0].1.contains("there is no GPIO chip /dev/gpiochip250"), "{found:?}");
    let error = house.refused(&["run"]);
    assert!(error.contains("/dev/gpiochip250"), "{error}");

    let board = std::fs::read_to_string("/sys/firmware/devicetree/base/model").unwrap_or_default();
    if !board.contains("Raspberry Pi") {
        let house = house.with(&door("driver = \"rppal\""));
        let (code, found) = checks(&house, "door");
        assert_eq!(code, Some(1));
        assert!(found[0].1.contains("not a Raspberry Pi") && found[0].1.contains("gpiocdev"), "{found:?}");
    }
}

#[test]
fn the_running_daemon_s_problems_are_reported() {
    let house = House::new().with_camera("kind = \"v4l2\"\ndevice = \"/dev/video99\"");
    let daemon = Daemon::start(&house);
    let (code, found) = crate::support::eventually("the camera's trouble", || {
        Some(checks(&house, "camera")).filter(|(_, found)| found.iter().any(|(state, _)| state == "broken"))
    });
    assert_eq!(code, Some(1));
    assert!(found[0].1.contains("/dev/video99"), "{found:?}");
    daemon.stop();
}

#[test]
fn a_broker_that_does_not_answer_is_broken() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let house = House::new().with(&format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}"));
    let (code, found) = checks(&house, "broker");
    assert_eq!(code, Some(1));
    assert!(found.iter().any(|(state, text)| state == "broken" && text.contains(&port.to_string())), "{found:?}");
}

#[test]
fn the_daemon_checks_itself() {
    let house = House::new();
    let daemon = Daemon::start(&house);
    let check = |what: &str| {
        let found = crate::crash::ask(&house, "GET", "/v1/checks", "").unwrap();
        found.as_array().unwrap().iter().find(|check| check["check"] == what).cloned().unwrap_or_default()
    };
    assert!(check("disk")["text"].as_str().unwrap().contains("GB"));
    assert_eq!(check("configuration")["state"], "ok");
    assert!(check("backup")["text"].as_str().unwrap().contains("no backup"));
    let file = house.path("backup");
    house.usher(&["backup", file.to_str().unwrap()]);
    assert!(check("backup")["text"].as_str().unwrap().contains("less than a day ago"));
    assert_eq!(house.records("backup_taken").len(), 1);
    std::fs::write(house.config(), "[device\n").unwrap();
    let broken = check("configuration");
    assert!(
        broken["state"] == "broken" && broken["text"].as_str().unwrap().contains("would not start again"),
        "{broken}"
    );
    let figures = crate::crash::ask(&house, "GET", "/v1/figures", "").unwrap();
    assert_eq!((&figures["every_s"], figures["samples"].as_array().map(Vec::len)), (&serde_json::json!(60), Some(0)));
    daemon.stop();
}
