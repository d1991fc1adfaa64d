//! `usher liveness evaluate`: how many clips of each species get through, after ISO/IEC 30107-3.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::report::{Circumstances, Report};
use super::trial::{self, End, Played, Setting, Terms};
use super::watch::{ClipFault, People, SeenFrame, Watcher};
use crate::cli::argument::frame_rate;
use crate::cli::context::{Context, progress_bar};
use crate::cli::evaluate::extraction::report_left_out;
use crate::config::Config;
use crate::domain::{Assurance, Cue, Moment, PassiveMode, PersonId, Side};
use crate::lab::clips::{self, BONA_FIDE, Clip, ENROLLED, LivenessTest};
use crate::lab::dataset::LeftOut;
use crate::lab::presentations::{Presentation, figures};
use crate::lab::walk::{default_threads, walk};
use crate::setup;
use crate::vision::manifest::Manifest;

/// Count how many clips of real people and of attacks get through, after ISO/IEC 30107-3.
///
/// The folder has the clips as SPECIES/SUBJECT/CLIP, where CLIP is a folder of pictures or a .mjpeg file, and those of the people themselves as
/// bona-fide/SUBJECT/CLIP. The subjects are enrolled with enrolled/SUBJECT.jpg. Each clip is played to the daemon's own detector,
/// embedder, tracker, referee and challenge, as if it were shown to a door that asks for --assurance. `usher liveness record` makes clips.
///
/// Reports per species how many were taken for a person (APCER), had no response (APNRR) and opened the door (IAPAR), and what caught how many;
/// for real people how many were refused (BPCER) and how long it took. Attacks are tried in every order of turns, and the worst outcome
/// counts. A self-test, not a certificate: docs/liveness.md says what the figures mean.
#[derive(Args)]
#[command(after_help = "Example:\n  usher liveness evaluate test --assurance challenge --setting strict")]
pub struct Evaluate {
    /// The folder of the test
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// What the door asks: recognised, passive, challenge or challenge+passive
    #[arg(long, value_name = "TIER", default_value = "challenge")]
    assurance: Assurance,
    /// How much of a turn is asked for [default: the configuration's, else normal]
    #[arg(long, value_enum, value_name = "SETTING")]
    setting: Option<Setting>,
    /// Only the clips of this subject; may be given several times
    #[arg(long, value_name = "NAME")]
    person: Vec<String>,
    /// Frames a second of clips that do not say theirs
    #[arg(long, value_name = "N", value_parser = frame_rate)]
    fps: Option<f64>,
    /// Clips to process at once [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Evaluate {
    pub fn run(self, context: &Context) -> Result<()> {
        trial::check_tier(self.assurance)?;
        let config = context.config_or_defaults()?;
        let mut test = read_test(&self.folder, &self.person)?;
        let mut watchers = Watcher::open(context, &config, self.threads.map(usize::from))?;
        if self.assurance.cues().contains(&Cue::Passive) || config.liveness.passive != PassiveMode::Off {
            let runtime = setup::runtime(&config)?;
            for watcher in &mut watchers {
                watcher.passive = Some(setup::presentation::passive_networks(&config, &runtime)?);
            }
        }
        let first = watchers.first_mut().context("no networks were opened")?;
        let people = People::enrol(&test.enrolled, &mut first.vision)?;
        let terms = Terms::new(&config, self.assurance, self.setting, &people, first)?;
        let models = models(&config, first)?;

        let clips = std::mem::take(&mut test.clips);
        let watched = watch_all(&clips, &mut watchers, self.fps, &people, &terms, &mut test.left_out)?;
        if watched.is_empty() {
            bail!("no clip could be judged; the reasons are above");
        }
        let orders = terms.orders();
        let mut presentations = Vec::with_capacity(watched.len());
        let (mut cameras, mut order_unknown) = (BTreeSet::new(), 0);
        for (clip, frames) in &watched {
            let Some(subject) = people.ids.get(&clip.subject) else { continue };
            let played = judge(clip, frames, *subject, &terms, &orders);
            order_unknown += usize::from(clip.species.is_none() && clip.meta.order.is_empty() && terms.asks_turns());
            cameras.extend(clip.meta.camera.clone());
            presentations.push(presentation(clip, clip.name_in(&self.folder), *subject, &played));
        }
        let figures = figures(&presentations);
        let circumstances = Circumstances {
            assurance: self.assurance.to_string(),
            limits: terms.limits(),
            models,
            cameras,
            order_unknown,
        };
        let report = Report {
            figures: &figures,
            presentations: &presentations,
            left_out: &test.left_out,
            folder: &self.folder,
            circumstances,
        };
        let mut out = std::io::stdout().lock();
        match self.json {
            true => writeln!(out, "{}", report.json())?,
            false => report.text(&mut out)?,
        }
        Ok(())
    }
}

