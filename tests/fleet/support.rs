//! What the end-to-end tests have, too: a house, its daemon, pictures to show it. And an office.

#[path = "../e2e/support/daemon.rs"]
mod daemon;
#[path = "../e2e/support/house.rs"]
mod house;
#[path = "../e2e/support/pictures.rs"]
mod pictures;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use daemon::{Daemon, status};
pub use house::{House, lines};
pub use pictures::{Film, photo};

use crate::server::Servers;

/// Far longer than anything takes; only a failing test waits that long.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Polls until there is an answer.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// `usher fleet office`. Killed when it is dropped.
pub struct Office {
    child: Child,
    /// For the office's configuration and environment.
    house: House,
    folder: PathBuf,
}

impl Office {
    /// Starts it for a fleet, and waits until it is at the servers.
    pub fn start(servers: &Servers) -> Office {
        let house = House::new();
        let (folder, log) = (servers.folder.clone(), house.path("office.log"));
        let mut command = house.command(&["fleet", "office", "--folder"]);
        command.arg(&folder).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let mut office = Office { child: command.spawn().unwrap(), house, folder };
        eventually("an office at the servers", || {
            let log = std::fs::read_to_string(&log).unwrap();
            if let Some(status) = office.child.try_wait().unwrap() {
                panic!("the office ended with {status}: {log}");
            }
            log.contains("the office is at the servers").then_some(())
        });
        office
    }

    fn arguments(&self, arguments: &[&str]) -> Vec<String> {
        let folder = self.folder.display().to_string();
        let all = ["fleet", "--folder", folder.as_str()].into_iter().chain(arguments.iter().copied());
        all.map(str::to_owned).collect()
    }

    /// Runs `usher fleet …`, which must succeed, if only in part: a board may be off.
    pub fn usher(&self, arguments: &[&str]) -> String {
        let (code, printed) = self.ends(arguments);
        assert!(matches!(code, Some(0 | 3)), "{arguments:?} ends with {code:?}: {printed}");
        printed
    }

    /// The code that `usher fleet …` ends with, and what it prints.
    pub fn ends(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.house.command(&self.arguments(arguments)).output().unwrap();
        assert!(
            output.status.success() || output.status.code() == Some(3),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    /// The same for a command that must fail; its standard error.
    pub fn refused(&self, arguments: &[&str]) -> String {
        self.house.refused(&self.arguments(arguments))
    }

    fn over(&self, arguments: &[&str]) -> Vec<String> {
        let office = format!("--office={}", self.folder.display());
        std::iter::once(office).chain(arguments.iter().map(|argument| (*argument).to_owned())).collect()
    }

    /// Runs `usher --office …`, which must succeed.
    pub fn over_all(&self, arguments: &[&str]) -> String {
        self.house.usher(&self.over(arguments))
    }

    /// The same for a command that must fail; its standard error.
    pub fn refused_over_all(&self, arguments: &[&str]) -> String {
        self.house.refused(&self.over(arguments))
    }

    /// The JSON that `usher fleet …` prints, line by line.
    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        lines(&self.usher(arguments))
    }

    /// The same with variables in the environment; standard error if it fails.
    pub fn try_json(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Vec<Value>, String> {
        let mut command = self.house.command(&self.arguments(arguments));
        let output = command.envs(variables.iter().copied()).output().unwrap();
        match output.status.success() {
            true => Ok(lines(&String::from_utf8(output.stdout).unwrap())),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// Enrols somebody at Berlin from photographs; the answer.
    pub fn enroll(&self, name: &str, photos: &[&str]) -> Value {
        let photos: Vec<String> = photos.iter().map(|name| photo(name).display().to_string()).collect();
        let mut arguments = vec!["enroll", name, "--site", "berlin", "--json"];
        arguments.extend(photos.iter().map(String::as_str));
        self.json(&arguments).remove(0)
    }

    /// Invites a house as a board of Berlin, and lets it join.
    pub fn joined(&self, house: House, board: &str) -> House {
        let token = self.usher(&["invite", "--site", "berlin", "--board", board]);
        self.joined_with(house, &token)
    }

    /// Lets a house join with a token.
    pub fn joined_with(&self, house: House, token: &str) -> House {
        let membership = house.path("membership.json").display().to_string();
        let mut command = house.command(&["fleet", "join", "--membership", &membership]);
        let mut join = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        join.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
        assert!(join.wait().unwrap().success());
        house.with(&format!("[fleet]\nenabled = true\nmembership = {membership:?}\n"))
    }

    /// What the office says of a board.
    pub fn board(&self, name: &str) -> Value {
        let answer = self.house.ask(&self.arguments(&["status", "--json"]));
        let status = lines(&answer.out).remove(0);
        status["boards"].as_array().unwrap().iter().find(|row| row["board"] == name).unwrap().clone()
    }

    /// Waits until the office says that a board holds its list and has nothing left to send.
    pub fn waits_for(&self, board: &str) -> Value {
        eventually("a board that is whole", || {
            let row = self.board(board);
            (row["whole"] == true && row["said"]["waiting"] == 0 && row["gap"] == false).then_some(row)
        })
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        // It may have ended long ago.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The names of everybody whom a house knows.
pub fn names(house: &House) -> Vec<String> {
    let mut names: Vec<String> =
        house.people().iter().map(|person| person["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}
