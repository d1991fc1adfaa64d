//! The walls between rooms: which may import which. ARCHITECTURE.md says why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each room with the others that it may import. Rooms that are not listed here join rooms and may import all of them.
const MAY_KNOW: [(&str, &[&str]); 19] = [
    ("domain", &[]),
    ("clock", &["domain"]),
    ("board", &[]),
    ("names", &[]),
    ("table", &[]),
    ("config", &["domain"]),
    ("photo", &["domain"]),
    ("store", &[]),
    ("seal", &[]),
    ("camera", &["domain", "clock", "photo"]),
    ("vision", &["domain"]),
    ("gallery", &["domain", "names", "store", "seal"]),
    ("access", &["domain"]),
    ("door", &["domain", "clock"]),
    ("ledger", &["domain", "store"]),
    ("hub", &["domain", "clock"]),
    ("api", &["domain", "clock", "store", "seal", "gallery", "access", "ledger", "office"]),
    ("lab", &["domain", "names", "table", "photo", "vision"]),
    ("train", &["domain", "photo", "lab"]),
];
const JOINING: [&str; 5] = ["office", "setup", "daemon", "cli", "main"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|e| e == "rs") => found.push(path),
            false => {}
        }
    }
}

/// The room of a file, and the text above its tests.
fn rooms() -> Vec<(String, PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    files
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&src).unwrap();
            let room = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            (room, path, without_tests(&text).to_owned())
        })
        .collect()
}

/// The text above its tests. A line such as `mod properties;` that names a file of tests ends nothing.
fn without_tests(text: &str) -> &str {
    let inline = text.match_indices("#[cfg(test)]\n").find(|(at, mark)| {
        let after = text[at + mark.len()..].lines();
        let head = after.map(str::trim).find(|line| !line.starts_with("#[")).unwrap_or_default();
        head.contains("mod ") && head.ends_with('{')
    });
    inline.map_or(text, |(at, _)| &text[..at])
}

#[test]
fn only_tests_themselves_are_left_out() {
    let code = "mod a;\n#[cfg(test)]\nmod tests;\nfn b() {}\n";
    assert_eq!(without_tests(code), code);
    assert_eq!(without_tests(&format!("{code}\n#[cfg(test)]\nmod inline {{\n}}\n")), format!("{code}\n"));
}

/// The rooms that a text names with `crate::`.
fn named(code: &str) -> BTreeSet<&str> {
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
        .collect()
}

#[test]
fn no_room_knows_what_it_must_not_know() {
    let all = rooms();
    assert!(all.len() > 60);
    for (room, path, code) in &all {
        if room == "lib" || JOINING.contains(&room.as_str()) {
            continue;
        }
        let (_, allowed) =
            MAY_KNOW.iter().find(|(name, _)| name == room).unwrap_or_else(|| panic!("{room} has no walls"));
        for other in named(code) {
            assert!(other == room || allowed.contains(&other), "{}: {room} must not know {other}", path.display());
        }
    }
}

/// Commands act through the API. Two of them run the daemon itself.
#[test]
fn commands_do_not_reach_into_the_daemon() {
    for (room, path, code) in rooms() {
        let runs_it = ["cli/run.rs", "cli/demo/mod.rs"].iter().any(|file| path.ends_with(file));
        assert!(room != "cli" || runs_it || !named(&code).contains("daemon"), "{}: daemon", path.display());
    }
}

#[test]
fn tokio_stays_where_it_belongs() {
    for (room, path, code) in rooms() {
        let asynchronous = code.contains("tokio::");
        assert!(!asynchronous || ["api", "daemon", "hub", "cli"].contains(&room.as_str()), "{}: tokio", path.display());
    }
}

#[test]
fn sled_stays_in_the_store() {
    for (room, path, code) in rooms() {
        let has = code.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("sled::"));
        assert!(!has || room == "store", "{}: sled", path.display());
    }
}

#[test]
fn unsafe_code_stays_in_the_runtime() {
    for (_, path, code) in rooms() {
        let has = code.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("unsafe "));
        assert!(!has || path.to_str().unwrap().contains("vision/runtime/"), "{}: unsafe", path.display());
    }
}

#[test]
fn every_file_says_what_it_owns_and_is_short_enough_to_read() {
    for (_, path, code) in rooms() {
        assert!(code.starts_with("//!"), "{} does not say what it is", path.display());
        assert!(code.lines().count() <= 500, "{} has a second room inside", path.display());
    }
}

