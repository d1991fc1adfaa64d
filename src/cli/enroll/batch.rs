//! Enrolment of a folder of people.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::json;

use super::{Client, Enroll, Report, Whom, photos};
use crate::api::import::split_groups;
use crate::cli::context::progress_bar;
use crate::gallery::NewPerson;
use crate::lab::dataset::{self, LeftOut, Listing};
use crate::names;
use crate::office::{Eyes, Gates};
use crate::table::Table;

/// A line of the list.
struct Line {
    folder: String,
    name: Option<String>,
    employee_id: Option<String>,
    groups: Vec<String>,
}

/// Enrols one person for each folder in `folder`. A refusal does not stop the others.
pub fn run(order: &Enroll, folder: &Path, client: &Client, eyes: &mut Eyes, gates: &Gates) -> Result<()> {
    let (people, left_out) = people(order.list.as_deref(), &order.groups, folder)?;
    let bar = progress_bar(people.len(), "people");
    let mut out = std::io::stdout().lock();
    let (mut enrolled, mut templates, mut refused_people, mut refused_photos) = (0, 0, 0, left_out.len());
    for (folder, person) in people {
        bar.set_message(person.name.clone());
        let name = person.name.clone();
        let Listing { files, folders, left_out } = dataset::list(&folder)?;
        let mut report = photos::enroll(order, &files, &Whom::New(person), client, eyes, gates)?;
        let unseen = folders.iter().map(|folder| LeftOut::folder(folder)).chain(left_out);
        report.refused.extend(unseen.map(|file| (file.path.display().to_string(), file.why)));
        refused_photos += report.refused.len();
        match &report.person {
            Ok(_) => {
                enrolled += 1;
                templates += report.taken.len();
            }
            Err(_) => refused_people += 1,
        }
        bar.suspend(|| print(&mut out, order.json, &folder, &name, &report))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    match order.json {
        true => writeln!(
            out,
            "{}",
            json!({
                "enrolled": enrolled, "templates": templates, "refused_people": refused_people, "refused_photos": refused_photos,
                "left_out": left_out.iter().map(LeftOut::json).collect::<Vec<_>>(),
            })
        )?,
        false => {
            for file in &left_out {
                writeln!(out, "not taken: {}: {}", file.path.display(), file.why)?;
            }
            writeln!(
                out,
                "enrolled: {enrolled} people with {}; refused: {refused_people} people, {refused_photos} files",
                super::templates(templates)
            )?;
        }
    }
    match enrolled {
        0 => bail!("nobody was enrolled"),
        _ => Ok(()),
    }
}

fn print(out: &mut impl Write, json: bool, folder: &Path, name: &str, report: &Report) -> Result<()> {
    if json {
        let mut line = report.json();
        if let Some(fields) = line.as_object_mut() {
            fields.insert("folder".to_owned(), folder.display().to_string().into());
        }
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

/// Folders of photographs, each with its person.
pub type People = Vec<(PathBuf, NewPerson)>;

/// The folders with their people, by name, with the list's data where it has a row; and the files beside the folders.
pub fn people(list: Option<&Path>, groups: &[String], folder: &Path) -> Result<(People, Vec<LeftOut>)> {
    let mut lines = read_list(list)?;
    let Listing { folders, mut left_out, .. } = dataset::list_people(folder)?;
    let mut people = Vec::new();
    for path in folders {
        let own = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut person = NewPerson { name: own.replace('_', " "), employee_id: None, groups: groups.to_vec() };
        if let Some(line) = lines.remove(&names::exact_key(&own)) {
            person.name = line.name.unwrap_or(person.name);
            person.employee_id = line.employee_id;
            person.groups.extend(line.groups);
        }
        people.push((path, person));
    }
    if let Some(Line { folder: missing, .. }) = lines.into_values().next() {
        bail!("the list names the folder `{missing}`, which is not in {}", folder.display());
    }
    // The list may be beside the folders.
    left_out.retain(|file| list.is_none_or(|list| !same_file(list, &file.path)));
    if people.is_empty() {
        bail!("{} has no folders; give each person a folder", folder.display());
    }
    Ok((people, left_out))
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The list's rows by folder. Folders are compared as names are, because a list and a disk may use different Unicode forms.
fn read_list(path: Option<&Path>) -> Result<BTreeMap<String, Line>> {
    let Some(path) = path else { return Ok(BTreeMap::new()) };
    let table = Table::read(path)?;
    for note in table.notes.iter().chain(&table.unused(&["folder", "name", "employee_id", "groups"])) {
        note!("usher: {note}");
    }
    let folder = table.require_column("folder")?;
    let (name, employee_id, groups) = (table.column("name")?, table.column("employee_id")?, table.column("groups")?);
    let mut lines = BTreeMap::new();
    let mut ids = BTreeMap::new();
    for row in table.rows() {
        let own = row.get(folder);
        if own.is_empty() {
            return Err(table.cell_error(row, folder, "it is empty: write the name of this person's folder").into());
        }
        if let (Some(column), Some(id)) = (employee_id, row.get_non_empty(employee_id))
            && let Some(before) = ids.insert(names::exact_key(id), row.line)
        {
            return Err(table
                .cell_error(row, column, format!("`{id}` is already the employee id of line {before}"))
                .into());
        }
        let line = Line {
            folder: own.to_owned(),
            name: row.get_non_empty(name).map(str::to_owned),
            employee_id: row.get_non_empty(employee_id).map(str::to_owned),
            groups: row.get_non_empty(groups).map_or_else(Vec::new, split_groups),
        };
        if lines.insert(names::exact_key(own), line).is_some() {
            return Err(table.cell_error(row, folder, format!("the folder `{own}` occurs twice")).into());
        }
    }
    Ok(lines)
}
