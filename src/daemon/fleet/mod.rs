//! The board in its fleet: it takes people, rules and keys from the office, and sends its journal there. The rest of the daemon works without.
//!
//! - `state`: how things stand, for the doors, the status and the metrics
//! - `board`: the task at the servers; `people`: how it takes people; `astray`: when it reads everything again
//! - `head`: hearing how old and how whole its people are
//! - `telling`: its journal, and how it stands, for the office; `progress`: how far it is with that
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
mod progress;
mod state;
mod telling;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
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
use crate::office::fleet::key_file::{KeyFile, KeyFileError};
use crate::office::{FleetPeople, Register};
use crate::setup::fleet::{Belonging, Disk, Membership};
use crate::store::Store;
use astray::Astray;
use board::{BoardTask, Identity};
use places::PlacesTask;
use progress::{Asking, Telling};

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
    /// What the task takes over when it starts.
    kept: Mutex<Option<Kept>>,
}

/// What was kept over the restart.
struct Kept {
    disk: Disk,
    rules: Option<SiteRules>,
    heads: Heads,
    /// `None` if the membership cannot be read: then no server is asked.
    member: Option<Member>,
}

/// What lets a board in at the servers, and opens what they have.
struct Member {
    membership: Membership,
    keys: KeyFile,
}

/// Reads what the board keeps of its fleet; `written` is the number of the newest record. `None` for a board that is in none. Where the membership cannot be
/// read, the doors go on by what is on the disk: rules, a lockdown, the newest head, people.
///
/// # Errors
/// The board never joined, or the keys cannot be read.
pub fn open(
    config: &Config,
    store: &Store,
    clock: &Arc<dyn Clock>,
    written: watch::Receiver<u64>,
) -> Result<Option<Joined>> {
    let settings = &config.fleet;
    if !settings.enabled {
        return Ok(None);
    }
    let disk = Disk::open(store)?;
    let Belonging { known, membership } = Belonging::read(&settings.membership, &disk);
    if known.is_none() && !settings.membership.exists() {
        let error = membership.err().unwrap_or_else(|| anyhow!("there is no file"));
        return Err(
            error.context("the board has no membership of a fleet ([fleet] membership): `usher fleet join` writes it")
        );
    }
    let (member, trouble) = match membership {
        Ok(membership) => {
            if let Some(Err(error)) = known.as_ref().map(|known| disk.keep_known(known)) {
                tracing::error!(%error, "whom the board believes cannot be kept: should the membership be damaged, the doors cannot tell whose rules they have");
            }
            let keys = own_keys(&settings.membership.with_extension("keys"))?;
            (Some(Member { membership, keys }), None)
        }
        Err(error) => {
            let trouble = format!(
                "the membership of the fleet cannot be read: {error:#}. Mend that and restart usher, or let the board join again"
            );
            tracing::error!("{trouble}; the doors go on with what is on the disk");
            (None, Some(trouble))
        }
    };
    let (rules, heads) = known.as_ref().map_or_else(Default::default, |known| {
        (disk.rules(&known.office, known.fleet), disk.heads(&known.office, known.fleet))
    });
    let max_age = (!settings.max_age.is_zero()).then_some(settings.max_age);
    let places = settings.places.then(Arc::<PlacesDesk>::default);
    let reader = Reader::open(store, READER)?;
    let names = known.map_or_else(
        || ("an unknown board".to_owned(), "an unknown site".to_owned()),
        |known| (known.board.to_string(), known.site.to_string()),
    );
    let state = FleetState::new(names, max_age, clock.clone(), reader, written)?.with_places(places.clone());
    if let Some(at) = heads.newest().and_then(|head| Timestamp::try_from(head.at()).ok()) {
        state.hear(at, false);
    }
    state.note(|state| {
        state.rules = rules.as_ref().map_or(0, |rules| rules.version);
        state.epoch = member.as_ref().and_then(Member::newest_epoch);
        if let Some(trouble) = trouble {
            state.connection = Connection::Offline(trouble);
        }
    });
    let kept = Mutex::new(Some(Kept { disk, rules, heads, member }));
    Ok(Some(Joined { state: Arc::new(state), places, kept }))
}

/// The keys of the gallery. A damaged file is put aside: the servers have the newest key. One that cannot be read stays where it is.
fn own_keys(path: &Path) -> Result<KeyFile> {
    match KeyFile::open(path) {
        Err(error @ KeyFileError::Damaged { .. }) => {
            let aside = path.with_extension("keys.damaged");
            tracing::error!(%error, "the keys of the fleet are damaged; they are put aside as {}", aside.display());
            std::fs::rename(path, &aside).with_context(|| format!("{} cannot be put aside", path.display()))?;
            Ok(KeyFile::open(path)?)
        }
        Err(error) => {
            // The doors have all that they need on their disk.
            tracing::error!(%error, "the keys of the fleet cannot be read now; the doors go on without them, and hear of no change of people until they can be");
            Ok(KeyFile::unread(path))
        }
        Ok(keys) => Ok(keys),
    }
}

