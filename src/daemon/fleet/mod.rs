//! The board in its fleet: it takes people, rules and keys from the office, and sends its journal there. The rest of the daemon works without.
//!
//! - `state`: how things stand, for the doors, the status and the metrics
//! - `board`: the task at the servers; `people`: how it takes people; `astray`: when it reads everything again
//! - `head`: hearing how old and how whole its people are
//! - `telling`: its journal, and how it stands, for the office
//! - `access`: who may pass by the rules of the site
//! - `asking`: what it asks of the office
//! - `models`: following the site from one model to another; `leader`: what it needs for that
//! - `lockdown`: orders to the doors; `kept`: a lockdown over a restart, at doors that are new
//! - `places`: where people are, between the boards of a site

mod access;
mod asking;
mod astray;
mod board;
mod head;
mod kept;
mod leader;
mod lockdown;
mod models;
#[cfg(test)]
mod models_tests;
mod people;
mod places;
#[cfg(test)]
mod places_tests;
mod state;
mod telling;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::rulebook::Rulebook;
use crate::daemon::site_places::PlacesDesk;
use crate::fleet::carrier::Carrier;
use crate::fleet::{Heads, Reader as RecordReader, Replica, SiteRules};
use crate::ledger::Reader;
use crate::office::fleet::key_file::KeyFile;
use crate::office::{FleetPeople, Register};
use crate::setup::fleet::{Disk, Membership};
use crate::store::Store;
use astray::Astray;
use board::{BoardTask, Identity};
use places::PlacesTask;

pub use leader::Leader;
pub use lockdown::DoorOrders;
pub use state::{Connection, FleetState};

/// The name of the fleet's reader of the journal.
const READER: &str = "fleet";
/// Between two attempts to set the connection up.
const PAUSE: Duration = Duration::from_secs(15);

/// A board that has joined a fleet.
pub struct Joined {
    pub state: Arc<FleetState>,
    /// Where the doors and the task for places meet; `None` without `[fleet] places`.
    pub places: Option<Arc<PlacesDesk>>,
    membership: Membership,
    /// What the task takes over when it starts.
    kept: Mutex<Option<Kept>>,
}

/// What was kept over the restart.
struct Kept {
    disk: Disk,
    keys: KeyFile,
    rules: Option<SiteRules>,
    heads: Heads,
}

/// Reads what the board keeps of its fleet; `None` for a board that is in none.
///
/// # Errors
/// The membership or the keys cannot be read.
pub fn open(config: &Config, store: &Store, clock: &Arc<dyn Clock>) -> Result<Option<Joined>> {
    let settings = &config.fleet;
    if !settings.enabled {
        return Ok(None);
    }
    let membership = match Membership::load(&settings.membership) {
        Ok(membership) => membership,
        Err(error) if !settings.membership.exists() => {
            return Err(error
                .context("the board has no membership of a fleet ([fleet] membership): `usher fleet join` writes it"));
        }
        Err(error) => {
            // The doors have all that they need on their disk.
            let error = format!("{error:#}");
            tracing::error!(
                error,
                "the membership of the fleet cannot be read, and the doors go on without the fleet; let the board join again"
            );
            return Ok(None);
        }
    };
    let keys = own_keys(&settings.membership.with_extension("keys"))?;
    let disk = Disk::open(store)?;
    let (rules, heads) =
        (disk.rules(&membership.office, membership.fleet), disk.heads(&membership.office, membership.fleet));
    let max_age = (!settings.max_age.is_zero()).then_some(settings.max_age);
    let places = settings.places.then(Arc::<PlacesDesk>::default);
    let state = FleetState::new(
        membership.board.to_string(),
        membership.site.to_string(),
        max_age,
        clock.clone(),
        Reader::open(store, READER)?,
    )
    .with_places(places.clone());
    if let Some(at) = heads.newest().and_then(|head| Timestamp::try_from(head.at()).ok()) {
        state.hear(at, false);
    }
    state.note(|state| {
        state.rules = rules.as_ref().map_or(0, |rules| rules.version);
        state.epoch = keys.epochs(&membership.gallery).last().copied();
    });
    let kept = Mutex::new(Some(Kept { disk, keys, rules, heads }));
    Ok(Some(Joined { state: Arc::new(state), places, membership, kept }))
}

