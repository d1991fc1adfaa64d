//! The configuration in force as TOML, key by key, with where each value comes from.

use serde_json::Value;

use super::check::header;
use super::file::child;
use super::problem::{Origin, Origins};
use super::rule::{Rule, Shape};
use super::text::{one_line, quote};

/// One line of the configuration in force.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// `[access]` or `[[camera]]`.
    Header(String),
    /// A key, its value in TOML, and where that comes from.
    Value { key: String, value: String, origin: Origin },
    /// A key, or a section as in `[mqtt]`, that is not set and has no default.
    Unset(String),
}

/// The lines of a whole configuration: `values` are its sections as serde writes them.
pub fn lines(rule: Rule<'_>, values: &Value, origins: &Origins) -> Vec<Line> {
    let mut lines = Vec::new();
    below(rule, values, "", origins, &mut lines);
    lines
}

/// The keys of the section at `path`, then the sections below it: what is written after a header belongs to that.
fn below(rule: Rule<'_>, values: &Value, path: &str, origins: &Origins, lines: &mut Vec<Line>) {
    let mut sections = Vec::new();
    for key in rule.keys() {
        let Some(rule_of_key) = rule.key(key) else { continue };
        let elsewhere = |(other, wanted): (&str, Vec<&str>)| {
            values.get(other).and_then(Value::as_str).is_none_or(|word| !wanted.contains(&word))
        };
        if rule_of_key.only_with().is_some_and(elsewhere) {
            continue;
        }
        let (value, path) = (values.get(key).unwrap_or(&Value::Null), child(path, key));
        match rule_of_key.shape() {
            Shape::Value if value.is_null() => lines.push(Line::Unset(key.to_owned())),
            Shape::Value => {
                let origin = origins.of_value(&path);
                lines.push(Line::Value { key: key.to_owned(), value: toml(value), origin });
            }
            shape => sections.push((rule_of_key, shape, value, path)),
        }
    }
    for (rule, shape, value, path) in sections {
        match (shape, value) {
            (Shape::List(items), Value::Array(entries)) if !entries.is_empty() => {
                for (index, entry) in entries.iter().enumerate() {
                    lines.push(Line::Header(header(&path, true)));
                    below(items, entry, &format!("{path}[{index}]"), origins, lines);
                }
            }
            (Shape::List(_), _) => lines.push(Line::Unset(header(&path, true))),
            (_, Value::Null) => lines.push(Line::Unset(header(&path, false))),
            (_, value) => {
                lines.push(Line::Header(header(&path, false)));
                below(rule, value, &path, origins, lines);
            }
        }
    }
}

/// A value in TOML.
pub fn toml(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// The lines as a TOML file; with `origins`, each value has its place behind it.
pub fn render(lines: &[Line], origins: bool) -> String {
    let mut out = String::new();
    for line in lines {
        let text = match line {
            Line::Header(header) if out.is_empty() => header.clone(),
            Line::Header(header) => format!("\n{header}"),
            Line::Value { key, value, origin } if origins => {
                format!("{:<48} # {}", format!("{key} = {value}"), one_line(&origin.to_string()))
            }
            Line::Value { key, value, .. } => format!("{key} = {value}"),
            Line::Unset(key) if key.starts_with('[') => format!("\n# {key} is not set"),
            Line::Unset(key) => format!("# {key} is not set"),
        };
        out.push_str(&text);
        out.push('\n');
    }
    out
}
