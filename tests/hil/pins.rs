//! The GPIO pins of the emulated Raspberry Pi, from outside: what the chip's registers hold while the guest runs.
//!
//! The emulator reads and writes the machine's memory through its test protocol (qtest).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

// BCM2835 ARM Peripherals, chapter 6; on the BCM2837 of the Raspberry Pi 3 the peripherals begin at 0x3f000000.
const GPFSEL0: u32 = 0x3f20_0000;
const GPSET0: u32 = 0x3f20_001c;
const GPCLR0: u32 = 0x3f20_0028;
const GPLEV0: u32 = 0x3f20_0034;

/// The emulator's socket.
pub struct Pins(BufReader<UnixStream>);

impl Pins {
    /// Waits until the emulator listens there.
    pub fn connect(socket: &Path) -> Pins {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            match UnixStream::connect(socket) {
                Ok(stream) => return Pins(BufReader::new(stream)),
                Err(error) => assert!(Instant::now() < until, "{}: {error}", socket.display()),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The level of a pin from 0 to 31, driven or applied.
    pub fn level(&mut self, pin: u32) -> u8 {
        (self.read(GPLEV0) >> pin & 1) as u8
    }

    /// Whether the pin is set up as an output.
    pub fn is_output(&mut self, pin: u32) -> bool {
        self.read(GPFSEL0 + 4 * (pin / 10)) >> (3 * (pin % 10)) & 0b111 == 0b001
    }

    /// Applies a level to an input.
    pub fn apply(&mut self, pin: u32, high: bool) {
        let register = if high { GPSET0 } else { GPCLR0 };
        self.ask(&format!("writel {register:#x} {:#x}", 1 << pin));
    }

    fn read(&mut self, register: u32) -> u32 {
        let answer = self.ask(&format!("readl {register:#x}"));
        let value = u64::from_str_radix(answer.trim_start_matches("0x"), 16);
        value.unwrap_or_else(|_| panic!("{answer:?}")) as u32
    }

    fn ask(&mut self, line: &str) -> String {
        writeln!(self.0.get_mut(), "{line}").unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).unwrap();
        answer.strip_prefix("OK").unwrap_or_else(|| panic!("{line}: {answer:?}")).trim().to_owned()
    }
}

/// Looks at one pin a hundred times a second, and keeps each change.
pub struct Scope {
    changes: Arc<Mutex<Vec<(Instant, u8)>>>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scope {
    pub fn watch(pins: Arc<Mutex<Pins>>, pin: u32) -> Scope {
        let (changes, end) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, ended) = (changes.clone(), end.clone());
        let thread = std::thread::spawn(move || {
            let mut before = pins.lock().unwrap().level(pin);
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10));
                let level = pins.lock().unwrap().level(pin);
                if level != before {
                    kept.lock().unwrap().push((Instant::now(), level));
                }
                before = level;
            }
        });
        Scope { changes, end, thread: Some(thread) }
    }

    /// The changes since the last call: when, and to which level.
    pub fn changes(&self) -> Vec<(Instant, u8)> {
        std::mem::take(&mut self.changes.lock().unwrap())
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        // It may have ended with the emulator.
        drop(self.thread.take().map(JoinHandle::join));
    }
}
