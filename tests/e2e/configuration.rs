//! The configuration from an operator's view: what is wrong and where, what is in force and why.

use crate::support::House;

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
