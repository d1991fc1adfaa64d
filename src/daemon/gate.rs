//! From the configuration to doors that can be watched: wires claimed, rules in place, what was kept over a restart taken over.
//!
//! Knows nothing of threads.

use std::sync::Arc;

use anyhow::Result;

use super::doors::post::{Post, UnlockHours};
use super::doors::standing::Standing;
use crate::access::{Doorway, HouseRules, Referee};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::domain::Distance;
use crate::door::{Contacts, Panel, Relay, RelayLoop, RelayStop, relay_thread};
use crate::setup;

/// A `[[door]]` whose lines are claimed, its relay at the safe level.
pub struct OpenDoor {
    pub post: Post,
    /// The body of the relay's thread.
    pub relay: RelayLoop,
    /// Its inputs, if it has any.
    pub contacts: Option<Box<dyn Contacts>>,
}

/// Claims the lines of a `[[door]]`. `stop` ends its relay, and `wake` is called when the relay has something to report.
pub fn open(
    config: &Config,
    door: &config::Door,
    rules: &HouseRules,
    standing: &Standing,
    clock: &Arc<dyn Clock>,
    stop: &RelayStop,
    wake: impl Fn() + Send + 'static,
) -> Result<OpenDoor> {
    let wiring = setup::wiring(door, clock.clone())?;
    let relay = Relay::new(wiring.relay, setup::limits(config, door))?;
    let (handle, relay) = relay_thread(relay, Panel::new(wiring.indicator), clock.clone(), stop, wake);
    let has_sensor = door.sensor.is_some();
    let mode = standing.modes.iter().find(|(name, _)| *name == door.name).map(|(_, mode)| mode.clone());
    let hours = setup::house::unlock_hours(config, door)?.and_then(|at| rules.schedules.get(at.0));
    let post = Post {
        name: door.name.as_str().into(),
        // Nothing is near enough before the cut is put in force.
        referee: Referee::new(setup::face_rules(config, Distance(0.0))),
        doorway: Doorway::new(setup::house::doorway(door, has_sensor), mode.unwrap_or_default()),
        relay: handle,
        interlock: door.interlock.as_deref().map(Arc::from),
        hours: hours.cloned().map(UnlockHours::new),
        hours_ended: None,
        unconfirmed: Default::default(),
        level_unknown: false,
        trouble: None,
        inputs_trouble: None,
    };
    Ok(OpenDoor { post, relay, contacts: wiring.contacts })
}
