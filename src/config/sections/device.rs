//! The machine itself: its name, its time, its store and journal, and how it is reached.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{s, section};
use crate::config::rule::{self, DAY, HOUR, span};
use crate::config::text::{span_text, unset_if_empty};
use crate::config::values::{DayStart, Keep, MaxSize};
use crate::domain::{AttendanceMethod, WithoutSync};

/// The systemd credential that holds the store's key.
pub const STORE_KEY: &str = "usher.store-key";
/// The control socket where the configuration names no other.
pub const CONTROL_SOCKET: &str = "/run/usher/usher.sock";

section! {
    /// This device.
    Device {
        /// The device's name on the broker and in the journal.
        #[schemars(schema_with = "rule::name")]
        name: String = "usher".to_owned(),
        /// The time zone of schedules, days and attendance, such as `"Europe/Berlin"`. Empty: the system's.
        #[serde(with = "unset_if_empty")]
        #[schemars(schema_with = "rule::zone")]
        time_zone: Option<String> = None,
    }
}

section! {
    /// What happens while the device does not know the time: its clock is not set, or is behind its own records.
    /// See [verdicts.md](verdicts.md#when-the-time-is-not-known).
    Time {
        /// How the rules that need the day or the hour answer then. `"deny"`: people with a first or last day, permits with a schedule, and
        /// everybody before the first person of the day are refused (`clock_unknown`), and doors do not stand unlocked by their schedule.
        /// `"allow"`: they pass, and doors stand unlocked by the clock as it is. Everybody else passes with either.
        without_sync: WithoutSync = WithoutSync::Deny,
    }
}

section! {
    /// The database.
    Store {
        /// The folder of the gallery, the journal and the outbox. The daemon must be able to write to it.
        #[schemars(schema_with = "rule::path")]
        path: PathBuf = "/var/lib/usher".into(),
        /// The file of the key that [seals templates](privacy.md#sealed-templates). A name without a slash is a systemd credential in
        /// `$CREDENTIALS_DIRECTORY`; without that credential, nothing is sealed, and usher says so. A path must lead to a file of mode 0600.
        #[schemars(schema_with = "rule::any")]
        key_file: PathBuf = STORE_KEY.into(),
    }
}

section! {
    /// The record of what happened. See [journal.md](journal.md).
    Journal {
        /// How long records are kept: a whole number of days, weeks or years. Older records are deleted, but only while a time source keeps the
        /// clock in step ([how](journal.md#how-long-records-are-kept)).
        #[schemars(schema_with = "rule::keep")]
        keep: Keep = Keep(None),
        /// How many bytes of records are kept; beyond that, the oldest are deleted. `"auto"` is 1 GiB, or a tenth of the file system where that is
        /// less. On disk, the store takes a little more than twice as much.
        #[schemars(schema_with = "rule::max_size")]
        max_size: MaxSize = MaxSize::Auto,
        /// What a door does with a grant that cannot be recorded, as on a full disk: `"deny"` keeps the door shut, `"allow"` opens it all the same.
        on_journal_failure: OnJournalFailure = OnJournalFailure::Deny,
        /// The same for the exit button and for a release. With `"allow"` the relay does not wait for the record either.
        exit_on_journal_failure: OnJournalFailure = OnJournalFailure::Allow,
        /// The folder in which usher marks events that it could not record, until a record reports them
        /// ([journal.md](journal.md#what-could-not-be-written-down)). Empty: the store's path with `-gap` appended. Best on another disk than the
        /// store.
        #[schemars(schema_with = "rule::path_or_empty")]
        gap_path: PathBuf = PathBuf::new(),
    }
}

/// What a door does with an order that cannot be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnJournalFailure {
    /// It stays shut.
    Deny,
    /// It opens; the log says so.
    Allow,
}

section! {
    /// How hours of work are calculated from the journal. See [attendance.md](attendance.md).
    Attendance {
        /// How an arrival is told from a departure: by the side of the camera; by turns within a day; or by the first and the last reading of a day.
        method: AttendanceMethod = AttendanceMethod::Side,
        /// Readings of one person in the same direction within this span count once.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<0, HOUR>")]
        double_read: Duration = s(120),
        /// When a day begins. A reading before that belongs to the day before: `"04:00"` suits night shifts.
        #[schemars(schema_with = "rule::day_start")]
        day_starts: DayStart = DayStart(0),
        /// The time zone of the days. Empty: `device.time_zone`.
        #[serde(with = "unset_if_empty")]
        #[schemars(schema_with = "rule::zone")]
        time_zone: Option<String> = None,
        /// A day of more hours is marked. It counts all the same.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<HOUR, { 48 * HOUR }>")]
        long_day: Duration = s(12 * 3600),
        /// With `"side"`: a departure later than this after its arrival (or later than `long_day`, if that is more) does not belong to it, and both are
        /// marked.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<HOUR, { 72 * HOUR }>")]
        longest_stint: Duration = s(26 * 3600),
    }
}

section! {
    /// What is kept of faces besides the people enrolled. See [enrolment.md](enrolment.md#visitors-whom-nobody-knew).
    Gallery {
        /// How long the embedding of an unknown visitor is kept for `usher people unknown`. `"0s"`: none is kept, and those kept before are erased
        /// when the daemon starts. These are biometric data of people who were not asked.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<0, { 30 * DAY }>")]
        keep_unknown: Duration = Duration::ZERO,
        /// How many of them are kept at most; the oldest is dropped first.
        #[schemars(range(min = 1, max = 2000))]
        keep_unknown_most: u32 = 500,
    }
}

section! {
    /// Figures for Prometheus: see [metrics.md](metrics.md). They are always on the control socket, as `GET /metrics`.
    Metrics {
        /// An address on which the figures are offered as well, over plain HTTP, to everybody who can reach it. They name no people.
        #[schemars(schema_with = "rule::address", example = &"127.0.0.1:9099")]
        listen: Option<SocketAddr> = None,
    }
}

section! {
    /// How the command line reaches the daemon.
    Control {
        /// The Unix socket.
        #[schemars(schema_with = "rule::socket")]
        socket: PathBuf = CONTROL_SOCKET.into(),
        /// The group that may use the socket. Empty: only the daemon's own user.
        #[serde(with = "unset_if_empty")]
        #[schemars(schema_with = "rule::group")]
        group: Option<String> = Some("usher".to_owned()),
    }
}

section! {
    /// What is logged, and how.
    Log {
        /// The least important message that is logged.
        level: LogLevel = LogLevel::Info,
        /// Lines for people, or one JSON object a line.
        format: LogFormat = LogFormat::Human,
    }
}

/// How important a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The word, as in the file and in log filters.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// How messages look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Human,
    Json,
}
