//! Events that happened and could not be recorded, marked outside the store: how many, since when, and why.
//!
//! A store that cannot be written cannot note that itself, so small files in other folders do. They exist from the start with their full
//! length, so that a full disk has room for them. Each has two places that are written alternately, so that a torn one leaves the other.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// The files' names in each folder: for what could not be written, and for what waits for a disk that has stalled.
const FILES: [&str; 2] = [UNRECORDED, WAITING];
const UNRECORDED: &str = "unrecorded";
const WAITING: &str = "waiting";
/// Each of the two places: one sector.
const PLACE_BYTES: usize = 512;
/// Longer reasons are cut to fit.
const REASON_BYTES: usize = 240;

/// A period with events that are in no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Identifies the gap after a restart.
    pub id: String,
    /// How many events.
    pub lost: u64,
    /// How many of them unlocked a door.
    pub unlocked: u64,
    /// When the first of them happened, and the last.
    pub since: SystemTime,
    pub last: SystemTime,
    /// Why they could not be written.
    pub reason: String,
}

impl Gap {
    /// One that begins now; nothing is lost yet.
    pub fn begin(at: SystemTime) -> Gap {
        let id = uuid::Uuid::now_v7().simple().to_string();
        Gap { id, lost: 0, unlocked: 0, since: at, last: at, reason: String::new() }
    }

    /// How long it lasted by the wall clock; zero where that was set back meanwhile.
    pub fn lasted(&self) -> Duration {
        self.last.duration_since(self.since).unwrap_or_default()
    }

    /// Both as one.
    fn with(self, other: Gap) -> Gap {
        let reason = if self.last >= other.last { self.reason } else { other.reason };
        Gap {
            id: self.id,
            lost: self.lost.saturating_add(other.lost),
            unlocked: self.unlocked.saturating_add(other.unlocked),
            since: self.since.min(other.since),
            last: self.last.max(other.last),
            reason,
        }
    }
}

/// A [`Gap`] as a file holds it.
#[derive(Serialize, Deserialize)]
struct Written {
    /// Counts up; the higher of the two places is the newer.
    turn: u64,
    id: String,
    lost: u64,
    unlocked: u64,
    since_ms: u64,
    last_ms: u64,
    reason: String,
}

/// The files in which gaps are marked. Clones mark the same files.
#[derive(Clone, Debug, Default)]
pub struct GapMarks {
    folders: Vec<PathBuf>,
}

impl GapMarks {
    /// A file in each of these folders.
    pub fn new(folders: Vec<PathBuf>) -> GapMarks {
        GapMarks { folders }
    }

    /// Creates the files, so that there is room for a mark. What cannot be created is logged.
    pub fn prepare(&self) {
        for folder in &self.folders {
            if let Err(error) = prepare(folder) {
                tracing::warn!(folder = %folder.display(), %error, "events that cannot be written down could not be marked here ([journal] gap_path)");
            }
        }
    }

    /// Marks a gap in each of the files that take it, on their disks when this returns.
    ///
    /// # Errors
    /// There are files, and none could be written.
    pub fn mark(&self, gap: &Gap) -> io::Result<()> {
        self.mark_in(UNRECORDED, gap)
    }

    /// Marks what waits for a disk that has stalled: it is a gap if the process ends before the disk answers.
    ///
    /// # Errors
    /// As [`GapMarks::mark`].
    pub fn mark_waiting(&self, gap: &Gap) -> io::Result<()> {
        self.mark_in(WAITING, gap)
    }

    fn mark_in(&self, name: &str, gap: &Gap) -> io::Result<()> {
        let written: Vec<io::Result<()>> = self.folders.iter().map(|folder| write(folder, name, Some(gap))).collect();
        if written.iter().any(Result::is_ok) { Ok(()) } else { written.into_iter().collect() }
    }

    /// Clears the marks: a record reports the gap.
    ///
    /// # Errors
    /// Some file is still marked.
    pub fn clear(&self) -> io::Result<()> {
        self.clear_waiting().and(self.clear_in(UNRECORDED))
    }

