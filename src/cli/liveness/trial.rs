//! One presentation at a door that asks for a tier: the real referee with the real challenge, fed with what was seen in a clip.
//!
//! A trial is one attempt. It ends when the door opens, or when the person is refused for what was asked beyond the face; refusals of the face
//! itself, as while somebody is coming nearer, end nothing.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::watch::{People, SeenFrame, Watcher};
use crate::access::{ChallengeSettings, Dice, Judgement, LivenessRules, NoCues, Referee, Rules};
use crate::config::Config;
use crate::domain::{
    Assurance, Cue, Decision, GallerySize, Gate, Moment, PassiveMode, PersonId, Prompt, Reason, Side, Verdict,
};
use crate::lab::presentations::Response;
use crate::setup;

/// How much of a turn is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Setting {
    Normal,
    Strict,
}

/// What a door asks in a test, and by what limits.
pub struct Terms {
    pub rules: Rules,
    pub tier: Assurance,
    pub liveness: LivenessRules,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The door opened for this person.
    Opened { person: PersonId, at: Moment },
    /// Everything that was asked was shown; the clip ended before the face was recognised again.
    Shown,
    /// Refused by a cue.
    Refused { by: &'static str, why: String },
    /// The clip ended without an answer. `last` is what the receipt would say of what was asked last.
    Nothing { why: String, last: String },
}

/// A trial that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    pub end: End,
    /// The first frame with a face.
    pub first_face: Option<Moment>,
    /// The first frame at which the face alone would have opened the door.
    pub recognised: Option<Moment>,
}

/// A trial under way.
pub struct Trial {
    tier: Assurance,
    window: Duration,
    referee: Referee,
    first_face: Option<Moment>,
    recognised: Option<Moment>,
    newest: Moment,
    /// Why the face itself was refused last.
    unrecognised: Option<Reason>,
    /// Everything that was asked was shown at some time.
    shown: bool,
}

/// Whether a clip can show what a tier asks.
///
/// # Errors
/// It asks for a device.
pub fn check_tier(tier: Assurance) -> Result<()> {
    let device = tier.cues().iter().find(|cue| matches!(cue, Cue::Infrared | Cue::Tag | Cue::Pin));
    match device {
        None => Ok(()),
        Some(cue) => bail!(
            "a clip shows no {} and cannot be judged by `{tier}`; evaluate recognised, passive, challenge or challenge+passive",
            match cue {
                Cue::Infrared => "infra-red",
                Cue::Tag => "tag",
                _ => "PIN",
            }
        ),
    }
}

impl Terms {
    /// The terms of the configuration, for a gallery of `people`; `setting` overrides what it says of turns.
    ///
    /// # Errors
    /// The model has no calibration, or one that cannot be used.
    pub fn new(
        config: &Config,
        tier: Assurance,
        setting: Option<Setting>,
        people: &People,
        watcher: &Watcher,
    ) -> Result<Terms> {
        let entry = watcher.vision.entry();
        let head = setup::head::site_head(config, entry)?;
        let near_enough = setup::house::near_enough(config, entry, head.as_ref())?;
        let size = GallerySize { people: people.ids.len().max(1), templates: people.templates.max(1) };
        let rules = setup::face_rules(config, near_enough.cut(size).distance)?;
        let mut liveness = liveness_rules(config);
        if let Some(setting) = setting {
            let chosen = match setting {
                Setting::Normal => ChallengeSettings::normal(),
                Setting::Strict => ChallengeSettings::strict(),
            };
            liveness.challenge = with_turns_of(&chosen, liveness.challenge);
        }
        Ok(Terms { rules, tier, liveness })
    }

    /// Whether people are asked to turn the head.
    pub fn asks_turns(&self) -> bool {
        self.tier.cues().contains(&Cue::Challenge)
    }

