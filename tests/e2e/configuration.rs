//! The configuration from an operator's view: what is wrong and where, what is in force and why.

use serde_json::json;

use crate::support::{Daemon, House, photo};

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let house = House::new();
    for command in [&["run"][..], &["people", "list"], &["config", "check"], &["identify", "a.jpg"]] {
        let order: Vec<&str> = ["--config", "/no/such/usher.toml"].iter().chain(command).copied().collect();
        let error = house.refused(&order);
        assert!(error.contains("/no/such/usher.toml"), "{command:?}: {error}");
    }
    let answer = house.ask(&["doctor", "--config", "/no/such/usher.toml"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.out.contains("/no/such/usher.toml"), "{answer:?}");
}

#[test]
fn all_problems_are_reported_at_once_with_file_line_and_key() {
    let house = House::new();
    let text = "[access]\nframes_agre = 2\nmax_age = 800\n\n[[door]]\n\n[[camera]]\nname = \"porch\"\nkind = \"webcam\"\n\n[nonsense]\na = 1\n";
    std::fs::write(house.config(), text).unwrap();
    for command in [&["run"][..], &["config", "check"], &["config", "show"], &["people", "list"]] {
        let error = house.refused(command);
        for problem in [
            "usher.toml:2: access.frames_agre: unknown key",
            "usher.toml:3: access.max_age",
            "usher.toml:9: camera[0].kind",
        ] {
            assert!(error.contains(problem), "{command:?} does not report {problem}: {error}");
        }
        assert!(error.contains("did you mean frames_agree?") && error.contains("nonsense"), "{error}");
    }
    assert!(!house.store().exists(), "nothing was begun");

    std::fs::write(house.config(), "[access\n").unwrap();
    let error = house.refused(&["run"]);
    assert!(error.contains("usher.toml:1"), "{error}");
}

#[test]
fn what_only_asks_the_daemon_works_whatever_is_wrong_with_the_configuration() {
    let mut house = House::new().with("[gallery]\nkeep_unknown = \"1h\"\n");
    house.environment.insert("USHER__DEVICE__TIME_ZONE".into(), "Asia/Tokyo".into());
    house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&house);
    house.environment.remove("USHER__DEVICE__TIME_ZONE");
    let list = house.path("people.csv");
    std::fs::write(&list, "employee_id;name\nE7;Joe Biden\n").unwrap();
    let (list, backup) = (list.display().to_string(), house.path("backup").display().to_string());
    let (data, file) = (house.path("data.json").display().to_string(), house.path("file.csv").display().to_string());
    let sound = std::fs::read_to_string(house.config()).unwrap();
    std::fs::write(house.config(), format!("{sound}\n[nonsense]\na = 1\n")).unwrap();
    for command in [
        &["status"][..],
        &["door", "lock"],
        &["door", "inside"],
        &["people", "import", &list],
        &["people", "list"],
        &["people", "valid", "#1", "--until", "2030-12-31"],
        &["people", "unknown"],
        &["people", "templates", "#1"],
        &["people", "export", "#1", "--out", &data],
        &["journal", "list", "--since", "yesterday"],
        &["journal", "tail"],
        &["journal", "show", "1"],
        &["journal", "verify"],
        &["journal", "export", &file, "--csv"],
        &["attendance", "--day", "today"],
        &["attendance", "totals"],
        &["attendance", "absent"],
        &["attendance", "amend", "--person", "#1", "--in", "yesterday 08:00", "--reason", "forgot"],
        &["attendance", "--format", "csv"],
        &["refusals"],
        &["models", "switch", "--status"],
        &["store", "status"],
        &["web", "user", "list"],
        &["web", "token", "add", "dashboard"],
        &["backup", &backup],
    ] {
        let answer = house.ask(command);
        assert_eq!(answer.code, Some(0), "{command:?}: {answer:?}");
        assert!(answer.err.contains("usher config check"), "{command:?}: {answer:?}");
    }
    // There is no decision yet; that is all that is wrong.
    let error = house.refused(&["why"]);
    assert!(error.contains("no decision stands in the journal"), "{error}");
    // The daemon's time zone, which this command cannot know from the configuration.
    assert_eq!(house.json(&["people", "show", "#1", "--json"])[0]["valid_until"], json!("2030-12-31T15:00:00Z"));
    // What computes with the configuration needs it.
    for command in [&["schedule", "test", "--person", "#1"][..], &["identify", photo("obama.jpg").to_str().unwrap()]] {
        let error = house.refused(command);
        assert!(error.contains("nonsense"), "{command:?}: {error}");
    }
    daemon.stop();
    // Without a daemon, the mistakes are the error.
    let error = house.refused(&["journal", "list"]);
    assert!(error.contains("nonsense"), "{error}");
}

#[test]
fn the_environment_overrides_the_file_and_its_mistakes_are_named() {
    let mut house = House::new();
    let mut set = |name: &str, value: &str| house.environment.insert(name.into(), value.into());
    set("USHER__ACCESS__MARGIN", "0.25");
    set("USHER__CAMERA__0__NAME", "garden");
    let shown = house.usher(&["config", "show"]);
    let margin = shown.lines().find(|line| line.starts_with("margin")).unwrap();
    assert!(margin.contains("0.25") && margin.contains("USHER__ACCESS__MARGIN"), "{margin}");
    assert!(shown.contains("\"garden\""), "{shown}");
    let cooldown = shown.lines().find(|line| line.starts_with("cooldown")).unwrap();
    assert!(cooldown.contains("usher.toml:"), "{cooldown}");

    house.environment.insert("USHER__ACCESS__MARGIN".into(), "wide".into());
    house.environment.insert("USHER__ACCESS__MARGING".into(), "0.1".into());
    let error = house.refused(&["config", "check"]);
    assert!(error.contains("USHER__ACCESS__MARGIN: must be") && error.contains("USHER__ACCESS__MARGING: "), "{error}");
}

#[test]
fn a_valid_configuration_passes_the_check_and_is_shown() {
    let house = House::new();
    let check = house.ask(&["config", "check"]);
    assert!(check.code == Some(0) && check.out.contains("usher.toml: sound"), "{check:?}");
    assert!(check.err.contains("door front: `usher door release` keeps it open for 60 s at most"), "{check:?}");
    // The output is a valid configuration.
    let shown = house.usher(&["config", "show"]);
    std::fs::write(house.path("shown.toml"), &shown).unwrap();
    let again = house.usher(&["config", "show", "--config", "shown.toml"]);
    let values = |text: &str| {
        text.lines().map(|line| line.split(" # ").next().unwrap().trim_end().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(values(&again), values(&shown));
}
