//! Which views of a visit are wanted, and what becomes of them.

use std::time::SystemTime;

use super::*;
use crate::access::NearEnough;
use crate::clock::SystemClock;
use crate::domain::{Distance, ModelId, Named};
use crate::gallery::{Gallery, NewPerson};
use crate::ledger::Journal;
use crate::office::switch::{Catalogue, CatalogueError, ModelCard, SwitchOrder};
use crate::office::{Enrolment, Move, Recorder, Register};
use crate::seal::Ring;
use crate::store::Store;

const GATES: Gates = Gates { min_face_px: 80.0, min_sharpness: 30.0, max_yaw_deg: 30.0, max_pitch_deg: 25.0 };
const ADA: PersonId = PersonId(1);

struct NewModel;

impl Catalogue for NewModel {
    fn card(&self, name: &str) -> Result<ModelCard, CatalogueError> {
        let points = [1e-4, 1e-3, 1e-2].map(|rate| crate::access::Point { rate, distance: 0.9 + rate });
        let calibration = crate::access::Calibration::new(points.to_vec(), Vec::new(), 10_000_000).unwrap();
        let near_enough =
            NearEnough::Calibrated { calibration: Arc::new(calibration), false_identification_rate: 0.01 };
        Ok(ModelCard { name: name.to_owned(), model: ModelId::new("new"), dimension: 3, near_enough })
    }

    fn name_of(&self, _: &ModelId) -> Option<String> {
        None
    }
}

fn template(model: &str, values: &[f32]) -> Template {
    let embedding = Embedding::normalised(ModelId::new(model), values.into()).unwrap();
    Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH }
}

/// The switch of a store in which Ada is enrolled, with these settings; and the register that it shares.
fn switch(store: &Store, learn: bool, shadow: bool) -> Arc<Switch> {
    let gallery = Gallery::open(store, &Arc::new(Ring::plain()), ModelId::new("old"), 2).unwrap();
    let recorder = Arc::new(Recorder::new(store, Journal::open(store).unwrap(), Arc::new(SystemClock::new())));
    let register = Register::new(Arc::new(gallery), recorder.clone(), NearEnough::Fixed(Distance(0.5)));
    let person = NewPerson { name: "Ada".into(), ..NewPerson::default() };
    let templates = vec![template("old", &[1.0, 0.0])];
    register.enroll(Enrolment { person, templates, labels: Vec::new(), force: true, by: "anna".into() }).unwrap();
    let switch = Switch::open(register, recorder, Arc::new(NewModel), "old").unwrap();
    let order = SwitchOrder { to: "new".into(), learn: Some(learn), shadow: Some(shadow), after: None };
    switch.begin(order, "anna".into(), SystemTime::now()).unwrap();
    Arc::new(switch)
}

fn at(ms: u64) -> Moment {
    Moment(Duration::from_millis(ms))
}

fn granted(track: u64) -> Decided {
    let named = Named { id: ADA, name: Some("Ada".into()), card: None };
    Decided { person: Some(named.into()), ..Decided::at_porch(Outcome::Granted, 1, at(1000), TrackId(track)) }
}

struct Seen {
    camera: Arc<str>,
    quality: Quality,
    nearest: Match,
}

impl Seen {
    fn new() -> Seen {
        let quality = Quality { size: 120.0, sharpness: 100.0, ..Quality::default() };
        Seen {
            camera: "porch".into(),
            quality,
            nearest: Match { person: ADA, distance: Distance(0.2), runner_up: None },
        }
    }

    fn view(&self, track: u64, ms: u64) -> View<'_> {
        View {
            camera: &self.camera,
            track: TrackId(track),
            captured_at: at(ms),
            quality: &self.quality,
            nearest: Some(&self.nearest),
        }
    }
}

