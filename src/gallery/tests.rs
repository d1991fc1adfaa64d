//! The gallery as its users see it: what it stores, whom it finds, and what a crash leaves behind.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use std::{env, thread};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::domain::{Distance, Quality};

const DIMENSION: usize = 8;

fn embedding(model: &str, values: &[f32]) -> Embedding {
    Embedding::normalised(ModelId::new(model), values.into()).unwrap()
}

/// A template whose embedding points mostly along one axis.
fn along(axis: usize, lean: f32) -> Template {
    let mut values = [0.01; DIMENSION];
    values[axis % DIMENSION] = 1.0;
    values[(axis + 1) % DIMENSION] = lean;
    of(embedding("net", &values))
}

fn of(embedding: Embedding) -> Template {
    let created = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
    Template { embedding, quality: Quality { size: 112.0, sharpness: 80.5, ..Quality::default() }, created }
}

fn named(name: &str) -> NewPerson {
    NewPerson { name: name.into(), ..NewPerson::default() }
}

fn plain() -> Arc<Ring> {
    Arc::new(Ring::plain())
}

fn open(dir: &TempDir) -> Gallery {
    Gallery::open(&Store::open(dir.path()).unwrap(), &plain(), ModelId::new("net"), DIMENSION).unwrap()
}

#[test]
fn is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Gallery>();
}

#[test]
fn a_reopened_gallery_has_everything() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(&dir);
    let new = NewPerson { name: " Ada ".into(), employee_id: Some("E7".into()), groups: vec!["staff".into()] };
    let ada = gallery.enroll(new, vec![along(0, 0.0), along(0, 0.2)]).unwrap();
    let bob = gallery.enroll(named("Bob"), vec![along(3, 0.0)]).unwrap();
    assert_eq!((ada.id, ada.templates, bob.id), (PersonId(1), 2, PersonId(2)));
    gallery.add_templates(bob.id, vec![along(3, 0.1), along(3, 0.3)]).unwrap();
    gallery.rename(ada.id, "Ada Lovelace").unwrap();
    gallery.set_groups(bob.id, &["night".into(), "night".into()]).unwrap();
    let people = gallery.people();
    let templates = gallery.templates(bob.id).unwrap();
    let probe = along(3, 0.25).embedding;
    let found = gallery.nearest(&probe).unwrap().unwrap();
    drop(gallery);

    let gallery = open(&dir);
    assert_eq!(gallery.people(), people);
    assert_eq!(gallery.templates(bob.id).unwrap(), templates);
    assert_eq!(templates, [along(3, 0.0), along(3, 0.1), along(3, 0.3)]);
    assert_eq!(gallery.nearest(&probe).unwrap().unwrap(), found);
    assert_eq!((found.person, found.runner_up.unwrap().0), (bob.id, ada.id));
    assert_eq!(gallery.person_by_query("ada lovelace").unwrap().id, ada.id);
    assert_eq!(gallery.person_by_query("E7").unwrap().groups, ["staff"]);
    assert!(gallery.damaged().is_empty() && gallery.foreign().unwrap().is_empty());
}

