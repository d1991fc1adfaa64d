//! Calibration of the challenge: how far a site's own people turn their heads, and what may be asked of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::Calibrate;
use crate::access::{ChallengeSettings, Reference};
use crate::cli::context::Context;
use crate::cli::liveness::evaluate::{bona_fide, judge, read_test, watch_all};
use crate::cli::liveness::trial::{End, Terms, with_turns_of};
use crate::cli::liveness::watch::{People, SeenFrame, Watcher};
use crate::domain::{Assurance, PassiveMode, PersonId, Point, Side};
use crate::lab::clips::Clip;
use crate::lab::share::{CONFIDENCE, Share, clopper_pearson};

/// The widest turn and the greatest depth that are tried, and the steps.
const MOST_TURN: f32 = 0.40;
const MOST_DEPTH: f32 = 0.40;
const STEP: f32 = 0.01;
/// What is recommended stays so far below what the clips would allow: the jitter of the landmarks of a still head (0.01 to 0.03 eye distances).
const ROOM: f32 = 0.03;
/// With fewer clips, or of fewer people, a recommendation is not worth much.
const ENOUGH_CLIPS: usize = 30;
const ENOUGH_PEOPLE: usize = 10;
/// The largest turn that flat prints showed: 540 rendered views of 18 people at a yaw of up to 50 degrees.
const FLAT_PRINTS: f64 = 0.164;
/// A frame is part of the reference while the head is turned by no more than this.
const AHEAD_DEG: f32 = 10.0;
const REFERENCE_FRAMES: usize = 3;
/// So many frames in a row make a turn.
const ROW: usize = 3;

/// A clip of a person with what was seen in it.
struct Own<'a> {
    clip: &'a Clip,
    frames: Vec<SeenFrame>,
    subject: PersonId,
}

/// How far and how deep a side was shown: the most that three frames in a row show.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Peak {
    turn: f64,
    depth: f64,
}

/// A setting with the number of clips that pass.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tried {
    turn: f32,
    depth: f32,
    passed: usize,
}

/// Measures, and prints.
pub fn run(command: &Calibrate, folder: &Path, context: &Context) -> Result<()> {
    let config = context.config_or_defaults()?;
    let mut test = read_test(folder, &[])?;
    bona_fide(&test, folder)?;
    test.clips.retain(|clip| clip.species.is_none());
    let mut watchers = Watcher::open(context, &config, command.vision.threads.map(usize::from))?;
    let first = watchers.first_mut().context("no networks were opened")?;
    let people = People::enrol(&test.enrolled, &mut first.vision)?;
    let mut terms = Terms::new(&config, Assurance::Challenge, None, &people, first)?;
    // What turns show does not depend on the passive networks.
    terms.liveness.passive_mode = PassiveMode::Off;
    let clips = std::mem::take(&mut test.clips);
    let watched = watch_all(&clips, &mut watchers, command.fps, &people, &terms, &mut test.left_out)?;
    let own: Vec<Own<'_>> = watched
        .into_iter()
        .filter_map(|(clip, frames)| Some(Own { clip, frames, subject: *people.ids.get(&clip.subject)? }))
        .collect();
    if own.is_empty() {
        bail!("no clip could be judged; the reasons are above");
    }
    let mut try_all = |chosen: &ChallengeSettings| {
        terms.liveness.challenge = with_turns_of(chosen, terms.liveness.challenge.clone());
        let orders = terms.orders();
        let passes = |own: &&Own<'_>| {
            let played = judge(own.clip, &own.frames, own.subject, &terms, &orders);
            matches!(played.end, End::Opened { person, .. } if person == own.subject) || played.end == End::Shown
        };
        let ChallengeSettings { turn, depth, .. } = *chosen;
        Tried { turn, depth, passed: own.iter().filter(passes).count() }
    };
    let (normal, strict) = (ChallengeSettings::normal(), ChallengeSettings::strict());
    let found = Found {
        clips: own.len(),
        subjects: own.iter().map(|own| own.subject).collect::<std::collections::BTreeSet<_>>().len(),
        normal: try_all(&normal),
        strict: try_all(&strict),
        recommended: recommend(&mut |turn, depth| try_all(&ChallengeSettings { turn, depth, ..normal.clone() })),
        peaks: peaks_of(&own),
    };
    let mut out = std::io::stdout().lock();
    match command.json {
        true => writeln!(out, "{}", found.json())?,
        false => found.text(&mut out)?,
    }
    Ok(())
}

