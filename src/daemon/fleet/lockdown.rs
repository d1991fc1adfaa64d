//! A site's lockdown, as orders to the doors.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use thiserror::Error;

use crate::access::HouseRules;
use crate::clock::Clock;
use crate::daemon::door_thread::{DoorMessage, OperatorRequest};
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
    /// A door did not follow. It can be asked again.
    pub fn follow(&self, now: Option<&Lockdown>, ended_by: &str) -> Result<(), DoorsError> {
        let modes: Vec<Mode> = self.published.read().doors.into_iter().map(|door| door.mode).collect();
        let (mode, by) = match now {
            Some(Lockdown { group, by }) => (Mode::Lockdown { group: group.clone() }, by.as_str()),
            None => (Mode::Normal, ended_by),
        };
        let done: Vec<Result<(), DoorsError>> =
            to_order(&modes, &mode).into_iter().map(|door| self.order(door, mode.clone(), by)).collect();
        done.into_iter().collect()
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
    /// A door did not follow. It can be asked again.
    pub fn follow_new(&self, Lockdown { group, by }: &Lockdown, ordered: &[String]) -> Result<(), DoorsError> {
        let doors = self.published.read().doors;
        let new = new_doors(doors.iter().map(|door| &*door.name), ordered);
        let mode = Mode::Lockdown { group: group.clone() };
        let done: Vec<Result<(), DoorsError>> =
            new.into_iter().map(|door| self.order(Some(door), mode.clone(), by)).collect();
        done.into_iter().collect()
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
    let is_lockdown = |mode: &Mode| matches!(mode, Mode::Lockdown { .. });
    if is_lockdown(mode) && modes.iter().all(|current| current != mode) {
        return vec![None];
    }
    let differs = |current: &Mode| if is_lockdown(mode) { current != mode } else { is_lockdown(current) };
    let other = modes.iter().enumerate().filter(|(_, current)| differs(current));
    other.map(|(at, _)| Some(DoorIndex(at))).collect()
}

/// Which doors were not among those that were ordered.
fn new_doors<'a>(names: impl Iterator<Item = &'a str>, ordered: &[String]) -> Vec<DoorIndex> {
    let new = names.enumerate().filter(|(_, name)| !ordered.iter().any(|known| known == name));
    new.map(|(at, _)| DoorIndex(at)).collect()
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

    #[test]
    fn a_kept_lockdown_concerns_doors_that_were_added_or_renamed_since() {
        let ordered = ["front".to_owned(), "side".to_owned()];
        assert_eq!(new_doors(["front", "back", "yard"].into_iter(), &ordered), [DoorIndex(1), DoorIndex(2)]);
        assert_eq!(new_doors(["side", "front"].into_iter(), &ordered), []);
        assert_eq!(new_doors(["front"].into_iter(), &[]), [DoorIndex(0)]);
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
