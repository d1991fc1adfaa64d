//! The learning rate of each epoch: a formula, or a file in the FaceNet project's format.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Learning rates by epoch.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// `start * factor ^ (epoch / every)`, the exponent rounded down.
    Decay { start: f32, factor: f32, every: u32 },
    /// Rates with the epochs from which they apply, in ascending order; `None` ends the run.
    Steps(Vec<(u32, Option<f32>)>),
}

/// Why a schedule cannot be read.
#[derive(Debug, Error)]
pub enum ScheduleError {
    #[error("cannot read the learning rates in {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error(
        "{path}, line {line}: \"{text}\" is not a step of a schedule; write EPOCH: RATE, for example 80: 0.01, with ascending epochs, or EPOCH: - to end the run"
    )]
    Line { path: PathBuf, line: usize, text: String },
    #[error("{path} has no learning rate; write lines of EPOCH: RATE, for example 0: 0.05")]
    Empty { path: PathBuf },
}

impl Schedule {
    /// Reads a file of lines `EPOCH: RATE`. `#` begins a comment; `-` instead of a rate ends the run.
    pub fn read(path: &Path) -> Result<Self, ScheduleError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ScheduleError::Read { path: path.to_owned(), source })?;
        let mut steps: Vec<(u32, Option<f32>)> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let plain = line.split('#').next().unwrap_or_default().trim();
            if plain.is_empty() {
                continue;
            }
            let step = parse(plain).filter(|(epoch, _)| steps.last().is_none_or(|(before, _)| before < epoch));
            steps.push(step.ok_or_else(|| ScheduleError::Line {
                path: path.to_owned(),
                line: number + 1,
                text: plain.to_owned(),
            })?);
        }
        match steps.is_empty() {
            true => Err(ScheduleError::Empty { path: path.to_owned() }),
            false => Ok(Self::Steps(steps)),
        }
    }

    /// The rate of an epoch, counted from 0; `None` if the run is over. Before the first step of a file, its first rate applies.
    pub fn rate(&self, epoch: u32) -> Option<f32> {
        match self {
            Self::Decay { start, factor, every } => {
                Some(start * factor.powi((epoch / (*every).max(1)).min(i32::MAX as u32) as i32))
            }
            Self::Steps(steps) => {
                let holds = steps.iter().rev().find(|(from, _)| *from <= epoch).or(steps.first());
                holds.and_then(|(_, rate)| *rate)
            }
        }
    }
}

fn parse(line: &str) -> Option<(u32, Option<f32>)> {
    let (epoch, rate) = line.split_once(':')?;
    let epoch = epoch.trim().parse().ok()?;
    match rate.trim() {
        "-" => Some((epoch, None)),
        rate => rate.parse::<f32>().ok().filter(|rate| rate.is_finite() && *rate > 0.0).map(|rate| (epoch, Some(rate))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Schedule, ScheduleError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Schedule::read(file.path())
    }

    #[test]
    fn a_formula_decays_in_steps() {
        let schedule = Schedule::Decay { start: 0.1, factor: 0.5, every: 10 };
        assert_eq!([0, 9, 10, 25].map(|epoch| schedule.rate(epoch).unwrap()), [0.1, 0.1, 0.05, 0.025]);
    }

    #[test]
    fn rates_of_a_file_apply_from_their_epochs_on() {
        let schedule = read("# of a classifier\n0: 0.05\n\n60:  0.005 # slower\n80: 0.0005\n91: -\n").unwrap();
        assert_eq!(
            [0, 59, 60, 90, 91, 200].map(|epoch| schedule.rate(epoch)),
            [Some(0.05), Some(0.05), Some(0.005), Some(0.0005), None, None]
        );
    }

    #[test]
    fn a_malformed_line_is_named() {
        for (text, line) in [("0: fast", ":"), ("0: 0.1\n0: 0.2", "2"), ("0: -0.1", "1"), ("0: NaN", "1"), ("0.1", "1")]
        {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("is not a step of a schedule") && error.contains(line), "{error}");
        }
        assert!(read("# nothing\n").unwrap_err().to_string().contains("has no learning rate"));
    }
}
