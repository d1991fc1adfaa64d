//! The relay: turns a [`DoorCommand`] into levels on the wires, and releases them when the time is over. Time is an argument.
//!
//! It has no thread of its own: [`super::RelayLoop`] owns it and calls [`Relay::poll`] when [`Relay::next_deadline`] is due.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::fmt;
use std::time::Duration;

use super::{DoorError, Wires};
use crate::domain::{DoorCommand, Moment};

/// What a relay never exceeds, whatever the commands are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The greatest age of the frame that a pulse is based on.
    pub max_age: Duration,
    /// The longest time for which pulses in a row energise the relay: a strike's coil is made for short pulses, and a fault elsewhere must not
    /// leave a door unlocked.
    pub max_on: Duration,
    /// The same for [`DoorCommand::Hold`]; `None` if the lock is not made to be held, and a hold lasts for `max_on`.
    pub max_hold: Option<Duration>,
}

/// Wires that did not go to their safe level are retried after this long.
const RETRY: Duration = Duration::from_millis(100);

/// The result of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayOutcome {
    /// The relay was at its safe level and is now energised until then.
    Opened { until: Moment },
    /// The relay was energised and stays so until then.
    Extended { until: Moment },
    /// The command was refused and changed nothing.
    Refused(RelayRefusal),
    /// The relay is at its safe level; `on_for` is how long it had been energised, if it was.
    Safe { on_for: Option<Duration> },
}

/// Why a relay is not energised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayRefusal {
    /// The frame behind the grant is older than [`Limits::max_age`].
    Stale { age: Duration },
    /// The command came this long after its deadline.
    Late { by: Duration },
    /// The daemon is stopping.
    Stopping,
}

impl fmt::Display for RelayRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RelayRefusal::Stale { age } => {
                write!(f, "the frame behind the grant was {} ms old by then", age.as_millis())
            }
            RelayRefusal::Late { by } => {
                write!(f, "the order reached the relay {} ms after its deadline", by.as_millis())
            }
            RelayRefusal::Stopping => f.write_str("the daemon is stopping"),
        }
    }
}

/// The relay returned to its safe level without a [`DoorCommand::Safe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// How long it had been energised.
    pub on_for: Duration,
}

/// One relay on its wires. Dropping it puts the wires at their safe level.
pub struct Relay {
    wires: Box<dyn Wires>,
    limits: Limits,
    on: Option<On>,
    stopped: bool,
}

#[derive(Clone, Copy)]
struct On {
    /// Since when, without interruption.
    since: Moment,
    until: Moment,
    /// By a [`DoorCommand::Hold`].
    held: bool,
}

impl Relay {
    /// Takes over the wires and puts them at their safe level.
    ///
    /// # Errors
    /// The wires cannot be written.
    pub fn new(mut wires: Box<dyn Wires>, limits: Limits) -> Result<Relay, DoorError> {
        wires.safe()?;
        Ok(Relay { wires, limits, on: None, stopped: false })
    }

    /// Carries out `command`. Call [`Relay::poll`] before, so that no release goes unreported.
    ///
    /// A pulse while the relay is energised starts now. It does not end earlier than the pulse before, nor later than [`Limits::max_on`] after
    /// the relay was first energised; a hold ends no later than [`Limits::max_hold`].
    ///
    /// # Errors
    /// The wires cannot be written. The relay is at its safe level, or is retried at [`Relay::next_deadline`].
    pub fn command(&mut self, command: DoorCommand, now: Moment) -> Result<RelayOutcome, DoorError> {
        let (evidence, duration, hold, not_after) = match command {
            DoorCommand::Safe => {
                self.wires.safe().inspect_err(|_| self.retry(now))?;
                return Ok(RelayOutcome::Safe { on_for: self.on.take().map(|on| now.since(on.since)) });
            }
            DoorCommand::Pulse { evidence, duration, not_after } => (evidence, duration, false, not_after),
            DoorCommand::Hold { not_after } => (None, Duration::MAX, true, not_after),
        };
        if let Some(refusal) = self.refusal(evidence, not_after, now) {
            return Ok(RelayOutcome::Refused(refusal));
        }
        self.poll(now)?;
        self.energise(now, duration, hold)
    }

