//! The inputs: door sensor, exit button, tamper contact. Also polling and debouncing for lines without edge detection, where time is counted in
//! samples.

use std::thread;
use std::time::Duration;

use super::{DoorError, InputSettings};
use crate::domain::Input;

/// The new state of an input: active, or at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputChange {
    pub input: Input,
    pub active: bool,
}

/// The inputs of one door, used from a thread of their own.
pub trait Contacts: Send {
    /// The current state of each configured input. [`Contacts::wait`] returns changes from these.
    ///
    /// # Errors
    /// The inputs cannot be read.
    fn read(&mut self) -> Result<Vec<InputChange>, DoorError>;

    /// Waits for debounced changes, for `timeout` and some hundredths of a second at most. May return early without any. Several changes of one
    /// input are in their order.
    ///
    /// # Errors
    /// The inputs cannot be read. It can be called again at any time and tries to claim its lines again; the first call that succeeds returns what
    /// changed in the meantime.
    fn wait(&mut self, timeout: Duration) -> Result<Vec<InputChange>, DoorError>;

    /// Each input with its line, for logs and for `usher doctor`.
    fn describe(&self) -> Vec<String>;
}

/// Inputs that can only be read.
pub(super) trait Levels: Send {
    /// Whether each input is active, in the order of the settings.
    ///
    /// # Errors
    /// The inputs cannot be read.
    fn levels(&mut self) -> Result<Vec<bool>, DoorError>;

    /// As [`Contacts::describe`].
    fn describe(&self) -> Vec<String>;
}

/// Makes [`Contacts`] of [`Levels`] by polling at a fixed interval.
pub(super) struct Polled<L> {
    levels: L,
    interval: Duration,
    inputs: Vec<(Input, Debouncer)>,
}

impl<L: Levels> Polled<L> {
    /// Polls `levels` every `interval`. Before the first reading all inputs count as at rest.
    pub fn new(levels: L, inputs: &[(Input, InputSettings)], interval: Duration) -> Polled<L> {
        let inputs = inputs.iter().map(|(input, settings)| (*input, Debouncer::new(settings.debounce, interval)));
        Polled { levels, interval, inputs: inputs.collect() }
    }

    fn sample(&mut self) -> Result<Vec<InputChange>, DoorError> {
        let levels = self.levels.levels().inspect_err(|_| {
            // Samples before a gap do not count for the time after it.
            self.inputs.iter_mut().for_each(|(_, debouncer)| debouncer.differing = 0);
        })?;
        let inputs = self.inputs.iter_mut().zip(levels);
        Ok(inputs
            .filter_map(|((input, debouncer), active)| {
                debouncer.sample(active).then_some(InputChange { input: *input, active })
            })
            .collect())
    }
}

impl<L: Levels> Contacts for Polled<L> {
    fn read(&mut self) -> Result<Vec<InputChange>, DoorError> {
        let levels = self.levels.levels()?;
        let inputs = self.inputs.iter_mut().zip(levels);
        Ok(inputs
            .map(|((input, debouncer), active)| {
                (debouncer.current, debouncer.differing) = (active, 0);
                InputChange { input: *input, active }
            })
            .collect())
    }

    fn wait(&mut self, timeout: Duration) -> Result<Vec<InputChange>, DoorError> {
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

/// Debounces the samples of one input: a new level counts once it has lasted.
pub(super) struct Debouncer {
    /// The level that counts.
    current: bool,
    /// How many samples in a row have differed from it.
    differing: u32,
    /// How many samples in a row make a new level count.
    needed: u32,
}

impl Debouncer {
    /// A level has lasted if it was read at both ends of `debounce` and at each sample between them.
    pub fn new(debounce: Duration, interval: Duration) -> Debouncer {
        let intervals = debounce.as_nanos().div_ceil(interval.as_nanos().max(1));
        Debouncer {
            current: false,
            differing: 0,
            needed: u32::try_from(intervals).unwrap_or(u32::MAX).saturating_add(1),
        }
    }

    /// The level that counts.
    pub fn level(&self) -> bool {
        self.current
    }

    /// Takes the input for at rest.
    pub fn rest(&mut self) {
        (self.current, self.differing) = (false, 0);
    }

    /// Adds a sample. Returns whether a new level counts now.
    pub fn sample(&mut self, active: bool) -> bool {
        self.differing = if active == self.current { 0 } else { self.differing.saturating_add(1) };
        let counts = self.differing >= self.needed;
        if counts {
            (self.current, self.differing) = (active, 0);
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

    /// Levels by a script: an error at each `None`, and the last step forever.
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

    fn sensor(active: bool) -> InputChange {
        InputChange { input: Input::Sensor, active }
    }

    fn button(active: bool) -> InputChange {
        InputChange { input: Input::ExitButton, active }
    }

    #[test]
    fn only_lasting_changes_are_returned_and_once() {
        let mut contacts =
            polled(2, &[[0, 0], [1, 0], [0, 0], [1, 0], [1, 1], [1, 1], [1, 1], [1, 0], [1, 1]].map(Some));
        assert_eq!(contacts.read(), Ok(vec![sensor(false), button(false)]));
        let forever = Duration::from_secs(1);
        assert_eq!(contacts.wait(forever), Ok(vec![sensor(true)]), "after three in a row");
        assert_eq!(contacts.wait(forever), Ok(vec![button(true)]));
        assert_eq!(contacts.wait(INTERVAL * 50), Ok(vec![]), "a release that did not last");
    }

    #[test]
    fn wait_does_not_repeat_what_read_returned() {
        let mut contacts = polled(0, &[[1, 0], [1, 0], [1, 0], [0, 1]].map(Some));
        assert_eq!(contacts.read(), Ok(vec![sensor(true), button(false)]));
        assert_eq!(contacts.wait(INTERVAL), Ok(vec![]));
        assert_eq!(contacts.wait(INTERVAL * 9), Ok(vec![sensor(false), button(true)]));
    }

    #[test]
    fn without_a_reading_inputs_count_as_at_rest() {
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
        assert_eq!(contacts.wait(INTERVAL * 9), Ok(vec![sensor(true)]), "a change during the gap is returned");
    }

    proptest! {
        #[test]
        fn levels_that_count_alternate_and_have_lasted(samples in prop::collection::vec(any::<bool>(), 0..200), more in 0u32..5) {
            let mut debouncer = Debouncer::new(INTERVAL * more, INTERVAL);
            let mut current = false;
            for (at, &active) in samples.iter().enumerate() {
                let counts = debouncer.sample(active);
                let first = (at + 1).saturating_sub(more as usize + 1);
                let lasted = at >= more as usize && samples[first..=at].iter().all(|&sample| sample == active);
                prop_assert_eq!(counts, lasted && active != current);
                if counts {
                    current = active;
                }
            }
        }
    }
}
