//! Starts the tasks: the control socket, the address of the metrics, the broker's commands, housekeeping.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::broadcast;

use super::connections::{self, Budget, ConnectionCounts, Listener};
use super::metrics::{Metrics, Sources};
use super::open::{Base, Broker, Parts};
use super::service::Service;
use super::socket::{self, SocketFile};
use super::stage::Stage;
use super::start::RunningDoors;
use super::{broker, housekeeping};
use crate::api::template::CameraView;
use crate::api::{self, ApiState};
use crate::config::Config;
use crate::hub::HubCommand;
use crate::setup;
use broker::CommandReceiver;

/// Makes the control socket. Connections wait until [`start`] serves them.
pub fn bind_control_socket(config: &Config, base: &Base) -> Result<(UnixListener, SocketFile)> {
    let path = &config.control.socket;
    let _inside = base.tokio.enter();
    socket::listen(path, config.control.group.as_deref())
        .with_context(|| format!("the control socket {} cannot be made ([control] socket)", path.display()))
}

/// The ends of channels and sockets that the tasks take over.
pub struct Ends {
    pub listener: UnixListener,
    pub views: broadcast::Sender<CameraView>,
    /// `None` without a broker.
    pub commands: Option<CommandReceiver>,
}

/// Starts all tasks that run until the end.
pub fn start(
    config: &Config,
    base: &Base,
    parts: &Parts,
    doors: &RunningDoors,
    stages: &[Arc<Stage>],
    ends: Ends,
) -> Result<()> {
    let Parts { recognition, visitors, records, leading } = parts;
    if let Some(Broker { hub, outbox, .. }) = &records.broker {
        let clock = base.clock.clone();
        let (gallery, recorder) = (recognition.gallery.clone(), records.recorder.clone());
        base.tokio.spawn(broker::measure(hub.clone(), outbox.clone(), gallery, recorder, stages.to_vec(), move || {
            clock.now()
        }));
    }
    let counts = ConnectionCounts::default();
    let (register, switch) = (leading.register.clone(), leading.switch.clone());
    let service = Arc::new(Service {
        register: register.clone(),
        switch: switch.clone(),
        recorder: records.recorder.clone(),
        stages: stages.to_vec(),
        published: doors.published.clone(),
        door_queue: doors.queue.clone(),
        placements: recognition.placements.clone(),
        hub: records.hub().cloned(),
        metrics: Metrics::new(Sources {
            stages: stages.to_vec(),
            tally: records.tally.clone(),
            connections: counts.clone(),
            placements: recognition.placements.clone(),
            gallery: recognition.gallery.clone(),
            recorder: records.recorder.clone(),
            hub: records.hub().cloned(),
            clock: base.clock.clone(),
            device: config.device.name.clone(),
            model: recognition.model.to_string(),
        }),
        views: ends.views,
        clock: base.clock.clone(),
        device: config.device.name.clone(),
        model: recognition.model.to_string(),
    });
    let settings = config.mqtt.as_ref().map(|mqtt| &mqtt.commands).filter(|commands| commands.enabled);
    if let Some((commands, settings)) = ends.commands.zip(settings) {
        let (service, unlock_for) = (service.clone(), settings.unlock_for);
        let obey = move |command: &HubCommand| service.obey(command, unlock_for).map_err(|error| error.to_string());
        base.tokio.spawn(broker::carry_out(commands, records.recorder.clone(), obey));
    }
    // Everything that stays open is open by now, except cameras that are away.
    let budget = Budget::claim(config.cameras.len() + config.doors.len());
    if let Some(address) = config.metrics.listen {
        let listener = base
            .tokio
            .block_on(TcpListener::bind(address))
            .with_context(|| format!("the metrics cannot be served on {address} ([metrics] listen)"))?;
        let router = api::metrics(service.clone());
        base.tokio.spawn(connections::serve(Listener::Metrics(listener), router, budget.metrics, counts.metrics));
        tracing::info!(%address, "serving /metrics");
    }
    let router = api::router(Arc::new(ApiState {
        register,
        switch,
        recorder: records.recorder.clone(),
        visitors: visitors.store.clone(),
        clock: base.clock.clone(),
        doors: service.clone(),
        monitor: service,
    }));
    base.tokio.spawn(connections::serve(Listener::Control(ends.listener), router, budget.control, counts.control));
    base.tokio.spawn(housekeeping::run(
        records.recorder.clone(),
        setup::keep(config),
        visitors.store.clone(),
        base.clock.clone(),
        base.to_main.clone(),
        records.evidence,
    ));
    tracing::info!(socket = %config.control.socket.display(), "ready");
    Ok(())
}
