//! What a door shows to people before it: which signal is shown, and the lamps that show it.

use std::time::Duration;

use super::{DoorError, IndicatorSettings, LineId, Wires};
use crate::domain::{Moment, Side};

/// A signal to people before the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// All lamps are dark.
    Idle,
    Granted,
    Denied,
    /// Something is wrong with the door.
    Fault,
    /// Turn your head to this side. For [`Side::Up`] both lamps are lit.
    Turn(Side),
}

impl Signal {
    /// The name of its lamp.
    pub(super) fn word(self) -> &'static str {
        match self {
            Signal::Idle => "idle",
            Signal::Granted => "granted",
            Signal::Denied => "denied",
            Signal::Fault => "fault",
            Signal::Turn(side) => side.as_str(),
        }
    }

    /// Whether the lamp of `of` is lit while this signal is shown.
    fn lights(self, of: Signal) -> bool {
        self == of || self == Signal::Turn(Side::Up) && matches!(of, Signal::Turn(_))
    }
}

/// Shows a [`Signal`], on lamps for instance.
pub trait Indicator: Send {
    /// Shows `signal` until the next call.
    ///
    /// # Errors
    /// A lamp cannot be set. Any lamp may be lit then; a later call sets all of them.
    fn show(&mut self, signal: Signal) -> Result<(), DoorError>;

    /// The lamps, for logs and for `usher doctor`.
    fn describe(&self) -> String;
}

/// One lamp for each signal that has one. A signal without a lamp leaves all dark.
pub(super) struct Lamps(Vec<(Signal, Box<dyn Wires>)>);

impl Lamps {
    /// Claims each lamp that has a line with `claim`, all of them dark.
    pub fn claim(
        settings: &IndicatorSettings,
        mut claim: impl FnMut(Signal, &LineId) -> Result<Box<dyn Wires>, DoorError>,
    ) -> Result<Lamps, DoorError> {
        let lines = [
            (Signal::Granted, &settings.granted),
            (Signal::Denied, &settings.denied),
            (Signal::Fault, &settings.fault),
            (Signal::Turn(Side::Left), &settings.left),
            (Signal::Turn(Side::Right), &settings.right),
        ];
        let lamps = lines.into_iter().filter_map(|(signal, line)| line.as_ref().map(|line| (signal, line)));
        Lamps::new(lamps.map(|(signal, line)| Ok((signal, claim(signal, line)?))).collect::<Result<_, DoorError>>()?)
    }

    /// Makes all lamps dark.
    pub fn new(lamps: Vec<(Signal, Box<dyn Wires>)>) -> Result<Lamps, DoorError> {
        let mut lamps = Lamps(lamps);
        lamps.show(Signal::Idle)?;
        Ok(lamps)
    }
}

impl Indicator for Lamps {
    fn show(&mut self, signal: Signal) -> Result<(), DoorError> {
        // The others go dark first, so that no two signals are lit together. A lamp that fails does not affect the rest.
        let mut result = Ok(());
        for (_, lamp) in self.0.iter_mut().filter(|(of, _)| !signal.lights(*of)) {
            result = result.and(lamp.safe());
        }
        for (_, lamp) in self.0.iter_mut().filter(|(of, _)| signal.lights(*of)) {
            result = result.and(lamp.energise());
        }
        result
    }

    fn describe(&self) -> String {
        let lamps = self.0.iter().map(|(signal, lamp)| format!("{} on {}", signal.word(), lamp.describe()));
        lamps.collect::<Vec<_>>().join("; ")
    }
}

/// How long a refusal is shown.
const DENIED_SHOWN: Duration = Duration::from_secs(2);

/// Chooses what the indicator of one door shows: unlocked, or else a refusal of the last two seconds, or else what people are asked to do, or
/// else a fault, or else nothing.
pub struct Panel {
    indicator: Option<Box<dyn Indicator>>,
    shown: Option<Signal>,
    denied_until: Option<Moment>,
    fault: bool,
    asked: Option<Side>,
}

impl Panel {
    /// Shows nothing before the first [`Panel::show`].
    pub fn new(indicator: Option<Box<dyn Indicator>>) -> Panel {
        Panel { indicator, shown: None, denied_until: None, fault: false, asked: None }
    }

    /// Shows a refusal from `now` on.
    pub fn denied(&mut self, now: Moment) {
        self.denied_until = Some(now + DENIED_SHOWN);
    }

