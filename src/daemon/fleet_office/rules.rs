//! The rules of a site for who may pass: checked before they are signed, and what is told of them.

use std::collections::BTreeSet;

use super::wording::check_rules;
use crate::config::Config;
use crate::fleet::{AccessText, Site, SiteAccess};
use crate::office::fleet::protocol::{BoardRow, Done};
use crate::setup::fleet::check;

/// What the rules are called in messages before they have a number.
const PUSHED: &str = "rules";

/// Checks rules before they are signed; `None` clears them. Returns them as a configuration.
///
/// # Errors
/// They are wrong; every problem, with its line.
pub fn checked(rules: Option<AccessText>, by: &str, at_ms: u64) -> anyhow::Result<Option<Config>> {
    let config = check(PUSHED, &SiteAccess { version: u64::MAX, by: by.to_owned(), since_ms: at_ms, rules })?;
    config.iter().try_for_each(check_rules)?;
    Ok(config)
}

/// What was done, in words.
pub fn in_words(site: &Site, version: u64, config: Option<&Config>) -> String {
    match config {
        Some(config) => {
            let (permits, schedules) = (config.permits.len(), config.schedules.len());
            format!(
                "rules {version} of {site}: {}, {}; boards' own permits do not count",
                counted(permits, "permit"),
                counted(schedules, "schedule")
            )
        }
        None => format!("{site} has no rules any more: each board goes by its own permits and schedules again"),
    }
}

/// A number of things, as `2 permits`.
fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Boards that have read the rules and cannot use them have not confirmed. Adds why, and the doors that no board has.
pub fn with_notes(mut done: Done, config: Option<&Config>, boards: &[BoardRow]) -> Done {
    let said = |name: &str| boards.iter().find(|row| row.board == name).and_then(|row| row.said.as_ref());
    let (mut notes, mut confirmed) = (Vec::new(), Vec::new());
    for board in std::mem::take(&mut done.confirmed) {
        match said(&board).and_then(|said| said.rules_trouble.as_ref()) {
            Some(why) => {
                notes.push(format!("{board} cannot use them, and its doors go on as before: {why}"));
                done.missing.push(board);
            }
            None => confirmed.push(board),
        }
    }
    let known: BTreeSet<&str> = boards
        .iter()
        .filter_map(|row| row.said.as_ref())
        .flat_map(|said| said.doors.iter().map(String::as_str))
        .collect();
    let named: BTreeSet<&str> = config.iter().flat_map(|config| doors_named(config)).collect();
    let unknown: Vec<&str> = named.difference(&known).copied().collect();
    if !unknown.is_empty() {
        notes.push(format!("no board of the site that was heard has a door called {}", unknown.join(", ")));
    }
    Done { in_force: done.in_force && done.missing.is_empty(), confirmed, notes, ..done }
}

fn doors_named(config: &Config) -> impl Iterator<Item = &str> {
    let of_permits = config.permits.iter().flat_map(|permit| permit.doors.iter());
    config.doors.iter().map(|door| &door.name).chain(of_permits).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::SiteText;
    use crate::office::fleet::protocol::BoardReport;

    #[test]
    fn boards_that_cannot_use_the_rules_have_not_confirmed_and_unknown_doors_are_told() {
        let text = "[[permit]]\ndoors = [\"front\", \"frnt\"]\n[[door]]\nname = \"side\"\nassurance = \"recognised\"\n";
        let config = Config::of_site(&SiteText { source: "rules", text, holidays: &BTreeMap::new() }).unwrap();
        let row = |board: &str, trouble: Option<&str>, doors: &[&str]| BoardRow {
            board: board.into(),
            said: Some(BoardReport {
                rules_trouble: trouble.map(str::to_owned),
                doors: doors.iter().map(|&door| door.to_owned()).collect(),
                ..BoardReport::default()
            }),
            ..BoardRow::default()
        };
        let (one, other) = (row("one", None, &["front"]), row("other", Some("no reader"), &["side"]));
        let confirmed = vec!["one".to_owned(), "other".to_owned()];
        let told = with_notes(Done { confirmed, in_force: true, ..Done::default() }, Some(&config), &[one, other]);
        assert!(!told.in_force);
        assert_eq!((told.confirmed, told.missing), (vec!["one".to_owned()], vec!["other".to_owned()]));
        assert!(told.notes[0].contains("other cannot use them") && told.notes[0].contains("no reader"));
        assert!(told.notes[1].ends_with("has a door called frnt"), "{:?}", told.notes);
    }
}