    fn refusal(&self, evidence: Option<Moment>, not_after: Moment, now: Moment) -> Option<RelayRefusal> {
        let age = evidence.map(|captured_at| now.since(captured_at));
        if self.stopped {
            Some(RelayRefusal::Stopping)
        } else if let Some(age) = age.filter(|&age| age > self.limits.max_age) {
            Some(RelayRefusal::Stale { age })
        } else {
            (now > not_after).then(|| RelayRefusal::Late { by: now.since(not_after) })
        }
    }

    /// Puts the relay at its safe level for good: every later command that energises is refused.
    ///
    /// # Errors
    /// As for [`DoorCommand::Safe`].
    pub fn stop(&mut self, now: Moment) -> Result<Option<Released>, DoorError> {
        self.stopped = true;
        self.wires.safe().inspect_err(|_| self.retry(now))?;
        Ok(self.on.take().map(|on| Released { on_for: now.since(on.since) }))
    }

    /// Releases the relay if its time is over. `None` if it is not.
    ///
    /// # Errors
    /// The wires cannot be written, and are retried at [`Relay::next_deadline`].
    pub fn poll(&mut self, now: Moment) -> Result<Option<Released>, DoorError> {
        let Some(on) = self.on.filter(|on| on.until <= now) else { return Ok(None) };
        self.wires.safe().inspect_err(|_| self.retry(now))?;
        self.on = None;
        Ok(Some(Released { on_for: now.since(on.since) }))
    }