    /// All orders in which the sides may be asked; one empty order where none are.
    pub fn orders(&self) -> Vec<Vec<Side>> {
        if self.asks_turns() { permutations(&self.liveness.sides) } else { vec![Vec::new()] }
    }

    /// The limits in force, for a report.
    pub fn limits(&self) -> Vec<(&'static str, Value)> {
        let Rules { distance, margin, frames_agree, .. } = &self.rules;
        let digits = |value: f32| json!((f64::from(value) * 1e4).round() / 1e4);
        let mut limits =
            vec![("distance", digits(distance.0)), ("margin", digits(*margin)), ("frames_agree", json!(frames_agree))];
        if self.asks_turns() {
            let ChallengeSettings { turn, reach, depth, across, fit, turn_time, .. } = &self.liveness.challenge;
            limits.extend([
                ("turn", digits(*turn)),
                ("reach", digits(*reach)),
                ("depth", digits(*depth)),
                ("across", digits(*across)),
                ("fit", digits(*fit)),
                ("turn_time_ms", json!(turn_time.as_millis() as u64)),
            ]);
        }
        if self.tier.cues().contains(&Cue::Passive) || self.liveness.passive_mode != PassiveMode::Off {
            limits.push(("passive", json!(self.liveness.passive_mode)));
            limits.push(("passive_above", digits(self.liveness.passive.above)));
        }
        limits
    }
}

/// What `chosen` says of turns, and everything else as in `settings`.
pub fn with_turns_of(chosen: &ChallengeSettings, settings: ChallengeSettings) -> ChallengeSettings {
    let ChallengeSettings { turn, reach, depth, frontal, .. } = *chosen;
    ChallengeSettings { turn, reach, depth, frontal, ..settings }
}

/// The challenge of the door that asks for the most turns.
fn liveness_rules(config: &Config) -> LivenessRules {
    let of_doors = config.doors.iter().map(|door| setup::liveness::rules(config, door));
    of_doors.max_by_key(|rules| rules.sides.len()).unwrap_or_default()
}

/// All orders of some sides, beginning with their own.
fn permutations(sides: &[Side]) -> Vec<Vec<Side>> {
    if sides.is_empty() {
        return vec![Vec::new()];
    }
    let without = |first: &Side| sides.iter().copied().filter(|side| side != first).collect::<Vec<Side>>();
    let with_first =
        |first: &Side| permutations(&without(first)).into_iter().map(|rest| [&[*first], &rest[..]].concat()).collect();
    sides.iter().flat_map(|first| -> Vec<Vec<Side>> { with_first(first) }).collect()
}

impl Trial {
    /// A door before which nobody has been, which will ask for turns in this order.
    pub fn new(terms: &Terms, order: &[Side]) -> Trial {
        let sides = if order.is_empty() { terms.liveness.sides.clone() } else { order.to_vec() };
        let liveness = LivenessRules { sides, shuffled: false, ..terms.liveness.clone() };
        Trial {
            tier: terms.tier,
            window: terms.rules.window,
            referee: Referee::with_liveness(terms.rules.clone(), liveness, Dice::default()),
            first_face: None,
            recognised: None,
            newest: Moment::default(),
            unrecognised: None,
            shown: false,
        }
    }

    /// Takes in what was seen in a frame, as if it were judged at the moment of its capture. Returns how the trial ended, once it does.
    pub fn see(&mut self, frame: &SeenFrame) -> Option<End> {
        self.newest = frame.at;
        if frame.face {
            self.first_face.get_or_insert(frame.at);
        }
        let Trial { tier, referee, recognised, .. } = self;
        let mut decisions = Vec::new();
        for sighting in &frame.sightings {
            let mut passes = |_: &_| {
                recognised.get_or_insert(frame.at);
                Judgement { assurance: vec![*tier], ..Judgement::default() }
            };
            decisions.extend(referee.consider_asking(sighting, frame.at, &mut passes, &mut NoCues));
        }
        decisions.extend(referee.tick(frame.at, &mut NoCues));
        decisions.iter().find_map(|decision| self.end_of(decision))
    }

