//! The thread of one relay. It owns the wires, the lamps and the deadlines, and uses no disk, no socket and no journal: whatever hangs elsewhere
//! in the process, the relay returns to its safe level when its time is over.
//!
//! ```text
//! RelayHandle ──orders──► RelayLoop ──levels──► wires, lamps
//!      ▲────────reports──────┘  ▲
//!                           RelayStop: safe, and safe for good
//! ```

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::{DoorError, Panel, Relay, RelayOutcome};
use crate::clock::Clock;
use crate::domain::{DoorCommand, Moment, Side};

/// The longest time between two looks at the clock.
const BEAT: Duration = Duration::from_millis(250);
/// The limit for the wires to carry out an order. Drivers answer within a millisecond.
const PATIENCE: Duration = Duration::from_secs(1);
/// Messages that wait. The doors' thread sends one order at a time.
const WAITING: usize = 32;
/// Reports that wait for the doors' thread; the oldest are dropped.
const REPORTS: usize = 64;

/// What a relay did by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayReport {
    /// It returned to its safe level, because its time was over or the daemon stops.
    Released { on_for: Duration, stopping: bool },
    /// The wires did not go to their safe level and may be energised. They are retried ten times a second; the same reason is reported once.
    Stuck { reason: String },
}

enum Message {
    Order {
        command: DoorCommand,
        answer: SyncSender<Result<RelayOutcome, DoorError>>,
    },
    /// Handle what is due, then answer.
    Poll {
        answer: SyncSender<()>,
    },
    /// Update the lamps.
    Show,
}

/// What the lamps are to show. Separate from the inbox, so that a burst of refusals leaves room there for orders.
#[derive(Default)]
struct Shown {
    denied: AtomicBool,
    fault: AtomicBool,
    /// The side to which people are asked to turn the head, as [`asked_number`] writes it.
    asked: AtomicU8,
    /// A [`Message::Show`] is in the inbox.
    sent: AtomicBool,
}

fn asked_number(side: Option<Side>) -> u8 {
    match side {
        None => 0,
        Some(Side::Left) => 1,
        Some(Side::Right) => 2,
        Some(Side::Up) => 3,
    }
}

fn asked_side(number: u8) -> Option<Side> {
    [Side::Left, Side::Right, Side::Up].into_iter().find(|side| asked_number(Some(*side)) == number)
}

/// The doors' end of a relay. Dropping it ends the loop, which leaves the relay at its safe level.
pub struct RelayHandle {
    inbox: Arc<SyncSender<Message>>,
    reports: Arc<Mutex<Vec<RelayReport>>>,
    clock: Arc<dyn Clock>,
    wires: String,
    until: Option<Moment>,
    shown: Arc<Shown>,
}

/// The body of the relay's thread.
pub struct RelayLoop {
    relay: Relay,
    panel: Panel,
    shown: Arc<Shown>,
    inbox: Receiver<Message>,
    reports: Arc<Mutex<Vec<RelayReport>>>,
    clock: Arc<dyn Clock>,
    stop: RelayStop,
    stopped: bool,
    stuck: Option<String>,
    wake: Box<dyn Fn() + Send>,
}

/// Stops all relays that share it, from any thread.
#[derive(Clone, Default)]
pub struct RelayStop(Arc<Stopping>);

#[derive(Default)]
struct Stopping {
    requested: AtomicBool,
    inboxes: Mutex<Vec<Weak<SyncSender<Message>>>>,
}

/// Splits a relay into the handle for the doors' thread and the body of its own thread. `wake` is called after each report and must not block.
pub fn relay_thread(
    relay: Relay,
    panel: Panel,
    clock: Arc<dyn Clock>,
    stop: &RelayStop,
    wake: impl Fn() + Send + 'static,
) -> (RelayHandle, RelayLoop) {
    let (sender, inbox) = sync_channel(WAITING);
    let sender = Arc::new(sender);
    stop.inboxes().push(Arc::downgrade(&sender));
    let reports = Arc::<Mutex<Vec<RelayReport>>>::default();
    let shown = Arc::<Shown>::default();
    let handle = RelayHandle {
        inbox: sender,
        reports: reports.clone(),
        clock: clock.clone(),
        wires: relay.describe(),
        until: None,
        shown: shown.clone(),
    };
    let stop = stop.clone();
    let body = RelayLoop {
        relay,
        panel,
        shown,
        inbox,
        reports,
        clock,
        stop,
        stopped: false,
        stuck: None,
        wake: Box::new(wake),
    };
    (handle, body)
}

