//! `GET` and `DELETE /v1/unknown`: visitors whom nobody knew, in figures. Embeddings stay where the store is.

use serde::{Deserialize, Serialize};

use super::rfc3339;
use crate::gallery::{Retention, Visit};
use crate::office::{Stranger, Strangers};

/// What `GET /v1/unknown` is asked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrangersQuery {
    /// The largest mean distance within a group, 0 to 2.
    pub distance: f32,
}

/// Its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StrangersWire {
    /// For how long visitors are kept; 0: they are not.
    pub keep_s: u64,
    /// The distance that the groups were made with.
    pub distance: f32,
    pub groups: Vec<StrangerWire>,
    /// Visits with embeddings of other models, which are in no group.
    pub foreign: usize,
    /// Records that cannot be read.
    pub unreadable: usize,
}

/// Visits of one face.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StrangerWire {
    /// RFC 3339, UTC.
    pub first: String,
    pub last: String,
    /// Each once, by name.
    pub doors: Vec<String>,
    /// Who of the people enrolled now is nearest.
    pub nearest: Option<NearestWire>,
    /// Oldest first.
    pub visits: Vec<VisitWire>,
}

/// Whom a face looks most like.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NearestWire {
    pub id: u32,
    pub name: String,
    pub distance: f32,
}

/// One visit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VisitWire {
    /// RFC 3339, UTC.
    pub at: String,
    pub door: String,
    pub camera: String,
    /// To the nearest person enrolled at that time.
    pub distance: Option<f32>,
}

/// The answer of `DELETE /v1/unknown`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ForgottenWire {
    pub forgotten: usize,
}

impl StrangersWire {
    /// As found with that distance.
    pub fn new(found: &Strangers, retention: Retention, distance: f32) -> StrangersWire {
        StrangersWire {
            keep_s: retention.span.as_secs(),
            distance,
            groups: found.groups.iter().map(StrangerWire::from).collect(),
            foreign: found.foreign,
            unreadable: found.unreadable,
        }
    }
}

impl From<&Stranger> for StrangerWire {
    fn from(Stranger { visits, nearest }: &Stranger) -> StrangerWire {
        let mut doors: Vec<String> = visits.iter().map(|visit| visit.door.clone()).collect();
        doors.sort();
        doors.dedup();
        let at = |visit: Option<&Visit>| visit.map(|visit| rfc3339(visit.template.created)).unwrap_or_default();
        StrangerWire {
            first: at(visits.first()),
            last: at(visits.last()),
            doors,
            nearest: nearest.as_ref().map(|(who, distance)| NearestWire {
                id: who.id.0,
                name: who.name.clone(),
                distance: distance.0,
            }),
            visits: visits.iter().map(VisitWire::from).collect(),
        }
    }
}

impl From<&Visit> for VisitWire {
    fn from(visit: &Visit) -> VisitWire {
        VisitWire {
            at: rfc3339(visit.template.created),
            door: visit.door.clone(),
            camera: visit.camera.clone(),
            distance: visit.distance.map(|distance| distance.0),
        }
    }
}
