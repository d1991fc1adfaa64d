//! The folder of aligned faces: their names, which photographs are done, and writing without ever leaving a partial file.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::align::{CutOut, source_of};
use super::dataset::{Photograph, is_inside};

/// A photograph, and the file of its aligned face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub photograph: Photograph,
    /// `OUT/PERSON/NAME.png`.
    pub target: PathBuf,
    multiple: bool,
    /// No other photograph of the person has the same name without its extension. Then a face that does not name its source is this one's.
    unique: bool,
}

impl Job {
    /// Whether it is done: the existing face names this photograph. A photograph's first face is written last, so if it exists, all do.
    pub fn is_done(&self) -> bool {
        let path = self.path(0);
        path.exists()
            && match source_of(&path) {
                Some(source) => source == file_name(&self.photograph),
                None => self.unique,
            }
    }

    /// The file of the face with that index: `NAME.png`, or `NAME_0.png`, `NAME_1.png`, … if all faces are wanted.
    fn path(&self, index: usize) -> PathBuf {
        match self.multiple {
            false => self.target.clone(),
            true => {
                let stem = self.target.file_stem().unwrap_or_default().to_owned();
                self.target.with_file_name(with(stem, &format!("_{index}.png")))
            }
        }
    }
}

/// The output folder of one run. Faces are written into `.usher-align-PID` and then moved, so a file under its final name is complete even after
/// a kill. (A power failure may still lose what the system had not yet written.)
pub struct AlignedFolder {
    folder: PathBuf,
    partial: PathBuf,
    multiple: bool,
    boxes: Option<File>,
}

/// Why faces cannot be written.
#[derive(Debug, Error)]
pub enum AlignedError {
    #[error("{} cannot be written: {why}", path.display())]
    Unwritable { path: PathBuf, why: std::io::Error },
    #[error("{} is inside the data set {}: aligned faces would count as its people; choose a folder outside of it", out.display(), data.display())]
    InsideTheData { out: PathBuf, data: PathBuf },
}

const PARTIAL: &str = ".usher-align-";

impl AlignedFolder {
    /// Opens `folder`, creating it if necessary, for faces of the data set `data`. Removes the partial files of runs that were killed.
    pub fn open(folder: &Path, data: &Path, multiple: bool) -> Result<AlignedFolder, AlignedError> {
        if is_inside(folder, data) {
            return Err(AlignedError::InsideTheData { out: folder.to_owned(), data: data.to_owned() });
        }
        fs::create_dir_all(folder).map_err(unwritable(folder))?;
        for entry in fs::read_dir(folder).map_err(unwritable(folder))?.flatten() {
            let name = entry.file_name();
            let Some(process) = name.to_str().and_then(|name| name.strip_prefix(PARTIAL)) else { continue };
            if !Path::new("/proc").join(process).exists() {
                // If this fails, the leftover is harmless.
                drop(fs::remove_dir_all(entry.path()));
            }
        }
        let partial = folder.join(format!("{PARTIAL}{}", std::process::id()));
        fs::create_dir_all(&partial).map_err(unwritable(&partial))?;
        Ok(AlignedFolder { folder: folder.to_owned(), partial, multiple, boxes: None })
    }

    /// The file of each photograph's face, in the given order. If two photographs of a person differ in the extension only, one of them keeps
    /// it (`ada.jpg` becomes `ada.png`, and `ada.webp` then `ada.webp.png`). An existing face stays that of the photograph that it names;
    /// otherwise the first photograph by name gets the short name.
    pub fn jobs(&self, photographs: Vec<Photograph>) -> Vec<Job> {
        let mut of_stem = HashMap::<PathBuf, usize>::new();
        let short = |photograph: &Photograph| {
            let folder = photograph.file.parent().and_then(Path::file_name).unwrap_or_default();
            let stem = photograph.file.file_stem().unwrap_or_default().to_owned();
            self.folder.join(folder).join(with(stem, ".png"))
        };
        let mut first = HashMap::<PathBuf, &Photograph>::new();
        for photograph in &photographs {
            let target = short(photograph);
            *of_stem.entry(target.clone()).or_default() += 1;
            let first = first.entry(target).or_insert(photograph);
            if photograph.file < first.file {
                *first = photograph;
            }
        }
        // The photograph that the existing face names has the short name, otherwise the first.
        let has_short = |photograph: &Photograph, target: &Path| {
            let job =
                Job { photograph: photograph.clone(), target: target.into(), multiple: self.multiple, unique: true };
            match source_of(&job.path(0)) {
                Some(source) => source == file_name(photograph),
                None => first.get(target).is_some_and(|first| first.file == photograph.file),
            }
        };
        let mut taken = HashSet::new();
        let mut targets = Vec::with_capacity(photographs.len());
        for photograph in &photographs {
            let mut target = short(photograph);
            let unique = of_stem.get(&target) == Some(&1);
            if !has_short(photograph, &target) {
                let name = photograph.file.file_name().unwrap_or_default().to_owned();
                target.set_file_name(with(name, ".png"));
            }
            while !taken.insert(target.clone()) {
                let name = target.file_name().unwrap_or_default().to_owned();
                target.set_file_name(with(name, ".png"));
            }
            targets.push((target, unique));
        }
        let multiple = self.multiple;
        let job = |(photograph, (target, unique))| Job { photograph, target, multiple, unique };
        photographs.into_iter().zip(targets).map(job).collect()
    }