/// The head makes someone else nearest; the stored templates do not change, and work again without it.
#[test]
fn a_site_head_can_be_added_and_removed_without_enrolling_again() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(&dir);
    let ada =
        gallery.enroll(named("Ada"), vec![of(embedding("net", &[1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]))]).unwrap();
    let bob =
        gallery.enroll(named("Bob"), vec![of(embedding("net", &[1.0, -0.5, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]))]).unwrap();
    let probe = embedding("net", &[1.0, 0.5, 0.45, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let before = gallery.nearest(&probe).unwrap().unwrap();
    let templates = gallery.templates(ada.id).unwrap();
    assert_eq!(before.person, ada.id);
    drop(gallery);

    // Drops the second dimension.
    let matrix = (0..DIMENSION * DIMENSION)
        .map(|n| if n % (DIMENSION + 1) == 0 && n != DIMENSION + 1 { 1.0 } else { 0.0 })
        .collect();
    let head = SiteHead::new(ModelId::new("net"), ModelId::new("net+head"), matrix).unwrap();
    let gallery = Gallery::open_with_head(&Store::open(dir.path()).unwrap(), &plain(), head).unwrap();
    assert_eq!((gallery.model().as_str(), gallery.comparison_id().as_str()), ("net", "net+head"));
    let found = gallery.nearest(&probe).unwrap().unwrap();
    assert_eq!(found.person, bob.id);
    assert_eq!(gallery.templates(ada.id).unwrap(), templates);
    assert_eq!(gallery.distance(&probe, &gallery.templates(bob.id).unwrap()[0].embedding), Some(found.distance));
    let checks = gallery.check_recognition().unwrap();
    assert_eq!(checks[0].templates[0].other.map(|(person, _)| person), Some(bob.id));
    // A probe that the head projects to zero matches nobody.
    assert_eq!(gallery.nearest(&embedding("net", &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])).unwrap(), None);
    let new = gallery.enroll(named("Cleo"), vec![along(5, 0.0)]).unwrap();
    assert_eq!(gallery.nearest(&along(5, 0.0).embedding).unwrap().unwrap().person, new.id);
    drop(gallery);

    let gallery = open(&dir);
    assert_eq!(gallery.nearest(&probe).unwrap().unwrap(), before);
    assert_eq!(gallery.nearest(&along(5, 0.0).embedding).unwrap().unwrap().person, new.id);
}

#[test]
fn invalid_people_and_templates_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(&dir);
    let with_id = |name: &str| NewPerson { employee_id: Some("E7".into()), ..named(name) };
    gallery.enroll(with_id("Ada"), vec![along(0, 0.0)]).unwrap();
    let taken = gallery.enroll(with_id("Bob"), vec![along(1, 0.0)]).unwrap_err();
    assert!(taken.to_string().contains("person 1 (Ada)"), "{taken}");
    assert!(matches!(gallery.enroll(named("Bob"), vec![]), Err(GalleryError::NoTemplates)));
    let many = |n| vec![along(1, 0.0); n];
    assert!(matches!(gallery.enroll(named("Bob"), many(65)), Err(GalleryError::TooManyTemplates { count: 65 })));
    assert!(matches!(gallery.add_templates(PersonId(1), many(64)), Err(GalleryError::TooManyTemplates { count: 65 })));
    assert!(matches!(gallery.rename(PersonId(1), "\u{1b}[2J"), Err(GalleryError::BadText { .. })));
    assert!(matches!(gallery.rename(PersonId(9), "Eve"), Err(GalleryError::NotFound { .. })));
    assert!(matches!(gallery.remove(PersonId(9)), Err(GalleryError::NotFound { .. })));
    assert_eq!(gallery.people().len(), 1);
    // A refusal uses up no number.
    assert_eq!(gallery.enroll(named("Bob"), many(64)).unwrap().id, PersonId(2));
}

#[test]
fn numbers_are_never_reused() {
    let dir = tempfile::tempdir().unwrap();
    for expected in 1..4 {
        let gallery = open(&dir);
        let id = gallery.enroll(named("Ada"), vec![along(0, 0.0)]).unwrap().id;
        assert_eq!(id, PersonId(expected));
        gallery.remove(id).unwrap();
    }
}

#[test]
fn a_damaged_counter_stops_only_enrolment() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(&dir);
    gallery.enroll(named("Ada"), vec![along(0, 0.0)]).unwrap();
    gallery.trees.store.commit(&[gallery.trees.counter.put(*b"next_person", *b"??")]).unwrap();
    drop(gallery);
    let gallery = open(&dir);
    assert!(matches!(gallery.enroll(named("Bob"), vec![along(1, 0.0)]), Err(GalleryError::BadCounter)));
    assert_eq!(gallery.nearest(&along(0, 0.0).embedding).unwrap().unwrap().person, PersonId(1));
}

