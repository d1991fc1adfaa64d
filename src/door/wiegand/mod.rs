//! A reader of tags or a keypad on two lines, D0 and D1 (Wiegand): from pulses to entries. The lines themselves are the driver's.

mod frame;
mod pulses;

use std::sync::Arc;
use std::time::Duration;

use super::keys::KeyCollector;
use super::reader::{EntryReader, ReaderKind, Reading, WiegandSettings};
use super::{Active, DoorError};
use crate::clock::Clock;
use crate::domain::{Entry, EntryKind};
use frame::Frame;
pub(super) use pulses::{DataLine, Pulse};
use pulses::{GAP, PulseCollector};

/// How often pauses between keys are looked for while something was typed.
const LOOK_FOR_PAUSE: Duration = Duration::from_millis(100);

/// The two lines, read by a driver that dates each pulse.
pub(super) trait PulseLines: Send {
    /// The pulses since the last call. Waits up to `timeout` for the first one; none after that time.
    ///
    /// # Errors
    /// The lines cannot be read. It can be called again, and claims them again.
    fn pulses(&mut self, timeout: Duration) -> Result<Vec<Pulse>, DoorError>;

    /// Whether each line is at the level of a pulse now.
    ///
    /// # Errors
    /// The lines cannot be read.
    fn levels(&mut self) -> Result<[bool; 2], DoorError>;

    /// The lines, for logs.
    fn describe(&self) -> String;
}

/// A Wiegand reader.
pub(super) struct Wiegand<L> {
    lines: L,
    active: Active,
    collector: PulseCollector,
    keys: KeyCollector,
    clock: Arc<dyn Clock>,
}

impl<L: PulseLines> Wiegand<L> {
    /// Reads what comes on `lines`.
    pub fn new(lines: L, settings: &WiegandSettings, clock: Arc<dyn Clock>) -> Wiegand<L> {
        let keys = KeyCollector::new(EntryKind::Pin, settings.ends);
        Wiegand { lines, active: settings.active, collector: PulseCollector::default(), keys, clock }
    }

    /// How long to wait for the next pulse.
    fn slice(&self, left: Duration) -> Duration {
        match (self.collector.is_under_way(), self.keys.is_under_way()) {
            (true, _) => GAP,
            (false, true) => left.min(LOOK_FOR_PAUSE),
            (false, false) => left,
        }
    }

    fn take(&mut self, frame: Result<pulses::Bits, super::Unreadable>) -> Option<Reading> {
        match frame.and_then(frame::read) {
            Ok(Frame::Card(tag)) => Some(Reading::Entry(Entry::Tag(tag))),
            Ok(Frame::Key(key)) => self.keys.press(key, self.clock.now()).map(Reading::Entry),
            Err(fault) => Some(Reading::Unreadable(fault)),
        }
    }
}

impl<L: PulseLines> EntryReader for Wiegand<L> {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<Reading>, DoorError> {
        let mut left = timeout;
        let mut readings = Vec::new();
        loop {
            let slice = self.slice(left);
            let pulses = self.lines.pulses(slice).inspect_err(|_| {
                self.collector.forget();
                self.keys.forget();
            })?;
            let mut frames = Vec::new();
            if pulses.is_empty() {
                left = left.saturating_sub(slice);
                // Only a wait of GAP proves that a frame is over.
                frames.extend(if slice >= GAP { self.collector.quiet() } else { None });
            }
            frames.extend(pulses.into_iter().filter_map(|pulse| self.collector.pulse(pulse)));
            readings.extend(frames.into_iter().filter_map(|frame| self.take(frame)));
            readings.extend(self.keys.tick(self.clock.now()).map(Reading::Entry));
            if !readings.is_empty() || (left.is_zero() && !self.collector.is_under_way()) {
                return Ok(readings);
            }
        }
    }

    fn look(&mut self) -> Result<String, DoorError> {
        let [d0, d1] = self.lines.levels()?;
        let stuck = match (d0, d1) {
            (false, false) => return Ok(format!("{}; both lines are at rest", self.describe())),
            (true, false) => "D0",
            (false, true) => "D1",
            (true, true) => "D0 and D1",
        };
        let (level, right) = match self.active {
            Active::Low => ("low", "high"),
            Active::High => ("high", "low"),
        };
        let why = format!(
            "{stuck} reads {level} while nothing is presented, and must rest {right}: is the reader powered, and does a level shifter invert \
             (active)?"
        );
        Err(DoorError::Read { wires: self.describe(), why })
    }

    fn kind(&self) -> ReaderKind {
        ReaderKind::Wiegand
    }

