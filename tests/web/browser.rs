//! Chromium without a window, driven by its own driver, on a page of this machine. It reaches no other host.
//!
//! Elements are found as a person finds them: an input by its label, a button or a link by its text.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use fantoccini::elements::{Element, ElementRef};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::PATIENCE;

/// How WebDriver writes an element down in JSON (W3C WebDriver, 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A desktop's window, in CSS pixels.
pub const DESKTOP: Window = Window { name: "desktop", width_px: 1280, height_px: 900, mobile: false };
/// A phone held upright, in CSS pixels.
pub const PHONE: Window = Window { name: "phone", width_px: 390, height_px: 844, mobile: true };

/// The size of the page's view.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub name: &'static str,
    width_px: u32,
    height_px: u32,
    mobile: bool,
}

/// A browser at the address of one site. Closed when it is dropped.
pub struct Browser {
    client: Client,
    runtime: Runtime,
    _driver: Driver,
    /// Where the page is: `http://127.0.0.1:8443`.
    pub site: String,
    window: Mutex<Window>,
    _turn: MutexGuard<'static, ()>,
}

/// The driver's process.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended long ago.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// One browser's turn: two at once on a small machine would only get in each other's way.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Whether Chromium and its driver are there. On a build server it is a failure if not.
pub fn is_installed() -> bool {
    let there = ["/usr/bin/chromium", "/usr/bin/chromedriver"].iter().all(|program| Path::new(program).exists());
    if !there {
        let missing = "Chromium and its driver are not there; tests/web/prepare installs them (Debian, with a network)";
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        eprintln!("SKIPPED: {missing}");
    }
    there
}

impl Browser {
    /// A fresh browser without cookies, for the site at this address, in English.
    pub fn at(site: &str) -> Browser {
        Browser::speaking("en", site)
    }

