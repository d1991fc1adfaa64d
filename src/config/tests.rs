//! The configuration as its users meet it: the shipped example, the reference, wrong files and the environment.

mod assurance;
mod environment;
mod mqtt;
mod readers;
mod wiring;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::show::Line;
use super::*;
use crate::domain::Accelerator;

/// The shortest file that works.
const SHORTEST: &str = "[[door]]\n[[camera]]\nname = \"entrance\"\nkind = \"v4l2\"\n";

/// Every section, with the required keys only.
const EVERY_SECTION: &str = "[[door]]\n[door.simulated]\ninputs = \"i\"\n[door.relay]\n[door.indicator]\n[door.sensor]\n\
    [door.exit_button]\n[door.tamper]\n[door.wiegand]\n[door.keypad]\nrows = [1, 2, 3, 4]\ncolumns = [5, 6, 7, 8]\n[door.evdev]\ndevice = \"d\"\n[[schedule]]\nname = \"s\"\nhours = [\"mon 08:00-09:00\"]\n[[permit]]\n[[camera]]\nname = \"a\"\nkind = \"v4l2\"\n\
    [[camera]]\nname = \"b\"\nkind = \"replay\"\npath = \"x\"\n[mqtt]\nhost = \"h\"\n";

fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The example with every setting turned on, by the rule that its head explains.
fn uncommented(text: &str) -> String {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest.to_string(),
        _ => line.to_string(),
    };
    text.lines().map(on).collect::<Vec<_>>().join("\n")
}

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string()));
    Config::read(text, "usher.toml".into(), variables)
        .map_err(|errors| errors.to_string().lines().map(str::to_string).collect())
}

fn problems(text: &str) -> Vec<String> {
    load(text, &[]).err().unwrap_or_default()
}

/// The settings alone, without where they came from.
fn settings(config: &Config) -> String {
    format!("{:?}", Config { notes: Notes::default(), ..config.clone() })
}

/// Header and key of each line, with the value and its place.
fn values(config: &Config) -> Vec<(String, String, String, Origin)> {
    let mut header = String::new();
    let mut values = Vec::new();
    for line in config.lines() {
        match line {
            Line::Header(next) => header = next,
            Line::Value { key, value, origin } => values.push((header.clone(), key, value, origin)),
            Line::Unset(_) => {}
        }
    }
    values
}

/// Header and name of each key and section that is not set.
fn unset(config: &Config) -> BTreeMap<(String, String), Vec<String>> {
    let mut header = String::new();
    let mut unset = BTreeMap::new();
    for line in config.lines() {
        match line {
            Line::Header(next) => header = next,
            Line::Unset(key) => {
                unset.insert((header.clone(), key), Vec::new());
            }
            Line::Value { .. } => {}
        }
    }
    unset
}

#[test]
fn the_example_parses_as_shipped() {
    let shipped = Config::from_toml(&document("usher.example.toml")).unwrap();
    // The page is the one thing that the package switches on.
    let shortest = Config::from_toml(&format!("{SHORTEST}[web]\nenabled = true\n")).unwrap();
    assert_eq!(settings(&shipped), settings(&shortest));
    assert_eq!(shipped.warnings(), []);
}

#[test]
fn the_example_parses_with_every_setting_turned_on_and_shows_every_default() {
    let example = document("usher.example.toml");
    let full = load(&uncommented(&example), &[]).unwrap();
    assert_eq!((full.cameras.len(), full.doors.len()), (6, 3));
    // There are several doors and cameras; each key stands at one of them at least, and its default, too.
    let mut written: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (header, key, value, origin) in values(&full) {
        let shown = written.entry((header, key)).or_default();
        if origin != Origin::Default {
            shown.push(value);
        }
    }
    for ((header, key), shown) in written.iter().chain(&unset(&full)) {
        let elsewhere = written.get(&(header.clone(), key.clone())).is_some_and(|shown| !shown.is_empty());
        let section = full.lines().contains(&Line::Header(key.clone()));
        assert!(!shown.is_empty() || elsewhere || section, "the example does not show {header} {key}");
    }
    for (header, key, value, origin) in values(&Config::from_toml(EVERY_SECTION).unwrap()) {
        if origin == Origin::Default && (header.as_str(), key.as_str()) != ("[web]", "enabled") {
            assert!(written[&(header.clone(), key.clone())].contains(&value), "{header} {key}");
        }
    }
}