impl Member {
    fn newest_epoch(&self) -> Option<u64> {
        self.keys.epochs(&self.membership.gallery).last().copied()
    }
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
        let Some(Member { membership, keys }) = kept.member else {
            tokio.spawn(async move { kept::lock_new_doors(&kept.disk, kept.rules.as_ref(), &doors).await });
            return Ok(());
        };
        let identity = Identity {
            fleet: membership.fleet,
            site: membership.site.clone(),
            gallery: membership.gallery.clone(),
            board: membership.board.clone(),
            office: membership.office,
            key: membership.key.clone(),
            requests: membership.requests,
            model: register.gallery().model().clone(),
            instance: membership.instance,
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
        // The office takes what another key seals for the journal of another board.
        let first = state.reader.tells(&identity.key.public().to_bytes())?;
        let telling = Telling::begin(first, &kept.disk);
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
                keys: Arc::new(Mutex::new(keys)),
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
                telling,
                asking: Asking::default(),
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
    use std::collections::BTreeMap as Map;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::access::SitePlaces;
    use crate::clock::SystemClock;
    use crate::fleet::{AccessText, BoardKey, Digest, EpochKey, Gallery, Head, Lockdown, SiteAccess};
    use crate::setup::fleet::{InitPlan, OfficeFiles, in_force_at_start, init, join};

    const NOW: i64 = 1_700_000_000;

    /// A board's configuration with its own permit, and the file of its membership.
    fn configured(membership: &Path) -> Config {
        let text = format!(
            "[fleet]\nenabled = true\nplaces = true\nmembership = {:?}\n[access]\npassback = \"hard\"\n[[door]]\nname = \"front\"\n\
             outside = \"street\"\ninside = \"house\"\n[[camera]]\nname = \"porch\"\nkind = \"v4l2\"\n",
            membership.display().to_string()
        );
        Config::from_toml(&text).unwrap()
    }

    fn fleet_in(folder: &Path) -> OfficeFiles {
        init(&InitPlan {
            servers: vec!["127.0.0.1:1".parse().unwrap()],
            leaves: vec![],
            folder: folder.into(),
            now: NOW,
        })
        .unwrap()
    }

    fn joined(office: &OfficeFiles, membership: &Path) {
        let key = BoardKey::generate().unwrap();
        let invited = office.invite(&"berlin".parse().unwrap(), &"front".parse().unwrap(), &key, NOW).unwrap();
        join(&invited.token, membership, NOW).unwrap();
    }

    /// Rules of a site that lock it down and name who may pass.
    fn signed_rules(office: &OfficeFiles) -> Vec<u8> {
        let text = AccessText { text: "[[permit]]\ngroups = [\"staff\"]\n".into(), holidays: Map::new() };
        let access = SiteAccess { version: 7, by: "anna".into(), since_ms: 0, rules: Some(text) };
        let rules = SiteRules {
            site: "berlin".parse().unwrap(),
            version: 7,
            lockdown: Some(Lockdown { group: None, by: "anna".into() }),
            lockdown_ended_by: None,
            since_ms: 0,
            resend: Map::new(),
            access: Some(access),
            models: None,
        };
        office.key.sign(office.fleet, &rules).unwrap().into()
    }

    fn signed_head(office: &OfficeFiles) -> Vec<u8> {
        let head = Head {
            gallery: "berlin".parse().unwrap(),
            model: crate::domain::ModelId::new("net"),
            at_ms: 1_000_000,
            count: 0,
            total: 0,
            highest: 0,
            digest: Digest::default().value(),
            epoch: 1,
            rules: Map::new(),
            beside: None,
        };
        office.key.sign(office.fleet, &head).unwrap().into()
    }

    #[test]
    fn a_membership_that_cannot_be_read_takes_nothing_that_is_on_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let (office, membership) = (fleet_in(&dir.path().join("office")), dir.path().join("membership.json"));
        joined(&office, &membership);
        let config = configured(&membership);
        let store = Store::open(&dir.path().join("store")).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let disk = Disk::open(&store).unwrap();
        assert_eq!(in_force_at_start(&config, &store).unwrap().version(), 0, "the board's own");
        assert!(open(&config, &store, &clock, watch::channel(0).1).unwrap().is_some());
        disk.keep_rules(&signed_rules(&office), true).unwrap();
        disk.keep_head(&signed_head(&office)).unwrap();

        let still_there = || {
            let in_force = in_force_at_start(&config, &store).unwrap();
            assert_eq!((in_force.version(), in_force.origin.trouble), (7, None));
            let joined = open(&config, &store, &clock, watch::channel(0).1).unwrap().unwrap();
            assert_eq!((&*joined.state.board, &*joined.state.site), ("front", "berlin"));
            let standing = joined.state.standing();
            assert!(standing.rules == 7 && standing.heard.is_some(), "{standing:?}");
            let kept = joined.kept.lock().unwrap().take().unwrap();
            assert!(kept.rules.unwrap().lockdown.is_some());
            (standing.connection, kept.member.is_some())
        };
        assert_eq!(still_there(), (Connection::Connecting, true));
        std::fs::set_permissions(&membership, std::fs::Permissions::from_mode(0o644)).unwrap();
        let (connection, member) = still_there();
        let Connection::Offline(why) = connection else { panic!("{connection:?}") };
        assert!(!member && why.contains("chmod 600") && why.contains("restart usher"), "{why}");
        std::fs::remove_file(&membership).unwrap();
        assert!(matches!(still_there(), (Connection::Offline(_), false)));

        // It joins another fleet: what the first one said is forgotten.
        let other = fleet_in(&dir.path().join("other"));
        joined(&other, &membership);
        assert_eq!(in_force_at_start(&config, &store).unwrap().version(), 0);
        assert!(open(&config, &store, &clock, watch::channel(0).1).unwrap().is_some());
        assert!(!disk.has_rules(None) && disk.known().unwrap().fleet == other.fleet);
        assert!(disk.rules(&office.key.public(), office.fleet).is_none());
    }

