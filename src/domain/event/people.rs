//! Events about the people who are enrolled, and corrections of their attendance.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::person::{Named, Personal};
use super::{Part, PersonalData, form, kinds};
use crate::domain::{Actor, Direction, ModelId};

/// People who are enrolled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeopleEvent {
    Enrolled {
        person: Personal<Named>,
        templates: usize,
        by: Actor,
    },
    Renamed {
        person: Personal<Named>,
        /// The name that they had.
        before: Personal<String>,
        by: Actor,
    },
    /// The employee id, the groups, or the first and last day were set.
    Changed {
        person: Personal<Named>,
        /// Which, in words.
        what: Personal<String>,
        by: Actor,
    },
    Enabled {
        person: Personal<Named>,
        by: Actor,
    },
    Disabled {
        person: Personal<Named>,
        by: Actor,
    },
    Removed {
        person: Personal<Named>,
        by: Actor,
    },
    /// A person got templates of the model that a switch leads to; they replace earlier ones of that model.
    TemplatesMade {
        person: Personal<Named>,
        model: ModelId,
        templates: usize,
        /// The sequence number of the grant from whose visit they were made; `None` where an operator gave photographs.
        record: Option<u64>,
        by: Actor,
    },
    /// An operator corrects a person's attendance.
    AttendanceAmended {
        person: Personal<Named>,
        #[serde(flatten)]
        amendment: Amendment,
        /// In the operator's words.
        reason: Personal<String>,
        by: Actor,
    },
    /// A template was made of a frame that a door was opened for.
    TemplateLearned {
        person: Personal<Named>,
        /// The sequence number of the grant.
        record: u64,
        /// How many of the person's templates are learned now.
        learned: usize,
        by: Actor,
    },
    /// An operator says that a face was not this person's: it becomes a negative reference.
    LookalikeNoted {
        person: Personal<Named>,
        /// The sequence number of the decision about that face.
        record: u64,
        by: Actor,
    },
    /// An operator erases a person's learned templates or negative references.
    TemplatesForgotten {
        person: Personal<Named>,
        what: Forgotten,
        count: usize,
        by: Actor,
    },
    /// A person got more templates.
    TemplatesAdded {
        person: Personal<Named>,
        /// How many were added.
        templates: usize,
        by: Actor,
    },
    /// An operator erases one template of a person.
    TemplateRemoved {
        person: Personal<Named>,
        /// Which: its address among the person's templates.
        template: String,
        /// How many templates recognise the person now.
        left: usize,
        by: Actor,
    },
    /// An operator exports everything that is kept of a person.
    Exported {
        person: Personal<Named>,
        by: Actor,
    },
    /// An operator erases visits of people who were not recognised.
    VisitorsForgotten {
        visits: usize,
        by: Actor,
    },
}

kinds!(PeopleEvent {
    Enrolled => "enrolled",
    Renamed => "renamed",
    Changed => "changed",
    Enabled => "enabled",
    Disabled => "disabled",
    Removed => "removed",
    TemplatesMade => "templates_made",
    AttendanceAmended => "attendance_amended",
    TemplateLearned => "template_learned",
    LookalikeNoted => "lookalike_noted",
    TemplatesForgotten => "templates_forgotten",
    TemplatesAdded => "templates_added",
    TemplateRemoved => "template_removed",
    Exported => "exported",
    VisitorsForgotten => "visitors_forgotten",
});

/// Which templates of a person were erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgotten {
    /// Those learned from grants.
    Learned,
    /// Negative references.
    Lookalikes,
}

/// A correction of attendance. The record that it corrects stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AmendmentForm", into = "AmendmentForm")]
pub enum Amendment {
    /// Somebody went in or out, and no door saw it.
    Add { direction: Direction, at: SystemTime },
    /// The record of that number does not count: it shows another person, or a mistake.
    Void { record: u64 },
}

