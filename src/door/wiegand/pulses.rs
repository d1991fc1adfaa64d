//! Pulses to bits: each pulse on D0 is a 0, each on D1 a 1, and a silence ends the frame. Pure: times are the kernel's, given with each pulse.
//!
//! SIA AC-01-1996.10 has pulses of 20 to 100 µs that begin 0.2 to 20 ms apart. Only the beginnings count: a kernel that is asked for both ends of
//! such a pulse reads the level after the pulse is over, and reports two equal edges (docs/decisions/098).

use std::time::Duration;

use super::super::Unreadable;

/// A silence that ends a frame: longer than any between two bits.
pub const GAP: Duration = Duration::from_millis(25);
/// Pulses do not begin nearer to each other than this. One on the same line is an echo of the pulse before, one on the other line a fault.
pub const NEAREST: Duration = Duration::from_micros(200);
/// The most bits that are kept; no known format has more than 37.
const MOST_BITS: u32 = 64;
/// The most pulses of a frame that are kept, with echoes.
const MOST_PULSES: usize = 256;
/// The kernel numbers the pulses of a claim from this.
const FIRST_NUMBER: u32 = 1;

/// One of the two lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataLine {
    D0,
    D1,
}

/// The beginning of a pulse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    pub line: DataLine,
    /// By the kernel's monotonic clock.
    pub at: Duration,
    /// Its number on both lines together, given in the interrupt. A busy kernel may deliver pulses of the two lines in another order.
    pub number: u32,
}

/// The bits of a frame, the first one highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    pub value: u64,
    pub count: u32,
}

/// Collects pulses.
#[derive(Debug)]
pub struct PulseCollector {
    /// Those of the frame that has begun, as they came.
    pulses: Vec<Pulse>,
    /// When the newest of them began; `None` between frames.
    newest: Option<Duration>,
    /// The number after the newest.
    next_number: u32,
    /// The number that the frame begins with if no pulse was lost.
    first_number: u32,
}

impl Default for PulseCollector {
    fn default() -> PulseCollector {
        PulseCollector { pulses: Vec::new(), newest: None, next_number: FIRST_NUMBER, first_number: FIRST_NUMBER }
    }
}

impl PulseCollector {
    /// Adds a pulse. Returns the frame that was over before it began.
    pub fn pulse(&mut self, pulse: Pulse) -> Option<Result<Bits, Unreadable>> {
        let over = self.newest.is_some_and(|newest| pulse.at.saturating_sub(newest) >= GAP);
        let frame = if over { self.quiet() } else { None };
        self.newest = self.newest.max(Some(pulse.at));
        let next = pulse.number.wrapping_add(1);
        // The later of the two, also where the numbers begin anew.
        if next.wrapping_sub(self.next_number) < u32::MAX / 2 {
            self.next_number = next;
        }
        // One more than fits shows that there were too many.
        if self.pulses.len() <= MOST_PULSES {
            self.pulses.push(pulse);
        }
        frame
    }

    /// There was no pulse for [`GAP`]: returns the frame.
    pub fn quiet(&mut self) -> Option<Result<Bits, Unreadable>> {
        self.newest.take()?;
        let mut pulses = std::mem::take(&mut self.pulses);
        let first = std::mem::replace(&mut self.first_number, self.next_number);
        if pulses.len() > MOST_PULSES {
            return Some(Err(Unreadable::TooManyBits { most: MOST_BITS }));
        }
        pulses.sort_by_key(|pulse| pulse.number.wrapping_sub(first));
        let whole = (0..).zip(&pulses).all(|(place, pulse)| pulse.number == first.wrapping_add(place));
        Some(if whole { bits(&pulses) } else { Err(Unreadable::PulsesLost) })
    }

    /// Whether a frame has begun.
    pub fn is_under_way(&self) -> bool {
        self.newest.is_some()
    }

    /// Forgets what has arrived of a frame. The lines will be claimed again, and their pulses numbered anew.
    pub fn forget(&mut self) {
        *self = PulseCollector::default();
    }
}

