//! The command line itself.

use std::process::Stdio;

use crate::support::{House, photo};

#[test]
fn help_names_every_command_and_the_first_steps() {
    let house = House::new();
    let help = house.usher(&["--help"]);
    let commands = [
        "demo",
        "run",
        "enroll",
        "people",
        "detect",
        "identify",
        "journal",
        "attendance",
        "backup",
        "restore",
        "status",
        "doctor",
        "config",
        "camera",
    ];
    for command in commands {
        assert!(help.contains(&format!("\n  {command}")), "{command} is not in {help}");
        assert!(house.usher(&[command, "--help"]).contains("Usage: usher"), "{command}");
    }
    assert!(help.contains("First steps"), "{help}");
    assert!(house.usher(&["--version"]).starts_with("usher "));
    assert!(house.usher(&["completions", "bash"]).contains("usher"));
    assert_eq!(house.ask(&["open-sesame"]).code, Some(2));
}

#[test]
fn a_closed_pipe_is_not_a_failure() {
    let house = House::new();
    for command in [&["people", "list"][..], &["config", "show"], &["doctor"]] {
        let mut child = house.command(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), error.contains("panicked")), (Some(0), false), "{command:?}: {error}");
    }
}

#[test]
fn no_output_panics_where_its_reader_has_gone() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);
    let backup = house.path("backup").display().to_string();
    for command in [
        &["journal", "list"][..],
        &["people", "remove", "#1", "--yes", "--dry-run"],
        &["backup", &backup],
        &["completions", "bash"],
        &["schedule", "test", "--person", "#1"],
        &["store", "ring", "save", &backup],
        &["journal", "list", "--kind", "nonsense"],
        &["people", "show", "nobody"],
    ] {
        let mut child = house.command(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(0..=2)), "{command:?}: {code:?}");
    }
}

#[test]
fn the_libraries_of_the_networks_print_nothing() {
    let house = House::new();
    let answer = house.ask(&["detect", photo("obama.jpg").to_str().unwrap()]);
    assert!(answer.out.contains("1 face"), "{answer:?}");
    assert_eq!(answer.err, "");
}

#[test]
fn tables_fit_the_terminal_and_in_a_pipe_nothing_is_left_out() {
    let mut house = House::new();
    let name = "Wolfeschlegelsteinhausenbergerdorff the Elder of the Far Side of the Hill";
    house.enroll(name, &["obama.jpg"]);
    house.usher(&["people", "groups", "#1", "staff", "keyholders"]);
    let list = house.usher(&["people", "list"]);
    assert!(list.contains(name) && list.contains("ENROLLED") && !list.contains('\u{1b}'), "{list}");
    house.environment.insert("COLUMNS".into(), "80".into());
    for command in [&["people", "list"][..], &["people", "templates", "#1"], &["models"], &["calibrate", "--gallery"]] {
        let table = house.usher(command);
        let rows = table.lines().take_while(|line| !line.is_empty()).take(2);
        assert!(rows.map(|line| line.chars().count()).all(|wide| wide <= 80), "{command:?}: {table}");
    }
    assert!(house.usher(&["people", "list"]).contains("keyholders"));
}

#[test]
fn refusals_are_in_colour_where_that_is_wanted() {
    let mut house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.usher(&["people", "disable", "#1"]);
    house.environment.insert("CLICOLOR_FORCE".into(), "1".into());
    assert!(house.usher(&["people", "list"]).contains("\u{1b}[2m"));
    assert!(house.refused(&["people", "show", "nobody"]).starts_with("\u{1b}[31musher:\u{1b}[0m "));
    house.environment.insert("NO_COLOR".into(), "1".into());
    assert!(!house.usher(&["people", "list"]).contains('\u{1b}'));
    assert!(house.refused(&["people", "show", "nobody"]).starts_with("usher: "));
}

#[test]
fn json_is_an_object_a_line() {
    let house = House::new();
    assert_eq!(house.usher(&["people", "list", "--json"]), "");
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.enroll("Joe Biden", &["biden.jpg"]);
    for (command, lines) in [
        (&["people", "list"][..], 2),
        (&["people", "show", "#1"], 1),
        (&["people", "templates", "#1"], 1),
        (&["people", "tag", "#1", "list"], 0),
        (&["journal", "list"], 2),
        (&["journal", "verify"], 1),
        (&["store", "status"], 1),
        (&["models"], 1),
        (&["schedule", "test", "--person", "#1"], 1),
        (&["refusals"], 1),
        (&["calibrate", "--gallery"], 1),
        (&["people", "unknown"], 1),
    ] {
        let found = house.json(&[command, &["--json"]].concat());
        assert_eq!((found.len(), found.iter().all(serde_json::Value::is_object)), (lines, true), "{command:?}");
    }
}

#[test]
fn a_kind_that_does_not_exist_is_an_error_with_the_kinds() {
    let house = House::new();
    let answer = house.ask(&["journal", "list", "--kind", "nonsense"]);
    assert!(answer.code == Some(2) && answer.err.contains("granted, denied"), "{answer:?}");
    let answer = house.ask(&["people", "valid", "#1", "--from", "24.12.2026"]);
    assert!(answer.code == Some(2) && answer.err.contains("did you mean 2026-12-24?"), "{answer:?}");
}

#[test]
fn an_empty_house_says_what_to_do_first() {
    let house = House::new();
    assert!(house.usher(&["people", "list"]).contains("usher enroll NAME PHOTO"));
    assert_eq!(house.usher(&["journal", "list"]), "");
    assert!(house.usher(&["journal", "verify"]).contains("0 records, the chain is sound"));
    house.enroll("Barack Obama", &["obama.jpg"]);
    let list = house.usher(&["people", "list"]);
    assert!(list.contains("Barack Obama") && list.contains("enabled"), "{list}");
    assert!(house.usher(&["journal", "list"]).contains("Barack Obama"));
}
