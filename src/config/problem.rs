//! What is wrong with a configuration, and where it was written: one [`Problem`] a finding, all of them in [`ConfigErrors`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The configuration file as a whole: something is missing from it.
    File(Arc<str>),
    /// A line of the configuration file, counted from 1.
    Line(Arc<str>, usize),
    /// An environment variable, by its name.
    Environment(Arc<str>),
    /// The built-in default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(file) => write!(f, "{file}"),
            Origin::Line(file, line) => write!(f, "{file}:{line}"),
            Origin::Environment(name) => write!(f, "{name}"),
            Origin::Default => write!(f, "default"),
        }
    }
}

/// One finding: where, at which key, what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The place to go to.
    pub origin: Origin,
    /// The key with its section, as in `access.margin` or `camera[0].fps`; empty for a file as a whole.
    pub key: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A variable's name contains its key.
        if self.key.is_empty() || matches!(self.origin, Origin::Environment(_)) {
            write!(f, "{}: {}", self.origin, self.what)
        } else {
            write!(f, "{}: {}: {}", self.origin, self.key, self.what)
        }
    }
}

/// Where each key and section was written, by its path, as in `access.margin` or `camera[0]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Origins {
    file: Arc<str>,
    places: BTreeMap<String, Origin>,
}

impl Origins {
    /// Nothing is written yet in `file`.
    pub fn new(file: Arc<str>) -> Origins {
        Origins { file, places: BTreeMap::new() }
    }

    /// Notes where `path` was written; a later layer replaces an earlier one.
    pub fn set(&mut self, path: &str, origin: Origin) {
        self.places.insert(path.to_owned(), origin);
    }

    /// The same, also for the sections around it that no earlier layer has.
    pub fn set_with_sections(&mut self, path: &str, origin: &Origin) {
        for (at, _) in path.match_indices(['.', '[']).chain(path.match_indices(']').map(|(at, _)| (at + 1, ""))) {
            if let Some(section) = path.get(..at) {
                self.places.entry(section.to_owned()).or_insert_with(|| origin.clone());
            }
        }
        self.set(path, origin.clone());
    }

    /// Where `path` was written; the file as a whole when it was not.
    pub fn of(&self, path: &str) -> Origin {
        self.places.get(path).cloned().unwrap_or_else(|| Origin::File(self.file.clone()))
    }

    /// Where the value of `path` comes from.
    pub fn of_value(&self, path: &str) -> Origin {
        self.places.get(path).cloned().unwrap_or(Origin::Default)
    }

    /// Forgets a section with all that is below it, as `permit`.
    pub fn forget(&mut self, section: &str) {
        self.places.retain(|path, _| below(path, section).is_none());
    }

    /// Takes over what `other` knows of `from` and of all that is below it, as the places of `to`.
    pub fn take_over(&mut self, other: &Origins, from: &str, to: &str) {
        for (path, origin) in &other.places {
            if let Some(rest) = below(path, from) {
                self.places.insert(format!("{to}{rest}"), origin.clone());
            }
        }
    }

    /// Whether `path` was written anywhere.
    pub fn has(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }
}

/// What follows `section` in `path`; `None` for a path elsewhere.
fn below<'p>(path: &'p str, section: &str) -> Option<&'p str> {
    path.strip_prefix(section).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Why there is no [`super::Config`]: every problem that was found, at least one, in the order of the file's lines and then of
/// the variables' names. Displays as one problem a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// Sorts `problems` and drops repetitions.
    pub(super) fn new(mut problems: Vec<Problem>) -> ConfigErrors {
        problems.sort();
        problems.dedup();
        ConfigErrors { problems }
    }

    /// The findings, in order.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_listed_one_a_line_in_the_order_of_the_file() {
        let file: Arc<str> = "usher.toml".into();
        let problem = |origin, key: &str, what: &str| Problem { origin, key: key.to_string(), what: what.to_string() };
        let errors = ConfigErrors::new(vec![
            problem(Origin::Environment("USHER__ACCESS__MARGIN".into()), "access.margin", "must be a number"),
            problem(Origin::Line(file.clone(), 12), "log.level", "is unknown"),
            problem(Origin::Line(file.clone(), 3), "device.name", "is empty"),
            problem(Origin::File(file.clone()), "door", "is missing"),
            problem(Origin::Line(file, 3), "device.name", "is empty"),
        ]);
        assert_eq!(
            errors.to_string(),
            "usher.toml: door: is missing\n\
             usher.toml:3: device.name: is empty\n\
             usher.toml:12: log.level: is unknown\n\
             USHER__ACCESS__MARGIN: must be a number"
        );
    }
}
