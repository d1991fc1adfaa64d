//! What looking at a data set needs: which networks, on how many threads, and what the pictures are.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::super::context::Context;
use super::super::progress::bar;
use crate::lab::crowd::{self, LeftOut, Photograph};
use crate::lab::faces::FaceError;
use crate::lab::features::{Extractor, Form};
use crate::lab::pairs::Pair;
use crate::lab::verification::{Comparison, Views};
use crate::photo::PhotoError;

/// Options of every command that looks at many photographs.
#[derive(Args, Clone, Debug)]
pub struct Eyes {
    /// The embedder by its name in the models' manifest [default: the configuration's, else mobilefacenet]
    #[arg(long, value_name = "NAME")]
    pub embedder: Option<String>,
    /// The smallest face, in pixels of its shorter side [default: the configuration's, else 40]
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(20..=1000))]
    pub min_face: Option<u32>,
    /// Photographs looked at side by side [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
}

/// Options of every protocol.
#[derive(Args, Clone, Debug)]
pub struct Looking {
    /// The pictures are faces already cut out, as the embedder wants them: embed them whole, look for no face
    #[arg(long)]
    pub aligned: bool,
    /// Append the embedding of the mirrored face to each
    #[arg(long)]
    pub flip: bool,
    #[command(flatten)]
    pub eyes: Eyes,
}

impl Eyes {
    /// One set of networks for each thread.
    pub fn extractors(&self, form: Form, context: &Context) -> Result<Vec<Extractor>> {
        let threads = self.threads.map_or_else(crowd::usual_threads, usize::from);
        let eyes = context.many_eyes(threads, self.min_face, self.embedder.as_deref())?;
        Ok(eyes.into_iter().map(|vision| Extractor::new(vision, form)).collect())
    }
}

impl Looking {
    /// One set of networks for each thread.
    pub fn extractors(&self, context: &Context) -> Result<Vec<Extractor>> {
        self.eyes.extractors(Form { aligned: self.aligned, flip: self.flip }, context)
    }
}

/// What a data set's photographs gave.
pub struct Looked {
    /// In the order of the files: one vector, or none where no face was found or the picture could not be read.
    pub views: Vec<Views>,
    /// The photographs without a vector, and why.
    pub failed: Vec<LeftOut>,
}

/// Looks at each file once. A picture that gives no vector is told on standard error with its reason, and counts as one without a face.
pub fn look(files: &[PathBuf], extractors: &mut [Extractor]) -> Result<Looked> {
    let bar = bar(files.len(), "photographs");
    let mut looked = Looked { views: Vec::with_capacity(files.len()), failed: Vec::new() };
    let work = |extractor: &mut Extractor, file: &PathBuf| extractor.extract(file);
    crowd::walk(files, extractors, work, |file, found| {
        let vector = match found {
            Ok(Some(vector)) => Some(vector),
            Ok(None) => {
                looked.failed.push(LeftOut { path: file.clone(), why: NO_FACE.to_owned() });
                None
            }
            Err(error) => {
                looked.failed.push(LeftOut { path: file.clone(), why: reason(error)? });
                None
            }
        };
        if let (None, Some(failed)) = (&vector, looked.failed.last()) {
            bar.suspend(|| not_taken(failed));
        }
        looked.views.push(Views(vector.into_iter().collect()));
        bar.inc(1);
        Ok::<_, anyhow::Error>(())
    })?;
    bar.finish_and_clear();
    Ok(looked)
}

/// What is said of a photograph in which the detector finds nobody.
pub const NO_FACE: &str = "no face was found";

/// Why a picture gives no vector, in words that do not name the file.
///
/// # Errors
/// It was not the picture's fault.
pub fn reason(error: FaceError) -> Result<String> {
    match error {
        FaceError::Photo(PhotoError::File { cause, .. }) => Ok(cause.to_string()),
        FaceError::Photo(why) => Ok(why.to_string()),
        FaceError::Vision(crate::vision::VisionError::NoDirection) => {
            Ok("the network gives no embedding for it".to_owned())
        }
        FaceError::Vision(why) => Err(why.into()),
    }
}

/// Says on standard error that a file was not taken.
pub fn not_taken(file: &LeftOut) {
    eprintln!("usher: not taken: {}: {}", file.path.display(), file.why);
}

/// The photographs of a listing. What was left out is said, and put into `rest`.
pub fn told((photographs, left_out): (Vec<Photograph>, Vec<LeftOut>), rest: &mut Vec<LeftOut>) -> Vec<Photograph> {
    left_out.iter().for_each(not_taken);
    rest.extend(left_out);
    photographs
}

/// A list of pairs as numbers of files, and the files, each once.
pub struct Listed {
    pub files: Vec<PathBuf>,
    pub pairs: Vec<Comparison>,
    /// Files that are not there, and how many pairs were left out because of them.
    pub missing: Vec<PathBuf>,
    pub skipped: usize,
}

/// Numbers the files of `pairs`. With `skip_missing`, pairs with a file that is not there are left out; otherwise they are an error.
pub fn listed(pairs: &[Pair], skip_missing: bool) -> Result<Listed> {
    let all: std::collections::BTreeSet<&PathBuf> = pairs.iter().flat_map(|pair| [&pair.a, &pair.b]).collect();
    let (files, missing): (Vec<PathBuf>, Vec<PathBuf>) = all.into_iter().cloned().partition(|file| file.is_file());
    if !missing.is_empty() && !skip_missing {
        bail!("{}\nPass --skip-missing to leave their pairs out", absent(&missing));
    }
    let number = |file: &PathBuf| files.binary_search(file).ok();
    let compared: Vec<Comparison> = pairs
        .iter()
        .filter_map(|pair| Some(Comparison { a: number(&pair.a)?, b: number(&pair.b)?, same: pair.same }))
        .collect();
    if compared.is_empty() {
        bail!("{}\nNo pair is left", absent(&missing));
    }
    let skipped = pairs.len() - compared.len();
    Ok(Listed { files, pairs: compared, missing, skipped })
}

fn absent(missing: &[PathBuf]) -> String {
    const SHOWN: usize = 20;
    let mut text = match missing.len() {
        1 => "1 photograph of the list is not there:".to_owned(),
        n => format!("{n} photographs of the list are not there:"),
    };
    for file in missing.iter().take(SHOWN) {
        text += &format!("\n  {}", file.display());
    }
    if missing.len() > SHOWN {
        text += &format!("\n  and {} more", missing.len() - SHOWN);
    }
    text
}