#[test]
fn removed_people_are_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(&dir);
    let ids: Vec<_> = (0..3).map(|i| gallery.enroll(named("P"), vec![along(i, 0.0); 2]).unwrap().id).collect();
    let nearest = |gallery: &Gallery| gallery.nearest(&along(1, 0.0).embedding).unwrap().map(|m| m.person);
    assert_eq!((nearest(&gallery), gallery.size().people), (Some(ids[1]), 3));
    assert_eq!(gallery.add_templates(ids[1], vec![along(1, 0.1)]).unwrap().templates, 3);
    assert_eq!((gallery.size().templates, gallery.size().people), (7, 3));
    gallery.remove(ids[1]).unwrap();
    assert_ne!(nearest(&gallery), Some(ids[1]));
    assert!(matches!(gallery.templates(ids[1]), Err(GalleryError::NotFound { .. })));
    assert_eq!(gallery.trees.templates.iter().count(), 4);
    gallery.remove(ids[0]).unwrap();
    assert_eq!(gallery.nearest(&along(0, 0.0).embedding).unwrap().unwrap().runner_up, None);
    gallery.remove(ids[2]).unwrap();
    assert_eq!(gallery.nearest(&along(0, 0.0).embedding).unwrap(), None);
    assert_eq!(gallery.size().people, 0);
}

#[test]
fn changes_to_a_person_are_stored_and_leave_them_recognisable() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(&dir);
    let id = gallery.enroll(named("Ada"), vec![along(0, 0.0)]).unwrap().id;
    let day = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
    gallery.set_enabled(id, false).unwrap();
    gallery.set_validity(id, Some(day(1)), Some(day(2))).unwrap();
    let same = gallery.set_validity(id, Some(day(2)), Some(day(2)));
    assert!(matches!(same, Err(GalleryError::BadValidity)));
    drop(gallery);
    let gallery = open(&dir);
    let person = gallery.person(id).unwrap();
    assert_eq!((person.enabled, person.valid_from, person.valid_until), (false, Some(day(1)), Some(day(2))));
    assert_eq!(gallery.nearest(&along(0, 0.0).embedding).unwrap().unwrap().person, id);
}

#[test]
fn models_are_never_mixed() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(&dir);
    gallery.enroll(named("Ada"), vec![along(0, 0.0); 3]).unwrap();
    drop(gallery);

    let store = Store::open(dir.path()).unwrap();
    let gallery = Gallery::open(&store, &plain(), ModelId::new("other"), 4).unwrap();
    let foreign = gallery.foreign().unwrap();
    assert_eq!(foreign, [Foreign { model: ModelId::new("net"), templates: 3 }]);
    assert!(foreign[0].to_string().contains("enrol"), "{}", foreign[0]);
    let ada = gallery.person_by_query("Ada").unwrap();
    assert_eq!((ada.templates, ada.foreign_templates), (0, 3));
    assert_eq!(gallery.nearest(&embedding("other", &[1.0, 0.0, 0.0, 0.0])).unwrap(), None);
    for stranger in [along(0, 0.0), of(embedding("other", &[1.0; 5]))] {
        let error = gallery.nearest(&stranger.embedding).unwrap_err();
        assert!(error.to_string().contains("enrol again"), "{error}");
        assert!(matches!(gallery.add_templates(ada.id, vec![stranger]), Err(GalleryError::ForeignModel { .. })));
    }
    let again = gallery.add_templates(ada.id, vec![of(embedding("other", &[1.0; 4]))]).unwrap();
    assert_eq!((again.templates, again.foreign_templates), (1, 3));
    drop(gallery);

    // Back to the first model: nothing was lost.
    let gallery = Gallery::open(&store, &plain(), ModelId::new("net"), DIMENSION).unwrap();
    assert_eq!(gallery.nearest(&along(0, 0.0).embedding).unwrap().unwrap().distance, Distance(0.0));
    assert_eq!(gallery.foreign().unwrap(), [Foreign { model: ModelId::new("other"), templates: 1 }]);
    gallery.remove(ada.id).unwrap();
    assert!(gallery.foreign().unwrap().is_empty());
    assert!(matches!(
        Gallery::open(&store, &plain(), ModelId::new("net"), 0),
        Err(GalleryError::BadDimension { dimension: 0 })
    ));
}

