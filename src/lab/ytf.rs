//! The pair lists of the YouTube Faces database, whose videos are folders of frames.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Two videos, and whether they show one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoPair {
    /// 1 to 10 in the published list; each is evaluated at the cuts of the others.
    pub split: u32,
    pub a: PathBuf,
    pub b: PathBuf,
    pub same: bool,
}

/// Why the list or a video cannot be read.
#[derive(Debug, Error)]
pub enum YtfError {
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error(
        "{}:{line}: `{text}` is not `split, [pair,] first/video, second/video, …, same` with 1 or 0 at its end",
        path.display()
    )]
    Malformed { path: PathBuf, line: usize, text: String },
    #[error("{} has no pairs", path.display())]
    Empty { path: PathBuf },
}

/// Reads `splits.txt` (or `splits_corrected.txt`): lines of numbers and names separated by commas. The first field is the split, the two fields
/// that are not numbers are the videos (`Name/0`), and the last is 1 for one person and 0 for two; other fields (the number of the pair, a second
/// label) are ignored. A first line that does not begin with a number is a heading. Paths are relative to `videos`.
pub fn read_splits(list: &Path, videos: &Path) -> Result<Vec<VideoPair>, YtfError> {
    let text = std::fs::read_to_string(list).map_err(|why| YtfError::Unreadable { path: list.to_owned(), why })?;
    let mut pairs = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let split = line.split(',').next().unwrap_or_default().trim().parse::<u32>();
        if index == 0 && split.is_err() {
            continue;
        }
        let names: Vec<&str> = fields.iter().copied().filter(|f| !f.is_empty() && f.parse::<f64>().is_err()).collect();
        let same = match fields.last() {
            Some(&"1") => Some(true),
            Some(&"0") => Some(false),
            _ => None,
        };
        match (split, &names[..], same) {
            (Ok(split), [a, b], Some(same)) => {
                pairs.push(VideoPair { split, a: videos.join(a), b: videos.join(b), same })
            }
            _ => {
                return Err(YtfError::Malformed { path: list.to_owned(), line: index + 1, text: line.to_owned() });
            }
        }
    }
    match pairs.is_empty() {
        true => Err(YtfError::Empty { path: list.to_owned() }),
        false => Ok(pairs),
    }
}

/// The frames of a video: the visible files of its folder, `0.2.jpg` before `0.10.jpg`.
pub fn frames(video: &Path) -> Result<Vec<PathBuf>, YtfError> {
    let unreadable = |why| YtfError::Unreadable { path: video.to_owned(), why };
    let mut frames = Vec::new();
    for entry in std::fs::read_dir(video).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") && entry.path().is_file() {
            frames.push(entry.path());
        }
    }
    // Numbers have no leading zeros, so a longer name has a larger number.
    frames.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_format_is_read_with_and_without_its_extra_columns() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("splits.txt");
        let read = |text: &str| {
            std::fs::write(&list, text).unwrap();
            read_splits(&list, Path::new("v"))
        };
        let pairs = read(
            "split number, pair number, first name, second name, same label, is same\n\
             1, 1, Ada_L/0, Ada_L/2, 1, 1\n2, 17, Ada_L/0, Bob_M/1, 0, 0\n",
        )
        .unwrap();
        assert_eq!(pairs[0], VideoPair { split: 1, a: "v/Ada_L/0".into(), b: "v/Ada_L/2".into(), same: true });
        assert_eq!((pairs[1].split, pairs[1].same), (2, false));
        assert_eq!(read("3, Ada_L/0, Bob_M/1, 0.25, 0").unwrap()[0].split, 3);
        assert!(read("1, Ada_L/0, Bob_M/1, 0\n1, Ada_L/0, 1\n").unwrap_err().to_string().contains("splits.txt:2"));
        assert!(read("1, Ada_L/0, Bob_M/1, perhaps\n").is_err());
        assert!(matches!(read("split, a, b, same\n"), Err(YtfError::Empty { .. })));
    }

    #[test]
    fn frames_are_sorted_by_time() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["0.10.jpg", "0.2.jpg", "0.1.jpg", ".hidden"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names: Vec<_> = frames(folder.path())
            .unwrap()
            .iter()
            .map(|p| p.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["0.1.jpg", "0.2.jpg", "0.10.jpg"]);
        assert!(frames(&folder.path().join("missing")).is_err());
    }
}
