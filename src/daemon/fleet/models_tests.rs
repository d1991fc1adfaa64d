//! A site's whole way to another model: the office, servers in memory, and two boards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::astray::Astray;
use super::board::{BoardTask, Identity};
use super::{DoorOrders, FleetState, Leader};
use crate::access::NearEnough;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::daemon::fleet_office::{Invitation, Issuer, IssuerError, Leaf, Office, Revoked, Revoking, answer, keep};
use crate::daemon::published_doors::PublishedDoors;
use crate::daemon::rulebook::Rulebook;
use crate::daemon::threads::MainMessage;
use crate::domain::{Distance, PersonId};
use crate::fleet::carrier::{Carrier, MAX_READ, MemoryServer, Stream};
use crate::fleet::{Board, BoardKey, Reader as RecordReader, Replica, RequestKey, Site};
use crate::gallery::{Gallery, Template, read_template};
use crate::ledger::{Journal, Reader};
use crate::office::fleet::key_file::KeyFile;
use crate::office::fleet::models_tests::{TwoModels, new_model, of_new};
use crate::office::fleet::protocol::{Answer, ModelsAct, ModelsStatus, Photographs, Request};
use crate::office::fleet::tests::{berlin, board, fleet, gallery, key, open, somebody};
use crate::office::fleet::{Collected, Gathered, KEPT_MS};
use crate::office::switch::state::{Phase, embedder_in_force};
use crate::office::switch::{Catalogue, Switch, stored};
use crate::office::{FleetPeople, Recorder, Register, Requests};
use crate::seal::Ring;
use crate::setup::fleet::{Disk, InForce};
use crate::store::Store;

struct NoServers;

impl Issuer for NoServers {
    fn invite(&self, _: &Site, _: &Board, _: &BoardKey) -> Result<Invitation, IssuerError> {
        Err(IssuerError("not here".into()))
    }

    fn leaf(&self, _: &Site, _: &str, _: bool) -> Result<Leaf, IssuerError> {
        Err(IssuerError("not here".into()))
    }

    fn revoke<'a>(&'a self, _: &'a str) -> Revoking<'a> {
        Box::pin(std::future::ready(Ok(Revoked::AtServers)))
    }

    fn revoked(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    fn take_over(&self, _: &BTreeSet<String>) -> Result<(), IssuerError> {
        Ok(())
    }
}

async fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let found = async {
        while !look() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), found).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

/// A board's disk, over restarts.
struct House {
    dir: TempDir,
    name: &'static str,
    key: u8,
}

/// A board that runs.
struct Running {
    gallery: Arc<Gallery>,
    switch: Arc<Switch>,
    inbox: Receiver<MainMessage>,
    task: JoinHandle<()>,
    /// Its end would be the journal's.
    written: watch::Sender<u64>,
}

impl House {
    fn new(name: &'static str, key: u8) -> House {
        House { dir: tempfile::tempdir().unwrap(), name, key }
    }

