//! A site's lockdown, as orders to the doors.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use thiserror::Error;

use crate::access::HouseRules;
use crate::clock::Clock;
use crate::daemon::door_thread::{DoorMessage, OperatorRequest};
use crate::daemon::doors::door::DoorView;
use crate::daemon::doors::{OperatorOrder, RequestError};
use crate::daemon::published_doors::PublishedDoors;
use crate::domain::{Actor, DoorIndex, Event, Mode};
use crate::fleet::Lockdown;

/// How long the doors' thread may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// An order moves a relay within this time or not at all.
const ORDER_WITHIN: Duration = Duration::from_secs(5);

/// Why a door did not follow.
#[derive(Debug, Error)]
pub enum DoorsError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the doors have too much to do")]
    Busy,
    #[error("the daemon is stopping")]
    Stopping,
    #[error("the doors do not answer")]
    Silent,
    /// They are locked down. They record it themselves as soon as they can.
    #[error("the record of the lockdown is not on disk yet, and a restart may end it: {}", .0.join(", "))]
    Unrecorded(Vec<String>),
}

/// The doors, as the fleet orders them.
#[derive(Clone)]
pub struct DoorOrders {
    pub queue: SyncSender<DoorMessage>,
    pub published: PublishedDoors,
    pub clock: Arc<dyn Clock>,
}

impl DoorOrders {
    /// Carries out a lockdown of all doors, or its end, ordered by `ended_by`, at those that are in one. Doors that have followed already are left
    /// alone. Waits for the doors.
    ///
    /// # Errors
    /// A door did not follow, or its record is not on disk. It can be asked again.
    pub fn follow(&self, now: Option<&Lockdown>, ended_by: &str) -> Result<(), DoorsError> {
        let modes: Vec<Mode> = self.published.read().doors.into_iter().map(|door| door.mode).collect();
        let (mode, by) = match now {
            Some(Lockdown { group, by }) => (Mode::Lockdown { group: group.clone() }, by.as_str()),
            None => (Mode::Normal, ended_by),
        };
        self.order_all(to_order(&modes, &mode), &mode, by)?;
        self.recorded(|_| true)
    }

    /// Lets the doors go by other rules for people, or by those from before (`None`), and records `event`. Waits for the doors.
    ///
    /// # Errors
    /// They did not. They can be asked again.
    pub fn go_by(&self, rules: Option<HouseRules>, event: Event) -> Result<(), DoorsError> {
        let (answer, answered) = sync_channel(1);
        self.send(DoorMessage::Rules { rules: rules.map(Box::new), event: Box::new(event), answer })?;
        answered.recv_timeout(ANSWER_WITHIN).map_err(|_| DoorsError::Silent)?.map_err(DoorsError::from)
    }

    fn send(&self, message: DoorMessage) -> Result<(), DoorsError> {
        self.queue.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => DoorsError::Busy,
            TrySendError::Disconnected(_) => DoorsError::Stopping,
        })
    }

    /// The names of the doors.
    pub fn names(&self) -> Vec<String> {
        self.published.read().doors.iter().map(|door| door.name.to_string()).collect()
    }

    /// Carries out a lockdown that was ordered before, at doors that were not there then. The others are left alone: somebody may have ended it there.
    /// Waits for the doors.
    ///
    /// # Errors
    /// A door did not follow, or its record is not on disk. It can be asked again.
    pub fn follow_new(&self, Lockdown { group, by }: &Lockdown, ordered: &[String]) -> Result<(), DoorsError> {
        let doors = self.published.read().doors;
        let mode = Mode::Lockdown { group: group.clone() };
        let is_new = |name: &str| !ordered.iter().any(|known| known == name);
        let new = doors.iter().enumerate().filter(|(_, door)| is_new(&door.name) && door.mode != mode);
        self.order_all(new.map(|(at, _)| Some(DoorIndex(at))).collect(), &mode, by)?;
        self.recorded(is_new)
    }

    /// Orders a mode at doors, each whatever the others answer.
    fn order_all(&self, doors: Vec<Option<DoorIndex>>, mode: &Mode, by: &str) -> Result<(), DoorsError> {
        let done: Vec<Result<(), DoorsError>> =
            doors.into_iter().map(|door| self.order(door, mode.clone(), by)).collect();
        done.into_iter().collect()
    }

    /// Whether the lockdown of each of these doors is on disk: one that is not may be lost with a restart, so it does not count as followed.
    fn recorded(&self, of: impl Fn(&str) -> bool) -> Result<(), DoorsError> {
        let doors = self.published.read().doors;
        let is_unrecorded = |door: &&DoorView| door.unrecorded && is_lockdown(&door.mode) && of(&door.name);
        let unrecorded: Vec<String> = doors.iter().filter(is_unrecorded).map(|door| door.name.to_string()).collect();
        if unrecorded.is_empty() { Ok(()) } else { Err(DoorsError::Unrecorded(unrecorded)) }
    }

    fn order(&self, door: Option<DoorIndex>, mode: Mode, by: &str) -> Result<(), DoorsError> {
        let (answer, answered) = sync_channel(1);
        let request = OperatorRequest::Order { door, order: OperatorOrder::Mode(mode) };
        let not_after = self.clock.now() + ORDER_WITHIN;
        let message = DoorMessage::Request { request, by: Actor::Fleet(by.to_owned()), not_after, answer };
        self.send(message)?;
        match answered.recv_timeout(ANSWER_WITHIN) {
            Ok(done) => Ok(done?),
            Err(_) => Err(DoorsError::Silent),
        }
    }
}

