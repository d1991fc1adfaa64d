//! Generates docs/configuration.md and docs/usher.example.toml from the sections. The test below fails while they differ from what is in
//! docs/; `UPDATE_DOCS=1 cargo test --lib config::reference` writes them anew.

use std::path::Path;

use serde_json::Value;

use super::check::{either, header};
use super::file::child;
use super::rule::{Rule, Shape};
use super::{root, show};

/// What comes before the reference of the sections.
const INTRODUCTION: &str = include_str!("reference.md");
/// The example: its own lines as they are; lines that begin with `%` become sections and keys with their comments.
const EXAMPLE: &str = include_str!("example.toml");
/// The longest line of a comment in the example.
const WIDTH: usize = 120;

/// Each section with its header, those below a section after it.
fn sections(rule: Rule<'static>, path: &str, found: &mut Vec<(String, Rule<'static>)>) {
    for key in rule.keys() {
        let (rule, path) = (rule.key(key).unwrap(), child(path, key));
        let (section, list) = match rule.shape() {
            Shape::Value => continue,
            Shape::List(items) => (items, true),
            Shape::Section => (rule, false),
        };
        found.push((header(&path, list), section));
        sections(section, &path, found);
    }
}

fn all_sections() -> Vec<(String, Rule<'static>)> {
    let mut found = Vec::new();
    sections(root(), "", &mut found);
    found
}

fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (header, section) in all_sections() {
        text += &format!("\n## `{header}`\n\n{}\n\n", section.about());
        text += "| key | default | range | meaning |\n|---|---|---|---|\n";
        for key in section.keys() {
            let rule = section.key(key).unwrap();
            if matches!(rule.shape(), Shape::Value) {
                let only = rule.only_with().map(|(other, values)| {
                    let quoted = values.iter().enumerate().map(|(at, value)| match at {
                        0 => format!("`{other} = \"{value}\"`"),
                        _ => format!("`\"{value}\"`"),
                    });
                    format!("Only with {}. ", either(&quoted.collect::<Vec<_>>()))
                });
                let meaning = format!("{}{}", only.unwrap_or_default(), one_paragraph(&rule.about()));
                text += &format!("| `{key}` | {} | {} | {meaning} |\n", default(section, key), rule.range_in_words());
            }
        }
    }
    text
}

fn default(section: Rule<'_>, key: &str) -> String {
    let rule = section.key(key).unwrap();
    match (rule.default_in_words(), rule.default()) {
        _ if section.required().contains(&key) => "required".to_owned(),
        (Some(words), _) => words.to_owned(),
        (None, None | Some(Value::Null)) => "not set".to_owned(),
        (None, Some(value)) => format!("`{}`", show::toml(value)),
    }
}

fn one_paragraph(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn example() -> String {
    let all = all_sections();
    let mut section = None;
    let mut text = String::new();
    for line in EXAMPLE.lines() {
        let (own, rest) = line.strip_prefix('%').map_or((true, line), |order| (false, order));
        let (off, order) = rest.strip_prefix('#').map_or(("", rest), |order| ("#", order));
        section = all.iter().find(|(header, _)| header == order).map(|(_, found)| *found).or(section);
        if own {
            text += &format!("{line}\n");
        } else if order.starts_with('[') {
            // The comment's first paragraph; tables and lists are for the reference.
            let about = section.unwrap().about();
            text += &comment(about.split("\n\n").next().unwrap_or_default());
            text += &format!("{off}{order}\n");
        } else if order == "*" {
            let section = section.unwrap();
            let values = |key: &&str| matches!(section.key(key).unwrap().shape(), Shape::Value);
            section.keys().into_iter().filter(values).for_each(|key| text += &setting(section, key, None));
        } else {
            let (key, value) = order.split_once(" = ").map_or((order, None), |(key, value)| (key, Some(value)));
            text += &setting(section.unwrap(), key, value);
        }
    }
    text
}

/// A key with its comment, turned off, at `value`, else at its default, else at its example.
fn setting(section: Rule<'_>, key: &str, value: Option<&str>) -> String {
    let rule = section.key(key).unwrap_or_else(|| panic!("no {key}"));
    let telling = |value: &&Value| ![Value::Null, "".into(), Value::Array(Vec::new())].contains(value);
    let usual = rule.default().filter(telling).or(rule.example()).or(rule.default());
    let value = value.map_or_else(|| show::toml(usual.unwrap_or_else(|| panic!("no value for {key}"))), str::to_owned);
    format!("{}#{key} = {value}\n", comment(&rule.about()))
}

/// Markdown as lines of a comment: without links, and without references that are nothing but a link.
fn comment(text: &str) -> String {
    let mut plain = one_paragraph(text).replace(['`', '*'], "");
    while let Some((before, rest)) = plain.split_once("](") {
        let (_, after) = rest.split_once(')').unwrap();
        let (before, name) = before.rsplit_once('[').unwrap();
        plain = match (before.strip_suffix(" ("), after.strip_prefix(')')) {
            (Some(before), Some(after)) => format!("{before}{after}"),
            _ => format!("{before}{name}{after}"),
        };
    }
    let (mut lines, mut line) = (String::new(), String::from("#"));
    for word in plain.split(' ') {
        if line.len() + word.len() >= WIDTH {
            lines += &format!("{line}\n");
            line = String::from("#");
        }
        line += &format!(" {word}");
    }
    lines + &line + "\n"
}

#[test]
fn the_documents_are_those_of_the_sections() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for (name, text) in [("configuration.md", reference()), ("usher.example.toml", example())] {
        let path = docs.join(name);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, text).unwrap();
        } else if std::fs::read_to_string(&path).unwrap() != text {
            panic!("docs/{name} is not up to date: run UPDATE_DOCS=1 cargo test --lib config::reference");
        }
    }
}

#[test]
fn every_section_and_key_is_explained() {
    for (header, section) in all_sections() {
        assert!(!section.about().is_empty(), "{header}");
        for key in section.keys() {
            let rule = section.key(key).unwrap();
            assert!(!rule.about().is_empty(), "{header} {key}");
            assert!(!matches!(rule.shape(), Shape::Value) || !rule.range_in_words().is_empty(), "{header} {key}");
        }
    }
}
