//! The switch from one model to another, act by act, and under kills.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::state::embedder_in_force;
use super::*;
use crate::clock::SystemClock;
use crate::domain::{Content, GallerySize, PeopleEvent};
use crate::gallery::{Gallery, NewPerson};
use crate::ledger::{Journal, ReadOrder};
use crate::office::crash::kill_in_a_round;
use crate::office::{Enrolment, Tally};
use crate::seal::Ring;

const LIMIT: NearEnough = NearEnough::Fixed(Distance(0.3));

/// Two models: `old` makes two numbers of a face, `new` three.
struct TwoModels;

impl Catalogue for TwoModels {
    fn card(&self, name: &str) -> Result<ModelCard, CatalogueError> {
        let dimension = match name {
            "old" => 2,
            "new" | "fixed" | "other" => 3,
            _ => return Err(CatalogueError::Unusable(anyhow::anyhow!("there is no model `{name}`"))),
        };
        let points = [1e-4, 1e-3, 1e-2]
            .map(|rate: f64| crate::access::Point { rate, distance: 0.5 + 0.1 * (rate.log10() + 4.0) });
        let calibration = crate::access::Calibration::new(points.to_vec(), Vec::new(), 10_000_000).unwrap();
        let measured = NearEnough::Calibrated { calibration: Arc::new(calibration), false_identification_rate: 0.003 };
        let near_enough = if name == "fixed" { LIMIT } else { measured };
        Ok(ModelCard { name: name.to_owned(), model: id(name), dimension, near_enough })
    }

    fn name_of(&self, model: &ModelId) -> Option<String> {
        ["old", "new", "other"].into_iter().find(|name| id(name) == *model).map(str::to_owned)
    }
}

fn id(name: &str) -> ModelId {
    ModelId::new(&format!("{name}-1"))
}

fn template(name: &str, values: &[f32]) -> Template {
    let embedding = Embedding::normalised(id(name), values.into()).unwrap();
    Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH }
}

/// Makes a template of one of the models.
type Make = fn(f32) -> Template;

fn old(x: f32) -> Template {
    template("old", &[x, 1.0])
}

fn new(x: f32) -> Template {
    template("new", &[x, 1.0, 0.0])
}

fn by() -> Actor {
    Actor::from("anna")
}

fn order(to: &str) -> SwitchOrder {
    SwitchOrder { to: to.to_owned(), learn: None, shadow: None, after: None }
}

/// The office of a store whose daemon started with the model in force, where the configuration names `configured`.
fn office(store: &Store, configured: &str) -> Switch {
    let state = stored(store).unwrap();
    let name = embedder_in_force(state.as_ref(), configured);
    let card = TwoModels.card(name).unwrap();
    let gallery = Gallery::open(store, &Arc::new(Ring::plain()), card.model, card.dimension).unwrap();
    let recorder = Arc::new(Recorder::new(store, Journal::open(store).unwrap(), Arc::new(SystemClock::new())));
    let register = Register::new(Arc::new(gallery), recorder.clone(), LIMIT);
    Switch::open(register, recorder, Arc::new(TwoModels), configured).unwrap()
}

fn enroll(switch: &Switch, name: &str, templates: Vec<Template>) -> Result<PersonId, OfficeError> {
    let person = NewPerson { name: name.to_owned(), ..NewPerson::default() };
    let enrolment = Enrolment { person, templates, labels: Vec::new(), force: false, by: by() };
    switch.register.enroll(enrolment).map(|person| person.id)
}

fn give(switch: &Switch, person: PersonId, templates: Vec<Template>) -> Result<Person, SwitchError> {
    let labels = vec!["ada.jpg".to_owned()];
    switch.move_person(Move { person, templates, labels, force: false, record: None, by: by() })
}

fn kinds(store: &Store) -> Vec<String> {
    let records = Journal::open(store).unwrap().list(.., ReadOrder::OldestFirst, usize::MAX).unwrap();
    records.into_iter().map(|record| record.kind.to_string()).collect()
}

fn site() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

