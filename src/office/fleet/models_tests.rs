//! Tests of a site's way to another model, in the office's book.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

use super::protocol::Enrolment;
use super::tests::{berlin, board, fleet, gallery, key, open, somebody};
use super::*;
use crate::access::{Calibration, NearEnough, Point};
use crate::domain::{Embedding, ModelId, Quality};
use crate::fleet::{BoardKey, Head, Opened, PeopleRecord};
use crate::gallery::{Template, write_template};
use crate::office::switch::{Catalogue, CatalogueError, ModelCard};

/// The model of the other tests, and another one that makes three numbers of a face.
pub(crate) struct TwoModels;

impl Catalogue for TwoModels {
    fn card(&self, name: &str) -> Result<ModelCard, CatalogueError> {
        let dimension = match name {
            "net" => 4,
            "new" => 3,
            _ => return Err(CatalogueError::Unusable(anyhow::anyhow!("there is no model `{name}`"))),
        };
        let points =
            [1e-4, 1e-3, 1e-2].map(|rate: f64| Point { rate, distance: 0.5 + 0.1 * (rate.log10() + 4.0) }).to_vec();
        let calibration = Arc::new(Calibration::new(points, Vec::new(), 10_000_000).unwrap());
        let near_enough = NearEnough::Calibrated { calibration, false_identification_rate: 0.003 };
        Ok(ModelCard { name: name.to_owned(), model: ModelId::new(name), dimension, near_enough })
    }

    fn name_of(&self, model: &ModelId) -> Option<String> {
        ["net", "new"].into_iter().find(|name| *name == model.as_str()).map(str::to_owned)
    }
}

pub(crate) fn new_model() -> ModelId {
    ModelId::new("new")
}

/// A template of the new model at an angle on a circle.
pub(crate) fn of_new(degrees: f32) -> Vec<u8> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let embedding = Embedding::normalised(new_model(), vec![cos, sin, 0.0].into()).unwrap();
    write_template(&Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH })
}

/// A book of a site with two boards and three people.
fn book(dir: &Path) -> (Book, [Uuid; 3]) {
    let mut book = reopened(dir);
    for (n, name) in [(3, "front"), (4, "back")] {
        let public = BoardKey::from_bytes(&[n; 32]).public();
        book.add_board(&board(name), &berlin(), public, format!("credential of {name}"), 0).unwrap();
    }
    let people = [("Ada", 0.0), ("Bob", 90.0), ("Eve", 180.0)]
        .map(|(name, at)| book.enroll(somebody(name, at), "anna").unwrap());
    (book, people)
}

fn reopened(dir: &Path) -> Book {
    open(dir).unwrap().with_catalogue(Arc::new(TwoModels))
}

pub(crate) fn order(share: u8) -> RollOrder {
    RollOrder { site: berlin(), to: "new".into(), share, after_ms: None, learn: true }
}

fn take(book: &mut Book, uuid: Uuid, degrees: f32) -> Result<Gathered, BookError> {
    book.take_templates(&berlin(), &board("front"), uuid, &new_model(), vec![of_new(degrees), of_new(degrees + 1.0)])
}

fn refused<T: std::fmt::Debug>(result: Result<T, BookError>) -> String {
    result.unwrap_err().to_string()
}

fn advance(book: &mut Book, models: [&str; 2], at_ms: u64) -> bool {
    let models = models.map(|model| (!model.is_empty()).then(|| model.to_owned()));
    book.advance_roll(&gallery(), &models, at_ms).unwrap()
}

fn head(book: &Book) -> Head {
    let signed = book.head(&gallery(), 9).unwrap().unwrap();
    match key().public().open(fleet(), signed.as_bytes()).unwrap() {
        Opened::Body(head) => head,
        Opened::SetAside { .. } => panic!(),
    }
}

fn said(book: &Book) -> (String, Option<String>, bool) {
    let models = book.rules[&berlin()].body.models.clone().unwrap();
    (models.current.name, models.beside.map(|beside| beside.name), models.switched)
}

