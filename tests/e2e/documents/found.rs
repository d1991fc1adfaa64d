//! The commands that README.md and docs/*.md hold: whole lines in blocks of code, and those within a sentence that can be typed as they stand.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;

/// Words that stand for something else in a sentence, and what the parser takes there.
const PLACEHOLDERS: [(&str, &str); 1] = [("DAY", "2026-05-04")];

/// README.md and docs/*.md.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    std::iter::once(root.join("README.md")).chain(pages).collect()
}

/// Each command, as it is written, with the document that has it.
pub fn commands() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for document in documents() {
        let name = document.file_name().unwrap().to_str().unwrap();
        for command in of_document(&fs::read_to_string(&document).unwrap()) {
            found.entry(command).or_insert_with(|| name.to_owned());
        }
    }
    found
}

fn of_document(text: &str) -> Vec<String> {
    let mut in_block = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block || line.starts_with("    ") {
            let line = line.trim().trim_start_matches("sudo ").trim_start_matches("-u usher ");
            // `usher 0.1.0 on usher, up 9 s` is an answer.
            let is_called = |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '-');
            if line.strip_prefix("usher ").is_some_and(is_called) {
                found.push(typed(line));
            }
        } else {
            let snippets = line.split('`').skip(1).step_by(2).filter(|snippet| snippet.starts_with("usher "));
            found.extend(snippets.map(typed).filter(|snippet| is_complete(snippet)));
        }
    }
    found
}

/// A line without what may be left out of it, the remark behind it, and the pipe after it.
fn typed(line: &str) -> String {
    let line = line.split(" [").next().unwrap();
    let (mut quote, mut end) = (None, line.len());
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') if before == ' ' => end = end.min(at),
            (None, '|' | '>' | '<' | ';' | '&') => end = end.min(at),
            _ => {}
        }
        before = c;
    }
    line[..end].trim_end().to_owned()
}

/// Whether somebody could type it: `usher journal verify`, but not `usher enroll`, which is the name of a command.
fn is_complete(snippet: &str) -> bool {
    let words: Vec<String> = words(snippet)
        .into_iter()
        .map(|word| PLACEHOLDERS.iter().find(|(from, _)| *from == word).map_or(word, |(_, to)| (*to).to_owned()))
        .collect();
    words.len() > 1 && usher::cli::Usher::try_parse_from(words).is_ok()
}

/// The words of a command, as a shell would have them.
pub fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn a_command_ends_before_its_remark_and_its_pipe() {
    let text = "Run `usher journal verify`, or `usher enroll` with a name.\n\n    sudo usher journal list --json | jq .   # all\n\n\
        ```sh\nusher journal erase --person \"#7\"  # of somebody\nusher store key new -\n```\nusher 0.1.0 is an answer.\n";
    let expected = [
        "usher journal verify",
        "usher journal list --json",
        "usher journal erase --person \"#7\"",
        "usher store key new -",
    ];
    assert_eq!(of_document(text), expected);
    assert_eq!(words(expected[2]), ["usher", "journal", "erase", "--person", "#7"]);
}