/// The strictest setting at which as many clips pass as at the normal one, with some room; never less than the normal one. First the turn, then the
/// depth.
fn recommend(try_with: &mut impl FnMut(f32, f32) -> Tried) -> Tried {
    let normal = ChallengeSettings::normal();
    let usual = try_with(normal.turn, normal.depth);
    let passed = usual.passed;
    if passed == 0 {
        return usual;
    }
    let steps = |from: f32, most: f32| {
        let count = ((most - from) / STEP).round() as u32;
        (1..=count).map(move |step| from + step as f32 * STEP)
    };
    let last = |most: Option<f32>, least: f32| most.map_or(least, |most| (most - ROOM).max(least));
    let turn = steps(normal.turn, MOST_TURN).take_while(|turn| try_with(*turn, normal.depth).passed >= passed).last();
    let turn = rounded(last(turn, normal.turn));
    let depth = steps(normal.depth, MOST_DEPTH).take_while(|depth| try_with(turn, *depth).passed >= passed).last();
    let depth = rounded(last(depth, normal.depth));
    try_with(turn, depth)
}

/// To hundredths.
fn rounded(value: f32) -> f32 {
    (value * 100.0).round() / 100.0
}

/// What was shown to each side, clip by clip, in ascending order.
fn peaks_of(own: &[Own<'_>]) -> BTreeMap<&'static str, Vec<Peak>> {
    let mut all: BTreeMap<&'static str, Vec<Peak>> = BTreeMap::new();
    for own in own {
        for (side, peak) in peaks(&own.frames, own.subject) {
            all.entry(side.as_str()).or_default().push(peak);
        }
    }
    all.values_mut().for_each(|peaks| peaks.sort_by(|a, b| a.turn.total_cmp(&b.turn)));
    all
}

/// The most that three frames in a row show of a turn to each side; empty if the head never looked ahead.
fn peaks(frames: &[SeenFrame], subject: PersonId) -> Vec<(Side, Peak)> {
    let largest: Vec<_> = frames.iter().filter_map(|frame| frame.sightings.first()).collect();
    let is_ahead = |seen: &&&crate::domain::Sighting| {
        let own = seen.nearest.is_some_and(|nearest| nearest.person == subject);
        own && seen.quality.yaw.abs() <= AHEAD_DEG
    };
    let ahead: Vec<[Point; 5]> =
        largest.iter().filter(is_ahead).take(REFERENCE_FRAMES).map(|seen| seen.face.landmarks).collect();
    let reference = (ahead.len() == REFERENCE_FRAMES).then(|| Reference::of(&ahead)).flatten();
    let Some(reference) = reference else { return Vec::new() };
    let views: Vec<_> = largest.iter().filter_map(|seen| reference.view(&seen.face.landmarks)).collect();
    [Side::Left, Side::Right]
        .into_iter()
        .map(|side| {
            let rows = views.windows(ROW).map(|row| Peak {
                turn: row.iter().map(|view| view.towards(side)).fold(f64::INFINITY, f64::min),
                depth: row.iter().map(|view| view.depth.unwrap_or(0.0)).fold(f64::INFINITY, f64::min),
            });
            let peak = rows.max_by(|a, b| a.turn.total_cmp(&b.turn)).unwrap_or_default();
            (side, Peak { turn: peak.turn.max(0.0), ..peak })
        })
        .collect()
}

/// The findings.
struct Found {
    clips: usize,
    subjects: usize,
    normal: Tried,
    strict: Tried,
    recommended: Tried,
    peaks: BTreeMap<&'static str, Vec<Peak>>,
}

impl Found {
    /// Clips that are refused with a setting.
    fn refused(&self, tried: &Tried) -> Share {
        Share { part: (self.clips - tried.passed.min(self.clips)) as u64, whole: self.clips as u64 }
    }

    fn text(&self, out: &mut impl Write) -> Result<()> {
        writeln!(out, "{} clips of {} people\n", self.clips, self.subjects)?;
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header(["SETTING", "TURN", "DEPTH", "DO NOT PASS", "95 %"]);
        for (name, tried) in [("normal", &self.normal), ("strict", &self.strict), ("recommended", &self.recommended)] {
            let refused = self.refused(tried);
            let (low, high) = clopper_pearson(refused, CONFIDENCE);
            table.add_row([
                name.to_owned(),
                format!("{:.2}", tried.turn),
                format!("{:.2}", tried.depth),
                format!("{} of {}", refused.part, refused.whole),
                format!("{:.1} to {:.1} %", low * 100.0, high * 100.0),
            ]);
        }
        writeln!(out, "{table}\n")?;
        for (side, peaks) in &self.peaks {
            let of = |value: fn(&Peak) -> f64| {
                let mut all: Vec<f64> = peaks.iter().map(value).collect();
                all.sort_by(f64::total_cmp);
                let at = |index: usize| all.get(index).copied().unwrap_or_default();
                format!("{:.2} to {:.2}, median {:.2}", at(0), at(all.len().saturating_sub(1)), at(all.len() / 2))
            };
            writeln!(out, "farthest to the {side}: turn {}; depth {}", of(|peak| peak.turn), of(|peak| peak.depth))?;
        }
        writeln!(
            out,
            "flat prints showed a turn of up to {FLAT_PRINTS}; nothing below the normal setting is recommended\n"
        )?;
        writeln!(
            out,
            "[liveness]\nsetting = \"normal\"\nturn = {:.2}\ndepth = {:.2}",
            self.recommended.turn, self.recommended.depth
        )?;
        if self.clips < ENOUGH_CLIPS || self.subjects < ENOUGH_PEOPLE {
            writeln!(
                out,
                "\nThis is too little to rely on: record at least {ENOUGH_CLIPS} clips of {ENOUGH_PEOPLE} people, tall and short, with and \
                 without glasses."
            )?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let tried = |tried: &Tried| {
            let refused = self.refused(tried);
            let (low, high) = clopper_pearson(refused, CONFIDENCE);
            // As they are printed: a float of 32 bits has more digits than it knows.
            let digits = |value: f32| (f64::from(value) * 100.0).round() / 100.0;
            json!({
                "turn": digits(tried.turn), "depth": digits(tried.depth), "refused": refused.part, "clips": refused.whole,
                "interval": [low, high],
            })
        };
        let peaks = |peaks: &Vec<Peak>| {
            peaks.iter().map(|peak| json!({ "turn": peak.turn, "depth": peak.depth })).collect::<Vec<_>>()
        };
        json!({
            "clips": self.clips,
            "people": self.subjects,
            "normal": tried(&self.normal),
            "strict": tried(&self.strict),
            "recommended": tried(&self.recommended),
            "enough": self.clips >= ENOUGH_CLIPS && self.subjects >= ENOUGH_PEOPLE,
            "peaks": self.peaks.iter().map(|(side, all)| ((*side).to_owned(), json!(peaks(all)))).collect::<serde_json::Map<_, _>>(),
            "interval": "Clopper-Pearson 95 %",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All clips pass up to this turn and this depth, half of them beyond.
    fn site(turns: f32, depths: f32) -> impl FnMut(f32, f32) -> Tried {
        move |turn, depth| {
            let passed = if turn <= turns + 1e-4 && depth <= depths + 1e-4 { 40 } else { 20 };
            Tried { turn, depth, passed }
        }
    }

    #[test]
    fn what_is_recommended_leaves_room_and_is_never_below_normal() {
        let far = recommend(&mut site(0.33, 0.36));
        assert_eq!((far.turn, far.depth, far.passed), (0.30, 0.33, 40));
        // People who turn just as far as the normal setting asks.
        let near = recommend(&mut site(0.21, 0.28));
        assert_eq!((near.turn, near.depth), (0.20, 0.28));
        let never = recommend(&mut |turn, depth| Tried { turn, depth, passed: 0 });
        assert_eq!((never.turn, never.depth), (0.20, 0.28), "where nobody passes, nothing follows");
    }

    #[test]
    fn the_report_has_lines_to_paste_and_says_when_the_clips_are_too_few() {
        let tried = |turn, passed| Tried { turn, depth: 0.28, passed };
        let mut found = Found {
            clips: 4,
            subjects: 2,
            normal: tried(0.20, 4),
            strict: tried(0.25, 3),
            recommended: tried(0.22, 4),
            peaks: BTreeMap::from([("left", vec![Peak { turn: 0.3, depth: 0.4 }])]),
        };
        let text = |found: &Found| {
            let mut out = Vec::new();
            found.text(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let few = text(&found);
        assert!(few.contains("setting = \"normal\"\nturn = 0.22\ndepth = 0.28"), "{few}");
        assert!(few.contains("too little to rely on") && few.contains("1 of 4") && few.contains("0.164"), "{few}");
        assert_eq!(found.json()["strict"]["turn"], 0.25);
        (found.clips, found.subjects) = (ENOUGH_CLIPS, ENOUGH_PEOPLE);
        assert!(!text(&found).contains("too little") && found.json()["enough"] == true);
    }
}
