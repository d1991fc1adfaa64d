//! What the rules say of a face, as the API shows it.

use crate::access::{Found, Lack};
use crate::api::live::{self, LivePerson, LiveVerdict, LiveView, Missing, MissingKind};
use crate::daemon::doors::lately::{FaceInsight, Told};
use crate::domain::{PersonId, Sighting};

/// The view of the face of `sighting`; `named` gives a person's name.
pub fn live_view(sighting: &Sighting, seen: &FaceInsight, named: impl Fn(PersonId) -> String) -> LiveView {
    let insight = &seen.insight;
    let (found, person) = match insight.found {
        Found::Poor => (live::Found::Poor, None),
        Found::Unknown => (live::Found::Unknown, None),
        Found::Ambiguous(person) => (live::Found::Ambiguous, Some(person)),
        Found::Person(person) => (live::Found::Person, Some(person)),
    };
    let name = |id: PersonId| LivePerson { id: id.0, name: named(id) };
    LiveView {
        found,
        person: person.map(name),
        distance: sighting.nearest.map(|nearest| nearest.distance.0).filter(|distance| distance.is_finite()),
        limit: insight.limit.0,
        quality: (&sighting.quality).into(),
        missing: insight.lacks.iter().map(missing).collect(),
        frames: insight.frames.0,
        frames_needed: insight.frames.1,
        asked: insight.asked,
        verdict: seen.told.map(|(told, ago)| {
            let (unlocked, reason) = match told {
                Told::Unlocked => (true, None),
                Told::Shut => (false, Some("door".to_owned())),
                Told::Denied(reason) => (false, Some(reason.as_str().to_owned())),
            };
            LiveVerdict { unlocked, reason, ago_ms: u64::try_from(ago.as_millis()).unwrap_or(u64::MAX) }
        }),
    }
}

fn missing(lack: &Lack) -> Missing {
    let (what, is, needs) = match *lack {
        Lack::Size { px, least } => (MissingKind::Size, px, least),
        Lack::Sharpness { is, least } => (MissingKind::Sharpness, is, least),
        Lack::Yaw { deg, most } => (MissingKind::Yaw, deg, most),
        Lack::Pitch { deg, most } => (MissingKind::Pitch, deg, most),
        Lack::Strength { length, least } => (MissingKind::Strength, length, least),
    };
    Missing { what, is, needs }
}
