//! The command line itself.

use std::process::Stdio;

use crate::support::House;

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
