//! `usher liveness record`: clips of people and of attacks, at a camera, with what was asked and who agreed.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use super::trial::{End, Setting, Terms, Trial};
use super::watch::{People, SeenFrame, Watcher};
use crate::camera::CameraError;
use crate::cli::argument::span;
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::enroll::choose_camera;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, CameraKind, Config};
use crate::domain::{Assurance, Frame, Image, Moment, PassiveMode, PersonId, Prompt, Side};
use crate::lab::clips::{BONA_FIDE, ClipMeta, ENROLLED, META};
use crate::office::Gates;
use crate::setup;
use crate::vision::tracker::Tracker;

/// The quality of the pictures: high, so that what the passive networks look for survives.
const JPEG_QUALITY: u8 = 95;
/// Whom a recording shows, for the recording's own challenge.
const SITTER: PersonId = PersonId(1);
/// A look ahead comes first, so that the person is recognised in the clip before the first turn is asked.
const LOOK_AHEAD: Duration = Duration::from_millis(800);
/// Recorded after the last turn, because a door wants to see the person again.
const TAIL: Duration = Duration::from_millis(1500);
/// After this many unusable frames in a row, the camera counts as broken.
const MOST_USELESS_IN_A_ROW: u32 = 30;

/// Record a clip for `usher liveness evaluate`, at a camera of the configuration.
///
/// Asks for the turns of a challenge on the terminal, in random order and by the limits of the configuration, and writes every frame as a JPEG
/// into OUT/SPECIES/SUBJECT/TIME, with the capture times, the order, the camera and the consent in meta.toml. Without --species it records
/// the person, as bona-fide. The clip ends after the challenge, passed or failed, or after --time. Failed ones are kept, too: without them
/// the figures would be better than the door. For an attack, hold up what imitates the person, and do what the prompts ask as well as
/// it can.
///
/// These are photographs of people, which usher does not keep otherwise. Ask them first, write down how they agreed, and delete the folder when
/// the measurement is done. Stop the daemon first if it uses the camera.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  usher liveness record --out test --subject ada --consent \"signed form of 30 November\"\n  \
    usher liveness record --out test --subject ada --species print --consent \"Ada's own photograph\""
)]
pub struct Record {
    /// The folder of the test; made if it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Whom the clip shows, or imitates
    #[arg(long, value_name = "NAME", value_parser = folder_name)]
    subject: String,
    /// How the attack is made, for example print or phone [default: none, the person themselves]
    #[arg(long, value_name = "NAME", value_parser = folder_name)]
    species: Option<String>,
    /// How the person who is seen agreed to be recorded
    #[arg(long, value_name = "TEXT", value_parser = consent)]
    consent: String,
    /// The camera, by its name in the configuration; may be left out if there is only one
    #[arg(long, value_name = "NAME", default_value = "")]
    camera: String,
    /// How much of a turn is asked for [default: the configuration's]
    #[arg(long, value_enum, value_name = "SETTING")]
    setting: Option<Setting>,
    /// The longest time that is recorded
    #[arg(long, value_name = "SPAN", default_value = "20s", value_parser = span)]
    time: Duration,
    /// Anything else that is worth knowing about the clip
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// Why an option cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum BadName {
    #[error("a name is that of a folder: it has no / and does not begin with a dot")]
    Folder,
    #[error("`{ENROLLED}` is the folder of the photographs that people are enrolled with")]
    Enrolled,
    #[error("say how the person agreed, for example \"signed form of 30 November\"")]
    NoConsent,
}

fn folder_name(text: &str) -> Result<String, BadName> {
    match text {
        ENROLLED => Err(BadName::Enrolled),
        _ if text.trim().is_empty() || text.starts_with('.') || text.contains(['/', '\0']) => Err(BadName::Folder),
        _ => Ok(text.to_owned()),
    }
}

fn consent(text: &str) -> Result<String, BadName> {
    if text.trim().is_empty() { Err(BadName::NoConsent) } else { Ok(text.to_owned()) }
}

