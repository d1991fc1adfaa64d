//! `[mqtt]` and what is below it, as their users meet them.

use std::time::Duration;

use super::*;
use crate::domain::PeopleAs;

#[test]
fn services_of_the_broker_are_off_by_default() {
    let mqtt =
        |more: &str| Config::from_toml(&format!("{SHORTEST}[mqtt]\nhost = \"h\"\n{more}")).unwrap().mqtt.unwrap();
    let off =
        mqtt("[mqtt.commands]\nper_minute = 3\n[mqtt.home_assistant]\npeople = \"tag\"\n[mqtt.tls]\nca_file = \"c\"\n");
    assert!(!off.tls.enabled && !off.home_assistant.enabled && !off.commands.enabled && !off.snapshots.enabled);
    let on =
        mqtt("[mqtt.commands]\nenabled = true\n[mqtt.home_assistant]\nenabled = true\n[mqtt.tls]\nenabled = true\n");
    assert_eq!(on.commands.max_age, Duration::from_secs(10));
    assert_eq!(on.home_assistant.people, PeopleAs::Nobody);
    assert!(on.tls.enabled && on.commands.enabled && on.home_assistant.enabled && on.tls.ca_file.is_none());
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
fn a_setting_without_effect_is_a_warning() {
    let text = format!(
        "{SHORTEST}[mqtt]\nhost = \"h\"\nusername = \"a\"\nusername_file = \"u\"\n[mqtt.tls]\nenabled = true\n"
    );
    let warnings: Vec<String> = Config::from_toml(&text).unwrap().warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("usher.toml:7: mqtt.username: it has no effect"), "{warnings:?}");
    assert!(warnings[1].contains("mqtt.port: 1883 is the port without TLS"), "{warnings:?}");
}

#[test]
fn commands_without_tls_or_without_a_login_are_a_warning() {
    let warned = |more: &str| {
        let text = format!("{SHORTEST}[mqtt]\nhost = \"h\"\nport = 8883\n{more}\n[mqtt.commands]\nenabled = true\n");
        let config = Config::from_toml(&text).unwrap();
        let told: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
        assert!(told.iter().all(|warning| warning.contains("mqtt.commands.enabled: commands come")), "{told:?}");
        (told.iter().any(|told| told.contains("without TLS")), told.iter().any(|told| told.contains("no login")))
    };
    let login = "username = \"u\"\npassword_file = \"p\"";
    let tls = "[mqtt.tls]\nenabled = true";
    assert_eq!(warned(""), (true, true));
    assert_eq!(warned(login), (true, false));
    assert_eq!(warned("username = \"u\""), (true, true));
    assert_eq!(warned(tls), (false, true));
    assert_eq!(warned(&format!("{login}\n{tls}")), (false, false));
    let certificate = format!("{tls}\nclient_cert_file = \"c\"\nclient_key_file = \"k\"");
    assert_eq!(warned(&certificate), (false, false));
    // Without commands nothing can be opened.
    let text = format!("{SHORTEST}[mqtt]\nhost = \"h\"\n[mqtt.commands]\nenabled = false\n");
    assert!(Config::from_toml(&text).unwrap().warnings().is_empty());
}