    /// The same for somebody who reads this language.
    pub fn speaking(language: &str, site: &str) -> Browser {
        let turn = turn();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (driver, port) = Driver::start();
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--disable-gpu".into(),
            "--disable-dev-shm-usage".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--no-first-run".into(),
            "--force-color-profile=srgb".into(),
            "--hide-scrollbars".into(),
            format!("--accept-lang={language}"),
            // What is not this machine does not exist.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost".into(),
        ];
        if rustix::process::geteuid().is_root() {
            // Chromium's own sandbox refuses to run for root.
            arguments.push("--no-sandbox".into());
        }
        let capabilities = json!({
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:chromeOptions": {
                "binary": "/usr/bin/chromium",
                "args": arguments,
                "prefs": { "intl.accept_languages": language },
                "perfLoggingPrefs": { "enableNetwork": true, "enablePage": false },
            },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!() };
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        let driver_at = format!("http://127.0.0.1:{port}");
        let client = runtime.block_on(builder.capabilities(capabilities).connect(&driver_at));
        let client = client.unwrap_or_else(|error| panic!("Chromium does not start: {error}"));
        let window = Mutex::new(DESKTOP);
        let browser = Browser { client, runtime, _driver: driver, site: site.into(), window, _turn: turn };
        browser.resize(DESKTOP);
        browser.scheme("light");
        browser
    }

    /// Goes to a path of the site and waits until it is loaded.
    pub fn go(&self, path: &str) {
        self.run(self.client.goto(&format!("{}{path}", self.site)));
    }

    /// Waits until pictures and the first events have come.
    pub fn settle(&self) {
        std::thread::sleep(Duration::from_millis(1500));
    }

    /// Presses keys where the focus is: `\u{e007}` is Enter, `\u{e004}` Tab (W3C WebDriver, 17.4.2).
    pub fn type_keys(&self, keys: &str) {
        let focus = self.run(self.client.active_element());
        self.run(focus.send_keys(keys));
    }

    /// The path and query of the page.
    pub fn path(&self) -> String {
        let url = self.run(self.client.current_url()).to_string();
        url.strip_prefix(&self.site).unwrap_or(&url).to_owned()
    }

    /// What the page says: the visible text of its body.
    pub fn text(&self) -> String {
        self.script("return document.body.innerText", &[]).as_str().unwrap_or_default().to_owned()
    }

    /// The page's HTML.
    pub fn source(&self) -> String {
        self.run(self.client.source())
    }

    /// Waits until the page says this.
    pub fn sees(&self, text: &str) {
        self.eventually(&format!("\"{text}\" on the page"), || self.text().contains(text).then_some(()));
    }

    /// Waits until an element is there.
    pub fn finds(&self, css: &str) {
        self.eventually(&format!("{css} on the page"), || (self.count(css) > 0).then_some(()));
    }

    /// How many elements there are.
    pub fn count(&self, css: &str) -> u64 {
        self.script("return document.querySelectorAll(arguments[0]).length", &[css.into()]).as_u64().unwrap()
    }

    /// Polls until there is an answer; says what the page showed if there is none.
    pub fn eventually<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            if Instant::now() >= until {
                self.photograph("failure");
                panic!("waited in vain for {what} at {}:\n{}", self.path(), self.text());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Writes into the input with this label, in place of what it holds.
    pub fn fill(&self, label: &str, text: &str) {
        let input = self.labelled(label);
        if self.run(input.attr("type")).as_deref() == Some("file") {
            return self.run(input.send_keys(text));
        }
        // Keys would be read by the input's locale in a date, and would not clear what a select holds.
        let kind = self.run(input.prop("type")).unwrap_or_default();
        if ["date", "time", "month", "datetime-local", "select-one", "number", "range"].contains(&kind.as_str()) {
            let set = "const e = arguments[0]; e.value = arguments[1]; e.dispatchEvent(new Event('input', {bubbles: true})); \
                       e.dispatchEvent(new Event('change', {bubbles: true})); return e.value";
            let now = self.script(set, &[reference(&input), text.into()]);
            assert_eq!(now, text, "the input {label} does not take that");
            return;
        }
        self.run(input.clear());
        self.run(input.send_keys(text));
    }

    /// Presses the button, or follows the link, with this text: the first one that is visible.
    pub fn press(&self, text: &str) {
        let script = "const wanted = arguments[0];\
            const all = [...document.querySelectorAll('button, a, summary, input[type=submit]')];\
            const name = e => (e.getAttribute('aria-label') || e.innerText || e.value || '').trim();\
            return all.find(e => name(e) === wanted && e.checkVisibility()) || null";
        let found = self.eventually(&format!("a button or link \"{text}\""), || self.element(script, &[text.into()]));
        self.run(found.click());
    }

    /// Presses what stands behind a second click: opens the first summary that begins with this text, and presses the button in it.
    pub fn confirm(&self, act: &str) {
        let summary = "return [...document.querySelectorAll('summary')]\
            .find(e => (e.innerText.replace(/\\s+/g, ' ').trim() + ' ').startsWith(arguments[0] + ' ') && e.checkVisibility()) || null";
        let found = self.eventually(&format!("\"{act}\" behind a click"), || self.element(summary, &[act.into()]));
        self.run(found.click());
        let button = "const all = [...document.querySelectorAll('details[open] button')];\
            return all.find(e => e.innerText.trim() === arguments[0] && e.checkVisibility()) || null";
        let found = self.eventually(&format!("the button \"{act}\""), || self.element(button, &[act.into()]));
        self.run(found.click());
    }

    /// Clicks the first element that this selector finds.
    pub fn click(&self, css: &str) {
        let script = "return document.querySelector(arguments[0])";
        let found = self.eventually(&format!("{css} on the page"), || self.element(script, &[css.into()]));
        self.run(found.click());
    }

    /// The input with this label.
    fn labelled(&self, label: &str) -> Element {
        let script = "const label = [...document.querySelectorAll('label')].find(l => {\
                let own = l.cloneNode(true); own.querySelectorAll('input, select, textarea, small').forEach(e => e.remove());\
                return own.textContent.trim() === arguments[0] && l.control && l.checkVisibility();\
            }); return label ? label.control : null";
        self.eventually(&format!("an input labelled \"{label}\""), || self.element(script, &[label.into()]))
    }

    /// The element that a script returns.
    fn element(&self, script: &str, arguments: &[Value]) -> Option<Element> {
        let found = self.script(script, arguments);
        let id = found.get(ELEMENT)?.as_str()?.to_owned();
        Some(Element::from_element_id(self.client.clone(), ElementRef::from(id)))
    }

    /// Runs a script in the page; what it returns.
    pub fn script(&self, script: &str, arguments: &[Value]) -> Value {
        // The document may be replaced in that moment.
        self.attempt(|| self.client.execute(script, arguments.to_vec()))
    }

    /// Runs a script that calls its last argument with its answer.
    pub fn script_async(&self, script: &str, arguments: &[Value]) -> Value {
        self.run(self.client.execute_async(script, arguments.to_vec()))
    }

    /// Sends a form as a page's script could: the status of the answer, and its text.
    pub fn sends(&self, path: &str, fields: &[(&str, &str)]) -> (u64, String) {
        let pairs = json!(fields.iter().map(|(name, value)| [name, value]).collect::<Vec<_>>());
        let send = "const done = arguments[arguments.length - 1];\
            fetch(arguments[0], { method: 'POST', body: new URLSearchParams(arguments[1]) })\
                .then(async answer => done([answer.status, await answer.text()]), error => done(String(error)))";
        let answer = self.script_async(send, &[path.into(), pairs]);
        let status = answer[0].as_u64().unwrap_or_else(|| panic!("{path}: {answer}"));
        (status, answer[1].as_str().unwrap_or_default().to_owned())
    }

    /// The token of the forms on this page.
    pub fn token(&self) -> String {
        let found = self.script("return document.querySelector('input[name=csrf]').value", &[]);
        found.as_str().unwrap().to_owned()
    }

    /// The value of the session's cookie, however it is called.
    pub fn cookies(&self) -> Vec<(String, String)> {
        let cookies = self.run(self.client.get_all_cookies());
        cookies.into_iter().map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned())).collect()
    }

    /// Puts a cookie of this site into the browser.
    pub fn set_cookie(&self, name: &str, value: &str) {
        let parameters =
            json!({ "name": name, "value": value, "url": self.site, "httpOnly": true, "sameSite": "Strict" });
        self.cdp("Network.setCookie", parameters);
    }

    /// Forgets all cookies.
    pub fn forget_cookies(&self) {
        self.run(self.client.delete_all_cookies());
    }

    /// Goes to an address outside of the site.
    pub fn leave_to(&self, url: &str) {
        self.run(self.client.goto(url));
    }

    /// Chooses the light or the dark scheme, as the system's setting would.
    pub fn scheme(&self, scheme: &str) {
        // A driver's click misses what still scrolls.
        let still = json!({ "name": "prefers-reduced-motion", "value": "reduce" });
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }, still]);
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Forgets what it keeps of pages, but for cookies.
    pub fn forget_cache(&self) {
        self.cdp("Network.clearBrowserCache", json!({}));
    }

    /// Makes the view as large as this window's.
    pub fn resize(&self, window: Window) {
        *self.window.lock().unwrap() = window;
        self.view(window.width_px, window.height_px, window.mobile);
    }

    fn view(&self, width_px: u32, height_px: u32, mobile: bool) {
        let scale = if mobile { 2 } else { 1 };
        let view = json!({ "width": width_px, "height": height_px, "deviceScaleFactor": scale, "mobile": mobile });
        self.cdp("Emulation.setDeviceMetricsOverride", view);
    }

    /// Photographs the whole page into `target/web-screenshots/NAME.png`.
    pub fn photograph(&self, name: &str) -> PathBuf {
        let window = *self.window.lock().unwrap();
        let whole = self.script("return document.documentElement.scrollHeight", &[]).as_u64().unwrap_or_default();
        self.view(window.width_px, (whole as u32).clamp(window.height_px, 6000), window.mobile);
        let png = self.run(self.client.screenshot());
        self.view(window.width_px, window.height_px, window.mobile);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../web-screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.png"));
        std::fs::write(&path, png).unwrap();
        path
    }

    /// What the browser complained about since it was asked last: errors of scripts, violations of the page's policy, files that are
    /// missing.
    pub fn complaints(&self) -> Vec<String> {
        let complaint = |entry: &Value| match entry["level"].as_str() {
            Some("SEVERE" | "WARNING") => Some(entry["message"].as_str().unwrap_or_default().to_owned()),
            _ => None,
        };
        self.log("browser").iter().filter_map(complaint).collect()
    }

    /// Asserts that nothing went wrong since this was asked last: see [`Browser::log_is_clean_but_for`].
    pub fn log_is_clean(&self) {
        self.log_is_clean_but_for(&[]);
    }

    /// Asserts that since this was asked last no script failed, the page's policy was not violated, no file was missing, and nothing was
    /// fetched from elsewhere. Complaints with one of these texts in them are expected.
    pub fn log_is_clean_but_for(&self, expected: &[&str]) {
        let unexpected = |complaint: &String| !expected.iter().any(|text| complaint.contains(text));
        let complaints: Vec<String> = self.complaints().into_iter().filter(unexpected).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
        let own = |url: &str| ["data:", "blob:", "about:", "file:"].iter().any(|scheme| url.starts_with(scheme));
        let fetched = self.fetched().into_iter().map(|fetch| fetch.url);
        let elsewhere: Vec<String> = fetched.filter(|url| !url.starts_with(&self.site) && !own(url)).collect();
        assert!(elsewhere.is_empty(), "fetched from elsewhere: {elsewhere:#?}");
    }

    /// What was fetched since it was asked last: each address, and how many bytes came over the wire.
    pub fn fetched(&self) -> Vec<Fetch> {
        let mut found: Vec<Fetch> = Vec::new();
        for entry in self.log("performance") {
            let message: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            let (method, event) = (&message["message"]["method"], &message["message"]["params"]);
            let id = event["requestId"].as_str().unwrap_or_default();
            match method.as_str() {
                Some("Network.requestWillBeSent") => {
                    found.push(Fetch { id: id.into(), url: event["request"]["url"].as_str().unwrap().into(), bytes: 0 })
                }
                Some("Network.webSocketCreated") => {
                    found.push(Fetch { id: id.into(), url: event["url"].as_str().unwrap().into(), bytes: 0 });
                }
                Some("Network.loadingFinished") => {
                    let bytes = event["encodedDataLength"].as_f64().unwrap_or_default() as u64;
                    if let Some(fetch) = found.iter_mut().rev().find(|fetch| fetch.id == id) {
                        fetch.bytes = bytes;
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        let answer = self.issue("se/log", json!({ "type": kind }));
        answer.as_array().cloned().unwrap_or_default()
    }

    /// A command of Chromium's own protocol.
    fn cdp(&self, command: &str, parameters: Value) {
        self.issue("goog/cdp/execute", json!({ "cmd": command, "params": parameters }));
    }

    fn issue(&self, path: &'static str, body: Value) -> Value {
        self.run(self.client.issue_cmd(OwnCommand { path, body }))
    }

    /// Waits for one command of the driver, which must succeed.
    fn run<T, E: std::fmt::Display>(&self, command: impl Future<Output = Result<T, E>>) -> T {
        self.runtime.block_on(command).unwrap_or_else(|error| panic!("the browser fails: {error}"))
    }

    /// Waits for one command, and gives it again for a second when the page has just changed.
    fn attempt<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(&self, mut command: impl FnMut() -> F) -> T {
        let mut tries = 10;
        loop {
            match self.runtime.block_on(command()) {
                Ok(answer) => return answer,
                Err(_) if tries > 0 => tries -= 1,
                Err(error) => panic!("the browser fails: {error}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its session. The driver is killed in any case.
        drop(self.runtime.block_on(self.client.clone().close()));
    }
}

/// Something that the browser fetched.
#[derive(Clone, Debug)]
pub struct Fetch {
    id: String,
    pub url: String,
    /// As they came over the wire, with the headers; 0 while it is not complete.
    pub bytes: u64,
}

impl Driver {
    /// Starts a driver on a free port.
    fn start() -> (Driver, u16) {
        let mut command = Command::new("/usr/bin/chromedriver");
        let mut child = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let driver = Driver(child);
        // `ChromeDriver was started successfully on port 41233.`
        let port = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            let port = line.strip_prefix("ChromeDriver was started successfully on port ")?;
            Some(port.trim_end_matches('.').parse().unwrap())
        });
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        (driver, port.expect("chromedriver says its port"))
    }
}

/// The element as an argument of a script.
fn reference(element: &Element) -> Value {
    let id: String = element.element_id().into();
    json!({ ELEMENT: id })
}

/// A command of Chromium's driver beyond WebDriver.
#[derive(Debug)]
struct OwnCommand {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for OwnCommand {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (hyper::Method, Option<String>) {
        (hyper::Method::POST, Some(self.body.to_string()))
    }
}
