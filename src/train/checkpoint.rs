//! Checkpoints: a run's state in a file, from which it resumes bit for bit as if it had not been interrupted.
//!
//! An `.npz` file holds the latest weights, their averages and the optimiser's state, under `weights/`, `average/` and `optimiser/N/`, and a note
//! with everything else. It is written atomically.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::average::Average;
use super::mining::Triplet;
use super::mining::suspects::Suspects;
use super::optimiser::{Descent, Optimiser};
use super::run::State;
use super::weights::{self, Array, Weights, WeightsError};

/// The beginning of a checkpoint's name; its step follows.
const NAME: &str = "checkpoint-";
/// The number of checkpoints that are kept: the newest.
const KEPT: usize = 2;

/// Why a checkpoint cannot be used.
#[derive(Debug, Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("{path} is not a checkpoint of this version of usher ({why}); start again, or use its weights with --weights", path = path.display())]
    Foreign { path: PathBuf, why: ForeignCheckpoint },
    #[error("{path} is of a run with other settings ({what}); use the same settings to resume, or another --out to start again", path = path.display())]
    OtherPlan { path: PathBuf, what: String },
    #[error("{} cannot be read: {why}", path.display())]
    Folder { path: PathBuf, why: std::io::Error },
}

/// Why a file is not a checkpoint.
#[derive(Debug, Error)]
pub enum ForeignCheckpoint {
    #[error("its note: {0}")]
    Note(#[from] serde_json::Error),
    #[error("{0} belongs to no part")]
    UnknownArray(String),
    #[error("it has no weights")]
    NoWeights,
    #[error("its parts do not match each other")]
    Mismatch,
}

/// The part of the state that is not in arrays.
#[derive(Serialize, Deserialize)]
struct Note {
    /// The settings that must be the same when the run resumes, `NAME=VALUE` separated by spaces.
    plan: String,
    epoch: u32,
    done: usize,
    steps: u64,
    descents: u64,
    listed: Vec<[usize; 3]>,
    suspects: Vec<[u64; 3]>,
}

/// Writes the state into `folder`, and removes all but the newest checkpoints there. Returns the file.
pub fn save(folder: &Path, plan: &str, state: &State) -> Result<PathBuf, CheckpointError> {
    let mut arrays = Weights::new();
    for (name, array) in &state.weights {
        arrays.insert(format!("weights/{name}"), array.clone());
    }
    for (name, values) in state.average.weights() {
        arrays.insert(format!("average/{name}"), flat(values));
    }
    for (name, kept) in state.descent.kept() {
        for (place, values) in kept.iter().enumerate() {
            arrays.insert(format!("optimiser/{place}/{name}"), flat(values));
        }
    }
    let note = Note {
        plan: plan.to_owned(),
        epoch: state.epoch,
        done: state.done,
        steps: state.steps,
        descents: state.descent.steps(),
        listed: state.listed.iter().map(|t| [t.anchor, t.positive, t.negative]).collect(),
        suspects: state.suspects.rows().collect(),
    };
    let path = folder.join(format!("{NAME}{:08}.npz", state.steps));
    let note =
        serde_json::to_string(&note).map_err(|why| CheckpointError::Foreign { path: path.clone(), why: why.into() })?;
    weights::write_with_note(&path, &arrays, Some(&note))?;
    let all = list(folder)?;
    for old in all.iter().take(all.len().saturating_sub(KEPT)) {
        // If this fails, the old checkpoint only takes space.
        drop(std::fs::remove_file(old));
    }
    Ok(path)
}

fn flat(values: &[f32]) -> Array {
    Array { shape: vec![values.len()], values: values.to_vec() }
}

/// The newest checkpoint in a folder; `None` if the folder does not exist or has none.
pub fn newest(folder: &Path) -> Result<Option<PathBuf>, CheckpointError> {
    match folder.exists() {
        true => Ok(list(folder)?.pop()),
        false => Ok(None),
    }
}

/// All checkpoints in a folder, the newest last.
fn list(folder: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    let unreadable = |why| CheckpointError::Folder { path: folder.to_owned(), why };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(NAME) && name.ends_with(".npz") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a state. `plan` must be the one that it was saved with; `average` is the decay of the average.
pub fn read(path: &Path, plan: &str, optimiser: Optimiser, average: f32) -> Result<State, CheckpointError> {
    let (arrays, note) = weights::read_with_note(path)?;
    let foreign = |why| CheckpointError::Foreign { path: path.to_owned(), why };
    let note: Note = serde_json::from_str(&note).map_err(|error| foreign(error.into()))?;
    if note.plan != plan {
        return Err(CheckpointError::OtherPlan { path: path.to_owned(), what: difference(&note.plan, plan) });
    }
    let Parts { weights, averages, kept } = Parts::of(arrays).map_err(foreign)?;
    if kept.values().any(|all| all.len() != optimiser.slots()) {
        return Err(foreign(ForeignCheckpoint::Mismatch));
    }
    Ok(State {
        weights,
        descent: Descent::resumed(optimiser, note.descents, kept),
        average: Average::resumed(average, averages),
        suspects: Suspects::from_rows(note.suspects),
        epoch: note.epoch,
        done: note.done,
        steps: note.steps,
        listed: note
            .listed
            .into_iter()
            .map(|[anchor, positive, negative]| Triplet { anchor, positive, negative })
            .collect(),
    })
}

/// The averaged weights of a checkpoint, for export.
pub fn averaged(path: &Path) -> Result<Weights, CheckpointError> {
    let parts = Parts::of(weights::read(path)?);
    let Parts { weights, averages, .. } =
        parts.map_err(|why| CheckpointError::Foreign { path: path.to_owned(), why })?;
    // The average is not updated any further, so the decay does not matter.
    Ok(Average::resumed(0.0, averages).apply(&weights))
}

/// The arrays of a checkpoint.
struct Parts {
    weights: Weights,
    averages: BTreeMap<String, Vec<f32>>,
    kept: BTreeMap<String, Vec<Vec<f32>>>,
}

impl Parts {
    /// Separates them by the prefixes of their names.
    fn of(arrays: Weights) -> Result<Parts, ForeignCheckpoint> {
        let mut parts = Parts { weights: Weights::new(), averages: BTreeMap::new(), kept: BTreeMap::new() };
        // The arrays are sorted by name, so the optimiser's are in order.
        for (name, array) in arrays {
            if let Some(name) = name.strip_prefix("weights/") {
                parts.weights.insert(name.to_owned(), array);
            } else if let Some(name) = name.strip_prefix("average/") {
                parts.averages.insert(name.to_owned(), array.values);
            } else if let Some((_, name)) = name.strip_prefix("optimiser/").and_then(|rest| rest.split_once('/')) {
                parts.kept.entry(name.to_owned()).or_default().push(array.values);
            } else {
                return Err(ForeignCheckpoint::UnknownArray(name));
            }
        }
        let as_long = |name: &String, values: &Vec<f32>| {
            parts.weights.get(name).is_some_and(|array| array.values.len() == values.len())
        };
        let fit = parts.averages.iter().all(|(name, values)| as_long(name, values))
            && parts.kept.iter().all(|(name, all)| all.iter().all(|values| as_long(name, values)));
        match (parts.weights.is_empty(), fit) {
            (true, _) => Err(ForeignCheckpoint::NoWeights),
            (false, false) => Err(ForeignCheckpoint::Mismatch),
            (false, true) => Ok(parts),
        }
    }
}

/// The first setting in which two plans differ, `NAME=VALUE` separated by spaces.
fn difference(then: &str, now: &str) -> String {
    let pairs = then.split(' ').zip(now.split(' '));
    pairs.into_iter().find(|(a, b)| a != b).map_or("their number".to_owned(), |(a, b)| format!("{a} before, {b} now"))
}
