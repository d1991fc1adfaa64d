//! Checks values against the rules of their sections, all of them, and removes what is wrong so that defaults stand in for it.

use ::config::{Map, Value, ValueKind};

use super::file::child;
use super::problem::{Origin, Origins, Problem};
use super::rule::{Rule, Shape};
use super::text::{excerpt, nearest, quote};

/// One reading's check.
pub struct Check<'a> {
    pub origins: &'a Origins,
    pub problems: &'a mut Vec<Problem>,
}

/// Why a key or a section is not known, with the nearest one that is.
pub fn unknown(rule: Rule<'_>, key: &str, path: &str) -> String {
    let known = rule.keys();
    match (nearest(key, &known), path.is_empty()) {
        (Some(near), true) => format!("unknown section; did you mean [{near}]?"),
        (None, true) => format!("unknown section; the sections are {}", known.join(", ")),
        (Some(near), false) => format!("unknown key; did you mean {near}?"),
        (None, false) => format!("unknown key; the keys here are {}", known.join(", ")),
    }
}

impl Check<'_> {
    fn report(&mut self, path: &str, what: String) {
        self.problems.push(Problem { origin: self.origins.of(path), key: excerpt(path), what });
    }

    /// Removes the keys of a section that are not known.
    pub fn remove_unknown(&mut self, rule: Rule<'_>, table: &mut Map<String, Value>, path: &str) {
        let known = rule.keys();
        let unknown_keys: Vec<String> = table.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect();
        for key in unknown_keys {
            table.remove(&key);
            self.report(&child(path, &key), unknown(rule, &key, path));
        }
    }

    /// Checks the section at `path` with all that is below it.
    pub fn section(&mut self, rule: Rule<'_>, table: &mut Map<String, Value>, path: &str) {
        self.remove_unknown(rule, table, path);
        let mut unreadable: Vec<&str> = Vec::new();
        for key in rule.keys() {
            let Some(rule_of_key) = rule.key(key) else { continue };
            let full = child(path, key);
            let applies = rule_of_key.only_with().is_none_or(|(other, values)| {
                unreadable.contains(&other)
                    || written_word(rule, table, other).is_some_and(|word| values.contains(&word))
            });
            let Some(value) = table.get_mut(key) else {
                let chosen = rule_of_key.only_with().is_none_or(|(other, _)| !unreadable.contains(&other));
                if applies && chosen && rule.required().contains(&key) && !path.is_empty() {
                    let origin = self.origins.of(path);
                    let what = format!("{key} is missing; it must be {}", rule_of_key.expects(None));
                    self.problems.push(Problem { origin, key: full, what });
                }
                continue;
            };
            let sound = match (applies, rule_of_key.only_with()) {
                (false, Some((other, wanted))) => {
                    let wanted: Vec<String> = wanted.into_iter().map(quote).collect();
                    self.report(&full, format!("belongs to {other} {} only; remove it", either(&wanted)));
                    false
                }
                _ => self.value(rule_of_key, value, &full),
            };
            if !sound {
                unreadable.push(key);
                table.remove(key);
            }
        }
    }

    /// Checks what is written at `path`; `false` when it is to be removed.
    fn value(&mut self, rule: Rule<'_>, value: &mut Value, path: &str) -> bool {
        match (rule.shape(), &mut value.kind) {
            (Shape::Section, ValueKind::Table(table)) => {
                self.section(rule, table, path);
                true
            }
            (Shape::Section, other) => {
                let what = format!("must be a section headed {}; found {}", header(path, false), describe(other));
                self.report(path, what);
                false
            }
            (Shape::List(items), ValueKind::Array(entries))
                if entries.iter().all(|entry| matches!(entry.kind, ValueKind::Table(_))) =>
            {
                for (index, entry) in entries.iter_mut().enumerate() {
                    if let ValueKind::Table(table) = &mut entry.kind {
                        self.section(items, table, &format!("{path}[{index}]"));
                    }
                }
                true
            }
            (Shape::List(_), other) => {
                let header = header(path, true);
                let what = format!("must be a list of tables, each headed {header}; found {}", describe(other));
                self.report(path, what);
                false
            }
            (Shape::Value, _) => {
                let raw = matches!(self.origins.of(path), Origin::Environment(_));
                if let Some(kind) = rule.accept(value, raw) {
                    value.kind = kind;
                    return true;
                }
                let word = match &value.kind {
                    ValueKind::String(text) => Some(text.as_str()),
                    _ => None,
                };
                let what = format!("must be {}; found {}", rule.expects(word), describe(&value.kind));
                self.report(path, what);
                false
            }
        }
    }
}

/// `a`, `a or b`, `a, b or c`
pub fn either(words: &[String]) -> String {
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// The word at `key`, or its default.
fn written_word<'a>(rule: Rule<'a>, table: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    match table.get(key).map(|value| &value.kind) {
        Some(ValueKind::String(word)) => Some(word),
        _ => rule.key(key)?.default()?.as_str(),
    }
}

/// How a section is headed, as in `[door.relay]` or `[[camera]]`.
pub fn header(path: &str, list: bool) -> String {
    let mut plain = String::new();
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    if list { format!("[[{plain}]]") } else { format!("[{plain}]") }
}

/// A value as it was written, shortened for a message.
fn describe(value: &ValueKind) -> String {
    match value {
        ValueKind::String(text) => format!("\"{}\"", excerpt(text)),
        ValueKind::I64(number) => number.to_string(),
        ValueKind::U64(number) => number.to_string(),
        ValueKind::I128(number) => number.to_string(),
        ValueKind::U128(number) => number.to_string(),
        ValueKind::Float(number) => format!("{number:?}"),
        ValueKind::Boolean(flag) => flag.to_string(),
        ValueKind::Nil => "a date, or a number beyond all ranges".to_owned(),
        ValueKind::Array(values) if values.is_empty() => "an empty list".to_owned(),
        ValueKind::Array(values) => {
            let mut shown: Vec<String> = values.iter().take(8).map(|value| describe(&value.kind)).collect();
            if values.len() > shown.len() {
                shown.push("…".to_owned());
            }
            format!("[{}]", shown.join(", "))
        }
        ValueKind::Table(_) => "a table".to_owned(),
    }
}