/// Whether only one program at a time can have pictures of such a camera.
fn is_exclusive(kind: CameraKind) -> bool {
    match kind {
        CameraKind::V4l2 | CameraKind::Libcamera | CameraKind::Argus => true,
        CameraKind::Stream | CameraKind::Replay => false,
    }
}

impl Record {
    pub fn run(self, context: &Context) -> Result<()> {
        let config = context.config()?;
        let camera = choose_camera(&config, &self.camera)?;
        if is_exclusive(camera.kind) && Client::connect(&config.control.socket)?.is_some() {
            bail!("the daemon uses the cameras: stop it while you record, with `sudo systemctl stop usher` or Ctrl-C");
        }
        let mut watcher = Watcher::open(context, &config, Some(1))?.pop().context("no networks were opened")?;
        let folder = self.folder()?;
        let mut sitting = Sitting::new(&self, &config, &mut watcher, &folder)?;
        let described = record(camera, &mut watcher, &mut sitting, self.time);
        // What was recorded until an error is a clip, too, if it can be evaluated.
        let frames = sitting.times_ms.len();
        let meta = self.meta(&sitting, camera, described.as_deref().unwrap_or_default());
        if frames == 0 {
            std::fs::remove_dir(&folder).ok();
            described?;
            bail!("camera {} delivered no picture; try `usher doctor`", camera.name);
        }
        let text = toml::to_string(&meta)?;
        std::fs::write(folder.join(META), text).with_context(|| folder.join(META).display().to_string())?;
        described?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "recorded  {frames} frames in {}", folder.display())?;
        writeln!(out, "challenge {}", sitting.outcome())?;
        writeln!(
            out,
            "These are photographs of a person. Keep {} where only you can read it, and delete it when the measurement is done.",
            self.out.display()
        )?;
        Ok(())
    }

    /// The new folder of the clip.
    fn folder(&self) -> Result<PathBuf> {
        let species = self.species.as_deref().unwrap_or(BONA_FIDE);
        let name = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%S.%3fZ").to_string();
        let folder = self.out.join(species).join(&self.subject).join(name);
        make_private(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(folder)
    }

    fn meta(&self, sitting: &Sitting<'_>, camera: &config::Camera, described: &str) -> ClipMeta {
        ClipMeta {
            fps: None,
            times_ms: sitting.times_ms.clone(),
            order: sitting.order.clone(),
            camera: Some(match described.is_empty() {
                true => camera.name.clone(),
                false => format!("{}: {described}", camera.name),
            }),
            recorded: Some(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            consent: Some(self.consent.clone()),
            note: self.note.clone(),
        }
    }
}

/// Makes a folder with its parents, which only its owner can read.
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Opens the camera, and records until the sitting or the time is over. Returns what the camera says about itself.
fn record(camera: &config::Camera, watcher: &mut Watcher, sitting: &mut Sitting<'_>, time: Duration) -> Result<String> {
    let clock = Arc::new(SystemClock::new());
    let mut source = setup::camera(camera, clock.clone())?;
    let (mut tracker, until) = (Tracker::new(watcher.track_ends_after), Instant::now() + time);
    let mut useless = 0;
    while Instant::now() < until {
        let frame = match source.next() {
            Ok(frame) => frame,
            Err(CameraError::Ended { .. }) => break,
            Err(error) if error.is_bad_frame() && useless < MOST_USELESS_IN_A_ROW => {
                useless += 1;
                continue;
            }
            Err(CameraError::Stuck { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        useless = 0;
        let go_on = sitting.see(&frame, watcher, &mut tracker, clock.now())?;
        source.recycle(frame.image);
        if !go_on {
            break;
        }
    }
    Ok(source.describe())
}

/// One recording under way: the frames so far, and the challenge by which the person is prompted. It is that of a door at which only the person who
/// is seen first is enrolled.
struct Sitting<'a> {
    folder: &'a Path,
    gates: Gates,
    terms: Terms,
    order: Vec<Side>,
    people: People,
    /// When the person was first seen well.
    met: Option<Moment>,
    trial: Option<Trial>,
    /// How the challenge ended, and when.
    ended: Option<(End, Moment)>,
    prompt: Option<Prompt>,
    first: Option<Moment>,
    times_ms: Vec<u64>,
}

impl<'a> Sitting<'a> {
    fn new(command: &Record, config: &Config, watcher: &mut Watcher, folder: &'a Path) -> Result<Sitting<'a>> {
        let people = People::nobody(watcher.vision.dimension());
        let mut terms = Terms::new(config, Assurance::Challenge, command.setting, &people, watcher)?;
        // They would only slow down the recording.
        terms.liveness.passive_mode = PassiveMode::Off;
        let order = fastrand::choice(terms.orders()).unwrap_or_default();
        let gates = setup::gates(config)?;
        let this = Sitting {
            folder,
            gates,
            terms,
            order,
            people,
            met: None,
            trial: None,
            ended: None,
            prompt: None,
            first: None,
            times_ms: Vec::new(),
        };
        say("Look into the camera.");
        Ok(this)
    }

    /// Records a frame and prompts. Returns whether to go on.
    fn see(&mut self, frame: &Frame, watcher: &mut Watcher, tracker: &mut Tracker, now: Moment) -> Result<bool> {
        let at = frame.captured_at;
        let first = *self.first.get_or_insert(at);
        let ms = at.since(first).as_millis() as u64;
        // A driver that delivers two frames of one moment.
        if self.times_ms.last().is_some_and(|last| *last >= ms) {
            return Ok(true);
        }
        write_jpeg(&frame.image, &self.folder.join(format!("{:05}.jpg", self.times_ms.len())))?;
        self.times_ms.push(ms);
        if let Some((_, ended)) = &self.ended {
            return Ok(now.since(*ended) < TAIL);
        }
        let seen = watcher.look(frame, tracker, &self.people)?;
        match self.met {
            None => self.meet(&seen, frame, watcher)?,
            Some(met) if at.since(met) < LOOK_AHEAD => {}
            Some(_) => self.challenge(&seen, at),
        }
        Ok(true)
    }

    /// Takes the first good view of a face for the person's.
    fn meet(&mut self, seen: &SeenFrame, frame: &Frame, watcher: &mut Watcher) -> Result<()> {
        let Some(largest) = seen.sightings.first() else { return Ok(()) };
        let view = watcher.vision.look_for_template(&frame.image, largest.face)?;
        if self.gates.check_embedded(&view.quality).is_ok() {
            self.people.index.push(SITTER, view.embedding.values());
            self.met = Some(frame.captured_at);
        }
        Ok(())
    }

    fn challenge(&mut self, seen: &SeenFrame, at: Moment) {
        let Sitting { terms, order, trial, .. } = self;
        let trial = trial.get_or_insert_with(|| Trial::new(terms, order));
        let end = trial.see(seen);
        let prompt = trial.prompt();
        match end {
            Some(end) => {
                say(match end {
                    End::Opened { .. } => "That is it. Stay a moment.",
                    _ => "That did not work; it is recorded all the same. Stay a moment.",
                });
                self.ended = Some((end, at));
            }
            None if self.prompt != Some(prompt) => {
                self.prompt = Some(prompt);
                if let Some(words) = words(prompt) {
                    say(words);
                }
            }
            None => {}
        }
    }

    /// How the challenge ended, in words.
    fn outcome(&self) -> String {
        let sides: Vec<&str> = self.order.iter().map(|side| side.as_str()).collect();
        let asked = format!("asked {}", sides.join(", then "));
        match (&self.ended, self.met) {
            (Some((End::Opened { .. }, _)), _) => format!("passed; {asked}"),
            (Some((End::Refused { by, why }, _)), _) => format!("failed: {by}: {why}; {asked}"),
            (_, None) => "not begun: no face was seen well enough; come nearer, or add light".to_owned(),
            _ => format!("not finished; {asked}"),
        }
    }
}

/// Prompts the person, on the terminal, with a bell where there is one: who turns the head does not read.
fn say(words: &str) {
    let bell = if std::io::stderr().is_terminal() { "\x07" } else { "" };
    note!("{bell}usher: {words}");
}

/// What the person is told.
fn words(prompt: Prompt) -> Option<&'static str> {
    Some(match prompt {
        Prompt::TurnLeft => "Turn your head to YOUR LEFT.",
        Prompt::TurnRight => "Turn your head to YOUR RIGHT.",
        Prompt::TurnUp => "Raise your head.",
        Prompt::FurtherLeft => "Further LEFT.",
        Prompt::FurtherRight => "Further RIGHT.",
        Prompt::FurtherUp => "Further UP.",
        Prompt::LookAhead => "Look straight ahead.",
        Prompt::Wait => "Wait.",
        Prompt::Idle | Prompt::EnterPin | Prompt::PresentTag => return None,
    })
}

fn write_jpeg(image: &Image, path: &Path) -> Result<()> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .encode(image.rgb(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .with_context(|| format!("{} cannot be encoded", path.display()))?;
    std::fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_folders_and_consent_is_said() {
        assert_eq!(folder_name("ada").as_deref(), Ok("ada"));
        for bad in ["", " ", ".hidden", "a/b", "../out"] {
            assert_eq!(folder_name(bad), Err(BadName::Folder), "{bad}");
        }
        assert_eq!(folder_name("enrolled"), Err(BadName::Enrolled));
        assert_eq!(consent("  "), Err(BadName::NoConsent));
        assert!(consent("signed").is_ok());
    }

    #[test]
    fn a_recording_prompts_by_its_challenge_and_says_how_it_ended() {
        use crate::cli::liveness::trial::tests::{LEFT_RIGHT, seen, terms, turns};
        let sitting = || Sitting {
            folder: Path::new("."),
            gates: Gates {
                min_face_px: 80.0,
                min_sharpness: 30.0,
                max_yaw_deg: 25.0,
                max_pitch_deg: 20.0,
                min_length: None,
            },
            terms: terms(Assurance::Challenge),
            order: LEFT_RIGHT.to_vec(),
            people: People::nobody(4),
            met: Some(Moment::default()),
            trial: None,
            ended: None,
            prompt: None,
            first: None,
            times_ms: Vec::new(),
        };
        let shown = |first: f32| {
            let (mut sitting, mut prompts) = (sitting(), Vec::new());
            for frame in seen(turns(first), 0.48, 0.6) {
                if sitting.ended.is_none() {
                    sitting.challenge(&frame, frame.at);
                    prompts.extend(sitting.prompt.filter(|prompt| prompts.last() != Some(prompt)));
                }
            }
            (prompts, sitting.outcome())
        };
        let (prompts, outcome) = shown(1.0);
        assert!(prompts.contains(&Prompt::TurnLeft) && prompts.contains(&Prompt::TurnRight), "{prompts:?}");
        assert_eq!(outcome, "passed; asked left, then right");
        assert!(shown(-1.0).1.starts_with("failed: challenge: "), "{}", shown(-1.0).1);
        let mut unseen = sitting();
        assert_eq!(unseen.outcome(), "not finished; asked left, then right");
        unseen.met = None;
        assert!(unseen.outcome().contains("no face was seen well enough"));
    }

    #[test]
    fn every_turn_is_said_and_a_prompt_for_other_devices_is_not() {
        for side in [Side::Left, Side::Right, Side::Up] {
            assert!(words(Prompt::turn(side)).is_some() && words(Prompt::further(side)).is_some());
            assert_ne!(words(Prompt::turn(side)), words(Prompt::further(side)));
        }
        assert_eq!(words(Prompt::EnterPin), None);
    }
}
