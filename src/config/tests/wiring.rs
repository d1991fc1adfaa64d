//! The wiring of doors as its users write it, and what is wrong with it.

use std::time::Duration;

use super::*;
use crate::domain::{Active, Contact, LineId, Pull};

#[test]
fn a_door_knows_its_lines() {
    let text = "[[door]]\ndriver = \"gpiocdev\"\nchip = \"pinctrl-bcm2711\"\nlock = \"fail-safe\"\n\
        [door.relay]\nline = \"GPIO17\"\nactive = \"low\"\n[door.indicator]\ndenied = 23\n\
        [door.sensor]\nline = 5\n[door.tamper]\nline = 13\ncontact = \"normally-open\"\npull = \"none\"\ndebounce = \"0s\"\n\
        [[door]]\nname = \"b\"\n[door.exit_button]\n[door.simulated]\ninputs = \"/i\"\n\
        [[camera]]\nname = \"c\"\nkind = \"v4l2\"\ndoor = \"b\"\n";
    let variables = [("USHER__DOOR__0__SENSOR__LINE", "GPIO5"), ("USHER__DOOR__0__TAMPER__LINE", "12")];
    let config = load(text, &variables).unwrap();
    let real = &config.doors[0];
    assert_eq!((real.driver, real.chip.as_str(), real.lock), (DoorDriver::Gpiocdev, "pinctrl-bcm2711", Lock::FailSafe));
    assert_eq!(real.relay, Some(Relay { line: Some(LineId::Name("GPIO17".into())), active: Active::Low }));
    let lamps = real.indicator.as_ref().unwrap();
    assert_eq!((&lamps.denied, &lamps.granted), (&Some(LineId::Number(23)), &None));
    let ms = Duration::from_millis;
    let line = Some(LineId::Name("GPIO5".into()));
    assert_eq!(real.sensor, Some(Sensor { line, contact: Contact::NormallyClosed, pull: Pull::Up, debounce: ms(30) }));
    let line = Some(LineId::Number(12));
    assert_eq!(real.tamper, Some(Tamper { line, contact: Contact::NormallyOpen, pull: Pull::None, debounce: ms(0) }));
    assert_eq!(real.exit_button, None);
    let played = &config.doors[1];
    assert_eq!(played.driver, DoorDriver::Simulated);
    assert_eq!(played.simulated.as_ref().unwrap().inputs, Path::new("/i"));
    let button = ExitButton { line: None, contact: Contact::NormallyOpen, pull: Pull::Up, debounce: ms(30) };
    assert_eq!((&played.exit_button, &played.relay), (&Some(button), &None));
}

#[test]
fn lines_and_their_drivers_are_checked() {
    let camera = "[[camera]]\nname = \"c\"\nkind = \"v4l2\"\ndoor = \"front\"\n";
    let relay = |driver: &str| format!("[[door]]\ndriver = \"{driver}\"\n[door.relay]\nline = 17\n");
    for (doors, expected) in [
        (
            "[[door]]\ndriver = \"rppal\"\n".to_string(),
            vec!["usher.toml: door[0].relay.line: line is missing; it must be a BCM number from 0 to 57"],
        ),
        (
            "[[door]]\ndriver = \"gpiocdev\"\n[door.relay]\n".to_string(),
            vec!["usher.toml:3: door[0].relay.line: line is missing"],
        ),
        (
            "[[door]]\nchip = \"x\"\n".to_string(),
            vec!["usher.toml:2: door[0].chip: belongs to driver \"gpiocdev\" only; remove it"],
        ),
        (
            relay("rppal") + "[door.simulated]\ninputs = \"x\"\n",
            vec!["usher.toml:5: door[0].simulated: belongs to driver \"simulated\" only"],
        ),
        (
            relay("rppal") + "[door.sensor]\nline = 58\n",
            vec!["usher.toml:6: door[0].sensor.line: must be a BCM number from 0 to 57; found 58"],
        ),
        (
            relay("rppal") + "[door.sensor]\nline = \"GPIO5\"\n",
            vec!["usher.toml:6: door[0].sensor.line: must be a BCM number"],
        ),
        (
            relay("gpiocdev") + "[door.sensor]\nline = -1\n",
            vec!["usher.toml:6: door[0].sensor.line: must be a whole number from 0 to 1023 or a line's name; found -1"],
        ),
        (relay("gpiocdev") + "[door.sensor]\nline = \"\"\n", vec!["usher.toml:6: door[0].sensor.line: "]),
        (
            relay("gpiocdev") + "[door.sensor]\nline = 17\n",
            vec!["usher.toml:6: door[0].sensor.line: door[0].relay.line uses this line already"],
        ),
        (
            relay("gpiocdev") + "[door.indicator]\ngranted = 3\nfault = 3\n",
            vec!["usher.toml:7: door[0].indicator.fault: door[0].indicator.granted uses"],
        ),
        (
            relay("rppal") + &relay("rppal").replace("[door.relay]", "name = \"b\"\n[door.relay]"),
            vec!["usher.toml:9: door[1].relay.line: door[0].relay.line uses this line already"],
        ),
        (relay("rppal") + &relay("gpiocdev").replace("[door.relay]", "name = \"b\"\n[door.relay]"), vec![]),
        (relay("simulated") + "[door.sensor]\nline = 17\n", vec![]),
        (relay("rppal") + "[door.relais]\n", vec!["usher.toml:5: door[0].relais: unknown key; did you mean relay?"]),
        (
            "[[door]]\nrelay = 17\n".to_string(),
            vec!["usher.toml:2: door[0].relay: must be a section headed [door.relay]; found 17"],
        ),
        ("[[door]]\n[door.simulated]\n".to_string(), vec!["usher.toml:2: door[0].simulated.inputs: inputs is missing"]),
    ] {
        let found = load(&format!("{doors}{camera}"), &[]).err().unwrap_or_default();
        assert_eq!(found.len(), expected.len(), "{doors}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }
}
