//! The templates of a person as the API shows them, and the requests that add and erase some.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rfc3339;
use super::template::{Quality, Template};
use crate::gallery;

/// A template of a person, without its embedding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeptTemplate {
    /// Its address among the person's templates, as `2`, `learned-0` or `lookalike-1`. It stays the same for as long as the template is kept.
    pub id: String,
    pub kind: KeptKind,
    /// The model that made the embedding; empty where it is not known.
    pub model: String,
    /// RFC 3339, UTC; null where the template cannot be read.
    pub created: Option<String>,
    /// Null where the template cannot be read.
    pub quality: Option<Quality>,
    /// Why the template cannot be read; null where it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeptKind {
    /// To recognise the person: made at an enrolment.
    Enrolled,
    /// To recognise the person: made of a frame that a door was opened for.
    Learned,
    /// A negative reference: the face of somebody else.
    Lookalike,
}

impl From<gallery::Kind> for KeptKind {
    fn from(kind: gallery::Kind) -> KeptKind {
        match kind {
            gallery::Kind::Enrolled => KeptKind::Enrolled,
            gallery::Kind::Learned => KeptKind::Learned,
            gallery::Kind::NotThem => KeptKind::Lookalike,
        }
    }
}

impl From<&gallery::KeptTemplate> for KeptTemplate {
    fn from(kept: &gallery::KeptTemplate) -> KeptTemplate {
        let template = kept.template.as_ref();
        KeptTemplate {
            id: kept.id.to_string(),
            kind: kept.id.kind().into(),
            model: kept.model.as_ref().map(ToString::to_string).unwrap_or_default(),
            created: template.ok().map(|template| rfc3339(template.created)),
            quality: template.ok().map(|template| (&template.quality).into()),
            problem: template.err().map(ToString::to_string),
        }
    }
}

/// Adds templates to a person.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoreTemplatesRequest {
    /// They must have passed the gates of [enroll].
    #[serde(default)]
    pub templates: Vec<Template>,
    /// In place of templates: the number of a complete sitting in front of a camera.
    #[serde(default)]
    pub sitting: Option<u64>,
    /// The source of each template, for error messages: `ada.jpg`. May be shorter than `templates`.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Add them even if they do not look like the person or like each other, or look like somebody else.
    #[serde(default)]
    pub force: bool,
}

/// Addresses a template in a path.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TemplatePath {
    /// The person's number.
    pub id: u32,
    /// The template's address, as `2`, `learned-0` or `lookalike-1`.
    pub template: String,
}

/// Whether a template is erased even if it is the last one.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateRemoval {
    /// Even the last template by which the person is recognised.
    #[serde(default)]
    pub force: bool,
}

/// Says that the face of a decision is not this person's.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookalikeRequest {
    /// The number of the journal's record of the decision. Its face must be kept: see [gallery] keep_unknown and keep_granted.
    pub record: u64,
    /// Even if the face is clearly the person's by the templates.
    #[serde(default)]
    pub force: bool,
}

/// How many templates were erased.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ForgottenTemplates {
    pub forgotten: usize,
}