/// Rooms, and folders in rooms, in which no modules import each other in a circle. A folder counts as one module of its room; that a module
/// uses its parent is no circle.
const WITHOUT_CIRCLES: [&str; 17] = [
    "access",
    "api",
    "board",
    "camera",
    "camera::v4l2",
    "clock",
    "daemon",
    "daemon::doors",
    "daemon::doors::properties",
    "door",
    "gallery",
    "hub",
    "ledger",
    "office",
    "seal",
    "store",
    "vision",
];

/// The path of a module in the crate: `hub::home_assistant::event`.
fn module(path: &Path) -> Vec<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let inside = path.strip_prefix(src).unwrap().with_extension("");
    let mut parts: Vec<String> = inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// The first names after `text`, which begins behind a `super::` or `crate::`: of `a::b` and of `{a::b, c}`.
fn first_names(text: &str) -> Vec<String> {
    let word =
        |text: &str| text.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
    let Some(list) = text.strip_prefix('{') else { return vec![word(text)] };
    let (mut depth, mut names, mut from) = (0, Vec::new(), 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                names.push(word(&list[from..at]));
                from = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names
}

/// The paths that a module names through `super::` and `crate::`, with one or two names after it.
fn imports(module: &[String], code: &str) -> BTreeSet<Vec<String>> {
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for start in ["super::", "crate::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let mut base = if start == "crate::" { Vec::new() } else { module.to_vec() };
            let mut rest = &code[at..];
            while let Some(after) = rest.strip_prefix("super::") {
                base.pop();
                rest = after;
            }
            rest = rest.strip_prefix("crate::").unwrap_or(rest);
            // Down through names until a list or the last one.
            while let Some((name, after)) = rest.split_once("::") {
                if !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
                    break;
                }
                base.push(name.to_owned());
                found.insert(base.clone());
                rest = after;
            }
            found.extend(first_names(rest).into_iter().map(|name| [base.clone(), vec![name]].concat()));
        }
    }
    found
}

/// The modules directly in `room` that each of them imports.
fn uses_within(room: &[String], all: &[(Vec<String>, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let children: BTreeSet<&String> = all.iter().filter_map(|(path, _)| path.strip_prefix(room)?.first()).collect();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, code) in all {
        let Some(from) = path.strip_prefix(room).and_then(<[String]>::first) else { continue };
        for import in imports(path, code) {
            if let Some(to) = import.strip_prefix(room).and_then(<[String]>::first)
                && to != from
                && children.contains(to)
            {
                uses.entry(from.clone()).or_default().insert(to.clone());
            }
        }
    }
    uses
}

/// A circle among `uses`, from a module to itself.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn follow(uses: &BTreeMap<String, BTreeSet<String>>, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        let last = way.last().unwrap().clone();
        for next in uses.get(&last).into_iter().flatten() {
            let known = way.contains(next);
            way.push(next.clone());
            if known || (!done.contains(next) && follow(uses, way, done)) {
                return true;
            }
            way.pop();
        }
        done.insert(last);
        false
    }
    let mut done = BTreeSet::new();
    uses.keys().find_map(|start| {
        let mut way = vec![start.clone()];
        follow(uses, &mut way, &mut done).then_some(way)
    })
}

#[test]
fn no_modules_of_a_room_import_each_other_in_a_circle() {
    let all: Vec<(Vec<String>, String)> = rooms().into_iter().map(|(_, path, code)| (module(&path), code)).collect();
    for room in WITHOUT_CIRCLES {
        let room: Vec<String> = room.split("::").map(str::to_owned).collect();
        let uses = uses_within(&room, &all);
        if let Some(way) = circle(&uses) {
            panic!("{}: {}", room.join("::"), way.join(" uses "));
        }
    }
}

#[test]
fn a_circle_is_found_however_it_is_imported() {
    let path = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<String>>();
    let code = |text: &str| text.to_owned();
    let all = [
        (path("room::a"), code("use super::{\n    b::{B, C},\n    D,\n};\n")),
        (path("room::b::inner"), code("// use super::super::d;\nfn f(_: super::super::c::C) {}\n")),
        (path("room::c"), code("use crate::room::a;\nuse crate::other::b;\n")),
    ];
    let uses = uses_within(&path("room"), &all);
    assert_eq!(circle(&uses).unwrap(), ["a", "b", "c", "a"]);
    assert_eq!(circle(&uses_within(&path("room"), &all[..2])), None);
}
