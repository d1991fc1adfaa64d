//! Typed questions to a [`tree`](super::tree): "`fps` as a whole number from 1 to 120, by default 15". Every answer that is wrong
//! becomes a problem and the default stands in, so that one reading finds all problems. What was asked is what is known: a
//! section that is closed with a key left over has an unknown key.
//!
//! Knows nothing of which keys exist.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::problem::{Origin, Problem};
use super::text::{bytes, duration, excerpt, from_bytes, from_duration, nearest, quote};
use super::tree::{Node, Table, Value};

/// One line of the effective configuration.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    /// `[access]` or `[[camera]]`.
    Header(String),
    /// A key, its value in TOML, and where that comes from.
    Value { key: &'static str, value: String, origin: Origin },
    /// A key, or a section as in `[mqtt]`, that is not set and has no default.
    Unset(String),
}

/// What a reading has found so far.
pub(super) struct Reader {
    file: Arc<str>,
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
    pub lines: Vec<Line>,
    /// Where the value of each key came from, by its full name.
    origins: BTreeMap<String, Origin>,
}

/// A rule that a text has to keep; says what would be right when it does not.
pub(super) type Rule = fn(&str) -> Result<(), &'static str>;

impl Reader {
    /// Begins a reading of `file`, with the problems found so far.
    pub fn new(file: Arc<str>, problems: Vec<Problem>) -> Reader {
        Reader { file, problems, warnings: Vec::new(), lines: Vec::new(), origins: BTreeMap::new() }
    }

    /// Where `key` was written; the file as a whole when it was not.
    fn origin(&self, key: &str) -> Origin {
        match self.origins.get(key) {
            Some(Origin::Default) | None => Origin::File(self.file.clone()),
            Some(origin) => origin.clone(),
        }
    }

    /// Notes that the value of `key` does not fit the others.
    pub fn reject(&mut self, key: &str, what: impl Display) {
        self.problems.push(Problem { origin: self.origin(key), key: key.to_string(), what: what.to_string() });
    }

    /// Notes that the value of `key` can be meant, but hardly is.
    pub fn warn(&mut self, key: &str, what: impl Display) {
        self.warnings.push(Problem { origin: self.origin(key), key: key.to_string(), what: what.to_string() });
    }

    /// Whether the value of `key` was written, not left to the default.
    pub fn is_set(&self, key: &str) -> bool {
        !matches!(self.origins.get(key), Some(Origin::Default) | None)
    }

    /// Whether nothing is wrong with any of `keys` so far; a check between keys is about values as written, not about stand-ins.
    pub fn sound(&self, keys: &[&str]) -> bool {
        self.problems.iter().all(|problem| !keys.contains(&problem.key.as_str()))
    }

