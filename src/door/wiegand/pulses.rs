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
    /// The kernel dropped pulses before this one.
    pub after_loss: bool,
}

/// The bits of a frame, the first one highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    pub value: u64,
    pub count: u32,
}

/// Collects pulses.
#[derive(Debug, Default)]
pub struct PulseCollector {
    bits: Bits,
    fault: Option<Unreadable>,
    last: Option<Pulse>,
}

impl PulseCollector {
    /// Adds a pulse. Returns the frame that was over before it began.
    pub fn pulse(&mut self, pulse: Pulse) -> Option<Result<Bits, Unreadable>> {
        let since = self.last.map(|last| pulse.at.saturating_sub(last.at));
        let over = since.is_some_and(|since| since >= GAP);
        let frame = if over { self.quiet() } else { None };
        match self.last.filter(|_| !over) {
            Some(last) if pulse.at < last.at => self.fault = Some(Unreadable::PulsesLost),
            Some(last) if pulse.at.saturating_sub(last.at) < NEAREST => {
                if pulse.line != last.line {
                    self.fault = Some(Unreadable::BothLines);
                }
                // An echo does not prolong the time in which the next one counts as an echo.
                return frame;
            }
            _ => {}
        }
        if pulse.after_loss {
            self.fault = Some(Unreadable::PulsesLost);
        }
        self.push(pulse.line);
        self.last = Some(pulse);
        frame
    }

    /// There was no pulse for [`GAP`]: returns the frame.
    pub fn quiet(&mut self) -> Option<Result<Bits, Unreadable>> {
        self.last.take()?;
        let bits = std::mem::take(&mut self.bits);
        Some(self.fault.take().map_or(Ok(bits), Err))
    }

    /// Whether a frame has begun.
    pub fn is_under_way(&self) -> bool {
        self.last.is_some()
    }

    /// Forgets what has arrived of a frame.
    pub fn forget(&mut self) {
        *self = PulseCollector::default();
    }

