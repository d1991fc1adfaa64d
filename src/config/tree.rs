//! A configuration as written, before anybody asks what it means: tables, lists and values, each with the place it was written.
//!
//! Knows nothing of which keys exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Origin, Problem};
use super::text::{excerpt, one_line};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub origin: Origin,
    pub value: Value,
}

/// What can be written.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A TOML string.
    Text(String),
    /// A TOML integer; wider than TOML's 64 bits, so that a number that is too large is told as a range, not as a type.
    Integer(i128),
    Number(f64),
    Flag(bool),
    /// A date, or an integer beyond 128 bits: no key wants one.
    Other(&'static str),
    /// The text of an environment variable: whatever the key wants, when it reads as that.
    Raw(String),
    List(Vec<Node>),
    Table(Table),
}

/// Keys and their nodes.
pub(super) type Table = BTreeMap<String, Node>;

impl Value {
    /// For messages: the value as it was written, shortened.
    pub fn describe(&self) -> String {
        match self {
            Value::Text(text) | Value::Raw(text) => format!("\"{}\"", excerpt(text)),
            Value::Integer(value) => value.to_string(),
            Value::Number(value) => format!("{value:?}"),
            Value::Flag(value) => value.to_string(),
            Value::Other(what) => (*what).to_string(),
            Value::List(_) => "a list".to_string(),
            Value::Table(_) => "a table".to_string(),
        }
    }

    /// A whole number.
    pub fn integer(&self) -> Option<i128> {
        match self {
            Value::Integer(value) => Some(*value),
            Value::Raw(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A number, with or without a fraction.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Integer(value) => Some(*value as f64),
            Value::Number(value) => Some(*value),
            Value::Raw(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// `true` or `false`.
    pub fn flag(&self) -> Option<bool> {
        match self {
            Value::Flag(value) => Some(*value),
            Value::Raw(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::Raw(text) => Some(text),
            _ => None,
        }
    }

    /// A list of numbers; from the environment as `0.6,0.7,0.7`, with or without brackets.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        match self {
            Value::List(items) => items.iter().map(|item| item.value.number()).collect(),
            Value::Raw(text) => {
                let text = text.trim();
                let text = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
                text.split(',').map(|item| item.trim().parse().ok()).collect()
            }
            _ => None,
        }
    }
}

/// Reads TOML. What is not TOML goes to `problems`, and the tree holds the rest.
pub(super) fn parse(text: &str, file: &Arc<str>, problems: &mut Vec<Problem>) -> Table {
    let source = Source { file, lines: text.match_indices('\n').map(|(at, _)| at).collect() };
    let (root, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    for error in errors {
        let origin = error.span().map_or_else(|| Origin::File(file.clone()), |span| source.origin(span.start));
        // The first error of a line causes the others.
        if problems.last().is_none_or(|problem| problem.origin != origin) {
            let what = format!("not valid TOML: {}", one_line(error.message()));
            problems.push(Problem { origin, key: String::new(), what });
        }
    }
    source.table(root.into_inner())
}

/// The file and where its lines end.
struct Source<'a> {
    file: &'a Arc<str>,
    lines: Vec<usize>,
}

impl Source<'_> {
    fn origin(&self, byte: usize) -> Origin {
        Origin::Line(self.file.clone(), 1 + self.lines.partition_point(|&end| end < byte))
    }

    fn table(&self, table: DeTable<'_>) -> Table {
        table
            .into_iter()
            .map(|(key, value)| {
                // The key's place: a table that only dotted headers open has no place of its own.
                let origin = self.origin(key.span().start);
                (key.into_inner().into_owned(), Node { origin, value: self.value(value.into_inner()) })
            })
            .collect()
    }

    fn node(&self, value: Spanned<DeValue<'_>>) -> Node {
        let origin = self.origin(value.span().start);
        Node { origin, value: self.value(value.into_inner()) }
    }

    fn value(&self, value: DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix())
                .map_or(Value::Other("a number beyond all ranges"), Value::Integer),
            DeValue::Float(number) => number.as_str().parse().map_or(Value::Other("no number"), Value::Number),
            DeValue::Boolean(flag) => Value::Flag(flag),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Array(items) => Value::List(items.into_iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => Value::Table(self.table(table)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(node: &Node) -> usize {
        match node.origin {
            Origin::Line(_, line) => line,
            _ => 0,
        }
    }

    fn child<'a>(node: &'a Node, key: &str) -> &'a Node {
        match &node.value {
            Value::Table(table) => &table[key],
            other => panic!("{other:?} is no table"),
        }
    }

    #[test]
    fn every_value_knows_its_line() {
        let text = "[access]\nmargin = 0.1\n\n[[camera]]\nname = \"a\"\n[[camera]]\nname = \"b\"\n";
        let mut problems = Vec::new();
        let tree = parse(text, &"f".into(), &mut problems);
        assert_eq!(problems, []);
        assert_eq!(line(&tree["access"]), 1);
        assert_eq!(line(child(&tree["access"], "margin")), 2);
        let Value::List(cameras) = &tree["camera"].value else { panic!("no list") };
        assert_eq!(cameras.iter().map(line).collect::<Vec<_>>(), [4, 6]);
        assert_eq!(line(child(&cameras[1], "name")), 7);
    }

    #[test]
    fn every_syntax_error_is_told_with_its_line() {
        let mut problems = Vec::new();
        let tree = parse("a = 1\nb = \nc = 3\nd == 4\na = 5\n", &"f".into(), &mut problems);
        let lines: Vec<String> = problems.iter().map(|problem| problem.origin.to_string()).collect();
        assert_eq!(lines, ["f:2", "f:4", "f:5"], "{problems:?}");
        assert!(matches!(tree["c"].value, Value::Integer(3)));
    }
}
