//! Notifies the service manager: that usher is ready, is alive, its status, that it ends. Does nothing without a service manager.
//!
//! The protocol is systemd's (sd_notify(3)): `$NOTIFY_SOCKET` receives the notifications, `$WATCHDOG_USEC` is the watchdog's timeout.

use std::time::Duration;

use sd_notify::NotifyState;

use super::doors::door::DoorView;
use super::stage::{Role, Stage};
use crate::domain::{Mode, Moment};

/// Notifications per watchdog timeout: two of them may be late.
const BEATS_PER_TIMEOUT: u32 = 3;

/// The connection to the service manager, and what it was last sent.
pub struct ServiceManager {
    /// The time between two watchdog notifications; `None` without a watchdog.
    every: Option<Duration>,
    last_beat: Moment,
    status: String,
}

impl ServiceManager {
    /// Takes the watchdog's timeout from the environment.
    pub fn new(now: Moment) -> ServiceManager {
        let every = sd_notify::watchdog_enabled().map(|span| span / BEATS_PER_TIMEOUT);
        ServiceManager { every, last_beat: now, status: String::new() }
    }

    /// Notifies that the start is complete: models are loaded, doors are safe, commands are served.
    pub fn ready(&self) {
        notify(&[NotifyState::Ready]);
    }

    /// To be called regularly. Sends the status if it has changed, and the watchdog notification if it is due and every running stage has given
    /// a heartbeat since the last one.
    pub fn update(&mut self, running: &[&Stage], doors: &[DoorView], now: Moment) {
        let status = status_line(running, doors);
        if status != self.status {
            notify(&[NotifyState::Status(&status)]);
            self.status = status;
        }
        if self.every.is_some_and(|every| is_due(every, self.last_beat, running, now)) {
            notify(&[NotifyState::Watchdog]);
            self.last_beat = now;
        }
    }

    /// Notifies that the shutdown has begun.
    pub fn stopping(&self, reason: &str) {
        notify(&[NotifyState::Stopping, NotifyState::Status(&format!("stopping: {reason}"))]);
    }
}

fn is_due(every: Duration, last: Moment, running: &[&Stage], now: Moment) -> bool {
    let since = now.since(last);
    since >= every && running.iter().all(|stage| stage.silent_for(now) <= since)
}

/// One line for `systemctl status`. Every user of the machine can read it, so it names no people.
fn status_line(running: &[&Stage], doors: &[DoorView]) -> String {
    let of_doors = doors.iter().map(|door| {
        let mut parts = vec![format!("{} {}", door.name, if door.unlocked { "unlocked" } else { "locked" })];
        if door.mode != Mode::Normal {
            parts.push(door.mode.as_str().to_owned());
        }
        parts.extend(door.alarms.iter().map(|alarm| format!("ALARM {}", alarm.as_str())));
        parts.extend(door.trouble.clone());
        format!("{} ({})", parts.join(", "), door.wires)
    });
    let of_cameras = running.iter().filter(|stage| stage.role == Role::Camera).map(|stage| match stage.trouble() {
        None => format!("{} watching", stage.name),
        Some(trouble) => format!("{}: {trouble}", stage.name),
    });
    // systemd would read the text after a line break as a separate notification.
    of_doors.chain(of_cameras).collect::<Vec<_>>().join("; ").replace(['\n', '\r'], " ")
}

/// Sends a notification. A failure is no reason to end: the service manager may have gone.
fn notify(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager cannot be notified");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn a_watchdog_notification_needs_a_heartbeat_of_every_stage() {
        let stages = [Stage::new(Role::Camera, "porch", at(0)), Stage::new(Role::Doors, "doors", at(0))];
        let running: Vec<&Stage> = stages.iter().map(|stage| &**stage).collect();
        stages[0].beat(at(105));
        stages[1].beat(at(108));
        assert!(!is_due(EVERY, at(100), &running, at(109)), "too early");
        assert!(is_due(EVERY, at(100), &running, at(110)));
        assert!(!is_due(EVERY, at(106), &running, at(116)), "the camera has not beaten since 106");
        stages[0].beat(at(117));
        assert!(is_due(EVERY, at(106), &running, at(117)));
    }

    #[test]
    fn the_status_is_one_line_whatever_a_device_says() {
        let stage = Stage::new(Role::Camera, "porch", at(0));
        let door = DoorView {
            name: "front".into(),
            wires: "simulated".to_owned(),
            mode: Mode::Lockdown { group: None },
            unrecorded: false,
            unlocked: false,
            level_unknown: false,
            open: None,
            hours: None,
            alarms: Vec::new(),
            trouble: None,
            prompt: Default::default(),
            assurance: Vec::new(),
        };
        let line = status_line(&[&stage], std::slice::from_ref(&door));
        assert_eq!(line, "front locked, lockdown (simulated); porch watching");
        stage.set_trouble(Some("gone\nREADY=1".to_owned()));
        let line = status_line(&[&stage], &[DoorView { mode: Mode::Normal, unlocked: true, ..door }]);
        assert_eq!(line, "front unlocked (simulated); porch: gone READY=1");
    }
}