#[test]
fn three_good_views_after_the_grant_become_templates_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let switch = switch(&store, true, false);
    let (visits, mut jobs) = Visits::new(switch.clone(), GATES);
    let seen = Seen::new();
    assert!(!visits.wants(seen.view(4, 1100)), "nobody was let in");
    visits.decided(&Decided::at_porch(Outcome::Granted, 1, at(1000), TrackId(4)), 7);
    assert!(!visits.wants(seen.view(4, 1100)), "the record names nobody");
    visits.decided(&granted(4), 7);
    assert!(!visits.wants(seen.view(5, 1100)), "another track");
    assert!(visits.awaits("porch", TrackId(4), at(1100)) && !visits.awaits("porch", TrackId(5), at(1100)));
    assert!(!visits.wants(Seen { camera: "yard".into(), ..Seen::new() }.view(4, 1100)), "another camera");
    assert!(!visits.wants(seen.view(4, 1000)), "the frame of the grant itself");
    let far = Seen { nearest: Match { distance: Distance(0.46), ..seen.nearest }, ..Seen::new() };
    assert!(!visits.wants(far.view(4, 1100)), "within the doors' limit, but not surely");
    let other = Seen { nearest: Match { person: PersonId(2), ..seen.nearest }, ..Seen::new() };
    assert!(!visits.wants(other.view(4, 1100)), "somebody else stepped before the camera");
    assert!(!visits.wants(Seen { quality: Quality::default(), ..Seen::new() }.view(4, 1100)), "a poor view");

    for (ms, x) in [(1100, 0.0), (1150, 0.01), (1450, 0.02), (1800, 0.03)] {
        let wanted = visits.wants(seen.view(4, ms));
        assert_eq!(wanted, ms != 1150, "views too close together are one");
        if wanted {
            visits.add(seen.view(4, ms), template("new", &[1.0, x, 0.0]));
        }
    }
    assert!(!visits.wants(seen.view(4, 2500)), "the visit has given what it can");
    assert!(!visits.awaits("porch", TrackId(4), at(2500)));
    visits.decided(&granted(4), 8);
    assert!(!visits.wants(seen.view(4, 2600)), "also after a second grant of the same stay");
    let job = jobs.try_recv().unwrap();
    assert!(
        matches!(&job, Job::Learn { person, views, record: 7 } if *person == ADA && views.len() == VIEWS),
        "{job:?}"
    );
    assert!(jobs.try_recv().is_err());
    act(&switch, job);
    assert!(switch.has_moved(ADA));
    visits.decided(&granted(9), 20);
    assert!(!visits.wants(seen.view(9, 1500)), "no shadow run was asked for");
    assert!(!visits.wants(seen.view(9, 1000 + LASTS.as_millis() as u64 + 1)), "long after the grant");
}

#[test]
fn a_visit_of_somebody_who_has_moved_is_compared_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let switch = switch(&store, false, true);
    let (visits, mut jobs) = Visits::new(switch.clone(), GATES);
    let seen = Seen::new();
    visits.decided(&granted(4), 7);
    let idle = !visits.wants(seen.view(4, 1100)) && !visits.awaits("porch", TrackId(4), at(1100));
    assert!(idle, "she has not moved, and visits become no templates");
    let moved = Move {
        person: ADA,
        templates: vec![template("new", &[1.0, 0.0, 0.0])],
        labels: Vec::new(),
        force: false,
        record: None,
        by: "anna".into(),
    };
    switch.move_person(moved).unwrap();
    visits.decided(&granted(4), 7);
    assert!(visits.wants(seen.view(4, 1100)));
    visits.add(seen.view(4, 1100), template("new", &[1.0, 0.1, 0.0]));
    assert!(!visits.wants(seen.view(4, 1500)));
    let job = jobs.try_recv().unwrap();
    assert!(matches!(job, Job::Compare { person: ADA, .. }), "{job:?}");
    act(&switch, job);
    let report = switch.report(SystemTime::now()).unwrap().unwrap();
    assert_eq!((report.tally.agrees, report.tally.visits()), (1, 1));
    switch.cancel("anna".into()).unwrap();
    visits.decided(&granted(5), 8);
    assert!(!visits.wants(seen.view(5, 1100)), "the switch is cancelled");
}

#[test]
fn visits_and_jobs_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (visits, mut jobs) = Visits::new(switch(&store, true, false), GATES);
    let seen = Seen::new();
    let most = (REMEMBERED + WAITING) as u64;
    for track in 0..most {
        visits.decided(&granted(track), track);
    }
    assert!(!visits.wants(seen.view(0, 1100)) && visits.wants(seen.view(most - 1, 1100)), "the oldest is forgotten");
    for track in 0..most {
        for ms in [1100, 1500, 1900] {
            visits.add(seen.view(track, ms), template("new", &[1.0, 0.0, 0.0]));
        }
    }
    assert_eq!(std::iter::from_fn(|| jobs.try_recv().ok()).count(), WAITING, "the rest is dropped: they come again");
}
