//! The page of a fleet's office: in front of a real server, a board that runs and one that never came.

use std::fs::File;
use std::io::Write;
use std::process::{Child, Stdio};

use crate::browser::{Browser, DESKTOP, is_installed};
use crate::looks::are_free_of_barriers_and_fit;
use crate::server::{Program, Servers};
use crate::site::PASSWORD;
use crate::support::{Daemon, Film, House, eventually, free_port, lines, photo, status};

/// The paths of the pages, and the names of their pictures.
const PAGES: [(&str, &str); 5] = [
    ("/fleet", "fleet"),
    ("/timeline", "fleet-timeline"),
    ("/people", "fleet-people"),
    ("/attendance", "fleet-attendance"),
    ("/accounts", "fleet-accounts"),
];

/// `usher fleet office` with its page. Killed when it is dropped.
struct Office {
    child: Child,
    /// For its environment.
    house: House,
    servers: Servers,
    address: String,
}

impl Office {
    fn start(servers: Servers) -> Office {
        let (house, port) = (House::new(), free_port());
        let web = format!(
            "[device]\nname = \"office\"\n\n[models]\npath = {:?}\n\n[web]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\n",
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models").display().to_string()
        );
        std::fs::write(servers.folder.join("usher.toml"), web).unwrap();
        let log = house.path("office.log");
        let mut command = house.command(&["fleet", "office", "--folder"]);
        command
            .env_remove("USHER_CONFIG")
            .arg(&servers.folder)
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        eventually("an office at the servers, with its page", || {
            let log = std::fs::read_to_string(&log).unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the office ended with {status}: {log}");
            }
            let page = std::net::TcpStream::connect(("127.0.0.1", port));
            (log.contains("the office is at the servers") && page.is_ok()).then_some(())
        });
        Office { child, house, servers, address: format!("http://127.0.0.1:{port}") }
    }

    /// Runs `usher fleet …`, which must succeed.
    fn usher(&self, arguments: &[&str]) -> String {
        let folder = self.servers.folder.display().to_string();
        let all: Vec<&str> = ["fleet", "--folder", &folder].into_iter().chain(arguments.iter().copied()).collect();
        self.house.usher(&all)
    }

    /// Adds an account with this role; its name is the role's.
    fn account(&self, role: &str) {
        let office = format!("--office={}", self.servers.folder.display());
        let mut command = self.house.command(&[office.as_str(), "web", "user", "add", role, "--role", role]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A token for a board of Berlin.
    fn invites(&self, board: &str) -> String {
        self.usher(&["invite", "--site", "berlin", "--board", board])
    }

    /// Lets a house join as a board of Berlin.
    fn joined(&self, house: House, board: &str) -> House {
        let membership = house.path("membership.json").display().to_string();
        let mut command = house.command(&["fleet", "join", "--membership", &membership]);
        let mut join = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        join.stdin.take().unwrap().write_all(self.invites(board).as_bytes()).unwrap();
        assert!(join.wait().unwrap().success());
        house.with(&format!("[fleet]\nenabled = true\nmembership = {membership:?}\n"))
    }

    fn log_in(&self, browser: &Browser, name: &str) {
        browser.go("/login");
        browser.fill("Name", name);
        browser.fill("Password", PASSWORD);
        browser.press("Log in");
        browser.eventually("the first page after a login", || (!browser.path().starts_with("/login")).then_some(()));
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        // It may have ended long ago.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn mode(house: &House) -> String {
    status(house)["doors"][0]["mode"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_office_shows_its_fleet_and_acts_on_it() {
    if !is_installed() {
        return;
    }
    let Some(servers) = Servers::start(Program::Newer, 1) else { return };
    let office = Office::start(servers);
    let front = House::new().watching(Film::default().shows("obama3.jpg", 10), true);
    let front = office.joined(front, "front");
    office.invites("back");
    let daemon = Daemon::start(&front);
    for (name, file) in [("Barack Obama", "obama.jpg"), ("Joe Biden", "biden.jpg")] {
        let file = photo(file).display().to_string();
        office.usher(&["enroll", name, "--site", "berlin", "--group", "staff", &file]);
    }
    eventually("a grant", || front.records("granted").pop());
    eventually("the grant at the office", || {
        let records = lines(&office.usher(&["journal", "--board", "front", "--json"]));
        records.into_iter().find(|record| record["record"]["kind"] == "granted")
    });
    for role in ["admin", "viewer", "attendance"] {
        office.account(role);
    }
    let browser = Browser::at(&office.address);
    office.log_in(&browser, "admin");
    assert_eq!(browser.path(), "/fleet");
    for text in
        ["The office is at the servers", "front", "Whole", "2 people", "back", "Never heard", "Doors go by their rules"]
    {
        browser.sees(text);
    }
    looks(&browser);
    browser.go("/timeline");
    browser.sees("Barack Obama");
    let grant = "return [...document.querySelectorAll('#rows a')].find(a => a.innerText.startsWith('granted')).getAttribute('href')";
    browser.go(browser.script(grant, &[]).as_str().unwrap());
    browser.sees("of front");
    browser.sees("What was asked, and what was measured");
    browser.photograph("fleet-receipt");

    // Locked down: the door follows before the page answers, and the board that never came is named apart.
    browser.go("/fleet");
    browser.confirm("Lock down");
    browser.sees("Confirmed by front");
    browser.sees("Invited, never heard back");
    browser.photograph("fleet-done");
    assert_eq!(mode(&front), "lockdown");
    browser.go("/fleet");
    browser.sees("nobody passes, by web/admin");
    browser.photograph("fleet-locked-down");
    browser.confirm("End the lockdown");
    browser.sees("Confirmed by front");
    assert_eq!(mode(&front), "normal");

    // Shut out: the one that never came stands first, because it needs somebody.
    browser.go("/fleet");
    browser.confirm("Shut out");
    browser.sees("back is shut out");
    let boards = lines(&office.usher(&["status", "--json"])).remove(0)["boards"].clone();
    let revoked =
        |name: &str| boards.as_array().unwrap().iter().find(|row| row["board"] == name).unwrap()["revoked"].clone();
    assert_eq!((revoked("back"), revoked("front")), (true.into(), false.into()));

    // Forgotten, at the board, too.
    browser.go("/people?q=biden");
    browser.confirm("Forget");
    browser.sees("Joe Biden is forgotten at berlin");
    browser.sees("Confirmed by front");
    browser.sees("Destroyed key");
    browser.photograph("fleet-forgotten");
    assert_eq!(front.people().len(), 1);
    browser.log_is_clean();
    drop(browser);

    roles(&office);
    daemon.stop();
}

/// Every page in light and dark, on a desktop and on a phone, and in the other languages.
fn looks(browser: &Browser) {
    are_free_of_barriers_and_fit(browser, &PAGES);
    browser.resize(DESKTOP);
    browser.scheme("light");
    for (language, word) in [("de", "Standorte"), ("zh", "站点"), ("en", "Sites")] {
        browser.go(&format!("/language?to={language}&back=/fleet"));
        browser.sees(word);
        browser.photograph(&format!("fleet-{language}"));
    }
}

/// What the roles see, and that forms of another role do nothing.
fn roles(office: &Office) {
    let browser = Browser::at(&office.address);
    office.log_in(&browser, "viewer");
    browser.sees("berlin");
    assert_eq!(browser.count("details.confirm"), 0);
    let token = browser.token();
    for path in ["/fleet/sites/berlin/lockdown", "/fleet/boards/front/revoke"] {
        assert_eq!(browser.sends(path, &[("csrf", token.as_str()), ("on", "true")]).0, 403, "{path}");
    }
    assert_eq!(browser.sends("/fleet/boards/front/revoke", &[]).0, 403, "without a token");
    drop(browser);
    let browser = Browser::at(&office.address);
    office.log_in(&browser, "attendance");
    browser.go("/people");
    browser.sees("Barack Obama");
    browser.go("/fleet");
    browser.sees("the role attendance may not do that");
}