    /// Writes a photograph's faces, and a line for each into the file of boxes.
    pub fn write(&mut self, job: &Job, faces: &[CutOut]) -> Result<(), AlignedError> {
        let last = job.path(0);
        let parent = last.parent().unwrap_or(&self.folder);
        fs::create_dir_all(parent).map_err(unwritable(parent))?;
        for (index, face) in faces.iter().enumerate().rev() {
            let path = job.path(index);
            let partial = self.partial.join("face.png");
            fs::write(&partial, &face.png).map_err(unwritable(&partial))?;
            let [x1, y1, x2, y2] = face.bounds;
            self.line(&path, &format!(" {x1} {y1} {x2} {y2}"))?;
            fs::rename(&partial, &path).map_err(unwritable(&path))?;
        }
        Ok(())
    }

    /// Records that a photograph shows no face: a line with the path alone.
    pub fn note_no_face(&mut self, job: &Job) -> Result<(), AlignedError> {
        self.line(&job.target, "")
    }

    /// One write for each line, so that a kill leaves complete lines.
    fn line(&mut self, path: &Path, rest: &str) -> Result<(), AlignedError> {
        let mut line = path.as_os_str().as_bytes().to_vec();
        line.extend(rest.as_bytes());
        line.push(b'\n');
        if self.boxes.is_none() {
            self.boxes = Some(self.next_boxes()?);
        }
        let Some(file) = &mut self.boxes else { return Ok(()) };
        file.write_all(&line).map_err(unwritable(&self.folder.join("bounding_boxes_*.txt")))
    }

    /// A new file of boxes with the first free number, so that concurrent runs have one each.
    fn next_boxes(&self) -> Result<File, AlignedError> {
        let mut number = 0;
        loop {
            let path = self.folder.join(format!("bounding_boxes_{number:05}.txt"));
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                other => return other.map_err(unwritable(&path)),
            }
        }
    }
}

impl Drop for AlignedFolder {
    fn drop(&mut self) {
        // If this fails, the next run removes it.
        drop(fs::remove_dir_all(&self.partial));
    }
}