    /// What the person is to do now.
    pub fn prompt(&self) -> Prompt {
        self.referee.prompt(self.newest)
    }

    /// The clip is over: what has come of it, if it has not ended before.
    pub fn close(&mut self) -> End {
        // Everybody has gone, for longer than evidence lasts.
        let gone = self.newest + self.window * 2;
        let asked = self.referee.tick(gone, &mut NoCues).into_iter().next();
        if self.shown {
            return End::Shown;
        }
        match (asked, self.unrecognised, self.first_face) {
            (Some(decision), ..) => left_open(&decision),
            (None, Some(reason), _) => nothing(format!("not recognised ({})", reason.as_str())),
            (None, None, Some(_)) => nothing("not recognised"),
            (None, None, None) => nothing("no face"),
        }
    }

    fn end_of(&mut self, decision: &Decision) -> Option<End> {
        match decision.verdict {
            Verdict::Grant { person } => Some(End::Opened { person, at: decision.decided_at }),
            Verdict::Deny { reason: Reason::Presentation | Reason::Challenge | Reason::SecondFactor } => {
                Some(refused(decision))
            }
            Verdict::Deny { reason } => {
                self.unrecognised = Some(reason);
                // Then no frame came that would have let the person in.
                self.shown |= decision.gates.iter().any(|gate| gate.name == "assurance" && gate.passed);
                None
            }
        }
    }
}

/// The gates of what was asked beyond the face.
fn cues(decision: &Decision) -> impl Iterator<Item = (Cue, &Gate)> {
    const ALL: [Cue; 5] = [Cue::Passive, Cue::Challenge, Cue::Infrared, Cue::Tag, Cue::Pin];
    let of = |gate: &Gate| ALL.into_iter().find(|cue| cue.gate() == gate.name);
    decision.gates.iter().filter_map(move |gate| Some((of(gate)?, gate)))
}

/// A refusal for what was asked. What could not be judged is no answer.
fn refused(decision: &Decision) -> End {
    let missing = || cues(decision).filter(|(_, gate)| !gate.passed);
    match (missing().find(|(_, gate)| !gate.cannot_judge), missing().next()) {
        (Some((cue, gate)), _) => End::Refused { by: cue.gate(), why: gate.input.clone() },
        (None, Some((cue, gate))) => nothing(format!("{}: {}", cue.gate(), gate.input)),
        (None, None) => nothing("refused without a cue"),
    }
}

/// What was asked and not answered when the clip ended.
fn left_open(decision: &Decision) -> End {
    match cues(decision).find(|(_, gate)| !gate.passed) {
        None => End::Shown,
        Some((cue, gate)) if gate.cannot_judge => nothing(format!("{}: {}", cue.gate(), gate.input)),
        Some((cue, gate)) => {
            End::Nothing { why: format!("the clip ended during the {}", cue.gate()), last: gate.input.clone() }
        }
    }
}

fn nothing(why: impl Into<String>) -> End {
    End::Nothing { why: why.into(), last: String::new() }
}

/// Plays what was seen in a clip to a door that asks for turns in this order.
pub fn play(terms: &Terms, frames: &[SeenFrame], order: &[Side]) -> Played {
    let mut trial = Trial::new(terms, order);
    let end = frames.iter().find_map(|frame| trial.see(frame)).unwrap_or_else(|| trial.close());
    Played { end, first_face: trial.first_face, recognised: trial.recognised }
}

impl Played {
    /// The answer, in the words of ISO/IEC 30107-3.
    pub fn response(&self) -> Response {
        match self.end {
            End::Opened { .. } | End::Shown => Response::BonaFide,
            End::Refused { .. } => Response::Attack,
            End::Nothing { .. } => Response::None,
        }
    }

