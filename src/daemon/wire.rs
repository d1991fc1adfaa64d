//! What goes over the control socket, as JSON. Both ends are usher.
//!
//! Knows nothing of sockets.

mod head;
mod seal;
mod template;
mod visitors;

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::doors::door::DoorView;
use crate::access::Cut;
use crate::domain::{Amendment, Bounds, Direction, Distance, Event, Match, Mode, Named, PersonId};
use crate::gallery::{self, Gallery, GalleryError, Person, RecognitionCheck};
use crate::hub::Refusal;
use crate::ledger::{Gap, Verified};
use crate::vision::Seen;

pub use head::HeadRequest;
pub use seal::SealWire;
pub use template::{QualityWire, TemplateWire};
pub use visitors::{ForgottenWire, StrangersQuery, StrangersWire};

/// A person as shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PersonWire {
    pub id: u32,
    pub name: String,
    pub employee_id: Option<String>,
    pub groups: Vec<String>,
    pub enabled: bool,
    /// RFC 3339, UTC: doors open for them from this moment on.
    pub valid_from: Option<String>,
    /// RFC 3339, UTC: and before this one.
    pub valid_until: Option<String>,
    /// RFC 3339, UTC.
    pub created: String,
    /// Templates of the model in use, of other models, and those that are sealed and cannot be opened.
    pub templates: usize,
    pub foreign_templates: usize,
    pub locked_templates: usize,
}

impl From<&Person> for PersonWire {
    fn from(person: &Person) -> PersonWire {
        PersonWire {
            id: person.id.0,
            name: person.name.clone(),
            employee_id: person.employee_id.clone(),
            groups: person.groups.clone(),
            enabled: person.enabled,
            valid_from: person.valid_from.map(rfc3339),
            valid_until: person.valid_until.map(rfc3339),
            created: rfc3339(person.created),
            templates: person.templates,
            foreign_templates: person.foreign_templates,
            locked_templates: person.locked_templates,
        }
    }
}

/// `POST /v1/people`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrollRequest {
    pub name: String,
    pub employee_id: Option<String>,
    #[serde(default)]
    pub groups: Vec<String>,
    pub templates: Vec<TemplateWire>,
    /// What each template was made from, for messages.
    #[serde(default)]
    pub labels: Vec<String>,
    #[serde(default)]
    pub force: bool,
}

/// An answer of `POST /v1/nearest`, whose request is a list of [`TemplateWire`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatchWire {
    pub person: u32,
    pub distance: f32,
    pub runner_up: Option<(u32, f32)>,
}

impl From<Match> for MatchWire {
    fn from(m: Match) -> MatchWire {
        MatchWire {
            person: m.person.0,
            distance: m.distance.0,
            runner_up: m.runner_up.map(|(person, distance)| (person.0, distance.0)),
        }
    }
}

impl From<MatchWire> for Match {
    fn from(m: MatchWire) -> Match {
        Match {
            person: PersonId(m.person),
            distance: Distance(m.distance),
            runner_up: m.runner_up.map(|(person, distance)| (PersonId(person), Distance(distance))),
        }
    }
}

/// `GET /v1/standings`: would each person be recognised by their own templates, and who is near to whom. Distances only.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StandingsWire {
    /// The distance up to which a face is taken for a person.
    pub limit: f32,
    pub people: Vec<StandingWire>,
}

/// A person in [`StandingsWire`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StandingWire {
    pub person: PersonWire,
    pub views: Vec<StandingViewWire>,
}

/// One template, searched for without itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct StandingViewWire {
    /// To the nearest other template of the same person; `None` where it is the only one.
    pub own: Option<f32>,
    /// The nearest other person, by number, and the distance.
    pub other: Option<(u32, f32)>,
}

impl StandingsWire {
    /// What `gallery` says of itself.
    pub fn of(gallery: &Gallery, limit: f32) -> Result<StandingsWire, GalleryError> {
        let view = |v: &gallery::TemplateCheck| StandingViewWire {
            own: v.own.map(|distance| distance.0),
            other: v.other.map(|(person, distance)| (person.0, distance.0)),
        };
        let person = |s: &RecognitionCheck| StandingWire {
            person: PersonWire::from(&s.person),
            views: s.templates.iter().map(view).collect(),
        };
        Ok(StandingsWire { limit, people: gallery.check_recognition()?.iter().map(person).collect() })
    }
}

/// `PATCH /v1/people/{who}`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRequest {
    pub name: Option<String>,
    pub enabled: Option<bool>,
    pub employee_id: Option<EmployeeId>,
    /// These groups and no others.
    pub groups: Option<Vec<String>>,
    pub validity: Option<Validity>,
}

