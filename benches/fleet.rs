//! How long boards take over the people of a fleet: checking signatures, opening, storing and recording, in parts of a hundred, as the daemon does it.
//!
//! `cargo bench --bench fleet -- [--people 10000] [--boards 5]`. With one board, records are made while they are taken, so a million of them need not
//! fit in memory. Servers are not part of it: `cargo test --test fleet measure -- --ignored` measures them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark fails loudly and prints"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;
use usher::access::NearEnough;
use usher::clock::SystemClock;
use usher::domain::{DaemonEvent, Distance, Embedding, Event, ModelId, Quality};
use usher::fleet::{
    Birth, EpochKey, Epochs, FleetId, Incoming, OfficeKey, Outcome, PeopleRecord, PersonBody, PersonRecord, Place,
    Reader, Replica,
};
use usher::gallery::{Gallery, Template, write_template};
use usher::ledger::Journal;
use usher::office::{FleetPeople, Recorder, Register};
use usher::seal::{Ring, StoreKey};
use usher::store::Store;
use uuid::Uuid;
use zeroize::Zeroizing;

const DIMENSION: usize = 128;
const TEMPLATES: usize = 2;
/// As the daemon takes them.
const PART: usize = 100;
/// How often somebody else, such as a door, writes a record meanwhile.
const EVERY: Duration = Duration::from_millis(50);

/// An office that says who is there.
struct Office {
    key: OfficeKey,
    fleet: FleetId,
    epochs: Epochs,
}

/// A record with its place in the stream.
struct Made {
    sequence: u64,
    uuid: Uuid,
    signed: Vec<u8>,
}

impl Office {
    fn new() -> Office {
        let mut epochs = Epochs::default();
        epochs.insert(1, EpochKey::generate().unwrap());
        Office { key: OfficeKey::generate().unwrap(), fleet: FleetId::generate(), epochs }
    }

    fn reader(&self) -> Reader {
        let (gallery, model) = ("berlin".parse().unwrap(), ModelId::new("bench"));
        Reader { fleet: self.fleet, gallery, model, office: self.key.public() }
    }

    fn made(&self, number: u64) -> Made {
        let uuid = Uuid::from_u128(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835));
        let templates = (0..TEMPLATES).map(|which| Zeroizing::new(write_template(&template(number, which)))).collect();
        let body = PersonBody {
            name: format!("Person number {number}"),
            employee_id: Some(format!("E{number}")),
            groups: vec!["staff".into()],
            enabled: true,
            by: "anna".into(),
            templates,
            ..PersonBody::default()
        };
        let Reader { gallery, model, fleet, .. } = self.reader();
        let place = Place { fleet, gallery, uuid, model };
        let record = PersonRecord::seal(&place, 1, &body, 1, self.epochs.get(1).unwrap()).unwrap();
        let signed = self.key.sign(self.fleet, &PeopleRecord::Person(record)).unwrap().into();
        Made { sequence: number, uuid, signed }
    }
}

/// A template of somebody who does not exist; two of one person are near each other.
fn template(number: u64, which: usize) -> Template {
    let mut person = fastrand::Rng::with_seed(number);
    let mut picture = fastrand::Rng::with_seed(number ^ (which as u64 + 1) << 48);
    let values = (0..DIMENSION).map(|_| person.f32() - 0.5 + 0.4 * (picture.f32() - 0.5)).collect();
    let embedding = Embedding::normalised(ModelId::new("bench"), values).unwrap();
    Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH }
}

/// A board with a store of its own.
struct Board {
    dir: TempDir,
    gallery: Arc<Gallery>,
    recorder: Arc<Recorder>,
    replica: Replica<FleetPeople>,
}

impl Board {
    fn new(office: &Office, key: Option<&StoreKey>) -> Board {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, recorder, replica) = opened(dir.path(), office, key);
        let mut board = Board { dir, gallery, recorder, replica };
        board.replica.begin(Birth(1), 0);
        board.replica.caught_up(None).unwrap();
        board
    }

    fn take(&mut self, office: &Office, part: &[Made]) {
        let incoming = part.iter().map(|Made { sequence, uuid, signed }| Incoming {
            sequence: *sequence,
            uuid: *uuid,
            record: signed,
        });
        let outcomes = self.replica.apply_all(&incoming.collect::<Vec<_>>(), &office.epochs).unwrap();
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Changed { .. })), "{outcomes:?}");
    }

    /// The longest wait of a record that is written now and then, until `stop`.
    fn other_writer(&self, stop: &Arc<std::sync::atomic::AtomicBool>) -> std::thread::JoinHandle<Duration> {
        let (recorder, stop) = (self.recorder.clone(), stop.clone());
        std::thread::spawn(move || {
            let mut longest = Duration::ZERO;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let began = Instant::now();
                recorder.record(&Event::Daemon(DaemonEvent::Stopped { reason: "a record of a door".into() })).unwrap();
                longest = longest.max(began.elapsed());
                std::thread::sleep(EVERY);
            }
            longest
        })
    }
}

