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
const MAY_KNOW: [(&str, &[&str]); 22] = [
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
    ("fleet", &["domain", "clock"]),
    ("ledger", &["domain", "store", "table"]),
    ("hub", &["domain", "clock"]),
    ("accounts", &["domain", "store", "seal"]),
    ("web", &["domain", "clock", "names", "table", "photo", "gallery", "ledger", "accounts", "api"]),
    (
        "api",
        &["domain", "clock", "accounts", "store", "seal", "table", "gallery", "access", "fleet", "ledger", "office"],
    ),
    ("lab", &["domain", "names", "table", "photo", "vision"]),
    ("train", &["domain", "photo", "lab"]),
];
const JOINING: [&str; 6] = ["office", "setup", "checks", "daemon", "cli", "main"];

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

/// Commands act through the API. Two of them run the daemon itself, and one the office of a fleet.
#[test]
fn commands_do_not_reach_into_the_daemon() {
    for (room, path, code) in rooms() {
        let runs_it = ["cli/run.rs", "cli/demo/mod.rs", "cli/fleet/office.rs"].iter().any(|file| path.ends_with(file));
        assert!(room != "cli" || runs_it || !named(&code).contains("daemon"), "{}: daemon", path.display());
    }
}

/// The page, programs and commands show the same reasons. Each adds its own way: `cli/client/refused.rs` the flags, `web/` a box to tick.
#[test]
fn reasons_of_the_api_name_no_flag_of_a_command() {
    let of_the_api = ["api", "office", "gallery", "accounts", "ledger", "checks", "access", "names", "seal"];
    let mut texts = 0;
    // Tests that kill themselves call themselves with flags of the test's own program.
    for (room, path, code) in
        rooms().iter().filter(|(_, path, _)| !path.ends_with("crash.rs") && !path.ends_with("tests.rs"))
    {
        for line in
            code.lines().filter(|line| of_the_api.contains(&room.as_str()) && !line.trim_start().starts_with("//"))
        {
            texts += usize::from(line.contains('"'));
            let flag = line.match_indices("--").find(|(at, _)| {
                let (before, after) = (line[..*at].chars().next_back(), line[at + 2..].chars().next());
                before.is_none_or(|c| " `(\"".contains(c)) && after.is_some_and(|c| c.is_ascii_lowercase())
            });
            assert!(flag.is_none(), "{}: {}", path.display(), line.trim());
        }
    }
    assert!(texts > 500, "only {texts} lines with texts were found");
}

#[test]
fn tokio_stays_where_it_belongs() {
    for (room, path, code) in rooms() {
        // A tunnel carries bytes both ways at once, in a thread and a runtime of its own.
        // Of the fleet, the carrier alone waits for anything.
        let carries = path.to_string_lossy().contains("src/fleet/carrier/");
        let asynchronous = code.contains("tokio::") && !path.ends_with("camera/stream/tunnel.rs") && !carries;
        assert!(
            !asynchronous || ["api", "daemon", "hub", "web", "cli"].contains(&room.as_str()),
            "{}: tokio",
            path.display()
        );
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    ["src", "tests", "benches"].iter().for_each(|folder| sources(&root.join(folder), &mut files));
    assert!(files.len() > 300);
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} does not say what it is", path.display());
        assert!(text.lines().count() <= 500, "{} has more than 500 lines", path.display());
    }
}

/// The error's type of a `Result` whose parameters `text` begins with; `None` where the type is an alias with its own error.
fn error_of(text: &str) -> Option<&str> {
    let (mut depth, mut comma) = (0, None);
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' if depth == 0 => return Some(text[comma? + 1..at].trim()),
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => comma = Some(at),
            _ => {}
        }
    }
    None
}

/// Errors are enums: one in words alone cannot be matched.
#[test]
fn no_error_is_a_mere_text() {
    assert_eq!(error_of("Vec<(u8, u8)>, String> {"), Some("String"));
    assert_eq!(error_of("BTreeMap<u8, String>, E>"), Some("E"));
    assert_eq!(error_of("String> {"), None);
    for (_, path, code) in rooms() {
        for (at, start) in code.match_indices("Result<") {
            let text = &code[at + start.len()..];
            assert_ne!(error_of(text), Some("String"), "{}: {}", path.display(), text.lines().next().unwrap());
        }
    }
}

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

