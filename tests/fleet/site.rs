//! A whole site: three servers, a leaf, an office, five daemons and 300 people, and what fails one after another.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tokio::runtime::Runtime;
use usher::config::Config;
use usher::domain::{Embedding, ModelId, Quality};
use usher::gallery::{Template, write_template};
use usher::office::fleet::protocol::{Answer, Enrolment, Request, SOCKET};

use crate::attacker::Attacker;
use crate::cut::Cut;
use crate::server::{Program, Servers};
use crate::support::{Daemon, Film, House, Office, eventually, names, status};

const BOARDS: [&str; 5] = ["front", "back", "side", "cellar", "roof"];
const PEOPLE: usize = 300;
/// Commands that run at once.
const AT_ONCE: usize = 4;
/// Who is enrolled while the site is cut off, and who while boards are killed.
const MEANWHILE: usize = 6;
const LATER: usize = 24;
/// The leaf, by its number among the servers.
const LEAF: usize = 3;
/// Somebody whom a board enrols.
const LOCAL: &str = "Barack Obama";
/// How far a server's port for leaves is from its port for boards.
const TO_LEAVES: u16 = 3200;
/// The most memory of all servers, in MB.
const MEMORY_MB: u64 = 500;

/// Faces that are like nobody's: random directions, of which no two are near each other.
struct Faces {
    model: String,
    all: Vec<Vec<f32>>,
}

/// The most people that are enrolled.
const EVERYBODY: usize = PEOPLE + 30;
/// The largest cosine of two faces. Their distance is then 1.18 or more, beyond what counts as near.
const MOST_ALIKE: f32 = 0.3;

impl Faces {
    fn of(house: &House) -> Faces {
        let config = Config::from_toml(&std::fs::read_to_string(house.config()).unwrap()).unwrap();
        let model = usher::setup::embedder(&config).unwrap();
        let dimension = model.embedding.as_ref().unwrap().dimension;
        let (mut random, mut all) = (fastrand::Rng::with_seed(7), Vec::<Vec<f32>>::new());
        while all.len() < EVERYBODY {
            let values: Vec<f32> = (0..dimension).map(|_| random.f32() - 0.5).collect();
            let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
            let face: Vec<f32> = values.iter().map(|value| value / length).collect();
            let like = |other: &Vec<f32>| other.iter().zip(&face).map(|(one, two)| one * two).sum::<f32>();
            if all.iter().all(|other| like(other) < MOST_ALIKE) {
                all.push(face);
            }
        }
        Faces { model: model.id().to_string(), all }
    }

    fn enrolment(&self, number: usize) -> Enrolment {
        let embedding = Embedding::normalised(ModelId::new(&self.model), self.all[number].clone().into()).unwrap();
        let template = Template { embedding, quality: Quality::default(), created: SystemTime::now() };
        Enrolment {
            site: "berlin".parse().unwrap(),
            name: name(number),
            employee_id: Some(format!("E{number}")),
            groups: vec!["staff".to_owned()],
            model: self.model.clone(),
            templates: vec![write_template(&template)],
            beside: Vec::new(),
            labels: vec!["made for a test".to_owned()],
            force: false,
        }
    }
}

fn name(number: usize) -> String {
    // No two are alike.
    let digits = ["Anna", "Bert", "Cleo", "Dora", "Emil", "Fritz", "Gina", "Hugo", "Ida", "Jon"];
    format!("{} {} {}son", digits[number / 100], digits[number / 10 % 10], digits[number % 10])
}

/// What the office answers at its socket.
fn ask(folder: &Path, request: &Request) -> Answer {
    let mut stream = UnixStream::connect(folder.join(SOCKET)).unwrap();
    writeln!(stream, "{}", serde_json::to_string(request).unwrap()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

/// Enrols people by their numbers, some at once. Each is in the office's store when this returns.
fn enroll(folder: &Path, faces: &Faces, numbers: std::ops::Range<usize>, done: &AtomicUsize) {
    let next = AtomicUsize::new(numbers.start);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= numbers.end {
                        return;
                    }
                    match ask(folder, &Request::Enroll(faces.enrolment(number))) {
                        Answer::Done(_) => done.fetch_add(1, Ordering::SeqCst),
                        other => panic!("{number}: {other:?}"),
                    };
                }
            });
        }
    });
}

/// The site and its daemons.
struct Site {
    office: Office,
    houses: Vec<House>,
    daemons: Vec<Option<Daemon>>,
}