/// The keys of the gallery. A damaged file is put aside: the servers have the newest key.
fn own_keys(path: &Path) -> Result<KeyFile> {
    KeyFile::open(path).or_else(|error| {
        let aside = path.with_extension("keys.damaged");
        tracing::error!(%error, "the keys of the fleet cannot be read; they are put aside as {}", aside.display());
        std::fs::rename(path, &aside).with_context(|| format!("{} cannot be put aside", path.display()))?;
        Ok(KeyFile::open(path)?)
    })
}

impl Joined {
    /// Starts the task at the servers. `written` is the number of the newest record.
    ///
    /// # Errors
    /// What the board holds of the fleet cannot be read.
    pub fn start(
        &self,
        tokio: &Handle,
        register: Register,
        written: watch::Receiver<u64>,
        doors: DoorOrders,
        rulebook: Arc<Rulebook>,
        leader: Leader,
    ) -> Result<()> {
        let Some(kept) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        let membership = self.membership.clone();
        let identity = Identity {
            fleet: membership.fleet,
            site: membership.site.clone(),
            gallery: membership.gallery.clone(),
            board: membership.board.clone(),
            office: membership.office,
            key: membership.key.clone(),
            requests: membership.requests,
            model: register.gallery().model().clone(),
        };
        let reader = RecordReader {
            fleet: identity.fleet,
            gallery: identity.gallery.clone(),
            model: identity.model.clone(),
            office: identity.office,
        };
        let model = identity.model.clone();
        let people = FleetPeople::open(register.clone(), model).context("the people of the fleet cannot be read")?;
        let of = register.clone();
        let (desk, clock) = (self.places.clone(), self.state.clock.clone());
        let names = (identity.site.clone(), identity.board.clone());
        let places = desk
            .map(|desk| move |carrier: Arc<dyn Carrier>| PlacesTask::new(names, carrier, Box::new(of), desk, clock));
        let replica = Replica::open(reader, people).context("the people of the fleet cannot be read")?;
        let state = self.state.clone();
        tokio.spawn(async move {
            let new_doors_followed = kept::lock_new_doors(&kept.disk, kept.rules.as_ref(), &doors).await;
            let carrier = connected(&membership, &state).await;
            if let Some(places) = places {
                tokio::spawn(places(carrier.clone()).run());
            }
            let task = BoardTask {
                identity,
                carrier,
                state,
                disk: kept.disk,
                replica: Arc::new(Mutex::new(replica)),
                keys: Arc::new(Mutex::new(kept.keys)),
                doors,
                rulebook,
                written,
                register,
                rules: kept.rules,
                new_doors_followed,
                heads: kept.heads,
                clocks: Vec::new(),
                counted: BTreeMap::new(),
                told_waiting: 0,
                more_records: false,
                newest_rules: 0,
                read_all: false,
                astray: Astray::default(),
                answers: 0,
                beside: None,
                leader,
            };
            task.run().await;
        });
        Ok(())
    }
}

/// The carrier of a membership, once it can be set up.
async fn connected(membership: &Membership, state: &FleetState) -> Arc<dyn Carrier> {
    loop {
        match membership.connect().await {
            Ok(carrier) => return Arc::new(carrier),
            Err(error) => {
                tracing::error!(%error, "the connection to the fleet cannot be set up");
                state.note(|state| state.connection = Connection::Offline(error.to_string()));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::fleet::{EpochKey, Gallery};

    #[test]
    fn damaged_files_of_the_fleet_keep_no_door_from_starting() {
        let dir = tempfile::tempdir().unwrap();
        let membership = dir.path().join("membership.json");
        let text = format!(
            "[fleet]\nenabled = true\nmembership = {:?}\n[[door]]\nname = \"front\"\n[[camera]]\nname = \"porch\"\nkind = \"v4l2\"\n",
            membership.display().to_string()
        );
        let config = Config::from_toml(&text).unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let missing = open(&config, &store, &clock).err().unwrap().to_string();
        assert!(missing.contains("usher fleet join"), "{missing}");
        std::fs::write(&membership, "{\"fleet\":").unwrap();
        assert!(open(&config, &store, &clock).unwrap().is_none());

        let path = membership.with_extension("keys");
        let gallery: Gallery = "berlin".parse().unwrap();
        own_keys(&path).unwrap().insert(&gallery, 3, EpochKey::generate().unwrap()).unwrap();
        assert_eq!(own_keys(&path).unwrap().epochs(&gallery), [3]);
        std::fs::write(&path, "no key").unwrap();
        assert_eq!(own_keys(&path).unwrap().epochs(&gallery), [] as [u64; 0]);
        assert!(path.with_extension("keys.damaged").exists());
    }
}