    fn push(&mut self, line: DataLine) {
        if self.bits.count >= MOST_BITS {
            self.fault = Some(Unreadable::TooManyBits { most: MOST_BITS });
            return;
        }
        let bit = u64::from(line == DataLine::D1);
        self.bits = Bits { value: (self.bits.value << 1) | bit, count: self.bits.count.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pulse(line: DataLine, us: u64) -> Pulse {
        Pulse { line, at: Duration::from_micros(us), after_loss: false }
    }

    /// Sends `bits` from `start`, a pulse every `period` microseconds. Returns what came out meanwhile, and the time of the next pulse.
    fn send(
        collector: &mut PulseCollector,
        bits: &[bool],
        start: u64,
        period: u64,
    ) -> (Vec<Result<Bits, Unreadable>>, u64) {
        let mut now = start;
        let mut frames = Vec::new();
        for &bit in bits {
            frames.extend(collector.pulse(pulse(if bit { DataLine::D1 } else { DataLine::D0 }, now)));
            now += period;
        }
        (frames, now)
    }

    fn value(bits: &[bool]) -> Bits {
        Bits { value: bits.iter().fold(0, |value, &bit| value << 1 | u64::from(bit)), count: bits.len() as u32 }
    }

    const BITS: [bool; 5] = [true, false, true, true, false];

    #[test]
    fn a_silence_ends_a_frame_with_or_without_a_pulse_after_it() {
        let mut collector = PulseCollector::default();
        assert_eq!(collector.quiet(), None, "nothing has begun");
        let (frames, _) = send(&mut collector, &BITS, 1_000_000, 2000);
        assert!(frames.is_empty() && collector.is_under_way());
        assert_eq!(collector.quiet(), Some(Ok(value(&BITS))));
        assert_eq!((collector.quiet(), collector.is_under_way()), (None, false));
        let (_, next) = send(&mut collector, &BITS, 2_000_000, 2000);
        let (frames, _) = send(&mut collector, &BITS[..2], next - 2000 + 25_000, 2000);
        assert_eq!(frames, [Ok(value(&BITS))], "the next frame begins 25 ms after the last bit");
        assert_eq!(collector.quiet(), Some(Ok(value(&BITS[..2]))));
        let (_, next) = send(&mut collector, &BITS, 3_000_000, 2000);
        let (frames, _) = send(&mut collector, &BITS, next - 2000 + 24_999, 2000);
        assert_eq!(
            (frames.len(), collector.quiet().unwrap().unwrap().count),
            (0, 10),
            "a shorter silence ends nothing"
        );
    }

    #[test]
    fn an_echo_of_a_pulse_is_no_bit() {
        let mut collector = PulseCollector::default();
        for at in [0, 3, 19, 80, 199, 200, 260, 2000] {
            assert_eq!(collector.pulse(pulse(DataLine::D1, at)), None);
        }
        assert_eq!(collector.quiet(), Some(Ok(Bits { value: 0b111, count: 3 })), "at 0, 200 and 2000 µs");
    }

    #[test]
    fn both_lines_at_once_spoil_the_frame_and_not_the_next() {
        let mut collector = PulseCollector::default();
        send(&mut collector, &BITS, 0, 2000);
        collector.pulse(pulse(DataLine::D0, 10_000));
        collector.pulse(pulse(DataLine::D1, 10_199));
        collector.pulse(pulse(DataLine::D1, 12_000));
        let (frames, _) = send(&mut collector, &BITS, 50_000, 2000);
        assert_eq!(frames, [Err(Unreadable::BothLines)]);
        assert_eq!(collector.quiet(), Some(Ok(value(&BITS))));
    }

    #[test]
    fn lost_pulses_time_that_runs_back_and_endless_frames_are_faults() {
        let mut collector = PulseCollector::default();
        send(&mut collector, &BITS, 0, 2000);
        collector.pulse(Pulse { after_loss: true, ..pulse(DataLine::D0, 11_000) });
        assert_eq!(collector.quiet(), Some(Err(Unreadable::PulsesLost)));
        send(&mut collector, &BITS, 100_000, 2000);
        collector.pulse(pulse(DataLine::D0, 50));
        assert_eq!(collector.quiet(), Some(Err(Unreadable::PulsesLost)));
        send(&mut collector, &[true; 65], 200_000, 1000);
        assert_eq!(collector.quiet(), Some(Err(Unreadable::TooManyBits { most: 64 })));
        send(&mut collector, &BITS, 0, 2000);
        collector.forget();
        assert_eq!(collector.quiet(), None);
    }

    proptest! {
        #[test]
        fn bits_come_out_as_they_went_in(
            bits in prop::collection::vec(any::<bool>(), 1..=64),
            periods in prop::collection::vec(NEAREST.as_micros() as u64..GAP.as_micros() as u64, 64),
        ) {
            let mut collector = PulseCollector::default();
            let mut now = 0;
            for (&bit, period) in bits.iter().zip(periods) {
                prop_assert_eq!(collector.pulse(pulse(if bit { DataLine::D1 } else { DataLine::D0 }, now)), None);
                now += period;
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
            let mut collector = PulseCollector::default();
            for (at, bit) in pulses {
                collector.pulse(pulse(if bit { DataLine::D1 } else { DataLine::D0 }, at));
            }
            prop_assert_eq!(collector.quiet(), Some(Ok(value(&bits))));
        }

        #[test]
        fn no_pulses_panic(pulses in prop::collection::vec((any::<bool>(), any::<u64>(), any::<bool>()), 0..200)) {
            let mut collector = PulseCollector::default();
            for (one, ns, after_loss) in pulses {
                let line = if one { DataLine::D1 } else { DataLine::D0 };
                collector.pulse(Pulse { line, at: Duration::from_nanos(ns), after_loss });
            }
            prop_assert!(collector.quiet().is_none_or(|frame| frame.is_err() || frame.is_ok_and(|bits| bits.count <= 64)));
        }
    }
}
