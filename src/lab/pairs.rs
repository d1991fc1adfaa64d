//! Lists of pairs of photographs, in the format of Labeled Faces in the Wild or as CSV; and the accuracy of a distance limit on them.

use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use crate::names;
use crate::table::{self, Table, TableError};

/// Extensions of pictures, in lower case.
const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib"];

/// Two photographs, and whether they show one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub a: PathBuf,
    pub b: PathBuf,
    pub same: bool,
}

/// Why a list of pairs cannot be read.
#[derive(Debug, Error)]
pub enum PairsError {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("{}:{line}: `{text}` is neither `NAME N M` nor `NAME N NAME M`; names with spaces need tabs between the columns", path.display())]
    Malformed { path: PathBuf, line: usize, text: String },
    #[error(
        "{}:1: `{text}` is neither a count of pairs (View 1) nor counts of sets and pairs (View 2): is this one of LFW's pairs*.txt?",
        path.display()
    )]
    Head { path: PathBuf, text: String },
    #[error("{} announces {announced} pairs in its first line and has {found}: is it complete?", path.display())]
    Truncated { path: PathBuf, announced: usize, found: usize },
    #[error("{} has no pairs", path.display())]
    Empty { path: PathBuf },
}

/// A list of pairs in LFW's format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LfwList {
    pub pairs: Vec<Pair>,
    /// The number of sets that the list is divided into, each with pairs of both kinds: 10 in View 2, 1 in View 1.
    pub sets: usize,
}

/// Reads LFW's `pairs*.txt`; see [`read_lfw_list`].
pub fn read_lfw(list: &Path, images: &Path) -> Result<Vec<Pair>, PairsError> {
    Ok(read_lfw_list(list, images)?.pairs)
}

/// Reads LFW's `pairs*.txt` in any encoding that [`Table`] reads: lines of `NAME N M` (one person) and `NAME N NAME M` (two people), separated by
/// tabs. The first line has the number of pairs of each kind (View 1), or the number of sets and the pairs of each kind per set (View 2). Paths
/// are `images/NAME/NAME_000N.jpg`, or with another extension if only such a file exists.
pub fn read_lfw_list(list: &Path, images: &Path) -> Result<LfwList, PairsError> {
    let (text, _) = table::read_text(list)?;
    // Empty lines are ignored.
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let head = lines.next().map_or("", |(_, line)| line);
    let counts: Result<Vec<usize>, _> = head.split_whitespace().map(str::parse).collect();
    let (sets, each) = match counts.as_deref() {
        Ok([each]) => (1, *each),
        Ok([sets, each]) => (*sets, *each),
        _ => return Err(PairsError::Head { path: list.to_owned(), text: head.to_owned() }),
    };
    let photo = |name: &str, number: u32| photograph(images, name, number);
    let mut pairs = Vec::new();
    for (index, line) in lines {
        let malformed = || PairsError::Malformed { path: list.to_owned(), line: index + 1, text: line.to_owned() };
        // With tabs as separators, names may contain spaces.
        let fields: Vec<&str> = match line.contains('\t') {
            true => line.split('\t').map(str::trim).filter(|field| !field.is_empty()).collect(),
            false => line.split_whitespace().collect(),
        };
        let number = |field: &str| field.parse::<u32>().map_err(|_| malformed());
        pairs.push(match fields[..] {
            [name, n, m] => Pair { a: photo(name, number(n)?), b: photo(name, number(m)?), same: true },
            [one, n, other, m] => Pair { a: photo(one, number(n)?), b: photo(other, number(m)?), same: false },
            _ => return Err(malformed()),
        });
    }
    let announced = sets.saturating_mul(each).saturating_mul(2);
    if pairs.len() != announced {
        return Err(PairsError::Truncated { path: list.to_owned(), announced, found: pairs.len() });
    }
    Ok(LfwList { pairs, sets })
}

