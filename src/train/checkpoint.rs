//! A run's state in a file, from which it goes on bit for bit as if it had never stopped.
//!
//! One `.npz` holds the newest weights, their averages and what the optimiser keeps, under `weights/`, `average/` and `optimiser/N/`, and
//! a note with the rest. It is written in one step: a file of its name is whole.

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

/// What begins the name of a checkpoint; its step follows.
const NAME: &str = "checkpoint-";
/// So many are kept, the newest.
const KEPT: usize = 2;

/// Why a checkpoint cannot be used.
#[derive(Debug, Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("{path} is no checkpoint of this version of usher ({why}); start anew, or use its weights with --weights", path = path.display())]
    Foreign { path: PathBuf, why: String },
    #[error("{path} is of a run with other settings ({what}); give the same ones to go on, or another --out to start anew", path = path.display())]
    OtherPlan { path: PathBuf, what: String },
    #[error("{} cannot be read: {why}", path.display())]
    Folder { path: PathBuf, why: std::io::Error },
}

/// What is no array.
#[derive(Serialize, Deserialize)]
struct Rest {
    /// The settings that must not change from one part of a run to the next, in words.
    plan: String,
    epoch: u32,
    done: usize,
    steps: u64,
    descents: u64,
    listed: Vec<[usize; 3]>,
    suspects: Vec<[u64; 3]>,
}

/// Writes the state into `folder`, and removes all but the newest checkpoints there. Gives the file.
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
    let rest = Rest {
        plan: plan.to_owned(),
        epoch: state.epoch,
        done: state.done,
        steps: state.steps,
        descents: state.descent.steps(),
        listed: state.listed.iter().map(|t| [t.anchor, t.positive, t.negative]).collect(),
        suspects: state.suspects.rows().collect(),
    };
    let path = folder.join(format!("{NAME}{:08}.npz", state.steps));
    let rest = serde_json::to_string(&rest).expect("numbers and words can be written");
    weights::write_with_note(&path, &arrays, Some(&rest))?;
    let all = listed(folder)?;
    for old in &all[..all.len().saturating_sub(KEPT)] {
        // Should it not go away, it only takes room.
        drop(std::fs::remove_file(old));
    }
    Ok(path)
}

fn flat(values: &[f32]) -> Array {
    Array { shape: vec![values.len()], values: values.to_vec() }
}

/// The newest checkpoint in a folder; none when the folder is not there or has none.
pub fn newest(folder: &Path) -> Result<Option<PathBuf>, CheckpointError> {
    match folder.exists() {
        true => Ok(listed(folder)?.pop()),
        false => Ok(None),
    }
}

/// All checkpoints of a folder, the newest last.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
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

/// Reads a state. `plan` must be what it was saved with; `average` is the decay of the average.
pub fn read(path: &Path, plan: &str, optimiser: Optimiser, average: f32) -> Result<State, CheckpointError> {
    let (arrays, note) = weights::read_with_note(path)?;
    let foreign = |why: String| CheckpointError::Foreign { path: path.to_owned(), why };
    let rest: Rest = serde_json::from_str(&note).map_err(|error| foreign(format!("its note: {error}")))?;
    if rest.plan != plan {
        return Err(CheckpointError::OtherPlan { path: path.to_owned(), what: difference(&rest.plan, plan) });
    }
    let Parts { weights, averages, kept } = Parts::of(arrays).map_err(foreign)?;
    if kept.values().any(|all| all.len() != optimiser.figures()) {
        return Err(foreign(MISFIT.to_owned()));
    }
    Ok(State {
        weights,
        descent: Descent::resumed(optimiser, rest.descents, kept),
        average: Average::resumed(average, averages),
        suspects: Suspects::from_rows(rest.suspects),
        epoch: rest.epoch,
        done: rest.done,
        steps: rest.steps,
        listed: rest
            .listed
            .into_iter()
            .map(|[anchor, positive, negative]| Triplet { anchor, positive, negative })
            .collect(),
    })
}

/// The averaged weights of a checkpoint, which are what is exported.
pub fn averaged(path: &Path) -> Result<Weights, CheckpointError> {
    let parts = Parts::of(weights::read(path)?);
    let Parts { weights, averages, .. } =
        parts.map_err(|why| CheckpointError::Foreign { path: path.to_owned(), why })?;
    // Nothing more is taken in, so the decay does not matter.
    Ok(Average::resumed(0.0, averages).over(&weights))
}

const MISFIT: &str = "its parts do not fit each other";

/// The arrays of a checkpoint.
struct Parts {
    weights: Weights,
    averages: BTreeMap<String, Vec<f32>>,
    kept: BTreeMap<String, Vec<Vec<f32>>>,
}

impl Parts {
    /// Sorts them by what their names begin with; an error says why they are no checkpoint's.
    fn of(arrays: Weights) -> Result<Parts, String> {
        let mut parts = Parts { weights: Weights::new(), averages: BTreeMap::new(), kept: BTreeMap::new() };
        // By name, so what the optimiser keeps comes in the order of its places.
        for (name, array) in arrays {
            if let Some(name) = name.strip_prefix("weights/") {
                parts.weights.insert(name.to_owned(), array);
            } else if let Some(name) = name.strip_prefix("average/") {
                parts.averages.insert(name.to_owned(), array.values);
            } else if let Some((_, name)) = name.strip_prefix("optimiser/").and_then(|rest| rest.split_once('/')) {
                parts.kept.entry(name.to_owned()).or_default().push(array.values);
            } else {
                return Err(format!("{name} belongs to no part"));
            }
        }
        let as_long = |name: &String, values: &Vec<f32>| {
            parts.weights.get(name).is_some_and(|array| array.values.len() == values.len())
        };
        let fit = parts.averages.iter().all(|(name, values)| as_long(name, values))
            && parts.kept.iter().all(|(name, all)| all.iter().all(|values| as_long(name, values)));
        match (parts.weights.is_empty(), fit) {
            (true, _) => Err("it holds no weights".to_owned()),
            (false, false) => Err(MISFIT.to_owned()),
            (false, true) => Ok(parts),
        }
    }
}

/// The first setting in which two plans differ, `NAME=VALUE` separated by spaces.
fn difference(then: &str, now: &str) -> String {
    let pairs = then.split(' ').zip(now.split(' '));
    pairs.into_iter().find(|(a, b)| a != b).map_or("their number".to_owned(), |(a, b)| format!("{a} then, {b} now"))
}