#[test]
fn a_site_is_led_over_person_by_person_and_the_old_templates_go_last() {
    let (_dir, store) = site();
    let now = SystemTime::now();
    let before = office(&store, "old");
    let ada = enroll(&before, "Ada", vec![old(0.0)]).unwrap();
    let bob = enroll(&before, "Bob", vec![old(5.0)]).unwrap();
    assert!(matches!(give(&before, ada, vec![new(0.0)]), Err(SwitchError::None)), "nothing is under way");

    before.begin(order("new"), by(), now).unwrap();
    let report = before.report(now).unwrap().unwrap();
    assert_eq!((report.moved, report.left, report.due, report.restart), (0, 2, false, false));
    give(&before, ada, vec![old(0.05), new(0.0)]).unwrap();
    assert!(!before.switch_if_due(now, true).unwrap(), "Bob has not moved");
    // Both sets grow with an enrolment.
    let eve = enroll(&before, "Eve", vec![old(-5.0), new(-5.0)]).unwrap();
    assert_eq!((before.register.gallery().next_templates(eve), before.register.gallery().size().people), (1, 3));
    give(&before, bob, vec![new(5.0)]).unwrap();
    assert!(before.report(now).unwrap().unwrap().due);
    assert!(matches!(before.finish(by()), Err(SwitchError::NotSwitched { .. })));
    drop(before);

    // The next start.
    let starting = office(&store, "old");
    assert!(starting.switch_if_due(now, false).unwrap() && !starting.switch_if_due(now, false).unwrap());
    assert!(matches!(starting.finish(by()), Err(SwitchError::Restart { .. })), "it still compares by the old one");
    drop(starting);
    let after = office(&store, "old");
    assert_eq!((after.in_use(), after.beside().unwrap().name), ("new".to_owned(), "old".to_owned()));
    assert_eq!(after.register.gallery().nearest(&new(5.0).embedding).unwrap().unwrap().person, bob);
    assert!(matches!(after.begin(order("new"), by(), now), Err(SwitchError::Switched { .. })));
    let refused = after.finish(by()).unwrap_err().to_string();
    assert!(refused.contains("set it to new"), "{refused}");
    drop(after);

    let after = office(&store, "new");
    assert_eq!(after.finish(by()).unwrap(), 3);
    assert_eq!((after.state(), after.register.gallery().next_model()), (None, None));
    let left: Vec<_> = after.counts().unwrap().into_iter().map(|count| (count.model, count.templates)).collect();
    assert_eq!(left, [(id("new"), 3)]);
    assert!(matches!(after.finish(by()), Err(SwitchError::None)));
    let expected = "enrolled enrolled model_switch_begun templates_made enrolled templates_made model_switched model_switch_finished";
    assert_eq!(kinds(&store).join(" "), expected);
    Journal::open(&store).unwrap().verify().unwrap();
}

#[test]
fn cancelling_goes_back_and_erases_nothing_before_the_end() {
    let (_dir, store) = site();
    let now = SystemTime::now();
    let before = office(&store, "old");
    let ada = enroll(&before, "Ada", vec![old(0.0)]).unwrap();
    assert!(matches!(before.cancel(by()), Err(SwitchError::None)));
    before.begin(order("new"), by(), now).unwrap();
    give(&before, ada, vec![new(0.0)]).unwrap();
    assert!(before.switch_if_due(now, true).unwrap());
    drop(before);
    let after = office(&store, "old");
    assert_eq!(after.in_use(), "new");
    after.cancel(by()).unwrap();
    after.cancel(by()).unwrap();
    assert!(after.report(now).unwrap().unwrap().restart, "the daemon still compares by the new one");
    drop(after);
    let back = office(&store, "old");
    assert_eq!((back.in_use(), back.beside()), ("old".to_owned(), None));
    assert_eq!(back.register.gallery().nearest(&old(0.0).embedding).unwrap().unwrap().person, ada);
    // It can go on, or be ended.
    back.begin(order("new"), by(), now).unwrap();
    assert!(back.has_moved(ada), "what was made is still there");
    back.cancel(by()).unwrap();
    assert_eq!(back.finish(by()).unwrap(), 1);
    assert_eq!(back.counts().unwrap().len(), 1);
    assert_eq!(kinds(&store).iter().filter(|kind| *kind == "model_switch_cancelled").count(), 2);
}