    /// Starts as the daemon does: it goes over first if that is due.
    fn start(&self, server: &MemoryServer) -> Running {
        let store = Store::open(&self.dir.path().join("store")).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let opened = |name: &str| {
            let card = TwoModels.card(name).unwrap();
            let gallery =
                Arc::new(Gallery::open(&store, &Arc::new(Ring::plain()), card.model, card.dimension).unwrap());
            let recorder = Arc::new(Recorder::new(&store, Journal::open(&store).unwrap(), clock.clone()));
            let register = Register::new(gallery.clone(), recorder.clone(), NearEnough::Fixed(Distance(0.2)))
                .in_fleet(Requests::open(&store).unwrap(), true);
            let switch = Switch::open(register.clone(), recorder, Arc::new(TwoModels), "net").unwrap();
            (gallery, register, Arc::new(switch))
        };
        let in_force = |store: &Store| {
            let configured = Disk::open(store).unwrap().model().unwrap_or_else(|| "net".to_owned());
            embedder_in_force(stored(store).unwrap().as_ref(), &configured).to_owned()
        };
        opened(&in_force(&store)).2.switch_if_due(SystemTime::now(), true).unwrap();
        let (gallery_of_board, register, switch) = opened(&in_force(&store));
        let identity = Identity {
            fleet: fleet(),
            site: berlin(),
            gallery: gallery(),
            board: board(self.name),
            office: key().public(),
            key: BoardKey::from_bytes(&[self.key; 32]),
            requests: RequestKey::of(&key()).public(),
            model: gallery_of_board.model().clone(),
            instance: None,
        };
        let reader =
            RecordReader { fleet: fleet(), gallery: gallery(), model: identity.model.clone(), office: identity.office };
        let people = FleetPeople::open(register.clone(), identity.model.clone()).unwrap();
        let (queue, _) = sync_channel(8);
        let disk = Disk::open(&store).unwrap();
        let (rules, heads) = (disk.rules(&identity.office, fleet()), disk.heads(&identity.office, fleet()));
        let own =
            Config::from_toml("[[door]]\nname = \"front\"\n[[camera]]\nname = \"porch\"\nkind = \"v4l2\"\n").unwrap();
        let in_force = InForce::own(&own);
        let (to_main, inbox) = channel();
        let mut leader = Leader::new(register.clone(), switch.clone(), to_main);
        leader.spread = Duration::ZERO;
        let reader_of_journal = Reader::open(&store, "fleet").unwrap();
        let (written, journal) = watch::channel(0);
        let names = (self.name.into(), "berlin".into());
        let state = FleetState::new(names, None, clock.clone(), reader_of_journal, journal.clone()).unwrap();
        let telling = super::progress::Telling::begin(1, &disk);
        let task = BoardTask {
            identity,
            carrier: Arc::new(server.carrier()),
            state: Arc::new(state),
            disk,
            replica: Arc::new(Mutex::new(Replica::open(reader, people).unwrap())),
            keys: Arc::new(Mutex::new(KeyFile::open(&self.dir.path().join("keys")).unwrap())),
            doors: DoorOrders { queue, published: PublishedDoors::default(), clock },
            rulebook: Arc::new(Rulebook::new(&own, in_force)),
            written: journal,
            register,
            rules,
            new_doors_followed: true,
            heads,
            clocks: Vec::new(),
            counted: BTreeMap::new(),
            told_waiting: 0,
            more_records: false,
            telling,
            asking: super::progress::Asking::default(),
            newest_rules: 0,
            read_all: false,
            astray: Astray::default(),
            answers: 0,
            beside: None,
            leader,
        };
        Running { gallery: gallery_of_board, switch, inbox, task: tokio::spawn(task.run()), written }
    }
}

impl Running {
    fn named(&self, name: &str) -> Option<PersonId> {
        self.gallery.people().iter().find(|person| person.name == name).map(|person| person.id)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.gallery.people().into_iter().map(|person| person.name).collect();
        names.sort();
        names
    }

    /// How many templates of the other model somebody has.
    fn beside(&self, name: &str) -> usize {
        self.named(name).map_or(0, |id| self.gallery.next_templates(id))
    }

    fn wants_a_restart(&self) -> bool {
        matches!(self.inbox.try_recv(), Ok(MainMessage::ModelChanged))
    }

    /// Ends it, as a power cut does.
    async fn stop(self) {
        self.task.abort();
        drop(self.task.await);
    }
}

async fn act(office: &Arc<Office>, act: ModelsAct) -> Answer {
    answer(office, Request::Models { site: berlin(), act }, "anna".into()).await
}

async fn status(office: &Arc<Office>) -> ModelsStatus {
    match act(office, ModelsAct::Status).await {
        Answer::Models(models) => models,
        other => panic!("{other:?}"),
    }
}

