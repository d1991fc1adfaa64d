//! What several forms of this area ask for: who somebody is, and whether to do it against the rules.

use maud::{Markup, html};
use serde::Deserialize;

use crate::api::import::split_groups;
use crate::api::people::EnrollRequest;
use crate::web::query::unless_empty;
use crate::web::{Refusal, Words};

/// Who gets templates: somebody who is enrolled, or somebody new.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct WhoForm {
    /// Somebody who is enrolled; the next three are of somebody new.
    #[serde(deserialize_with = "unless_empty")]
    pub person: Option<u32>,
    pub name: String,
    pub employee_id: String,
    pub groups: String,
    /// A ticked box; absent where it is not.
    pub force: Option<String>,
    /// The visits of which the templates are made; only of a visitor.
    pub visits: Vec<String>,
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

    /// The enrolment of somebody new, without its templates.
    pub fn enrolment(&self) -> EnrollRequest {
        EnrollRequest {
            name: self.name.clone(),
            employee_id: self.employee_id(),
            groups: self.groups(),
            templates: Vec::new(),
            sitting: None,
            labels: Vec::new(),
            force: self.force(),
        }
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

/// Why a form was refused.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub why: String,
    /// Whether the same would be done by force.
    pub may_force: bool,
}

impl From<&Refusal> for Trouble {
    fn from(refusal: &Refusal) -> Trouble {
        Trouble { why: refusal.why().to_owned(), may_force: refusal.may_force() }
    }
}

/// Why a form was refused, above it. The form has the box of [`force`].
pub fn trouble(words: &Words, trouble: &Trouble) -> Markup {
    html! { p.bad role="alert" {
        (trouble.why)
        @if trouble.may_force { br; (words.with("people-force-way", &[("box", words.get("people-force").into())])) }
    } }
}

/// The box that skips the checks of an enrolment.
pub fn force(words: &Words, ticked: bool) -> Markup {
    html! { label.check {
        input type="checkbox" name="force" value="yes" checked[ticked];
        (words.get("people-force"))
    } }
}
