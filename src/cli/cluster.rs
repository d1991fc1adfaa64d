//! `usher cluster`: sorts photographs by the people in them.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::json;

use super::argument::distance;
use super::context::{Context, progress_bar};
use super::listing::Listing;
use super::print::Tone;
use crate::domain::{Distance, Embedding, Face};
use crate::lab::agreement::{Agreement, b_cubed, pairwise};
use crate::lab::cluster::cluster;
use crate::lab::dataset::{self, LeftOut, Photograph};
use crate::lab::faces::{FaceError, see_file};
use crate::lab::placing::{PlaceBy, place};
use crate::lab::sheet::{self, Row};
use crate::lab::walk::{default_threads, walk};
use crate::photo::PhotoError;
use crate::setup;

/// Sort unlabelled photographs by the people in them.
///
/// Processes one face (large and near the middle) of every photograph in DIR and the folders below, and groups the photographs by
/// person: two groups are merged if the mean distance between their photographs is at most --distance. Prints the groups, largest
/// first.
///
/// Nothing is changed unless you ask for it: --link and --move create a folder for each group, --csv writes a list, and --sheet draws a
/// picture for review. Review the groups before you enrol them: `usher enroll --batch` uses a folder's name as the person's, so first
/// rename person-0001 to Ada_Lovelace. Groups with fewer than --min-size photographs are only counted.
#[derive(Args)]
#[command(after_help = "Examples:\n  usher cluster inbox/                                       a table only\n  \
    usher cluster inbox/ --sheet groups.png                    also a picture with a row for each group\n  \
    usher cluster inbox/ --link people/                        folders of links, for `usher enroll --batch people/`\n  \
    usher cluster lfw/ --truth --at-least 3                    how well it works where the folders' names are the people")]
pub struct Cluster {
    /// The photographs: all files in this folder and those below
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// The largest mean distance between photographs of one person. A smaller distance splits people, a larger one mixes them [default: the
    /// model's measured distance at a false match rate of 0.001 %]
    #[arg(long, value_name = "0..2", value_parser = distance)]
    distance: Option<Distance>,
    /// Create a folder for each group in DIR2, with links to the photographs
    #[arg(long, value_name = "DIR2", conflicts_with = "move_to")]
    link: Option<PathBuf>,
    /// Create a folder for each group in DIR2, and move the photographs there
    #[arg(long = "move", value_name = "DIR2")]
    move_to: Option<PathBuf>,
    /// Write a list with the columns file and group (empty for a photograph without a group)
    #[arg(long, value_name = "OUT.csv")]
    csv: Option<PathBuf>,
    /// Draw a contact sheet: a row for each of the first 200 groups, with up to 12 faces
    #[arg(long, value_name = "OUT.png")]
    sheet: Option<PathBuf>,
    /// The smallest number of photographs in a group
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    min_size: u32,
    /// Compare with the truth: the folders' names are the people
    #[arg(long)]
    truth: bool,
    /// With --truth: leave out people with fewer photographs
    #[arg(long, value_name = "N", default_value_t = 1, requires = "truth")]
    at_least: usize,
    /// The embedder, by its name in the models' manifest [default: the configuration's, else sface]
    #[arg(long, value_name = "NAME")]
    embedder: Option<String>,
    /// Photographs to process at once [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A photograph with its principal face.
struct Found {
    photograph: Photograph,
    face: Face,
}

/// The faces of a folder, and the photographs without one.
#[derive(Default)]
struct Scan {
    found: Vec<Found>,
    /// One for each of `found`.
    embeddings: Vec<Embedding>,
    no_face: Vec<PathBuf>,
    /// With the reason.
    unreadable: Vec<(PathBuf, String)>,
}

/// A group with its name.
struct Group {
    name: String,
    /// Indices of [`Scan::found`].
    members: Vec<usize>,
}

impl Cluster {
    pub fn run(self, context: &Context) -> Result<()> {
        if let Some(out) = self.link.as_ref().or(self.move_to.as_ref())
            && dataset::is_inside(out, &self.data)
        {
            bail!("{} is inside {}: the next run would find the photographs twice", out.display(), self.data.display());
        }
        let (photographs, left_out) = self.photographs()?;
        let threads = self.threads.map_or_else(default_threads, |n| n as usize).min(photographs.len());
        let mut visions = context.many_eyes(threads, None, self.embedder.as_deref())?;
        let limit = match (self.distance, visions.first()) {
            (Some(distance), _) => distance,
            (None, Some(vision)) => setup::one_visitor(vision.entry())?,
            (None, None) => bail!("no networks were opened"),
        };
        let bar = progress_bar(photographs.len(), "photographs");
        let mut scan = Scan::default();
        scan.unreadable.extend(left_out.into_iter().map(|left_out| (left_out.path, left_out.why)));
        walk(
            &photographs,
            &mut visions,
            |vision, photograph| see_file(vision, &photograph.file),
            |photograph, result| {
                bar.inc(1);
                scan.add(photograph, result)
            },
        )?;
        bar.finish_and_clear();
        let numbers = cluster(&scan.embeddings, limit)?;
        let groups = groups(&numbers);
        let large = groups.iter().filter(|group| group.members.len() >= self.min_size as usize).collect::<Vec<_>>();
        self.write_outputs(&scan, &large)?;
        let truth = self.truth.then(|| {
            let items: Vec<_> = numbers
                .iter()
                .zip(&scan.found)
                .map(|(&number, found)| (number, found.photograph.person.as_str()))
                .collect();
            (pairwise(&items), b_cubed(&items))
        });
        match self.json {
            true => print_json(&scan, &large, limit, truth),
            false => print(&scan, &large, limit, truth),
        }
    }

