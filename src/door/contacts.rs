//! The inputs: door sensor, exit button, tamper contact; and those that have to be asked again and again because nothing tells of
//! an edge.
//!
//! Knows nothing of lines and levels: an input is active or at rest. Nothing here reads a clock; time is counted in samples.

use std::thread;
use std::time::Duration;

use super::{DoorError, InputSettings};
use crate::domain::Input;

/// An input is active, or at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub input: Input,
    pub active: bool,
}

/// The inputs of one door. Used from a thread of its own.
pub trait Contacts: Send {
    /// The levels now, one [`Change`] for each configured input. [`Contacts::wait`] tells what differs from these.
    fn read(&mut self) -> Result<Vec<Change>, DoorError>;

    /// Waits until an input has changed, debounced, or until `timeout` is over, which may come some hundredths of a second late.
    /// Empty when nothing changed, also before the time is over. Several changes of one input stand in their order.
    ///
    /// After an error it can be called again at any time, and tries to get its lines back; the first call that succeeds tells
    /// what changed meanwhile.
    fn wait(&mut self, timeout: Duration) -> Result<Vec<Change>, DoorError>;

    /// Each input and its line, for logs and for `usher doctor`.
    fn describe(&self) -> Vec<String>;
}

/// Inputs that can be asked for their present levels, and no more.
pub(super) trait Levels: Send {
    /// Whether each input is active, in the order of the settings.
    fn levels(&mut self) -> Result<Vec<bool>, DoorError>;

    /// As [`Contacts::describe`].
    fn describe(&self) -> Vec<String>;
}

/// [`Levels`] made [`Contacts`] by asking at a fixed interval.
pub(super) struct Polled<L> {
    levels: L,
    interval: Duration,
    inputs: Vec<(Input, Debouncer)>,
}

impl<L: Levels> Polled<L> {
    /// Asks `levels` every `interval`. Before anything was told, all inputs count as at rest.
    pub fn new(levels: L, inputs: &[(Input, InputSettings)], interval: Duration) -> Polled<L> {
        let inputs = inputs.iter().map(|(input, settings)| (*input, Debouncer::new(settings.debounce, interval)));
        Polled { levels, interval, inputs: inputs.collect() }
    }

    fn sample(&mut self) -> Result<Vec<Change>, DoorError> {
        let levels = self.levels.levels().inspect_err(|_| {
            // What was seen before a gap says nothing about the time after it.
            self.inputs.iter_mut().for_each(|(_, debouncer)| debouncer.differing = 0);
        })?;
        let inputs = self.inputs.iter_mut().zip(levels);
        Ok(inputs
            .filter_map(|((input, debouncer), active)| {
                debouncer.sample(active).then_some(Change { input: *input, active })
            })
            .collect())
    }
}

impl<L: Levels> Contacts for Polled<L> {
    fn read(&mut self) -> Result<Vec<Change>, DoorError> {
        let levels = self.levels.levels()?;
        let inputs = self.inputs.iter_mut().zip(levels);
        Ok(inputs
            .map(|((input, debouncer), active)| {
                (debouncer.told, debouncer.differing) = (active, 0);
                Change { input: *input, active }
            })
            .collect())
    }

    fn wait(&mut self, timeout: Duration) -> Result<Vec<Change>, DoorError> {
        let samples = timeout.as_nanos().div_ceil(self.interval.as_nanos().max(1)).max(1);
        for _ in 0..samples {
            thread::sleep(self.interval);
            let changes = self.sample()?;
            if !changes.is_empty() {
                return Ok(changes);
            }
        }
        Ok(Vec::new())
    }

    fn describe(&self) -> Vec<String> {
        self.levels.describe()
    }
}

/// One input's samples: a new level counts when it has lasted.
struct Debouncer {
    /// What was told last.
    told: bool,
    /// How many samples in a row differed from that.
    differing: u32,
    /// How many must.
    needed: u32,
}

impl Debouncer {
    /// A level that is seen at both ends of `debounce` and at each sample between them has lasted.
    fn new(debounce: Duration, interval: Duration) -> Debouncer {
        let intervals = debounce.as_nanos().div_ceil(interval.as_nanos().max(1));
        Debouncer { told: false, differing: 0, needed: u32::try_from(intervals).unwrap_or(u32::MAX).saturating_add(1) }
    }