/// Another employee id; `None` takes it away.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmployeeId {
    pub id: Option<String>,
}

/// From when on and until when doors open for a person, in RFC 3339; `None`: without limit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    pub from: Option<String>,
    pub until: Option<String>,
}

/// `POST /v1/doors`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DoorRequest {
    /// By name; `None`: all doors.
    pub door: Option<String>,
    #[serde(flatten)]
    pub order: OrderWire,
}

/// What a door is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum OrderWire {
    /// `for_ms` is how long; by default as long as a grant does.
    Unlock {
        for_ms: Option<u64>,
    },
    Lock,
    Lockdown {
        group: Option<String>,
    },
    Release,
    Normal,
}

/// `POST /v1/amnesty`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmnestyRequest {
    /// `None`: everybody.
    pub person: Option<u32>,
}

/// How near is near enough.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CutWire {
    /// Euclidean, 0 to 2.
    pub distance: f32,
    /// `None`: the distance is fixed.
    pub false_match_rate: Option<f64>,
    pub false_non_match_rate: Option<f64>,
    pub extrapolated: bool,
}

impl CutWire {
    /// The cut, to be shown.
    pub fn new(cut: &Cut) -> CutWire {
        CutWire {
            distance: cut.distance.0,
            false_match_rate: cut.false_match_rate,
            false_non_match_rate: cut.false_non_match_rate,
            extrapolated: cut.extrapolated,
        }
    }
}

/// Any answer that is not a success.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorWire {
    pub error: String,
}

/// `GET /v1/views`, a line for each frame: what a camera sees right now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct View {
    pub camera: String,
    pub frame: u64,
    pub faces: Vec<ViewedFace>,
}

/// A face in a [`View`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ViewedFace {
    /// x1, y1, x2, y2 in pixels.
    #[serde(rename = "box")]
    pub bounds: [f32; 4],
    #[serde(flatten)]
    pub template: TemplateWire,
}

impl View {
    /// What `camera` saw in frame `frame`.
    pub fn new(camera: &str, frame: u64, faces: &[Seen]) -> View {
        let face = |seen: &Seen| ViewedFace {
            bounds: corners(&seen.face.bounds),
            template: TemplateWire::new(&seen.embedding, &seen.quality),
        };
        View { camera: camera.to_owned(), frame, faces: faces.iter().map(face).collect() }
    }
}

/// `GET /v1/status`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub device: String,
    pub uptime_s: u64,
    pub model: String,
    /// Enrolled people.
    pub people: usize,
    /// Templates that are set aside because another model made them.
    pub foreign_templates: usize,
    pub seal: SealWire,
    /// The distance up to which a face is taken for a person, for the people enrolled now.
    pub near_enough: CutWire,
    pub stages: Vec<StageStatus>,
    pub doors: Vec<DoorStatus>,
    /// People in each zone that anybody is in, as far as doors have told.
    pub occupancy: BTreeMap<String, usize>,
    pub placements: Vec<PlacementStatus>,
    /// How far the wall clock can be relied on: `unset`, `wrong`, `plausible` or `synchronised`; `None` while the doors have not looked yet.
    #[serde(default)]
    pub time: Option<String>,
    /// What keeps records from being written; `None` while all is well.
    pub journal_trouble: Option<String>,
    /// `None` without a broker.
    pub hub: Option<HubStatus>,
}

/// A thread of the daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StageStatus {
    pub role: String,
    pub name: String,
    pub trouble: Option<String>,
    pub silent_ms: u64,
    pub handled: u64,
    pub dropped: u64,
    pub bad: u64,
    pub last_ms: f64,
}

/// A door.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DoorStatus {
    pub name: String,
    pub wires: String,
    /// `normal`, `lockdown`, `release`.
    pub mode: String,
    /// Whom a lockdown lets through.
    pub group: Option<String>,
    pub unlocked: bool,
    /// Whether the leaf is open; `None` without a sensor.
    pub open: Option<bool>,
    /// The schedule by which it stands unlocked.
    pub hours: Option<String>,
    /// `forced_open`, `held_open`, `tamper`.
    pub alarms: Vec<String>,
    pub trouble: Option<String>,
}

