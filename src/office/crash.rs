//! The register under kills: people and their records never differ.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Enrolment, OfficeError, Recorder, Register};
use crate::access::NearEnough;
use crate::clock::SystemClock;
use crate::domain::{Distance, Embedding, Event, ModelId, PeopleEvent, PersonId, Personal, Quality};
use crate::gallery::{Gallery, NewPerson, Template};
use crate::ledger::{Journal, ReadOrder};
use crate::seal::Ring;
use crate::store::Store;

const FOLDER: &str = "USHER_TEST_REGISTER";

fn register(store: &Store) -> (Register, Arc<Gallery>) {
    let gallery = Arc::new(Gallery::open(store, &Arc::new(Ring::plain()), ModelId::new("net"), 2).unwrap());
    let recorder = Arc::new(Recorder::new(store, Journal::open(store).unwrap(), Arc::new(SystemClock::new())));
    (Register::new(gallery.clone(), recorder, NearEnough::Fixed(Distance(0.1))), gallery)
}

fn enrolment(name: &str) -> Enrolment {
    let embedding = Embedding::normalised(ModelId::new("net"), Box::new([1.0, 0.5])).unwrap();
    let template = Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH };
    let person = NewPerson { name: name.to_owned(), ..NewPerson::default() };
    Enrolment { person, templates: vec![template], labels: Vec::new(), force: true, by: "anna".into() }
}

/// Makes every kind of change to one person. The names are unique across runs.
fn change_all(register: &Register, n: u32) -> Result<(), OfficeError> {
    let by = || crate::domain::Actor::from("anna");
    let run = std::process::id();
    let id = register.enroll(enrolment(&format!("one {run} {n}")))?.id;
    register.set_enabled(id, false, by())?;
    register.rename(id, &format!("other {run} {n}"), by())?;
    register.set_groups(id, &[format!("group {n}")], by())?;
    register.set_validity(id, None, Some(SystemTime::now()), by())?;
    register.set_enabled(id, true, by())?;
    if n.is_multiple_of(2) {
        register.remove(id, by())?;
    }
    Ok(())
}

/// The child process of the next test: changes people until it is killed.
#[test]
#[ignore = "runs as a child of another test"]
fn changes_people_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = Store::open(Path::new(&folder)).unwrap();
    let (register, _) = register(&store);
    for n in 0.. {
        change_all(&register, n).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nround {n}").unwrap();
        out.flush().unwrap();
    }
}

/// By number: name, whether enabled, groups, and whether the validity is limited.
type Known = BTreeMap<u32, (String, bool, String, bool)>;

fn by_the_records(store: &Store) -> Known {
    let mut known = Known::new();
    for record in Journal::open(store).unwrap().list(.., ReadOrder::OldestFirst, usize::MAX).unwrap() {
        let Some(Event::People(event)) = record.content.event() else { panic!("{}", record.kind) };
        let person = event.person().and_then(Personal::known).unwrap();
        let (id, name) = (person.id.0, person.name.clone().unwrap());
        let who = known.entry(id).or_insert_with(|| (name.clone(), true, String::new(), false));
        who.0 = name;
        match event {
            PeopleEvent::Enrolled { .. } | PeopleEvent::Renamed { .. } => {}
            PeopleEvent::Enabled { .. } => who.1 = true,
            PeopleEvent::Disabled { .. } => who.1 = false,
            PeopleEvent::Changed { what, .. } => match what.known().unwrap().strip_prefix("groups ") {
                Some(groups) => who.2 = groups.to_owned(),
                None => who.3 = true,
            },
            PeopleEvent::Removed { .. } => drop(known.remove(&id)),
            other => panic!("{other:?}"),
        }
    }
    known
}

fn by_the_gallery(gallery: &Gallery) -> Known {
    let known = |p: crate::gallery::Person| (p.id.0, (p.name, p.enabled, p.groups.join(", "), p.valid_until.is_some()));
    gallery.people().into_iter().map(known).collect()
}

/// Starts the ignored test `child` of this program, with `folder` in its environment variable `variable`, and kills it that long `after` it has
/// said `round ` twice.
pub(super) fn kill_in_a_round(child: &str, variable: &str, folder: &Path, after: Duration) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", child, "--ignored", "--nocapture"])
        .env(variable, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let rounds = lines.by_ref().filter(|line| line.as_ref().is_ok_and(|line| line.starts_with("round ")));
    assert_eq!(rounds.take(2).count(), 2, "the child ended by itself");
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn people_and_their_records_agree_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0u32..8 {
        // At a different point of the round each time.
        let after = Duration::from_micros(u64::from(round) * 1700);
        kill_in_a_round("office::crash::changes_people_until_killed", FOLDER, dir.path(), after);
        let store = Store::open(dir.path()).unwrap();
        let (_, gallery) = register(&store);
        let known = by_the_gallery(&gallery);
        assert_eq!(known, by_the_records(&store), "round {round}");
        assert!(!known.is_empty());
    }
}

#[test]
fn a_change_that_cannot_be_recorded_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (register, gallery) = register(&store);
    let id = register.enroll(enrolment("Ada")).unwrap().id;
    let before = by_the_gallery(&gallery);
    store.spare(u64::MAX);
    let by = || crate::domain::Actor::from("anna");
    let refused = [
        register.enroll(enrolment("Bob")).err(),
        register.rename(id, "Eve", by()).err(),
        register.set_enabled(id, false, by()).err(),
        register.set_groups(id, &["staff".into()], by()).err(),
        register.set_validity(id, None, Some(SystemTime::now()), by()).err(),
        register.remove(id, by()).err(),
    ];
    for error in refused {
        let error = error.unwrap();
        assert!(
            matches!(error, OfficeError::Ledger(_)) && error.to_string().contains("nothing was changed"),
            "{error}"
        );
    }
    assert_eq!(by_the_gallery(&gallery), before);
    store.spare(0);
    assert_eq!((by_the_gallery(&gallery), by_the_records(&store)), (before.clone(), before));
    register.remove(id, by()).unwrap();
    assert_eq!(gallery.person(PersonId(1)).ok(), None);
    assert_eq!(by_the_records(&store), Known::new());
}