impl RelayHandle {
    /// Sends `command` and waits for the wires, for [`PATIENCE`] at most.
    ///
    /// # Errors
    /// As [`Relay::command`]; [`DoorError::NoAnswer`] if the wires hang, which may then be at either level.
    pub fn command(&mut self, command: DoorCommand) -> Result<RelayOutcome, DoorError> {
        let (answer, answered) = sync_channel(1);
        self.send(Message::Order { command, answer })?;
        let outcome = answered.recv_timeout(PATIENCE).map_err(|_| self.no_answer())?;
        match outcome {
            Ok(RelayOutcome::Opened { until } | RelayOutcome::Extended { until }) => self.until = Some(until),
            Ok(RelayOutcome::Safe { .. }) => self.until = None,
            Ok(RelayOutcome::Refused(_)) | Err(_) => {}
        }
        outcome
    }

    /// What the relay did by itself since the last call, oldest first. If its time is over, this waits until the relay has handled that.
    pub fn reports(&mut self) -> Vec<RelayReport> {
        if self.until.is_some_and(|until| until <= self.clock.now()) {
            let (answer, answered) = sync_channel(1);
            if self.send(Message::Poll { answer }).is_ok() {
                // Without an answer there is no report yet.
                answered.recv_timeout(PATIENCE).ok();
            }
        }
        let reports = std::mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner));
        if !reports.is_empty() {
            self.until = None;
        }
        reports
    }

    /// When the relay is released.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.until
    }

    /// Shows a refusal on the lamps.
    pub fn show_denied(&self) {
        self.shown.denied.store(true, Ordering::SeqCst);
        self.show();
    }

    /// Shows on the lamps whether something is wrong with the door.
    pub fn show_fault(&self, fault: bool) {
        if self.shown.fault.swap(fault, Ordering::SeqCst) != fault {
            self.show();
        }
    }

    /// Shows on the lamps to which side people are asked to turn the head.
    pub fn show_asked(&self, side: Option<Side>) {
        let asked = asked_number(side);
        if self.shown.asked.swap(asked, Ordering::SeqCst) != asked {
            self.show();
        }
    }

    /// As [`Relay::describe`].
    pub fn describe(&self) -> &str {
        &self.wires
    }

    fn show(&self) {
        // A full inbox wakes the loop as well.
        if !self.shown.sent.swap(true, Ordering::SeqCst) && self.inbox.try_send(Message::Show).is_err() {
            self.shown.sent.store(false, Ordering::SeqCst);
        }
    }

    fn send(&self, message: Message) -> Result<(), DoorError> {
        self.inbox.try_send(message).map_err(|_| self.no_answer())
    }

    fn no_answer(&self) -> DoorError {
        DoorError::NoAnswer { wires: self.wires.clone() }
    }
}

