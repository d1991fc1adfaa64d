//! Lays the environment over the file: `USHER__ACCESS__MARGIN` is `margin` of `[access]`, `USHER__CAMERA__0__FPS` is `fps` of the
//! first `[[camera]]`. The environment wins.
//!
//! Knows nothing of which keys exist and which values they take.

use std::sync::Arc;

use super::problem::{Origin, Problem};
use super::tree::{Node, Table, Value};

/// What a variable's name begins with, and what stands between its parts is the same two underscores.
const PREFIX: &str = "USHER__";

/// The variables of this process that concern the configuration. Bytes that are not UTF-8 become replacement characters, so that
/// the value is told as wrong instead of being passed over.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with(PREFIX))
}

/// Lays those of `variables` that begin with `USHER__` over `tree`; a name that cannot be placed becomes a problem.
pub(super) fn overlay(
    tree: &mut Table,
    variables: impl Iterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) {
    let mut ours: Vec<Variable> = variables.filter_map(|(name, value)| Variable::of(name, value)).collect();
    // By parts, with list indices as numbers: `CAMERA__2` comes before `CAMERA__10`, so a list grows in order. Longer names first,
    // so that a variable that names a whole section finds the section there and is told of.
    ours.sort_by(|a, b| b.parts.len().cmp(&a.parts.len()).then_with(|| a.parts.cmp(&b.parts)));
    for variable in ours {
        let upper = variable.name.to_uppercase();
        let placed = if *variable.name == *upper {
            place(tree, &variable.parts, &variable)
        } else {
            Err(format!("write the name in capitals: {upper}"))
        };
        if let Err(what) = placed {
            let origin = Origin::Environment(variable.name.clone());
            problems.push(Problem { origin, key: String::new(), what });
        }
    }
}

struct Variable {
    name: Arc<str>,
    value: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Index(usize),
    Key(String),
}

impl Variable {
    fn of(name: String, value: String) -> Option<Variable> {
        let parts = name
            .strip_prefix(PREFIX)?
            .split("__")
            .map(|part| part.parse().map_or_else(|_| Part::Key(part.to_lowercase()), Part::Index))
            .collect();
        Some(Variable { name: name.into(), value, parts })
    }

    fn origin(&self) -> Origin {
        Origin::Environment(self.name.clone())
    }
}

/// Follows `parts` from `table` down and sets the value there.
fn place(table: &mut Table, parts: &[Part], variable: &Variable) -> Result<(), String> {
    let (key, rest) = match parts {
        [Part::Key(key), rest @ ..] if !key.is_empty() => (key, rest),
        [Part::Index(index), ..] => return Err(format!("{index} is an index, but there is no list here")),
        _ => return Err("the name has an empty part; its form is USHER__SECTION__KEY".to_string()),
    };
    let fresh = || Node {
        origin: variable.origin(),
        value: match rest {
            [Part::Index(_), ..] => Value::List(Vec::new()),
            [Part::Key(_), ..] => Value::Table(Table::new()),
            [] => Value::Raw(String::new()),
        },
    };
    let node = table.entry(key.clone()).or_insert_with(fresh);
    descend(node, key, rest, variable)
}

fn descend(node: &mut Node, key: &str, rest: &[Part], variable: &Variable) -> Result<(), String> {
    match (rest, &mut node.value) {
        ([], Value::Table(_)) => {
            Err(format!("[{key}] is a section; name one of its keys as in {}__KEY", variable.name))
        }
        ([], _) => {
            *node = Node { origin: variable.origin(), value: Value::Raw(variable.value.clone()) };
            Ok(())
        }
        ([Part::Index(index), rest @ ..], Value::List(items)) => {
            if *index > items.len() {
                return Err(format!("[[{key}]] has {} entries so far; the next index is {}", items.len(), items.len()));
            }
            if *index == items.len() {
                items.push(Node { origin: variable.origin(), value: Value::Table(Table::new()) });
            }
            match &mut items[*index].value {
                Value::Table(table) => place(table, rest, variable),
                _ => descend(&mut items[*index], key, rest, variable),
            }
        }
        ([Part::Key(_), ..], Value::List(_)) => {
            Err(format!("[[{key}]] is a list; its first entry is {PREFIX}{}__0__…", key.to_uppercase()))
        }
        (_, Value::Table(table)) => place(table, rest, variable),
        _ => Err(format!("{key} is not a section")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;

    fn overlaid(text: &str, variables: &[(&str, &str)]) -> (Table, Vec<String>) {
        let mut problems = Vec::new();
        let mut tree = tree::parse(text, &"f".into(), &mut problems);
        let variables = variables.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string()));
        overlay(&mut tree, variables, &mut problems);
        (tree, problems.iter().map(ToString::to_string).collect())
    }

    fn at<'a>(tree: &'a Table, section: &str, index: usize, key: &str) -> &'a Node {
        match &tree[section].value {
            Value::List(items) => match &items[index].value {
                Value::Table(table) => &table[key],
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_list_grows_in_the_order_of_its_indices() {
        let names: Vec<String> = (0..12).rev().map(|i| format!("USHER__CAMERA__{i}__NAME")).collect();
        let variables: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
        let (tree, problems) = overlaid("", &variables);
        assert_eq!(problems, Vec::<String>::new());
        for index in 0..12 {
            let expected = format!("USHER__CAMERA__{index}__NAME");
            assert_eq!(at(&tree, "camera", index, "name").value.text(), Some(expected.as_str()));
        }
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let (tree, problems) = overlaid("[[camera]]\nfps = 5\n", &[("USHER__CAMERA__0__FPS", "9"), ("HOME", "/")]);
        assert_eq!(problems, Vec::<String>::new());
        let node = at(&tree, "camera", 0, "fps");
        assert_eq!(node.value.integer(), Some(9));
        assert_eq!(node.origin.to_string(), "USHER__CAMERA__0__FPS");
    }

    #[test]
    fn names_that_cannot_be_placed_are_told() {
        let text = "list = [1]\n[[camera]]\nfps = 5\n[access]\nmargin = 0.1\n";
        for (name, part) in [
            ("USHER__", "empty part"),
            ("USHER__ACCESS__", "empty part"),
            ("USHER__0__NAME", "no list"),
            ("USHER__ACCESS", "is a section"),
            ("USHER__ACCESS__0", "no list"),
            ("USHER__ACCESS__MARGIN__X", "margin is not a section"),
            ("USHER__CAMERA__FPS", "USHER__CAMERA__0__"),
            ("USHER__CAMERA__7__FPS", "next index is 1"),
            ("USHER__CAMERA__0", "empty part"),
            ("USHER__LIST__0__X", "not a section"),
            ("USHER__access__margin", "USHER__ACCESS__MARGIN"),
        ] {
            let (_, problems) = overlaid(text, &[(name, "1")]);
            assert_eq!(problems.len(), 1, "{name}: {problems:?}");
            assert!(problems[0].starts_with(&format!("{name}: ")), "{problems:?}");
            assert!(problems[0].contains(part), "{problems:?}");
        }
    }
}