fn file_name(photograph: &Photograph) -> String {
    photograph.file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn with(mut name: std::ffi::OsString, ending: &str) -> std::ffi::OsString {
    name.push(ending);
    name
}

fn unwritable(path: &Path) -> impl FnOnce(std::io::Error) -> AlignedError {
    let path = path.to_owned();
    move |why| AlignedError::Unwritable { path, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photographs(names: &[&str]) -> Vec<Photograph> {
        names.iter().map(|name| Photograph { person: "ada".into(), file: Path::new("in/ada").join(name) }).collect()
    }

    fn cut_out(value: u8) -> CutOut {
        CutOut { bounds: [1, 2, 30, 40], png: vec![value] }
    }

    #[test]
    fn names_never_collide() {
        let out = tempfile::tempdir().unwrap();
        let folder = AlignedFolder::open(out.path(), Path::new("in"), false).unwrap();
        let jobs = folder.jobs(photographs(&["1.jpg", "1.webp", "2.tar.png", "3"]));
        let names: Vec<_> = jobs.iter().map(|j| j.target.strip_prefix(out.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["ada/1.png", "ada/1.webp.png", "ada/2.tar.png", "ada/3.png"]);
    }

    #[test]
    fn a_face_of_another_source_is_not_done() {
        let out = tempfile::tempdir().unwrap();
        let mut folder = AlignedFolder::open(out.path(), Path::new("in"), false).unwrap();
        let face = |source: &str| {
            let face = crate::vision::align::AlignedFace { side: 2, rgb: vec![9; 12] };
            CutOut { bounds: [0, 0, 2, 2], png: super::super::align::png(&face, source).unwrap() }
        };
        let job = folder.jobs(photographs(&["a.jpg"])).remove(0);
        folder.write(&job, &[face("a.jpg")]).unwrap();
        // a.jpeg comes before a.jpg, and is new.
        let jobs = folder.jobs(photographs(&["a.jpeg", "a.jpg"]));
        let targets: Vec<_> = jobs.iter().map(|j| j.target.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!((targets, jobs[0].is_done(), jobs[1].is_done()), (vec!["a.jpeg.png", "a.png"], false, true));
        folder.write(&jobs[0], &[face("a.jpeg")]).unwrap();
        let jobs = folder.jobs(photographs(&["a.jpeg", "a.jpg"]));
        assert!(jobs.iter().all(Job::is_done));
        // Alone, the other photograph finds its own face, and another picture of that name is not done.
        assert!(folder.jobs(photographs(&["a.jpeg"]))[0].is_done());
        let other = folder.jobs(photographs(&["a.png"])).remove(0);
        assert!(!other.is_done() && other.target.ends_with("a.png.png"), "{other:?}");
        // A face of usher 0.1.0 names no photograph: it belongs to the only one of that name.
        let old = folder.jobs(photographs(&["b.jpg"])).remove(0);
        folder.write(&old, &[cut_out(1)]).unwrap();
        assert!(folder.jobs(photographs(&["b.jpg"]))[0].is_done());
        assert!(!folder.jobs(photographs(&["b.jpeg", "b.jpg"])).iter().any(Job::is_done));
    }

    #[test]
    fn several_faces_are_done_when_the_first_exists() {
        let out = tempfile::tempdir().unwrap();
        let mut folder = AlignedFolder::open(out.path(), Path::new("in"), true).unwrap();
        let job = folder.jobs(photographs(&["1.jpg"])).remove(0);
        assert!(!job.is_done());
        folder.write(&job, &[cut_out(1), cut_out(2)]).unwrap();
        assert!(job.is_done());
        assert_eq!(fs::read(out.path().join("ada/1_0.png")).unwrap(), [1]);
        assert_eq!(fs::read(out.path().join("ada/1_1.png")).unwrap(), [2]);
        drop(folder);
        let boxes = fs::read_to_string(out.path().join("bounding_boxes_00000.txt")).unwrap();
        let root = out.path().display();
        assert_eq!(boxes, format!("{root}/ada/1_1.png 1 2 30 40\n{root}/ada/1_0.png 1 2 30 40\n"));
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 2, "only the person and the boxes are left");
    }

    #[test]
    fn a_photograph_without_a_face_has_a_line_and_each_run_its_file() {
        let out = tempfile::tempdir().unwrap();
        for run in 0..2 {
            let mut folder = AlignedFolder::open(out.path(), Path::new("in"), false).unwrap();
            let job = folder.jobs(photographs(&["1.jpg"])).remove(0);
            folder.note_no_face(&job).unwrap();
            let boxes = fs::read_to_string(out.path().join(format!("bounding_boxes_0000{run}.txt"))).unwrap();
            assert_eq!(boxes, format!("{}\n", job.target.display()));
        }
    }

    #[test]
    fn files_of_a_killed_run_are_removed_and_those_of_a_running_one_are_kept() {
        let out = tempfile::tempdir().unwrap();
        // No process has this number: the kernel's largest is 2^22.
        let (dead, alive) = (out.path().join(".usher-align-4999999"), out.path().join(".usher-align-1"));
        for folder in [&dead, &alive] {
            fs::create_dir(folder).unwrap();
        }
        drop(AlignedFolder::open(out.path(), Path::new("in"), false).unwrap());
        assert!(!dead.exists() && alive.exists());
    }

    #[test]
    fn the_data_set_itself_is_not_written_into() {
        let data = tempfile::tempdir().unwrap();
        let error = AlignedFolder::open(&data.path().join("out"), data.path(), false).err().unwrap();
        assert!(error.to_string().contains("choose a folder outside"), "{error}");
        assert!(!data.path().join("out").exists());
    }
}
