//! From the configuration to doors that can be watched: wires claimed, rules in place, what was kept over a restart taken over.
//!
//! Knows nothing of threads.

use std::sync::Arc;

use anyhow::Result;

use super::doors::post::{Lamps, Post, UnlockHours};
use super::doors::standing::Standing;
use crate::access::{Doorway, HouseRules, Referee};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::domain::{Direction, Distance};
use crate::door::{Contacts, Relay};
use crate::setup;

/// A `[[door]]`, its relay at the safe level; and its inputs, if it has any.
pub fn post(
    config: &Config,
    door: &config::Door,
    rules: &HouseRules,
    standing: &Standing,
    clock: &Arc<dyn Clock>,
) -> Result<(Post, Option<Box<dyn Contacts>>)> {
    let wiring = setup::wiring(door, clock.clone())?;
    let has_sensor = door.wiring.sensor.is_some();
    let mode = standing.modes.iter().find(|(name, _)| *name == door.name).map(|(_, mode)| mode.clone());
    let hours = setup::house::unlock_hours(config, door).and_then(|at| rules.schedules.get(at));
    let post = Post {
        name: door.name.as_str().into(),
        // Nothing is near enough before the cut is put in force.
        referee: Referee::new(setup::face_rules(config, Distance(0.0))),
        doorway: Doorway::new(setup::house::doorway(door, has_sensor), mode.unwrap_or_default()),
        relay: Relay::new(wiring.relay, setup::limits(config, door))?,
        lamps: Lamps::new(wiring.indicator),
        interlock: door.passing.interlock.as_deref().map(Arc::from),
        hours: hours.cloned().map(UnlockHours::new),
        trouble: None,
        inputs_trouble: None,
    };
    Ok((post, wiring.contacts))
}

/// For each camera the place of its door, and its side of it.
pub fn cameras(config: &Config) -> Vec<(usize, Option<Direction>)> {
    let place = |name: &str| config.doors.iter().position(|door| door.name == name).unwrap_or(0);
    config.cameras.iter().map(|camera| (place(&camera.door), camera.side)).collect()
}