/// The test's folder with the clips of these subjects; of all if none is named.
///
/// # Errors
/// It cannot be read, has no such clips, or a subject is not enrolled.
pub fn read_test(folder: &Path, persons: &[String]) -> Result<LivenessTest> {
    let mut test = clips::read(folder)?;
    for person in persons {
        if !test.clips.iter().any(|clip| clip.subject == *person) {
            let subjects: BTreeSet<&str> = test.clips.iter().map(|clip| clip.subject.as_str()).collect();
            let subjects: Vec<&str> = subjects.into_iter().collect();
            bail!("no clip in {} is of {person}; there are clips of {}", folder.display(), subjects.join(", "));
        }
    }
    test.clips.retain(|clip| persons.is_empty() || persons.contains(&clip.subject));
    let strangers: Vec<&str> = test.strangers().into_iter().collect();
    if let Some(first) = strangers.first() {
        bail!(
            "{} not enrolled, so that no door would open for them anyway: put a photograph of each, from another day than the clips, into {}, as \
             {first}.jpg",
            match strangers.len() {
                1 => format!("{first} is"),
                _ => format!("{} are", strangers.join(", ")),
            },
            folder.join(ENROLLED).display()
        );
    }
    test.left_out.iter().for_each(report_left_out);
    Ok(test)
}

/// The frames of each clip that can be judged. The others are reported and appended to `left_out`.
pub fn watch_all<'a>(
    clips: &'a [Clip],
    watchers: &mut [Watcher],
    fps: Option<f64>,
    people: &People,
    terms: &Terms,
    left_out: &mut Vec<LeftOut>,
) -> Result<Vec<(&'a Clip, Vec<SeenFrame>)>> {
    let bar = progress_bar(clips.len(), "clips");
    let mut watched = Vec::with_capacity(clips.len());
    let numbered: Vec<&Clip> = clips.iter().collect();
    let work = |watcher: &mut Watcher, clip: &&Clip| watcher.watch(clip, fps, people, terms.rules.frames_agree);
    walk(&numbered, watchers, work, |clip, frames| {
        match frames {
            Ok(frames) => watched.push((*clip, frames)),
            Err(fault @ (ClipFault::Picture(_) | ClipFault::Short { .. })) => {
                let out = LeftOut { path: clip.path.clone(), why: fault.to_string() };
                bar.suspend(|| report_left_out(&out));
                left_out.push(out);
            }
            Err(error) => return Err(error.into()),
        }
        bar.inc(1);
        Ok::<_, anyhow::Error>(())
    })?;
    bar.finish_and_clear();
    Ok(watched)
}

/// Plays a clip. A bona fide one in the order in which its person was asked, or in the order that suits it if that is not known; an attack in
/// every order, of which the worst counts.
pub fn judge(clip: &Clip, frames: &[SeenFrame], subject: PersonId, terms: &Terms, orders: &[Vec<Side>]) -> Played {
    let known = [clip.meta.order.clone()];
    let orders = match clip.species.is_none() && !clip.meta.order.is_empty() {
        true => &known[..],
        false => orders,
    };
    let played = orders.iter().map(|order| trial::play(terms, frames, order));
    // Both the luckiest attacker and the person who was asked what they did get farthest; of equal outcomes, the first counts.
    let farthest = played.reduce(|best, next| if next.rank(subject) > best.rank(subject) { next } else { best });
    farthest.unwrap_or_else(|| trial::play(terms, frames, &[]))
}

