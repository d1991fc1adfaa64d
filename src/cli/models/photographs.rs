//! `usher models switch NAME --from`: moves people by the photographs in a folder, one folder a person.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use serde_json::json;

use crate::api::people::Person;
use crate::cli::client::Client;
use crate::cli::context::progress_bar;
use crate::cli::enroll::{batch, photos, templates};
use crate::cli::whom;
use crate::gallery::NewPerson;
use crate::lab::dataset::{self, LeftOut, Listing};
use crate::office::{Eyes, Gates};

/// Where the photographs are, and how they are taken.
pub struct From<'f> {
    pub folder: &'f Path,
    pub list: Option<&'f Path>,
    pub largest: bool,
    pub force: bool,
}

/// What came of one folder.
struct Outcome {
    person: Result<Person>,
    taken: usize,
    refused: Vec<(String, String)>,
}

/// Moves the person of each folder. A refusal does not stop the others.
///
/// # Errors
/// The folder or the list cannot be read, the networks fail, or nobody was moved.
pub fn run(from: &From<'_>, client: &Client, eyes: &mut Eyes, gates: &Gates, json: bool) -> Result<()> {
    let (folders, left_out) = batch::people(from.list, &[], from.folder)?;
    let enrolled = client.people()?;
    let bar = progress_bar(folders.len(), "people");
    let mut out = std::io::stdout().lock();
    let (mut moved, mut refused) = (0, 0);
    for (folder, wanted) in folders {
        bar.set_message(wanted.name.clone());
        let outcome = one(from, &folder, &wanted, &enrolled, client, eyes, gates)?;
        match &outcome.person {
            Ok(_) => moved += 1,
            Err(_) => refused += 1,
        }
        bar.suspend(|| print(&mut out, json, &folder, &wanted.name, &outcome))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    if !json {
        for file in &left_out {
            writeln!(out, "not taken: {}: {}", file.path.display(), file.why)?;
        }
        writeln!(out, "moved: {moved} people; refused: {refused}")?;
    }
    match moved {
        0 => bail!("nobody was moved"),
        _ => Ok(()),
    }
}

fn one(
    from: &From<'_>,
    folder: &Path,
    wanted: &NewPerson,
    enrolled: &[Person],
    client: &Client,
    eyes: &mut Eyes,
    gates: &Gates,
) -> Result<Outcome> {
    // By the employee id alone where the list has one.
    let query = wanted.employee_id.as_ref().map_or_else(|| wanted.name.clone(), |id| format!("id:{id}"));
    let found = match whom::among_enrolled(enrolled, &query) {
        Ok(found) => found,
        Err(error) => return Ok(Outcome { person: Err(error), taken: 0, refused: Vec::new() }),
    };
    let Listing { files, folders, left_out } = dataset::list(folder)?;
    let looked = photos::look_at_all(&files, eyes, gates, from.largest)?;
    let mut refused = looked.refused;
    let unseen = folders.iter().map(|folder| LeftOut::folder(folder)).chain(left_out);
    refused.extend(unseen.map(|file| (file.path.display().to_string(), file.why)));
    let taken = looked.taken.len();
    let person = match taken {
        0 => Err(anyhow!("no photograph of {} could be used", found.name)),
        _ => client.move_person(found.id, &looked.templates, looked.taken, from.force),
    };
    Ok(Outcome { person, taken, refused })
}

fn print(out: &mut impl Write, json: bool, folder: &Path, name: &str, outcome: &Outcome) -> Result<()> {
    let Outcome { person, taken, refused } = outcome;
    if json {
        let refused: Vec<_> = refused.iter().map(|(file, why)| json!({ "file": file, "reason": why })).collect();
        let folder = folder.display().to_string();
        let line = match person {
            Ok(person) => json!({ "folder": folder, "person": person, "taken": taken, "refused": refused }),
            Err(error) => json!({ "folder": folder, "error": format!("{error:#}"), "refused": refused }),
        };
        writeln!(out, "{line}")?;
        return Ok(());
    }
    match person {
        Ok(person) => writeln!(out, "#{:<4} {}: {}", person.id, person.name, templates(*taken))?,
        Err(error) => writeln!(out, "-     {name}: {error:#}")?,
    }
    for (file, why) in refused {
        writeln!(out, "        not taken: {file}: {why}")?;
    }
    Ok(())
}
