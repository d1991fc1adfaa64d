//! `[journal]` and `[attendance]`: how long the record is kept, and how hours are reckoned from it.
//!
//! Knows nothing of what is in it.

use std::path::PathBuf;
use std::time::Duration;

/// `[journal]`: the record of what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// For how many days records are kept. `None` (in the file: `"off"`): for ever.
    pub keep_days: Option<u32>,
    /// How many bytes of records are kept before the oldest are deleted.
    pub max_size: MaxSize,
    /// Whether doors open while nothing can be written down, as on a full disk. In the file: `on_journal_failure`.
    pub on_failure: OnJournalFailure,
    /// The same for the exit button and a release. In the file: `exit_on_journal_failure`.
    pub exit_on_failure: OnJournalFailure,
    /// The folder in which is marked what happened and could not be written down; not in the store, best on another disk. Empty: the store's
    /// path with `-gap` after it.
    pub gap_path: PathBuf,
}

/// How many bytes of records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxSize {
    /// `"auto"`: 1 GiB, or a tenth of the file system where that is less.
    Auto,
    /// `"off"`: any number.
    Any,
    Bytes(u64),
}

/// What a door does with an order that cannot be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnJournalFailure {
    /// It stays shut.
    Deny,
    /// It opens; the log says so.
    Allow,
}

/// `[attendance]`: how hours are reckoned from the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendance {
    /// What tells in from out.
    pub method: AttendanceMethod,
    /// Readings of one person in the same direction within this span count once.
    pub double_read: Duration,
    /// The minute after midnight at which a day begins: what comes before it belongs to the day before. In the file: `"04:00"`.
    pub day_starts_min: u16,
    /// The time zone, as in `Europe/Berlin`. `None` (in the file: empty): `device.time_zone`.
    pub time_zone: Option<String>,
    /// A day of more hours than this is marked.
    pub long_day: Duration,
    /// An out that comes later than this after its in does not belong to it.
    pub longest_stint: Duration,
}

/// What tells in from out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttendanceMethod {
    /// The side of the camera.
    Side,
    /// In and out by turns, day by day.
    Alternate,
    /// The first reading of a day is in, the last is out.
    FirstLast,
}
