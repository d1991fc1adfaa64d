//! The environment as a layer of the configuration: `USHER__ACCESS__MARGIN` is `margin` of `[access]`, `USHER__CAMERA__0__FPS` is `fps` of
//! the first `[[camera]]`.

use std::collections::BTreeMap;

use ::config::{Map, Value, ValueKind};
use thiserror::Error;

use super::check::unknown;
use super::file::{Layer, child};
use super::problem::{Origin, Origins, Problem};
use super::rule::{Rule, Shape};

/// What a variable's name begins with. The same two underscores separate its parts.
const PREFIX: &str = "USHER__";

/// Why a variable's name leads to no key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum NameError {
    #[error("write the name in capitals: {0}")]
    Capitals(String),
    #[error("{0} is an index, but there is no list here")]
    NoList(usize),
    #[error("the name has an empty part; its form is USHER__SECTION__KEY")]
    EmptyPart,
    #[error("{0}")]
    Unknown(String),
    #[error("{0} is not a section")]
    NoSection(String),
    #[error("[{key}] is a section; name one of its keys as in {name}__KEY")]
    Section { key: String, name: String },
    #[error("entry {index} of [[{key}]] is a section; name one of its keys as in {name}__KEY")]
    Entry { index: usize, key: String, name: String },
    #[error("[[{key}]] has {length} entries so far; the next index is {length}")]
    BeyondEnd { key: String, length: usize },
    #[error("[[{key}]] is a list; its first entry is {PREFIX}{}__0__…", key.to_uppercase())]
    List { key: String },
}

/// The variables of this process that concern the configuration. Bytes that are not UTF-8 become replacement characters, so that
/// the value is reported as wrong instead of being ignored.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with(PREFIX))
}

/// The layer of those `variables` that begin with `USHER__`, above the `file`. A name that leads to no key of `rule` becomes a problem.
pub fn layer(
    rule: Rule<'_>,
    file: &Map<String, Value>,
    variables: impl Iterator<Item = (String, String)>,
    origins: &mut Origins,
    problems: &mut Vec<Problem>,
) -> Layer {
    let mut ours: Vec<(Vec<Part>, String, String)> = variables
        .filter_map(|(name, value)| {
            let parts = name.strip_prefix(PREFIX)?.split("__").map(Part::read).collect();
            Some((parts, name, value))
        })
        .collect();
    // By parts, with list indices as numbers: `CAMERA__2` comes before `CAMERA__10`, so a list grows in order.
    ours.sort();
    let mut layer = Layer::default();
    let mut placing = Placing { lengths: BTreeMap::new() };
    for (parts, name, value) in ours {
        let origin = Origin::Environment(name.as_str().into());
        let upper = name.to_uppercase();
        let placed = match name == upper {
            true => placing.below(rule, Some(file), "", &parts, &name),
            false => Err(NameError::Capitals(upper)),
        };
        match placed {
            Ok(Some(path)) => {
                origins.set_with_sections(&path, &origin);
                layer.0.insert(path, Value::new(None, value));
            }
            // The file has something else there, which is a problem of its own.
            Ok(None) => {}
            Err(error) => problems.push(Problem { origin, key: String::new(), what: error.to_string() }),
        }
    }
    layer
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Index(usize),
    Key(String),
}

impl Part {
    fn read(text: &str) -> Part {
        text.parse().map_or_else(|_| Part::Key(text.to_lowercase()), Part::Index)
    }
}

struct Placing {
    /// How many entries each list has so far, with those that variables add.
    lengths: BTreeMap<String, usize>,
}

impl Placing {
    /// The path to which `parts` lead from the section at `path`. `None` where the file has a value of another kind on the way.
    fn below(
        &mut self,
        rule: Rule<'_>,
        file: Option<&Map<String, Value>>,
        path: &str,
        parts: &[Part],
        name: &str,
    ) -> Result<Option<String>, NameError> {
        let (key, rest) = match parts {
            [Part::Key(key), rest @ ..] if !key.is_empty() => (key, rest),
            [Part::Index(index), ..] => return Err(NameError::NoList(*index)),
            _ => return Err(NameError::EmptyPart),
        };
        let Some(rule_of_key) = rule.key(key) else { return Err(NameError::Unknown(unknown(rule, key, path))) };
        let (named, key_of) = (|| name.to_owned(), || key.to_owned());
        let (path, written) = (child(path, key), file.and_then(|table| table.get(key)).map(|value| &value.kind));
        match (rule_of_key.shape(), rest) {
            (Shape::Value, []) => Ok(Some(path)),
            (Shape::Value, _) => Err(NameError::NoSection(key_of())),
            (Shape::Section, []) => Err(NameError::Section { key: key_of(), name: named() }),
            (Shape::Section, rest) => match written {
                Some(ValueKind::Table(table)) => self.below(rule_of_key, Some(table), &path, rest, name),
                None => self.below(rule_of_key, None, &path, rest, name),
                Some(_) => Ok(None),
            },
            (Shape::List(_), [Part::Index(index)]) => {
                Err(NameError::Entry { index: *index, key: key_of(), name: named() })
            }
            (Shape::List(items), [Part::Index(index), rest @ ..]) => {
                let entries: &[Value] = match written {
                    Some(ValueKind::Array(entries)) => entries,
                    None => &[],
                    Some(_) => return Ok(None),
                };
                let length = self.lengths.get(&path).copied().unwrap_or(entries.len());
                if *index > length {
                    return Err(NameError::BeyondEnd { key: key_of(), length });
                }
                let entry = match entries.get(*index).map(|entry| &entry.kind) {
                    Some(ValueKind::Table(table)) => Some(table),
                    None => None,
                    Some(_) => return Ok(None),
                };
                let placed = self.below(items, entry, &format!("{path}[{index}]"), rest, name)?;
                self.lengths.insert(path, length.max(index + 1));
                Ok(placed)
            }
            (Shape::List(_), _) => Err(NameError::List { key: key_of() }),
        }
    }
}
