//! The end of the daemon: the order in which everything stops. The relays come first.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, channel};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::door_thread::DoorMessage;
use super::open::{Base, Parts};
use super::serve::SocketFile;
use super::service_manager::ServiceManager;
use super::signals::stop_relays;
use super::stage::Role;
use super::start::RunningDoors;
use super::threads::{SHUTDOWN_PATIENCE, StopToken, Threads};
use crate::domain::{DaemonEvent, Event};
use crate::office::Recorder;

/// What is stopped, besides the parts.
pub struct Running {
    pub threads: Threads,
    pub stop_token: StopToken,
    pub doors: RunningDoors,
    pub socket_file: SocketFile,
}

/// Stops everything in order: relays, cameras and vision, doors, the journal, the socket, the hub. `end` is why.
pub fn in_order(end: &Result<&'static str>, base: Base, parts: Parts, running: Running, manager: &ServiceManager) {
    let Running { mut threads, stop_token, doors, socket_file } = running;
    let reason = match end {
        Ok(reason) => (*reason).to_owned(),
        Err(error) => format!("{error:#}"),
    };
    // First of all, whatever else hangs: from here on no relay is energised.
    stop_relays(&base.relays);
    tracing::info!(%reason, "stopping");
    manager.stopping(&reason);
    let Parts { visitors, records, .. } = parts;
    if end.is_err() {
        finish_doors(&doors.queue, "a stage failed");
        record_within(
            &records.recorder,
            Event::Daemon(DaemonEvent::StageFailed { stage: "daemon".into(), reason: reason.clone() }),
        );
    }
    drop(stop_token);
    threads.join(|role| role.looks_at_frames() || matches!(role, Role::Camera | Role::Contacts | Role::Reader));
    finish_doors(&doors.queue, "the daemon stops");
    drop(doors);
    threads.join(|_| true);
    if let Some(storing) = visitors.storing {
        // The doors' thread has dropped the queue; what it handed over is still to be stored.
        if base.tokio.block_on(async { tokio::time::timeout(SHUTDOWN_PATIENCE, storing).await }).is_err() {
            tracing::warn!("the last visitors' faces are not kept");
        }
    }
    if let Some(broker) = &records.broker {
        // The record of the end is the last one.
        broker.noting.abort();
    }
    record_within(&records.recorder, Event::Daemon(DaemonEvent::Stopped { reason }));
    drop(socket_file);
    if let Some(broker) = &records.broker {
        base.tokio.block_on(broker.hub.stop());
    }
    if let Some(outbox) = records.recorder.journal().outbox()
        && let Err(error) = outbox.flush()
    {
        tracing::warn!(%error, "some events will be sent to the broker a second time");
    }
    base.tokio.shutdown_timeout(Duration::from_secs(1));
}

/// Asks the doors' thread to end. It may have ended already. If it hangs, its queue stays full, and this gives up after
/// [`SHUTDOWN_PATIENCE`].
fn finish_doors(queue: &SyncSender<DoorMessage>, reason: &'static str) {
    let until = Instant::now() + SHUTDOWN_PATIENCE;
    loop {
        match queue.try_send(DoorMessage::Finish { reason }) {
            Ok(()) => return,
            Err(TrySendError::Disconnected(_)) => return tracing::debug!("the doors' thread has ended"),
            Err(TrySendError::Full(_)) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            Err(TrySendError::Full(_)) => return tracing::error!("the doors' thread does not respond"),
        }
    }
}

/// Records `event`, and waits for the disk for [`SHUTDOWN_PATIENCE`] at most.
fn record_within(recorder: &Arc<Recorder>, event: Event) {
    let (done, written) = channel();
    let recorder = recorder.clone();
    // Not joined: a disk that hangs must not hold up the end.
    std::thread::spawn(move || {
        if let Err(error) = recorder.record(&event) {
            tracing::warn!(%error, "the end is not recorded");
        }
        done.send(()).ok();
    });
    if written.recv_timeout(SHUTDOWN_PATIENCE).is_err() {
        tracing::error!("the disk has stalled: the end is not recorded");
    }
}
