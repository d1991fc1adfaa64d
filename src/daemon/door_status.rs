//! A door as the API shows it.

use super::doors::door::DoorView;
use crate::api::doors::DoorStatus;
use crate::domain::Mode;

/// The status of a door whose state is `view`.
pub fn door_status(view: &DoorView) -> DoorStatus {
    let group = match &view.mode {
        Mode::Lockdown { group } => group.clone(),
        Mode::Normal | Mode::Release => None,
    };
    DoorStatus {
        name: view.name.to_string(),
        wires: view.wires.clone(),
        mode: view.mode.as_str().to_owned(),
        group,
        unlocked: view.unlocked,
        open: view.open,
        hours: view.hours.clone(),
        alarms: view.alarms.iter().map(|alarm| alarm.as_str().to_owned()).collect(),
        trouble: view.trouble.clone(),
        prompt: view.prompt.as_str().to_owned(),
        assurance: view.assurance.iter().map(|tier| tier.as_str().to_owned()).collect(),
    }
}
