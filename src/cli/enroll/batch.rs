//! Enrolment of a whole folder of people.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::json;

use super::super::progress::bar;
use super::{Book, Enroll, Report, photos};
use crate::gallery::NewPerson;
use crate::office::Gates;
use crate::vision::Vision;

const PHOTOGRAPHS: [&str; 5] = ["jpg", "jpeg", "png", "bmp", "webp"];

/// A line of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    folder: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    employee_id: Option<String>,
    #[serde(default)]
    groups: Option<String>,
}

/// Enrols one person for each folder in `folder`. Whoever is refused does not keep the others out.
pub fn run(order: &Enroll, folder: &Path, book: &Book, eyes: &mut Vision, gates: &Gates) -> Result<()> {
    let people = people(order, folder)?;
    let bar = bar(people.len(), "people");
    let mut out = std::io::stdout().lock();
    let (mut enrolled, mut templates, mut refused_people, mut refused_photos) = (0, 0, 0, 0);
    for (folder, person) in people {
        bar.set_message(person.name.clone());
        let (name, files) = (person.name.clone(), photographs(&folder)?);
        let report = photos::enroll(order, &files, person, book, eyes, gates)?;
        refused_photos += report.refused.len();
        match &report.person {
            Ok(_) => {
                enrolled += 1;
                templates += report.taken.len();
            }
            Err(_) => refused_people += 1,
        }
        bar.suspend(|| tell(&mut out, order.json, &folder, &name, &report))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    match order.json {
        true => writeln!(
            out,
            "{}",
            json!({ "enrolled": enrolled, "templates": templates, "refused_people": refused_people, "refused_photos": refused_photos })
        )?,
        false => writeln!(
            out,
            "enrolled: {enrolled} people with {}; refused: {refused_people} people, {refused_photos} photographs",
            super::templates(templates)
        )?,
    }
    match enrolled {
        0 => bail!("nobody was enrolled"),
        _ => Ok(()),
    }
}

fn tell(out: &mut impl Write, json: bool, folder: &Path, name: &str, report: &Report) -> Result<()> {
    if json {
        let mut line = report.json();
        line["folder"] = folder.display().to_string().into();
        writeln!(out, "{line}")?;
        return Ok(());
    }
    match &report.person {
        Ok(person) => writeln!(out, "#{:<4} {}: {}", person.id, person.name, super::templates(report.taken.len()))?,
        Err(error) => writeln!(out, "-     {name}: {error:#}")?,
    }
    for (file, why) in &report.refused {
        writeln!(out, "        not taken: {file}: {why}")?;
    }
    Ok(())
}

/// The folders with who they are, by name; the list's data where it has a line.
fn people(order: &Enroll, folder: &Path) -> Result<Vec<(PathBuf, NewPerson)>> {
    let mut lines = list(order.list.as_deref())?;
    let entries = std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    let mut people = Vec::new();
    for path in folders {
        let own = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let line = lines.remove(&own);
        let mut groups = order.groups.clone();
        let (mut name, mut employee_id) = (own.replace('_', " "), None);
        if let Some(line) = line {
            name = line.name.filter(|n| !n.is_empty()).unwrap_or(name);
            employee_id = line.employee_id;
            groups.extend(line.groups.iter().flat_map(|g| g.split(';')).filter(|g| !g.is_empty()).map(str::to_owned));
        }
        people.push((path, NewPerson { name, employee_id, groups }));
    }
    if let Some(missing) = lines.keys().next() {
        bail!("the list names the folder `{missing}`, which is not in {}", folder.display());
    }
    if people.is_empty() {
        bail!("{} has no folders; one folder a person is expected", folder.display());
    }
    Ok(people)
}

fn list(path: Option<&Path>) -> Result<BTreeMap<String, Line>> {
    let Some(path) = path else { return Ok(BTreeMap::new()) };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let mut lines = BTreeMap::new();
    for line in reader.deserialize() {
        let line: Line = line.with_context(|| path.display().to_string())?;
        let folder = line.folder.clone();
        if lines.insert(folder.clone(), line).is_some() {
            bail!("{} names the folder `{folder}` twice", path.display());
        }
    }
    Ok(lines)
}

fn photographs(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let path = entry?.path();
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if path.is_file() && PHOTOGRAPHS.contains(&ending.as_str()) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
