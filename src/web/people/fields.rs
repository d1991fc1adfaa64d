//! What several forms of this area ask for: who somebody is, and whether to do it against the rules.

use maud::{Markup, html};
use serde::Deserialize;

use super::Words;
use crate::api::import::split_groups;

/// Who somebody new is.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct WhoForm {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub employee_id: String,
    #[serde(default)]
    pub groups: String,
    /// A ticked box; absent where it is not.
    #[serde(default)]
    pub force: Option<String>,
}

impl WhoForm {
    /// The employee id; an empty field is none.
    pub fn employee_id(&self) -> Option<String> {
        Some(self.employee_id.trim().to_owned()).filter(|id| !id.is_empty())
    }

    pub fn groups(&self) -> Vec<String> {
        split_groups(&self.groups)
    }

    pub fn force(&self) -> bool {
        self.force.is_some()
    }
}

/// The fields of [`WhoForm`], filled with what was entered before.
pub fn who(words: &Words, before: &WhoForm) -> Markup {
    html! {
        label { (words.get("people-name")) input name="name" value=(before.name) required maxlength="100" autocomplete="off"; }
        label { (words.get("people-employee-id")) input name="employee_id" value=(before.employee_id) maxlength="100" autocomplete="off"; }
        (groups(words, &before.groups))
    }
}

/// The field for groups.
pub fn groups(words: &Words, before: &str) -> Markup {
    html! { label { (words.get("people-groups-field")) input name="groups" value=(before) autocomplete="off"; } }
}

/// The box that skips the checks of an enrolment.
pub fn force(words: &Words, ticked: bool) -> Markup {
    html! { label.check {
        input type="checkbox" name="force" value="yes" checked[ticked];
        (words.get("people-force"))
    } }
}
