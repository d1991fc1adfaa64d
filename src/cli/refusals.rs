//! `usher refusals`

use std::collections::BTreeMap;
use std::io::Write;
use std::time::SystemTime;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::listing::Listing;
use super::print::Tone;
use super::when::Calendar;
use crate::domain::Named;
use crate::lab::share::{CONFIDENCE, Share, clopper_pearson};
use crate::ledger::RecordFilter;
use crate::ledger::refusals::{Refusals, Tally};

/// Show who is refused more often than others.
///
/// Counts, from the journal, each person's visits and those of them in which the door did not recognise them at first: a refusal at the same
/// door, at most a minute before the grant, for which they were the nearest person. The same is counted for each group, and for all. Shares
/// have 95 % intervals by Clopper and Pearson; `more often` marks those whose whole interval is above the share of all. Refusals of people who
/// were recognised (disabled, outside their hours …) are counted by reason.
///
/// A person who gives up after a refusal leaves no grant, and is not in the share: look at the near misses, too. Near misses may also be
/// somebody who looks like that person.
///
/// To compare groups of people (by age, sex, skin, glasses …), put people in groups for a time. Error rates of published data sets do not
/// stand for your people.
#[derive(Args)]
#[command(after_help = "Examples:\n  usher refusals --since 30d\n  usher refusals --since 30d --door front --json")]
pub struct RefusalsCommand {
    /// Not before this time: `2026-01-31`, `2026-01-31T08:00`, `08:00`, `today`, `yesterday`, `yesterday 08:00`, `2h`, `7d`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only at this door
    #[arg(long)]
    door: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl RefusalsCommand {
    pub fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let calendar = Calendar::of_attendance(&client.calendar()?)?;
        let time = |text: &Option<String>| {
            let at = text.as_deref().map(|text| calendar.parse(text)).transpose()?;
            Ok::<_, anyhow::Error>(at.map(SystemTime::try_from).transpose()?)
        };
        let (since, until, door) = (time(&self.since)?, time(&self.until)?, self.door.clone());
        let filter = RecordFilter { since, until, door, ..RecordFilter::default() };
        let mut refusals = Refusals::default();
        client.each(&filter, |dated| {
            refusals.add(&dated);
            Ok(())
        })?;
        let refusals = refusals.finish();
        let mut out = std::io::stdout().lock();
        match self.json {
            true => writeln!(out, "{}", in_json(&refusals))?,
            false => print(&mut out, &refusals)?,
        }
        Ok(())
    }
}

/// The visits of a tally in which somebody was missed at first.
fn share(tally: &Tally) -> Share {
    Share { part: tally.missed, whole: tally.visits }
}

/// Whether the share is above that of all, and not by chance: its interval begins above it.
fn more_often(tally: &Tally, all: &Tally) -> bool {
    tally.visits > 0 && clopper_pearson(share(tally), CONFIDENCE).0 > share(all).rate()
}

/// The people, those whose share is highest for certain first.
fn by_share(refusals: &Refusals) -> Vec<&(Named, Tally)> {
    let mut people: Vec<&(Named, Tally)> = refusals.people.values().collect();
    let low = |tally: &Tally| clopper_pearson(share(tally), CONFIDENCE).0;
    people.sort_by(|(_, a), (_, b)| low(b).total_cmp(&low(a)).then(b.near_misses.cmp(&a.near_misses)));
    people
}

fn cells(tally: &Tally, all: &Tally) -> [String; 6] {
    let (low, high) = clopper_pearson(share(tally), CONFIDENCE);
    let percent = match tally.visits {
        0 => ["-".to_owned(), "-".to_owned()],
        _ => [format!("{:.1} %", share(tally).rate() * 100.0), format!("{:.1} to {:.1}", low * 100.0, high * 100.0)],
    };
    let [rate, interval] = percent;
    let mark = if more_often(tally, all) { "more often" } else { "" };
    [tally.visits.to_string(), tally.missed.to_string(), rate, interval, tally.near_misses.to_string(), mark.to_owned()]
}

/// `expired 3, not_permitted 1`.
fn reasons(counts: &BTreeMap<&'static str, u64>) -> String {
    counts.iter().map(|(reason, count)| format!("{reason} {count}")).collect::<Vec<_>>().join(", ")
}