    #[test]
    fn rules_that_nobody_can_read_let_nobody_in_and_none_are_the_board_s_own() {
        let dir = tempfile::tempdir().unwrap();
        let (office, membership) = (fleet_in(&dir.path().join("office")), dir.path().join("membership.json"));
        std::fs::write(&membership, "{").unwrap();
        let config = configured(&membership);
        let store = Store::open(&dir.path().join("store")).unwrap();
        let own = in_force_at_start(&config, &store).unwrap();
        assert!(own.origin.trouble.is_none() && !own.config.has_permits());
        let disk = Disk::open(&store).unwrap();
        let is_closed = || {
            let in_force = in_force_at_start(&config, &store).unwrap();
            let trouble = in_force.origin.trouble.unwrap_or_default();
            trouble.contains("let the board join again")
                && in_force.config.has_permits()
                && in_force.config.permits.is_empty()
        };
        disk.keep_rules(&signed_rules(&office), true).unwrap();
        assert!(is_closed(), "nobody knows whose they are");
        std::fs::remove_file(&membership).unwrap();
        joined(&office, &membership);
        assert!(!is_closed());
        disk.keep_rules(b"damaged", true).unwrap();
        assert!(is_closed());
    }

    #[test]
    fn damaged_files_of_the_fleet_keep_no_door_from_starting() {
        let dir = tempfile::tempdir().unwrap();
        let membership = dir.path().join("membership.json");
        let config = configured(&membership);
        let store = Store::open(&dir.path().join("store")).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let missing = open(&config, &store, &clock, watch::channel(0).1).err().unwrap().to_string();
        assert!(missing.contains("usher fleet join"), "{missing}");
        std::fs::write(&membership, "{\"fleet\":").unwrap();
        let joined = open(&config, &store, &clock, watch::channel(0).1).unwrap().unwrap();
        let status = joined.state.status();
        assert!(
            status.state.contains("membership of the fleet cannot be read") && status.heard_s.is_none(),
            "{}",
            status.state
        );
        let news = joined.places.unwrap().news();
        assert_eq!(news.map(|news| news.site), Some(SitePlaces::Stale), "which keeps nobody in");

        let path = membership.with_extension("keys");
        let gallery: Gallery = "berlin".parse().unwrap();
        own_keys(&path).unwrap().insert(&gallery, 3, EpochKey::generate().unwrap()).unwrap();
        assert_eq!(own_keys(&path).unwrap().epochs(&gallery), [3]);
        // What cannot be read is not damaged, and stays.
        let whole = std::fs::read(&path).unwrap();
        std::fs::create_dir(path.with_extension("new")).unwrap();
        assert_eq!(own_keys(&path).unwrap().epochs(&gallery), [] as [u64; 0]);
        std::fs::remove_dir(path.with_extension("new")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        std::fs::write(&path, "no key").unwrap();
        assert_eq!(own_keys(&path).unwrap().epochs(&gallery), [] as [u64; 0]);
        assert!(path.with_extension("keys.damaged").exists());
    }
}
