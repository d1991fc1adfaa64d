//! `usher cluster`

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::json;

use super::context::Context;
use super::progress::bar;
use crate::domain::{Distance, Embedding, Face};
use crate::lab::agreement::{Agreement, b_cubed, pairwise};
use crate::lab::cluster::cluster;
use crate::lab::crowd::{self, LeftOut, Photograph};
use crate::lab::faces::{FaceError, see_file};
use crate::lab::placing::{How, place};
use crate::lab::sheet::{self, Row};
use crate::photo::PhotoError;
use crate::vision::manifest::Model;

/// Sort unlabelled photographs by the people in them.
///
/// Looks at every photograph in DIR and the folders below, at one face each (large and near the middle), and puts those into one group
/// that look like one person: two groups are one while the mean distance between their photographs is at most --distance. Prints the
/// groups, largest first.
///
/// Nothing is changed unless you say what to do: --link or --move make a folder a group, --csv a list, --sheet a picture to look
/// through. Look before you enrol: `usher enroll --batch` takes the folders, and the folder's name becomes the person's, so rename
/// person-0001 to Ada_Lovelace first. Groups of fewer than --min-size photographs are only told.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  usher cluster inbox/                                       a table, nothing else\n  \
    usher cluster inbox/ --sheet groups.png                    and a picture, one row a group\n  \
    usher cluster inbox/ --link people/                        folders of links, for `usher enroll --batch people/`\n  \
    usher cluster lfw/ --truth --at-least 3                    how well it works where the folders' names are the people"
)]
pub struct Cluster {
    /// The photographs: all files in this folder and those below
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// The largest mean distance within a person. Smaller splits people, larger mixes them [default: what the model's manifest
    /// measured at a false match rate of 0.001 %]
    #[arg(long, value_name = "0..2", value_parser = distance)]
    distance: Option<Distance>,
    /// Make a folder for each group in DIR2, with links to the photographs
    #[arg(long, value_name = "DIR2", conflicts_with = "move_to")]
    link: Option<PathBuf>,
    /// Make a folder for each group in DIR2, and move the photographs there
    #[arg(long = "move", value_name = "DIR2")]
    move_to: Option<PathBuf>,
    /// Write a list with the columns file, group (empty for a photograph that is in none)
    #[arg(long, value_name = "OUT.csv")]
    csv: Option<PathBuf>,
    /// Draw a contact sheet: a row a group, the first 200 groups, 12 faces of each
    #[arg(long, value_name = "OUT.png")]
    sheet: Option<PathBuf>,
    /// The fewest photographs that make a group
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    min_size: u32,
    /// Compare with the truth: the folders' names are the people
    #[arg(long)]
    truth: bool,
    /// With --truth: leave out the photographs of people who have fewer
    #[arg(long, value_name = "N", default_value_t = 1, requires = "truth")]
    at_least: usize,
    /// The embedder, by its name in the models' manifest [default: the configuration's, else mobilefacenet]
    #[arg(long, value_name = "NAME")]
    embedder: Option<String>,
    /// Photographs to look at at once [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A photograph with the face that counts.
struct Seen {
    photograph: Photograph,
    face: Face,
}

/// What was seen, and where nothing was.
#[derive(Default)]
struct Haul {
    seen: Vec<Seen>,
    /// One for each of `seen`.
    embeddings: Vec<Embedding>,
    no_face: Vec<PathBuf>,
    /// With the reason.
    unreadable: Vec<(PathBuf, String)>,
}

/// A group with its name.
struct Group {
    name: String,
    /// Indices of what was seen.
    members: Vec<usize>,
}

impl Cluster {
    pub fn run(self, context: &Context) -> Result<()> {
        if let Some(out) = self.link.as_ref().or(self.move_to.as_ref())
            && crowd::lies_inside(out, &self.data)
        {
            bail!("{} lies in {}: the next run would find the photographs twice", out.display(), self.data.display());
        }
        let (photographs, left_out) = self.photographs()?;
        let threads = self.threads.map_or_else(crowd::usual_threads, |n| n as usize).min(photographs.len());
        let mut eyes = context.many_eyes(threads, None, self.embedder.as_deref())?;
        let limit = match (self.distance, eyes.first()) {
            (Some(distance), _) => distance,
            (None, Some(eyes)) => usual_limit(eyes.entry())?,
            (None, None) => bail!("no networks"),
        };
        let bar = bar(photographs.len(), "photographs");
        let mut haul = Haul::default();
        haul.unreadable.extend(left_out.into_iter().map(|left_out| (left_out.path, left_out.why)));
        crowd::walk(
            &photographs,
            &mut eyes,
            |eyes, photograph| see_file(eyes, &photograph.file),
            |photograph, result| {
                bar.inc(1);
                haul.add(photograph, result)
            },
        )?;
        bar.finish_and_clear();
        let numbers = cluster(&haul.embeddings, limit)?;
        let groups = groups(&numbers);
        let large = groups.iter().filter(|group| group.members.len() >= self.min_size as usize).collect::<Vec<_>>();
        self.keep(&haul, &large)?;
        let truth = self.truth.then(|| {
            let items: Vec<_> = numbers
                .iter()
                .zip(&haul.seen)
                .map(|(&number, seen)| (number, seen.photograph.person.as_str()))
                .collect();
            (pairwise(&items), b_cubed(&items))
        });
        match self.json {
            true => print_json(&haul, &large, limit, truth),
            false => print(&haul, &large, limit, truth),
        }
    }