    /// Whether this sample makes a new level count.
    fn sample(&mut self, active: bool) -> bool {
        self.differing = if active == self.told { 0 } else { self.differing.saturating_add(1) };
        let counts = self.differing >= self.needed;
        if counts {
            (self.told, self.differing) = (active, 0);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::door::{Contact, Pull};

    /// Levels by a script; an error at each `None`, and the last ones for good.
    struct Script(VecDeque<Option<Vec<bool>>>);

    impl Levels for Script {
        fn levels(&mut self) -> Result<Vec<bool>, DoorError> {
            let next = if self.0.len() > 1 { self.0.pop_front() } else { self.0.front().cloned() };
            next.flatten().ok_or_else(|| DoorError::Read { wires: "script".into(), why: "gap".into() })
        }
        fn describe(&self) -> Vec<String> {
            vec!["script".to_owned()]
        }
    }

    const INTERVAL: Duration = Duration::from_micros(10);

    /// A door sensor and an exit button, which must last for `samples` more samples.
    fn polled(samples: u32, script: &[Option<[u8; 2]>]) -> Polled<Script> {
        let settings =
            InputSettings { line: None, contact: Contact::NormallyOpen, pull: Pull::Up, debounce: INTERVAL * samples };
        let levels = script.iter().map(|step| step.map(|levels| levels.map(|level| level == 1).to_vec()));
        let inputs = [(Input::Sensor, settings.clone()), (Input::ExitButton, settings)];
        Polled::new(Script(levels.collect()), &inputs, INTERVAL)
    }

    fn sensor(active: bool) -> Change {
        Change { input: Input::Sensor, active }
    }

    fn button(active: bool) -> Change {
        Change { input: Input::ExitButton, active }
    }

    #[test]
    fn only_what_lasts_is_told_and_once() {
        let mut contacts =
            polled(2, &[[0, 0], [1, 0], [0, 0], [1, 0], [1, 1], [1, 1], [1, 1], [1, 0], [1, 1]].map(Some));
        assert_eq!(contacts.read(), Ok(vec![sensor(false), button(false)]));
        let forever = Duration::from_secs(1);
        assert_eq!(contacts.wait(forever), Ok(vec![sensor(true)]), "after three in a row");
        assert_eq!(contacts.wait(forever), Ok(vec![button(true)]));
        assert_eq!(contacts.wait(INTERVAL * 50), Ok(vec![]), "a release that did not last");
    }

    #[test]
    fn what_read_has_told_is_not_told_again() {
        let mut contacts = polled(0, &[[1, 0], [1, 0], [1, 0], [0, 1]].map(Some));
        assert_eq!(contacts.read(), Ok(vec![sensor(true), button(false)]));
        assert_eq!(contacts.wait(INTERVAL), Ok(vec![]));
        assert_eq!(contacts.wait(INTERVAL * 9), Ok(vec![sensor(false), button(true)]));
    }

    #[test]
    fn without_a_reading_before_rest_is_assumed() {
        assert_eq!(polled(0, &[Some([1, 0])]).wait(INTERVAL), Ok(vec![sensor(true)]));
    }

    #[test]
    fn a_gap_is_an_error_and_does_not_count_as_lasting() {
        let script = [Some([0, 0]), Some([1, 0]), None, Some([1, 0]), Some([0, 0])];
        let mut contacts = polled(1, &script);
        contacts.read().unwrap();
        assert!(contacts.wait(INTERVAL * 9).is_err());
        assert_eq!(contacts.wait(INTERVAL * 9), Ok(vec![]), "seen once before and once after the gap");

        let mut contacts = polled(1, &[Some([0, 0]), None, Some([1, 0])]);
        contacts.read().unwrap();
        assert!(contacts.wait(INTERVAL * 9).is_err());
        assert_eq!(contacts.wait(INTERVAL * 9), Ok(vec![sensor(true)]), "what changed meanwhile is told");
    }

    proptest! {
        #[test]
        fn told_levels_alternate_and_have_lasted(samples in prop::collection::vec(any::<bool>(), 0..200), more in 0u32..5) {
            let mut debouncer = Debouncer::new(INTERVAL * more, INTERVAL);
            let mut told = false;
            for (at, &active) in samples.iter().enumerate() {
                let counts = debouncer.sample(active);
                let first = (at + 1).saturating_sub(more as usize + 1);
                let lasted = at >= more as usize && samples[first..=at].iter().all(|&sample| sample == active);
                prop_assert_eq!(counts, lasted && active != told);
                if counts {
                    told = active;
                }
            }
        }
    }
}
