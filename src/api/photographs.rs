//! Photographs that the daemon makes templates of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::remedy::Remedy;
use super::template::Template;
use crate::office::{FaceTemplates, Refusal};

/// How a photograph is looked at.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhotographQuery {
    /// Of several faces, take the largest.
    #[serde(default)]
    pub largest: bool,
    /// Take a face with a weak embedding, too.
    #[serde(default)]
    pub weak: bool,
}

/// What a photograph gives. The photograph itself is not kept.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PhotographAnswer {
    /// A template of the model in use; null where the photograph was refused.
    pub template: Option<Template>,
    /// A template of the other model of a switch, while both sets of templates are kept.
    pub beside: Option<Template>,
    /// Null where the photograph was taken.
    pub refused: Option<PhotographRefusal>,
}

/// Why a photograph gives no template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhotographRefusal {
    /// `unreadable`, `no_face`, `several`, `small`, `blurred`, `turned`, `nodding`, `dark`, `bright` or `weak`.
    pub code: String,
    /// What is wrong, and what to do.
    pub reason: String,
    /// What else can be done about it; left out where there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
}

impl From<&Refusal> for PhotographRefusal {
    fn from(refusal: &Refusal) -> PhotographRefusal {
        let remedy = Remedy::of_photograph(refusal);
        PhotographRefusal { code: refusal.code().to_owned(), reason: refusal.to_string(), remedy }
    }
}

impl From<Result<FaceTemplates, PhotographRefusal>> for PhotographAnswer {
    fn from(looked: Result<FaceTemplates, PhotographRefusal>) -> PhotographAnswer {
        let shown = |template: &crate::gallery::Template| Template::new(&template.embedding, &template.quality);
        match looked {
            Ok(FaceTemplates { template, beside }) => {
                PhotographAnswer { template: Some(shown(&template)), beside: beside.as_ref().map(shown), refused: None }
            }
            Err(refused) => PhotographAnswer { template: None, beside: None, refused: Some(refused) },
        }
    }
}