impl Site {
    fn start(servers: &Servers) -> Site {
        let office = Office::start(servers);
        let houses: Vec<House> = BOARDS.iter().map(|board| office.joined(house(), board)).collect();
        let daemons = thread::scope(|scope| {
            let starting: Vec<_> = houses.iter().map(|house| scope.spawn(|| Daemon::start(house))).collect();
            starting.into_iter().map(|daemon| Some(daemon.join().unwrap())).collect()
        });
        Site { office, houses, daemons }
    }

    /// Waits until each board holds exactly the office's list, by its digest, and has nothing left to send; how long that took.
    fn converges(&self, people: usize) -> Duration {
        let start = Instant::now();
        for (board, house) in BOARDS.iter().zip(&self.houses) {
            eventually(&format!("{people} people at {board}"), || {
                let listed = self.listed();
                let of_office = listed.iter().filter(|name| *name != LOCAL).count();
                let here = status(house)["fleet"]["people"].as_u64();
                (of_office == people && here == Some(listed.len() as u64)).then_some(())
            });
            let row = self.office.waits_for(board);
            assert_eq!(row["said"]["refused"], 0, "{row}");
        }
        let digests: Vec<Value> =
            BOARDS.iter().map(|board| self.office.board(board)["said"]["digest"].clone()).collect();
        assert!(digests.iter().all(|digest| *digest == digests[0] && digest.is_string()), "{digests:?}");
        start.elapsed()
    }