    /// Opens the section `[name]` of the root; an empty one when it is not there.
    pub fn section(&mut self, root: &mut Table, name: &'static str) -> Section<'_> {
        let node = root.remove(name);
        Section::open(self, name.to_string(), name.to_string(), format!("[{name}]"), node)
    }

    /// Opens the section `[name]` when it is there.
    pub fn optional_section(&mut self, root: &mut Table, name: &'static str) -> Option<Section<'_>> {
        if root.contains_key(name) {
            return Some(self.section(root, name));
        }
        self.lines.push(Line::Unset(format!("[{name}]")));
        None
    }

    /// Reads each `[[name]]` of the root; there may be none.
    pub fn optional_list<T>(
        &mut self,
        root: &mut Table,
        name: &'static str,
        read: impl FnMut(&mut Section<'_>) -> T,
    ) -> Vec<T> {
        if root.contains_key(name) {
            return self.list(root, name, read);
        }
        self.lines.push(Line::Unset(format!("[[{name}]]")));
        Vec::new()
    }

    /// Reads each `[[name]]` of the root; at least one has to be there.
    pub fn list<T>(
        &mut self,
        root: &mut Table,
        name: &'static str,
        mut read: impl FnMut(&mut Section<'_>) -> T,
    ) -> Vec<T> {
        let items = match root.remove(name) {
            None => Vec::new(),
            Some(Node { value: Value::List(items), .. }) => items,
            Some(node) => {
                let what = format!("must be a list of tables, each headed [[{name}]]; found {}", node.value.describe());
                self.problems.push(Problem { origin: node.origin, key: name.to_string(), what });
                return Vec::new();
            }
        };
        if items.is_empty() {
            let what = format!("at least one [[{name}]] is needed; docs/configuration.md shows one");
            self.problems.push(Problem { origin: Origin::File(self.file.clone()), key: name.to_string(), what });
        }
        let read_one = |(index, node)| {
            let (full, header) = (format!("{name}[{index}]"), format!("[[{name}]]"));
            let mut section = Section::open(self, full, name.to_string(), header, Some(node));
            let value = read(&mut section);
            section.close();
            value
        };
        items.into_iter().enumerate().map(read_one).collect()
    }

    /// Ends the reading of the root, which knows `sections`: what is left over is unknown.
    pub fn close(&mut self, root: Table, sections: &[&str]) {
        for (key, node) in root {
            let hint = match nearest(&key, sections) {
                Some(near) => format!("unknown section; did you mean [{near}]?"),
                None => format!("unknown section; the sections are {}", sections.join(", ")),
            };
            self.unknown(&key, node, &hint);
        }
    }

    /// A problem for `node` and for each variable that set something below it.
    fn unknown(&mut self, key: &str, node: Node, what: &str) {
        let below = match node.value {
            Value::Table(table) => table.into_values().collect(),
            Value::List(items) => items,
            _ => Vec::new(),
        };
        for child in below.into_iter().filter(|child| matches!(child.origin, Origin::Environment(_))) {
            self.unknown(key, child, what);
        }
        self.problems.push(Problem { origin: node.origin, key: excerpt(key), what: what.to_string() });
    }
}

/// One table being read. Each question names its key; [`Section::close`] tells of keys that nobody asked for.
pub(super) struct Section<'r> {
    reader: &'r mut Reader,
    /// Full name, as in `access` or `camera[0]`.
    name: String,
    /// What a header says before the name of a table below this one, as in `runtime` or `door`: the last of a list is meant.
    path: String,
    table: Table,
    origin: Origin,
    known: Vec<&'static str>,
}

impl<'r> Section<'r> {
    fn open(reader: &'r mut Reader, name: String, path: String, header: String, node: Option<Node>) -> Section<'r> {
        reader.lines.push(Line::Header(header.clone()));
        let (table, origin) = match node {
            None => (Table::new(), Origin::File(reader.file.clone())),
            Some(Node { value: Value::Table(table), origin }) => (table, origin),
            Some(Node { value, origin }) => {
                let what = format!("must be a section headed {header}; found {}", value.describe());
                reader.problems.push(Problem { origin: origin.clone(), key: name.clone(), what });
                (Table::new(), origin)
            }
        };
        Section { reader, name, path, table, origin, known: Vec::new() }
    }

    /// The full name of `key`.
    pub fn full(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    /// Asks for `key`. `read` says what would be right when it cannot read the value; `default` stands in then, and when the key
    /// is absent. `write` is the reverse of `read`, in TOML.
    pub fn ask<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Value) -> Result<T, String>,
        write: impl FnOnce(&T) -> String,
    ) -> T {
        self.known.push(key);
        let full = self.full(key);
        let (value, origin) = match self.table.remove(key) {
            None => (default, Origin::Default),
            Some(node) => {
                let value = read(&node.value).unwrap_or_else(|right| {
                    let what = format!("must be {right}; found {}", node.value.describe());
                    self.reader.problems.push(Problem { origin: node.origin.clone(), key: full.clone(), what });
                    default
                });
                (value, node.origin)
            }
        };
        self.reader.lines.push(Line::Value { key, value: write(&value), origin: origin.clone() });
        self.reader.origins.insert(full, origin);
        value
    }

    /// Notes that `key` is missing when it is.
    pub fn require(&mut self, key: &'static str, right: &str) {
        if !self.table.contains_key(key) {
            let (origin, full) = (self.origin.clone(), self.full(key));
            // The section may stand in the file or in a variable's name; say the key either way.
            let what = format!("{key} is missing; it must be {right}");
            self.reader.problems.push(Problem { origin, key: full, what });
        }
    }

    /// A whole number.
    pub fn integer(&mut self, key: &'static str, range: RangeInclusive<u32>, default: u32) -> u32 {
        let read = |value: &Value| {
            let number = value.integer().and_then(|number| u32::try_from(number).ok());
            number
                .filter(|number| range.contains(number))
                .ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
        };
        self.ask(key, default, read, u32::to_string)
    }

    /// A TCP port.
    pub fn port(&mut self, key: &'static str, default: u16) -> u16 {
        let read = |value: &Value| {
            let port = value.integer().and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0);
            port.ok_or_else(|| "a port from 1 to 65535".to_string())
        };
        self.ask(key, default, read, u16::to_string)
    }

    /// A number, with or without a fraction.
    pub fn number(&mut self, key: &'static str, range: RangeInclusive<f64>, default: f64) -> f64 {
        let read = |value: &Value| {
            let number = value.number().filter(|number| range.contains(number));
            number.ok_or_else(|| format!("a number from {} to {}", range.start(), range.end()))
        };
        self.ask(key, default, read, |number| format!("{number:?}"))
    }

    /// A list of `N` numbers.
    pub fn numbers<const N: usize>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
        default: [f64; N],
    ) -> [f64; N] {
        let read = |value: &Value| {
            let numbers = value.numbers().and_then(|numbers| <[f64; N]>::try_from(numbers).ok());
            numbers
                .filter(|numbers| numbers.iter().all(|number| range.contains(number)))
                .ok_or_else(|| format!("a list of {N} numbers, each from {} to {}", range.start(), range.end()))
        };
        self.ask(key, default, read, |numbers| format!("{numbers:?}"))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let read = |value: &Value| value.flag().ok_or_else(|| "true or false".to_string());
        self.ask(key, default, read, bool::to_string)
    }

    /// A span of time.
    pub fn duration(&mut self, key: &'static str, range: RangeInclusive<Duration>, default: Duration) -> Duration {
        let read = |value: &Value| {
            let span = value.text().and_then(duration).filter(|span| range.contains(span));
            span.ok_or_else(|| {
                let (least, most) = (from_duration(*range.start()), from_duration(*range.end()));
                format!("a duration from \"{least}\" to \"{most}\": a whole number and one of ms, s, m, h, in quotes")
            })
        };
        self.ask(key, default, read, |span| quote(&from_duration(*span)))
    }

    /// A size in bytes.
    pub fn size(&mut self, key: &'static str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let read = |value: &Value| {
            let bytes = value.text().and_then(bytes).filter(|bytes| range.contains(bytes));
            bytes.ok_or_else(|| {
                let (least, most) = (from_bytes(*range.start()), from_bytes(*range.end()));
                format!("a size from \"{least}\" to \"{most}\": a whole number and one of KB, MB, GB, in quotes")
            })
        };
        self.ask(key, default, read, |bytes| quote(&from_bytes(*bytes)))
    }

