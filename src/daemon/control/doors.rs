//! The control API's doors: what an operator may tell them.
//!
//! Knows nothing of what a door does with it: the doors' thread answers.

use std::sync::Arc;
use std::sync::mpsc::{TrySendError, sync_channel};
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;

use super::{Failure, House, Peer, blocking};
use crate::daemon::door_thread::{DoorMessage, OperatorRequest};
use crate::daemon::doors::DoorOrder;
use crate::daemon::wire::{AmnestyRequest, DoorRequest, DoorStatus, OrderWire};
use crate::domain::{Mode, Moment, PersonId};
use crate::hub::{HubAction, HubCommand};

/// How long the doors' thread may take for an answer. It has died or hangs when it takes longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// An order that comes over the control socket moves a relay within this time or not at all: less than [`PATIENCE`], so that the answer is
/// true.
const ORDER_LASTS: Duration = Duration::from_secs(5);

/// `POST /v1/doors`: an order to one door or to all; answers with the doors as they are then.
pub async fn order(
    State(house): State<Arc<House>>,
    ConnectInfo(Peer(by)): ConnectInfo<Peer>,
    Json(request): Json<DoorRequest>,
) -> Result<Json<Vec<DoorStatus>>, Failure> {
    blocking(move || {
        let door = match &request.door {
            None => None,
            Some(name) => Some(house.door(name)?),
        };
        let order = match request.order {
            OrderWire::Unlock { for_ms } => DoorOrder::Unlock { duration: for_ms.map(Duration::from_millis) },
            OrderWire::Lock => DoorOrder::Lock,
            OrderWire::Lockdown { group } => DoorOrder::Mode(Mode::Lockdown { group }),
            OrderWire::Release => DoorOrder::Mode(Mode::Release),
            OrderWire::Normal => DoorOrder::Mode(Mode::Normal),
        };
        house.ask(OperatorRequest::Order { door, order }, by, house.clock.now() + ORDER_LASTS)?;
        Ok(house.doors())
    })
    .await
}

/// `POST /v1/amnesty`: forget where a person is, or where everybody is.
pub async fn amnesty(
    State(house): State<Arc<House>>,
    ConnectInfo(Peer(by)): ConnectInfo<Peer>,
    Json(request): Json<AmnestyRequest>,
) -> Result<Json<()>, Failure> {
    blocking(move || {
        let person = request.person.map(PersonId);
        if let Some(id) = person {
            house.register.gallery().person(id)?;
        }
        house.ask(OperatorRequest::Amnesty { person }, by, house.clock.now() + ORDER_LASTS)
    })
    .await
}

/// `POST /v1/clock/trust`: the wall clock is right, whatever earlier records say.
pub async fn trust_clock(
    State(house): State<Arc<House>>,
    ConnectInfo(Peer(by)): ConnectInfo<Peer>,
) -> Result<Json<()>, Failure> {
    blocking(move || house.ask(OperatorRequest::TrustClock, by, house.clock.now() + ORDER_LASTS)).await
}

impl House {
    /// Does what somebody on the broker wants, as an operator's order; an error says why it was not done.
    pub fn obey(&self, command: &HubCommand, unlock_for: Duration) -> Result<(), String> {
        let order = match command.action {
            HubAction::Unlock => DoorOrder::Unlock { duration: Some(unlock_for) },
            HubAction::Lock => DoorOrder::Lock,
            HubAction::Lockdown => DoorOrder::Mode(Mode::Lockdown { group: command.group.clone() }),
            HubAction::Normal => DoorOrder::Mode(Mode::Normal),
        };
        let door = self.door(&command.door).map(Some);
        let done = door
            .and_then(|door| self.ask(OperatorRequest::Order { door, order }, command.by.clone(), command.not_after));
        done.map_err(|Failure(_, why)| why)
    }

    /// The doors as they were a moment ago.
    pub fn doors(&self) -> Vec<DoorStatus> {
        self.published.read().doors.iter().map(DoorStatus::from).collect()
    }

    fn door(&self, name: &str) -> Result<usize, Failure> {
        let doors = self.published.read().doors;
        doors.iter().position(|door| *door.name == *name).ok_or_else(|| {
            let names: Vec<&str> = doors.iter().map(|door| &*door.name).collect();
            Failure(StatusCode::NOT_FOUND, format!("there is no door `{name}`; the doors are {}", names.join(", ")))
        })
    }

    /// Asks the doors' thread, and waits for its answer. It moves no relay after `not_after`.
    fn ask(&self, request: OperatorRequest, by: String, not_after: Moment) -> Result<(), Failure> {
        let (answer, answered) = sync_channel(1);
        let busy = |why: &str| Failure(StatusCode::SERVICE_UNAVAILABLE, format!("{why}; `usher status` says more"));
        match self.door_queue.try_send(DoorMessage::Request { request, by, not_after, answer }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(busy("the doors have too much to do; try again")),
            Err(TrySendError::Disconnected(_)) => return Err(busy("the daemon is ending")),
        }
        match answered.recv_timeout(PATIENCE) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure(StatusCode::CONFLICT, error.to_string())),
            Err(_) => Err(busy("the doors do not answer, and whether it was done is not known")),
        }
    }
}