#[test]
fn a_site_that_already_names_the_new_model_goes_on_with_the_old_one() {
    let (_dir, store) = site();
    let now = SystemTime::now();
    let ada = enroll(&office(&store, "old"), "Ada", vec![old(0.0)]).unwrap();
    // The package's default became `new`, and nobody is recognised.
    let upgraded = office(&store, "new");
    assert_eq!(upgraded.register.gallery().size(), GallerySize::default());
    let begun = upgraded.begin(order("new"), by(), now).unwrap();
    assert_eq!((begun.from.name.as_str(), begun.to.name.as_str()), ("old", "new"));
    assert!(upgraded.report(now).unwrap().unwrap().restart);
    assert_eq!(upgraded.plan(), None);
    drop(upgraded);
    let restarted = office(&store, "new");
    assert_eq!(restarted.register.gallery().nearest(&old(0.0).embedding).unwrap().unwrap().person, ada);
    give(&restarted, ada, vec![new(0.0)]).unwrap();
    assert!(restarted.switch_if_due(now, true).unwrap());
    drop(restarted);
    assert_eq!(office(&store, "new").finish(by()).unwrap(), 1);
    let (_dir, empty) = site();
    let nobody = office(&empty, "new").begin(order("new"), by(), now);
    assert!(matches!(nobody, Err(SwitchError::NothingToDo { .. })));
}

#[test]
fn what_cannot_be_switched_to_is_refused_with_the_remedy() {
    let (_dir, store) = site();
    let now = SystemTime::now();
    let switch = office(&store, "old");
    let error = |to: &str| switch.begin(order(to), by(), now).unwrap_err().to_string();
    assert!(error("nothing").contains("there is no model `nothing`"));
    assert!(error("fixed").contains("[access] distance fixes the distance 0.300"));
    switch.begin(order("new"), by(), now).unwrap();
    assert!(error("other").contains("a switch from old to new is under way"));
    // Asked again, nothing changes; with other settings, it is recorded.
    switch.begin(order("new"), by(), now).unwrap();
    let later = SwitchOrder { learn: Some(true), after: Some(After::Asked), ..order("new") };
    let state = switch.begin(later, by(), now).unwrap();
    assert_eq!((state.learn, state.shadow, state.after), (true, false, After::Asked));
    assert_eq!(kinds(&store), ["model_switch_begun", "model_switch_begun"]);
    assert!(!switch.switch_if_due(now, true).unwrap(), "not before an operator says when");
}

#[test]
fn photographs_of_somebody_else_are_refused_unless_forced() {
    let (_dir, store) = site();
    let switch = office(&store, "old");
    let ada = enroll(&switch, "Ada", vec![old(0.0)]).unwrap();
    let bob = enroll(&switch, "Bob", vec![old(5.0)]).unwrap();
    switch.begin(order("new"), by(), SystemTime::now()).unwrap();
    // To the old model the photograph shows Bob.
    let error = give(&switch, ada, vec![old(5.0), new(0.0)]).unwrap_err().to_string();
    assert!(error.contains("ada.jpg does not look like Ada (#1)") && error.contains("nearer to person 2"), "{error}");
    let error = give(&switch, ada, vec![new(0.0), new(9.0)]).unwrap_err();
    assert!(matches!(error, SwitchError::Office(OfficeError::Outliers { .. })), "{error}");
    give(&switch, bob, vec![old(5.0), new(5.0)]).unwrap();
    let error = give(&switch, ada, vec![old(0.0), new(5.1)]).unwrap_err();
    assert!(matches!(error, SwitchError::Office(OfficeError::Duplicate { person, .. }) if person == bob), "{error}");
    assert!(give(&switch, ada, vec![old(0.0)]).is_err(), "a proof alone is nothing");
    assert_eq!(switch.register.gallery().next_templates(ada), 0, "nothing was kept");
    let force = Move {
        person: ada,
        templates: vec![old(5.0), new(5.1)],
        labels: Vec::new(),
        force: true,
        record: None,
        by: by(),
    };
    switch.move_person(force).unwrap();
    assert_eq!(
        (switch.register.gallery().next_templates(ada), switch.register.gallery().person(ada).unwrap().templates),
        (1, 1)
    );
}