    /// When [`Relay::poll`] is due next; `None` while the relay is at its safe level.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.on.map(|on| on.until)
    }

    /// As [`Wires::describe`].
    pub fn describe(&self) -> String {
        self.wires.describe()
    }

    fn energise(&mut self, now: Moment, duration: Duration, hold: bool) -> Result<RelayOutcome, DoorError> {
        let held = hold || self.on.is_some_and(|on| on.held);
        let longest = if held { self.limits.max_hold.unwrap_or(self.limits.max_on) } else { self.limits.max_on };
        let since = self.on.map_or(now, |on| on.since);
        let promised = self.on.map_or(now, |on| on.until);
        let until = now.after(duration).max(promised).min(since.after(longest));
        let fresh = self.on.is_none();
        // Set before the wires are written: however long they take, the time counts from the command.
        self.on = Some(On { since, until, held });
        if let Err(error) = self.wires.energise() {
            // The wires may be at either level now.
            match self.wires.safe() {
                Ok(()) => self.on = None,
                Err(_) => self.retry(now),
            }
            return Err(error);
        }
        Ok(if fresh { RelayOutcome::Opened { until } } else { RelayOutcome::Extended { until } })
    }

    /// The wires did not go to their safe level and may be energised: schedules another try.
    fn retry(&mut self, now: Moment) {
        let since = self.on.map_or(now, |on| on.since);
        self.on = Some(On { since, until: now.after(RETRY), held: false });
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Err(error) = self.wires.safe() {
            tracing::error!(%error, "the relay may still be energised: cut its power");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::*;
    use crate::clock::{Clock, SimulatedClock};
    use crate::door::{History, Level, Simulated};

    const MAX_ON: Duration = Duration::from_secs(60);
    const MAX_HOLD: Duration = Duration::from_secs(600);
    const LIMITS: Limits = Limits { max_age: Duration::from_millis(800), max_on: MAX_ON, max_hold: Some(MAX_HOLD) };

    const FOREVER: Moment = Moment(Duration::MAX);
    const HOLD: DoorCommand = DoorCommand::Hold { not_after: FOREVER };

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn at(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    fn relay() -> (Relay, History, Arc<SimulatedClock>) {
        let clock = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH));
        let wires = Simulated::new(clock.clone());
        let history = wires.history();
        (Relay::new(Box::new(wires), LIMITS).unwrap(), history, clock)
    }

    fn pulse(captured_at: Moment, duration: Duration) -> DoorCommand {
        DoorCommand::Pulse { evidence: Some(captured_at), duration, not_after: FOREVER }
    }

    /// Wires that fail on request, and then keep their level.
    struct Faulty {
        wires: Simulated,
        energise_fails: Arc<AtomicBool>,
        safe_fails: Arc<AtomicBool>,
    }

    impl Wires for Faulty {
        fn energise(&mut self) -> Result<(), DoorError> {
            if self.energise_fails.load(Ordering::Relaxed) {
                Err(fault(Level::Energised))
            } else {
                self.wires.energise()
            }
        }
        fn safe(&mut self) -> Result<(), DoorError> {
            if self.safe_fails.load(Ordering::Relaxed) { Err(fault(Level::Safe)) } else { self.wires.safe() }
        }
        fn describe(&self) -> String {
            "faulty".to_owned()
        }
    }

    fn fault(level: Level) -> DoorError {
        DoorError::Write { wires: "faulty".to_owned(), level, why: "broken".to_owned() }
    }

    fn faulty() -> (Relay, History, Arc<AtomicBool>, Arc<AtomicBool>) {
        let wires = Simulated::new(Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH)));
        let history = wires.history();
        let (energise_fails, safe_fails) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let faulty = Faulty { wires, energise_fails: energise_fails.clone(), safe_fails: safe_fails.clone() };
        (Relay::new(Box::new(faulty), LIMITS).unwrap(), history, energise_fails, safe_fails)
    }

    #[test]
    fn the_safe_level_is_written_first() {
        let (_relay, history, _) = relay();
        assert_eq!(history.levels(), [(at(0), Level::Safe)]);
    }

    #[test]
    fn a_pulse_opens_and_is_released_when_due() {
        let (mut relay, history, _) = relay();
        assert_eq!(relay.next_deadline(), None);
        let outcome = relay.command(pulse(at(1000), secs(3)), at(1200));
        assert_eq!(outcome, Ok(RelayOutcome::Opened { until: at(4200) }));
        assert_eq!(relay.next_deadline(), Some(at(4200)));
        assert_eq!(relay.poll(at(4199)), Ok(None));
        assert_eq!(history.level(), Some(Level::Energised));
        assert_eq!(relay.poll(at(4200)), Ok(Some(Released { on_for: secs(3) })));
        assert_eq!(history.level(), Some(Level::Safe));
        assert_eq!((relay.poll(at(9000)), relay.next_deadline()), (Ok(None), None));
    }

    #[test]
    fn a_stale_frame_moves_nothing() {
        let (mut relay, history, _) = relay();
        let age = Duration::from_millis(801);
        assert_eq!(
            relay.command(pulse(at(0), secs(3)), at(801)),
            Ok(RelayOutcome::Refused(RelayRefusal::Stale { age }))
        );
        assert_eq!(history.levels().len(), 1);
        assert_eq!(relay.command(pulse(at(1), secs(3)), at(801)), Ok(RelayOutcome::Opened { until: at(3801) }));
    }

    #[test]
    fn a_command_after_its_deadline_moves_nothing() {
        let (mut relay, history, _) = relay();
        let not_after = at(5000);
        let pulse = DoorCommand::Pulse { evidence: None, duration: secs(3), not_after };
        let late = RelayOutcome::Refused(RelayRefusal::Late { by: Duration::from_millis(1) });
        assert_eq!(relay.command(pulse, at(5001)), Ok(late));
        assert_eq!(relay.command(DoorCommand::Hold { not_after }, at(5001)), Ok(late));
        assert_eq!(history.levels().len(), 1);
        assert_eq!(relay.command(pulse, at(5000)), Ok(RelayOutcome::Opened { until: at(8000) }));
        assert_eq!(relay.command(pulse, at(5001)), Ok(late), "nor is it extended");
        assert_eq!(relay.next_deadline(), Some(at(8000)));
    }

    #[test]
    fn a_stopped_relay_stays_at_its_safe_level() {
        let (mut relay, history, _) = relay();
        relay.command(HOLD, at(0)).unwrap();
        assert_eq!(relay.stop(at(700)), Ok(Some(Released { on_for: Duration::from_millis(700) })));
        assert_eq!(history.level(), Some(Level::Safe));
        for command in [pulse(at(700), secs(3)), HOLD] {
            assert_eq!(relay.command(command, at(701)), Ok(RelayOutcome::Refused(RelayRefusal::Stopping)));
        }
        assert_eq!((relay.stop(at(900)), relay.next_deadline()), (Ok(None), None));
        assert_eq!(history.level(), Some(Level::Safe));
    }

    #[test]
    fn a_second_pulse_extends_and_never_shortens() {
        let (mut relay, _, _) = relay();
        relay.command(pulse(at(0), secs(5)), at(0)).unwrap();
        let shorter = relay.command(pulse(at(1000), secs(1)), at(1000));
        assert_eq!(shorter, Ok(RelayOutcome::Extended { until: at(5000) }));
        let longer = relay.command(pulse(at(4000), secs(5)), at(4000));
        assert_eq!(longer, Ok(RelayOutcome::Extended { until: at(9000) }));
    }

    #[test]
    fn pulses_in_a_row_do_not_exceed_the_limit() {
        let (mut relay, _, _) = relay();
        for second in 0..59 {
            relay.command(pulse(at(second * 1000), secs(10)), at(second * 1000)).unwrap();
        }
        assert_eq!(relay.next_deadline(), Some(Moment(MAX_ON)));
        let forever = Duration::MAX;
        assert_eq!(
            relay.command(pulse(at(59_000), forever), at(59_000)),
            Ok(RelayOutcome::Extended { until: Moment(MAX_ON) })
        );
    }

    #[test]
    fn a_pulse_after_an_unpolled_deadline_goes_through_safe() {
        let (mut relay, history, _) = relay();
        relay.command(pulse(at(0), secs(3)), at(0)).unwrap();
        assert_eq!(relay.command(pulse(at(5000), secs(3)), at(5000)), Ok(RelayOutcome::Opened { until: at(8000) }));
        let levels: Vec<_> = history.levels().into_iter().map(|(_, level)| level).collect();
        assert_eq!(levels, [Level::Safe, Level::Energised, Level::Safe, Level::Energised]);
    }

    #[test]
    fn a_failed_opening_goes_safe() {
        let (mut relay, history, energise_fails, safe_fails) = faulty();
        energise_fails.store(true, Ordering::Relaxed);
        assert_eq!(relay.command(pulse(at(0), secs(3)), at(0)), Err(fault(Level::Energised)));
        assert_eq!((history.levels().len(), relay.next_deadline()), (2, None));

        safe_fails.store(true, Ordering::Relaxed);
        assert_eq!(relay.command(pulse(at(0), secs(3)), at(0)), Err(fault(Level::Energised)));
        assert_eq!(relay.next_deadline(), Some(at(100)), "the level is unknown, so safe is tried again");
        safe_fails.store(false, Ordering::Relaxed);
        assert!(relay.poll(at(100)).unwrap().is_some());
        assert_eq!(relay.next_deadline(), None);
    }

    #[test]
    fn stuck_wires_are_retried_until_they_are_safe() {
        let (mut relay, history, _, safe_fails) = faulty();
        relay.command(pulse(at(0), secs(3)), at(0)).unwrap();
        safe_fails.store(true, Ordering::Relaxed);
        assert_eq!(relay.poll(at(3000)), Err(fault(Level::Safe)));
        assert_eq!(relay.command(DoorCommand::Safe, at(3050)), Err(fault(Level::Safe)));
        assert_eq!(relay.next_deadline(), Some(at(3150)));
        safe_fails.store(false, Ordering::Relaxed);
        assert_eq!(relay.poll(at(3150)), Ok(Some(Released { on_for: Duration::from_millis(3150) })));
        assert_eq!(history.level(), Some(Level::Safe));
    }

    #[test]
    fn a_hold_lasts_until_another_command_or_its_limit() {
        let (mut relay, history, _) = relay();
        let until = Moment(MAX_HOLD);
        assert_eq!(relay.command(HOLD, at(0)), Ok(RelayOutcome::Opened { until }));
        let meanwhile = relay.command(pulse(at(90_000), secs(3)), at(90_000));
        assert_eq!(meanwhile, Ok(RelayOutcome::Extended { until }));
        assert_eq!((relay.poll(at(599_999)), history.level()), (Ok(None), Some(Level::Energised)));
        assert_eq!(relay.poll(until), Ok(Some(Released { on_for: MAX_HOLD })));

        relay.command(HOLD, at(700_000)).unwrap();
        let safe = relay.command(DoorCommand::Safe, at(710_000));
        assert_eq!(safe, Ok(RelayOutcome::Safe { on_for: Some(secs(10)) }));
    }

    #[test]
    fn a_lock_that_cannot_be_held_is_released_after_its_longest_pulse() {
        let wires = Simulated::new(Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH)));
        let mut relay = Relay::new(Box::new(wires), Limits { max_hold: None, ..LIMITS }).unwrap();
        assert_eq!(relay.command(HOLD, at(0)), Ok(RelayOutcome::Opened { until: Moment(MAX_ON) }));
    }

    #[test]
    fn without_evidence_nothing_is_stale() {
        let (mut relay, _, _) = relay();
        let outcome =
            relay.command(DoorCommand::Pulse { evidence: None, duration: secs(3), not_after: FOREVER }, at(5000));
        assert_eq!(outcome, Ok(RelayOutcome::Opened { until: at(8000) }));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Pulse { age_ms: u64, duration_ms: u64 },
        Hold,
        Safe,
        Wait { ms: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u64..1600, 0u64..90_000).prop_map(|(age_ms, duration_ms)| Step::Pulse { age_ms, duration_ms }),
            1 => Just(Step::Hold),
            1 => Just(Step::Safe),
            4 => (1u64..20_000).prop_map(|ms| Step::Wait { ms }),
        ]
    }

    /// Lets `span` pass and polls at each deadline, as an owner must.
    fn wait(relay: &mut Relay, clock: &SimulatedClock, span: Duration) {
        let end = clock.now() + span;
        while let Some(deadline) = relay.next_deadline().filter(|&deadline| deadline <= end) {
            clock.advance(deadline.since(clock.now()));
            relay.poll(clock.now()).unwrap();
        }
        clock.advance(end.since(clock.now()));
    }

    proptest! {
        #[test]
        fn the_limits_hold(steps in proptest::collection::vec(step(), 1..60)) {
            let (mut relay, history, clock) = relay();
            clock.advance(secs(10));
            let mut held = Vec::new();
            for step in steps {
                let before = history.levels().len();
                let now = clock.now();
                match step {
                    Step::Pulse { age_ms, duration_ms } => {
                        let captured_at = Moment(now.0 - Duration::from_millis(age_ms));
                        let outcome = relay.command(pulse(captured_at, Duration::from_millis(duration_ms)), now).unwrap();
                        let stale = age_ms > 800;
                        prop_assert_eq!(matches!(outcome, RelayOutcome::Refused { .. }), stale);
                        prop_assert_eq!(history.levels().len() == before, stale, "stale never energises");
                        wait(&mut relay, &clock, Duration::ZERO);
                    }
                    Step::Hold => {
                        relay.command(HOLD, now).unwrap();
                        held.push(now);
                    }
                    Step::Safe => {
                        relay.command(DoorCommand::Safe, now).unwrap();
                        prop_assert_eq!(history.level(), Some(Level::Safe));
                        prop_assert_eq!(relay.next_deadline(), None);
                    }
                    Step::Wait { ms } => wait(&mut relay, &clock, Duration::from_millis(ms)),
                }
                let energised = history.level() == Some(Level::Energised);
                prop_assert_eq!(energised, relay.next_deadline().is_some(), "energised means there is an end to it");
            }
            drop(relay);
            prop_assert_eq!(history.level(), Some(Level::Safe));
            let mut since = None;
            for (moment, level) in history.levels() {
                match level {
                    Level::Energised => since = since.or(Some(moment)),
                    Level::Safe => if let Some(since) = since.take() {
                        let longest = if held.iter().any(|at| (since..=moment).contains(at)) { MAX_HOLD } else { MAX_ON };
                        prop_assert!(moment.since(since) <= longest);
                    },
                }
            }
        }
    }
}