fn office(dir: &TempDir) -> Arc<Office> {
    let book = open(dir.path()).unwrap().with_catalogue(Arc::new(TwoModels));
    let collected = Collected::open(&book.trees.store).unwrap();
    Arc::new(Office::new(book, collected, Box::new(NoServers), Arc::new(SystemClock::new())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_site_goes_over_while_a_board_is_off_somebody_is_forgotten_and_templates_come_twice() {
    let (dir, server) = (tempfile::tempdir().unwrap(), MemoryServer::default());
    let office = office(&dir);
    let carrier: Arc<dyn Carrier> = Arc::new(server.carrier());
    let link = tokio::spawn(keep(office.clone(), carrier, false));
    let (front_house, back_house) = (House::new("front", 3), House::new("back", 4));
    let uuids = office
        .change(|book| {
            for (n, name) in [(3, "front"), (4, "back")] {
                let public = BoardKey::from_bytes(&[n; 32]).public();
                book.add_board(&board(name), &berlin(), public, format!("credential of {name}"), 0).unwrap();
            }
            [("Ada", 0.0), ("Bob", 90.0), ("Eve", 180.0)]
                .map(|(name, at)| book.enroll(somebody(name, at), "anna").unwrap())
        })
        .await
        .unwrap();
    let (front, back) = (front_house.start(&server), back_house.start(&server));
    for board in [&front, &back] {
        eventually("everybody", || board.names() == ["Ada", "Bob", "Eve"]).await;
    }

    // Announced: both boards keep templates of both models, and make some at their doors.
    let switch = ModelsAct::Switch { to: "new".into(), share: 100, after_ms: None, learn: true };
    assert!(matches!(act(&office, switch).await, Answer::Done(_)));
    for board in [&front, &back] {
        eventually("the switch", || {
            let begun = board.switch.state().is_some_and(|state| state.phase == Phase::Begun && state.learn);
            begun && board.gallery.next_model() == Some(new_model())
        })
        .await;
    }
    let local = front.switch.cancel("somebody".into());
    assert!(local.unwrap_err().to_string().contains("its office"), "at the board, nobody cancels it");
    // The templates of a visit go to the office, and from there to the other board. When they come once more, they change nothing.
    let take = || {
        office.change(move |book| {
            book.take_templates(&berlin(), &board("front"), uuids[0], &new_model(), vec![of_new(0.0), of_new(1.0)])
        })
    };
    let views: Vec<Template> = [0.0, 1.0].map(|at| read_template(&of_new(at)).unwrap()).into();
    front.switch.learn(front.named("Ada").unwrap(), views, 7).unwrap().unwrap();
    front.written.send_modify(|number| *number += 1);
    eventually("Ada's templates at the other board", || back.beside("Ada") == 2).await;
    assert_eq!(take().await.unwrap().unwrap(), Gathered::Had);
    for board in [&front, &back] {
        eventually("Ada's templates", || board.beside("Ada") == 2).await;
    }

    // One board is off. Somebody is forgotten, and the last one gets templates: the site goes over.
    back.stop().await;
    office.change(|book| book.forget(&berlin(), "Bob", 0).unwrap()).await.unwrap();
    eventually("Bob to be forgotten", || front.names() == ["Ada", "Eve"]).await;
    let photographs = Photographs {
        name: "Eve".into(),
        templates: vec![of_new(120.0)],
        proof: Vec::new(),
        labels: vec!["eve.jpg".into()],
        force: false,
    };
    assert!(matches!(act(&office, ModelsAct::Photographs(photographs)).await, Answer::Done(_)));
    let said = status(&office).await;
    assert_eq!((said.current.as_deref(), said.roll.as_ref().map(|roll| roll.switched)), (Some("new"), Some(true)));
    eventually("a restart of the board that is there", || front.wants_a_restart()).await;
    front.stop().await;
    let front = front_house.start(&server);
    assert_eq!(*front.gallery.model(), new_model());
    let ada = front.named("Ada").unwrap();
    let probe = read_template(&of_new(0.5)).unwrap().embedding;
    assert_eq!(front.gallery.nearest(&probe).unwrap().unwrap().person, ada);
    let follows = |said: &ModelsStatus| said.boards.iter().map(|board| board.follows).collect::<Vec<_>>();
    let mut said = status(&office).await;
    for _ in 0..1000 {
        if follows(&said) == [false, true] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        said = status(&office).await;
    }
    assert_eq!(follows(&said), [false, true], "back is off: {said:?}");

    // The board that was off comes back to the old model, hears of everything, and follows.
    let back = back_house.start(&server);
    assert_eq!(back.gallery.model().as_str(), "net");
    eventually("what happened meanwhile", || back.names() == ["Ada", "Eve"] && back.beside("Eve") == 1).await;
    eventually("a restart of the board that was off", || back.wants_a_restart()).await;
    back.stop().await;
    let back = back_house.start(&server);
    assert_eq!((back.gallery.model().clone(), back.names()), (new_model(), vec!["Ada".to_owned(), "Eve".to_owned()]));

    drops_the_old_records(&office, &server, [&front, &back]).await;
    for (house, board) in [(front_house, front), (back_house, back)] {
        board.stop().await;
        let again = house.start(&server);
        assert_eq!(*again.gallery.model(), new_model(), "whatever the configuration says");
        again.stop().await;
    }
    link.abort();
}

/// A day later the old records are dropped: at the office, at the servers, at the boards.
async fn drops_the_old_records(office: &Arc<Office>, server: &MemoryServer, boards: [&Running; 2]) {
    let now_ms = office.now_ms();
    let dropped = office.change(move |book| {
        let models = [Some("new".to_owned()), Some("new".to_owned())];
        book.advance_roll(&gallery(), &models, now_ms + KEPT_MS + 1).unwrap()
    });
    assert!(dropped.await.unwrap());
    for board in boards {
        eventually("the end of the switch", || {
            board.switch.state().is_none() && board.gallery.models().unwrap().len() == 1
        })
        .await;
        assert_eq!(board.names(), ["Ada", "Eve"]);
    }
    let carrier = server.carrier();
    let left = carrier.read(&Stream::People(gallery()), 1, MAX_READ).await.unwrap();
    assert!(left.len() == 2 && left.iter().all(|stored| stored.subject.contains(".new.")), "{left:?}");
}
