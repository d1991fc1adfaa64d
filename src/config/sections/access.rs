//! When a face is let in, and who may pass where and when.

use std::path::PathBuf;
use std::time::Duration;

use super::{ms, s, section};
use crate::config::rule::{self, DAY, HOUR, SECOND, span};
use crate::config::text::{off_at_zero, span_text, unset_if_empty};
use crate::config::values::{DistanceLimit, Hours, Tiers, Window};
use crate::domain::Passback;

section! {
    /// When a door opens for a face.
    Access {
        /// The largest distance at which a face is taken for a person; smaller is stricter. `"auto"` follows `false_identification_rate` and the number
        /// of people and templates enrolled ([how](verdicts.md#the-distance)).
        #[schemars(schema_with = "rule::distance")]
        distance: DistanceLimit = DistanceLimit::Auto,
        // The rate of unattended access in NIST's one-to-many tests (FRVT 1:N, NISTIR 8271).
        /// The share of strangers' visits in which a stranger may be taken for anybody enrolled.
        #[schemars(range(min = 1e-9, max = 0.1))]
        false_identification_rate: f64 = 0.003,
        /// How much nearer the nearest person must be than the next one: the least difference of their distances.
        #[schemars(range(min = 0.0, max = 1.0))]
        margin: f64 = 0.05,
        /// How many frames of one face must agree on the person. At most `frames_window`.
        #[schemars(range(min = 1, max = 60))]
        frames_agree: u32 = 3,
        /// Out of how many of that face's newest frames.
        #[schemars(range(min = 1, max = 60))]
        frames_window: u32 = 5,
        /// The longest time over which those frames may spread. A face that is out of sight for a second counts as a new one; for longer where the
        /// window, divided by the gaps between the `frames_agree` frames, is longer.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<100, { 30 * SECOND }>")]
        window: Duration = ms(1500),
        /// The oldest capture that may still open a door.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<50, { 10 * SECOND }>")]
        max_age: Duration = ms(800),
        /// How long after a grant the same person does not open the same door again.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<0, HOUR>")]
        cooldown: Duration = s(5),
        /// How long the same denial of the same face is not recorded again.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<0, HOUR>")]
        repeat_denial: Duration = s(5),
        /// The smallest face that counts: its shorter side in pixels. A value below `detector.min_face_px` has no effect, and usher warns.
        #[schemars(range(min = 20, max = 1000))]
        min_face_px: u32 = 80,
        /// The least sharpness that counts: the variance of the Laplacian of the aligned face's brightness.
        #[schemars(range(min = 0.0, max = 10_000.0))]
        min_sharpness: f64 = 20.0,
        /// The furthest turn of the head to either side that counts, in degrees.
        #[schemars(range(min = 0.0, max = 90.0))]
        max_yaw_deg: f64 = 40.0,
        /// The furthest nod of the head up or down that counts, in degrees.
        #[schemars(range(min = 0.0, max = 90.0))]
        max_pitch_deg: f64 = 35.0,
        /// The share of faces that count for somebody and against nobody, because their embeddings are weak
        /// ([why](verdicts.md#weak-embeddings)): the limit is the length below which that share of the calibration's photographs is. 0: none.
        #[schemars(range(min = 0.0, max = 0.9))]
        ignore_weakest: f64 = 0.1,
        /// What happens to a person who, by the record, cannot be on this side of a door with zones: nothing (`"off"`); they pass, and the record says so
        /// (`"soft"`); or they are refused (`"hard"`).
        passback: Passback = Passback::Off,
        /// How long the record of where a person is counts. `"0s"`: without limit. Where its age cannot be determined, it counts.
        #[serde(with = "off_at_zero")]
        #[schemars(schema_with = "span::<0, { 30 * DAY }>")]
        passback_for: Option<Duration> = Some(s(12 * 3600)),
        /// After this many near misses for one person at one door, that person waits there, unless the face is
        /// [clearly theirs](verdicts.md#pauses). A near miss is a refusal at no more than 0.1 beyond the limit. 0: never.
        #[schemars(range(min = 0, max = 1000))]
        backoff_after: u32 = 5,
        /// The first such wait; each further one is twice as long.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<SECOND, HOUR>")]
        backoff_first: Duration = s(10),
        /// The longest such wait. Near misses further apart than this do not add up.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<SECOND, HOUR>")]
        backoff_longest: Duration = s(120),
    }
}

section! {
    /// Hours of the week, for `[[permit]]` and for a door's `unlock_schedule`. There may be none.
    ///
    /// A window begins at the first moment of its day at which the clock shows its start or later, and ends at the first moment at which the clock
    /// shows its end or later. So an hour that is skipped in spring is in no window, and one that is repeated in autumn is in its window twice.
    #[schemars(extend("required" = ["name", "hours"]))]
    Schedule {
        /// Its name; unique.
        #[schemars(schema_with = "rule::name", example = &"office")]
        name: String = String::new(),
        /// Days and hours, such as `"mon-fri 08:00-18:00"`, `"sat,sun 22:00-06:00"` (ends on the next day), `"daily 00:00-24:00"`. They must not
        /// overlap.
        #[schemars(schema_with = "rule::week", example = &["mon-fri 08:00-18:00", "sat 09:00-13:00"])]
        hours: Vec<Hours> = Vec::new(),
        /// A file of dates: lines such as `2026-04-03 Good Friday`, or `12-25 Christmas` for every year; `#` begins a comment. Empty: no holidays.
        #[serde(with = "unset_if_empty")]
        #[schemars(schema_with = "rule::path_or_empty")]
        holidays: Option<PathBuf> = None,
        /// The hours of a holiday, such as `"10:00-12:00"`. Empty: closed.
        #[schemars(schema_with = "rule::windows")]
        on_holidays: Vec<Window> = Vec::new(),
        /// The time zone of these hours. Empty: `device.time_zone`.
        #[serde(with = "unset_if_empty")]
        #[schemars(schema_with = "rule::zone")]
        time_zone: Option<String> = None,
    }
}

section! {
    /// Lets people through. Without any permit, everybody enrolled and enabled may pass every door at any time. As soon as there is one, a person
    /// passes a door only by a permit that covers the door, one of the person's groups, and the hour.
    Permit {
        /// The doors it covers, by name. Empty: all.
        #[schemars(schema_with = "rule::texts")]
        doors: Vec<String> = Vec::new(),
        /// The groups of people it covers. Empty: everybody.
        #[schemars(schema_with = "rule::texts")]
        groups: Vec<String> = Vec::new(),
        /// The name of the `[[schedule]]` with its hours. Not set: at any time.
        #[schemars(schema_with = "rule::any", example = &"office")]
        schedule: Option<String> = None,
        /// What is asked of its people, instead of what the [door](#door) asks, in the same words without `"auto"`. A person whom several permits let
        /// pass at that hour may show what any of them asks. Not set: what the door asks.
        #[schemars(schema_with = "rule::assurance", example = &"challenge")]
        assurance: Option<Tiers> = None,
    }
}
