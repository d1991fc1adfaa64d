//! A house without a daemon: keys, the ring, backups, visitors, and a switch of models.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use usher::domain::{ModelId, PersonId};
use usher::gallery::{Gallery, Retention, Template, Visit, Visitors};
use usher::seal::{Ring, StoreKey};
use usher::store::Store;

use super::play::{Run, play, run};
use crate::support::{House, photo};

pub const LINES: &[&[Run]] = &[KEYS, VISITORS, MODELS];

const KEYS: &[Run] = &[
    run("usher store ring save /media/stick/usher-ring").with(STICK),
    run("usher backup /media/stick/usher-2026-05-04").with(STICK),
    run("usher restore /media/stick/usher-2026-05-04").with(STICK).and(&["--yes"]).says("all doors start in lockdown"),
    run("usher store ring load FILE").with(&[("FILE", "stick/usher-ring")]),
    run("usher train head --remove").says("there is no site head"),
    run("usher store key new -"),
    run("usher store key rotate"),
    run("usher store key new /etc/usher/store.key").with(&[("/etc/usher", "etc")]),
    run("usher store key new /etc/usher/store.key.next").with(&[("/etc/usher", "etc")]),
    run("usher store key rotate --to /etc/usher/store.key.next").with(&[("/etc/usher", "etc")]),
];

const STICK: &[(&str, &str)] = &[("/media/stick", "stick")];

#[test]
fn keys_and_backups() {
    let house = House::new();
    for folder in ["stick", "etc"] {
        std::fs::create_dir(house.path(folder)).unwrap();
    }
    house.enroll("Ada Lovelace", &["obama.jpg"]);
    play(&house, KEYS, &[]);
}

const VISITORS: &[Run] = &[
    run("usher people unknown --record 4711 --enroll \"Ada Lovelace\"").says("Ada Lovelace (#3) has 1 template"),
    run("usher people unknown --record 4711 --add \"Ada Lovelace\"").says("Ada Lovelace (#3) has 2 templates"),
    run("usher people unknown --record 4711 --forget").says("1 visits of that visitor were erased"),
    run("usher people unknown --forget").says("1 visits of unknown visitors were erased"),
];

/// A visit of somebody with this template, about the record 4711.
fn visit(house: &House, template: &Template) {
    let store = Store::open(&house.store()).unwrap();
    let ring = Arc::new(Ring::open(&house.store(), StoreKey::load(&house.key()).map(Some)));
    let hour = Retention { span: Duration::from_secs(3600), most: 10 };
    let visit = Visit {
        template: Template { created: SystemTime::now(), ..template.clone() },
        camera: "porch".into(),
        door: "front".into(),
        distance: None,
        record: Some(4711),
        granted: None,
    };
    Visitors::open(&store, &ring, hour).unwrap().keep(&visit, SystemTime::now()).unwrap();
}

#[test]
fn visitors_become_people_or_are_forgotten() {
    let house = House::new().with("[gallery]\nkeep_unknown = \"1h\"\n");
    house.enroll("First", &["biden.jpg"]);
    house.enroll("Second", &["obama.jpg"]);
    let template = |person| {
        let store = Store::open(&house.store()).unwrap();
        let ring = Arc::new(Ring::open(&house.store(), StoreKey::load(&house.key()).map(Some)));
        // Which model made the templates does not matter for reading them.
        let gallery = Gallery::open(&store, &ring, ModelId::new("none"), 1).unwrap();
        gallery.templates(PersonId(person)).unwrap().remove(0)
    };
    let (biden, obama) = (template(1), template(2));
    house.usher(&["people", "remove", "#1", "--yes"]);
    for (run, template) in VISITORS.iter().zip([&biden, &biden, &obama, &obama]) {
        visit(&house, template);
        play(&house, std::slice::from_ref(run), &[]);
    }
}

const MODELS: &[Run] = &[
    run("usher models switch sface").says("switching from mobilefacenet to sface"),
    run("usher models switch sface --learn").says("0 of 1 people"),
    run("usher models switch --status").says("0 of 1 people"),
    run("usher models switch").says("0 of 1 people"),
    run("usher models switch sface --from people/ --list people.csv").says("moved: 1 people"),
    run("usher models switch sface --from people/ --shadow").says("moved: 1 people"),
    run("usher models switch --cancel").says("is cancelled"),
    run("usher models switch --finish").says("the switch is over"),
];

#[test]
fn a_switch_of_models() {
    let mut house = House::new();
    house.environment.insert("USHER__MODELS__EMBEDDER".into(), "mobilefacenet".into());
    house.enroll("Ada Lovelace", &["obama.jpg"]);
    std::fs::create_dir_all(house.path("people/Ada_Lovelace")).unwrap();
    std::fs::copy(photo("obama.jpg"), house.path("people/Ada_Lovelace/1.jpg")).unwrap();
    std::fs::write(house.path("people.csv"), "folder,name\nAda_Lovelace,Ada Lovelace\n").unwrap();
    play(&house, MODELS, &[]);
}
