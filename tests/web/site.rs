//! A site: a house whose daemon serves the page, and a stage before its camera on which people come and go.

use std::io::Write;
use std::process::Stdio;

use crate::browser::Browser;
use crate::support::{Daemon, House, frame, free_port, write_jpeg};

/// The password of everybody's account.
pub const PASSWORD: &str = "a long sentence nobody guesses";

/// The daemon ends when it is dropped.
pub struct Site {
    pub house: House,
    daemon: Option<Daemon>,
    /// Where the page is.
    pub address: String,
}

impl Site {
    /// A site with an empty scene before its camera and these additional tables in its configuration. `prepare` enrols people, say, before
    /// the daemon starts.
    pub fn new(tables: &str, prepare: impl FnOnce(&House)) -> Site {
        let port = free_port();
        let house = House::new();
        let stage = house.path("stage.jpg");
        let camera = format!("kind = \"replay\"\npath = {:?}\nfps = 8\nloop = true", stage.display().to_string());
        let web = format!("[web]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\n\n{tables}");
        let mut house = house.with_camera(&camera).with(&web);
        // A build without optimisations on a busy machine needs seconds for a frame.
        house.environment.insert("USHER__ACCESS__WINDOW".into(), "30s".into());
        house.environment.insert("USHER__DETECTOR__MIN_FACE_PX".into(), "80".into());
        let mut site = Site { house, daemon: None, address: format!("http://127.0.0.1:{port}") };
        site.nobody();
        prepare(&site.house);
        site.daemon = Some(Daemon::start(&site.house));
        site
    }

    /// Sends a form with the token of the page that the browser shows: the status of the answer.
    pub fn sends(&self, browser: &Browser, path: &str, fields: &[(&str, &str)]) -> u64 {
        let csrf = browser.token();
        let all: Vec<(&str, &str)> = [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
        browser.sends(path, &all).0
    }

    /// The daemon's log so far.
    pub fn log(&self) -> String {
        self.daemon.as_ref().unwrap().log()
    }

    /// The number of the daemon's process.
    pub fn process(&self) -> u32 {
        self.daemon.as_ref().unwrap().process()
    }

    /// Adds an account with this role; its name is the role's.
    pub fn account(&self, role: &str) {
        let mut command = self.house.command(&["web", "user", "add", role, "--role", role]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A browser in which somebody with this role has logged in, and sees the page that they come to first.
    pub fn visited_by(&self, role: &str) -> Browser {
        self.account(role);
        let browser = Browser::at(&self.address);
        self.log_in(&browser, role);
        browser
    }

    /// Logs in with an account that is there.
    pub fn log_in(&self, browser: &Browser, name: &str) {
        browser.go("/login");
        browser.fill("Name", name);
        browser.fill("Password", PASSWORD);
        browser.press("Log in");
        browser.eventually("the first page after a login", || (!browser.path().starts_with("/login")).then_some(()));
    }

    /// The same with the keyboard alone, in any language.
    pub fn log_in_by_keys(&self, browser: &Browser, name: &str) {
        browser.go("/login");
        browser.type_keys(name);
        browser.type_keys("\u{e004}");
        browser.type_keys(PASSWORD);
        browser.type_keys("\u{e007}");
        browser.eventually("the first page after a login", || (!browser.path().starts_with("/login")).then_some(()));
    }

    /// Somebody stands before the camera: the person of that photograph.
    pub fn shows(&self, actor: &str) {
        self.picture(frame(actor));
    }

    /// Nobody stands before the camera.
    pub fn nobody(&self) {
        self.picture(image::RgbImage::from_pixel(640, 480, image::Rgb([118, 120, 116])));
    }

    /// The camera sees this.
    pub fn picture(&self, picture: image::RgbImage) {
        // In one step: the camera reads it at any moment.
        let unfinished = write_jpeg(picture, &self.house.path("stage.unfinished"));
        std::fs::rename(unfinished, self.house.path("stage.jpg")).unwrap();
    }
}
