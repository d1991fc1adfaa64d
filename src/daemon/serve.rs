//! Starts the tasks: the control socket, the addresses of the metrics and the page, the broker's commands, housekeeping.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::net::UnixListener;

use super::connections::{self, Budget, ConnectionCounts, Listener};
use super::fleet::{DoorOrders, Leader};
use super::live::Watching;
use super::metrics::{Metrics, Sources};
use super::open::{Base, Broker, Parts};
use super::service::Service;
use super::stage::Stage;
use super::start::{RunningCameras, RunningDoors};
use super::tcp_address::{self, AddressTrouble};
use super::{broker, figures, housekeeping, page};
use crate::accounts::Accounts;
use crate::api::users::group_id;
use crate::api::{self, ApiState, Sittings};
use crate::config::Config;
use crate::hub::HubCommand;
use crate::setup;
use crate::setup::faces::Photographs;
use crate::web::Place;
use broker::FromBroker;

/// Makes the control socket. Connections wait until [`start`] serves them.
pub fn bind_control_socket(config: &Config, base: &Base) -> Result<(UnixListener, SocketFile)> {
    let path = &config.control.socket;
    let _inside = base.tokio.enter();
    listen(path, config.control.group.as_deref())
        .with_context(|| format!("the control socket {} cannot be made ([control] socket)", path.display()))
}

/// The ends of channels and sockets that the tasks take over.
pub struct Ends {
    pub listener: UnixListener,
    pub cameras: RunningCameras,
    /// `None` without a broker.
    pub from_broker: Option<FromBroker>,
    /// The file of the configuration.
    pub configuration: Option<PathBuf>,
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
    let Parts { recognition, visitors, records, leading, fleet, rulebook } = parts;
    if let Some(Broker { hub, outbox, .. }) = &records.broker {
        let clock = base.clock.clone();
        let (gallery, recorder) = (recognition.gallery.clone(), records.recorder.clone());
        base.tokio.spawn(broker::measure(hub.clone(), outbox.clone(), gallery, recorder, stages.to_vec(), move || {
            clock.now()
        }));
    }
    let (counts, metrics_trouble, web_trouble) =
        (ConnectionCounts::default(), AddressTrouble::default(), AddressTrouble::default());
    let (register, switch) = (leading.register.clone(), leading.switch.clone());
    let service = Arc::new(Service {
        register: register.clone(),
        switch: switch.clone(),
        recorder: records.recorder.clone(),
        written: records.written.clone(),
        stages: stages.to_vec(),
        published: doors.published.clone(),
        door_queue: doors.queue.clone(),
        placements: recognition.placements.clone(),
        hub: records.hub().cloned(),
        fleet: fleet.as_ref().map(|fleet| fleet.state.clone()),
        metrics: metrics(config, base, parts, stages, &counts),
        views: ends.cameras.views,
        clock: base.clock.clone(),
        device: config.device.name.clone(),
        model: recognition.model.to_string(),
        fingerprint: config.fingerprint(),
        config: config.clone(),
        rulebook: rulebook.clone(),
        configuration: ends.configuration.clone(),
        figures: measurements(base, parts, stages),
        metrics_trouble: metrics_trouble.clone(),
        web_trouble: web_trouble.clone(),
    });
    let live = Arc::new(Watching {
        cameras: ends.cameras.watched,
        board: doors.live.clone(),
        published: doors.published.clone(),
        recorder: records.recorder.clone(),
        config_file: ends.configuration,
    });
    let (commands, entries) = ends.from_broker.map(|from| (from.commands, from.entries)).unzip();
    if let Some(entries) = entries.flatten() {
        let names = config.doors.iter().map(|door| door.name.clone()).collect();
        base.tokio.spawn(broker::take_entries(entries, names, doors.queue.clone()));
    }
    let settings = config.mqtt.as_ref().map(|mqtt| &mqtt.commands).filter(|commands| commands.enabled);
    if let Some((commands, settings)) = commands.zip(settings) {
        let (service, unlock_for) = (service.clone(), settings.unlock_for);
        let obey = move |command: &HubCommand| service.obey(command, unlock_for);
        base.tokio.spawn(broker::carry_out(commands, records.recorder.clone(), obey));
    }
    join_fleet(base, parts, doors)?;
    // Everything that stays open is open by now, except cameras that are away.
    let budget = Budget::claim(config.cameras.len() + config.doors.len());
    if let Some(address) = config.metrics.listen {
        let router = api::metrics(service.clone());
        base.tokio.spawn(async move {
            let listener = tcp_address::listen(address, "[metrics] listen", &metrics_trouble).await;
            tracing::info!(%address, "serving /metrics");
            connections::serve(Listener::Metrics(listener), router, budget.metrics, counts.metrics).await;
        });
    }
    let accounts = Arc::new(Accounts::open(records.recorder.store())?);
    let router = api::router(Arc::new(ApiState {
        register,
        faces: Arc::new(Photographs::new(config.clone(), switch.clone())),
        sittings: Sittings::default(),
        switch,
        recorder: records.recorder.clone(),
        visitors: visitors.unknown.clone(),
        granted: visitors.granted.clone(),
        face_pictures: visitors.faces.clone(),
        calendar: setup::calendar(config),
        accounts: accounts.clone(),
        clock: base.clock.clone(),
        doors: service.clone(),
        monitor: service,
        live,
        rules: rulebook.shown(),
    }));
    if config.web.enabled {
        let site = page::site(config, Place::Board, router.clone(), accounts, base.clock.clone())?;
        base.tokio.spawn(page::serve(config.clone(), site, budget.web, counts.web, web_trouble));
    }
    base.tokio.spawn(connections::serve(Listener::Control(ends.listener), router, budget.control, counts.control));
    base.tokio.spawn(housekeeping::run(
        records.recorder.clone(),
        setup::keep(config),
        vec![visitors.unknown.clone(), visitors.granted.clone()],
        visitors.faces.clone(),
        base.clock.clone(),
        base.to_main.clone(),
        records.evidence,
    ));
    tracing::info!(socket = %config.control.socket.display(), "ready");
    Ok(())
}

