//! Enrolment from photographs.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Result, anyhow};
use thiserror::Error;

use super::{Client, Enroll, Report, Whom};
use crate::api::remedy::Remedy;
use crate::cli::client::with_remedy;
use crate::gallery::Template;
use crate::office::{Eyes, FaceTemplates, Gates, Refusal};
use crate::photo::{self, PhotoError};

/// Enrols `whom`, or gives them more templates, from those of `photos` that pass the gates.
///
/// # Errors
/// None of the photographs passes, or the person is refused: as the report's `person`. The networks fail: as the error.
pub(super) fn enroll(
    order: &Enroll,
    photos: &[PathBuf],
    whom: &Whom,
    client: &Client,
    eyes: &mut Eyes,
    gates: &Gates,
) -> Result<Report> {
    let Looked { templates, taken, refused } = look_at_all(photos, eyes, gates, order.largest)?;
    let person = match templates.is_empty() {
        true => Err(anyhow!("{}: no photograph for {} could be used", whom.nothing_done(), whom.name())),
        false => whom.take(client, &templates, taken.clone(), order.force),
    };
    Ok(Report { person, taken, refused, added: whom.is_known() })
}

/// What photographs of one person give.
#[derive(Default)]
pub struct Looked {
    /// A template of the model in use for each photograph taken; during a switch of models, then as many of the other model.
    pub templates: Vec<Template>,
    /// The photographs taken.
    pub taken: Vec<String>,
    /// The others, and why.
    pub refused: Vec<(String, String)>,
}

/// Makes templates of those of `photos` that pass the gates.
///
/// # Errors
/// The networks fail.
pub fn look_at_all(photos: &[PathBuf], eyes: &mut Eyes, gates: &Gates, largest: bool) -> Result<Looked> {
    let (mut looked, mut beside) = (Looked::default(), Vec::new());
    for file in photos {
        match look(file, eyes, gates, largest)? {
            Ok(FaceTemplates { template, beside: other }) => {
                looked.templates.push(template);
                beside.extend(other);
                looked.taken.push(file.display().to_string());
            }
            Err(why) => looked.refused.push((file.display().to_string(), why.to_string())),
        }
    }
    looked.templates.extend(beside);
    Ok(looked)
}

/// Why a photograph is not taken.
#[derive(Debug, Error)]
enum NotTaken {
    /// The report names the file.
    #[error("{0}")]
    Unreadable(String),
    #[error("{}", with_remedy(.0, Remedy::of_photograph(.0)))]
    Gate(Refusal),
}

/// The templates of a photograph's face, or what is wrong with the photograph. The outer error is one of the networks.
fn look(file: &Path, eyes: &mut Eyes, gates: &Gates, largest: bool) -> Result<Result<FaceTemplates, NotTaken>> {
    let image = match photo::load_reduced(file) {
        Ok((image, _)) => image,
        Err(PhotoError::File { cause, .. }) => return Ok(Err(NotTaken::Unreadable(cause.to_string()))),
        Err(error) => return Ok(Err(NotTaken::Unreadable(error.to_string()))),
    };
    Ok(eyes.enrol(&image, gates, largest, SystemTime::now())?.map_err(NotTaken::Gate))
}