/// Which doors in these modes are ordered into a lockdown, or out of one: `None` is all of them.
fn to_order(modes: &[Mode], mode: &Mode) -> Vec<Option<DoorIndex>> {
    if is_lockdown(mode) && modes.iter().all(|current| current != mode) {
        return vec![None];
    }
    let differs = |current: &Mode| if is_lockdown(mode) { current != mode } else { is_lockdown(current) };
    let other = modes.iter().enumerate().filter(|(_, current)| differs(current));
    other.map(|(at, _)| Some(DoorIndex(at))).collect()
}

fn is_lockdown(mode: &Mode) -> bool {
    matches!(mode, Mode::Lockdown { .. })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;

    use super::*;
    use crate::clock::SystemClock;

    fn doors() -> (DoorOrders, Receiver<DoorMessage>) {
        let (queue, inbox) = sync_channel(8);
        let clock = Arc::new(SystemClock::new());
        (DoorOrders { queue, published: PublishedDoors::default(), clock }, inbox)
    }

    /// Answers each order, and returns what was ordered.
    fn answering(inbox: Receiver<DoorMessage>) -> std::thread::JoinHandle<Vec<String>> {
        std::thread::spawn(move || {
            let mut orders = Vec::new();
            for message in inbox {
                if let DoorMessage::Request { request, by, answer, .. } = message {
                    orders.push(format!("{request:?} by {by}"));
                    answer.send(Ok(())).unwrap();
                }
            }
            orders
        })
    }

    #[test]
    fn doors_that_have_followed_are_left_alone() {
        let lockdown = |group: Option<&str>| Mode::Lockdown { group: group.map(str::to_owned) };
        let door = |at: usize| Some(DoorIndex(at));
        assert_eq!(to_order(&[Mode::Normal, Mode::Normal], &lockdown(None)), [None]);
        assert_eq!(to_order(&[lockdown(None), Mode::Normal], &lockdown(None)), [door(1)]);
        assert_eq!(to_order(&[lockdown(None), lockdown(None)], &lockdown(None)), []);
        assert_eq!(to_order(&[lockdown(None), lockdown(Some("guards"))], &lockdown(Some("guards"))), [door(0)]);
        // The end of a lockdown concerns those that are in one.
        assert_eq!(to_order(&[Mode::Normal, lockdown(Some("guards"))], &Mode::Normal), [door(1)]);
        assert_eq!(to_order(&[Mode::Normal], &Mode::Normal), []);
    }

    fn door(name: &str, mode: Mode, unrecorded: bool) -> DoorView {
        DoorView {
            name: name.into(),
            wires: String::new(),
            mode,
            unrecorded,
            unlocked: false,
            level_unknown: false,
            open: None,
            hours: None,
            alarms: Vec::new(),
            trouble: None,
            prompt: Default::default(),
            assurance: Vec::new(),
        }
    }

    #[test]
    fn a_kept_lockdown_concerns_doors_that_were_added_or_renamed_since() {
        let (orders, inbox) = doors();
        let doors = answering(inbox);
        let locked = Mode::Lockdown { group: None };
        let here = [("front", Mode::Normal), ("back", Mode::Normal), ("yard", locked)];
        orders.published.put(here.map(|(name, mode)| door(name, mode, false)).into());
        let lockdown = Lockdown { group: None, by: "anna".into() };
        orders.follow_new(&lockdown, &["front".into(), "side".into()]).unwrap();
        orders.follow_new(&lockdown, &["front".into(), "back".into()]).unwrap();
        drop(orders);
        let ordered = doors.join().unwrap();
        assert!(ordered.len() == 1 && ordered[0].contains("door: Some(DoorIndex(1))"), "{ordered:?}");
    }

    #[test]
    fn a_lockdown_that_is_in_force_and_in_no_record_is_not_followed_yet_and_not_ordered_twice() {
        let (orders, inbox) = doors();
        let doors = answering(inbox);
        let locked = Mode::Lockdown { group: None };
        let lockdown = Lockdown { group: None, by: "anna".into() };
        let state = |unrecorded| {
            let views = vec![door("front", locked.clone(), false), door("back", locked.clone(), unrecorded)];
            orders.published.put(views);
        };
        state(true);
        let error = orders.follow(Some(&lockdown), "").unwrap_err();
        assert!(matches!(&error, DoorsError::Unrecorded(doors) if *doors == ["back"]), "{error}");
        assert!(orders.follow_new(&lockdown, &["front".into()]).is_err());
        orders.follow_new(&lockdown, &["back".into()]).unwrap();
        state(false);
        orders.follow(Some(&lockdown), "").unwrap();
        orders.follow_new(&lockdown, &["front".into()]).unwrap();
        drop(orders);
        assert_eq!(doors.join().unwrap(), [] as [String; 0]);
    }

    #[test]
    fn orders_name_who_gave_them() {
        let (orders, inbox) = doors();
        let doors = answering(inbox);
        let of = |group: Option<&str>| Lockdown { group: group.map(str::to_owned), by: "anna".into() };
        orders.follow(None, "anna").unwrap();
        orders.follow(Some(&of(None)), "").unwrap();
        orders.follow(Some(&of(Some("guards"))), "").unwrap();
        drop(orders);
        let ordered = doors.join().unwrap();
        assert_eq!(ordered.len(), 2, "{ordered:?}");
        assert!(
            ordered[0].contains("Lockdown { group: None }") && ordered[0].ends_with("by fleet/anna"),
            "{ordered:?}"
        );
        assert!(ordered[1].contains("guards"), "{ordered:?}");
    }

    #[test]
    fn a_stopped_door_thread_is_no_success() {
        let (orders, inbox) = doors();
        drop(inbox);
        let lockdown = Lockdown { group: None, by: "anna".into() };
        assert!(orders.follow(Some(&lockdown), "").is_err());
    }
}