    /// The names of the office's list.
    fn listed(&self) -> Vec<String> {
        let people = self.office.json(&["people", "--site", "berlin", "--json"]);
        people.iter().map(|person| person["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Compares what the office has collected of each board with the board's own journal, record by record.
    fn journals_are_whole(&self) {
        for (board, house) in BOARDS.iter().zip(&self.houses) {
            let own: BTreeMap<u64, Value> =
                house.journal().into_iter().map(|record| (record["seq"].as_u64().unwrap(), record)).collect();
            let newest = *own.keys().next_back().unwrap();
            let collected = eventually(&format!("the newest record of {board}"), || {
                let all: BTreeMap<u64, Value> = self
                    .office
                    .json(&["journal", "--board", board, "--json"])
                    .into_iter()
                    .map(|line| (line["record"]["seq"].as_u64().unwrap(), line["record"].clone()))
                    .collect();
                all.contains_key(&newest).then_some(all)
            });
            let first = *collected.keys().next().unwrap();
            assert!(own.range(first..=newest).count() > 300, "{board} has recorded its people");
            for (seq, record) in own.range(first..=newest) {
                let there = collected.get(seq).unwrap_or_else(|| panic!("{board} {seq} is missing: {record}"));
                for key in ["id", "kind", "at", "hash"] {
                    assert_eq!(there.get(key), record.get(key), "{board} {seq} {key}");
                }
            }
        }
    }
}

/// A house whose camera shows an empty scene, twice a second: five of them must fit on a small machine.
fn house() -> House {
    let house = House::new();
    let path = Film::default().nobody(1).write(&house.path("still.mjpeg")).display().to_string();
    house.with_camera(&format!("kind = \"replay\"\npath = {path:?}\nfps = 2\nloop = true"))
}

/// The resident memory of all servers, in MB.
fn memory_mb(servers: &Servers) -> u64 {
    let pages = |server: usize| {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", servers.process(server))).unwrap();
        text.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
    };
    (0..=LEAF).map(pages).sum::<u64>() * 4096 / 1_000_000
}

/// The server that leads the stream of people.
fn leader(servers: &Servers) -> usize {
    let info = Runtime::new()
        .unwrap()
        .block_on(async { Attacker::office(servers).await.ask("$JS.API.STREAM.INFO.PEOPLE-berlin", "").await });
    let name = info["cluster"]["leader"].as_str().unwrap();
    name.strip_prefix("usher-").unwrap().parse::<usize>().unwrap() - 1
}

/// The leaf's way to the fleet's servers, which can be cut.
fn lines(servers: &mut Servers) -> Cut {
    let cut = Cut::default();
    let ports: Vec<u16> =
        servers.office.servers().iter().map(|server| server.rsplit(':').next().unwrap().parse().unwrap()).collect();
    servers.kill(LEAF);
    let mut text = servers.file(LEAF, "nats-server.conf");
    for port in ports {
        let (direct, line) = (format!("127.0.0.1:{}", port + TO_LEAVES), cut.line_to(port + TO_LEAVES));
        assert!(text.contains(&direct));
        text = text.replace(&direct, &format!("127.0.0.1:{line}"));
    }
    servers.write(LEAF, "nats-server.conf", &text);
    servers.run(LEAF);
    cut
}

#[test]
fn a_site_outlives_what_fails() {
    let Some(mut servers) = Servers::start_with(Program::Newer, 3, "127.0.0.1", &["berlin"]) else { return };
    let cut = lines(&mut servers);
    let began = Instant::now();
    let mut site = Site::start(&servers);
    println!("five daemons run after {:?}", began.elapsed());
    let (faces, folder, done) = (Faces::of(&site.houses[0]), servers.folder.clone(), AtomicUsize::new(0));

    // 300 people, and the leader is killed while they are enrolled.
    let start = Instant::now();
    let killed = thread::scope(|scope| {
        scope.spawn(|| enroll(&folder, &faces, 0..PEOPLE, &done));
        eventually("the first hundred", || (done.load(Ordering::SeqCst) >= PEOPLE / 3).then_some(()));
        let leader = leader(&servers);
        servers.kill(leader);
        leader
    });
    println!("{PEOPLE} people were enrolled in {:?}, the leader killed among them", start.elapsed());
    println!("all boards had them {:?} after the last one", site.converges(PEOPLE));
    servers.run(killed);

    // The site is cut off, and both sides go on.
    cut.cut();
    let cut_at = Instant::now();
    site.houses[0].enroll(LOCAL, &["obama.jpg"]);
    thread::scope(|scope| {
        for number in [3, 77, 150] {
            let folder = &folder;
            scope.spawn(move || {
                let done = ask(folder, &Request::Forget { site: "berlin".parse().unwrap(), name: name(number) });
                let Answer::Done(done) = done else { panic!("{done:?}") };
                assert!(done.sent && done.missing.len() == BOARDS.len(), "{done:?}");
            });
        }
    });
    enroll(&folder, &faces, PEOPLE..PEOPLE + MEANWHILE, &done);
    eventually("boards that notice", || {
        site.houses.iter().all(|house| status(house)["fleet"]["state"] != "online").then_some(())
    });
    site.houses[1].usher(&["door", "lock"]);
    assert!(site.houses.iter().all(|house| status(house)["fleet"]["people"] == PEOPLE), "boards keep what they have");
    println!("the site was cut off for {:?}", cut_at.elapsed());
    cut.mend();
    let all = PEOPLE - 3 + MEANWHILE;
    println!("all boards were whole {:?} after the line was back", site.converges(all));
    assert!(names(&site.houses[0]).contains(&LOCAL.to_owned()), "whom the board has enrolled meanwhile");

    // Boards are killed while changes arrive.
    thread::scope(|scope| {
        scope.spawn(|| enroll(&folder, &faces, PEOPLE + MEANWHILE..PEOPLE + MEANWHILE + LATER, &done));
        for (pause_ms, board) in [(300, 2), (500, 3), (400, 2)] {
            thread::sleep(Duration::from_millis(pause_ms));
            site.daemons[board].take().unwrap().kill();
            site.daemons[board] = Some(Daemon::start(&site.houses[board]));
        }
    });
    let all = all + LATER;
    println!("after boards were killed, all were whole in {:?}", site.converges(all));
    println!("the servers take {} MB", memory_mb(&servers));

    // All that the servers and the leaf have is gone.
    (0..=LEAF).for_each(|server| servers.kill(server));
    (0..=LEAF).for_each(|server| servers.wipe(server));
    site.houses[4].usher(&["door", "lock"]);
    (0..=LEAF).for_each(|server| servers.run(server));
    let start = Instant::now();
    let Answer::Done(_) = ask(&folder, &Request::Forget { site: "berlin".parse().unwrap(), name: name(5) }) else {
        panic!("somebody is not forgotten")
    };
    site.converges(all - 1);
    println!("all was there again {:?} after the servers had lost everything", start.elapsed());
    site.journals_are_whole();
    let memory = memory_mb(&servers);
    println!("the servers take {memory} MB; all of it took {:?}", began.elapsed());
    assert!(memory < MEMORY_MB, "{memory} MB");
    for daemon in site.daemons.iter_mut() {
        daemon.take().unwrap().stop();
    }
}