fn print(out: &mut impl Write, refusals: &Refusals) -> Result<()> {
    let all = &refusals.all;
    let heads = ["", "VISITS", "MISSED AT FIRST", "SHARE", "95 %", "NEAR MISSES", "", "REFUSED"];
    let mut table = Listing::new(heads).giving_way(&["NEAR MISSES", "VISITS"]);
    let mut row = |name: String, tally: &Tally| {
        let [visits, missed, rate, interval, near, mark] = cells(tally, all);
        let tone = if more_often(tally, all) { Tone::Bad } else { Tone::Plain };
        table.row(tone, [name, visits, missed, rate, interval, near, mark, reasons(&tally.refused)]);
    };
    for (person, tally) in by_share(refusals) {
        row(format!("{person} (#{})", person.id), tally);
    }
    for (group, tally) in &refusals.groups {
        row(format!("group {group}"), tally);
    }
    row("all".to_owned(), all);
    table.write(out)?;
    if !refusals.others.is_empty() {
        writeln!(out, "refused, and near nobody: {}", reasons(&refusals.others))?;
    }
    Ok(())
}

fn in_json(refusals: &Refusals) -> Value {
    let all = &refusals.all;
    let fields = |tally: &Tally| {
        let (low, high) = clopper_pearson(share(tally), CONFIDENCE);
        json!({
            "visits": tally.visits, "missed": tally.missed, "share": share(tally).rate(), "interval": [low, high],
            "more_often": more_often(tally, all), "near_misses": tally.near_misses, "refused": tally.refused,
        })
    };
    let people: Vec<Value> = by_share(refusals)
        .into_iter()
        .map(|(person, tally)| json!({ "id": person.id.0, "name": person.name, "counts": fields(tally) }))
        .collect();
    let groups: BTreeMap<&str, Value> =
        refusals.groups.iter().map(|(name, tally)| (name.as_str(), fields(tally))).collect();
    json!({
        "people": people, "groups": groups, "all": fields(all), "others": refusals.others, "interval": "Clopper-Pearson 95 %",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PersonId;

    fn refusals() -> Refusals {
        let tally = |visits, missed, near_misses| Tally { visits, missed, near_misses, ..Tally::default() };
        let mut refusals = Refusals::default();
        for (id, tally) in [(1, tally(400, 4, 0)), (2, tally(40, 12, 3)), (3, tally(2, 1, 0)), (4, tally(0, 0, 7))] {
            let named = Named::new(PersonId(id), format!("person {id}"), None, Vec::new());
            refusals.people.insert(PersonId(id), (named, tally));
        }
        refusals.groups.insert("night".into(), tally(42, 13, 3));
        refusals.all = tally(442, 17, 10);
        refusals.all.refused.insert("expired", 2);
        refusals.others.insert("unknown", 9);
        refusals
    }

    #[test]
    fn only_those_who_are_missed_more_often_for_certain_are_marked() {
        let refusals = refusals();
        let marked: Vec<u32> = refusals
            .people
            .values()
            .filter(|(_, tally)| more_often(tally, &refusals.all))
            .map(|(who, _)| who.id.0)
            .collect();
        assert_eq!(marked, [2], "one of two visits may be chance");
        let order: Vec<u32> = by_share(&refusals).iter().map(|(who, _)| who.id.0).collect();
        assert_eq!(order, [2, 3, 1, 4]);
    }

    #[test]
    fn the_table_and_the_json_have_the_same_counts() {
        let refusals = refusals();
        let mut out = Vec::new();
        print(&mut out, &refusals).unwrap();
        let text = String::from_utf8(out).unwrap();
        let line = |name: &str| text.lines().find(|line| line.trim().starts_with(name)).unwrap().to_owned();
        let words = |name: &str| line(name).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words("person 2"), "person 2 (#2) 40 12 30.0 % 16.6 to 46.5 3 more often");
        assert_eq!(words("person 4"), "person 4 (#4) 0 0 - - 7");
        assert!(words("group night").ends_with("more often"));
        assert!(words("all").ends_with("expired 2"));
        assert_eq!(line("refused"), "refused, and near nobody: unknown 9");

        let json = in_json(&refusals);
        assert_eq!((&json["people"][0]["id"], &json["people"][0]["counts"]["missed"]), (&json!(2), &json!(12)));
        assert_eq!((&json["groups"]["night"]["more_often"], &json["others"]["unknown"]), (&json!(true), &json!(9)));
    }
}
