//! The first ten minutes: `usher init` in a terminal and without one, and `usher` alone, for a user who has nothing yet.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Film, House, MadeUpCamera, Terminal, eventually, free_port, lines, photo};

/// From nothing to a grant, with nobody to wait for.
const A_MINUTE: Duration = Duration::from_secs(60);

/// A user's home without anything of usher's in it. The house around it lends its folder.
struct Home {
    house: House,
}

impl Home {
    fn new() -> Home {
        Home::of(House::new())
    }

    fn of(mut house: House) -> Home {
        let here = |name: &str| house.path(name).display().to_string();
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").display().to_string();
        let own = [
            ("XDG_CONFIG_HOME", here("config")),
            ("XDG_DATA_HOME", here("data")),
            ("XDG_RUNTIME_DIR", here("run")),
            ("USHER_MODELS", models),
            // Slow machines must pass, too: frames may be old.
            ("USHER__ACCESS__MAX_AGE", "10s".to_owned()),
        ];
        house.environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
        Home { house }
    }

    fn config(&self) -> PathBuf {
        self.house.path("config/usher/usher.toml")
    }

    fn key(&self) -> PathBuf {
        self.house.path("config/usher/store.key")
    }

    /// `usher` without a configuration that is named.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.house.command(arguments);
        command.env_remove("USHER_CONFIG");
        command
    }

    /// Exit code, standard output, standard error.
    fn ask(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.command(arguments).stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn usher(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.ask(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {out}{err}");
        out
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.ask(arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {out}{err}");
        err
    }

    /// The same with this home's configuration named: a machine may have a system's one, which comes first.
    fn named(&self, arguments: &[&str]) -> String {
        let config = self.config().display().to_string();
        self.usher(&[&["--config", &config], arguments].concat())
    }

    fn in_terminal(&self, arguments: &[&str]) -> Terminal {
        Terminal::start(self.command(arguments))
    }

    /// A recording of that man before the camera.
    fn film(&self, actor: &str) -> String {
        Film::default().shows(actor, 20).write(&self.house.path("camera-of-mine.mjpeg")).display().to_string()
    }

    fn has_nothing(&self) {
        for folder in ["config", "data", "run"] {
            assert!(!self.house.path(folder).exists(), "{folder} was made");
        }
    }
}

/// The last line below `Next:`, as somebody would type it.
fn next(shown: &str) -> String {
    let (_, below) = shown.split_once("Next:").unwrap_or_else(|| panic!("nothing comes next: {shown}"));
    let mut commands = below.lines().map(str::trim).filter(|line| !line.is_empty());
    commands.next_back().unwrap().to_owned()
}

/// Ends it, whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn from_nothing_to_a_grant_in_a_terminal_takes_less_than_a_minute() {
    let home = Home::new();
    let film = home.film("obama.jpg");
    let started = Instant::now();
    let mut terminal = home.in_terminal(&["init"]);
    terminal.answers(&[
        ("door's name [front]: ", ""),
        ("none [", &film),
        ("Your name", "Barack Obama"),
        ("Your face: camera, photographs", ""),
        ("MQTT broker", ""),
        ("keep things in [", ""),
    ]);
    let (status, shown) = terminal.ended();
    assert!(status.success(), "{shown}");
    for expected in
        ["gives pictures of 640x480", "usher.toml: sound", "Barack Obama is enrolled as #1 with 5 templates"]
    {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert_eq!(fs::metadata(home.key()).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(home.named(&["store", "status"]).starts_with("sealed"));

    // The command is typed as it was printed.
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec {}", next(&shown))]);
    for (name, value) in home.command(&[]).get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let mut daemon = Running(shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let grant = eventually("a grant", || {
        assert_eq!(daemon.0.try_wait().unwrap(), None, "{} ended", next(&shown));
        let (_, records, _) =
            home.ask(&["--config", &home.config().display().to_string(), "journal", "list", "--json"]);
        lines(&records).into_iter().find(|record| record["kind"] == "granted")
    });
    let spent = started.elapsed();
    assert!(grant.to_string().contains("Barack Obama"), "{grant}");
    assert!(spent < A_MINUTE, "it took {spent:?}");
    println!("from nothing to a grant in {spent:?}");
}

#[test]
fn the_configuration_says_only_what_differs_from_the_defaults() {
    let home = Home::new();
    let film = home.film("obama.jpg");
    home.usher(&["init", "--yes", "--door", "side", "--camera", &film]);
    let text = fs::read_to_string(home.config()).unwrap();
    assert!(text.starts_with("# ") && text.contains("docs/configuration.md"), "{text}");
    let keys: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let here = |name: &str| home.house.path(name).display().to_string();
    let expected = [
        "[store]".to_owned(),
        format!("path = \"{}\"", here("data/usher/store")),
        format!("key_file = \"{}\"", here("config/usher/store.key")),
        "[[door]]".to_owned(),
        "name = \"side\"".to_owned(),
        "[[camera]]".to_owned(),
        "name = \"entrance\"".to_owned(),
        "kind = \"replay\"".to_owned(),
        format!("path = \"{film}\""),
        "loop = true".to_owned(),
        "[web]".to_owned(),
        "enabled = true".to_owned(),
        "[control]".to_owned(),
        format!("socket = \"{}\"", here("run/usher/usher.sock")),
        "group = \"\"".to_owned(),
    ];
    assert_eq!(keys, expected);
}

#[test]
fn an_interruption_in_the_middle_leaves_nothing() {
    let home = Home::new();
    let mut terminal = home.in_terminal(&["init"]);
    terminal.answers(&[("door's name", ""), ("none [", "none"), ("Your name", "-"), ("MQTT broker", "")]);
    terminal.awaits("keep things in [");
    terminal.interrupts();
    let (status, shown) = terminal.ended();
    assert_eq!(status.signal(), Some(libc::SIGINT), "{shown}");
    home.has_nothing();
}

#[test]
fn an_interruption_of_the_enrolment_leaves_a_whole_configuration() {
    let home = Home::new();
    let nobody = Film::default().nobody(5).write(&home.house.path("nobody.mjpeg")).display().to_string();
    let mut terminal = home.in_terminal(&["init", "--camera", &nobody, "--name", "Ada", "--door", "front"]);
    terminal.answers(&[("Your face", ""), ("MQTT broker", ""), ("keep things in", "")]);
    terminal.awaits("Look into the camera");
    terminal.interrupts();
    let (status, shown) = terminal.ended();
    assert_eq!(status.signal(), Some(libc::SIGINT), "{shown}");
    let mut left: Vec<_> =
        fs::read_dir(home.house.path("config/usher")).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["store.key", "usher.toml"]);
    home.named(&["config", "check"]);
    assert!(home.named(&["people", "list"]).contains("usher enroll"));
}

#[test]
fn wrong_answers_are_asked_again_with_what_is_right() {
    let home = Home::new();
    let in_the_way = home.house.path("file");
    fs::write(&in_the_way, "").unwrap();
    let below = in_the_way.join("below").display().to_string();
    let port = free_port();
    let mut terminal = home.in_terminal(&["init"]);
    terminal.answers(&[
        ("door's name", "front door"),
        ("1 to 32 letters", "front"),
        ("none [", "/no/such/folder"),
        ("does not exist", "7"),
        ("there is no camera 7", "/dev/video987"),
        ("Go on without a picture?", "perhaps"),
        ("yes or no?", "yes"),
        ("Your name", "Barack Obama"),
        // Without a picture there is no enrolment from the camera.
        ("Your face: photographs", "camera"),
        ("gives no picture", "/no/such/photo.jpg"),
        ("no photograph /no/such/photo.jpg", &photo("obama.jpg").display().to_string()),
        ("MQTT broker", "localhost:many"),
        ("is no port", &format!("localhost:{port}")),
        ("keep things in", &below),
        ("is not a folder", ""),
        ("saved all the same", ""),
    ]);
    let (status, shown) = terminal.ended();
    assert!(status.success() && shown.contains("is enrolled as #1 with 1 template"), "{shown}");
    let text = fs::read_to_string(home.config()).unwrap();
    assert!(text.contains("device = \"/dev/video987\"") && text.contains(&format!("port = {port}")), "{text}");
}

#[test]
fn a_face_that_cannot_be_enrolled_is_asked_for_again() {
    let home = Home::new();
    home.usher(&[
        "init",
        "--yes",
        "--camera",
        "none",
        "--name",
        "Ada",
        "--photos",
        photo("biden.jpg").to_str().unwrap(),
    ]);
    // The name is taken, then somebody else's is not.
    let obama = photo("obama.jpg").display().to_string();
    let mut terminal = home.in_terminal(&["init", "--force", "--camera", "none"]);
    terminal.answers(&[
        ("door's name", ""),
        ("Your name", "ada"),
        ("Your face", &obama),
        ("MQTT broker", ""),
        ("keep things in", ""),
        ("Once more, as, or - for later", "Barack Obama"),
        ("Your face", &obama),
    ]);
    let (status, shown) = terminal.ended();
    assert!(status.success() && shown.contains("Barack Obama is enrolled as #2"), "{shown}");
}

#[test]
fn without_a_terminal_flags_do_everything_and_mistakes_end_it() {
    let home = Home::new();
    let film = home.film("obama.jpg");
    let error = home.refused(&["init", "--door", "front door"]);
    assert!(error.contains("--door: ") && error.contains("1 to 32 letters"), "{error}");
    let error = home.refused(&["init", "--camera", "/no/such"]);
    assert!(error.contains("--camera: ") && error.contains("does not exist"), "{error}");
    let error = home.refused(&["init", "--camera", "none", "--name", "Ada"]);
    assert!(error.contains("--photos"), "{error}");
    let error = home.refused(&["init", "--camera", "none", "--folder", "/proc/self/environ/x"]);
    assert!(error.contains("--folder: ") && error.contains("is not a folder"), "{error}");
    home.has_nothing();

    let out = home.usher(&["init", "--camera", &film, "--name", "Barack Obama", "--broker", "none"]);
    assert!(out.contains("is enrolled as #1 with 5 templates") && next(&out).ends_with("run"), "{out}");
    let key = fs::read(home.key()).unwrap();

    // What is there stays, also the key.
    let error = home.refused(&["init", "--camera", "none"]);
    assert!(error.contains("usher.toml is there already; nothing was changed") && error.contains("--force"), "{error}");
    let out = home.usher(&["init", "--force", "--camera", "none", "--door", "back"]);
    assert!(out.contains("run"), "{out}");
    assert_eq!(fs::read(home.key()).unwrap(), key);
    assert!(home.named(&["people", "list"]).contains("Barack Obama"));

    // A store whose templates another key seals is found out before anything is written.
    fs::rename(home.key(), home.house.path("elsewhere.key")).unwrap();
    let error = home.refused(&["init", "--force", "--camera", "none"]);
    assert!(error.contains("is sealed with a key that is not in"), "{error}");
    assert!(!home.key().exists() && fs::read_to_string(home.config()).unwrap().contains("\"back\""));
}

#[test]
fn a_photograph_without_a_face_leaves_the_configuration_and_fails() {
    let home = Home::new();
    let empty = home.house.path("empty.png");
    image::RgbImage::new(320, 240).save(&empty).unwrap();
    let error = home.refused(&["init", "--camera", "none", "--name", "Ada", "--photos", empty.to_str().unwrap()]);
    assert!(error.contains("is in place, but the enrolment failed"), "{error}");
    home.named(&["config", "check"]);
}

#[test]
fn a_real_camera_shows_its_size_and_enrols() {
    let Some((camera, house)) = MadeUpCamera::in_house(House::new(), "MJPG 640 480 66 0", "") else { return };
    camera.develop("obama.jpg", crate::support::frame("obama.jpg"));
    camera.plays(&["obama.jpg"]);
    let home = Home::of(house);
    let out = home.usher(&["init", "--camera", "/dev/video77", "--name", "Barack Obama"]);
    assert!(out.contains("/dev/video77 gives pictures of 640x480"), "{out}");
    assert!(out.contains("is enrolled as #1 with 5 templates"), "{out}");
    camera.unplug();
    let (code, _, warned) = home.ask(&["init", "--force", "--camera", "/dev/video77"]);
    assert!(code == Some(0) && warned.contains("usher will go on trying"), "{warned}");
}

#[test]
fn usher_alone_says_what_is_there_and_what_to_do_next() {
    let home = Home::new();
    if Path::new("/etc/usher/usher.toml").exists() {
        eprintln!("SKIPPED: this machine has a configuration of its own");
        return;
    }
    let text = home.usher(&[]);
    assert!(
        text.contains("there is no configuration in /etc/usher/usher.toml or ") && text.contains(" init "),
        "{text}"
    );
    let error = home.refused(&["people", "list"]);
    assert!(error.contains("there is no configuration in") && error.contains("`usher init`"), "{error}");
    home.has_nothing();

    home.usher(&["init", "--camera", &home.film("obama.jpg")]);
    let text = home.usher(&[]);
    assert!(text.contains("nobody is enrolled") && text.contains("does not run"), "{text}");
    assert!(text.contains("enroll NAME --camera") && !home.house.path("data/usher/store").exists(), "{text}");

    // All commands find it, and an error says which one it was.
    home.usher(&["enroll", "Barack Obama", photo("obama.jpg").to_str().unwrap()]);
    let text = home.usher(&[]);
    assert!(text.contains("1 enrolled") && text.contains(" run "), "{text}");
    let error = home.refused(&["enroll", "Ada", "--camera", "garden"]);
    let found = format!("the configuration in use is {}", home.config().display());
    assert!(error.contains("garden") && error.contains(&found), "{error}");

    let daemon = Running(home.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let text = eventually("a daemon that answers", || {
        Some(home.usher(&[])).filter(|text| text.contains("daemon         runs"))
    });
    assert!(text.contains("status") && text.contains("why"), "{text}");
    let error = home.refused(&["init", "--force", "--camera", "none"]);
    assert!(error.contains("a daemon already runs"), "{error}");
    drop(daemon);

    fs::write(home.config(), "[door]\n").unwrap();
    let text = home.usher(&[]);
    assert!(text.contains("usher.toml:1") && text.contains("config check"), "{text}");
}

#[test]
fn an_unpacked_package_finds_its_models_without_a_setting() {
    let home = Home::new();
    home.usher(&["init", "--camera", "none"]);
    let unpacked = home.house.path("unpacked/usr");
    fs::create_dir_all(unpacked.join("bin")).unwrap();
    fs::create_dir_all(unpacked.join("share/usher")).unwrap();
    let program = unpacked.join("bin/usher");
    if fs::hard_link(env!("CARGO_BIN_EXE_usher"), &program).is_err() {
        fs::copy(env!("CARGO_BIN_EXE_usher"), &program).unwrap();
    }
    let models = unpacked.join("share/usher/models");
    std::os::unix::fs::symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("models"), &models).unwrap();
    if Path::new("/usr/share/usher/models").exists() {
        eprintln!("SKIPPED: this machine has installed models");
        return;
    }
    let mut show = Command::new(&program);
    show.args(["config", "show"]).env("USHER_CONFIG", home.config()).env_remove("USHER_MODELS");
    let shown = String::from_utf8(show.output().unwrap().stdout).unwrap();
    let found = format!("path = \"{}\"", models.display());
    assert!(shown.contains(&found), "{found} is not in {shown}");
}
