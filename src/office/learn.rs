//! Templates that come after the enrolment: from grants, and from faces that were said not to be a person's.
//!
//! Learning is also a way in for somebody who wants to be taken for another: each template that is added from a face near the limit moves the
//! limit towards that face. So a face is learned only if it is clearly the person's by an enrolled template, not by a learned one.

use std::time::{Duration, SystemTime};

use super::{OfficeError, Register};
use crate::access::CLEARLY;
use crate::domain::{Actor, Distance, Event, Forgotten, PeopleEvent, PersonId, SystemAct};
use crate::gallery::{Kind, MAX_LEARNED, Person, Template};

/// The least time between two templates that a person learns.
const BETWEEN: Duration = Duration::from_secs(24 * 3600);

/// A frame that a door was opened for.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub person: PersonId,
    pub template: Template,
    /// The sequence number of the grant.
    pub record: u64,
}

/// What a grant must fulfil to be learned from, besides being clear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learning {
    /// The least length of the embedding, as in [`crate::domain::Quality::length`].
    pub min_length: f32,
    /// How much farther than the person a negative reference must be, in units of distance.
    pub margin: f32,
}

/// What became of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// A template was added; how many the person has learned now.
    Yes { learned: usize },
    /// Why not.
    No(&'static str),
}

impl Register {
    /// Learns a template from a grant if it is beyond doubt: a strong embedding, clearly within the limit of an enrolled template of the
    /// person, nobody else within the limit, no negative reference nearly as near, and nothing learned of that person for a day.
    pub fn learn(&self, grant: &Grant, rules: &Learning) -> Result<Learned, OfficeError> {
        let Grant { person, template, record } = grant;
        let no = |why| Ok(Learned::No(why));
        if !template.quality.length.is_some_and(|length| length >= rules.min_length) {
            return no("the embedding is not strong enough");
        }
        let limit = self.cut().distance.0;
        let Some(nearest) = self.gallery().nearest(&template.embedding)?.filter(|found| found.person == *person) else {
            return no("somebody else is nearest by now");
        };
        if nearest.runner_up.is_some_and(|(_, distance)| distance.0 <= limit) {
            return no("somebody else is within the limit, too");
        }
        let near_lookalike = self.gallery().to_not_them(*person, &template.embedding)?;
        let is_near = |gap: f32| gap.is_nan() || gap < rules.margin;
        if near_lookalike.is_some_and(|other| is_near(other.0 - nearest.distance.0)) {
            return no("a negative reference is nearly as near");
        }
        let kept = self.gallery().kept(*person)?;
        if !self.to_own(&kept, template, &[Kind::Enrolled]).is_some_and(|own| own.0 <= limit * CLEARLY) {
            return no("it is not clearly theirs by an enrolled template");
        }
        let learned = || kept.iter().filter(|(kind, _)| *kind == Kind::Learned);
        let last = learned().map(|(_, template)| template.created).max();
        // A clock that was set back teaches nothing until it has caught up.
        if last.is_some_and(|last| !is_later(template.created, last)) {
            return no("one was learned within a day");
        }
        let learned = (learned().count() + 1).min(MAX_LEARNED);
        let (record, by) = (*record, Actor::System(SystemAct::Learn));
        self.write(self.gallery().prepare_learned(*person, template)?, |person| {
            Event::People(PeopleEvent::TemplateLearned { person, record, learned, by })
        })?;
        Ok(Learned::Yes { learned })
    }

    /// Notes that the face of the record `record` is not the person's: a negative reference.
    ///
    /// # Errors
    /// [`OfficeError::ClearlyTheirs`] unless forced: a mistake would lock the person out.
    pub fn note_lookalike(
        &self,
        id: PersonId,
        face: &Template,
        record: u64,
        force: bool,
        by: Actor,
    ) -> Result<Person, OfficeError> {
        let kept = self.gallery().kept(id)?;
        let limit = Distance(self.cut().distance.0 * CLEARLY);
        let own = self.to_own(&kept, face, &[Kind::Enrolled, Kind::Learned]);
        if let Some(distance) = own.filter(|own| !force && own.0 <= limit.0) {
            let name = self.gallery().person(id)?.name;
            return Err(OfficeError::ClearlyTheirs { person: id, name, record, distance, limit });
        }
        self.write(self.gallery().prepare_not_them(id, face)?, |person| {
            Event::People(PeopleEvent::LookalikeNoted { person, record, by })
        })
    }

