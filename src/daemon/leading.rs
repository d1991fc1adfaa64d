//! Leading a site from one model to another: which embedder the daemon starts with, and the parts that make templates of the new one.

use std::sync::Arc;

use anyhow::{Result, bail};
use tokio::runtime::Runtime;

use super::visits::{self, Visits};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, DistanceLimit};
use crate::office::switch::state::{After, Phase, SwitchState};
use crate::office::switch::{Switch, stored};
use crate::office::{Recorder, Register, clock_quality};
use crate::setup::models::{Configured, in_force, with_embedder};
use crate::setup::{self, head, house};
use crate::store::Store;
use crate::vision::runtime::Runtime as Library;

/// What serves a switch of models.
pub struct Leading {
    pub register: Register,
    pub switch: Arc<Switch>,
    pub visits: Arc<Visits>,
}

/// Opens the switch that is stored, if any, and starts the task that carries out what visits ask for.
pub fn open(
    config: &Config,
    register: Register,
    recorder: Arc<Recorder>,
    clock: &dyn Clock,
    tokio: &Runtime,
) -> Result<Leading> {
    let catalogue = Arc::new(Configured(config.clone()));
    let switch = Arc::new(Switch::open(register.clone(), recorder, catalogue, &config.models.embedder)?);
    if let Some(report) = switch.report(clock.wall())? {
        tracing::info!("switch of models: {}", report.in_words());
    }
    let (visits, jobs) = Visits::new(switch.clone(), setup::gates(config)?);
    tokio.spawn(visits::carry_out(jobs, switch.clone()));
    Ok(Leading { register, switch, visits: Arc::new(visits) })
}

/// The configuration with the embedder to start with. A switch that is due is carried out first, before anything compares faces: its record
/// and its new state are one commit. Where that fails the old model stays, and the log says why.
pub fn with_embedder_in_force(config: &Config, store: &Store, runtime: &Library) -> Result<Config> {
    let before = in_force(config, store)?;
    let Some(state) = stored(store)?.filter(|state| state.phase == Phase::Begun && state.after != After::Asked) else {
        return Ok(before);
    };
    if before.models.embedder != state.from.name {
        return Ok(before);
    }
    match go_over(config, &before, &state, store, runtime) {
        Ok(false) => Ok(before),
        Ok(true) => in_force(config, store),
        Err(error) => {
            tracing::error!(error = %format!("{error:#}"), from = %state.from.model, to = %state.to.model, "ALARM: the switch of models cannot be carried out; the old model stays in use");
            Ok(before)
        }
    }
}

/// Goes over to the new model if the switch is due; whether it did. The new model must load and find a known face first.
fn go_over(config: &Config, before: &Config, state: &SwitchState, store: &Store, runtime: &Library) -> Result<bool> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let known = clock_quality(store)?.is_known();
    let model = setup::embedder(before)?;
    let site_head = head::site_head(before, &model)?;
    let near_enough = house::near_enough(before, &model, site_head.as_ref())?;
    let gallery = Arc::new(head::gallery(store, &setup::ring(config), &model, site_head)?);
    let recorder = Arc::new(Recorder::new(store, setup::journal(config, store)?, clock.clone()));
    let register = Register::new(gallery, recorder.clone(), near_enough);
    let switch = Switch::open(register, recorder, Arc::new(Configured(config.clone())), &config.models.embedder)?;
    if !switch.report(clock.wall())?.is_some_and(|report| report.due) {
        return Ok(false);
    }
    if let DistanceLimit::Fixed(distance) = config.access.distance {
        bail!(
            "[access] distance fixes the distance {distance}, which has another meaning with {}: remove the setting",
            state.to.name
        );
    }
    drop(setup::vision(&with_embedder(config, &state.to.name), runtime)?);
    let switched = switch.switch_if_due(clock.wall(), known)?;
    if switched {
        tracing::info!(from = %state.from.model, to = %state.to.model, "faces are compared by the new model from now on");
    }
    Ok(switched)
}