    /// Sets whether something is wrong with the door.
    pub fn set_fault(&mut self, fault: bool) {
        self.fault = fault;
    }

    /// Sets the side to which people are asked to turn the head.
    pub fn set_asked(&mut self, asked: Option<Side>) {
        self.asked = asked;
    }

    /// When the refusal that is shown ends.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.denied_until.filter(|_| self.indicator.is_some())
    }

    /// Updates the indicator. A failure is logged once for each signal and changes nothing at the door.
    pub fn show(&mut self, unlocked: bool, now: Moment) {
        self.denied_until = self.denied_until.filter(|&until| until > now);
        let signal = match (unlocked, self.denied_until, self.asked) {
            (true, _, _) => Signal::Granted,
            (false, Some(_), _) => Signal::Denied,
            (false, None, Some(side)) => Signal::Turn(side),
            (false, None, None) if self.fault => Signal::Fault,
            (false, None, None) => Signal::Idle,
        };
        let Some(indicator) = self.indicator.as_mut().filter(|_| self.shown != Some(signal)) else { return };
        self.shown = Some(signal);
        if let Err(error) = indicator.show(signal) {
            tracing::warn!(%error, "a lamp failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::door::Level;

    /// A lamp that logs its levels, and may be broken.
    struct Lamp(char, bool, Arc<Mutex<String>>);

    impl Lamp {
        fn set(&self, lit: bool, level: Level) -> Result<(), DoorError> {
            self.2.lock().unwrap().push(if lit { self.0.to_ascii_uppercase() } else { self.0 });
            match self.1 {
                true => Err(DoorError::Write { wires: self.0.to_string(), level, why: "broken".into() }),
                false => Ok(()),
            }
        }
    }

    impl Wires for Lamp {
        fn energise(&mut self) -> Result<(), DoorError> {
            self.set(true, Level::Energised)
        }
        fn safe(&mut self) -> Result<(), DoorError> {
            self.set(false, Level::Safe)
        }
        fn describe(&self) -> String {
            self.0.to_string()
        }
    }

    fn lamp(name: char, broken: bool, log: &Arc<Mutex<String>>) -> Box<dyn Wires> {
        Box::new(Lamp(name, broken, log.clone()))
    }

    #[test]
    fn one_lamp_at_a_time_and_the_others_go_dark_first() {
        let log = Arc::default();
        let lamps = vec![(Signal::Granted, lamp('g', false, &log)), (Signal::Denied, lamp('d', false, &log))];
        let mut lamps = Lamps::new(lamps).unwrap();
        for signal in [Signal::Granted, Signal::Denied, Signal::Fault] {
            lamps.show(signal).unwrap();
        }
        assert_eq!(*log.lock().unwrap(), "gd".to_owned() + "dG" + "gD" + "gd");
        assert_eq!(lamps.describe(), "granted on g; denied on d");
    }

    #[test]
    fn the_lamp_of_the_asked_side_is_lit_until_there_is_an_answer() {
        let log: Arc<Mutex<String>> = Arc::default();
        let lamps = vec![
            (Signal::Granted, lamp('g', false, &log)),
            (Signal::Turn(Side::Left), lamp('l', false, &log)),
            (Signal::Turn(Side::Right), lamp('r', false, &log)),
        ];
        let mut panel = Panel::new(Some(Box::new(Lamps::new(lamps).unwrap())));
        let mut shown = |asked, unlocked| {
            log.lock().unwrap().clear();
            panel.set_asked(asked);
            panel.show(unlocked, Moment::default());
            log.lock().unwrap().clone()
        };
        assert_eq!(shown(None, false), "glr");
        assert_eq!(shown(Some(Side::Left), false), "grL");
        assert_eq!(shown(Some(Side::Left), false), "", "unchanged");
        assert_eq!(shown(Some(Side::Right), false), "glR");
        assert_eq!(shown(Some(Side::Up), false), "gLR");
        assert_eq!(shown(Some(Side::Up), true), "lrG");
        assert_eq!(shown(None, false), "glr");
    }

    #[test]
    fn a_broken_lamp_is_an_error_and_the_others_still_work() {
        let log = Arc::default();
        let mut lamps = Lamps(vec![(Signal::Denied, lamp('d', true, &log)), (Signal::Granted, lamp('g', false, &log))]);
        assert!(lamps.show(Signal::Granted).is_err());
        assert_eq!(*log.lock().unwrap(), "dG");
    }
}
