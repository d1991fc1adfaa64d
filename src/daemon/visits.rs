//! Visits of people who were let in, while the site is led from one model to another: their next good views are embedded by the new model as
//! well, and become templates, or are compared with those that the person has.
//!
//! The doors' writer says who was let in; the vision threads add views; a task hands them to the office.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::domain::{Decided, Embedding, Match, Moment, Outcome, PersonId, Personal, Quality, TrackId};
use crate::gallery::Template;
use crate::office::Gates;
use crate::office::switch::Switch;

/// Visits that are remembered at a time.
const REMEMBERED: usize = 64;
/// How long after the grant views count. A track may stay longer; the person need not.
const LASTS: Duration = Duration::from_secs(15);
/// Views of one visit that become templates.
pub const VIEWS: usize = 3;
/// Views closer together than this are one, as for an enrolment at the camera.
const BETWEEN_VIEWS: Duration = Duration::from_millis(300);
/// Jobs that wait for the office. Beyond that they are dropped: the person comes again.
const WAITING: usize = 16;

/// What the office is asked to do with a visit.
#[derive(Debug, PartialEq)]
pub enum Job {
    /// Make templates of the new model.
    Learn { person: PersonId, views: Vec<Template>, record: u64 },
    /// Count what the new model says.
    Compare { person: PersonId, view: Embedding },
}

/// The visits of the last moments.
pub struct Visits {
    switch: Arc<Switch>,
    gates: Gates,
    jobs: mpsc::Sender<Job>,
    visits: Mutex<VecDeque<Visit>>,
}

struct Visit {
    camera: Arc<str>,
    track: TrackId,
    person: PersonId,
    /// The sequence number of the grant.
    record: u64,
    /// When the frame behind the grant was captured.
    since: Moment,
    views: Vec<Template>,
    last_view: Option<Moment>,
    done: bool,
}

/// A face in a frame, as the pipeline and the gallery see it.
#[derive(Clone, Copy)]
pub struct View<'v> {
    pub camera: &'v Arc<str>,
    pub track: TrackId,
    pub captured_at: Moment,
    pub quality: &'v Quality,
    pub nearest: Option<&'v Match>,
}

impl Visits {
    /// No visits yet, and the other end for [`carry_out`]. `gates` are those of enrolment.
    pub fn new(switch: Arc<Switch>, gates: Gates) -> (Visits, mpsc::Receiver<Job>) {
        let (jobs, receiver) = mpsc::channel(WAITING);
        (Visits { switch, gates, jobs, visits: Mutex::default() }, receiver)
    }

    /// The switch that it serves.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// Begins a visit if a recorded decision let somebody in and the switch wants to know. `record` is the decision's sequence number.
    pub fn decided(&self, decision: &Decided, record: u64) {
        let person = decision.person.as_ref().and_then(Personal::known).map(|named| named.id);
        let (Outcome::Granted, Some(person), Some(since)) = (decision.outcome, person, decision.captured_at) else {
            return;
        };
        if !self.is_of_use(person) {
            return;
        }
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        visits.retain(|visit| since.since(visit.since) <= LASTS);
        if visits.iter().any(|v| v.track == decision.track && v.camera == decision.camera && v.person == person) {
            return;
        }
        if visits.len() >= REMEMBERED {
            visits.pop_front();
        }
        visits.push_back(Visit {
            camera: decision.camera.clone(),
            track: decision.track,
            person,
            record,
            since,
            views: Vec::new(),
            last_view: None,
            done: false,
        });
    }

    /// Whether a visit waits for another view of this track.
    pub fn awaits(&self, camera: &str, track: TrackId, at: Moment) -> bool {
        let visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        visits.iter().any(|visit| visit.needs(camera, track, at))
    }

    /// Whether this view is to be embedded by the new model: it is a good one of a person who was just let in and whose visit still needs it.
    pub fn wants(&self, view: View<'_>) -> bool {
        let person = {
            let visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
            visits.iter().find(|visit| visit.needs(view.camera, view.track, view.captured_at)).map(|visit| visit.person)
        };
        let Some(person) = person else { return false };
        self.is_of_use(person) && self.switch.is_good_view(person, view.nearest, view.quality, &self.gates)
    }

    /// Whether the switch makes anything of a visit of this person.
    fn is_of_use(&self, person: PersonId) -> bool {
        let moved = self.switch.has_moved(person);
        self.switch.plan().is_some_and(|plan| if moved { plan.shadow } else { plan.learn })
    }

    /// Adds a view that was [wanted](Visits::wants), as the new model embeds it. Never blocks.
    pub fn add(&self, view: View<'_>, template: Template) {
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(visit) = visits.iter_mut().find(|visit| visit.needs(view.camera, view.track, view.captured_at)) else {
            return;
        };
        visit.last_view = Some(view.captured_at);
        let (person, record) = (visit.person, visit.record);
        let job = if self.switch.has_moved(person) {
            visit.done = true;
            Job::Compare { person, view: template.embedding }
        } else {
            visit.views.push(template);
            visit.done = visit.views.len() >= VIEWS;
            if !visit.done {
                return;
            }
            Job::Learn { person, views: std::mem::take(&mut visit.views), record }
        };
        drop(visits);
        if self.jobs.try_send(job).is_err() {
            tracing::warn!(%person, "a visit is not used for the switch of models: too many wait");
        }
    }
}

impl Visit {
    fn needs(&self, camera: &str, track: TrackId, at: Moment) -> bool {
        let age = at.since(self.since);
        let apart = self.last_view.is_none_or(|last| at.since(last) >= BETWEEN_VIEWS);
        // The frame of the grant itself, and those before it, are no later views.
        let after = at > self.since && age <= LASTS;
        self.track == track && *self.camera == *camera && !self.done && after && apart
    }
}

/// Hands visits to the office. Ends once all [`Visits`] are dropped.
pub async fn carry_out(mut jobs: mpsc::Receiver<Job>, switch: Arc<Switch>) {
    while let Some(job) = jobs.recv().await {
        let switch = switch.clone();
        if tokio::task::spawn_blocking(move || act(&switch, job)).await.is_err() {
            tracing::error!("the switch of models panicked; the log has the place");
        }
    }
}

fn act(switch: &Switch, job: Job) {
    match job {
        Job::Learn { person, views, record } => match switch.learn(person, views, record) {
            Ok(Some(named)) => tracing::info!(%person, name = %named.name, record, "has moved to the new model"),
            Ok(None) => {}
            Err(error) => tracing::warn!(%person, %error, "a visit became no templates of the new model"),
        },
        Job::Compare { person, view } => match switch.compare(person, &view) {
            Ok(opinion) => tracing::debug!(%person, ?opinion, "compared with the new model"),
            Err(error) => tracing::warn!(%person, %error, "a visit could not be compared with the new model"),
        },
    }
}

#[cfg(test)]
#[path = "visits_tests.rs"]
mod tests;
