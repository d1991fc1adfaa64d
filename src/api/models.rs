//! Models as the API shows them, and the switch from one to another.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::template::Template;
use crate::gallery::ModelCount;
use crate::office::switch::state::{After, Phase};
use crate::office::switch::{Standing, SwitchReport};

/// The models of which templates are stored, and the switch from one to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Models {
    /// The name of the model that faces are compared by.
    pub in_use: String,
    /// The name of the other model that an enrolment makes templates of, because a switch keeps both sets.
    pub beside: Option<String>,
    pub templates: Vec<ModelTemplates>,
    /// Null unless a switch is under way.
    pub switch: Option<ModelSwitch>,
}

/// How much is stored of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelTemplates {
    /// The id: the name in the manifest and the beginning of the file's hash.
    pub model: String,
    /// People who have any of its templates.
    pub people: usize,
    pub templates: usize,
}

impl From<ModelCount> for ModelTemplates {
    fn from(count: ModelCount) -> ModelTemplates {
        ModelTemplates { model: count.model.to_string(), people: count.people, templates: count.templates }
    }
}

/// A switch from one model to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelSwitch {
    /// The old model's name in the manifest.
    pub from: String,
    /// The new model's name in the manifest.
    pub to: String,
    /// `begun`, `switched`, `cancelled`, or `erasing` while the templates that go are being erased.
    pub phase: String,
    /// RFC 3339, UTC.
    pub begun: String,
    /// Templates are made from visits of people who were let in.
    pub learn: bool,
    /// Visits of people who have moved are compared with both models.
    pub shadow: bool,
    /// `all`, or a moment in RFC 3339; null until an operator says when.
    pub after: Option<String>,
    /// People who may enter and have templates of the new model.
    pub moved: usize,
    /// People who may enter and have none.
    pub left: usize,
    /// The daemon goes over to the new model at its next start, if the wall clock is right.
    pub due: bool,
    /// The daemon must be restarted to compare by the model in force.
    pub restart: bool,
    /// Everybody who is enrolled, by number.
    pub people: Vec<Moved>,
    /// What the new model said of visits, of everybody together.
    pub seen: Seen,
}

/// Where a person stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Moved {
    pub id: u32,
    pub name: String,
    pub enabled: bool,
    /// Templates of the old model.
    pub old: usize,
    /// Templates of the new model.
    pub new: usize,
    pub seen: Seen,
}

/// Visits of people whom the old model let in, by what the new model said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    /// The same person.
    pub agrees: u32,
    /// Nobody near enough: they would be refused.
    pub refuses: u32,
    /// Somebody else.
    pub other: u32,
}

impl From<crate::office::Tally> for Seen {
    fn from(tally: crate::office::Tally) -> Seen {
        Seen { agrees: tally.agrees, refuses: tally.refuses, other: tally.other }
    }
}

impl From<Standing> for Moved {
    fn from(standing: Standing) -> Moved {
        let Standing { person, old, new, tally } = standing;
        Moved { id: person.id.0, name: person.name, enabled: person.enabled, old, new, seen: tally.into() }
    }
}

impl From<SwitchReport> for ModelSwitch {
    fn from(report: SwitchReport) -> ModelSwitch {
        let SwitchReport { state, moved, left, due, restart, people, tally } = report;
        let phase = match state.phase {
            Phase::Begun => "begun",
            Phase::Switched => "switched",
            Phase::Cancelled => "cancelled",
            Phase::ErasingOld | Phase::ErasingNew => "erasing",
        };
        ModelSwitch {
            from: state.from.name,
            to: state.to.name,
            phase: phase.to_owned(),
            begun: state.begun.to_string(),
            learn: state.learn,
            shadow: state.shadow,
            after: state.after.as_text(),
            moved,
            left,
            due,
            restart,
            people: people.into_iter().map(Moved::from).collect(),
            seen: tally.into(),
        }
    }
}

/// What is to be done about the switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum SwitchRequest {
    /// Begins a switch, or changes the settings of the one that is under way.
    Begin {
        /// The new model's name in the manifest.
        to: String,
        /// Null leaves it as it is, off at first.
        #[serde(default)]
        learn: Option<bool>,
        /// Null leaves it as it is, off at first.
        #[serde(default)]
        shadow: Option<bool>,
        /// Null leaves it as it is, `all` at first.
        #[serde(default)]
        after: Option<SwitchAfter>,
    },
    /// Stays with the old model, or goes back to it. Nothing is erased.
    Cancel,
    /// Ends the switch: erases the templates of the model that is not in force.
    Finish,
}

/// When the daemon goes over to the new model, at its next start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "when", rename_all = "snake_case", deny_unknown_fields)]
pub enum SwitchAfter {
    /// Not before an operator says when.
    Asked,
    /// Once everybody who may enter has templates of the new model.
    All,
    /// After a moment. RFC 3339.
    At {
        #[schemars(with = "String")]
        at: Timestamp,
    },
}

impl From<SwitchAfter> for After {
    fn from(after: SwitchAfter) -> After {
        match after {
            SwitchAfter::Asked => After::Asked,
            SwitchAfter::All => After::All,
            SwitchAfter::At { at } => After::At(at),
        }
    }
}

/// What came of a finished switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finished {
    /// Templates that were erased.
    pub erased: usize,
}

/// Templates of the other model of a switch for a person who is enrolled; they replace earlier ones of that model.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveRequest {
    /// Of the other model. Those of the model in use show the same faces: they are compared with the person's own, and not kept.
    pub templates: Vec<Template>,
    /// The source of each template, for error messages. May be shorter than `templates`.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Skip the checks that they show this person and nobody else.
    #[serde(default)]
    pub force: bool,
}
