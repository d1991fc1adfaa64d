//! What can go wrong with people and templates, told with the way out.
//!
//! Knows nothing of where the errors are shown.

use thiserror::Error;

use crate::domain::{ModelId, PersonId};
use crate::names::NameFault;
use crate::seal::SealError;
use crate::store::StoreError;

use super::person::{MAX_NAME_CHARS, MAX_TEMPLATES};
use super::whom::WhomError;

/// Why the gallery refuses.
#[derive(Debug, Error)]
pub enum GalleryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("nobody is enrolled as {wanted:?}: `usher people list` shows who is")]
    NotFound { wanted: String },
    #[error(transparent)]
    Whom(#[from] WhomError),
    #[error(
        "employee id {employee_id:?} belongs to person {holder} ({name}): use another one, or remove that person first"
    )]
    EmployeeIdTaken { employee_id: String, holder: PersonId, name: String },
    #[error("the {field} {text:?} cannot be used: it needs 1 to {MAX_NAME_CHARS} characters and no control characters")]
    BadText { field: &'static str, text: String },
    #[error("the {field} {text:?} cannot be used: {fault}")]
    BadName { field: &'static str, text: String, fault: NameFault },
    #[error("the first moment at which somebody may pass must lie before the last")]
    BadValidity,
    #[error("no template: at least one face is needed to recognise somebody")]
    NoTemplates,
    #[error(
        "{count} templates are too many: a person has at most {MAX_TEMPLATES}; remove and enrol again to start over"
    )]
    TooManyTemplates { count: usize },
    #[error(
        "an embedding of {found} ({found_numbers} numbers) does not compare with those of {wanted} ({wanted_numbers} numbers): \
         enrol again with the model in use, or configure the model that made it"
    )]
    ForeignModel { found: ModelId, found_numbers: usize, wanted: ModelId, wanted_numbers: usize },
    #[error("a model with {dimension} numbers an embedding is not supported: 1 to {max} are; check the model's manifest", max = super::MAX_DIMENSION)]
    BadDimension { dimension: usize },
    #[error("the record {key} is damaged ({why}): remove that person and enrol again, or restore a backup")]
    Damaged { key: String, why: String },
    #[error("the record {key} is sealed and cannot be opened: {why}")]
    Locked { key: String, why: SealError },
    #[error("the counter of person numbers is damaged: nobody can be enrolled until a backup is restored")]
    BadCounter,
    #[error("all person numbers are used up: begin a new store")]
    NoNumbersLeft,
}

impl GalleryError {
    /// Whether the disk is to blame, so that it can be tried again later.
    pub(super) fn is_of_the_disk(&self) -> bool {
        matches!(self, GalleryError::Store(error) if error.is_of_the_disk())
    }
}