#[test]
fn visits_become_templates_only_where_that_was_chosen_and_the_view_is_surely_theirs() {
    let (_dir, store) = site();
    let switch = office(&store, "old");
    let ada = enroll(&switch, "Ada", vec![old(0.0)]).unwrap();
    let bob = enroll(&switch, "Bob", vec![old(5.0)]).unwrap();
    let views = || vec![new(0.0), new(0.1), new(0.05)];
    assert_eq!(switch.learn(ada, views(), 7).unwrap(), None);
    switch.begin(order("new"), by(), SystemTime::now()).unwrap();
    assert_eq!((switch.plan(), switch.learn(ada, views(), 7).unwrap()), (None, None), "off unless chosen");
    switch.begin(SwitchOrder { learn: Some(true), ..order("new") }, by(), SystemTime::now()).unwrap();

    let gates =
        Gates { min_face_px: 80.0, min_sharpness: 30.0, max_yaw_deg: 30.0, max_pitch_deg: 25.0, min_length: None };
    let good = Quality { size: 120.0, sharpness: 100.0, ..Quality::default() };
    let seen = |person, distance| Match { person, distance: Distance(distance), runner_up: None };
    // The limit of the doors is 0.3; that of a template nine tenths of it.
    assert!(switch.is_good_view(ada, Some(&seen(ada, 0.26)), &good, &gates));
    for (nearest, quality) in [
        (Some(seen(ada, 0.28)), good),
        (Some(seen(bob, 0.1)), good),
        (Some(seen(ada, f32::NAN)), good),
        (None, good),
        (Some(seen(ada, 0.1)), Quality { size: 60.0, ..good }),
    ] {
        assert!(!switch.is_good_view(ada, nearest.as_ref(), &quality, &gates), "{nearest:?} {quality:?}");
    }

    let error = switch.learn(ada, vec![new(0.0), new(9.0), new(0.1)], 7).unwrap_err();
    assert!(matches!(error, SwitchError::Office(OfficeError::Outliers { .. })), "{error}");
    assert!(switch.learn(ada, views(), 7).unwrap().is_some());
    assert_eq!(switch.learn(ada, views(), 8).unwrap(), None, "once is enough");
    switch.register.set_enabled(bob, false, by()).unwrap();
    assert_eq!(switch.learn(bob, vec![new(5.0)], 9).unwrap(), None);
    let records = Journal::open(&store).unwrap().list(.., ReadOrder::OldestFirst, usize::MAX).unwrap();
    let made: Vec<_> = records.iter().filter(|record| *record.kind == *"templates_made").collect();
    let Content::Known(event) = &made[0].content else { panic!("{made:?}") };
    let Event::People(PeopleEvent::TemplatesMade { templates, record, by, .. }) = &**event else { panic!("{event:?}") };
    assert_eq!((made.len(), *templates, *record, by), (1, 3, Some(7), &Actor::System(SystemAct::LearnFromVisit)));
}

#[test]
fn a_shadow_run_counts_what_would_change_by_person() {
    let (_dir, store) = site();
    let switch = office(&store, "old");
    let ada = enroll(&switch, "Ada", vec![old(0.0)]).unwrap();
    let bob = enroll(&switch, "Bob", vec![old(5.0)]).unwrap();
    let shadow = SwitchOrder { shadow: Some(true), after: Some(After::Asked), ..order("new") };
    switch.begin(shadow, by(), SystemTime::now()).unwrap();
    assert_eq!(switch.compare(ada, &new(0.0).embedding).unwrap(), None, "she has not moved");
    give(&switch, ada, vec![new(0.0)]).unwrap();
    give(&switch, bob, vec![new(5.0)]).unwrap();
    let seen = |x: f32| switch.compare(ada, &new(x).embedding).unwrap();
    assert_eq!(seen(0.05), Some(Opinion::Agrees));
    assert_eq!(seen(5.0), Some(Opinion::Other));
    assert_eq!(switch.compare(ada, &template("new", &[0.0, 0.0, 1.0]).embedding).unwrap(), Some(Opinion::Refuses));
    assert!(switch.compare(ada, &old(0.0).embedding).is_err(), "embeddings of two models never meet");
    let report = switch.report(SystemTime::now()).unwrap().unwrap();
    assert_eq!(report.tally, Tally { agrees: 1, refuses: 1, other: 1 });
    assert_eq!((report.people[0].tally.visits(), report.people[1].tally.visits()), (3, 0));
    let records = kinds(&store).len();
    // A removed person's counts go with them, in the same commit.
    switch.register.remove(ada, by()).unwrap();
    let report = switch.report(SystemTime::now()).unwrap().unwrap();
    assert_eq!((report.tally, kinds(&store).len()), (Tally::default(), records + 1));
}