/// The entries of a list in braces, which begins behind its first brace.
fn entries(list: &str) -> Vec<&str> {
    let (mut depth, mut entries, mut from) = (0, Vec::new(), 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                entries.push(&list[from..at]);
                from = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    entries
}

/// The paths that a text such as `super::{b::{B, C as D}, e}` names in the module `base`.
fn paths(base: &[String], text: &str) -> Vec<Vec<String>> {
    let text = text.trim_start();
    if let Some(list) = text.strip_prefix('{') {
        return entries(list).into_iter().flat_map(|entry| paths(base, entry)).collect();
    }
    let name = text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
    let rest = text[name.len()..].strip_prefix("::");
    let (base, rest) = match (name, rest) {
        ("crate", Some(rest)) => (Vec::new(), Some(rest)),
        ("self", rest) => (base.to_vec(), rest),
        ("super", Some(rest)) => (base[..base.len().saturating_sub(1)].to_vec(), Some(rest)),
        (name, rest) => ([base, &[name.to_owned()]].concat(), rest),
    };
    rest.map_or_else(|| vec![base.clone()], |rest| paths(&base, rest))
}

/// The paths that a module names through `super::` and `crate::`.
fn imports(module: &[String], code: &str) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for start in ["super::", "crate::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                found.extend(paths(module, &code[at..]));
            }
        }
    }
    found
}

/// Where the names lead that modules re-export with `pub use`, by the path of the name.
fn reexports(all: &[(Vec<String>, String)]) -> BTreeMap<Vec<String>, Vec<String>> {
    let mut found = BTreeMap::new();
    for (module, code) in all {
        for line in code.split("\npub").skip(1) {
            let line = line.trim_start_matches("(super)").trim_start_matches("(crate)");
            for path in line.strip_prefix(" use ").map(|tree| paths(module, tree)).unwrap_or_default() {
                let name = [module.as_slice(), path.last().map(std::slice::from_ref).unwrap_or_default()].concat();
                if name != path {
                    found.insert(name, path);
                }
            }
        }
    }
    found
}

/// Follows the re-exports on a path.
fn resolved(mut path: Vec<String>, reexports: &BTreeMap<Vec<String>, Vec<String>>) -> Vec<String> {
    for _ in 0..8 {
        let lead = |length: usize| reexports.get(&path[..length]).map(|to| [to, &path[length..]].concat());
        match (1..=path.len()).rev().find_map(lead) {
            Some(next) => path = next,
            None => break,
        }
    }
    path
}

/// The modules directly in `room` that each of them imports, also through re-exports of others.
fn uses_within(room: &[String], all: &[(Vec<String>, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let children: BTreeSet<&String> = all.iter().filter_map(|(path, _)| path.strip_prefix(room)?.first()).collect();
    let reexports = reexports(all);
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, code) in all {
        let Some(from) = path.strip_prefix(room).and_then(<[String]>::first) else { continue };
        for import in imports(path, code) {
            let import = resolved(import, &reexports);
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

/// A folder counts as one module of the folder around it; that a module uses its parent is no circle. The rooms themselves are checked, too.
#[test]
fn no_modules_import_each_other_in_a_circle() {
    let all: Vec<(Vec<String>, String)> = rooms()
        .into_iter()
        .map(|(_, path, code)| {
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            (module(&path), lines.collect::<Vec<_>>().join("\n"))
        })
        .collect();
    let folders: BTreeSet<&[String]> =
        all.iter().flat_map(|(path, _)| (0..path.len()).map(|length| &path[..length])).collect();
    assert!(folders.len() > 40);
    for folder in folders {
        if let Some(way) = circle(&uses_within(folder, &all)) {
            panic!("{}: {}", folder.join("::"), way.join(" uses "));
        }
    }
}

#[test]
fn a_circle_is_found_however_it_is_imported() {
    let path = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<String>>();
    let code = |text: &str| text.to_owned();
    let all = [
        (path("room::a"), code("use super::{\n    b::{B, C},\n    D,\n};\n")),
        (path("room::b::inner"), code("fn f(_: super::super::c::C) {}\n")),
        (path("room::c"), code("use crate::room::a;\nuse crate::other::b;\n")),
    ];
    let uses = uses_within(&path("room"), &all);
    assert_eq!(circle(&uses).unwrap(), ["a", "b", "c", "a"]);
    assert_eq!(circle(&uses_within(&path("room"), &all[..2])), None);
    // Through the parent's re-export.
    let all = [
        (path("room"), code("mod a;\nmod b;\npub use b::{B, C};\n")),
        (path("room::a"), code("use super::C;\n")),
        (path("room::b"), code("use super::a::A;\n")),
    ];
    assert_eq!(circle(&uses_within(&path("room"), &all)).unwrap(), ["a", "b", "a"]);
}

#[test]
fn commands_print_through_what_survives_a_closed_pipe() {
    let mut wrong = Vec::new();
    for (_, path, code) in rooms().into_iter().filter(|(room, ..)| room == "cli") {
        for macro_name in ["println!(", "print!(", "eprintln!(", "eprint!("] {
            let calls = code.match_indices(macro_name);
            let own = calls.filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
            wrong.extend(own.map(|_| format!("{}: {macro_name}", path.display())));
        }
    }
    assert!(
        wrong.is_empty(),
        "use say!, note! or writeln!, which do not panic where nobody reads:\n{}",
        wrong.join("\n")
    );
}