/// Starts the task of a board that is in a fleet.
fn join_fleet(
    base: &Base,
    Parts { records, leading, fleet, rulebook, .. }: &Parts,
    doors: &RunningDoors,
) -> Result<()> {
    let Some(fleet) = fleet else { return Ok(()) };
    let (queue, published) = (doors.queue.clone(), doors.published.clone());
    let orders = DoorOrders { queue, published, clock: base.clock.clone() };
    let leader = Leader::new(leading.register.clone(), leading.switch.clone(), base.to_main.clone());
    let (register, written) = (leading.register.clone(), records.written.subscribe());
    fleet.start(base.tokio.handle(), register, written, orders, rulebook.clone(), leader)
}

/// The page of metrics.
fn metrics(
    config: &Config,
    base: &Base,
    Parts { recognition, records, fleet, .. }: &Parts,
    stages: &[Arc<Stage>],
    connections: &ConnectionCounts,
) -> Metrics {
    Metrics::new(Sources {
        stages: stages.to_vec(),
        record_counter: records.record_counter.clone(),
        connections: connections.clone(),
        placements: recognition.placements.clone(),
        gallery: recognition.gallery.clone(),
        recorder: records.recorder.clone(),
        hub: records.hub().cloned(),
        fleet: fleet.as_ref().map(|fleet| fleet.state.clone()),
        clock: base.clock.clone(),
        device: config.device.name.clone(),
        model: recognition.model.to_string(),
    })
}

/// The measurements of the last day, which a task adds to.
fn measurements(base: &Base, Parts { records, .. }: &Parts, stages: &[Arc<Stage>]) -> Arc<figures::Recent> {
    let recent = Arc::new(figures::Recent::default());
    let outbox = records.broker.as_ref().map(|broker| broker.outbox.clone());
    base.tokio.spawn(figures::sample(recent.clone(), stages.to_vec(), outbox, base.clock.clone()));
    recent
}

/// The socket's file; removed when this is dropped.
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, socket = %self.0.display(), "the control socket was gone already");
        }
    }
}

/// Makes the socket, with mode 0660 for `group`, else 0600. Replaces a socket that a dead daemon left behind.
///
/// # Errors
/// Another daemon answers on it, a file of that name is no socket, or the socket cannot be made.
fn listen(path: &Path, group: Option<&str>) -> io::Result<(UnixListener, SocketFile)> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::other("there is a file of that name that is not a socket"));
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            return Err(io::Error::other("another daemon answers on it"));
        }
        Ok(_) => std::fs::remove_file(path)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    let file = SocketFile(path.to_owned());
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    if let Some(group) = group {
        match group_id(group) {
            Some(gid) => std::os::unix::fs::chown(path, None, Some(gid))
                .unwrap_or_else(|error| tracing::warn!(group, %error, "the control socket keeps its group")),
            None => {
                tracing::warn!(group, "there is no such group; only the daemon's own user can use the control socket")
            }
        }
    }
    Ok((listener, file))
}