/// The bits of the pulses of a frame, in their order.
fn bits(pulses: &[Pulse]) -> Result<Bits, Unreadable> {
    let mut bits = Bits::default();
    let mut last: Option<Pulse> = None;
    for pulse in pulses {
        if let Some(last) = last.filter(|last| pulse.at.saturating_sub(last.at) < NEAREST) {
            if pulse.line != last.line {
                return Err(Unreadable::BothLines);
            }
            // An echo does not prolong the time in which the next one counts as an echo.
            continue;
        }
        if bits.count >= MOST_BITS {
            return Err(Unreadable::TooManyBits { most: MOST_BITS });
        }
        let bit = u64::from(pulse.line == DataLine::D1);
        bits = Bits { value: (bits.value << 1) | bit, count: bits.count.saturating_add(1) };
        last = Some(*pulse);
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A collector, and pulses with the numbers that the kernel gives.
    #[derive(Default)]
    struct Lines {
        collector: PulseCollector,
        sent: u32,
    }

    impl Lines {
        fn number(&mut self) -> u32 {
            self.sent += 1;
            self.sent
        }

        /// A pulse, and what it ends.
        fn pulse(&mut self, line: DataLine, us: u64) -> Option<Result<Bits, Unreadable>> {
            let number = self.number();
            self.collector.pulse(Pulse { line, at: Duration::from_micros(us), number })
        }

        /// Sends `bits` from `start`, a pulse every `period` microseconds. Returns what came out meanwhile, and the time of the next pulse.
        fn send(&mut self, bits: &[bool], start: u64, period: u64) -> (Vec<Result<Bits, Unreadable>>, u64) {
            let mut now = start;
            let mut frames = Vec::new();
            for &bit in bits {
                frames.extend(self.pulse(line(bit), now));
                now += period;
            }
            (frames, now)
        }
    }

    fn line(bit: bool) -> DataLine {
        if bit { DataLine::D1 } else { DataLine::D0 }
    }

    fn value(bits: &[bool]) -> Bits {
        Bits { value: bits.iter().fold(0, |value, &bit| value << 1 | u64::from(bit)), count: bits.len() as u32 }
    }

    const BITS: [bool; 5] = [true, false, true, true, false];

    #[test]
    fn a_silence_ends_a_frame_with_or_without_a_pulse_after_it() {
        let mut lines = Lines::default();
        assert_eq!(lines.collector.quiet(), None, "nothing has begun");
        let (frames, _) = lines.send(&BITS, 1_000_000, 2000);
        assert!(frames.is_empty() && lines.collector.is_under_way());
        assert_eq!(lines.collector.quiet(), Some(Ok(value(&BITS))));
        assert_eq!((lines.collector.quiet(), lines.collector.is_under_way()), (None, false));
        let (_, next) = lines.send(&BITS, 2_000_000, 2000);
        let (frames, _) = lines.send(&BITS[..2], next - 2000 + 25_000, 2000);
        assert_eq!(frames, [Ok(value(&BITS))], "the next frame begins 25 ms after the last bit");
        assert_eq!(lines.collector.quiet(), Some(Ok(value(&BITS[..2]))));
        let (_, next) = lines.send(&BITS, 3_000_000, 2000);
        let (frames, _) = lines.send(&BITS, next - 2000 + 24_999, 2000);
        let count = lines.collector.quiet().unwrap().unwrap().count;
        assert_eq!((frames.len(), count), (0, 10), "a shorter silence ends nothing");
    }

    #[test]
    fn an_echo_of_a_pulse_is_no_bit() {
        let mut lines = Lines::default();
        for at in [0, 3, 19, 80, 199, 200, 260, 2000] {
            assert_eq!(lines.pulse(DataLine::D1, at), None);
        }
        let three = Bits { value: 0b111, count: 3 };
        assert_eq!(lines.collector.quiet(), Some(Ok(three)), "at 0, 200 and 2000 µs");
    }

    #[test]
    fn both_lines_at_once_spoil_the_frame_and_not_the_next() {
        let mut lines = Lines::default();
        lines.send(&BITS, 0, 2000);
        lines.pulse(DataLine::D0, 10_000);
        lines.pulse(DataLine::D1, 10_199);
        lines.pulse(DataLine::D1, 12_000);
        let (frames, _) = lines.send(&BITS, 50_000, 2000);
        assert_eq!(frames, [Err(Unreadable::BothLines)]);
        assert_eq!(lines.collector.quiet(), Some(Ok(value(&BITS))));
    }

    #[test]
    fn lost_pulses_and_endless_frames_are_faults_of_one_frame() {
        let mut lines = Lines::default();
        lines.send(&BITS, 0, 2000);
        lines.number();
        lines.send(&BITS, 10_000, 2000);
        let (frames, _) = lines.send(&BITS, 50_000, 2000);
        assert_eq!(frames, [Err(Unreadable::PulsesLost)], "one in the middle");
        lines.number();
        let (frames, _) = lines.send(&BITS, 100_000, 2000);
        assert_eq!(frames, [Ok(value(&BITS))]);
        assert_eq!(lines.collector.quiet(), Some(Err(Unreadable::PulsesLost)), "one before the first");
        for many in [65, 256, 257, 5000] {
            lines.send(&vec![true; many], 1_000_000, 1000);
            assert_eq!(lines.collector.quiet(), Some(Err(Unreadable::TooManyBits { most: 64 })), "{many}");
        }
        lines.send(&BITS, 9_000_000, 2000);
        assert_eq!(lines.collector.quiet(), Some(Ok(value(&BITS))));
        lines.send(&BITS, 10_000_000, 2000);
        lines.collector.forget();
        assert_eq!(lines.collector.quiet(), None);
        lines.sent = 0;
        lines.send(&BITS, 11_000_000, 2000);
        assert_eq!(lines.collector.quiet(), Some(Ok(value(&BITS))), "claimed again, and numbered anew");
    }

    #[test]
    fn numbers_may_begin_anew_within_a_frame() {
        let mut lines = Lines::default();
        let numbers = [u32::MAX - 1, u32::MAX, 0, 1, 2];
        (lines.collector.first_number, lines.collector.next_number) = (u32::MAX - 1, u32::MAX - 1);
        for (at, (&bit, number)) in (0..).zip(BITS.iter().zip(numbers)) {
            lines.collector.pulse(Pulse { line: line(bit), at: Duration::from_millis(at), number });
        }
        assert_eq!(lines.collector.quiet(), Some(Ok(value(&BITS))));
        assert_eq!(lines.collector.first_number, 3);
    }

    proptest! {
        #[test]
        fn bits_come_out_as_they_went_in_whatever_order_the_kernel_delivers(
            bits in prop::collection::vec(any::<bool>(), 1..=64),
            periods in prop::collection::vec(NEAREST.as_micros() as u64..GAP.as_micros() as u64 / 4, 64),
            late in prop::collection::vec(0usize..4, 64),
        ) {
            let mut now = 0;
            let mut pulses = Vec::new();
            for (place, (&bit, period)) in bits.iter().zip(periods).enumerate() {
                let pulse = Pulse { line: line(bit), at: Duration::from_micros(now), number: place as u32 + 1 };
                pulses.push((place + late[place], pulse));
                now += period;
            }
            // Each is delivered up to three places late, which is less than a silence.
            pulses.sort_by_key(|(place, _)| *place);
            let mut collector = PulseCollector::default();
            for (_, pulse) in pulses {
                prop_assert_eq!(collector.pulse(pulse), None);
            }
            prop_assert_eq!(collector.quiet(), Some(Ok(value(&bits))));
        }

        #[test]
        fn echoes_change_nothing(
            bits in prop::collection::vec(any::<bool>(), 1..=40),
            echoes in prop::collection::vec((0usize..40, 1u64..200), 0..20),
        ) {
            let mut pulses: Vec<(u64, bool)> = bits.iter().enumerate().map(|(at, &bit)| (at as u64 * 1000, bit)).collect();
            for (of, later) in echoes {
                let (at, bit) = pulses[of % bits.len()];
                pulses.push((at + later, bit));
            }
            pulses.sort_by_key(|(at, _)| *at);
            let mut lines = Lines::default();
            for (at, bit) in pulses {
                lines.pulse(line(bit), at);
            }
            prop_assert_eq!(lines.collector.quiet(), Some(Ok(value(&bits))));
        }

        #[test]
        fn no_pulses_panic(pulses in prop::collection::vec((any::<bool>(), any::<u64>(), any::<u32>()), 0..400)) {
            let mut collector = PulseCollector::default();
            for (one, ns, number) in pulses {
                collector.pulse(Pulse { line: line(one), at: Duration::from_nanos(ns), number });
            }
            prop_assert!(collector.quiet().is_none_or(|frame| frame.is_err() || frame.is_ok_and(|bits| bits.count <= 64)));
        }
    }
}
