//! The configuration file as a layer of the configuration: TOML to values, and the line of each.

use std::sync::Arc;

use ::config::{Map, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Origin, Origins, Problem};
use super::text::one_line;

/// Reads TOML. What is not TOML goes to `problems`, and the table holds the rest. `origins` learns the line of each key.
pub fn parse(text: &str, file: &Arc<str>, origins: &mut Origins, problems: &mut Vec<Problem>) -> Map<String, Value> {
    let ends = text.match_indices('\n').map(|(at, _)| at).collect();
    let mut source = Source { file, ends, origins };
    let (root, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    for error in errors {
        let origin = error.span().map_or_else(|| Origin::File(file.clone()), |span| source.line(span.start));
        // The first error of a line causes the others.
        if problems.last().is_none_or(|problem| problem.origin != origin) {
            let what = format!("not valid TOML: {}", one_line(error.message()));
            problems.push(Problem { origin, key: String::new(), what });
        }
    }
    source.table(root.into_inner(), "")
}

/// The file and where its lines end.
struct Source<'a> {
    file: &'a Arc<str>,
    ends: Vec<usize>,
    origins: &'a mut Origins,
}

impl Source<'_> {
    fn line(&self, byte: usize) -> Origin {
        Origin::Line(self.file.clone(), 1 + self.ends.partition_point(|&end| end < byte))
    }

    fn table(&mut self, table: DeTable<'_>, path: &str) -> Map<String, Value> {
        let mut values = Map::new();
        for (key, value) in table {
            // The key's place: a table that only dotted headers open has no place of its own.
            let origin = self.line(key.span().start);
            let path = child(path, key.get_ref());
            self.origins.set(&path, origin);
            values.insert(key.into_inner().into_owned(), self.value(value, &path));
        }
        values
    }

    fn value(&mut self, value: Spanned<DeValue<'_>>, path: &str) -> Value {
        let kind = match value.into_inner() {
            DeValue::String(text) => ValueKind::String(text.into_owned()),
            DeValue::Integer(integer) => {
                let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
                let fitting = number.and_then(|number| i64::try_from(number).ok());
                fitting.map_or(number.map_or(ValueKind::Nil, ValueKind::I128), ValueKind::I64)
            }
            DeValue::Float(number) => number.as_str().parse().map_or(ValueKind::Nil, ValueKind::Float),
            DeValue::Boolean(flag) => ValueKind::Boolean(flag),
            DeValue::Datetime(_) => ValueKind::Nil,
            DeValue::Array(items) => {
                let mut values = Vec::new();
                for (index, item) in items.into_iter().enumerate() {
                    let (path, origin) = (format!("{path}[{index}]"), self.line(item.span().start));
                    self.origins.set(&path, origin);
                    values.push(self.value(item, &path));
                }
                ValueKind::Array(values)
            }
            DeValue::Table(table) => ValueKind::Table(self.table(table, path)),
        };
        Value::new(None, kind)
    }
}

/// The path of `key` below `path`, as in `camera[0].fps`.
pub fn child(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A layer of the configuration: values by their paths.
#[derive(Clone, Debug, Default)]
pub struct Layer(pub Map<String, Value>);

impl ::config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn ::config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ::config::ConfigError> {
        Ok(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Map<String, Value>, Origins, Vec<Problem>) {
        let file: Arc<str> = "f".into();
        let (mut origins, mut problems) = (Origins::new(file.clone()), Vec::new());
        let table = parse(text, &file, &mut origins, &mut problems);
        (table, origins, problems)
    }

    #[test]
    fn every_value_has_its_line() {
        let text = "[access]\nmargin = 0.1\n\n[[camera]]\nname = \"a\"\n[[camera]]\nname = \"b\"\n";
        let (_, origins, problems) = parsed(text);
        assert_eq!(problems, []);
        for (path, line) in
            [("access", 1), ("access.margin", 2), ("camera[0]", 4), ("camera[1]", 6), ("camera[1].name", 7)]
        {
            assert_eq!(origins.of(path), Origin::Line("f".into(), line), "{path}");
        }
    }

    #[test]
    fn every_syntax_error_is_reported_with_its_line() {
        let (table, _, problems) = parsed("a = 1\nb = \nc = 3\nd == 4\na = 5\n");
        let lines: Vec<String> = problems.iter().map(|problem| problem.origin.to_string()).collect();
        assert_eq!(lines, ["f:2", "f:4", "f:5"], "{problems:?}");
        assert_eq!(table["c"].kind, ValueKind::I64(3));
    }
}
