//! The daemon: its threads and tasks, how they are connected, and the order in which they end.
//!
//! ```text
//! camera ──newest frame──► vision ──sightings──► doors ──► relay
//!    ▲────used memory────────┘                     │
//!                                                  └─► journal ──► hub
//! ```
//!
//! Owns no algorithm. The end follows ownership: cameras, vision, doors (relays at their safe level), the last record of the journal, the
//! hub's `offline`.

mod attention;
#[cfg(test)]
mod both_ways;
mod broker;
mod camera_stage;
mod certificate;
mod connections;
mod contacts_stage;
mod door_status;
mod door_thread;
pub mod doors;
mod figures;
mod fleet;
pub mod fleet_office;
mod housekeeping;
mod infrared_stage;
mod kept_faces;
mod leading;
mod learning;
mod live;
mod metrics;
mod open;
mod page;
mod pin_stage;
mod published_doors;
mod readers_stage;
mod recent_frames;
mod record_counter;
mod rulebook;
#[cfg(test)]
mod second_eye_tests;
mod second_look;
mod serve;
mod service;
mod service_manager;
mod shutdown;
mod signals;
mod site_places;
mod snapshots;
mod stage;
mod stall;
mod start;
mod tcp_address;
mod threads;
mod vision_stage;
mod visitors;
mod visits;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;

use crate::config::Config;
use crate::office::Register;
use crate::setup;

use open::{Base, Parts};
use rulebook::Rulebook;
use service_manager::ServiceManager;
use threads::{StopToken, Threads};

/// How to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file from which the configuration was read. It may change while the daemon runs.
    pub configuration: Option<PathBuf>,
    /// Ends the daemon once every camera is a replay that has come to its end.
    pub until_replays_end: bool,
}

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// Whatever keeps the daemon from starting; later, a stage that failed or stopped answering. The doors are safe by then.
pub fn run(config: &Config, options: Options) -> Result<()> {
    let (base, inbox) = Base::start()?;
    let store = setup::store_or_stand_by(config)?;
    // Bound before anything is written: a second daemon is refused without a trace, and commands that arrive during a slow start wait until
    // they are served.
    let (listener, socket_file) = serve::bind_control_socket(config, &base)?;
    // The doors go by what was in force before, until a server answers.
    let in_force = setup::fleet::in_force_at_start(config, &store)?;
    if let Some(trouble) = &in_force.origin.trouble {
        tracing::error!(trouble, "this board cannot go by the site's newest rules");
    }
    let ruled = in_force.config.clone();
    let rulebook = Arc::new(Rulebook::new(config, in_force));
    let (recognition, pipelines, runtime) = open::recognition(&ruled, &store)?;
    let (visitors, queues) = open::visitors(config, &store, &recognition, &base)?;
    let (records, mut writer, from_broker) = open::records(config, &store, &recognition, queues, &base)?;
    let register =
        Register::new(recognition.gallery.clone(), records.recorder.clone(), recognition.near_enough.clone());
    let register = setup::fleet::asking(register, config, &store)?;
    let leading = leading::open(config, register, records.recorder.clone(), &*base.clock, &base.tokio)?;
    writer.visits = Some(leading.visits.clone());
    let fleet = fleet::open(config, &store, &base.clock, records.written.subscribe())?;
    let parts = Parts { recognition, visitors, records, leading, fleet, rulebook };

    let mut threads = Threads::new(base.to_main.clone(), base.clock.clone());
    let (stop_token, stop) = StopToken::new();
    let doors = start::doors(&ruled, &base, &parts, writer, &mut threads, &stop)?;
    let cameras = start::cameras(config, &base, &parts, (pipelines, runtime), &doors, &mut threads, &stop)?;
    serve::start(
        config,
        &base,
        &parts,
        &doors,
        threads.stages(),
        serve::Ends { listener, cameras, from_broker, configuration: options.configuration },
    )?;

    let mut manager = ServiceManager::new(base.clock.now());
    manager.ready();
    let end = threads.watch(&inbox, config.cameras.len(), options.until_replays_end, |running, now| {
        manager.update(running, &doors.published.read().doors, now);
    });
    let running = shutdown::Running { threads, stop_token, doors, socket_file };
    shutdown::in_order(&end, base, parts, running, &manager);
    end.map(drop)
}
