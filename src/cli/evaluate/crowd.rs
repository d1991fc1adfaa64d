//! Labelled photographs, looked at: whose faces they show.

use std::path::PathBuf;

use anyhow::Result;

use super::looking::look;
use crate::lab::calibrate::Person;
use crate::lab::crowd::{LeftOut, Photograph};
use crate::lab::features::Extractor;

/// The photographs with a face, person by person.
pub struct Crowd {
    pub names: Vec<String>,
    pub people: Vec<Person>,
    /// As [`Person::vectors`].
    pub files: Vec<Vec<PathBuf>>,
    /// Without a face, or not readable; with the reason.
    pub failed: Vec<LeftOut>,
    /// What lies among the photographs and is none of them.
    pub left_out: Vec<LeftOut>,
    /// How many have a face.
    pub photographs: usize,
}

impl Crowd {
    /// Looks at photographs that are listed person by person.
    pub fn look(photographs: &[Photograph], left_out: Vec<LeftOut>, extractors: &mut [Extractor]) -> Result<Crowd> {
        let files: Vec<PathBuf> = photographs.iter().map(|p| p.file.clone()).collect();
        let looked = look(&files, extractors)?;
        let failed = looked.failed;
        let mut crowd =
            Crowd { names: Vec::new(), people: Vec::new(), files: Vec::new(), failed, left_out, photographs: 0 };
        for (photograph, views) in photographs.iter().zip(looked.views) {
            let Some(vector) = views.0.into_iter().next() else { continue };
            if crowd.names.last() != Some(&photograph.person) {
                crowd.names.push(photograph.person.clone());
                crowd.people.push(Person::default());
                crowd.files.push(Vec::new());
            }
            if let (Some(person), Some(files)) = (crowd.people.last_mut(), crowd.files.last_mut()) {
                person.vectors.push(vector);
                files.push(photograph.file.clone());
                crowd.photographs += 1;
            }
        }
        Ok(crowd)
    }

    /// A photograph's file name, by its person's place and its own among theirs.
    pub fn file(&self, (person, photograph): (usize, usize)) -> String {
        self.files[person][photograph].file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}