/// An [`Amendment`] in JSON: one of both is null.
#[derive(Serialize, Deserialize)]
struct AmendmentForm {
    add: Option<Added>,
    void: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Added {
    direction: Direction,
    #[serde(with = "form::rfc3339")]
    at: SystemTime,
}

impl From<Amendment> for AmendmentForm {
    fn from(amendment: Amendment) -> AmendmentForm {
        match amendment {
            Amendment::Add { direction, at } => AmendmentForm { add: Some(Added { direction, at }), void: None },
            Amendment::Void { record } => AmendmentForm { add: None, void: Some(record) },
        }
    }
}

impl TryFrom<AmendmentForm> for Amendment {
    type Error = &'static str;

    fn try_from(form: AmendmentForm) -> Result<Amendment, &'static str> {
        match form {
            AmendmentForm { add: Some(Added { direction, at }), void: None } => Ok(Amendment::Add { direction, at }),
            AmendmentForm { add: None, void: Some(record) } => Ok(Amendment::Void { record }),
            _ => Err("an amendment either adds a time or voids a record"),
        }
    }
}

impl PeopleEvent {
    /// The person whom the event is about.
    pub fn person(&self) -> Option<&Personal<Named>> {
        match self {
            PeopleEvent::Enrolled { person, .. }
            | PeopleEvent::Renamed { person, .. }
            | PeopleEvent::Changed { person, .. }
            | PeopleEvent::Enabled { person, .. }
            | PeopleEvent::Disabled { person, .. }
            | PeopleEvent::Removed { person, .. }
            | PeopleEvent::TemplatesMade { person, .. }
            | PeopleEvent::AttendanceAmended { person, .. }
            | PeopleEvent::TemplateLearned { person, .. }
            | PeopleEvent::LookalikeNoted { person, .. }
            | PeopleEvent::TemplatesForgotten { person, .. }
            | PeopleEvent::TemplatesAdded { person, .. }
            | PeopleEvent::TemplateRemoved { person, .. }
            | PeopleEvent::Exported { person, .. } => Some(person),
            PeopleEvent::VisitorsForgotten { .. } => None,
        }
    }

    /// Who asked for it.
    pub fn by(&self) -> &Actor {
        match self {
            PeopleEvent::Enrolled { by, .. }
            | PeopleEvent::Renamed { by, .. }
            | PeopleEvent::Changed { by, .. }
            | PeopleEvent::Enabled { by, .. }
            | PeopleEvent::Disabled { by, .. }
            | PeopleEvent::Removed { by, .. }
            | PeopleEvent::TemplatesMade { by, .. }
            | PeopleEvent::AttendanceAmended { by, .. }
            | PeopleEvent::TemplateLearned { by, .. }
            | PeopleEvent::LookalikeNoted { by, .. }
            | PeopleEvent::TemplatesForgotten { by, .. }
            | PeopleEvent::TemplatesAdded { by, .. }
            | PeopleEvent::TemplateRemoved { by, .. }
            | PeopleEvent::Exported { by, .. }
            | PeopleEvent::VisitorsForgotten { by, .. } => by,
        }
    }
}

impl PersonalData for PeopleEvent {
    fn each_part(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        match self {
            PeopleEvent::Enrolled { person, templates: _, by: _ }
            | PeopleEvent::Enabled { person, by: _ }
            | PeopleEvent::Disabled { person, by: _ }
            | PeopleEvent::Removed { person, by: _ }
            | PeopleEvent::TemplatesMade { person, model: _, templates: _, record: _, by: _ }
            | PeopleEvent::TemplateLearned { person, record: _, learned: _, by: _ }
            | PeopleEvent::LookalikeNoted { person, record: _, by: _ }
            | PeopleEvent::TemplatesForgotten { person, what: _, count: _, by: _ }
            | PeopleEvent::TemplatesAdded { person, templates: _, by: _ }
            | PeopleEvent::TemplateRemoved { person, template: _, left: _, by: _ }
            | PeopleEvent::Exported { person, by: _ } => visit(Part::Person(person)),
            PeopleEvent::Renamed { person, before: text, by: _ }
            | PeopleEvent::Changed { person, what: text, by: _ }
            | PeopleEvent::AttendanceAmended { person, amendment: _, reason: text, by: _ } => {
                visit(Part::Person(person));
                visit(Part::Text(text));
            }
            PeopleEvent::VisitorsForgotten { visits: _, by: _ } => {}
        }
    }
}