#[test]
fn an_act_that_cannot_be_recorded_is_not_done() {
    let (_dir, store) = site();
    let switch = office(&store, "old");
    let ada = enroll(&switch, "Ada", vec![old(0.0)]).unwrap();
    store.spare(u64::MAX);
    assert!(switch.begin(order("new"), by(), SystemTime::now()).is_err());
    assert_eq!((switch.state(), stored(&store).unwrap()), (None, None));
    store.spare(0);
    switch.begin(order("new"), by(), SystemTime::now()).unwrap();
    store.spare(u64::MAX);
    assert!(give(&switch, ada, vec![new(0.0)]).is_err() && !switch.has_moved(ada));
    store.spare(0);
    give(&switch, ada, vec![new(0.0)]).unwrap();
    store.spare(u64::MAX);
    assert!(switch.switch_if_due(SystemTime::now(), true).is_err());
    assert_eq!(stored(&store).unwrap().unwrap().phase, Phase::Begun);
    assert_eq!(office(&store, "old").in_use(), "old");
}

const FOLDER: &str = "USHER_TEST_SWITCH";

/// The child process of the next test: leads people over and back until it is killed.
#[test]
#[ignore = "runs as a child of another test"]
fn switches_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = Store::open(Path::new(&folder)).unwrap();
    let run = std::process::id();
    for n in 0.. {
        let configured = if office(&store, "old").in_use() == "old" { "old" } else { "new" };
        let switch = office(&store, configured);
        if switch.state().is_some() {
            // As it was left: ended either way.
            drop(switch.cancel(by()));
            let kept = switch.state().and_then(|state| Some(state.outcome()?.0.name.clone()));
            drop(kept.map(|name| office(&store, &name).finish(by())));
        }
        let from = office(&store, "old");
        let (own, other) = (old as Make, new as Make);
        let force = |name: String, templates| {
            let person = NewPerson { name, ..NewPerson::default() };
            from.register.enroll(Enrolment { person, templates, labels: Vec::new(), force: true, by: by() })
        };
        let id = force(format!("one {run} {n}"), vec![own(1.0), own(1.1)]).unwrap().id;
        from.begin(order("new"), by(), SystemTime::now()).unwrap();
        for person in from.register.gallery().people() {
            let templates = vec![other(1.0)];
            let force = Move { person: person.id, templates, labels: Vec::new(), force: true, record: None, by: by() };
            from.move_person(force).unwrap();
        }
        assert!(from.switch_if_due(SystemTime::now(), true).unwrap());
        office(&store, "old").cancel(by()).unwrap();
        office(&store, "old").finish(by()).unwrap();
        office(&store, "old").register.remove(id, by()).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nround {n}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn after_a_kill_one_model_is_in_force_and_everybody_who_was_enrolled_has_its_templates() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0u32..8 {
        let after = Duration::from_micros(u64::from(round) * 2300);
        kill_in_a_round("office::switch::tests::switches_until_killed", FOLDER, dir.path(), after);
        let store = Store::open(dir.path()).unwrap();
        let state = stored(&store).unwrap();
        let switch = office(&store, "old");
        // The journal's last word about the switch is what the store says.
        let said = kinds(&store).into_iter().rfind(|kind| kind.starts_with("model_switch"));
        let phase = state.as_ref().map(|state| state.phase);
        let expected: &[Option<Phase>] = match said.as_deref() {
            Some("model_switch_begun") => &[Some(Phase::Begun)],
            Some("model_switched") => &[Some(Phase::Switched)],
            Some("model_switch_cancelled") => &[Some(Phase::Cancelled)],
            Some("model_switch_finished") => &[Some(Phase::ErasingNew), Some(Phase::ErasingOld), None],
            other => panic!("{other:?}"),
        };
        assert!(expected.contains(&phase), "round {round}: {said:?} {phase:?}");
        let people = switch.register.gallery().people();
        assert!(people.iter().all(|person| person.templates > 0), "round {round}: {people:?}");
        assert!(switch.register.gallery().damaged().is_empty());
        if phase.is_some_and(|phase| matches!(phase, Phase::ErasingNew | Phase::ErasingOld)) {
            assert_eq!(switch.state(), None, "opening the store finished the erasure");
            assert_eq!(switch.counts().unwrap().len(), usize::from(!people.is_empty()));
        }
    }
}
