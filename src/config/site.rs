//! The rules of a site: who may pass where and when, in the same keys as in the file, laid over a board's own configuration.
//!
//! The site's schedules and permits replace the board's. Of the board's own schedules those stay by which a door stands unlocked. A door that the
//! rules name gets its assurance from them; what they say of other boards' doors is passed over.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::config::{Map, Value, ValueKind};
use serde::Deserialize;

use super::check::Check;
use super::problem::{Origin, Origins, Problem};
use super::sections::Schedule;
use super::text::quote;
use super::{Config, ConfigErrors, Notes, across, file, of_engine, root};

/// What a site's rules may hold.
const SECTIONS: [&str; 3] = ["schedule", "permit", "door"];
const OF_A_DOOR: [&str; 2] = ["name", "assurance"];

/// A site's rules as they travel.
#[derive(Clone, Copy, Debug)]
pub struct SiteText<'a> {
    /// What to call them in messages, such as `rules 7 of berlin`, or the file that they were read from.
    pub source: &'a str,
    /// TOML.
    pub text: &'a str,
    /// The lists of holidays, by the paths in the text.
    pub holidays: &'a BTreeMap<String, String>,
}

/// What a configuration keeps of the site's rules in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Laid {
    source: String,
    /// The lists of holidays, by the names of schedules.
    holidays: BTreeMap<String, String>,
}

/// The paths of the lists of holidays that a site's rules name, in order. `source` names them in messages.
///
/// # Errors
/// Every problem of the text.
pub fn holidays_named(source: &str, text: &str) -> Result<Vec<String>, ConfigErrors> {
    let (written, _) = read(source, text)?;
    let named = written.schedules.iter().filter_map(path_of);
    Ok(named.collect::<std::collections::BTreeSet<_>>().into_iter().collect())
}

impl Config {
    /// A site's rules alone, on top of defaults: checked as far as that is possible without a board.
    ///
    /// # Errors
    /// Every problem, with its line.
    pub fn of_site(site: &SiteText<'_>) -> Result<Config, ConfigErrors> {
        let (mut config, origins) = read(site.source, site.text)?;
        let mut problems = Vec::new();
        config.lay(site, &config.schedules.clone(), &origins, &mut problems);
        across::check_site(&config, &origins, &mut problems);
        config.notes.origins = Some(origins);
        if problems.is_empty() { Ok(config) } else { Err(ConfigErrors::new(problems)) }
    }

    /// This configuration under a site's rules.
    ///
    /// # Errors
    /// Every reason why this board cannot go by them.
    pub fn with_site(&self, site: &SiteText<'_>) -> Result<Config, ConfigErrors> {
        let (written, origins_of_site) = read(site.source, site.text)?;
        let (mut config, mut problems) = (self.clone(), Vec::new());
        let mut origins = self.notes.origins.clone().unwrap_or_else(|| Origins::new(site.source.into()));
        for section in ["schedule", "permit"] {
            origins.forget(section);
            origins.take_over(&origins_of_site, section, section);
        }
        let mut schedules = written.schedules.clone();
        for (index, own) in self.schedules.iter().enumerate() {
            let opens =
                |door: &usize| self.doors.get(*door).is_some_and(|d| d.unlock_schedule.as_ref() == Some(&own.name));
            let doors: Vec<usize> = (0..self.doors.len()).filter(opens).collect();
            if doors.is_empty() {
                continue;
            }
            let name = free_name(&own.name, &schedules, &self.schedules);
            for door in doors {
                if let Some(door) = config.doors.get_mut(door) {
                    door.unlock_schedule = Some(name.clone());
                }
            }
            if let Some(before) = &self.notes.origins {
                origins.take_over(before, &format!("schedule[{index}]"), &format!("schedule[{}]", schedules.len()));
            }
            schedules.push(Schedule { name, ..own.clone() });
        }
        (config.schedules, config.permits) = (schedules, written.permits.clone());
        for (index, named) in written.doors.iter().enumerate() {
            let Some(at) = config.doors.iter().position(|door| door.name == named.name) else { continue };
            if let (Some(door), true) =
                (config.doors.get_mut(at), origins_of_site.has(&format!("door[{index}].assurance")))
            {
                door.assurance = named.assurance.clone();
                origins.take_over(
                    &origins_of_site,
                    &format!("door[{index}].assurance"),
                    &format!("door[{at}].assurance"),
                );
            }
        }
        config.lay(site, &written.schedules, &origins_of_site, &mut problems);
        let of_site = |problem: &Problem| matches!(&problem.origin, Origin::Line(file, _) if **file == *site.source);
        let mut warnings = across::check_under_site(&config, &origins, &mut problems);
        warnings.retain(of_site);
        config.notes.origins = Some(origins);
        config.notes.warnings = warnings;
        if problems.is_empty() { Ok(config) } else { Err(ConfigErrors::new(problems)) }
    }

    /// This configuration with nobody permitted at any door: for a board that has rules of its site and cannot use any of them.
    pub fn closed(&self, source: &str) -> Config {
        let laid = Laid { source: source.to_owned(), holidays: BTreeMap::new() };
        let notes = Notes { laid: Some(laid), ..self.notes.clone() };
        Config { permits: Vec::new(), notes, ..self.clone() }
    }