    /// One of a few words; the first is the default.
    pub fn choice<T: Copy + PartialEq, const N: usize>(
        &mut self,
        key: &'static str,
        choices: [(&'static str, T); N],
    ) -> T {
        const { assert!(N > 0) };
        let (_, default) = choices[0];
        let read = |value: &Value| {
            let word = value.text();
            let found = word.and_then(|word| choices.iter().find(|(name, _)| *name == word));
            found.map(|(_, choice)| *choice).ok_or_else(|| {
                let names = choices.map(|(name, _)| name);
                let hint = word.filter(|_| N > 1).and_then(|word| nearest(word, &names));
                let hint = hint.map(|near| format!(" (did you mean \"{near}\"?)")).unwrap_or_default();
                format!("one of {}{hint}", names.map(quote).join(", "))
            })
        };
        let write = |choice: &T| {
            let name = choices.iter().find(|(_, other)| other == choice).map_or("", |(name, _)| name);
            quote(name)
        };
        self.ask(key, default, read, write)
    }

    /// One of a few words; there is no default, and the first stands in when the key is missing.
    pub fn required_choice<T: Copy + PartialEq, const N: usize>(
        &mut self,
        key: &'static str,
        choices: [(&'static str, T); N],
    ) -> T {
        self.require(key, &format!("one of {}", choices.map(|(name, _)| quote(name)).join(", ")));
        self.choice(key, choices)
    }

    /// Text that keeps `rule`.
    pub fn text(&mut self, key: &'static str, rule: Rule, default: &str) -> String {
        self.ask(key, default.to_string(), |value| ruled(value, rule), |text| quote(text))
    }

    /// Text that keeps `rule` and has no default.
    pub fn required_text(&mut self, key: &'static str, rule: Rule, right: &str) -> String {
        self.require(key, right);
        self.text(key, rule, "")
    }

    /// Text that keeps `rule`, when it is there.
    pub fn optional_text(&mut self, key: &'static str, rule: Rule) -> Option<String> {
        if self.table.contains_key(key) {
            return Some(self.text(key, rule, ""));
        }
        self.known.push(key);
        self.reader.lines.push(Line::Unset(key.to_string()));
        None
    }

    /// A list of texts, each of which `read` turns into a value, or says what would be right; by default empty. From the environment
    /// with `;` between them.
    pub fn texts<T>(&mut self, key: &'static str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let one = |text: &str| match read(text.trim()) {
            Ok(value) => Ok((text.trim().to_owned(), value)),
            Err(right) => Err(format!("a list of texts, each {right}")),
        };
        let read = |value: &Value| match value {
            Value::List(items) => {
                let text = |item: &Node| item.value.text().map(str::to_owned).ok_or("a list of texts, each in quotes");
                items.iter().map(|item| one(&text(item)?)).collect()
            }
            Value::Raw(text) if text.trim().is_empty() => Ok(Vec::new()),
            Value::Raw(text) => text.split(';').map(one).collect(),
            _ => Err("a list of texts, in square brackets".to_owned()),
        };
        let write = |values: &Vec<(String, T)>| {
            format!("[{}]", values.iter().map(|(text, _)| quote(text)).collect::<Vec<_>>().join(", "))
        };
        self.ask(key, Vec::new(), read, write).into_iter().map(|(_, value)| value).collect()
    }

    /// The same, and it must be there with at least one text.
    pub fn required_texts<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
        right: &str,
    ) -> Vec<T> {
        self.require(key, right);
        let written = self.table.contains_key(key);
        let values = self.texts(key, read);
        if written && values.is_empty() && self.reader.sound(&[&self.full(key)]) {
            self.reader.reject(&self.full(key), format!("must be {right}; it is empty"));
        }
        values
    }

    /// The path of a file or a folder; "" only when the default is.
    pub fn path(&mut self, key: &'static str, default: &str) -> PathBuf {
        let rule: Rule = if default.is_empty() { path_or_nothing } else { path };
        PathBuf::from(self.text(key, rule, default))
    }

    /// The path of a file or a folder; there is no default.
    pub fn required_path(&mut self, key: &'static str, right: &str) -> PathBuf {
        PathBuf::from(self.required_text(key, path, right))
    }

    /// The table `key` below this one, as in `[runtime.per_model]`; ask for it after the section's own keys.
    pub fn table(&mut self, key: &'static str) -> Section<'_> {
        self.known.push(key);
        let node = self.table.remove(key);
        let (full, path) = (self.full(key), format!("{}.{key}", self.path));
        let header = format!("[{path}]");
        Section::open(self.reader, full, path, header, node)
    }

    /// [`Section::table`] when it is there.
    pub fn optional_table(&mut self, key: &'static str) -> Option<Section<'_>> {
        if self.table.contains_key(key) {
            return Some(self.table(key));
        }
        self.known.push(key);
        self.reader.lines.push(Line::Unset(format!("[{}.{key}]", self.path)));
        None
    }

    /// Asks for `key` when it is there, as [`Section::ask`] does; `None` also when it cannot be read.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
        write: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            self.known.push(key);
            self.reader.lines.push(Line::Unset(key.to_string()));
            return None;
        }
        let written = |value: &Option<T>| value.as_ref().map_or_else(String::new, write);
        self.ask(key, None, |value| read(value).map(Some), written)
    }

    /// Tells of each of `keys` that is written although it belongs to `owner` and not here.
    pub fn misplaced(&mut self, keys: &[&'static str], owner: &str) {
        for key in keys {
            if let Some(node) = self.table.remove(*key) {
                let (full, what) = (self.full(key), format!("belongs to {owner} only; remove it"));
                self.reader.problems.push(Problem { origin: node.origin, key: full, what });
            }
        }
    }

    /// Ends the section: what is left over is unknown.
    pub fn close(mut self) {
        for (key, node) in std::mem::take(&mut self.table) {
            let hint = match nearest(&key, &self.known) {
                Some(near) => format!("unknown key; did you mean {near}?"),
                None => format!("unknown key; the keys here are {}", self.known.join(", ")),
            };
            let full = self.full(&key);
            self.reader.unknown(&full, node, &hint);
        }
    }
}

fn ruled(value: &Value, rule: Rule) -> Result<String, String> {
    let text = value.text().ok_or("text in quotes")?;
    rule(text)?;
    Ok(text.to_string())
}

/// Any path.
fn path(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.contains('\0') { Err("a path") } else { Ok(()) }
}

fn path_or_nothing(text: &str) -> Result<(), &'static str> {
    if text.is_empty() { Ok(()) } else { path(text) }
}
