//! People as the API shows them, and the requests that enrol, change and compare them.

use std::time::SystemTime;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::template::Template;
use super::{limit, rfc3339};
use crate::domain::{self, Distance, PersonId};
use crate::fleet::Verdict;
use crate::gallery;
use crate::office::{AskError, Asked, OfficeError, Register, Wish};

/// A person who is enrolled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    pub id: u32,
    pub name: String,
    pub employee_id: Option<String>,
    pub groups: Vec<String>,
    /// Doors open for this person.
    pub enabled: bool,
    /// Doors open for this person from this moment on. RFC 3339, UTC.
    pub valid_from: Option<String>,
    /// Doors open for this person before this moment. RFC 3339, UTC.
    pub valid_until: Option<String>,
    /// RFC 3339, UTC.
    pub created: String,
    /// Templates of the model in use.
    pub templates: usize,
    /// Templates of other models.
    pub foreign_templates: usize,
    /// Sealed templates that cannot be opened.
    pub locked_templates: usize,
    /// The person has a PIN.
    #[serde(default)]
    pub pin: bool,
    /// How many tags the person has.
    #[serde(default)]
    pub tags: usize,
    /// The PIN and the tags are damaged, or sealed and cannot be opened.
    #[serde(default)]
    pub credentials_unreadable: bool,
    /// On a board in a fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<FleetStanding>,
}

/// How a person stands with the fleet's office.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum FleetStanding {
    /// A person of the fleet: its office alone changes them, but anybody may disable them here.
    Taken,
    /// They count at this board alone; the office was asked to take them, and has not answered.
    Asked,
    /// They count at this board alone until somebody at the office has decided.
    Waits,
    /// They count at this board alone: the office has refused to take them.
    Refused { why: String },
    /// A person of the fleet who is disabled at this board; the office was asked to disable them everywhere.
    DisabledHere {
        /// Why the office has not done so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
}

impl FleetStanding {
    /// How somebody stands of whom `asked` was asked. `of_fleet`: whether they are a person of the fleet. `None` for a person of this board alone.
    pub fn of(of_fleet: bool, asked: Option<&Asked>) -> Option<FleetStanding> {
        let Some(Asked { wish, verdict, .. }) = asked else { return of_fleet.then_some(FleetStanding::Taken) };
        Some(match (wish, verdict) {
            (Wish::Enroll { .. }, None | Some(Verdict::Done)) => FleetStanding::Asked,
            (Wish::Enroll { .. }, Some(Verdict::Waits)) => FleetStanding::Waits,
            (Wish::Enroll { .. }, Some(Verdict::Refused { why })) => FleetStanding::Refused { why: why.clone() },
            (Wish::Disable { .. }, Some(Verdict::Refused { why })) => {
                FleetStanding::DisabledHere { why: Some(why.clone()) }
            }
            (Wish::Disable { .. }, _) => FleetStanding::DisabledHere { why: None },
            (Wish::Enable { .. } | Wish::Templates { .. }, _) => FleetStanding::Taken,
        })
    }
}

impl Person {
    /// A person of a register, with how they stand with the fleet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn of(register: &Register, person: &gallery::Person) -> Result<Person, OfficeError> {
        let all = Person::all_of(register, std::slice::from_ref(person))?;
        Ok(all.into_iter().next().unwrap_or_else(|| Person::from(person)))
    }

    /// The same for several.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn all_of(register: &Register, people: &[gallery::Person]) -> Result<Vec<Person>, OfficeError> {
        let asked = register.asked().map_err(AskError::from)?;
        let one = |person: &gallery::Person| {
            let of_fleet = register.is_in_fleet() && person.uuid.is_some();
            Person { fleet: FleetStanding::of(of_fleet, asked.get(&person.id)), ..Person::from(person) }
        };
        Ok(people.iter().map(one).collect())
    }
}

impl From<&gallery::Person> for Person {
    fn from(person: &gallery::Person) -> Person {
        Person {
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
            pin: person.held.pin,
            tags: person.held.tags,
            credentials_unreadable: person.held.unreadable,
            fleet: None,
        }
    }
}

/// Addresses a person in a path.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PersonPath {
    /// The person's number.
    pub id: u32,
}

/// The numbers of people in a query, separated by commas.
///
/// # Errors
/// One of them is no number.
pub fn numbers(text: Option<&str>) -> Result<Vec<PersonId>, ApiError> {
    let number = |text: &str| {
        let wrong = |_| ApiError::Malformed(format!("`{text}` is not a person's number"));
        text.parse().map(PersonId).map_err(wrong)
    };
    listed(text).map(number).collect()
}

/// The items of a list with commas.
pub fn listed(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

/// Enrols a person.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrollRequest {
    pub name: String,
    pub employee_id: Option<String>,
    #[serde(default)]
    pub groups: Vec<String>,
    #[serde(default)]
    pub templates: Vec<Template>,
    /// In place of templates: the number of a complete sitting in front of a camera.
    #[serde(default)]
    pub sitting: Option<u64>,
    /// The source of each template, for error messages: `ada.jpg`. May be shorter than `templates`.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Enrol even a possible duplicate, a name that is taken, or templates that do not look like one person.
    #[serde(default)]
    pub force: bool,
}

/// Changes a person. Fields that are left out stay as they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRequest {
    pub name: Option<String>,
    pub enabled: Option<bool>,
    pub employee_id: Option<EmployeeId>,
    /// Replaces all groups.
    pub groups: Option<Vec<String>>,
    pub validity: Option<Validity>,
}

/// A new employee id; null removes it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmployeeId {
    pub id: Option<String>,
}

/// When doors open for a person. Null is no limit.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// From this moment on. RFC 3339.
    #[schemars(with = "Option<String>")]
    pub from: Option<Timestamp>,
    /// Before this moment. RFC 3339.
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
}

impl Validity {
    /// Both limits, as the gallery takes them.
    pub fn limits(self) -> Result<(Option<SystemTime>, Option<SystemTime>), ApiError> {
        Ok((limit(self.from)?, limit(self.until)?))
    }
}

/// The person nearest to a face.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Match {
    /// The person's number.
    pub person: u32,
    /// Euclidean, 0 to 2.
    pub distance: f32,
    /// The number of the second nearest person, and the distance.
    pub runner_up: Option<(u32, f32)>,
}

impl From<domain::Match> for Match {
    fn from(found: domain::Match) -> Match {
        Match {
            person: found.person.0,
            distance: found.distance.0,
            runner_up: found.runner_up.map(|(person, distance)| (person.0, distance.0)),
        }
    }
}

impl From<Match> for domain::Match {
    fn from(found: Match) -> domain::Match {
        domain::Match {
            person: PersonId(found.person),
            distance: Distance(found.distance),
            runner_up: found.runner_up.map(|(person, distance)| (PersonId(person), Distance(distance))),
        }
    }
}

/// How well the enrolled people are told apart. Holds distances only.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GalleryCheck {
    /// A face within this distance of a person is taken for that person.
    pub limit: f32,
    pub people: Vec<PersonCheck>,
}

/// How a person's templates compare with all others.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PersonCheck {
    pub person: Person,
    /// One entry a template.
    pub views: Vec<TemplateCheck>,
}

/// A template, compared with all others.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TemplateCheck {
    /// To the nearest other template of the same person; null where there is no other.
    pub own: Option<f32>,
    /// The number of the nearest other person, and the distance.
    pub other: Option<(u32, f32)>,
}
