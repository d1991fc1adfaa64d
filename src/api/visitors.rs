//! Unknown visitors as the API shows them: times, doors and distances. Embeddings stay in the store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::rfc3339;
use crate::gallery::{KeptVisit, Retention};
use crate::office::{Stranger, Strangers};

/// Asks for the unknown visitors.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VisitorsQuery {
    /// The largest mean distance within a group, 0 to 2; by default the model's measured distance at a false match rate of 0.001 %.
    #[serde(default)]
    pub distance: Option<f32>,
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
    /// Its address.
    pub id: String,
    /// The number of the journal's record about it; null for a visit that usher 0.1.0 kept.
    pub record: Option<u64>,
    /// RFC 3339, UTC.
    pub at: String,
    pub door: String,
    pub camera: String,
    /// To the nearest person enrolled at that time.
    pub distance: Option<f32>,
}

/// Makes a person of visits, or gives a person templates of them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VisitorEnrolRequest {
    /// The visits' addresses. Those that are good enough become templates, at most eight; then all of them are erased.
    pub visits: Vec<String>,
    /// The number of the person who gets the templates; null for somebody new.
    #[serde(default)]
    pub person: Option<u32>,
    /// Of somebody new.
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub employee_id: Option<String>,
    #[serde(default)]
    pub groups: Vec<String>,
    /// Even weak views, a possible duplicate, a name that is taken, or faces that do not look like one person.
    #[serde(default)]
    pub force: bool,
}

/// Erases visits.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    /// The visits' addresses.
    pub visits: Vec<String>,
}

/// The addresses of visits, as the gallery takes them.
pub(super) fn addresses(visits: &[String]) -> Result<Vec<u64>, ApiError> {
    let read = |id: &String| id.parse().map_err(|_| ApiError::Invalid(format!("`{id}` is not the address of a visit")));
    visits.iter().map(read).collect()
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
        let mut doors: Vec<String> = visits.iter().map(|kept| kept.visit.door.clone()).collect();
        doors.sort();
        doors.dedup();
        let at = |kept: Option<&KeptVisit>| kept.map(|kept| rfc3339(kept.visit.template.created)).unwrap_or_default();
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

impl From<&KeptVisit> for Visit {
    fn from(KeptVisit { id, visit }: &KeptVisit) -> Visit {
        Visit {
            id: id.to_string(),
            record: visit.record,
            at: rfc3339(visit.template.created),
            door: visit.door.clone(),
            camera: visit.camera.clone(),
            distance: visit.distance.map(|distance| distance.0),
        }
    }
}