/// Reads a list with the columns `a`, `b` and `same` (1 or 0), and possibly others. Paths are relative to `images`. Returns the pairs, and notes
/// for the user about what the reader assumed.
pub fn read_csv(list: &Path, images: &Path) -> Result<(Vec<Pair>, Vec<String>), PairsError> {
    let table = Table::read(list)?;
    let (a, b, same) = (table.require_column("a")?, table.require_column("b")?, table.require_column("same")?);
    let mut pairs = Vec::new();
    for row in table.rows() {
        let photo = |column| match row.get(column) {
            "" => Err(table.cell_error(row, column, "it is empty: put a photograph's path here")),
            path => Ok(existing_spelling(images.join(path))),
        };
        let same = match row.get(same).to_lowercase().as_str() {
            "1" | "true" | "yes" => true,
            "0" | "false" | "no" => false,
            other => {
                let why = format!("`{other}` does not say whether the two are one person: write 1 or 0");
                return Err(table.cell_error(row, same, why).into());
            }
        };
        pairs.push(Pair { a: photo(a)?, b: photo(b)?, same });
    }
    match pairs.is_empty() {
        true => Err(PairsError::Empty { path: list.to_owned() }),
        false => Ok((pairs, table.notes)),
    }
}

/// `path`, or the existing file whose path is the same in another Unicode normalisation.
fn existing_spelling(path: PathBuf) -> PathBuf {
    if path.exists() {
        return path;
    }
    let mut there = PathBuf::new();
    for part in path.components() {
        let next = there.join(part);
        there = match (next.exists(), part) {
            (false, Component::Normal(name)) => {
                sibling(&there, |other| names::exact_key(other) == names::exact_key(&name.to_string_lossy()))
                    .unwrap_or(next)
            }
            _ => next,
        };
    }
    match there.exists() {
        true => there,
        false => path,
    }
}

/// The first entry of a folder, by name, for which `fits` is true.
fn sibling(folder: &Path, fits: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name());
    let mut fitting: Vec<_> = names.filter(|name| fits(&name.to_string_lossy())).collect();
    fitting.sort();
    fitting.into_iter().next().map(|name| folder.join(name))
}

/// The photograph with that name and number in a person's folder: `NAME_0001.jpg`, with any picture extension in any case; or its first face as
/// `usher align --multiple` names it, `NAME_0001_0.png`. If there is none, the usual path.
fn photograph(images: &Path, name: &str, number: u32) -> PathBuf {
    let stem = format!("{name}_{number:04}");
    let usual = images.join(name).join(format!("{stem}.jpg"));
    if usual.exists() {
        return usual;
    }
    let folder = match images.join(name) {
        there if there.is_dir() => there,
        _ => sibling(images, |other| names::exact_key(other) == names::exact_key(name))
            .unwrap_or_else(|| images.join(name)),
    };
    let called = |wanted: &str, other: &str| match other.rsplit_once('.') {
        Some((other, ending)) => {
            names::exact_key(other) == names::exact_key(wanted) && EXTENSIONS.contains(&ending.to_lowercase().as_str())
        }
        None => false,
    };
    // `align` keeps the photograph's extension if two photographs differ in the extension only.
    let aligned = |wanted: &str, other: &str| match other.strip_suffix(".png").and_then(|rest| rest.rsplit_once('.')) {
        Some((other, ending)) => called(wanted, &format!("{other}.{ending}")),
        None => false,
    };
    let first = format!("{stem}_0");
    sibling(&folder, |other| called(&stem, other))
        .or_else(|| sibling(&folder, |other| called(&first, other)))
        .or_else(|| sibling(&folder, |other| aligned(&stem, other)))
        .unwrap_or(usual)
}

/// The share of pairs that `limit` classifies correctly; a distance up to the limit means one person.
pub fn accuracy(distances: &[(f32, bool)], limit: f32) -> f64 {
    let correct = distances.iter().filter(|(distance, same)| (*distance <= limit) == *same).count();
    correct as f64 / distances.len().max(1) as f64
}

