//! The documents and the program agree: links lead somewhere, and each command that is named exists.
//!
//! Whether what they say is true is checked elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

#[path = "support/documents.rs"]
mod written;

/// README.md, CHANGELOG.md, ARCHITECTURE.md, docs/*.md and docs/decisions/*.md.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents: Vec<PathBuf> =
        ["README.md", "CHANGELOG.md", "ARCHITECTURE.md"].iter().map(|name| root.join(name)).collect();
    for folder in ["docs", "docs/decisions"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "md") {
                documents.push(path);
            }
        }
    }
    documents
}

/// The targets of `[text](target)`, outside of blocks of code.
fn links(text: &str) -> Vec<String> {
    let mut in_code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code && !line.starts_with("    ") {
            found.extend(line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(to, _)| to.to_owned()));
        }
    }
    found
}

/// The anchors that a Markdown renderer makes of a document's headings: small letters, digits and hyphens.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            words.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect()
        })
        .collect()
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut broken = Vec::new();
    let mut checked = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text).iter().filter(|link| !link.contains("://")) {
            checked += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let heading_is_there =
                || anchor.is_empty() || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor);
            if !target.exists() || !heading_is_there() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(checked > 0, "no links were found");
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

/// The package has docs/ at one place, so links between its pages work there if what they lead to is packaged, too.
#[test]
fn every_folder_that_the_documents_link_to_is_in_the_package() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let mut checked = 0;
    for document in documents().iter().filter(|path| path.parent().unwrap().ends_with("docs")) {
        for link in links(&fs::read_to_string(document).unwrap()) {
            let Some((folder, _)) = link.split_once('/').filter(|_| !link.contains("://")) else { continue };
            let asset = format!("[\"docs/{folder}/*.md\", \"usr/share/doc/usher/{folder}/\"");
            checked += usize::from(folder != "..");
            assert!(folder == ".." || manifest.contains(&asset), "{}: {link} is not packaged", document.display());
        }
    }
    assert!(checked > 0, "no links into folders were found");
}

/// `usher people list` in code, as `["people", "list"]`: the small-letter words that follow the program's name.
fn commands(text: &str) -> BTreeSet<Vec<String>> {
    let (blocks, prose) = written::lines(text);
    let named = prose.into_iter().flat_map(|line| line.split('`').skip(1).step_by(2));
    let calls = blocks.into_iter().chain(named).filter_map(|snippet| snippet.strip_prefix("usher "));
    calls
        .map(|call| {
            let word = |w: &&str| w.len() > 1 && w.chars().all(|c| c.is_ascii_lowercase());
            call.split(' ').take_while(word).map(str::to_owned).collect::<Vec<_>>()
        })
        .filter(|words| !words.is_empty())
        .collect()
}

/// The names in the list of commands of `usher <of> --help`.
fn subcommands(of: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_usher")).args(of).arg("--help").output().unwrap();
    assert!(output.status.success(), "usher {of:?} --help fails");
    let help = String::from_utf8(output.stdout).unwrap();
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    list.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_command_in_the_documents_exists() {
    let all = subcommands(&[]);
    let mut checked = 0;
    for document in documents() {
        for command in commands(&fs::read_to_string(&document).unwrap()) {
            checked += 1;
            let name = command[0].as_str();
            assert!(all.contains(name), "{}: there is no `usher {name}`", document.display());
            let actions = subcommands(&[name]);
            if let (false, Some(action)) = (actions.is_empty(), command.get(1)) {
                assert!(actions.contains(action), "{}: there is no `usher {name} {action}`", document.display());
            }
        }
    }
    assert!(checked > 0, "no commands were found");
}

#[test]
fn every_command_in_a_block_of_code_is_understood() {
    use clap::Parser as _;
    let (mut checked, mut wrong) = (0, Vec::new());
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        // Not `usher enroll NAME FILE…`, nor what a shell fills in; within quotes both are text.
        let is_whole =
            |line: &String| line.split(['"', '\'']).step_by(2).all(|outside| !outside.contains(['\\', '$', '…']));
        let whole = written::lines(&text).0.into_iter().map(written::typed).filter(is_whole);
        for call in whole.map(|line| written::words(&line)).filter(|call| call.len() > 1) {
            checked += 1;
            if call.get(1).is_some_and(|command| command == "train") && !cfg!(feature = "train") {
                continue;
            }
            let Err(error) = usher::cli::Usher::try_parse_from(&call) else { continue };
            if error.use_stderr() {
                wrong.push(format!("{}: {}: {error}", document.display(), call.join(" ")));
            }
        }
    }
    assert!(checked > 50, "only {checked} commands were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All of the program's source as one text.
fn source() -> String {
    fn collect(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => collect(&path, text),
                false => text.push_str(&fs::read_to_string(&path).unwrap_or_default()),
            }
        }
    }
    let mut text = String::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
    text
}

/// The message of a line of the log, without its level and its fields: `INFO camera open camera=porch`.
fn message(line: &str) -> Option<String> {
    let levels = ["INFO ", "WARN ", "ERROR "];
    let rest = levels.iter().find_map(|level| line.trim().strip_prefix(level))?;
    let words: Vec<&str> = rest.split(' ').take_while(|word| !word.contains('=')).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[test]
fn every_line_of_the_log_in_the_documents_is_one_that_usher_writes() {
    let (source, mut checked) = (source(), 0);
    for document in documents() {
        for message in fs::read_to_string(&document).unwrap().lines().filter_map(message) {
            checked += 1;
            assert!(source.contains(&format!("\"{message}\"")), "{}: no such line: {message}", document.display());
        }
    }
    assert!(checked > 3, "no lines of the log were found");
    // The table of lines.
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md")).unwrap();
    let table = text.split("\n## The log\n").nth(1).unwrap().split("\n## ").next().unwrap();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let first = row.split(" | ").next().unwrap();
        for line in first.split('`').skip(1).step_by(2) {
            let words = line.split(" level=").next().unwrap().trim_start_matches("level=").trim_start_matches("… ");
            assert!(source.contains(words), "docs/troubleshooting.md: no such line: {line}");
        }
    }
}

/// The paths in code of a line: `src/door/rppal.rs`, `docs/`.
fn paths(text: &str) -> Vec<&str> {
    let snippets =
        text.lines().filter(|line| !line.starts_with("    ")).flat_map(|line| line.split('`').skip(1).step_by(2));
    let of_the_repository =
        |path: &&str| ["src/", "tests/", "models/", "docs/"].iter().any(|top| path.starts_with(top));
    snippets.filter(of_the_repository).filter(|path| !path.contains('*')).collect()
}

#[test]
fn every_path_in_the_architecture_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let named = paths(&text);
    assert!(named.len() > 20, "only {} paths were found", named.len());
    let missing: Vec<_> = named.iter().filter(|path| !root.join(path).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what does not exist: {missing:?}");
}

#[test]
fn the_list_of_decisions_is_complete() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/decisions");
    let list = fs::read_to_string(folder.join("README.md")).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "README.md" || list.contains(&format!("({name})")),
            "docs/decisions/README.md does not list {name}"
        );
    }
}
