//! Enrolment from photographs.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Result, anyhow};
use thiserror::Error;

use super::{Client, Enroll, Report};
use crate::gallery::{NewPerson, Template};
use crate::office::{Gates, Refusal};
use crate::photo::{self, PhotoError};
use crate::vision::Vision;

/// Enrols `person` from those of `photos` that pass the gates.
///
/// # Errors
/// None of the photographs passes, or the person is refused: as the report's `person`. The networks fail: as the error.
pub fn enroll(
    order: &Enroll,
    photos: &[PathBuf],
    person: NewPerson,
    client: &Client,
    vision: &mut Vision,
    gates: &Gates,
) -> Result<Report> {
    let (mut templates, mut taken, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for file in photos {
        match look(file, vision, gates, order.largest)? {
            Ok(template) => {
                templates.push(template);
                taken.push(file.display().to_string());
            }
            Err(why) => refused.push((file.display().to_string(), why.to_string())),
        }
    }
    let person = match templates.is_empty() {
        true => Err(anyhow!("nobody was enrolled: no photograph for {} could be used", person.name)),
        false => client.enroll(person, &templates, taken.clone(), order.force),
    };
    Ok(Report { person, taken, refused })
}

/// Why a photograph is not taken.
#[derive(Debug, Error)]
enum NotTaken {
    /// The report names the file.
    #[error("{0}")]
    Unreadable(String),
    #[error("{0}")]
    Gate(Refusal),
}

/// The template of a photograph's face, or what is wrong with the photograph. The outer error is one of the networks.
fn look(file: &Path, vision: &mut Vision, gates: &Gates, largest: bool) -> Result<Result<Template, NotTaken>> {
    let image = match photo::load_reduced(file) {
        Ok((image, _)) => image,
        Err(PhotoError::File { cause, .. }) => return Ok(Err(NotTaken::Unreadable(cause.to_string()))),
        Err(error) => return Ok(Err(NotTaken::Unreadable(error.to_string()))),
    };
    let faces: Vec<_> = vision
        .detect(&image)?
        .into_iter()
        .map(|face| {
            let quality = vision.judge(&image, &face);
            (face, quality)
        })
        .collect();
    let chosen = match gates.choose(&faces, largest) {
        Ok(index) => faces.get(index),
        Err(refusal) => return Ok(Err(NotTaken::Gate(refusal))),
    };
    let Some((face, _)) = chosen else { return Ok(Err(NotTaken::Gate(Refusal::NoFace))) };
    let seen = vision.look_for_template(&image, *face)?;
    if let Err(refusal) = gates.check_embedded(&seen.quality) {
        return Ok(Err(NotTaken::Gate(refusal)));
    }
    Ok(Ok(Template { embedding: seen.embedding, quality: seen.quality, created: SystemTime::now() }))
}
