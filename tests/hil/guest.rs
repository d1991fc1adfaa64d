//! A guest: a machine that qemu emulates, and its console, which takes commands (`guest/listen`).

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Far longer than anything takes, also on a busy machine; only a failing test waits that long.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// The folder of the guest `name`; `None`, with a notice, where `tests/hil/prepare` could not make it. On a build server that is a failure.
pub fn prepared(name: &str) -> Option<PathBuf> {
    let folder = usher::vision::runtime::cache_folder().unwrap_or_default().join("usher/hil").join(name);
    if folder.join("made-by").exists() {
        return Some(folder);
    }
    let missing = format!(
        "the guest {name} is not there; tests/hil/prepare {name} makes it (Debian 12 on x86-64, with a network)"
    );
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("SKIPPED: {missing}");
    None
}

/// One guest's turn: two emulators at once on two processors would only get in each other's way.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A running guest. Ends when it is dropped.
pub struct Guest {
    child: Child,
    console: ChildStdin,
    lines: Receiver<String>,
    log: Arc<Mutex<String>>,
    /// Commands so far; each answer carries its number.
    asked: u32,
}

/// A command's output and exit code.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub out: String,
}

impl Guest {
    /// Starts the emulator, whose standard input and output are the guest's console, and waits until the guest listens.
    pub fn boot(emulator: &mut Command) -> Guest {
        let mut child = emulator.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let console = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let (heard, lines) = channel();
        let copy = log.clone();
        std::thread::spawn(move || {
            for line in output.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                copy.lock().unwrap().push_str(&format!("{line}\n"));
                if heard.send(line).is_err() {
                    return;
                }
            }
        });
        let guest = Guest { child, console, lines, log, asked: 0 };
        guest.lines_until("@ready");
        guest
    }

    /// Runs a command of the shell in the guest. Its variables and processes remain for the next one.
    pub fn ask(&mut self, command: &str) -> Answer {
        assert!(!command.contains('\n') && command.len() < 4000, "one line of a terminal: {command}");
        self.asked += 1;
        let number = self.asked;
        writeln!(self.console, "{number} {command}").unwrap();
        self.lines_until(&format!("@begin {number}"));
        let end = format!("@end {number} ");
        let (said, last) = self.lines_until(&end);
        let code = last[end.len()..].parse().unwrap_or_else(|_| panic!("{last}"));
        Answer { code, out: said.join("\n").trim_end().to_owned() }
    }

    /// Runs a command that must succeed; its output.
    pub fn run(&mut self, command: &str) -> String {
        let answer = self.ask(command);
        assert_eq!(answer.code, 0, "{command}: {}", answer.out);
        answer.out
    }

    /// Polls until there is an answer.
    pub fn eventually<T>(&mut self, what: &str, mut ask: impl FnMut(&mut Guest) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask(self) {
                return answer;
            }
            if Instant::now() > until {
                let last_words = self.ask("tail -n 40 /run/*.log").out;
                panic!("waited in vain for {what}; the guest's logs:\n{last_words}");
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// The console's output so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The console's lines up to the one that begins with `mark`; and that one.
    fn lines_until(&self, mark: &str) -> (Vec<String>, String) {
        let (mut before, until) = (Vec::new(), Instant::now() + PATIENCE);
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line.starts_with(mark) => return (before, line),
                Ok(line) => before.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("no {mark:?} on the console:\n{}", self.log()),
                Err(RecvTimeoutError::Disconnected) => panic!("the guest ended; its console:\n{}", self.log()),
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It may have ended long ago.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The emulator in a guest's folder.
pub fn emulator(folder: &Path, name: &str) -> Command {
    let share = folder.join("emulator/usr/share");
    let mut command = Command::new(folder.join("emulator/usr/bin").join(name));
    for place in [share.join("qemu"), share.join("seabios"), folder.join("emulator/usr/lib/ipxe/qemu")] {
        command.arg("-L").arg(place);
    }
    command.arg("-kernel").arg(folder.join("vmlinuz"));
    command.args(["-display", "none", "-monitor", "none", "-no-reboot", "-nic", "none"]);
    command
}