impl From<&DoorView> for DoorStatus {
    fn from(view: &DoorView) -> DoorStatus {
        let group = match &view.mode {
            Mode::Lockdown { group } => group.clone(),
            Mode::Normal | Mode::Release => None,
        };
        DoorStatus {
            name: view.name.to_string(),
            wires: view.wires.clone(),
            mode: view.mode.as_str().to_owned(),
            group,
            unlocked: view.unlocked,
            open: view.open,
            hours: view.hours.clone(),
            alarms: view.alarms.iter().map(|alarm| alarm.as_str().to_owned()).collect(),
            trouble: view.trouble.clone(),
        }
    }
}

/// Where a model runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlacementStatus {
    pub model: String,
    pub asked: String,
    pub on: String,
    pub fallback: Option<String>,
    pub latency_ms: f64,
}

/// The connection to the broker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HubStatus {
    /// `connecting`, `online`, or what is wrong.
    pub state: String,
    /// Events that wait for it.
    pub waiting: u64,
    /// Events that it can never take.
    pub dropped: u64,
    /// What it does not take, by topic.
    #[serde(default)]
    pub refused: Vec<RefusedWire>,
}

/// A message that the broker does not take.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefusedWire {
    pub topic: String,
    /// Of topic and payload, the first time.
    pub bytes: u64,
    pub reason: String,
    /// How often since the start.
    pub times: u64,
}

impl From<Refusal> for RefusedWire {
    fn from(Refusal { topic, bytes, reason, times }: Refusal) -> RefusedWire {
        RefusedWire { topic, bytes, reason, times }
    }
}

/// `GET /v1/journal/verify`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerifiedWire {
    pub records: u64,
    /// Records up to this number were deleted by age or size; 0 when none were.
    pub pruned_through: u64,
    /// Records from which somebody was erased.
    pub erased: u64,
    /// How many records report events that could not be written down, and how many such events they report.
    #[serde(default)]
    pub gaps: u64,
    #[serde(default)]
    pub lost: u64,
    /// Events that could not be written down and that no record reports yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untold: Option<GapWire>,
}

/// Events that no record reports yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapWire {
    pub lost: u64,
    /// How many of them unlocked a door.
    pub unlocked: u64,
    /// When the first of them happened, in RFC 3339.
    pub since: String,
    pub reason: String,
}

impl From<&Gap> for GapWire {
    fn from(Gap { lost, unlocked, since, reason, .. }: &Gap) -> GapWire {
        let since = Timestamp::try_from(*since).map_or_else(|_| String::new(), |at| at.to_string());
        GapWire { lost: *lost, unlocked: *unlocked, since, reason: reason.clone() }
    }
}

impl VerifiedWire {
    /// What was checked, and what no record reports yet.
    pub fn new(checked: Verified, untold: Option<&Gap>) -> VerifiedWire {
        let Verified { records, pruned_through, erased, gaps, lost } = checked;
        VerifiedWire { records, pruned_through, erased, gaps, lost, untold: untold.map(GapWire::from) }
    }
}

/// `POST /v1/journal/erase`
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EraseRequest {
    pub person: u32,
    /// Only from records before this time.
    pub before: Option<Timestamp>,
}

/// What came of an [`EraseRequest`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct EraseAnswer {
    pub records: u64,
}

/// `POST /v1/attendance/amend`: one of `add` and `void`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmendRequest {
    pub person: u32,
    pub name: String,
    #[serde(default)]
    pub employee_id: Option<String>,
    #[serde(default)]
    pub groups: Vec<String>,
    /// `in` or `out`, and when.
    pub add: Option<(String, Timestamp)>,
    /// The number of the record that does not count.
    pub void: Option<u64>,
    pub reason: String,
}

impl AmendRequest {
    /// The event; `None` unless it is one of both.
    pub fn event(self, by: String) -> Option<Event> {
        let amendment = match (self.add, self.void) {
            (Some((direction, at)), None) => {
                let direction = [Direction::In, Direction::Out].into_iter().find(|d| d.as_str() == direction)?;
                Amendment::Add { direction, at: SystemTime::try_from(at).ok()? }
            }
            (None, Some(record)) => Amendment::Void { record },
            _ => return None,
        };
        let person =
            Named { id: PersonId(self.person), name: self.name, employee_id: self.employee_id, groups: self.groups };
        Some(Event::AttendanceAmended { person, amendment, reason: self.reason, by })
    }
}

/// x1, y1, x2, y2.
pub fn corners(b: &Bounds) -> [f32; 4] {
    [b.x1, b.y1, b.x2, b.y2]
}

/// RFC 3339 in UTC, to the second; a time that cannot be written becomes the epoch.
pub fn rfc3339(time: SystemTime) -> String {
    Timestamp::try_from(time).and_then(|t| t.round(jiff::Unit::Second)).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}