    /// Clears the marks of what waited.
    ///
    /// # Errors
    /// Some file is still marked.
    pub fn clear_waiting(&self) -> io::Result<()> {
        self.clear_in(WAITING)
    }

    fn clear_in(&self, name: &str) -> io::Result<()> {
        let mut done = Ok(());
        for folder in &self.folders {
            let file = folder.join(name);
            if read(&file).is_some_and(|written| written.lost > 0)
                && let Err(error) = write(folder, name, None)
            {
                // A file that cannot be written can perhaps be removed.
                done = fs::remove_file(&file).map_err(|_| error).and(done);
            }
        }
        done
    }

    /// The marked gap, of those for which `counts` is true. One that is in several files is taken with its largest count; several gaps
    /// become one.
    pub fn read(&self, counts: impl Fn(&Gap) -> bool) -> Option<Gap> {
        let mut found: Vec<Gap> = Vec::new();
        let files = self.folders.iter().flat_map(|folder| FILES.map(|name| folder.join(name)));
        let marked = files.filter_map(|file| read(&file)).filter_map(Written::gap);
        for gap in marked.filter(counts) {
            match found.iter_mut().find(|other| other.id == gap.id) {
                Some(same) if same.lost < gap.lost => *same = gap,
                Some(_) => {}
                None => found.push(gap),
            }
        }
        found.into_iter().reduce(Gap::with)
    }
}

impl Written {
    /// `None` for a place that marks no gap.
    fn gap(self) -> Option<Gap> {
        let time = |ms: u64| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms));
        let Written { id, lost, unlocked, since_ms, last_ms, reason, .. } = self;
        (lost > 0).then_some(())?;
        Some(Gap { id, lost, unlocked, since: time(since_ms)?, last: time(last_ms)?, reason })
    }
}

fn prepare(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    FILES.iter().try_for_each(|name| prepare_file(folder, name))
}

