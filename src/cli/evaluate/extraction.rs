//! Extracting the face vectors of a data set: the options, the vectors of files, and lists of pairs.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::cli::context::{Context, progress_bar};
use crate::lab::calibrate::Person;
use crate::lab::dataset::{LeftOut, Photograph};
use crate::lab::faces::{Extractor, FaceError, Form};
use crate::lab::pairs::Pair;
use crate::lab::verification::{Comparison, FaceVectors};
use crate::lab::walk::{default_threads, walk};
use crate::photo::PhotoError;

/// Options of all commands that process many photographs.
#[derive(Args, Clone, Debug)]
pub struct VisionOptions {
    /// The embedder, by its name in the models' manifest [default: the configuration's, else sface]
    #[arg(long, value_name = "NAME")]
    pub embedder: Option<String>,
    /// The smallest face, in pixels of its shorter side [default: the configuration's, else 40]
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(20..=1000))]
    pub min_face: Option<u32>,
    /// Photographs to process at once [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
}

/// Options of all evaluations.
#[derive(Args, Clone, Debug)]
pub struct ExtractionOptions {
    /// The pictures are faces that are already cut out for the embedder: embed them whole, without detection
    #[arg(long)]
    pub aligned: bool,
    /// Append the embedding of the mirrored face to each
    #[arg(long)]
    pub flip: bool,
    /// Take the colour out of the photographs, as a grey camera does: out of all, or of pairs out of the second only
    #[arg(long, value_name = "WHICH", num_args = 0..=1, default_missing_value = "all")]
    pub grey: Option<Grey>,
    #[command(flatten)]
    pub vision: VisionOptions,
}

/// Which photographs lose their colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Grey {
    All,
    /// The second of each pair.
    Second,
}

impl VisionOptions {
    /// One set of networks for each thread.
    pub fn extractors(&self, form: Form, context: &Context) -> Result<Vec<Extractor>> {
        let threads = self.threads.map_or_else(default_threads, usize::from);
        let visions = context.many_eyes(threads, self.min_face, self.embedder.as_deref())?;
        Ok(visions.into_iter().map(|vision| Extractor::new(vision, form)).collect())
    }
}

impl ExtractionOptions {
    /// One set of networks for each thread.
    pub fn extractors(&self, context: &Context) -> Result<Vec<Extractor>> {
        self.form(false, context)
    }

    /// As [`ExtractionOptions::extractors`]; with `template`, they make templates besides.
    pub fn form(&self, template: bool, context: &Context) -> Result<Vec<Extractor>> {
        if self.grey == Some(Grey::Second) {
            bail!("--grey second is about pairs: `usher evaluate lfw` and `usher evaluate pairs` have them");
        }
        self.vision.extractors(self.form_of(template, self.grey.is_some()), context)
    }

    /// As [`ExtractionOptions::extractors`], whatever `grey` says: of photographs in colour, or of grey ones.
    pub fn coloured_or_grey(&self, grey: bool, context: &Context) -> Result<Vec<Extractor>> {
        self.vision.extractors(self.form_of(false, grey), context)
    }

    fn form_of(&self, template: bool, grey: bool) -> Form {
        Form { aligned: self.aligned, flip: self.flip, template, grey }
    }
}

/// The vectors of a data set's photographs.
pub struct Extraction {
    /// In the order of the files: one vector, or none if no face was found or the picture could not be read.
    pub faces: Vec<FaceVectors>,
    /// In the same order, where there is a vector: the template, if it was asked for, and the embedding's length.
    pub templates: Vec<Option<Box<[f32]>>>,
    pub lengths: Vec<Option<f32>>,
    /// The photographs without a vector, with the reason.
    pub failed: Vec<LeftOut>,
}

/// Extracts the vector of each file. A picture without a vector is reported on standard error with the reason, and counts as one without a face.
pub fn extract(files: &[PathBuf], extractors: &mut [Extractor]) -> Result<Extraction> {
    let bar = progress_bar(files.len(), "photographs");
    let mut extraction = Extraction {
        faces: Vec::with_capacity(files.len()),
        templates: Vec::with_capacity(files.len()),
        lengths: Vec::with_capacity(files.len()),
        failed: Vec::new(),
    };
    let work = |extractor: &mut Extractor, file: &PathBuf| extractor.extract_all(file);
    walk(files, extractors, work, |file, found| {
        let extracted = match found {
            Ok(Some(extracted)) => Some(extracted),
            Ok(None) => {
                extraction.failed.push(LeftOut { path: file.clone(), why: NO_FACE.to_owned() });
                None
            }
            Err(error) => {
                extraction.failed.push(LeftOut { path: file.clone(), why: reason(error)? });
                None
            }
        };
        if let (None, Some(failed)) = (&extracted, extraction.failed.last()) {
            bar.suspend(|| report_left_out(failed));
        }
        extraction.lengths.push(extracted.as_ref().map(|extracted| extracted.length));
        let (vector, template) = extracted.map(|extracted| (extracted.vector, extracted.template)).unzip();
        extraction.faces.push(FaceVectors(vector.into_iter().collect()));
        extraction.templates.push(template.flatten());
        bar.inc(1);
        Ok::<_, anyhow::Error>(())
    })?;
    bar.finish_and_clear();
    Ok(extraction)
}

/// The reason for a photograph in which the detector finds no face.
pub const NO_FACE: &str = "no face was found";

