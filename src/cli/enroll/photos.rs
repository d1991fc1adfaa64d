//! Enrolment from photographs.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Result, anyhow};

use super::{Book, Enroll, Report};
use crate::gallery::{NewPerson, Template};
use crate::office::Gates;
use crate::photo::{self, PhotoError};
use crate::vision::Vision;

/// Enrols `person` from those of `photos` that pass; nobody when none does.
pub fn enroll(
    order: &Enroll,
    photos: &[PathBuf],
    person: NewPerson,
    book: &Book,
    eyes: &mut Vision,
    gates: &Gates,
) -> Result<Report> {
    let (mut templates, mut taken, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for file in photos {
        match look(file, eyes, gates, order.largest)? {
            Ok(template) => {
                templates.push(template);
                taken.push(file.display().to_string());
            }
            Err(why) => refused.push((file.display().to_string(), why)),
        }
    }
    let person = match templates.is_empty() {
        true => Err(anyhow!("nobody was enrolled: no photograph for {} could be used", person.name)),
        false => book.enroll(person, templates, taken.clone(), order.force),
    };
    Ok(Report { person, taken, refused })
}

/// The template of a photograph's one face, or what is wrong with the photograph.
fn look(file: &Path, eyes: &mut Vision, gates: &Gates, largest: bool) -> Result<Result<Template, String>> {
    let image = match photo::load_reduced(file) {
        Ok((image, _)) => image,
        // Whoever prints it names the file.
        Err(PhotoError::File { cause, .. }) => return Ok(Err(cause.to_string())),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let faces: Vec<_> = eyes
        .detect(&image)?
        .into_iter()
        .map(|face| {
            let quality = eyes.judge(&image, &face);
            (face, quality)
        })
        .collect();
    Ok(match gates.choose(&faces, largest) {
        Ok(index) => {
            let seen = eyes.look_at(&image, faces[index].0)?;
            Ok(Template { embedding: seen.embedding, quality: seen.quality, created: SystemTime::now() })
        }
        Err(refusal) => Err(refusal.to_string()),
    })
}