fn prepare_file(folder: &Path, name: &str) -> io::Result<()> {
    let file =
        File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(folder.join(name))?;
    if file.metadata()?.len() < (2 * PLACE_BYTES) as u64 {
        // Bytes, not a hole.
        file.write_all_at(&[b' '; 2 * PLACE_BYTES], 0)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn write(folder: &Path, name: &str, gap: Option<&Gap>) -> io::Result<()> {
    prepare(folder)?;
    let path = folder.join(name);
    let turn = read(&path).map_or(0, |written| written.turn).saturating_add(1);
    let ms = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |span| span.as_millis() as u64);
    let written = match gap {
        None => {
            Written { turn, id: String::new(), lost: 0, unlocked: 0, since_ms: 0, last_ms: 0, reason: String::new() }
        }
        Some(gap) => Written {
            turn,
            id: gap.id.clone(),
            lost: gap.lost,
            unlocked: gap.unlocked,
            since_ms: ms(gap.since),
            last_ms: ms(gap.last),
            reason: shortened(&gap.reason),
        },
    };
    let mut json = serde_json::to_string(&written)?;
    if json.len() > PLACE_BYTES - CHECK_BYTES - 1 {
        // Only a reason full of characters that have to be escaped is that long.
        json = serde_json::to_string(&Written { reason: "it is too long to be kept here".to_owned(), ..written })?;
    }
    let mut place = format!("{} {json}", check(&json)).into_bytes();
    place.resize(PLACE_BYTES, b' ');
    if let Some(end) = place.last_mut() {
        *end = b'\n';
    }
    let file = File::options().write(true).open(&path)?;
    file.write_all_at(&place, (turn % 2).saturating_mul(PLACE_BYTES as u64))?;
    file.sync_data()
}

/// Hexadecimal digits before each place's JSON, and the space after them.
const CHECK_BYTES: usize = 17;

fn check(json: &str) -> String {
    blake3::hash(json.as_bytes()).to_hex().chars().take(CHECK_BYTES - 1).collect()
}

/// The newer place of a file that reads back; `None` when neither does.
fn read(path: &Path) -> Option<Written> {
    let mut bytes = vec![0; 2 * PLACE_BYTES];
    File::open(path).ok()?.read_exact_at(&mut bytes, 0).ok()?;
    let place = |bytes: &[u8]| {
        let (found, json) = std::str::from_utf8(bytes).ok()?.trim_end().split_once(' ')?;
        (check(json) == found).then(|| serde_json::from_str::<Written>(json).ok()).flatten()
    };
    bytes.chunks(PLACE_BYTES).filter_map(place).max_by_key(|written| written.turn)
}

fn shortened(text: &str) -> String {
    let end = (0..=REASON_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(lost: u64) -> Gap {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_349_927);
        Gap {
            lost,
            unlocked: 1,
            last: at + Duration::from_secs(lost),
            reason: "the disk is full".into(),
            ..Gap::begin(at)
        }
    }

    #[test]
    fn a_mark_is_read_back_and_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let marks = GapMarks::new(vec![dir.path().join("gap")]);
        assert_eq!(marks.read(|_| true), None);
        marks.prepare();
        assert_eq!(marks.read(|_| true), None);
        let mut gap = gap(3);
        marks.mark(&gap).unwrap();
        assert_eq!(marks.read(|_| true).unwrap(), gap);
        gap.lost = 4;
        marks.mark(&gap).unwrap();
        assert_eq!(marks.read(|_| true).unwrap(), gap);
        marks.clear().unwrap();
        assert_eq!(marks.read(|_| true), None);
    }

    #[test]
    fn a_torn_place_leaves_what_was_marked_before() {
        let dir = tempfile::tempdir().unwrap();
        let marks = GapMarks::new(vec![dir.path().to_owned()]);
        let first = gap(3);
        marks.mark(&first).unwrap();
        let whole = fs::read(dir.path().join(UNRECORDED)).unwrap();
        marks.mark(&Gap { lost: 4, ..first.clone() }).unwrap();
        let mut torn = fs::read(dir.path().join(UNRECORDED)).unwrap();
        for at in 0..torn.len() {
            if torn[at] != whole[at] {
                torn[at] = b'x';
            }
        }
        fs::write(dir.path().join(UNRECORDED), torn).unwrap();
        assert_eq!(marks.read(|_| true).unwrap(), first);
        for rubbish in [&b""[..], b"x", &[0; 5000], &[255; 1024]] {
            fs::write(dir.path().join(UNRECORDED), rubbish).unwrap();
            assert_eq!(marks.read(|_| true), None);
            marks.mark(&first).unwrap();
            assert_eq!(marks.read(|_| true).unwrap(), first);
        }
    }

    #[test]
    fn where_one_folder_fails_another_serves_and_nothing_counts_twice() {
        let dir = tempfile::tempdir().unwrap();
        // A file where the folder should be.
        fs::write(dir.path().join("bad"), "x").unwrap();
        let (bad, good) = (dir.path().join("bad"), dir.path().join("good"));
        let gap = gap(7);
        assert!(GapMarks::new(vec![bad.clone()]).mark(&gap).is_err());
        let both = GapMarks::new(vec![bad.clone(), good]);
        both.mark(&gap).unwrap();
        assert_eq!(both.read(|_| true).unwrap(), gap);
        // The first folder is there again: the gap is marked in both, with other counts.
        fs::remove_file(&bad).unwrap();
        GapMarks::new(vec![bad]).mark(&Gap { lost: 6, ..gap.clone() }).unwrap();
        assert_eq!(both.read(|_| true).unwrap(), gap);
        both.clear().unwrap();
        assert_eq!(both.read(|_| true), None);
    }

    #[test]
    fn a_long_reason_is_cut_and_never_keeps_a_gap_from_being_marked() {
        let dir = tempfile::tempdir().unwrap();
        let marks = GapMarks::new(vec![dir.path().to_owned()]);
        for reason in ["é".repeat(400), "\u{1}".repeat(400), "\"".repeat(400)] {
            let gap = Gap { reason, lost: u64::MAX, unlocked: u64::MAX, ..gap(1) };
            marks.mark(&gap).unwrap();
            assert_eq!(marks.read(|_| true).unwrap().lost, u64::MAX);
        }
    }
}
