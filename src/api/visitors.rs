//! Unknown visitors as the API shows them: times, doors and distances. Embeddings stay in the store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rfc3339;
use crate::gallery::{self, Retention};
use crate::office::{Stranger, Strangers};

/// Asks for the unknown visitors.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VisitorsQuery {
    /// The largest mean distance within a group, 0 to 2.
    pub distance: f32,
}

/// The unknown visitors, grouped by face.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UnknownVisitors {
    /// How long visits are kept; 0 when they are not kept.
    pub keep_s: u64,
    /// The distance by which visits were grouped.
    pub distance: f32,
    pub groups: Vec<VisitorGroup>,
    /// Visits with embeddings of other models, which are in no group.
    pub foreign: usize,
    /// Visits that cannot be read.
    pub unreadable: usize,
}

/// Visits by one face.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VisitorGroup {
    /// The first visit. RFC 3339, UTC.
    pub first: String,
    /// The last visit. RFC 3339, UTC.
    pub last: String,
    /// Each door once, by name.
    pub doors: Vec<String>,
    /// The nearest of the people enrolled now.
    pub nearest: Option<NearestPerson>,
    /// Oldest first.
    pub visits: Vec<Visit>,
}

/// The person that a face is nearest to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NearestPerson {
    pub id: u32,
    pub name: String,
    pub distance: f32,
}

/// One visit.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Visit {
    /// RFC 3339, UTC.
    pub at: String,
    pub door: String,
    pub camera: String,
    /// To the nearest person enrolled at that time.
    pub distance: Option<f32>,
}

/// How many visits were erased.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Forgotten {
    pub forgotten: usize,
}

impl UnknownVisitors {
    /// `found` was grouped by `distance`.
    pub fn new(found: &Strangers, retention: Retention, distance: f32) -> UnknownVisitors {
        UnknownVisitors {
            keep_s: retention.span.as_secs(),
            distance,
            groups: found.groups.iter().map(VisitorGroup::from).collect(),
            foreign: found.foreign,
            unreadable: found.unreadable,
        }
    }
}

impl From<&Stranger> for VisitorGroup {
    fn from(Stranger { visits, nearest }: &Stranger) -> VisitorGroup {
        let mut doors: Vec<String> = visits.iter().map(|visit| visit.door.clone()).collect();
        doors.sort();
        doors.dedup();
        let at =
            |visit: Option<&gallery::Visit>| visit.map(|visit| rfc3339(visit.template.created)).unwrap_or_default();
        VisitorGroup {
            first: at(visits.first()),
            last: at(visits.last()),
            doors,
            nearest: nearest.as_ref().map(|(who, distance)| NearestPerson {
                id: who.id.0,
                name: who.name.clone().unwrap_or_default(),
                distance: distance.0,
            }),
            visits: visits.iter().map(Visit::from).collect(),
        }
    }
}

impl From<&gallery::Visit> for Visit {
    fn from(visit: &gallery::Visit) -> Visit {
        Visit {
            at: rfc3339(visit.template.created),
            door: visit.door.clone(),
            camera: visit.camera.clone(),
            distance: visit.distance.map(|distance| distance.0),
        }
    }
}