    /// What the rules in it are called, if they are a site's.
    pub fn site_source(&self) -> Option<&str> {
        self.notes.laid.as_ref().map(|laid| laid.source.as_str())
    }

    /// Whether it says who may pass at all. Without, everybody enrolled may.
    pub fn has_permits(&self) -> bool {
        self.notes.laid.is_some() || !self.permits.is_empty()
    }

    /// The list of holidays of a schedule that came with a site's rules.
    pub fn holidays_of_site(&self, schedule: &str) -> Option<&str> {
        self.notes.laid.as_ref()?.holidays.get(schedule).map(String::as_str)
    }

    /// Notes where the rules come from, with the lists of holidays of these schedules.
    fn lay(&mut self, site: &SiteText<'_>, schedules: &[Schedule], origins: &Origins, problems: &mut Vec<Problem>) {
        let mut laid = Laid { source: site.source.to_owned(), holidays: BTreeMap::new() };
        for (index, schedule) in schedules.iter().enumerate() {
            let Some(path) = path_of(schedule) else { continue };
            match site.holidays.get(&path) {
                Some(text) => drop(laid.holidays.insert(schedule.name.clone(), text.clone())),
                None => {
                    let (key, what) = (
                        format!("schedule[{index}].holidays"),
                        "the list did not come with the rules: push them again",
                    );
                    problems.push(Problem { origin: origins.of(&key), key, what: what.to_owned() });
                }
            }
        }
        self.notes.laid = Some(laid);
    }
}

fn path_of(schedule: &Schedule) -> Option<String> {
    schedule.holidays.as_ref().map(|path| path.display().to_string())
}

/// A name for a board's own schedule that none of the site's has.
fn free_name(own: &str, site: &[Schedule], others: &[Schedule]) -> String {
    let is_taken = |name: &str| site.iter().any(|schedule| schedule.name == name);
    if !is_taken(own) {
        return own.to_owned();
    }
    let free = |name: &String| !is_taken(name) && others.iter().all(|other| other.name != *name);
    let numbered = (2..=1 + site.len() + others.len()).map(|number| format!("{own}-here-{number}"));
    let mut names = std::iter::once(format!("{own}-here")).chain(numbered);
    names.find(free).unwrap_or_else(|| own.to_owned())
}

/// Reads the text into an otherwise empty configuration.
fn read(source: &str, text: &str) -> Result<(Config, Origins), ConfigErrors> {
    let source: Arc<str> = source.into();
    let (mut problems, mut origins) = (Vec::new(), Origins::new(source.clone()));
    let mut written = file::parse(text, &source, &mut origins, &mut problems);
    if !problems.is_empty() {
        return Err(ConfigErrors::new(problems));
    }
    keep_allowed(&mut written, &origins, &mut problems);
    Check { origins: &origins, problems: &mut problems }.section(root(), &mut written, "");
    let config = Config::deserialize(Value::from(written)).unwrap_or_else(|error| {
        problems.push(of_engine(&error, &origins));
        Config::default()
    });
    for (index, door) in config.doors.iter().enumerate() {
        if config.doors.iter().take(index).any(|earlier| earlier.name == door.name) {
            let key = format!("door[{index}].name");
            let what = format!("door {} is named by an earlier [[door]]: say what it asks once", quote(&door.name));
            problems.push(Problem { origin: origins.of(&key), key, what });
        }
        if !origins.has(&format!("door[{index}].name")) {
            let (origin, key) = (origins.of(&format!("door[{index}]")), format!("door[{index}].name"));
            problems.push(Problem {
                origin,
                key,
                what: "name is missing; it must be the name of a door of the site".into(),
            });
        }
    }
    if config.permits.is_empty() && problems.is_empty() {
        let what = "there is no [[permit]], so nobody could pass: add one. A [[permit]] without keys lets everybody pass who is enrolled at the site";
        problems.push(Problem { origin: Origin::File(source), key: "permit".into(), what: what.into() });
    }
    if problems.is_empty() { Ok((config, origins)) } else { Err(ConfigErrors::new(problems)) }
}

/// Reports and removes what belongs to the boards' own files.
fn keep_allowed(written: &mut Map<String, Value>, origins: &Origins, problems: &mut Vec<Problem>) {
    let mut report = |key: &str| {
        let what = "a site's rules hold [[schedule]], [[permit]], and [[door]] with name and assurance; this belongs in usher.toml at the board";
        problems.push(Problem { origin: origins.of(key), key: key.to_owned(), what: what.to_owned() });
    };
    written.retain(|key, _| {
        let allowed = SECTIONS.contains(&key.as_str());
        if !allowed {
            report(key);
        }
        allowed
    });
    let Some(ValueKind::Array(doors)) = written.get_mut("door").map(|doors| &mut doors.kind) else { return };
    for (index, door) in doors.iter_mut().enumerate() {
        let ValueKind::Table(door) = &mut door.kind else { continue };
        door.retain(|key, _| {
            let allowed = OF_A_DOOR.contains(&key.as_str());
            if !allowed {
                report(&format!("door[{index}].{key}"));
            }
            allowed
        });
    }
}