/// Why a picture has no vector, without the name of the file.
///
/// # Errors
/// The problem is not the picture.
pub fn reason(error: FaceError) -> Result<String> {
    match error {
        FaceError::Photo(PhotoError::File { cause, .. }) => Ok(cause.to_string()),
        FaceError::Photo(why) => Ok(why.to_string()),
        FaceError::Vision(crate::vision::VisionError::NoDirection) => {
            Ok("the network has no embedding for it".to_owned())
        }
        FaceError::Vision(why) => Err(why.into()),
    }
}

/// Reports on standard error that a file was left out.
pub fn report_left_out(file: &LeftOut) {
    note!("usher: left out: {}: {}", file.path.display(), file.why);
}

/// The photographs of a listing. Reports what was left out, and appends it to `all_left_out`.
pub fn photographs_of(
    (photographs, left_out): (Vec<Photograph>, Vec<LeftOut>),
    all_left_out: &mut Vec<LeftOut>,
) -> Vec<Photograph> {
    left_out.iter().for_each(report_left_out);
    all_left_out.extend(left_out);
    photographs
}

/// A list of pairs as indices of files, and the files, each once.
pub struct IndexedPairs {
    pub files: Vec<PathBuf>,
    pub pairs: Vec<Comparison>,
    /// Missing files, and the number of pairs that were left out because of them.
    pub missing: Vec<PathBuf>,
    pub skipped: usize,
}

/// Replaces the files of `pairs` by indices. With `skip_missing`, pairs with a missing file are left out; otherwise they are an error.
pub fn index_pairs(pairs: &[Pair], skip_missing: bool) -> Result<IndexedPairs> {
    let all: std::collections::BTreeSet<&PathBuf> = pairs.iter().flat_map(|pair| [&pair.a, &pair.b]).collect();
    let (files, missing): (Vec<PathBuf>, Vec<PathBuf>) = all.into_iter().cloned().partition(|file| file.is_file());
    if !missing.is_empty() && !skip_missing {
        bail!("{}\nPass --skip-missing to leave out their pairs", describe_missing(&missing));
    }
    let index = |file: &PathBuf| files.binary_search(file).ok();
    let compared: Vec<Comparison> = pairs
        .iter()
        .filter_map(|pair| Some(Comparison { a: index(&pair.a)?, b: index(&pair.b)?, same: pair.same }))
        .collect();
    if compared.is_empty() {
        bail!("{}\nNo pair is left", describe_missing(&missing));
    }
    let skipped = pairs.len() - compared.len();
    Ok(IndexedPairs { files, pairs: compared, missing, skipped })
}

fn describe_missing(missing: &[PathBuf]) -> String {
    const SHOWN: usize = 20;
    let mut text = match missing.len() {
        1 => "1 photograph of the list is missing:".to_owned(),
        n => format!("{n} photographs of the list are missing:"),
    };
    for file in missing.iter().take(SHOWN) {
        text += &format!("\n  {}", file.display());
    }
    if missing.len() > SHOWN {
        text += &format!("\n  and {} more", missing.len() - SHOWN);
    }
    text
}

/// The photographs with a face of a labelled set, grouped by person.
pub struct LabelledFaces {
    pub names: Vec<String>,
    pub people: Vec<Person>,
    /// The file of each of [`Person::vectors`].
    pub files: Vec<Vec<PathBuf>>,
    /// Photographs without a face, and unreadable ones; with the reason.
    pub failed: Vec<LeftOut>,
    /// Entries that are not photographs of a person.
    pub left_out: Vec<LeftOut>,
    /// The number of photographs with a face.
    pub photographs: usize,
    /// The length of each photograph's embedding, in no particular order.
    pub lengths: Vec<f32>,
}

impl LabelledFaces {
    /// Extracts the vectors of photographs that are sorted by person.
    pub fn extract(
        photographs: &[Photograph],
        left_out: Vec<LeftOut>,
        extractors: &mut [Extractor],
    ) -> Result<LabelledFaces> {
        let files: Vec<PathBuf> = photographs.iter().map(|p| p.file.clone()).collect();
        let Extraction { faces, failed, lengths, templates: _ } = extract(&files, extractors)?;
        let mut labelled = LabelledFaces {
            names: Vec::new(),
            people: Vec::new(),
            files: Vec::new(),
            failed,
            left_out,
            photographs: 0,
            lengths: lengths.into_iter().flatten().collect(),
        };
        for (photograph, vectors) in photographs.iter().zip(faces) {
            let Some(vector) = vectors.0.into_iter().next() else { continue };
            if labelled.names.last() != Some(&photograph.person) {
                labelled.names.push(photograph.person.clone());
                labelled.people.push(Person::default());
                labelled.files.push(Vec::new());
            }
            if let (Some(person), Some(files)) = (labelled.people.last_mut(), labelled.files.last_mut()) {
                person.vectors.push(vector);
                files.push(photograph.file.clone());
                labelled.photographs += 1;
            }
        }
        Ok(labelled)
    }

    /// The file of a photograph, by its person's index and its own among that person's; empty if there is none.
    pub fn file(&self, (person, photograph): (usize, usize)) -> &Path {
        self.files.get(person).and_then(|files| files.get(photograph)).map_or(Path::new(""), PathBuf::as_path)
    }
}