    /// What refused it, or why there was no answer.
    pub fn by(&self) -> String {
        match &self.end {
            End::Opened { .. } | End::Shown => String::new(),
            End::Refused { by, .. } => (*by).to_owned(),
            End::Nothing { why, .. } => why.clone(),
        }
    }

    /// What the receipt says of the cue that refused it, or that was asked when the clip ended; empty if it passed.
    pub fn detail(&self) -> &str {
        match &self.end {
            End::Opened { .. } | End::Shown => "",
            End::Refused { why, .. } => why,
            End::Nothing { last, .. } => last,
        }
    }

    /// How far it came: refused, no answer, shown, opened, opened for `subject`. An attack that was refused in one order and had no answer in
    /// another was not refused in all.
    pub fn rank(&self, subject: PersonId) -> u8 {
        match self.end {
            End::Refused { .. } => 0,
            End::Nothing { .. } => 1,
            End::Shown => 2,
            End::Opened { person, .. } => 3 + u8::from(person == subject),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::domain::{Bounds, Distance, Face, Match, Point, Quality, Score, Sighting, TrackId};

    pub fn terms(tier: Assurance) -> Terms {
        let rules = Rules::usual(Distance(1.0), Distance(1.1));
        Terms { rules, tier, liveness: LivenessRules::default() }
    }

    /// The mean face, 50 pixels between the eyes, turned by `degrees` to its own left; its nose stands out by `depth` eye distances.
    fn landmarks(degrees: f32, depth: f32) -> [Point; 5] {
        let yaw = degrees.to_radians();
        let place = |x: f32, y: f32, z: f32| Point { x: 300.0 + x * yaw.cos() + z * yaw.sin(), y: 200.0 + y };
        let nose = place(0.0, 29.0, depth * 50.0);
        [place(-25.0, 0.0, 0.0), place(25.0, 0.0, 0.0), nose, place(-22.0, 54.5, 0.0), place(22.0, 54.5, 0.0)]
    }

    /// Somebody at `distance` from person 1, ten frames a second, turned by these angles.
    pub fn seen(degrees: impl IntoIterator<Item = f32>, depth: f32, distance: f32) -> Vec<SeenFrame> {
        let frame = |(number, degrees): (u64, f32)| {
            let at = Moment(Duration::from_millis(100 * number));
            let bounds = Bounds { x1: 230.0, y1: 130.0, x2: 370.0, y2: 320.0 };
            let quality =
                Quality { size: 140.0, sharpness: 90.0, brightness: 120.0, yaw: degrees, ..Quality::default() };
            let nearest = Match { person: PersonId(1), distance: Distance(distance), runner_up: None };
            let sighting = Sighting {
                camera: "clip".into(),
                frame: number,
                captured_at: at,
                track: TrackId(1),
                face: Face { bounds, score: Score(0.99), landmarks: landmarks(degrees, depth) },
                quality,
                nearest: Some(nearest),
                not_them: None,
                passive: None,
            };
            SeenFrame { at, face: true, sightings: vec![sighting] }
        };
        (0..).zip(degrees).map(frame).collect()
    }

    /// Ahead, to one side, ahead, to the other, ahead: two seconds and a half for each.
    pub fn turns(first: f32) -> Vec<f32> {
        let swing =
            |side: f32| [8.0, 16.0, 24.0, 32.0, 34.0, 34.0, 34.0, 26.0, 18.0, 9.0, 0.0].map(|degrees| degrees * side);
        [&[0.0; 8][..], &swing(first), &[0.0; 3], &swing(-first), &[0.0; 8]].concat()
    }

    pub const LEFT_RIGHT: [Side; 2] = [Side::Left, Side::Right];
    pub const RIGHT_LEFT: [Side; 2] = [Side::Right, Side::Left];

    #[test]
    fn a_head_that_turns_as_asked_opens_and_any_other_does_not() {
        let challenge = terms(Assurance::Challenge);
        let head = seen(turns(1.0), 0.48, 0.6);
        let played = play(&challenge, &head, &LEFT_RIGHT);
        assert!(matches!(played.end, End::Opened { person: PersonId(1), .. }), "{played:?}");
        assert_eq!((played.first_face, played.response()), (Some(Moment::default()), Response::BonaFide));
        assert_eq!(played.recognised, Some(Moment(Duration::from_millis(200))));
        let played = play(&challenge, &head, &RIGHT_LEFT);
        assert_eq!((played.by().as_str(), played.response()), ("challenge", Response::Attack), "{played:?}");
        let print = seen(turns(1.0).into_iter().chain([0.0; 30]), 0.0, 0.6);
        for order in [LEFT_RIGHT, RIGHT_LEFT] {
            let played = play(&challenge, &print, &order);
            assert_eq!((played.by().as_str(), played.response()), ("challenge", Response::Attack), "{played:?}");
        }
        // Nothing is asked of a print where only the face is.
        assert!(matches!(play(&terms(Assurance::Recognised), &print, &[]).end, End::Opened { .. }));
    }

    #[test]
    fn a_clip_that_ends_before_an_answer_has_none_and_says_what_was_missing() {
        let challenge = terms(Assurance::Challenge);
        let still = play(&challenge, &seen([0.0; 20], 0.48, 0.6), &LEFT_RIGHT);
        assert_eq!((still.response(), still.by().as_str()), (Response::None, "the clip ended during the challenge"));
        let stranger = play(&challenge, &seen([0.0; 20], 0.48, 1.3), &LEFT_RIGHT);
        assert_eq!((stranger.response(), stranger.by().as_str()), (Response::None, "not recognised (unknown)"));
        assert_eq!(stranger.recognised, None);
        assert_eq!(play(&challenge, &[], &LEFT_RIGHT).by(), "no face");
        // Turned both ways, and gone with the last turn.
        let mut frames = seen(turns(1.0), 0.48, 0.6);
        frames.truncate(34);
        let gone = play(&challenge, &frames, &LEFT_RIGHT);
        assert!(matches!(gone.end, End::Shown | End::Nothing { .. }), "{gone:?}");
        // Networks that are not there judge nothing.
        let passive = play(&terms(Assurance::Passive), &seen([0.0; 20], 0.48, 0.6), &[]);
        assert!(passive.response() == Response::None && passive.by().starts_with("passive"), "{passive:?}");
    }

    #[test]
    fn every_order_of_the_sides_comes_once() {
        let (left, right, up) = (Side::Left, Side::Right, Side::Up);
        assert_eq!(permutations(&[left, right]), [vec![left, right], vec![right, left]]);
        let mut all = permutations(&[left, right, up]);
        all.sort_by_key(|order| order.iter().map(|side| side.as_str()).collect::<String>());
        all.dedup();
        assert_eq!(all.len(), 6);
        assert_eq!(permutations(&[]), [Vec::new()]);
    }

    #[test]
    fn a_clip_shows_no_devices() {
        for tier in Assurance::ALL {
            let asks = matches!(
                tier,
                Assurance::Recognised | Assurance::Passive | Assurance::Challenge | Assurance::ChallengePassive
            );
            assert_eq!(check_tier(tier).is_ok(), asks, "{tier}");
        }
        let error = check_tier(Assurance::FacePin).unwrap_err().to_string();
        assert!(error.contains("shows no PIN") && error.contains("challenge+passive"), "{error}");
    }

    #[test]
    fn the_farthest_outcome_of_several_orders_counts() {
        let subject = PersonId(1);
        let rank = |end| Played { end, first_face: None, recognised: None }.rank(subject);
        let ends = [
            End::Refused { by: "challenge", why: String::new() },
            nothing(""),
            End::Shown,
            End::Opened { person: PersonId(2), at: Moment::default() },
            End::Opened { person: subject, at: Moment::default() },
        ];
        assert!(ends.map(rank).is_sorted_by(|a, b| a < b));
    }
}
