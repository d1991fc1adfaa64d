//! Errors of people and templates, with the remedy.

use thiserror::Error;

use super::credential_error::CredentialError;
use super::query::QueryError;
use crate::domain::{ModelId, PersonId};
use crate::names::NameFault;
use crate::seal::SealError;
use crate::store::StoreError;

use super::{MAX_NAME_CHARS, MAX_TEMPLATES};

/// Why a request to the gallery fails. Each message says what to do about it.
#[derive(Debug, Error)]
pub enum GalleryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("nobody is enrolled as {wanted:?}")]
    NotFound { wanted: String },
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(
        "employee id {employee_id:?} belongs to person {holder} ({name}): use another one, or remove that person first"
    )]
    EmployeeIdTaken { employee_id: String, holder: PersonId, name: String },
    #[error("the {field} {text:?} cannot be used: it needs 1 to {MAX_NAME_CHARS} characters and no control characters")]
    BadText { field: &'static str, text: String },
    #[error("the {field} {text:?} cannot be used: {fault}")]
    BadName { field: &'static str, text: String, fault: NameFault },
    #[error("the validity must start before it ends")]
    BadValidity,
    #[error("no template: at least one face is needed to recognise a person")]
    NoTemplates,
    #[error("person {person} has no template {template}")]
    NoTemplate { template: String, person: PersonId },
    #[error("{count} templates are too many: a person can have {MAX_TEMPLATES}; remove some of them first")]
    TooManyTemplates { count: usize },
    #[error(
        "an embedding of {found} ({found_numbers} values) cannot be compared with those of {wanted} ({wanted_numbers} values): \
         enrol again with the model in use, or configure the model that made it"
    )]
    ForeignModel { found: ModelId, found_numbers: usize, wanted: ModelId, wanted_numbers: usize },
    #[error(
        "templates of {model} are compared at this moment and cannot be erased: restart the daemon with the other model first"
    )]
    ModelInUse { model: ModelId },
    #[error("a model with {dimension} values per embedding is not supported (1 to {max} are): check the model's manifest", max = super::MAX_DIMENSION)]
    BadDimension { dimension: usize },
    #[error("the record {key} is damaged ({why}): remove that person and enrol them again, or restore a backup")]
    Damaged { key: String, why: RecordError },
    #[error("the record {key} is sealed and cannot be opened: {why}")]
    Locked { key: String, why: SealError },
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(
        "{name} comes from the fleet, and is changed and removed at its office: use `usher fleet enroll`, `enable`, `disable` and `forget` there"
    )]
    OfFleet { name: String },
    #[error("the counter of person numbers is damaged: restore a backup before enrolling anyone")]
    BadCounter,
    #[error("all person numbers are used up: start a new store")]
    NoNumbersLeft,
}

impl GalleryError {
    /// Whether the disk is the cause, so that a later attempt may succeed.
    pub(super) fn is_disk_failure(&self) -> bool {
        matches!(self, GalleryError::Store(error) if error.is_disk_failure())
    }
}

/// Why a stored record cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    #[error("it is truncated")]
    Truncated,
    #[error("it has version {found}; this usher reads version {known}")]
    Version { found: u8, known: u8 },
    #[error("{0}")]
    Json(String),
    #[error("its model's name is not UTF-8")]
    ModelName,
    #[error("its embedding has no direction")]
    NoDirection,
    #[error("its embedding is not of unit length")]
    NotUnitLength,
    #[error("the length kept of its embedding is not a positive number")]
    Length,
    #[error("its embedding has {found} values; its model makes {expected}")]
    Dimension { found: usize, expected: usize },
    #[error("the site head projects it to zero")]
    ProjectedToZero,
    #[error("its person cannot be read")]
    PersonUnreadable,
    #[error("its key is malformed")]
    Key,
    #[error("the disk returned a page that differs from what was written")]
    Page,
    #[error("{0}")]
    Seal(#[from] SealError),
}

impl From<serde_json::Error> for RecordError {
    fn from(error: serde_json::Error) -> RecordError {
        RecordError::Json(error.to_string())
    }
}