#[test]
fn renewed_templates_replace_those_of_another_model() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(&dir);
    let ada = gallery.enroll(named("Ada"), vec![along(0, 0.0); 3]).unwrap();
    gallery.enroll(named("Bob"), vec![along(1, 0.0)]).unwrap();
    drop(gallery);

    let store = Store::open(dir.path()).unwrap();
    let gallery = Gallery::open(&store, &plain(), ModelId::new("other"), 4).unwrap();
    let new = of(embedding("other", &[1.0; 4]));
    assert!(matches!(gallery.renew(ada.id, vec![along(0, 0.0)]), Err(GalleryError::ForeignModel { .. })));
    assert_eq!(gallery.person(ada.id).unwrap().foreign_templates, 3, "refused, so nothing has changed");
    let again = gallery.renew(ada.id, vec![new.clone(); 2]).unwrap();
    assert_eq!((again.id, again.templates, again.foreign_templates), (ada.id, 2, 0));
    assert_eq!(gallery.renew(ada.id, vec![new.clone()]).unwrap().templates, 3);
    assert_eq!(gallery.nearest(&new.embedding).unwrap().unwrap().person, ada.id);
    assert_eq!(gallery.foreign().unwrap(), [Foreign { model: ModelId::new("net"), templates: 1 }]);
    drop(gallery);

    let gallery = Gallery::open(&store, &plain(), ModelId::new("net"), DIMENSION).unwrap();
    let ada = gallery.person(ada.id).unwrap();
    assert_eq!((ada.templates, ada.foreign_templates), (0, 3));
    assert!(gallery.damaged().is_empty());
}

#[test]
fn a_damaged_record_affects_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(&dir);
    let ids: Vec<_> = (0..3).map(|i| gallery.enroll(named("P"), vec![along(i, 0.0); 2]).unwrap().id).collect();
    let key = record::template_key(ids[0], 1);
    let mut value = gallery.trees.templates.get(key).unwrap().unwrap().to_vec();
    value.truncate(40);
    let Trees { people, templates, store, .. } = &gallery.trees;
    let broken = [
        templates.put(key, value),
        people.put(record::person_key(ids[1]), *b"{\"v\":1"),
        people.put(*b"odd key", *b""),
    ];
    store.commit(&broken).unwrap();
    drop(gallery);

    let gallery = open(&dir);
    let damaged = gallery.damaged();
    let keys: Vec<_> = damaged.iter().map(|d| (d.key.as_str(), d.person)).collect();
    assert!(keys.contains(&("template 1 of person 1", Some(ids[0]))), "{keys:?}");
    assert!(keys.contains(&("person 2", Some(ids[1]))), "{keys:?}");
    assert!(keys.contains(&("key 0x6f6464206b6579", None)), "{keys:?}");
    assert!(damaged[0].to_string().contains("enrol them again"), "{}", damaged[0]);
    for (i, found) in [(0, ids[0]), (2, ids[2])] {
        assert_eq!(gallery.nearest(&along(i, 0.0).embedding).unwrap().unwrap().person, found);
    }
    let error = gallery.templates(ids[0]).unwrap_err();
    assert!(error.to_string().contains("template 1 of person 1"), "{error}");
    let error = gallery.rename(ids[1], "Q").unwrap_err();
    assert!(error.to_string().contains("person 2"), "{error}");
    // The remedy in the messages works.
    gallery.remove(ids[0]).unwrap();
    gallery.remove(ids[1]).unwrap();
    assert_eq!(gallery.damaged().len(), 1);
    assert_eq!(gallery.enroll(named("P"), vec![along(0, 0.0)]).unwrap().id, PersonId(4));
}