    fn describe(&self) -> String {
        format!("Wiegand on {}", self.lines.describe())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::SystemTime;

    use super::*;
    use crate::clock::SimulatedClock;
    use crate::door::keys::EntryEnds;
    use crate::door::{Pull, Unreadable};

    /// A reader whose pulses come by the simulated clock. Each step is a line and the microseconds until its pulse; `None` is an error.
    struct Script {
        clock: Arc<SimulatedClock>,
        steps: VecDeque<Option<(DataLine, u64)>>,
        levels: [bool; 2],
        /// As the kernel numbers pulses.
        sent: u32,
    }

    impl PulseLines for Script {
        fn pulses(&mut self, timeout: Duration) -> Result<Vec<Pulse>, DoorError> {
            match self.steps.pop_front() {
                Some(None) => {
                    self.sent = 0;
                    Err(DoorError::Read { wires: "script".into(), why: "gone".into() })
                }
                Some(Some((line, us))) if Duration::from_micros(us) < timeout => {
                    self.clock.advance(Duration::from_micros(us));
                    self.sent += 1;
                    Ok(vec![Pulse { line, at: self.clock.now().0, number: self.sent }])
                }
                later => {
                    self.clock.advance(timeout);
                    if let Some(Some((line, us))) = later {
                        let left = Duration::from_micros(us).saturating_sub(timeout).as_micros();
                        self.steps.push_front(Some((line, left as u64)));
                    }
                    Ok(Vec::new())
                }
            }
        }
        fn levels(&mut self) -> Result<[bool; 2], DoorError> {
            Ok(self.levels)
        }
        fn describe(&self) -> String {
            "script".to_owned()
        }
    }

    fn reader(ends: EntryEnds) -> Wiegand<Script> {
        let clock = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH));
        let script = Script { clock: clock.clone(), steps: VecDeque::new(), levels: [false; 2], sent: 0 };
        let settings = WiegandSettings { data: [None, None], active: Active::Low, pull: Pull::Up, ends };
        Wiegand::new(script, &settings, clock)
    }

    impl Wiegand<Script> {
        /// Adds a frame after a pause of `after_ms`, with 2 ms from bit to bit.
        fn plays(&mut self, bits: &str, after_ms: u64) {
            let mut wait = after_ms * 1000;
            for bit in bits.chars().filter(|c| *c != ' ') {
                let line = if bit == '1' { DataLine::D1 } else { DataLine::D0 };
                self.lines.steps.push_back(Some((line, wait)));
                wait = 2000;
            }
        }

        /// Everything that is read within `ms`.
        fn reads(&mut self, ms: u64) -> Vec<Reading> {
            let until = self.clock.now() + Duration::from_millis(ms);
            let mut readings = Vec::new();
            while self.clock.now() < until {
                readings.extend(self.wait(Duration::from_millis(250)).unwrap());
            }
            readings
        }
    }

    const CARD: &str = "1 01111011 1011001001101110 1";

    fn card() -> Reading {
        Reading::Entry(Entry::Tag("W26-123-45678".parse().unwrap()))
    }

    fn pin(digits: &str) -> Reading {
        Reading::Entry(Entry::Pin(digits.parse().unwrap()))
    }

    #[test]
    fn a_card_is_read_within_a_gap_of_its_last_bit() {
        let mut reader = reader(EntryEnds::default());
        reader.plays(CARD, 100);
        let start = reader.clock.now();
        assert_eq!(reader.wait(Duration::from_millis(250)), Ok(vec![card()]));
        let took = reader.clock.now().since(start).as_millis();
        assert_eq!(took, 100 + 25 * 2 + 25);
    }

    #[test]
    fn cards_in_a_row_are_all_read_and_a_spoilt_one_between_them_is_refused() {
        let mut reader = reader(EntryEnds::default());
        reader.plays(CARD, 100);
        reader.plays(&CARD.replace("1011001001101110", "1011001001101111"), 30);
        reader.plays(&CARD[..10], 500);
        reader.plays(CARD, 30);
        let spoilt = Reading::Unreadable(Unreadable::Parity { bits: 26 });
        let cut_off = Reading::Unreadable(Unreadable::NoFormat { bits: 9 });
        assert_eq!(reader.reads(2000), [card(), spoilt, cut_off, card()]);
    }

    #[test]
    fn a_keypad_on_the_same_wires_sends_key_by_key() {
        let mut reader = reader(EntryEnds::default());
        for key in ["0001", "0010", "0011", "1010", "1001", "0000", "0000", "0111", "1011"] {
            reader.plays(key, 300);
        }
        for key in ["1110 0001", "1101 0010", "1100 0011", "1011 0100", "0100 1011"] {
            reader.plays(key, 300);
        }
        assert_eq!(reader.reads(6000), [pin("9007"), pin("1234")], "1, 2, 3, *, 9, 0, 0, 7, # and 1, 2, 3, 4, #");
    }

    #[test]
    fn a_pause_ends_a_pin_without_another_pulse() {
        let mut reader = reader(EntryEnds { length: None, pause: Some(Duration::from_secs(3)) });
        for _ in 0..4 {
            reader.plays("0101", 200);
        }
        assert_eq!(reader.reads(3500), []);
        assert_eq!(reader.reads(1000), [pin("5555")]);
    }

    #[test]
    fn an_error_forgets_what_had_begun() {
        let mut reader = reader(EntryEnds::default());
        for _ in 0..3 {
            reader.plays("0101", 200);
        }
        reader.reads(1000);
        reader.plays(&CARD[..12], 10);
        reader.lines.steps.push_back(None);
        assert!(reader.wait(Duration::from_secs(1)).is_err());
        reader.plays("0101", 200);
        reader.plays("1011", 200);
        reader.plays(CARD, 200);
        assert_eq!(reader.reads(1500), [card()], "neither 5555 nor a longer card");
    }

    #[test]
    fn a_line_that_does_not_rest_is_found() {
        let mut reader = reader(EntryEnds::default());
        assert_eq!(reader.look().unwrap(), "Wiegand on script; both lines are at rest");
        reader.lines.levels = [false, true];
        let error = reader.look().unwrap_err().to_string();
        assert!(error.contains("D1 reads low") && error.contains("must rest high"), "{error}");
    }
}