fn opened(
    folder: &Path,
    office: &Office,
    key: Option<&StoreKey>,
) -> (Arc<Gallery>, Arc<Recorder>, Replica<FleetPeople>) {
    let store = Store::open(folder).unwrap();
    let ring = match key {
        Some(key) => Ring::open(folder, Ok(Some(key.clone()))),
        None => Ring::plain(),
    };
    let gallery = Arc::new(Gallery::open(&store, &Arc::new(ring), ModelId::new("bench"), DIMENSION).unwrap());
    let recorder = Arc::new(Recorder::new(&store, Journal::open(&store).unwrap(), Arc::new(SystemClock::new())));
    let register = Register::new(gallery.clone(), recorder.clone(), NearEnough::Fixed(Distance(0.1)));
    let replica = Replica::open(office.reader(), FleetPeople::open(register, ModelId::new("bench")).unwrap()).unwrap();
    (gallery, recorder, replica)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, usual: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(usual, |at| arguments[at + 1].parse().unwrap())
    };
    let (people, boards) = (number("--people", 10_000), number("--boards", 5));
    // Beyond this the key ring, which is written as a whole, would take longer than the people.
    let key = (people <= 100_000).then(|| StoreKey::generate().unwrap());
    println!(
        "{people} people, {boards} boards, {}",
        if key.is_some() { "sealed on disk" } else { "not sealed on disk" }
    );
    match boards {
        1 => one_board(&Office::new(), people, key.as_ref()),
        _ => several(&Office::new(), people, boards, key.as_ref()),
    }
    println!("peak memory of the process: {} MB", memory("VmHWM"));
}

/// One board; records are made as it goes.
fn one_board(office: &Office, people: u64, key: Option<&StoreKey>) {
    let mut board = Board::new(office, key);
    let stop = Arc::default();
    let other = board.other_writer(&stop);
    let (mut took, mut longest, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    let mut from = 1;
    while from <= people {
        let part: Vec<Made> = (from..=people).take(PART).map(|number| office.made(number)).collect();
        bytes += part.iter().map(|made| made.signed.len()).sum::<usize>();
        let began = Instant::now();
        board.take(office, &part);
        took += began.elapsed();
        longest = longest.max(began.elapsed());
        from += PART as u64;
        if from % (people / 10).max(1) < PART as u64 {
            println!("  {} people: {took:.1?}, longest part {longest:.0?}, {} MB", from - 1, memory("VmRSS"));
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    println!("taken in {took:.1?}; {} bytes a record; longest part {longest:.0?}", bytes / people as usize);
    println!("a door's record waited for {:.0?} at most", other.join().unwrap());
    matches_and_bytes(&board, people);
    let Board { dir, gallery, recorder, replica } = board;
    let digest = replica.digest();
    drop((gallery, recorder, replica));
    let began = Instant::now();
    let (gallery, _recorder, replica) = opened(dir.path(), office, key);
    println!("opened again in {:.1?}: {} people", began.elapsed(), gallery.people_of_fleet());
    assert_eq!((replica.digest(), replica.count()), (digest, people));
}

/// Several boards at the same time.
fn several(office: &Office, people: u64, boards: u64, key: Option<&StoreKey>) {
    let made: Vec<Made> = (1..=people).map(|number| office.made(number)).collect();
    let bytes: usize = made.iter().map(|made| made.signed.len()).sum();
    println!("{} bytes a record", bytes / made.len());
    let began = Instant::now();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..boards)
            .map(|_| {
                scope.spawn(|| {
                    let mut board = Board::new(office, key);
                    let stop = Arc::default();
                    let other = board.other_writer(&stop);
                    made.chunks(PART).for_each(|part| board.take(office, part));
                    stop.store(true, std::sync::atomic::Ordering::Relaxed);
                    (board, other.join().unwrap(), began.elapsed())
                })
            })
            .collect();
        let all: Vec<_> = all.into_iter().map(|board| board.join().unwrap()).collect();
        for (board, waited, took) in &all {
            assert_eq!(board.replica.digest(), all[0].0.replica.digest());
            println!("whole after {took:.1?}; a door's record waited for {waited:.0?} at most");
        }
        matches_and_bytes(&all[0].0, people);
    });
}

fn matches_and_bytes(board: &Board, people: u64) {
    let mut times: Vec<Duration> = (0..31)
        .map(|round| {
            let probe = template(1 + round * (people / 31), 7).embedding;
            let began = Instant::now();
            board.gallery.nearest(&probe).unwrap().unwrap();
            began.elapsed()
        })
        .collect();
    times.sort();
    println!("one match takes {:.2?} (median of 31)", times[15]);
    println!("on disk: {} MB", bytes_of(board.dir.path()) / 1_000_000);
}

fn bytes_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let bytes = |entry: std::fs::DirEntry| match entry.metadata().unwrap() {
        found if found.is_dir() => bytes_of(&entry.path()),
        found => found.len(),
    };
    entries.map(bytes).sum()
}

/// What the system says of this process's memory, in MB.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