    fn photographs(&self) -> Result<(Vec<Photograph>, Vec<LeftOut>)> {
        let (mut photographs, left_out) = dataset::all_photographs(&self.data)?;
        if self.truth {
            let mut counts = HashMap::<String, usize>::new();
            for photograph in &photographs {
                *counts.entry(photograph.person.clone()).or_default() += 1;
            }
            photographs
                .retain(|photograph| counts.get(&photograph.person).is_some_and(|&count| count >= self.at_least));
            if photographs.is_empty() {
                bail!("nobody in {} has {} photographs", self.data.display(), self.at_least);
            }
        }
        Ok((photographs, left_out))
    }

    /// Writes the requested folders, list and sheet. The sheet comes first, before photographs are moved.
    fn write_outputs(&self, scan: &Scan, groups: &[&Group]) -> Result<()> {
        if let Some(path) = &self.sheet {
            let rows: Vec<Row> = groups.iter().take(sheet::MAX_ROWS).map(|group| row(scan, group)).collect();
            sheet::draw(&rows, path)?;
        }
        let mut places: Vec<PathBuf> = scan.found.iter().map(|found| found.photograph.file.clone()).collect();
        let link = self.link.as_ref().map(|out| (out, PlaceBy::Link));
        if let Some((out, how)) = link.or(self.move_to.as_ref().map(|out| (out, PlaceBy::Move))) {
            for group in groups {
                for &member in &group.members {
                    if let Some(path) = places.get_mut(member) {
                        *path = place(path, &out.join(&group.name), how)?;
                    }
                }
            }
        }
        match &self.csv {
            Some(path) => {
                list(path, scan, &places, groups).with_context(|| format!("{} cannot be written", path.display()))
            }
            None => Ok(()),
        }
    }
}

impl Scan {
    /// The face and photograph of a group's member.
    fn member(&self, index: usize) -> Option<&Found> {
        self.found.get(index)
    }

