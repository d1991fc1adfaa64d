//! A running daemon.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

use super::{House, eventually, lines};

/// `usher run` in a house. Killed when it is dropped.
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it and waits until it answers.
    pub fn start(house: &House) -> Daemon {
        let log = house.path("daemon.log");
        let child = house.command(&["run"]).stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let mut daemon = Daemon { child, log };
        eventually("a daemon that answers", || {
            if let Some(status) = daemon.child.try_wait().unwrap() {
                panic!("the daemon ended with {status}: {}", daemon.log());
            }
            daemon
                .log()
                .contains("ready")
                .then(|| house.ask(&["status"]))
                .filter(|answer| answer.out.starts_with("usher "))
        });
        daemon
    }

    /// The number of its process.
    #[allow(dead_code, reason = "not every test program measures it")]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The memory that it holds now, in bytes.
    #[cfg(feature = "gstreamer")]
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// The time of processors that it has taken so far, in hundredths of a second.
    #[cfg(feature = "gstreamer")]
    pub fn processor_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Sends a signal: `TERM`, `INT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = eventually("the daemon's end", || self.child.try_wait().unwrap());
        (status, self.log())
    }

    /// SIGTERM, which must end it in order.
    pub fn stop(self) {
        self.signal("TERM");
        let (status, log) = self.ended();
        assert!(status.success(), "{status}: {log}");
    }

    /// SIGKILL, as when the power fails.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended long ago.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// How many frames its camera has handed on or left out.
#[cfg(feature = "gstreamer")]
pub fn handled(house: &House) -> u64 {
    let status = status(house);
    let stages = status["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["role"] == "camera").unwrap()["handled"].as_u64().unwrap()
}

/// `usher status --json`, which fails where something does not work.
pub fn status(house: &House) -> Value {
    lines(&house.ask(&["status", "--json"]).out).remove(0)
}
