//! What a door shows to who stands before it: one lamp each for granted, denied and fault.
//!
//! Knows nothing of lines: a lamp is an output of the same kind as the relay's.

use super::{DoorError, IndicatorSettings, LineId, Wires};

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Nothing: all lamps are dark.
    Idle,
    Granted,
    Denied,
    /// Something is wrong with the door.
    Fault,
}

impl Signal {
    /// The name of its lamp.
    pub(super) fn word(self) -> &'static str {
        match self {
            Signal::Idle => "idle",
            Signal::Granted => "granted",
            Signal::Denied => "denied",
            Signal::Fault => "fault",
        }
    }
}

/// A door's lamps, or whatever shows a [`Signal`].
pub trait Indicator: Send {
    /// Shows `signal` until the next. After an error what is shown may be anything; a later call sets every lamp anew.
    fn show(&mut self, signal: Signal) -> Result<(), DoorError>;

    /// Which lamps there are, for logs and for `usher doctor`.
    fn describe(&self) -> String;
}

/// A lamp for each signal that has one; a signal without a lamp leaves all dark.
pub(super) struct Lamps(Vec<(Signal, Box<dyn Wires>)>);

impl Lamps {
    /// Claims each lamp that has a line, by `claim`; all dark at first.
    pub fn claim(
        settings: &IndicatorSettings,
        mut claim: impl FnMut(Signal, &LineId) -> Result<Box<dyn Wires>, DoorError>,
    ) -> Result<Lamps, DoorError> {
        let lines = [
            (Signal::Granted, &settings.granted),
            (Signal::Denied, &settings.denied),
            (Signal::Fault, &settings.fault),
        ];
        let lamps = lines.into_iter().filter_map(|(signal, line)| line.as_ref().map(|line| (signal, line)));
        Lamps::new(lamps.map(|(signal, line)| Ok((signal, claim(signal, line)?))).collect::<Result<_, DoorError>>()?)
    }

    /// All dark at first.
    pub fn new(lamps: Vec<(Signal, Box<dyn Wires>)>) -> Result<Lamps, DoorError> {
        let mut lamps = Lamps(lamps);
        lamps.show(Signal::Idle)?;
        Ok(lamps)
    }
}

impl Indicator for Lamps {
    fn show(&mut self, signal: Signal) -> Result<(), DoorError> {
        // The others go dark first, so that no two are ever lit together; one that fails does not keep the rest from it.
        let mut result = Ok(());
        for (_, lamp) in self.0.iter_mut().filter(|(of, _)| *of != signal) {
            result = result.and(lamp.safe());
        }
        for (_, lamp) in self.0.iter_mut().filter(|(of, _)| *of == signal) {
            result = result.and(lamp.energise());
        }
        result
    }

    fn describe(&self) -> String {
        let lamps = self.0.iter().map(|(signal, lamp)| format!("{} on {}", signal.word(), lamp.describe()));
        lamps.collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::door::Level;

    /// A lamp that writes down what it is told, and may be broken.
    struct Lamp(char, bool, Arc<Mutex<String>>);

    impl Lamp {
        fn told(&self, lit: bool, level: Level) -> Result<(), DoorError> {
            self.2.lock().unwrap().push(if lit { self.0.to_ascii_uppercase() } else { self.0 });
            match self.1 {
                true => Err(DoorError::Write { wires: self.0.to_string(), level, why: "broken".into() }),
                false => Ok(()),
            }
        }
    }

    impl Wires for Lamp {
        fn energise(&mut self) -> Result<(), DoorError> {
            self.told(true, Level::Energised)
        }
        fn safe(&mut self) -> Result<(), DoorError> {
            self.told(false, Level::Safe)
        }
        fn describe(&self) -> String {
            self.0.to_string()
        }
    }

    fn lamp(name: char, broken: bool, told: &Arc<Mutex<String>>) -> Box<dyn Wires> {
        Box::new(Lamp(name, broken, told.clone()))
    }

    #[test]
    fn one_lamp_at_a_time_and_the_others_go_dark_first() {
        let told = Arc::default();
        let lamps = vec![(Signal::Granted, lamp('g', false, &told)), (Signal::Denied, lamp('d', false, &told))];
        let mut lamps = Lamps::new(lamps).unwrap();
        for signal in [Signal::Granted, Signal::Denied, Signal::Fault] {
            lamps.show(signal).unwrap();
        }
        assert_eq!(*told.lock().unwrap(), "gd".to_owned() + "dG" + "gD" + "gd");
        assert_eq!(lamps.describe(), "granted on g; denied on d");
    }

    #[test]
    fn a_broken_lamp_is_told_and_the_others_still_obey() {
        let told = Arc::default();
        let mut lamps =
            Lamps(vec![(Signal::Denied, lamp('d', true, &told)), (Signal::Granted, lamp('g', false, &told))]);
        assert!(lamps.show(Signal::Granted).is_err());
        assert_eq!(*told.lock().unwrap(), "dG");
    }
}