    fn photographs(&self) -> Result<(Vec<Photograph>, Vec<LeftOut>)> {
        let (mut photographs, left_out) = crowd::everything(&self.data)?;
        if self.truth {
            let mut counts = HashMap::<String, usize>::new();
            for photograph in &photographs {
                *counts.entry(photograph.person.clone()).or_default() += 1;
            }
            photographs.retain(|photograph| counts[&photograph.person] >= self.at_least);
            if photographs.is_empty() {
                bail!("nobody in {} has {} photographs", self.data.display(), self.at_least);
            }
        }
        Ok((photographs, left_out))
    }

    /// Folders, list and sheet, as asked for. The sheet comes first: it reads the photographs where they still are.
    fn keep(&self, haul: &Haul, groups: &[&Group]) -> Result<()> {
        if let Some(path) = &self.sheet {
            let rows: Vec<Row> = groups.iter().take(sheet::MOST_ROWS).map(|group| row(haul, group)).collect();
            sheet::draw(&rows, path)?;
        }
        let mut places: Vec<PathBuf> = haul.seen.iter().map(|seen| seen.photograph.file.clone()).collect();
        let order =
            self.link.as_ref().map(|out| (out, How::Link)).or(self.move_to.as_ref().map(|out| (out, How::Move)));
        if let Some((out, how)) = order {
            for group in groups {
                for &member in &group.members {
                    places[member] = place(&places[member], &out.join(&group.name), how)?;
                }
            }
        }
        match &self.csv {
            Some(path) => {
                list(path, haul, &places, groups).with_context(|| format!("{} cannot be written", path.display()))
            }
            None => Ok(()),
        }
    }
}

impl Haul {
    fn add(&mut self, photograph: &Photograph, result: Result<Option<crate::vision::Seen>, FaceError>) -> Result<()> {
        let file = photograph.file.clone();
        match result {
            Ok(Some(seen)) => {
                self.embeddings.push(seen.embedding);
                self.seen.push(Seen { photograph: photograph.clone(), face: seen.face });
            }
            Ok(None) => self.no_face.push(file),
            Err(FaceError::Photo(PhotoError::File { cause, .. })) => self.unreadable.push((file, cause.to_string())),
            Err(FaceError::Photo(error)) => self.unreadable.push((file, error.to_string())),
            // A network that fails on one photograph fails on all.
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// A distance from 0 to 2.
pub(super) fn distance(text: &str) -> Result<Distance, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=2.0).contains(&value) => Ok(Distance(value)),
        _ => Err("a distance is a number from 0 to 2".into()),
    }
}

/// Strict: a person in two groups is seen and put right, two people in one group may be enrolled as one. (docs/datasets.md has what
/// other distances give.)
const USUAL_FMR: f64 = 0.00001;

/// The distance to group by when none is said.
pub(super) fn usual_limit(model: &Model) -> Result<Distance> {
    match model.operating_point(USUAL_FMR) {
        Some(point) => Ok(point.distance()),
        None => bail!("the manifest has no measured distance for {}: say --distance", model.name),
    }
}

/// The groups, largest first; of one size, by their first photograph.
fn groups(numbers: &[usize]) -> Vec<Group> {
    let mut members = vec![Vec::new(); numbers.iter().max().map_or(0, |largest| largest + 1)];
    for (index, &number) in numbers.iter().enumerate() {
        members[number].push(index);
    }
    members.sort_by_key(|members| std::cmp::Reverse(members.len()));
    let name = |number: usize| format!("person-{:04}", number + 1);
    members.into_iter().enumerate().map(|(number, members)| Group { name: name(number), members }).collect()
}

fn row(haul: &Haul, group: &Group) -> Row {
    let faces = group.members.iter().take(sheet::MOST_FACES);
    Row {
        label: format!("{}  {} photographs", group.name, group.members.len()),
        faces: faces.map(|&member| (haul.seen[member].photograph.file.clone(), haul.seen[member].face)).collect(),
    }
}

fn list(path: &Path, haul: &Haul, places: &[PathBuf], groups: &[&Group]) -> Result<()> {
    let mut names = vec![""; places.len()];
    for group in groups {
        for &member in &group.members {
            names[member] = &group.name;
        }
    }
    let mut lines: Vec<(String, &str)> =
        places.iter().zip(names).map(|(place, name)| (place.display().to_string(), name)).collect();
    let without = haul.no_face.iter().chain(haul.unreadable.iter().map(|(file, _)| file));
    lines.extend(without.map(|file| (file.display().to_string(), "")));
    lines.sort();
    let mut writer = csv::Writer::from_path(path)?;
    writer.write_record(["file", "group"])?;
    for (file, name) in lines {
        writer.write_record([&file, name])?;
    }
    Ok(writer.flush()?)
}

fn print(haul: &Haul, groups: &[&Group], limit: Distance, truth: Option<(Agreement, Agreement)>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for (file, why) in &haul.unreadable {
        eprintln!("not read: {}: {why}", file.display());
    }
    for file in &haul.no_face {
        eprintln!("no face: {}", file.display());
    }
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(["group", "photographs", "the first"]);
    for group in groups {
        let first = group.members.first().map(|&member| haul.seen[member].photograph.file.display().to_string());
        table.add_row([group.name.clone(), group.members.len().to_string(), first.unwrap_or_default()]);
    }
    if !groups.is_empty() {
        writeln!(out, "{table}")?;
    }
    let grouped: usize = groups.iter().map(|group| group.members.len()).sum();
    writeln!(
        out,
        "{} groups of {grouped} photographs up to distance {limit}; {} in no group, {} without a face, {} not readable",
        groups.len(),
        haul.seen.len() - grouped,
        haul.no_face.len(),
        haul.unreadable.len()
    )?;
    if let Some((pairs, cubed)) = truth {
        for (what, agreement) in [("pairs", pairs), ("B-cubed", cubed)] {
            let Agreement { precision, recall } = agreement;
            writeln!(out, "{what:<8} precision {precision:.4}, recall {recall:.4}, F1 {:.4}", agreement.f1())?;
        }
    }
    Ok(())
}

fn print_json(haul: &Haul, groups: &[&Group], limit: Distance, truth: Option<(Agreement, Agreement)>) -> Result<()> {
    let path = |file: &PathBuf| file.display().to_string();
    let files = |group: &Group| -> Vec<String> {
        group.members.iter().map(|&member| path(&haul.seen[member].photograph.file)).collect()
    };
    let groups: Vec<_> = groups.iter().map(|group| json!({ "name": group.name, "files": files(group) })).collect();
    let unreadable: Vec<_> =
        haul.unreadable.iter().map(|(file, reason)| json!({ "file": path(file), "reason": reason })).collect();
    let words = |a: Agreement| json!({ "precision": a.precision, "recall": a.recall, "f1": a.f1() });
    let report = json!({
        "distance": limit.0,
        "photographs": haul.seen.len() + haul.no_face.len() + haul.unreadable.len(),
        "groups": groups,
        "no_face": haul.no_face.iter().map(path).collect::<Vec<_>>(),
        "unreadable": unreadable,
        "truth": truth.map(|(pairs, cubed)| json!({ "pairs": words(pairs), "b_cubed": words(cubed) })),
    });
    writeln!(std::io::stdout().lock(), "{report}")?;
    Ok(())
}