#[test]
fn a_lost_page_affects_nobody_else() {
    let (model, dimension) = (ModelId::new("net"), 128);
    let dir = tempfile::tempdir().unwrap();
    let gallery = Gallery::open(&Store::open(dir.path()).unwrap(), &plain(), model.clone(), dimension).unwrap();
    for i in 0..40 {
        let values: Vec<f32> = (0..dimension).map(|j| ((i * dimension + j) as f32).sin()).collect();
        gallery.enroll(named(&format!("Person {i}")), vec![of(embedding("net", &values)); 40]).unwrap();
    }
    let everybody = gallery.people();
    drop(gallery);
    let data = dir.path().join("sled/db");
    for spot in 0..6 {
        let mut torn = std::fs::read(&data).unwrap();
        let at = torn.len() * spot / 6 + 100;
        torn[at..at + 64].fill(0xEE);
        std::fs::write(&data, torn).unwrap();
        let gallery = Gallery::open(&Store::open(dir.path()).unwrap(), &plain(), model.clone(), dimension).unwrap();
        assert_eq!((gallery.people(), gallery.damaged()), (everybody.clone(), vec![]));
    }
}

#[test]
fn an_interrupted_removal_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(&dir);
    let id = gallery.enroll(named("Ada"), vec![along(0, 0.0); 2]).unwrap().id;
    // The state between the two steps of a removal.
    let Trees { people, templates, store, .. } = &gallery.trees;
    let over = |number| templates.put(record::template_key(id, number), record::erased(90));
    store.commit(&[people.delete(record::person_key(id)), over(0), over(1)]).unwrap();
    drop(gallery);
    let gallery = open(&dir);
    assert!(
        gallery.damaged().is_empty()
            && gallery.people().is_empty()
            && gallery.trees.templates.first().unwrap().is_none()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_nearest_agrees_with_a_plain_search(
        people in prop::collection::vec((prop::collection::vec(prop::array::uniform8(-3i8..4), 1..5), 0u8..4), 1..12),
        probes in prop::collection::vec(prop::array::uniform8(-3i8..4), 8),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let gallery = open(&dir);
        let point = |v: &[i8; 8]| Embedding::normalised(ModelId::new("net"), v.iter().map(|&x| f32::from(x)).collect());
        let mut kept: Vec<(PersonId, Embedding)> = Vec::new();
        for (vectors, fate) in &people {
            let embeddings: Vec<_> = vectors.iter().filter_map(point).collect();
            if embeddings.is_empty() {
                continue;
            }
            let id = gallery.enroll(named("P"), embeddings.iter().cloned().map(of).collect()).unwrap().id;
            match fate {
                0 => gallery.remove(id).unwrap(),
                _ => kept.extend(embeddings.into_iter().map(|e| (id, e))),
            }
        }
        for probe in probes.iter().filter_map(point) {
            let order = |a: &(Distance, PersonId), b: &(Distance, PersonId)| a.partial_cmp(b).unwrap();
            let all = || kept.iter().map(|(id, e)| (probe.distance(e).unwrap(), *id));
            let expected = all().min_by(order).map(|(distance, person)| Match {
                person,
                distance,
                runner_up: all().filter(|c| c.1 != person).min_by(order).map(|(d, p)| (p, d)),
            });
            prop_assert_eq!(gallery.nearest(&probe).unwrap(), expected);
        }
    }
}

/// The number of templates of each person that the child enrols.
const TEMPLATES: usize = 7;
/// The environment variable with the directory for the child.
const CHILD: &str = "USHER_TEST_ENROL_IN";