#[test]
fn a_site_goes_over_at_its_share_and_the_old_records_are_dropped_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (mut book, [ada, bob, eve]) = book(dir.path());
    let lockdown_since = book.rules[&berlin()].body.since_ms;
    assert!(refused(take(&mut book, ada, 0.0)).contains("not on the way"));
    book.begin_roll(&order(66), "anna", 5).unwrap();
    assert_eq!(said(&book), ("net".into(), Some("new".into()), false));
    assert!(!advance(&mut book, ["net", "net"], 6));
    // A door's templates, twice; a photograph's; a face that is somebody's; nobody; another board's site.
    assert_eq!(take(&mut book, ada, 0.0).unwrap(), Gathered::Taken);
    let changes = book.changes;
    assert_eq!((take(&mut book, ada, 0.0).unwrap(), book.changes), (Gathered::Had, changes));
    assert!(refused(take(&mut book, bob, 3.0)).contains("may be Ada"));
    assert!(refused(take(&mut book, Uuid::nil(), 50.0)).contains("nobody"));
    let elsewhere = book.take_templates(&berlin(), &board("side"), bob, &new_model(), vec![of_new(90.0)]);
    assert!(refused(elsewhere).contains("not one of that site"));
    let standing = book.roll_standing(&gallery()).unwrap();
    assert_eq!((standing.moved, standing.left), (1, vec!["Bob".to_owned(), "Eve".to_owned()]));
    assert!(!advance(&mut book, ["net", "net"], 7), "a third is not 66 of a hundred");
    let photographed = |proof: f32| Photographed {
        gallery: gallery(),
        templates: vec![of_new(90.0)],
        proof: somebody("", proof).templates,
        labels: vec!["bob.jpg".into()],
        force: false,
    };
    assert!(refused(book.give_templates("Bob", photographed(180.0))).contains("bob.jpg does not look like Bob"));
    book.give_templates("Bob", photographed(90.0)).unwrap();

    // The office stops and starts meanwhile.
    let digests = (head(&book).digest, head(&book).beside.unwrap().digest);
    drop(book);
    let mut book = reopened(dir.path());
    assert_eq!((head(&book).digest, head(&book).beside.unwrap().digest), digests);
    assert_eq!(head(&book).model.as_str(), "net");
    assert!(advance(&mut book, ["net", "net"], 8), "two thirds are 66 of a hundred");
    assert_eq!(said(&book), ("new".into(), Some("net".into()), true));
    let now = head(&book);
    assert_eq!((now.model.as_str(), now.count, now.beside.unwrap().count), ("new", 3, 3), "Eve has a record, too");
    assert_eq!(book.roll_standing(&gallery()).unwrap().left, ["Eve"]);
    assert!(refused(book.begin_roll(&order(50), "anna", 8)).contains("finish"));
    // Doors that are behind still send templates, and newcomers get both.
    assert_eq!(take(&mut book, eve, 180.0).unwrap(), Gathered::Taken);
    let newcomer = Enrolment { model: "new".into(), templates: vec![of_new(270.0)], ..somebody("Mia", 0.0) };
    let mia = book.enroll(Enrolment { beside: somebody("", 270.0).templates, ..newcomer }, "anna").unwrap();
    assert_eq!((head(&book).count, head(&book).beside.unwrap().count), (4, 4));
    // Forgetting reaches boards of either model.
    book.forget(&berlin(), "Bob", 0).unwrap();
    let people = &book.galleries[&gallery()];
    for set in [&people.entries, &people.beside.entries] {
        assert!(matches!(set[&bob].record, PeopleRecord::Forgotten(_)) && set[&mia].who.is_some());
    }
    book.end_epochs(&gallery()).unwrap();
    assert_eq!(book.keys.epochs(&gallery()), [2]);

    // A board that is off keeps the old records alive; so does the first day.
    let day = 8 + KEPT_MS;
    assert!(!advance(&mut book, ["new", "net"], day) && !advance(&mut book, ["new", ""], day));
    assert!(!advance(&mut book, ["new", "new"], day - 1));
    let old = book.galleries[&gallery()].beside.entries[&ada].signed.clone();
    assert!(advance(&mut book, ["new", "new"], day));
    assert_eq!(said(&book), ("new".into(), None, true));
    assert!(book.unsent.contains(&Item::Dropped(gallery(), ModelId::new("net"))));
    assert!(head(&book).beside.is_none() && book.galleries[&gallery()].beside.entries.is_empty());
    // What a server has kept of it opens with no key that is left.
    let Ok(Opened::Body(PeopleRecord::Person(old))) = key().public().open(fleet(), &old) else { panic!() };
    book.end_epochs(&gallery()).unwrap();
    assert_eq!(book.keys.epochs(&gallery()), [3]);
    assert!(old.open(fleet(), book.keys.get(&gallery(), 3).unwrap()).is_err());
    let (digest, since) = (head(&book).digest, book.rules[&berlin()].body.since_ms);
    assert_eq!(since, lockdown_since, "no lockdown was ordered again");
    drop(book);
    let book = reopened(dir.path());
    assert_eq!((head(&book).digest, head(&book).beside.is_none()), (digest, true));
}