impl RelayLoop {
    /// Runs until the handle is dropped. `beat` is called at least every quarter of a second.
    pub fn run(mut self, beat: impl Fn()) {
        loop {
            beat();
            self.keep_time();
            let now = self.clock.now();
            let due = [self.relay.next_deadline(), self.panel.next_deadline()].into_iter().flatten().min();
            let wait = due.map_or(BEAT, |at| at.since(now).min(BEAT));
            match self.inbox.recv_timeout(wait) {
                Ok(message) => self.handle(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn handle(&mut self, message: Message) {
        // First what became due while the message waited.
        self.keep_time();
        let now = self.clock.now();
        match message {
            Message::Order { command, answer } => {
                let outcome = self.relay.command(command, now);
                if matches!(outcome, Ok(RelayOutcome::Safe { .. })) {
                    self.stuck = None;
                }
                self.answer(answer, outcome);
            }
            Message::Poll { answer } => drop(answer.try_send(())),
            // Shown when the loop next keeps time.
            Message::Show => self.shown.sent.store(false, Ordering::SeqCst),
        }
    }

    /// Answers an order. If the caller has given up waiting, the relay goes to its safe level, which is reported.
    fn answer(
        &mut self,
        answer: SyncSender<Result<RelayOutcome, DoorError>>,
        outcome: Result<RelayOutcome, DoorError>,
    ) {
        let Err(TrySendError::Disconnected(outcome)) = answer.try_send(outcome) else { return };
        let now = self.clock.now();
        let safe = match outcome {
            Ok(RelayOutcome::Opened { .. } | RelayOutcome::Extended { .. }) => {
                self.relay.command(DoorCommand::Safe, now)
            }
            other => other,
        };
        if let Ok(RelayOutcome::Safe { on_for }) = safe {
            self.stuck = None;
            self.report(RelayReport::Released { on_for: on_for.unwrap_or_default(), stopping: self.stopped });
        }
    }

    /// Stops the relay if that is requested, releases it if its time is over, and updates the lamps.
    fn keep_time(&mut self) {
        let stopping = self.stop.0.requested.load(Ordering::SeqCst);
        let now = self.clock.now();
        let done = match stopping && !self.stopped {
            true => self.relay.stop(now),
            false => self.relay.poll(now),
        };
        self.stopped |= stopping;
        match done {
            Ok(None) => {}
            Ok(Some(released)) => {
                self.stuck = None;
                self.report(RelayReport::Released { on_for: released.on_for, stopping });
            }
            Err(error) => {
                let reason = error.to_string();
                if self.stuck.as_ref() != Some(&reason) {
                    tracing::error!(%reason, "the relay may still be energised");
                    self.stuck = Some(reason.clone());
                    self.report(RelayReport::Stuck { reason });
                }
            }
        }
        if self.shown.denied.swap(false, Ordering::SeqCst) {
            self.panel.denied(now);
        }
        self.panel.set_fault(self.shown.fault.load(Ordering::SeqCst));
        self.panel.set_asked(asked_side(self.shown.asked.load(Ordering::SeqCst)));
        self.panel.show(self.relay.next_deadline().is_some(), now);
    }

    fn report(&self, report: RelayReport) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if reports.len() == REPORTS {
            reports.remove(0);
        }
        reports.push(report);
        drop(reports);
        (self.wake)();
    }
}

impl RelayStop {
    /// Puts all relays at their safe level for good, also those that are made later. Returns how many did not confirm it within `patience`.
    pub fn stop(&self, patience: Duration) -> usize {
        self.0.requested.store(true, Ordering::SeqCst);
        self.poll(patience)
    }

    /// Whether a stop was requested.
    pub fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst)
    }

    /// Makes each relay handle what is due, and waits for that. Returns how many did not answer within `patience` each. Needed with a simulated
    /// clock, which wakes no thread.
    pub fn poll(&self, patience: Duration) -> usize {
        let inboxes: Vec<_> = self.inboxes().iter().filter_map(Weak::upgrade).collect();
        let asked = inboxes.iter().map(|inbox| {
            let (answer, answered) = sync_channel(1);
            inbox.try_send(Message::Poll { answer }).ok().map(|()| answered)
        });
        let asked: Vec<_> = asked.collect();
        asked.into_iter().filter(|answered| answered.as_ref().is_none_or(|a| a.recv_timeout(patience).is_err())).count()
    }

    fn inboxes(&self) -> MutexGuard<'_, Vec<Weak<SyncSender<Message>>>> {
        let mut inboxes = self.0.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        inboxes.retain(|inbox| inbox.strong_count() > 0);
        inboxes
    }
}

#[cfg(test)]
mod tests {
    use std::thread::JoinHandle;

    use super::*;
    use crate::clock::SystemClock;
    use crate::door::{History, Level, Limits, Simulated, Wires};

    const SECOND: Duration = Duration::from_secs(1);
    const LIMITS: Limits = Limits { max_age: SECOND, max_on: SECOND, max_hold: None };
    const FOREVER: Moment = Moment(Duration::MAX);

