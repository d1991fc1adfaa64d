//! A site's lockdown, as orders to the doors.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use thiserror::Error;

use crate::clock::Clock;
use crate::daemon::door_thread::{DoorMessage, OperatorRequest};
use crate::daemon::doors::{OperatorOrder, RequestError};
use crate::daemon::published_doors::PublishedDoors;
use crate::domain::{Actor, DoorIndex, Mode};
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
    /// Carries out what the rules of the site say, where it differs from before: a lockdown of all doors, or its end at those that are in one. Waits
    /// for the doors.
    ///
    /// # Errors
    /// A door did not follow. It can be asked again.
    pub fn follow(&self, before: Option<&Lockdown>, now: Option<&Lockdown>) -> Result<(), DoorsError> {
        match (before, now) {
            (before, now) if before == now => Ok(()),
            (_, Some(Lockdown { group, by })) => {
                let mode = Mode::Lockdown { group: group.clone() };
                self.order(None, mode, by)
            }
            (Some(Lockdown { by, .. }), None) => {
                let doors = self.published.read().doors;
                let locked = doors.iter().enumerate().filter(|(_, door)| matches!(door.mode, Mode::Lockdown { .. }));
                let ended: Vec<Result<(), DoorsError>> =
                    locked.map(|(at, _)| self.order(Some(DoorIndex(at)), Mode::Normal, by)).collect();
                ended.into_iter().collect()
            }
            (None, None) => Ok(()),
        }
    }

    fn order(&self, door: Option<DoorIndex>, mode: Mode, by: &str) -> Result<(), DoorsError> {
        let (answer, answered) = sync_channel(1);
        let request = OperatorRequest::Order { door, order: OperatorOrder::Mode(mode) };
        let not_after = self.clock.now() + ORDER_WITHIN;
        let message = DoorMessage::Request { request, by: Actor::Fleet(by.to_owned()), not_after, answer };
        self.queue.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => DoorsError::Busy,
            TrySendError::Disconnected(_) => DoorsError::Stopping,
        })?;
        match answered.recv_timeout(ANSWER_WITHIN) {
            Ok(done) => Ok(done?),
            Err(_) => Err(DoorsError::Silent),
        }
    }
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
    fn doors_are_ordered_only_where_the_lockdown_changes() {
        let (orders, inbox) = doors();
        let doors = answering(inbox);
        let of = |group: Option<&str>| Lockdown { group: group.map(str::to_owned), by: "anna".into() };
        orders.follow(None, None).unwrap();
        orders.follow(None, Some(&of(None))).unwrap();
        orders.follow(Some(&of(None)), Some(&of(None))).unwrap();
        orders.follow(Some(&of(None)), Some(&of(Some("guards")))).unwrap();
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
        assert!(orders.follow(None, Some(&lockdown)).is_err());
    }
}