#[test]
fn a_cancelled_way_leads_back_before_and_after_the_switch() {
    let dir = tempfile::tempdir().unwrap();
    let (mut book, [ada, ..]) = book(dir.path());
    assert!(refused(book.begin_roll(&RollOrder { to: "net".into(), ..order(50) }, "anna", 5)).contains("already"));
    assert!(refused(book.begin_roll(&RollOrder { to: "other".into(), ..order(50) }, "anna", 5)).contains("no model"));
    assert!(refused(book.begin_roll(&order(0), "anna", 5)).contains("1 to 100"));
    let over = RollOrder { after_ms: Some(5), ..order(100) };
    assert!(refused(book.begin_roll(&over, "anna", 5)).contains("over"));
    book.begin_roll(&order(100), "anna", 5).unwrap();
    take(&mut book, ada, 0.0).unwrap();
    let first = book.galleries[&gallery()].beside.entries[&ada].record.version();
    book.cancel_roll(&berlin(), "anna", 6).unwrap();
    assert_eq!(said(&book), ("net".into(), None, true));
    assert!(refused(book.cancel_roll(&berlin(), "anna", 6)).contains("not on the way"));
    // Begun again: an old record of the new model, which a server may have kept, is older than the new one.
    book.begin_roll(&RollOrder { after_ms: Some(50), ..order(100) }, "anna", 7).unwrap();
    take(&mut book, ada, 0.0).unwrap();
    assert!(book.galleries[&gallery()].beside.entries[&ada].record.version() > first);
    assert!(refused(book.finish_roll(&berlin(), true, 7)).contains("not switched"));
    assert!(!advance(&mut book, ["net", "net"], 49) && advance(&mut book, ["net", "net"], 50));
    // Somebody who came after the switch, by the new model alone, is not lost on the way back.
    let newcomer = Enrolment { model: "new".into(), templates: vec![of_new(270.0)], ..somebody("Mia", 0.0) };
    book.enroll(newcomer, "anna").unwrap();
    book.cancel_roll(&berlin(), "anna", 60).unwrap();
    assert_eq!(said(&book), ("net".into(), Some("new".into()), true));
    assert_eq!((head(&book).model.as_str(), head(&book).count), ("net", 4));
    assert_eq!(book.roll_standing(&gallery()).unwrap().left, ["Mia"]);
    let again = refused(book.cancel_roll(&berlin(), "anna", 60));
    assert!(again.contains("goes back to net already"), "{again}");
    // Mia's only templates are not dropped, unless somebody insists.
    let only = book.finish_roll(&berlin(), false, 61).unwrap_err();
    assert!(only.may_force() && only.to_string().contains("Mia"), "{only}");
    assert!(!advance(&mut book, ["net", "net"], 60 + KEPT_MS));
    book.finish_roll(&berlin(), true, 61).unwrap();
    assert_eq!((said(&book).0, head(&book).beside.is_none()), ("net".into(), true));
}

#[test]
fn a_restored_office_follows_the_models_that_the_servers_rules_name() {
    let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (book, _) = book(dir.path());
    drop(book);
    let copy = |from: &Path, to: &Path| {
        for name in ["keys", "store"] {
            assert!(
                std::process::Command::new("cp").arg("-r").arg(from.join(name)).arg(to).status().unwrap().success()
            );
        }
    };
    copy(dir.path(), backup.path());
    let mut book = reopened(dir.path());
    book.begin_roll(&order(1), "anna", 5).unwrap();
    let ada = book.meant(&gallery(), "Ada").unwrap();
    take(&mut book, ada, 0.0).unwrap();
    assert!(advance(&mut book, ["net", "net"], 6));
    let rules = book.rules[&berlin()].clone();
    let records: Vec<(PeopleRecord, Vec<u8>)> =
        book.galleries[&gallery()].entries.values().map(|entry| (entry.record.clone(), entry.signed.clone())).collect();
    let now = head(&book);

    let mut restored = reopened(backup.path());
    restored.adopt_rules(rules.body, rules.signed).unwrap();
    for (record, signed) in records {
        assert!(restored.adopt_person(record, signed).unwrap());
    }
    assert_eq!(said(&restored), ("new".into(), Some("net".into()), true));
    assert_eq!((head(&restored).model, head(&restored).digest), (now.model, now.digest));
    assert_eq!(head(&restored).beside, now.beside);
}
