//! A terminal: a program in it believes that somebody sits there, types and reads.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};

use super::eventually;

/// A program in a pseudo-terminal. Killed when it is dropped.
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<String>>,
    /// How much of the screen was awaited already.
    read: usize,
}

impl Terminal {
    /// Starts a program as the only one of a new terminal.
    pub fn start(mut command: Command) -> Terminal {
        let (keyboard, inside) = pair();
        command.stdin(inside.try_clone().unwrap()).stdout(inside.try_clone().unwrap()).stderr(inside);
        // SAFETY: between fork and exec, both calls are safe to make (signal-safety(7)), and neither touches memory.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        // It holds the other end open.
        drop(command);
        let screen = Arc::new(Mutex::new(String::new()));
        let (shown, mut reader) = (screen.clone(), keyboard.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The kernel reports the end as an input-output error.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Terminal { child, keyboard, screen, read: 0 }
    }

    /// Waits until this text is on the screen, after what was awaited before.
    pub fn awaits(&mut self, text: &str) {
        let screen = self.screen.clone();
        self.read = eventually(&format!("`{text}` after: {}", self.shown()), || {
            let shown = screen.lock().unwrap();
            shown[self.read..].find(text).map(|at| self.read + at + text.len())
        });
    }

    /// Types a line, and Enter.
    pub fn types(&mut self, line: &str) {
        self.keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Presses Ctrl-C.
    pub fn interrupts(&mut self) {
        self.keyboard.write_all(b"\x03").unwrap();
    }

    /// The answers to the questions that follow: what is awaited, what is typed then.
    pub fn answers(&mut self, conversation: &[(&str, &str)]) {
        for (question, answer) in conversation {
            self.awaits(question);
            self.types(answer);
        }
    }

    /// Everything that was shown so far.
    pub fn shown(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Waits for the program's end; what was shown.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = eventually("the program's end", || self.child.try_wait().unwrap());
        // The last of it may still be on its way.
        let mut before = None;
        let shown = eventually("the last of the screen", || {
            let now = self.shown();
            let rests = before.replace(now.clone()).is_some_and(|before| before == now);
            rests.then_some(now)
        });
        (status, shown)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended long ago.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Both ends of a new pseudo-terminal: ours, and the program's.
fn pair() -> (File, OwnedFd) {
    let (mut ours, mut theirs) = (0, 0);
    let nothing = std::ptr::null_mut();
    // SAFETY: both numbers are written before they are read, and the last three may be null (openpty(3)).
    let opened = unsafe { libc::openpty(&mut ours, &mut theirs, nothing, nothing.cast(), nothing.cast()) };
    assert_eq!(opened, 0, "there is no pseudo-terminal: {}", std::io::Error::last_os_error());
    // SAFETY: openpty has just opened them for us alone.
    unsafe {
        // Our end must not be open in the program, or it would never see the terminal close.
        libc::fcntl(ours, libc::F_SETFD, libc::FD_CLOEXEC);
        (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs))
    }
}
