//! Wires without a device, for tests and demonstrations: each level is logged and remembered, and a file sets the inputs.

mod inputs;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::contacts::Polled;
use super::{DoorError, Driver, Indicator, Input, InputSettings, Level, Signal, Wires, Wiring, WiringSettings};
use crate::clock::Clock;
use crate::domain::Moment;

/// How many levels a [`History`] remembers.
const HISTORY: usize = 1024;

/// The levels of simulated wires.
#[derive(Clone, Default)]
pub struct History(Arc<Mutex<VecDeque<(Moment, Level)>>>);

impl History {
    /// Each level that was written and when, oldest first; the last 1024 of them.
    pub fn levels(&self) -> Vec<(Moment, Level)> {
        self.lock().iter().copied().collect()
    }

    /// The current level; `None` before the first was written.
    pub fn level(&self) -> Option<Level> {
        self.lock().back().map(|&(_, level)| level)
    }

    fn push(&self, entry: (Moment, Level)) {
        let mut levels = self.lock();
        if levels.len() == HISTORY {
            levels.pop_front();
        }
        levels.push_back(entry);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Moment, Level)>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// How often the file that sets the inputs is read.
const READ_EVERY: Duration = Duration::from_millis(50);

/// Simulated wires for `settings`.
pub(super) fn open(settings: &WiringSettings, clock: Arc<dyn Clock>) -> Wiring {
    let path = match &settings.driver {
        Driver::Simulated { inputs } => inputs.clone(),
        Driver::Rppal | Driver::Gpiocdev { .. } => None,
    };
    let known: Vec<Input> = settings.inputs.iter().map(|(input, _)| *input).collect();
    // An editor empties a file before it writes it, so a state must be read twice.
    let twice = |(input, settings): &(Input, InputSettings)| {
        (*input, InputSettings { debounce: READ_EVERY, ..settings.clone() })
    };
    let twice: Vec<_> = settings.inputs.iter().map(twice).collect();
    Wiring {
        relay: Box::new(Simulated::new(clock)),
        indicator: settings.indicator.is_some().then(|| Box::new(SimulatedIndicator) as Box<dyn Indicator>),
        contacts: (!known.is_empty())
            .then(|| Box::new(Polled::new(inputs::FileInputs::new(path, known), &twice, READ_EVERY)) as Box<_>),
        readers: Vec::new(),
    }
}

/// Lamps that are only logged.
struct SimulatedIndicator;

impl Indicator for SimulatedIndicator {
    fn show(&mut self, signal: Signal) -> Result<(), DoorError> {
        tracing::info!(?signal, "simulated indicator");
        Ok(())
    }

    fn describe(&self) -> String {
        "simulated".to_owned()
    }
}

/// A simulated relay.
pub struct Simulated {
    clock: Arc<dyn Clock>,
    history: History,
}

impl Simulated {
    /// A relay that dates its levels with `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Simulated {
        Simulated { clock, history: History::default() }
    }

    /// The levels so far and from now on.
    pub fn history(&self) -> History {
        self.history.clone()
    }

    fn set(&mut self, level: Level) {
        tracing::info!(%level, "simulated relay");
        self.history.push((self.clock.now(), level));
    }
}

impl Wires for Simulated {
    fn energise(&mut self) -> Result<(), DoorError> {
        self.set(Level::Energised);
        Ok(())
    }

    fn safe(&mut self) -> Result<(), DoorError> {
        self.set(Level::Safe);
        Ok(())
    }

    fn describe(&self) -> String {
        "simulated".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::clock::SimulatedClock;

    #[test]
    fn the_history_has_level_and_time_and_forgets_the_oldest() {
        let clock = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH));
        let mut wires = Simulated::new(clock.clone());
        let history = wires.history();
        assert_eq!(history.level(), None);
        wires.safe().unwrap();
        for _ in 0..HISTORY {
            clock.advance(Duration::from_secs(1));
            wires.energise().unwrap();
        }
        let levels = history.levels();
        assert_eq!(levels.len(), HISTORY);
        assert_eq!(levels[0], (Moment(Duration::from_secs(1)), Level::Energised));
        assert_eq!(history.level(), Some(Level::Energised));
    }
}
