//! Commands from the hub: carried out one after the other, or written down as refused.
//!
//! Decides nothing: the hub has judged their age and their number, and the doors' thread says what it does with them.

use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use crate::domain::Event;
use crate::hub::HubCommand;
use crate::office::Recorder;

/// Takes `commands` until the hub is gone. `order` carries one out, waits for the doors' answer, and is an error in words when it
/// was not done.
pub async fn carry_out(
    mut commands: Receiver<HubCommand>,
    recorder: Arc<Recorder>,
    order: impl Fn(&HubCommand) -> Result<(), String> + Send + Sync + 'static,
) {
    let order = Arc::new(order);
    while let Some(command) = commands.recv().await {
        let (order, recorder) = (order.clone(), recorder.clone());
        // Both wait for the disk.
        let done = tokio::task::spawn_blocking(move || one(&command, &recorder, &*order)).await;
        if let Err(error) = done {
            tracing::error!(%error, "a command from the broker failed");
        }
    }
}

fn one(command: &HubCommand, recorder: &Recorder, order: &dyn Fn(&HubCommand) -> Result<(), String>) {
    let HubCommand { door, act, by, refused, .. } = command;
    let reason = match refused {
        Some(reason) => reason.clone(),
        None => match order(command) {
            Ok(()) => return,
            Err(reason) => reason,
        },
    };
    tracing::warn!(door, command = act.as_str(), by, reason, "a command from the broker was refused");
    let event =
        Event::CommandRefused { door: door.as_str().into(), command: act.as_str().to_owned(), by: by.clone(), reason };
    if let Err(error) = recorder.record(&event) {
        tracing::error!(%error, "the refusal cannot be written down");
    }
}
