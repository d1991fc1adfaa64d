//! `[mqtt]` and what is below it, as their users meet them.
//!
//! Knows nothing of how the reading is done.

use std::time::Duration;

use super::*;

/// The shortest file that works.
const SHORTEST: &str = "[[door]]\n[[camera]]\nname = \"entrance\"\nkind = \"v4l2\"\n";

#[test]
fn what_is_on_the_other_side_of_the_broker_is_off_until_it_is_turned_on() {
    let mqtt =
        |more: &str| Config::from_toml(&format!("{SHORTEST}[mqtt]\nhost = \"h\"\n{more}")).unwrap().mqtt.unwrap();
    let off =
        mqtt("[mqtt.commands]\nper_minute = 3\n[mqtt.home_assistant]\npeople = \"tag\"\n[mqtt.tls]\nca_file = \"c\"\n");
    assert!(off.tls.is_none() && off.home_assistant.is_none() && off.commands.is_none());
    let on =
        mqtt("[mqtt.commands]\nenabled = true\n[mqtt.home_assistant]\nenabled = true\n[mqtt.tls]\nenabled = true\n");
    assert_eq!(on.commands.unwrap().max_age, Duration::from_secs(10));
    assert_eq!(on.home_assistant.unwrap().people, PeopleAs::Nobody);
    assert!(on.tls.unwrap().ca_file.is_none());
}

#[test]
fn keys_are_checked_against_each_other() {
    for (text, expected) in [
        (
            format!("{SHORTEST}[mqtt]\nhost = \"h\"\n[mqtt.tls]\nenabled = true\nclient_cert_file = \"c\"\n"),
            "usher.toml:9: mqtt.tls.client_cert_file: it needs its private key",
        ),
        (
            format!("{SHORTEST}[mqtt]\nhost = \"h\"\n[mqtt.tls]\nenabled = true\nclient_key_file = \"c\"\n"),
            "usher.toml:9: mqtt.tls.client_key_file: it needs its certificate",
        ),
        (format!("{SHORTEST}[metrics]\nlisten = \"9099\"\n"), "usher.toml:6: metrics.listen: "),
    ] {
        let found = Config::from_toml(&text).unwrap_err().to_string();
        assert!(found.starts_with(expected) && found.lines().count() == 1, "{found}");
    }
}

#[test]
fn what_is_hardly_meant_is_a_warning() {
    let text = format!(
        "{SHORTEST}[mqtt]\nhost = \"h\"\nusername = \"a\"\nusername_file = \"u\"\n[mqtt.tls]\nenabled = true\n"
    );
    let warnings: Vec<String> = Config::from_toml(&text).unwrap().warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("usher.toml:7: mqtt.username: is without effect"), "{warnings:?}");
    assert!(warnings[1].contains("mqtt.port: 1883 is the port without TLS"), "{warnings:?}");
}