#[test]
fn values_arrive_in_their_fields() {
    let text = "[runtime]\nlibrary = \"/l.so\"\naccelerator = \"gpu\"\n[runtime.per_model]\npnet = \"/d.so\"\n\
        [detector]\nthresholds = [0, 0.5, 1]\n\
        [access]\ndistance = 0.9\nwindow = \"2s\"\n\
        [[door]]\nname = \"back\"\n[[camera]]\nname = \"c\"\nkind = \"replay\"\npath = \"p\"\nloop = true\n\
        [mqtt]\nhost = \"h\"\n[device]\nname = \"box\"\n[control]\ngroup = \"\"\n";
    let config = Config::from_toml(text).unwrap();
    assert_eq!(config.runtime.library, Some(PathBuf::from("/l.so")));
    assert_eq!(config.runtime.per_model.pnet, Accelerator::Delegate(PathBuf::from("/d.so")));
    assert_eq!(config.runtime.per_model.embedder, Accelerator::Gpu);
    assert_eq!(config.detector.thresholds, [0.0, 0.5, 1.0]);
    assert_eq!(config.access.distance, DistanceLimit::Fixed(0.9));
    assert_eq!(config.access.window, Duration::from_secs(2));
    assert_eq!(config.cameras[0].door, "back");
    let camera = &config.cameras[0];
    assert_eq!((camera.kind, camera.path.as_path(), camera.r#loop), (CameraKind::Replay, Path::new("p"), true));
    assert_eq!(config.mqtt.unwrap().client_id, "usher-box");
    assert_eq!(config.control.group, None);
}

#[test]
fn all_problems_are_reported_at_once_with_their_places() {
    let text = "[device]\n\
        name = \"my box\"\n\
        colour = \"red\"\n\
        [acess]\n\
        margin = 1\n\
        [access]\n\
        frames_agre = 2\n\
        max_age = 800\n\
        distance = \"near\"\n\
        [[door]]\n\
        driver = \"simulatd\"\n\
        [[camera]]\n\
        kind = \"replay\"\n\
        width = 640\n\
        fps = 0\n\
        [mqtt]\n\
        password = \"hunter2\"\n";
    let variables = [("USHER__LOG__LEVEL", "loud"), ("USHER__DETECTOR__MIN_FACE", "90"), ("USHER__LOG", "x")];
    let found = load(text, &variables).unwrap_err();
    let expected = [
        "usher.toml:2: device.name: must be 1 to 32 letters (a to z), digits, - or _; found \"my box\"",
        "usher.toml:3: device.colour: unknown key; the keys here are name, time_zone",
        "usher.toml:4: acess: unknown section; did you mean [access]?",
        "usher.toml:7: access.frames_agre: unknown key; did you mean frames_agree?",
        "usher.toml:8: access.max_age: must be a duration from \"50ms\" to \"10s\", such as \"800ms\", \"5s\", \"2m\" or \"1h\"; found 800",
        "usher.toml:9: access.distance: must be \"auto\" or a number from 0 to 2; found \"near\"",
        "usher.toml:11: door[0].driver: must be one of \"simulated\", \"rppal\", \"gpiocdev\" (did you mean \"simulated\"?); found \"simulatd\"",
        "usher.toml:12: camera[0].name: name is missing; it must be 1 to 32 letters (a to z), digits, - or _",
        "usher.toml:12: camera[0].path: path is missing; it must be a path",
        "usher.toml:14: camera[0].width: belongs to kind \"v4l2\", \"libcamera\" or \"argus\" only; remove it",
        "usher.toml:15: camera[0].fps: must be a whole number from 1 to 120; found 0",
        "usher.toml:16: mqtt.host: host is missing; it must be a host name or an address alone, without mqtt:// and user",
        "usher.toml:17: mqtt.password: unknown key; did you mean password_file?",
        "USHER__DETECTOR__MIN_FACE: unknown key; did you mean min_face_px?",
        "USHER__LOG: [log] is a section; name one of its keys as in USHER__LOG__KEY",
        "USHER__LOG__LEVEL: must be one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"; found \"loud\"",
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_empty_file_says_what_is_needed() {
    let found = problems("");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("usher.toml: camera: at least one [[camera]] is needed"), "{found:?}");
    assert!(found[1].starts_with("usher.toml: door: at least one [[door]] is needed"), "{found:?}");
}

#[test]
fn broken_toml_is_reported_with_every_line_and_with_other_problems() {
    let found = problems("[device]\nname = \n[log]\nlevel = \"loud\"\nformat == \"json\"\n");
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("usher.toml:2: not valid TOML: "), "{found:?}");
    assert!(found[1].starts_with("usher.toml:4: log.level: must be one of "), "{found:?}");
    assert!(found[2].starts_with("usher.toml:5: not valid TOML: "), "{found:?}");
}

#[test]
fn a_missing_or_unreadable_file_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("usher.toml");
    let error = Config::load(&missing, std::iter::empty()).unwrap_err().to_string();
    assert!(error.starts_with(&missing.display().to_string()), "{error}");
    assert!(error.contains("usher.example.toml") && error.contains("--config"), "{error}");
    assert!(Config::load(folder.path(), std::iter::empty()).is_err(), "a folder is no file");

    std::fs::write(&missing, b"[device]\nname = \"\xff\"\n").unwrap();
    let error = Config::load(&missing, std::iter::empty()).unwrap_err().to_string();
    assert!(error.contains(":2: not UTF-8"), "{error}");

    std::fs::write(&missing, SHORTEST).unwrap();
    let config = Config::load(&missing, std::iter::empty()).unwrap();
    assert_eq!(config.cameras[0].name, "entrance");
}

#[test]
fn the_environment_wins_and_can_hold_everything() {
    let variables = [
        ("USHER__ACCESS__MARGIN", "0.08"),
        ("USHER__ACCESS__DISTANCE", "0.9"),
        ("USHER__DEVICE__NAME", "12"),
        ("USHER__DETECTOR__THRESHOLDS", "[0.1, 0.2,0.3]"),
        ("USHER__RUNTIME__PER_MODEL__PNET", "cpu"),
        ("USHER__CAMERA__0__DEVICE", "/dev/video2"),
        ("USHER__CAMERA__1__NAME", "back"),
        ("USHER__CAMERA__1__KIND", "replay"),
        ("USHER__CAMERA__1__PATH", "/p"),
        ("USHER__CAMERA__1__LOOP", "true"),
        ("USHER__MQTT__HOST", "h"),
        ("USHER__MQTT__PORT", "1884"),
        ("USHER__CONTROL__SOCKET", "/s"),
        ("USHER_CONFIG", "not one of ours"),
    ];
    let config = load(&format!("[access]\nmargin = 0.5\n{SHORTEST}"), &variables).unwrap();
    assert_eq!(config.access.margin, 0.08);
    assert_eq!(config.access.distance, DistanceLimit::Fixed(0.9));
    assert_eq!(config.device.name, "12");
    assert_eq!(config.detector.thresholds, [0.1, 0.2, 0.3]);
    assert_eq!(config.runtime.per_model.pnet, Accelerator::Cpu);
    assert_eq!(config.cameras[0].device, Path::new("/dev/video2"));
    let second = &config.cameras[1];
    assert_eq!((second.kind, second.path.as_path(), second.r#loop), (CameraKind::Replay, Path::new("/p"), true));
    assert_eq!(config.mqtt.as_ref().unwrap().port, 1884);

    let shown = config.to_toml_with_origins();
    for (line, origin) in [
        ("margin = 0.08", "USHER__ACCESS__MARGIN"),
        ("name = \"entrance\"", "usher.toml:5"),
        ("frames_agree = 3", "default"),
    ] {
        let found = shown.lines().find(|shown| shown.starts_with(line)).unwrap_or_default();
        assert!(found.ends_with(&format!(" # {origin}")), "{found:?}");
    }
    assert!(shown.contains("# username is not set\n"), "{shown}");
}

#[test]
fn a_section_that_only_the_environment_opens_wrongly_names_each_variable() {
    let variables = [("USHER__ACCES__MARGIN", "1"), ("USHER__ACCES__WINDOW", "1s")];
    let found = load(SHORTEST, &variables).unwrap_err();
    assert_eq!(
        found,
        [
            "USHER__ACCES__MARGIN: unknown section; did you mean [access]?",
            "USHER__ACCES__WINDOW: unknown section; did you mean [access]?",
        ]
    );
}

#[test]
fn keys_are_checked_against_each_other() {
    let two_doors = "[[door]]\nname = \"a\"\n[[door]]\nname = \"b\"\n";
    let camera = "[[camera]]\nname = \"c\"\nkind = \"v4l2\"\n";
    for (text, expected) in [
        (format!("[access]\nframes_agree = 6\n{SHORTEST}"), "usher.toml:2: access.frames_agree: "),
        (format!("[access]\nframes_window = 2\n{SHORTEST}"), "usher.toml:2: access.frames_window: "),
        (format!("{two_doors}{camera}"), "usher.toml:5: camera[0].door: door is missing"),
        (format!("{two_doors}{camera}door = \"d\"\n"), "usher.toml:8: camera[0].door: there is no door \"d\""),
        (
            format!("[[door]]\n[[door]]\n{camera}door = \"front\"\n"),
            "usher.toml: door[1].name: the name \"front\" is taken",
        ),
        (format!("{SHORTEST}{camera}{camera}"), "usher.toml:9: camera[2].name: the name \"c\" is taken"),
        (format!("{SHORTEST}[mqtt]\nhost = \"h\"\npassword_file = \"p\"\n"), "usher.toml:7: mqtt.password_file: "),
        (format!("{SHORTEST}[mqtt]\nhost = \"mqtt://h\"\n"), "usher.toml:6: mqtt.host: "),
        (format!("{SHORTEST}[mqtt]\nhost = \"h\"\nprefix = \"a/#\"\n"), "usher.toml:7: mqtt.prefix: "),
        (
            "[door]\n[[camera]]\nname = \"c\"\nkind = \"v4l2\"\n".to_string(),
            "usher.toml:1: door: must be a list of tables",
        ),
    ] {
        let found = problems(&text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(expected), "{found:?}");
    }
}

#[test]
fn a_wrong_value_is_reported_once_and_not_again_by_the_checks_between_keys() {
    let found = problems(&format!("[access]\nframes_agree = 0\nframes_window = 2\n{SHORTEST}"));
    assert_eq!(found, ["usher.toml:2: access.frames_agree: must be a whole number from 1 to 60; found 0"]);
}

#[test]
fn a_setting_without_effect_is_a_warning() {
    let text = format!("[access]\nmin_face_px = 60\n[enroll]\nmin_face_px = 90\n{SHORTEST}fps = 1\n");
    let config = Config::from_toml(&text).unwrap();
    let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("usher.toml:2: access.min_face_px: 60 has no effect"), "{warnings:?}");
    assert!(warnings[1].starts_with("usher.toml:9: camera[0].fps: at 1 frames a second"), "{warnings:?}");
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    let example = document("usher.example.toml");
    for text in [SHORTEST, EVERY_SECTION, &example, &uncommented(&example)] {
        let config = Config::from_toml(text).unwrap();
        for shown in [config.to_toml(), config.to_toml_with_origins()] {
            let again = load(&shown, &[]).unwrap();
            assert_eq!(settings(&again), settings(&config), "{shown}");
            assert_eq!(again.to_toml(), config.to_toml());
        }
    }
}

/// Lines that are nearly a configuration, so that chance reaches past the parser.
fn nearly_a_line() -> impl Strategy<Value = String> {
    let header = prop::sample::select(vec![
        "[device]",
        "[runtime]",
        "[runtime.per_model]",
        "[access]",
        "[[access]]",
        "[detector]",
        "[[door]]",
        "[door]",
        "[[camera]]",
        "[camera]",
        "[door.relay]",
        "[door.sensor]",
        "[mqtt]",
        "[control]",
        "[log]",
        "[mqtt.host]",
        "[camera.name]",
    ]);
    let key = prop::sample::select(vec![
        "name",
        "kind",
        "door",
        "fps",
        "path",
        "loop",
        "line",
        "pull",
        "driver",
        "window",
        "max_age",
        "distance",
        "margin",
        "thresholds",
        "per_model",
        "pnet",
        "host",
        "port",
        "socket",
        "level",
        "camera",
        "device",
        "a.b",
        "x",
    ]);
    let value = prop_oneof![
        any::<i64>().prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| format!("{value:?}")),
        any::<String>().prop_map(|value| text::quote(&value)),
        prop::sample::select(vec![
            "\"v4l2\"",
            "\"replay\"",
            "\"5s\"",
            "true",
            "[]",
            "[1, 2, 3]",
            "{}",
            "{ x = 1 }",
            "[{}]",
            "1979-05-27",
            "nan",
            "0xffffffffffffffffffffffffffffffffffff",
            "\"auto\"",
            "\"front\"",
            "",
        ])
        .prop_map(str::to_string),
    ];
    prop_oneof![header.prop_map(str::to_string), (key, value).prop_map(|(key, value)| format!("{key} = {value}"))]
}

proptest! {
    #[test]
    fn no_bytes_panic(
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), any::<String>().prop_map(String::into_bytes)],
    ) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        // Doors and cameras do not come about by chance.
        prop_assert!(Config::load(file.path(), std::iter::empty()).is_err());
    }

    #[test]
    fn no_lines_panic_and_what_is_accepted_reads_back(lines in prop::collection::vec(nearly_a_line(), 0..12)) {
        let text = format!("{}\n{SHORTEST}", lines.join("\n"));
        match load(&text, &[]) {
            Ok(config) => {
                let again = load(&config.to_toml_with_origins(), &[]);
                prop_assert_eq!(again.map(|again| settings(&again)), Ok(settings(&config)));
            }
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }

    #[test]
    fn no_variable_panics(
        name in "USHER__((ACCESS|CAMERA|DOOR|MQTT|0|1|99999999999999999999|NAME|FPS|WINDOW|x|)_{0,3}){0,5}",
        value in any::<String>(),
    ) {
        let accepted = load(SHORTEST, &[(&name, &value)]);
        prop_assert!(accepted.is_ok() || accepted.is_err_and(|problems| !problems.is_empty()));
    }

    #[test]
    fn whole_numbers_are_taken_within_their_range_only(fps in any::<i64>()) {
        let config = load(&format!("{SHORTEST}fps = {fps}\n"), &[]);
        prop_assert_eq!(config.is_ok(), (1..=120).contains(&fps));
    }
}
