//! What a caller can do about an error, besides what its words say. Each way in says it in its own terms: a command names its flag, the page has a box
//! to tick.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gallery::{CredentialError, GalleryError, QueryError};
use crate::office::switch::{CatalogueError, SwitchError};
use crate::office::{Advice, OfficeError, Refusal};

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Send the same request with `force`; a photograph with `weak`.
    Force,
    /// Send the photograph with `largest`.
    Largest,
    /// See who is enrolled.
    ListPeople,
    /// See the person's templates, and erase some.
    ListTemplates,
    /// See the labels of the person's tags.
    ListTags,
    /// Take the tag from the person who has it.
    RemoveTag,
    /// Remove the person's PINs and tags.
    RemovePins,
    /// Remove the person's duress PIN.
    RemoveDuressPin,
    /// See the accounts.
    ListAccounts,
    /// See the tokens.
    ListTokens,
    /// See the newest records.
    ListRecords,
    /// Begin, finish or cancel the switch of models.
    SwitchModels,
    /// See the daemon's status.
    Status,
}

impl Remedy {
    /// For a photograph or a view.
    pub fn of_photograph(refusal: &Refusal) -> Option<Remedy> {
        match refusal {
            Refusal::Weak { .. } => Some(Remedy::Force),
            Refusal::Several { .. } => Some(Remedy::Largest),
            Refusal::NoFace
            | Refusal::Small { .. }
            | Refusal::Blurred { .. }
            | Refusal::Turned { .. }
            | Refusal::Nodding { .. } => None,
        }
    }

    /// For a sitting that is over.
    pub fn of_sitting(advice: &Advice) -> Option<Remedy> {
        match advice {
            Advice::NoPicture => Some(Remedy::Status),
            // A sitting takes no frame with several faces.
            Advice::Gate(refusal @ Refusal::Weak { .. }) => Remedy::of_photograph(refusal),
            _ => None,
        }
    }
}

/// Of a change of people.
pub(super) fn of_the_office(error: &OfficeError) -> Option<Remedy> {
    match error {
        OfficeError::SameName { may_force, .. }
        | OfficeError::LookAlike { may_force, .. }
        | OfficeError::Unclear { may_force, .. } => may_force.then_some(Remedy::Force),
        OfficeError::Duplicate { .. }
        | OfficeError::ClearlyTheirs { .. }
        | OfficeError::Outliers { .. }
        | OfficeError::NotThem { .. }
        | OfficeError::LastTemplate { .. } => Some(Remedy::Force),
        OfficeError::Gallery(error) => of_the_gallery(error),
        OfficeError::Ask(_) | OfficeError::Ledger(_) | OfficeError::Unrecorded(_) => None,
    }
}

/// Of people and their templates, PINs and tags.
pub(super) fn of_the_gallery(error: &GalleryError) -> Option<Remedy> {
    match error {
        GalleryError::NotFound { .. } | GalleryError::Query(QueryError::Nobody { .. }) => Some(Remedy::ListPeople),
        GalleryError::NoTemplate { .. } | GalleryError::TooManyTemplates { .. } => Some(Remedy::ListTemplates),
        GalleryError::Credential(CredentialError::NoSuchTag) => Some(Remedy::ListTags),
        GalleryError::Credential(CredentialError::TagTaken { .. }) => Some(Remedy::RemoveTag),
        GalleryError::Credential(CredentialError::SameAsDuress) => Some(Remedy::RemoveDuressPin),
        GalleryError::Credential(CredentialError::Unreadable { .. }) => Some(Remedy::RemovePins),
        _ => None,
    }
}

/// Of a switch of models.
pub(super) fn of_the_switch(error: &SwitchError) -> Option<Remedy> {
    match error {
        SwitchError::Office(error) => of_the_office(error),
        SwitchError::UnderWay { .. }
        | SwitchError::Switched { .. }
        | SwitchError::None
        | SwitchError::NotSwitched { .. }
        | SwitchError::Model(CatalogueError::Replaced { .. }) => Some(Remedy::SwitchModels),
        _ => None,
    }
}
