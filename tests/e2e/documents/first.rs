//! A user who has nothing yet, and a camera that somebody stands before.

use std::path::Path;

use super::play::{Run, play, run};
use crate::support::{Daemon, Film, House, photo};

pub const LINES: &[&[Run]] = &[INIT, CAMERA];

/// Each by itself, in a new home.
const INIT: &[Run] = &[
    run("usher init").and(&["--camera", "none"]).says("run"),
    run("usher init --yes --door front --camera /dev/video0 --name \"Ada Lovelace\" --photos ada1.jpg ada2.jpg")
        .with(&[("/dev/video0", "none")])
        .says("is enrolled as #1 with 2 templates"),
    run("usher --config FILE init").with(&[("FILE", "other.toml")]).and(&["--camera", "none"]).says("other.toml"),
];

#[test]
fn a_house_is_set_up() {
    for line in INIT {
        let mut house = House::new();
        std::fs::remove_file(house.config()).unwrap();
        for (name, actor) in [("ada1.jpg", "obama.jpg"), ("ada2.jpg", "obama2.jpg")] {
            std::fs::copy(photo(actor), house.path(name)).unwrap();
        }
        let here = |name: &str| house.path(name).display().to_string();
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").display().to_string();
        let home = [
            ("USHER_CONFIG", here("usher.toml")),
            ("XDG_CONFIG_HOME", here("config")),
            ("XDG_DATA_HOME", here("data")),
            ("XDG_RUNTIME_DIR", here("run")),
            ("USHER_MODELS", models),
        ];
        house.environment.extend(home.map(|(name, value)| (name.to_owned(), value)));
        play(&house, std::slice::from_ref(line), &[]);
    }
}

const CAMERA: &[Run] = &[
    run("usher enroll \"Ada Lovelace\" --camera").says("Ada Lovelace is enrolled as #1 with 5 templates"),
    run("usher enroll --add \"Ada Lovelace\" --camera").says("has 5 templates more, 10 in all"),
    run("usher enroll --add \"Ada Lovelace\" --camera entrance")
        .with(&[("entrance", "porch")])
        .says("has 5 templates more, 15 in all"),
];

#[test]
fn somebody_is_enrolled_before_the_camera() {
    let house = House::new().watching(Film::default().shows("obama2.jpg", 20), true);
    let daemon = Daemon::start(&house);
    play(&house, CAMERA, &[]);
    daemon.stop();
}