/// The child process of the test below: enrols until it is killed, and prints who is enrolled durably.
#[test]
#[ignore = "runs in a process of its own, started by the test of kill -9"]
fn enrols_until_killed() {
    let Ok(dir) = env::var(CHILD) else { return };
    let gallery = Gallery::open(&Store::open(dir.as_ref()).unwrap(), &plain(), ModelId::new("net"), DIMENSION).unwrap();
    for axis in 0.. {
        let person = gallery.enroll(named("P"), vec![along(axis, 0.0); TEMPLATES]).unwrap();
        println!("enrolled {}", person.id);
        if axis % 3 == 2 {
            gallery.remove(person.id).unwrap();
            println!("removed {}", person.id);
        }
    }
}

#[test]
fn kill_9_leaves_whole_people_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut enrolled = std::collections::BTreeSet::new();
    for round in 0..8u64 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "gallery::tests::enrols_until_killed", "--ignored", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        while said.len() < 3 {
            said.push(lines.next().unwrap().unwrap());
            said.retain(|line| line.contains("enrolled") || line.contains("removed"));
        }
        thread::sleep(Duration::from_micros(round * 1_700));
        child.kill().unwrap();
        child.wait().unwrap();
        said.extend(lines.map_while(Result::ok));
        // The last number of a line; output of the test runner may precede it.
        let id = |line: &str| line.rsplit(' ').next().unwrap().parse().map(PersonId).ok();
        for line in said.iter().filter(|line| line.contains("enrolled")) {
            enrolled.extend(id(line));
        }
        let last = said.iter().rev().find_map(|line| id(line));
        for line in said.iter().filter(|line| line.contains("removed")) {
            enrolled.remove(&id(line).unwrap());
        }

        let gallery = open(&dir);
        assert!(gallery.damaged().is_empty(), "{:?}", gallery.damaged());
        for id in &enrolled {
            // Only the removal of the last person may have been in progress.
            assert!(gallery.person(*id).is_ok() || Some(*id) == last, "person {id} is lost");
        }
        let people = gallery.people();
        for person in &people {
            assert_eq!(person.templates, TEMPLATES, "{person:?}");
            assert_eq!(gallery.templates(person.id).unwrap().len(), TEMPLATES);
        }
        assert_eq!(gallery.trees.templates.iter().count(), people.len() * TEMPLATES);
        enrolled = people.iter().map(|p| p.id).collect();
    }
    assert!(!enrolled.is_empty());
}

#[test]
fn recognition_checks_leave_each_template_out() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(&dir);
    let ada = gallery.enroll(named("Ada"), vec![along(0, 0.0), along(0, 0.2), along(0, 0.9)]).unwrap();
    let bob = gallery.enroll(named("Bob"), vec![along(1, 0.0)]).unwrap();
    let twin = gallery.enroll(named("Twin"), vec![along(1, 0.0)]).unwrap();
    let away = gallery.enroll(named("Away"), vec![along(0, 0.1)]).unwrap();
    gallery.set_enabled(away.id, false).unwrap();
    let checks = gallery.check_recognition().unwrap();
    assert_eq!(checks.iter().map(|s| s.person.id).collect::<Vec<_>>(), [ada.id, bob.id, twin.id, away.id]);
    let between = |a: Template, b: Template| a.embedding.distance(&b.embedding);
    let templates = &checks[0].templates;
    assert_eq!(templates[0].own, between(along(0, 0.0), along(0, 0.2)));
    assert_eq!(templates[2].own, between(along(0, 0.9), along(0, 0.2)), "the nearest of the others");
    // Disabled people count too: a door compares with them.
    assert_eq!(templates[2].other, Some((away.id, between(along(0, 0.9), along(0, 0.1)).unwrap())));
    assert_eq!(checks[1].templates, [TemplateCheck { own: None, other: Some((twin.id, Distance(0.0))) }]);
    assert_eq!(checks[2].templates[0].other, Some((bob.id, Distance(0.0))), "even at distance zero");
    assert_eq!(checks[3].templates[0].other.unwrap().0, ada.id);
}