    /// Erases what a person learned, or their negative references, and returns how many. Nothing is recorded if there are none.
    pub fn forget(&self, id: PersonId, what: Forgotten, by: Actor) -> Result<usize, OfficeError> {
        let kind = match what {
            Forgotten::Learned => Kind::Learned,
            Forgotten::Lookalikes => Kind::NotThem,
        };
        let (prepared, count) = self.gallery().prepare_forgetting(id, kind)?;
        if count > 0 {
            self.write(prepared, |person| Event::People(PeopleEvent::TemplatesForgotten { person, what, count, by }))?;
        }
        Ok(count)
    }

    /// The distance of `face` to the nearest template of these kinds in `kept`.
    fn to_own(&self, kept: &[(Kind, Template)], face: &Template, kinds: &[Kind]) -> Option<Distance> {
        let own = kept.iter().filter(|(kind, _)| kinds.contains(kind));
        let distances = own.filter_map(|(_, own)| self.gallery().distance(&own.embedding, &face.embedding));
        distances.min_by(|a, b| a.0.total_cmp(&b.0))
    }
}

/// Whether `now` is a day or more after `last`.
fn is_later(now: SystemTime, last: SystemTime) -> bool {
    now.duration_since(last).is_ok_and(|since| since >= BETWEEN)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::access::NearEnough;
    use crate::clock::SystemClock;
    use crate::domain::{Embedding, ModelId, Quality};
    use crate::gallery::{Gallery, NewPerson};
    use crate::ledger::{Journal, ReadOrder, RecordFilter};
    use crate::office::{Enrolment, Recorder};
    use crate::seal::Ring;
    use crate::store::Store;

    const RULES: Learning = Learning { min_length: 6.0, margin: 0.05 };
    const DAY: u64 = 24 * 3600;

    /// Ada at 0 degrees, Bob at 180; the limit is a distance of 1: 60 degrees. Clear is 0.85: about 50 degrees.
    struct Site {
        _dir: tempfile::TempDir,
        recorder: Arc<Recorder>,
        register: Register,
        ada: PersonId,
    }

    fn face(degrees: f32, day: u64) -> Template {
        let values = Box::new([degrees.to_radians().cos(), degrees.to_radians().sin()]);
        let embedding = Embedding::normalised(ModelId::new("net"), values).unwrap();
        let quality = Quality { length: Some(7.0), ..Quality::default() };
        Template {
            embedding,
            quality,
            created: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + day * DAY),
        }
    }

    fn site() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let ring = Arc::new(Ring::plain());
        let gallery = Arc::new(Gallery::open(&store, &ring, ModelId::new("net"), 2).unwrap());
        let journal = Journal::open(&store).unwrap();
        let recorder = Arc::new(Recorder::new(&store, journal, Arc::new(SystemClock::new())));
        let register = Register::new(gallery, recorder.clone(), NearEnough::Fixed(Distance(1.0)));
        let enrol = |name: &str, degrees| {
            let person = NewPerson { name: name.into(), ..NewPerson::default() };
            let templates = vec![face(degrees, 0)];
            let by = Actor::Operator("anna".into());
            register.enroll(Enrolment { person, templates, labels: Vec::new(), force: false, by }).unwrap().id
        };
        let ada = enrol("Ada", 0.0);
        enrol("Bob", 180.0);
        Site { _dir: dir, recorder, register, ada }
    }

    impl Site {
        fn learn(&self, template: Template) -> Learned {
            let grant = Grant { person: self.ada, template, record: 4711 };
            self.register.learn(&grant, &RULES).unwrap()
        }

        fn kinds(&self) -> Vec<&'static str> {
            let records =
                self.recorder.journal().select(.., ReadOrder::OldestFirst, 100, &RecordFilter::default()).unwrap();
            records.iter().filter_map(|dated| Some(dated.record.content.event()?.kind())).collect()
        }
    }

    #[test]
    fn a_clear_grant_is_learned_once_a_day_and_three_are_kept() {
        let site = site();
        assert_eq!(site.learn(face(20.0, 1)), Learned::Yes { learned: 1 });
        assert_eq!(site.learn(face(25.0, 1)), Learned::No("one was learned within a day"));
        for (day, learned) in [(2, 2), (3, 3), (4, 3), (5, 3)] {
            assert_eq!(site.learn(face(20.0 + day as f32, day)), Learned::Yes { learned });
        }
        assert_eq!(site.register.gallery().person(site.ada).unwrap().learned_templates, 3);
        assert_eq!(site.learn(face(20.0, 3)), Learned::No("one was learned within a day"), "the clock was set back");
        assert_eq!(site.kinds().iter().filter(|kind| **kind == "template_learned").count(), 5);

        let anna = Actor::Operator("anna".into());
        assert_eq!(site.register.forget(site.ada, Forgotten::Learned, anna.clone()).unwrap(), 3);
        assert_eq!(site.register.forget(site.ada, Forgotten::Learned, anna).unwrap(), 0);
        assert_eq!(site.kinds().iter().filter(|kind| **kind == "templates_forgotten").count(), 1);
        assert_eq!(site.register.gallery().person(site.ada).unwrap().templates, 1);
    }

    #[test]
    fn what_is_not_beyond_doubt_is_not_learned() {
        let site = site();
        let weak = |length| {
            let mut face = face(10.0, 1);
            face.quality.length = length;
            face
        };
        for length in [Some(5.9), None, Some(f32::NAN)] {
            assert_eq!(site.learn(weak(length)), Learned::No("the embedding is not strong enough"));
        }
        assert_eq!(site.learn(face(55.0, 1)), Learned::No("it is not clearly theirs by an enrolled template"));
        assert_eq!(site.learn(face(170.0, 1)), Learned::No("somebody else is nearest by now"));
    }

    /// Somebody who looks like Ada cannot bring the gallery to themselves step by step.
    #[test]
    fn learned_templates_do_not_lead_to_further_ones() {
        let site = site();
        assert_eq!(site.learn(face(45.0, 1)), Learned::Yes { learned: 1 });
        // Clearly Ada by the learned template, not by the enrolled one.
        assert_eq!(site.learn(face(65.0, 2)), Learned::No("it is not clearly theirs by an enrolled template"));
    }

    #[test]
    fn a_lookalike_is_noted_unless_it_is_clearly_the_person() {
        let site = site();
        let anna = || Actor::Operator("anna".into());
        let error = site.register.note_lookalike(site.ada, &face(40.0, 1), 12, false, anna()).unwrap_err();
        assert!(matches!(error, OfficeError::ClearlyTheirs { .. }), "{error}");
        assert!(error.to_string().contains("record 12"), "{error}");
        site.register.note_lookalike(site.ada, &face(58.0, 1), 12, false, anna()).unwrap();
        let gallery = site.register.gallery();
        assert_eq!(gallery.to_not_them(site.ada, &face(58.0, 1).embedding).unwrap(), Some(Distance(0.0)));
        // Nearer to the lookalike than to Ada.
        assert_eq!(site.learn(face(40.0, 1)), Learned::No("a negative reference is nearly as near"));
        assert_eq!(site.learn(face(5.0, 1)), Learned::Yes { learned: 1 });
        site.register.note_lookalike(site.ada, &face(20.0, 1), 13, true, anna()).unwrap();
        assert_eq!(site.register.forget(site.ada, Forgotten::Lookalikes, anna()).unwrap(), 2);
        assert_eq!(site.kinds().iter().filter(|kind| **kind == "lookalike_noted").count(), 2);
        assert_eq!(gallery.person(site.ada).unwrap().learned_templates, 1, "those stay");
    }
}
