//! What the service manager is told: that usher is ready, that it lives, how it is, that it ends.
//!
//! That is systemd's protocol: `$NOTIFY_SOCKET` for what is told, `$WATCHDOG_USEC` for how often. Without a service manager nothing
//! is told. Knows nothing of what the stages do.

use std::time::Duration;

use sd_notify::NotifyState;

use super::doors::post::DoorView;
use super::health::Stage;
use crate::domain::{Mode, Moment};

/// A beat is due when a third of the watchdog's patience is over, so that two may come late.
const BEATS_IN_A_SPAN: u32 = 3;

/// See the file's head.
pub struct Supervisor {
    /// How far apart beats are; `None` when no watchdog waits for them.
    every: Option<Duration>,
    last_beat: Moment,
    status: String,
}

impl Supervisor {
    /// With the watchdog that the environment names, if it does.
    pub fn new(now: Moment) -> Supervisor {
        let every = sd_notify::watchdog_enabled().map(|span| span / BEATS_IN_A_SPAN);
        Supervisor { every, last_beat: now, status: String::new() }
    }

    /// Models are ready, doors are safe, and orders can be given.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// Called again and again: tells how things are when that has changed, and beats when it is time and every stage has beaten
    /// since the last time.
    pub fn look(&mut self, running: &[&Stage], doors: &[DoorView], now: Moment) {
        let status = words(running, doors);
        if status != self.status {
            tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
        if self.every.is_some_and(|every| is_due(every, self.last_beat, running, now)) {
            tell(&[NotifyState::Watchdog]);
            self.last_beat = now;
        }
    }

    /// The end has begun, and why.
    pub fn stopping(&self, reason: &str) {
        tell(&[NotifyState::Stopping, NotifyState::Status(&format!("stopping: {reason}"))]);
    }
}

fn is_due(every: Duration, last: Moment, running: &[&Stage], now: Moment) -> bool {
    let since = now.since(last);
    since >= every && running.iter().all(|stage| stage.silent_for(now) <= since)
}

/// One line for `systemctl status`, which everybody on the machine can read: no names of people.
fn words(running: &[&Stage], doors: &[DoorView]) -> String {
    let of_doors = doors.iter().map(|door| {
        let mut parts = vec![format!("{} {}", door.name, if door.unlocked { "unlocked" } else { "locked" })];
        if door.mode != Mode::Normal {
            parts.push(door.mode.as_str().to_owned());
        }
        parts.extend(door.alarms.iter().map(|alarm| format!("ALARM {}", alarm.as_str())));
        parts.extend(door.trouble.clone());
        format!("{} ({})", parts.join(", "), door.wires)
    });
    let of_cameras = running.iter().filter(|stage| stage.role == "camera").map(|stage| match stage.trouble() {
        None => format!("{} watching", stage.name),
        Some(trouble) => format!("{}: {trouble}", stage.name),
    });
    // A line break would end the line for systemd, and what follows would be read as news of its own.
    of_doors.chain(of_cameras).collect::<Vec<_>>().join("; ").replace(['\n', '\r'], " ")
}

/// Whoever started usher may have gone; that is no reason to end.
fn tell(news: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(news) {
        tracing::debug!(%error, "the service manager cannot be told");
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
    fn a_beat_is_due_when_it_is_time_and_every_stage_has_beaten_since_the_last() {
        let stages = [Stage::new("camera", "porch", at(0)), Stage::new("doors", "doors", at(0))];
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
        let stage = Stage::new("camera", "porch", at(0));
        let door = DoorView {
            name: "front".into(),
            wires: "simulated".to_owned(),
            mode: Mode::Lockdown { group: None },
            unlocked: false,
            level_unknown: false,
            open: None,
            hours: None,
            alarms: Vec::new(),
            trouble: None,
        };
        let told = words(&[&stage], std::slice::from_ref(&door));
        assert_eq!(told, "front locked, lockdown (simulated); porch watching");
        stage.set_trouble(Some("gone\nREADY=1".to_owned()));
        let told = words(&[&stage], &[DoorView { mode: Mode::Normal, unlocked: true, ..door }]);
        assert_eq!(told, "front unlocked (simulated); porch: gone READY=1");
    }
}
