//! What commands ask of a site's models, and how far the site is.

use serde::{Deserialize, Serialize};

/// What is to be done about a site's models.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ModelsAct {
    /// How far it is.
    Status,
    /// Begins the way to a model of the manifest, or changes its settings.
    Switch {
        to: String,
        /// The site goes over once this many of a hundred people have templates of the new model.
        share: u8,
        /// Or after this moment, in milliseconds since 1970.
        after_ms: Option<u64>,
        /// Whether doors make templates of the new model.
        learn: bool,
    },
    /// Stays with the old model, or goes back to it.
    Cancel,
    /// Drops the old records, although boards may still compare by them.
    Finish {
        /// Although somebody has templates of the old model alone.
        force: bool,
    },
    /// Gives somebody who is enrolled templates of the new model from photographs.
    Photographs(Photographs),
}

/// Templates of the new model for somebody who is enrolled.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Photographs {
    /// The name, employee id or uuid.
    pub name: String,
    /// Of the new model, as [`crate::gallery::write_template`] writes them.
    pub templates: Vec<Vec<u8>>,
    /// The same faces by the model in force.
    pub proof: Vec<Vec<u8>>,
    /// What each template was made from.
    pub labels: Vec<String>,
    /// Take them even if they do not look like the person.
    pub force: bool,
}

/// The way of a site to another model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollRow {
    pub from: String,
    pub to: String,
    /// Whether the site has gone over. Boards follow.
    pub switched: bool,
    /// The site goes over once this many of a hundred people have templates of the new model.
    pub share: u8,
    /// Or after this moment, in milliseconds since 1970.
    pub after_ms: Option<u64>,
    /// Whether doors make templates of the new model.
    pub learn: bool,
    pub by: String,
    /// People who may enter and have templates of the new model.
    pub moved: usize,
    /// The names of the others who may enter.
    pub left: Vec<String>,
}
