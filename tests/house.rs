//! The walls between rooms: which may import which. ARCHITECTURE.md says why.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each room with the others that it may import. Rooms that are not listed here join rooms and may import all of them.
const MAY_KNOW: [(&str, &[&str]); 18] = [
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

#[test]
fn tokio_stays_where_it_belongs() {
    for (room, path, code) in rooms() {
        let asynchronous = code.contains("tokio::");
        assert!(!asynchronous || ["daemon", "hub", "cli"].contains(&room.as_str()), "{}: tokio", path.display());
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