    fn add(&mut self, photograph: &Photograph, result: Result<Option<crate::vision::Seen>, FaceError>) -> Result<()> {
        let file = photograph.file.clone();
        match result {
            Ok(Some(seen)) => {
                self.embeddings.push(seen.embedding);
                self.found.push(Found { photograph: photograph.clone(), face: seen.face });
            }
            Ok(None) => self.no_face.push(file),
            Err(FaceError::Photo(PhotoError::File { cause, .. })) => self.unreadable.push((file, cause.to_string())),
            Err(FaceError::Photo(error)) => self.unreadable.push((file, error.to_string())),
            // If a network fails on one photograph, it fails on all.
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// The groups, largest first; groups of the same size by their first photograph.
fn groups(numbers: &[usize]) -> Vec<Group> {
    let mut members = vec![Vec::new(); numbers.iter().max().map_or(0, |largest| largest + 1)];
    for (index, &number) in numbers.iter().enumerate() {
        if let Some(members) = members.get_mut(number) {
            members.push(index);
        }
    }
    members.sort_by_key(|members| std::cmp::Reverse(members.len()));
    let name = |number: usize| format!("person-{:04}", number + 1);
    members.into_iter().enumerate().map(|(number, members)| Group { name: name(number), members }).collect()
}

fn row(scan: &Scan, group: &Group) -> Row {
    let faces = group.members.iter().take(sheet::MAX_FACES);
    Row {
        label: format!("{}  {} photographs", group.name, group.members.len()),
        faces: faces
            .filter_map(|&member| scan.member(member))
            .map(|found| (found.photograph.file.clone(), found.face))
            .collect(),
    }
}

fn list(path: &Path, scan: &Scan, places: &[PathBuf], groups: &[&Group]) -> Result<()> {
    let mut names = vec![""; places.len()];
    for group in groups {
        for &member in &group.members {
            if let Some(name) = names.get_mut(member) {
                *name = &group.name;
            }
        }
    }
    let mut lines: Vec<(String, &str)> =
        places.iter().zip(names).map(|(place, name)| (place.display().to_string(), name)).collect();
    let without = scan.no_face.iter().chain(scan.unreadable.iter().map(|(file, _)| file));
    lines.extend(without.map(|file| (file.display().to_string(), "")));
    lines.sort();
    let mut writer = csv::Writer::from_path(path)?;
    writer.write_record(["file", "group"])?;
    for (file, name) in lines {
        writer.write_record([&file, name])?;
    }
    Ok(writer.flush()?)
}

fn print(scan: &Scan, groups: &[&Group], limit: Distance, truth: Option<(Agreement, Agreement)>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for (file, why) in &scan.unreadable {
        note!("unreadable: {}: {why}", file.display());
    }
    for file in &scan.no_face {
        note!("no face: {}", file.display());
    }
    let mut table = Listing::new(["GROUP", "PHOTOGRAPHS", "FIRST"]).giving_way(&["FIRST"]);
    for group in groups {
        let first = group.members.first().and_then(|&member| scan.member(member));
        let first = first.map(|found| found.photograph.file.display().to_string());
        table.row(Tone::Plain, [group.name.clone(), group.members.len().to_string(), first.unwrap_or_default()]);
    }
    if !groups.is_empty() {
        table.write(&mut out)?;
    }
    let grouped: usize = groups.iter().map(|group| group.members.len()).sum();
    writeln!(
        out,
        "{} groups of {grouped} photographs within distance {limit}; {} without a group, {} without a face, {} unreadable",
        groups.len(),
        scan.found.len() - grouped,
        scan.no_face.len(),
        scan.unreadable.len()
    )?;
    if let Some((pairs, cubed)) = truth {
        for (what, agreement) in [("pairs", pairs), ("B-cubed", cubed)] {
            let Agreement { precision, recall } = agreement;
            writeln!(out, "{what:<8} precision {precision:.4}, recall {recall:.4}, F1 {:.4}", agreement.f1())?;
        }
    }
    Ok(())
}

fn print_json(scan: &Scan, groups: &[&Group], limit: Distance, truth: Option<(Agreement, Agreement)>) -> Result<()> {
    let path = |file: &PathBuf| file.display().to_string();
    let files = |group: &Group| -> Vec<String> {
        group.members.iter().filter_map(|&member| Some(path(&scan.member(member)?.photograph.file))).collect()
    };
    let groups: Vec<_> = groups.iter().map(|group| json!({ "name": group.name, "files": files(group) })).collect();
    let unreadable: Vec<_> =
        scan.unreadable.iter().map(|(file, reason)| json!({ "file": path(file), "reason": reason })).collect();
    let figures = |a: Agreement| json!({ "precision": a.precision, "recall": a.recall, "f1": a.f1() });
    let report = json!({
        "distance": limit.0,
        "photographs": scan.found.len() + scan.no_face.len() + scan.unreadable.len(),
        "groups": groups,
        "no_face": scan.no_face.iter().map(path).collect::<Vec<_>>(),
        "unreadable": unreadable,
        "truth": truth.map(|(pairs, cubed)| json!({ "pairs": figures(pairs), "b_cubed": figures(cubed) })),
    });
    writeln!(std::io::stdout().lock(), "{report}")?;
    Ok(())
}
