//! The lamps of one door with what they show: a pure choice of one [`Signal`], and the device that shows it.

use std::time::Duration;

use super::{Indicator, Signal};
use crate::domain::Moment;

/// How long a refusal is shown.
const DENIED_SHOWN: Duration = Duration::from_secs(2);

/// Shows, in this order: unlocked, a refusal of the last two seconds, a fault, nothing. Without an indicator it shows nothing.
pub struct Panel {
    indicator: Option<Box<dyn Indicator>>,
    shown: Option<Signal>,
    denied_until: Option<Moment>,
    fault: bool,
}

impl Panel {
    /// Shows nothing before the first [`Panel::show`].
    pub fn new(indicator: Option<Box<dyn Indicator>>) -> Panel {
        Panel { indicator, shown: None, denied_until: None, fault: false }
    }

    /// Somebody was refused at `now`.
    pub fn denied(&mut self, now: Moment) {
        self.denied_until = Some(now + DENIED_SHOWN);
    }

    /// Something is wrong with the door, or no longer is.
    pub fn set_fault(&mut self, fault: bool) {
        self.fault = fault;
    }

    /// When a refusal has been shown for long enough.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.denied_until.filter(|_| self.indicator.is_some())
    }

    /// Brings the lamps up to date. A lamp is a courtesy: its failure is logged once for each signal and changes nothing at the door.
    pub fn show(&mut self, unlocked: bool, now: Moment) {
        self.denied_until = self.denied_until.filter(|&until| until > now);
        let signal = match (unlocked, self.denied_until, self.fault) {
            (true, _, _) => Signal::Granted,
            (false, Some(_), _) => Signal::Denied,
            (false, None, true) => Signal::Fault,
            (false, None, false) => Signal::Idle,
        };
        let Some(indicator) = self.indicator.as_mut().filter(|_| self.shown != Some(signal)) else { return };
        self.shown = Some(signal);
        if let Err(error) = indicator.show(signal) {
            tracing::warn!(%error, "a lamp failed");
        }
    }
}
