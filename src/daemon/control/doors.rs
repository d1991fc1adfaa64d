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
use crate::daemon::doors::Order;
use crate::daemon::warden::{Ask, Tiding};
use crate::daemon::wire::{AmnestyRequest, DoorRequest, DoorStatus, OrderWire};
use crate::domain::{DoorIndex, Mode, Moment, PersonId};
use crate::hub::{HubAct, HubCommand};

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
            OrderWire::Unlock { for_ms } => Order::Unlock { duration: for_ms.map(Duration::from_millis) },
            OrderWire::Lock => Order::Lock,
            OrderWire::Lockdown { group } => Order::Mode(Mode::Lockdown { group }),
            OrderWire::Release => Order::Mode(Mode::Release),
            OrderWire::Normal => Order::Mode(Mode::Normal),
        };
        house.ask(Ask::Order { door, order }, by, house.clock.now() + ORDER_LASTS)?;
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
        house.ask(Ask::Amnesty { person }, by, house.clock.now() + ORDER_LASTS)
    })
    .await
}

/// `POST /v1/clock/trust`: the wall clock is right, whatever earlier records say.
pub async fn trust_clock(
    State(house): State<Arc<House>>,
    ConnectInfo(Peer(by)): ConnectInfo<Peer>,
) -> Result<Json<()>, Failure> {
    blocking(move || house.ask(Ask::TrustClock, by, house.clock.now() + ORDER_LASTS)).await
}

impl House {
    /// Does what somebody on the broker wants, as an operator's order; an error says why it was not done.
    pub fn obey(&self, wish: &HubCommand, unlock_for: Duration) -> Result<(), String> {
        let order = match wish.act {
            HubAct::Unlock => Order::Unlock { duration: Some(unlock_for) },
            HubAct::Lock => Order::Lock,
            HubAct::Lockdown => Order::Mode(Mode::Lockdown { group: wish.group.clone() }),
            HubAct::Normal => Order::Mode(Mode::Normal),
        };
        let door = self.door(&wish.door).map(Some);
        let done = door.and_then(|door| self.ask(Ask::Order { door, order }, wish.by.clone(), wish.not_after));
        done.map_err(|Failure(_, why)| why)
    }

    /// The doors as they were a moment ago.
    pub fn doors(&self) -> Vec<DoorStatus> {
        self.board.read().doors.iter().map(DoorStatus::from).collect()
    }

    fn door(&self, name: &str) -> Result<DoorIndex, Failure> {
        let doors = self.board.read().doors;
        doors.iter().position(|door| *door.name == *name).map(DoorIndex).ok_or_else(|| {
            let names: Vec<&str> = doors.iter().map(|door| &*door.name).collect();
            Failure(StatusCode::NOT_FOUND, format!("there is no door `{name}`; the doors are {}", names.join(", ")))
        })
    }

    /// Asks the doors' thread, and waits for its answer. It moves no relay after `not_after`.
    fn ask(&self, ask: Ask, by: String, not_after: Moment) -> Result<(), Failure> {
        let (answer, answered) = sync_channel(1);
        let busy = |why: &str| Failure(StatusCode::SERVICE_UNAVAILABLE, format!("{why}; `usher status` says more"));
        match self.tidings.try_send(Tiding::Ask { ask, by, not_after, answer }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(busy("the doors have too much to do; try again")),
            Err(TrySendError::Disconnected(_)) => return Err(busy("the daemon is ending")),
        }
        match answered.recv_timeout(PATIENCE) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(Failure(StatusCode::CONFLICT, why)),
            Err(_) => Err(busy("the doors do not answer, and whether it was done is not known")),
        }
    }
}
