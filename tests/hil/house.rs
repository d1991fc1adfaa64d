//! usher in a guest: its commands, its journal, its daemon.

use serde_json::Value;

use super::guest::Guest;

/// Where the daemon's log is kept in the guest.
const LOG: &str = "/run/usher.log";
/// The records since shortly before the daemon's start, one a line. Reading a file costs the guest less than a start of usher.
const JOURNAL: &str = "/run/journal.json";
/// What the command that follows the journal has to say.
const FOLLOWER: &str = "/run/follower.log";

/// What every guest's configuration begins with. An emulated processor needs seconds for a frame with a face. So faces are large, the window in
/// which three frames must agree is as long as it can be, and the last of them may be as old as it can be. After a grant
/// nothing is reported for longer than a frame takes that was on its way then: it would open the door a second time. The embedder is that of
/// the smallest boards.
const PATIENT: &str = r#"
[models]
embedder = "mobilefacenet"
[detector]
min_face_px = 150
[store]
key_file = "/etc/usher/store.key"
[enroll]
min_face_px = 150
[access]
min_face_px = 150
max_age = "10s"
window = "30s"
cooldown = "20s"
repeat_denial = "1s"
"#;

/// A guest's configuration with these doors and cameras.
pub fn configuration(wiring: &str) -> String {
    format!("{PATIENT}{wiring}")
}

/// A guest with usher installed.
pub struct House {
    pub guest: Guest,
    /// The newest record that was waited for.
    seen: u64,
    /// Records that have come from the guest, so that each comes over its slow console once.
    read: Vec<Value>,
}

impl House {
    pub fn new(guest: Guest) -> House {
        House { guest, seen: 0, read: Vec::new() }
    }

    /// Runs a command of usher that must succeed; its output.
    pub fn usher(&mut self, arguments: &str) -> String {
        self.guest.run(&format!("usher {arguments}"))
    }

    /// Makes the store's key and enrols Ada Lovelace from a photograph.
    ///
    /// The guest's clock is set first: a Raspberry Pi has none that runs on, and `usher doctor` says so.
    pub fn begin(&mut self, photograph: &str) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        self.guest.run(&format!("date -s @{now}"));
        self.usher("store key new /etc/usher/store.key");
        self.usher(&format!("enroll 'Ada Lovelace' {photograph}"));
    }

    /// Starts the daemon and waits until it is ready. The shell's variable `daemon` has its number.
    pub fn start(&mut self) {
        let before = starts(&mut self.guest);
        self.guest.run(&format!("usher run >>{LOG} 2>&1 & daemon=$!"));
        self.guest.eventually("a daemon that is ready", |guest| {
            let alive = guest.ask("kill -0 $daemon").code == 0;
            assert!(alive, "the daemon ended: {}", guest.run(&format!("tail -n 40 {LOG}")));
            (starts(guest) > before).then_some(())
        });
        self.read.clear();
        self.guest.run(&format!("usher journal tail --json --follow -n 20 >{JOURNAL} 2>>{FOLLOWER} &"));
    }

    /// Ends the daemon as systemd does; it must go in order.
    pub fn stop(&mut self) {
        self.guest.run("kill -TERM $daemon");
        self.guest.run("wait $daemon");
    }

    /// Kills the daemon, as the kernel does when memory is short.
    pub fn kill(&mut self) {
        self.guest.run("kill -KILL $daemon; wait $daemon; [ $? = 137 ]");
    }

    /// Waits for the next record of this kind, and has read the journal up to there.
    pub fn next(&mut self, kind: &str) -> Value {
        let House { guest, seen, read } = self;
        let record = guest.eventually(kind, |guest| {
            fetch(guest, read);
            read.iter().find(|record| seq(record) > *seen && record["kind"] == kind).cloned()
        });
        *seen = seq(&record);
        record
    }

    /// The kinds of all records since the one that was waited for last; now they are read.
    pub fn rest(&mut self) -> Vec<String> {
        fetch(&mut self.guest, &mut self.read);
        let newer = self.read.iter().filter(|record| seq(record) > self.seen);
        let kinds = newer.map(|record| record["kind"].as_str().unwrap().to_owned()).collect();
        self.seen = self.read.last().map_or(self.seen, seq);
        kinds
    }
}

/// How often a daemon has been ready.
fn starts(guest: &mut Guest) -> usize {
    guest.ask(&format!("grep -c ' ready socket=' {LOG}")).out.parse().unwrap_or(0)
}

/// Fetches the records that came since the last time. A line that is still being written counts the next time.
fn fetch(guest: &mut Guest, read: &mut Vec<Value>) {
    let text = guest.run(&format!("tail -n +{} {JOURNAL}", read.len() + 1));
    read.extend(text.lines().map_while(|line| serde_json::from_str::<Value>(line).ok()));
}

fn seq(record: &Value) -> u64 {
    record["seq"].as_u64().unwrap()
}
