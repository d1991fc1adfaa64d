//! The commands that README.md and docs/*.md hold: whole lines in blocks of code, and those within a sentence that can be typed as they stand.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;

use crate::written::{lines, typed, words};

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
    let (calls, prose) = lines(text);
    let snippets = prose.into_iter().flat_map(|line| line.split('`').skip(1).step_by(2));
    let complete =
        snippets.filter(|snippet| snippet.starts_with("usher ")).map(typed).filter(|typed| is_complete(typed));
    calls.into_iter().map(typed).chain(complete).collect()
}

/// Whether somebody could type it: `usher journal verify`, but not `usher enroll`, which is the name of a command.
fn is_complete(snippet: &str) -> bool {
    let words: Vec<String> = words(snippet)
        .into_iter()
        .map(|word| PLACEHOLDERS.iter().find(|(from, _)| *from == word).map_or(word, |(_, to)| (*to).to_owned()))
        .collect();
    words.len() > 1 && usher::cli::Usher::try_parse_from(words).is_ok()
}

#[test]
fn a_command_ends_before_its_remark_and_its_pipe() {
    let text = "Run `usher journal verify`, or `usher enroll` with a name.\n\n    sudo usher journal list --json | jq .   # all\n\n\
        ```sh\nusher journal erase --person \"#7\"  # of somebody\nusher store key new -\n```\nusher 0.1.0 is an answer.\n";
    let expected = [
        "usher journal list --json",
        "usher journal erase --person \"#7\"",
        "usher store key new -",
        "usher journal verify",
    ];
    assert_eq!(of_document(text), expected);
    assert_eq!(words(expected[1]), ["usher", "journal", "erase", "--person", "#7"]);
}