fn presentation(clip: &Clip, name: String, subject: PersonId, played: &Played) -> Presentation {
    let opened_for = match &played.end {
        End::Opened { person, .. } => Some(*person),
        End::Refused { .. } | End::Shown | End::Nothing { .. } => None,
    };
    let opened_at = match played.end {
        End::Opened { at, .. } => Some(at),
        _ => None,
    };
    let since = |begun: Option<Moment>| Some(opened_at?.since(begun?));
    Presentation {
        species: clip.species.clone(),
        subject: clip.subject.clone(),
        clip: name,
        response: played.response(),
        opened: opened_for.is_some(),
        mistaken: opened_for.is_some_and(|person| person != subject),
        by: played.by(),
        detail: played.detail().to_owned(),
        took: since(played.first_face),
        asked_for: since(played.recognised),
    }
}

/// Whether a test has clips of people themselves.
pub fn bona_fide(test: &LivenessTest, folder: &Path) -> Result<()> {
    match test.clips.iter().any(|clip| clip.species.is_none()) {
        true => Ok(()),
        false => bail!(
            "{} has no clips of people themselves, in {BONA_FIDE}/SUBJECT/CLIP: `usher liveness record` makes them",
            folder.display()
        ),
    }
}

/// Each network with the beginning of its file's hash, in the order in which they are used.
fn models(config: &Config, watcher: &Watcher) -> Result<Vec<String>> {
    let manifest = Manifest::load(&config.models.path)?;
    let used = watcher.vision.placements().iter().map(|(name, _)| name.as_str());
    let id = |name: &str| manifest.models().find(|model| model.name == name).map(|model| model.id().to_string());
    let passive = watcher.passive.as_ref().map(|networks| networks.ids()).unwrap_or_default();
    Ok(used.filter_map(id).chain(passive.iter().map(ToString::to_string)).collect())
}

impl Watcher {
    /// As many as clips are processed at once, each with its own networks.
    /// The passive ones are the caller's to add.
    pub fn open(context: &Context, config: &Config, threads: Option<usize>) -> Result<Vec<Watcher>> {
        let visions = context.many_eyes(threads.unwrap_or_else(default_threads), None, None)?;
        let track_ends_after = setup::track_ends_after(config);
        let min_face_px = config.access.min_face_px as f32;
        Ok(visions.into_iter().map(|vision| Watcher { vision, passive: None, min_face_px, track_ends_after }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::liveness::trial::tests::{LEFT_RIGHT, RIGHT_LEFT, seen, terms, turns};
    use crate::lab::clips::ClipMeta;
    use crate::lab::presentations::Response;

    #[test]
    fn an_attack_is_tried_in_every_order_and_a_person_in_their_own() {
        let terms = terms(Assurance::Challenge);
        let orders = terms.orders();
        let frames = seen(turns(1.0), 0.48, 0.6);
        let judged = |species: Option<&str>, order: &[Side]| {
            let meta = ClipMeta { order: order.to_vec(), ..ClipMeta::default() };
            let clip = Clip { species: species.map(str::to_owned), subject: "ada".into(), path: "clip".into(), meta };
            let played = judge(&clip, &frames, PersonId(1), &terms, &orders);
            presentation(&clip, "clip".to_owned(), PersonId(1), &played)
        };
        let video = judged(Some("video"), &RIGHT_LEFT);
        assert!(video.opened && video.response == Response::BonaFide, "a canned video has luck: {video:?}");
        let person = judged(None, &LEFT_RIGHT);
        assert!(person.opened && !person.mistaken && person.asked_for < person.took, "{person:?}");
        assert!(judged(None, &[]).opened, "nobody knows what they were asked");
        let wrong = judged(None, &RIGHT_LEFT);
        assert_eq!((wrong.opened, wrong.response, wrong.by.as_str()), (false, Response::Attack, "challenge"));
    }
}