    fn pulse(ms: u64) -> DoorCommand {
        DoorCommand::Pulse { evidence: None, duration: Duration::from_millis(ms), not_after: FOREVER }
    }

    fn running(wires: Box<dyn Wires>, stop: &RelayStop, clock: Arc<dyn Clock>) -> (RelayHandle, JoinHandle<()>) {
        let (handle, body) = relay_thread(Relay::new(wires, LIMITS).unwrap(), Panel::new(None), clock, stop, || {});
        (handle, std::thread::spawn(move || body.run(|| {})))
    }

    fn simulated(stop: &RelayStop) -> (RelayHandle, JoinHandle<()>, History) {
        let clock = Arc::new(SystemClock::new());
        let wires = Simulated::new(clock.clone());
        let history = wires.history();
        let (handle, thread) = running(Box::new(wires), stop, clock);
        (handle, thread, history)
    }

    fn wait_for(mut found: impl FnMut() -> bool) {
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while !found() {
            assert!(std::time::Instant::now() < until, "nothing happened");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_relay_is_released_even_if_its_owner_hangs() {
        let (mut handle, thread, history) = simulated(&RelayStop::default());
        assert!(matches!(handle.command(pulse(50)), Ok(RelayOutcome::Opened { .. })));
        assert_eq!(history.level(), Some(Level::Energised));
        // The owner hangs: it sends nothing.
        wait_for(|| history.level() == Some(Level::Safe));
        let mut reports = Vec::new();
        wait_for(|| {
            reports.extend(handle.reports());
            !reports.is_empty()
        });
        assert!(matches!(reports[..], [RelayReport::Released { stopping: false, .. }]), "{reports:?}");
        assert_eq!(handle.next_deadline(), None);
        drop(handle);
        thread.join().unwrap();
        assert_eq!(history.level(), Some(Level::Safe));
    }

    #[test]
    fn a_stop_is_immediate_and_final() {
        let stop = RelayStop::default();
        let (mut handle, _, history) = simulated(&stop);
        handle.command(pulse(900)).unwrap();
        assert_eq!(stop.stop(Duration::from_secs(10)), 0);
        assert_eq!(history.level(), Some(Level::Safe));
        assert_eq!(handle.command(pulse(900)), Ok(RelayOutcome::Refused(crate::door::RelayRefusal::Stopping)));
        assert!(matches!(handle.reports()[..], [RelayReport::Released { stopping: true, .. }]));
        let (mut late, _, its_history) = simulated(&stop);
        assert!(matches!(late.command(pulse(900)), Ok(RelayOutcome::Refused(_))));
        let left = its_history.levels().iter().any(|(_, level)| *level != Level::Safe);
        assert!(!left, "made after the stop, it never left its safe level");
    }

    /// Wires that hang for a while when they are energised.
    struct Slow(Simulated, Duration);

    impl Wires for Slow {
        fn energise(&mut self) -> Result<(), DoorError> {
            let done = self.0.energise();
            std::thread::sleep(self.1);
            done
        }
        fn safe(&mut self) -> Result<(), DoorError> {
            self.0.safe()
        }
        fn describe(&self) -> String {
            "slow".into()
        }
    }

    #[test]
    fn wires_that_hang_give_no_answer_and_are_released_when_they_return() {
        let clock = Arc::new(SystemClock::new());
        let wires = Simulated::new(clock.clone());
        let history = wires.history();
        let slow = Slow(wires, PATIENCE + Duration::from_millis(200));
        let (mut handle, _) = running(Box::new(slow), &RelayStop::default(), clock);
        assert_eq!(handle.command(pulse(100)), Err(DoorError::NoAnswer { wires: "slow".into() }));
        // The caller has given up, so the relay is released as soon as the wires return.
        wait_for(|| history.level() == Some(Level::Safe));
        let levels = history.levels();
        let (on, off) = (levels[levels.len() - 2].0, levels[levels.len() - 1].0);
        assert!(off.since(on) < PATIENCE * 2, "{:?}", off.since(on));
    }
}