/// The limit that classifies most pairs correctly: half way between two neighbouring distances, the smallest if several are best.
pub fn best_limit(distances: &[(f32, bool)]) -> f32 {
    let mut sorted = distances.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    // With a limit below all distances, exactly the pairs of different people are correct.
    let mut correct = sorted.iter().filter(|(_, same)| !same).count() as i64;
    let (mut best, mut limit) = (correct, sorted.first().map_or(0.0, |(d, _)| d / 2.0));
    for (i, (distance, same)) in sorted.iter().enumerate() {
        correct += if *same { 1 } else { -1 };
        let next = sorted.get(i + 1).map_or(distance + 1e-3, |(d, _)| *d);
        if correct > best && next > *distance {
            best = correct;
            limit = (distance + next) / 2.0;
        }
    }
    limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_of_lfw_are_read_and_malformed_ones_named() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("pairs.txt");
        std::fs::write(&list, "1\nAda_L\t1\t2\nAda_L\t1\tBob_M\t12\n").unwrap();
        let pairs = read_lfw(&list, Path::new("images")).unwrap();
        assert_eq!(pairs[0].b, Path::new("images/Ada_L/Ada_L_0002.jpg"));
        assert_eq!((pairs[1].b.to_str(), pairs[1].same), (Some("images/Bob_M/Bob_M_0012.jpg"), false));
        std::fs::write(&list, "1\nAda_L\tone\t2\n").unwrap();
        assert!(read_lfw(&list, Path::new("images")).unwrap_err().to_string().contains("pairs.txt:2"));
    }

    #[test]
    fn both_views_are_distinguished_and_a_truncated_list_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("pairs.txt");
        let read = |text: &str| {
            std::fs::write(&list, text).unwrap();
            read_lfw_list(&list, folder.path())
        };
        let set = "Ada_L\t1\t2\nAda_L\t1\tBob_M\t1\n";
        assert_eq!(read(&format!("2\t1\n{set}{set}")).unwrap().sets, 2);
        assert_eq!(read(&format!("2\n{set}{set}")).unwrap().sets, 1);
        assert!(matches!(read(&format!("2\t1\n{set}")), Err(PairsError::Truncated { announced: 4, found: 2, .. })));
        assert!(matches!(read(set), Err(PairsError::Head { .. })));
        assert!(matches!(read(""), Err(PairsError::Head { .. })));
    }

    #[test]
    fn the_extension_is_that_of_the_existing_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("Ada_L")).unwrap();
        std::fs::write(folder.path().join("Ada_L/Ada_L_0002.png"), "").unwrap();
        let list = folder.path().join("pairs.txt");
        std::fs::write(&list, "1\nAda_L\t1\t2\nAda_L\t1\tBob_M\t12\n").unwrap();
        let pair = read_lfw(&list, folder.path()).unwrap().remove(0);
        assert_eq!(
            (pair.a, pair.b),
            (folder.path().join("Ada_L/Ada_L_0001.jpg"), folder.path().join("Ada_L/Ada_L_0002.png"))
        );
    }

    #[test]
    fn a_csv_file_lists_pairs_and_a_malformed_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("pairs.csv");
        let read = |text: &str| {
            std::fs::write(&list, text).unwrap();
            read_csv(&list, Path::new("in")).map(|(pairs, _)| pairs)
        };
        let pairs = read("same, a, b, note\n1, x.jpg, y.jpg,\nno,/z.jpg,y.jpg,late").unwrap();
        assert_eq!((pairs[0].a.to_str(), pairs[0].same), (Some("in/x.jpg"), true));
        assert_eq!((pairs[1].a.to_str(), pairs[1].same), (Some("/z.jpg"), false));
        assert!(
            read("a,b,same\nx,y,1\nx,y,perhaps")
                .unwrap_err()
                .to_string()
                .contains("pairs.csv, line 3, column \"same\"")
        );
        assert!(read("a,b\nx,y").unwrap_err().to_string().contains("same"));
        assert!(matches!(read("a,b,same\n"), Err(PairsError::Empty { .. })));
    }

    proptest! {
        #[test]
        fn no_limit_is_better_than_the_best(pairs in prop::collection::vec((0f32..2.0, any::<bool>()), 1..60)) {
            let best = accuracy(&pairs, best_limit(&pairs));
            for (distance, _) in &pairs {
                prop_assert!(accuracy(&pairs, *distance) <= best + 1e-12);
            }
            prop_assert!(accuracy(&pairs, -1.0) <= best + 1e-12);
        }
    }
}
