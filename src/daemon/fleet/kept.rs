//! A lockdown that was in force before the start, and doors that were added or renamed since: they are ordered into it before anything is heard.

use std::time::Duration;

use tokio::task::spawn_blocking;

use super::board::BoardTask;
use super::lockdown::DoorOrders;
use crate::fleet::{Lockdown, SiteRules};
use crate::setup::fleet::Disk;

/// Until the doors' thread says which doors there are.
const DOORS_WITHIN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
/// How often a door that does not follow is asked.
const ATTEMPTS: u32 = 20;
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

/// Orders doors into the lockdown of the rules that were kept, if they were not ordered before. One that was ordered is in the mode that it had: somebody
/// at the door may have ended the lockdown there. Returns whether all have followed; after some attempts it gives up, because the fleet is waited for.
pub async fn lock_new_doors(disk: &Disk, rules: Option<&SiteRules>, doors: &DoorOrders) -> bool {
    let Some(lockdown) = rules.and_then(|rules| rules.lockdown.clone()) else { return true };
    let mut waited = Duration::ZERO;
    while doors.names().is_empty() && waited < DOORS_WITHIN {
        tokio::time::sleep(PAUSE).await;
        waited += PAUSE;
    }
    for _ in 0..ATTEMPTS {
        if lock_once(disk, &lockdown, doors).await {
            return true;
        }
        tokio::time::sleep(BETWEEN_ATTEMPTS).await;
    }
    false
}

/// One attempt of [`lock_new_doors`].
pub async fn lock_once(disk: &Disk, lockdown: &Lockdown, doors: &DoorOrders) -> bool {
    let (disk, doors, lockdown) = (disk.clone(), doors.clone(), lockdown.clone());
    let followed = spawn_blocking(move || {
        let followed = doors.follow_new(&lockdown, &disk.ordered());
        if followed.is_ok()
            && let Err(error) = disk.keep_ordered(&doors.names())
        {
            tracing::warn!(%error, "which doors follow the lockdown cannot be written; they are ordered again after the next start");
        }
        followed
    });
    match followed.await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => tracing::error!(%error, "a new door did not follow the site's lockdown; it is asked again"),
        Err(error) => tracing::error!(%error, "a new door could not be ordered into the site's lockdown"),
    }
    false
}

impl BoardTask {
    /// Orders the doors that had not followed at the start.
    pub(super) async fn lock_new_doors(&mut self) {
        let lockdown = self.rules.as_ref().and_then(|rules| rules.lockdown.clone());
        if let (false, Some(lockdown)) = (self.new_doors_followed, lockdown) {
            self.new_doors_followed = lock_once(&self.disk, &lockdown, &self.doors).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::clock::SystemClock;
    use crate::daemon::published_doors::PublishedDoors;
    use crate::store::Store;

    #[tokio::test(start_paused = true)]
    async fn without_a_lockdown_nobody_is_ordered_and_nothing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(&Store::open(dir.path()).unwrap()).unwrap();
        let (queue, inbox) = sync_channel(8);
        let doors = DoorOrders { queue, published: PublishedDoors::default(), clock: Arc::new(SystemClock::new()) };
        lock_new_doors(&disk, None, &doors).await;
        assert!(inbox.try_recv().is_err());
        disk.keep_ordered(&["front".into()]).unwrap();
        assert_eq!(disk.ordered(), ["front"]);
    }
}
