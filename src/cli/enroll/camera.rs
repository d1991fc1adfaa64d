//! Enrolment in front of a camera: through the daemon while it runs, else this command opens the camera.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Client, Context, Enroll, Report, Whom};
use crate::api::remedy::Remedy;
use crate::api::template::{CameraView, FaceView};
use crate::camera::CameraError;
use crate::cli::client::with_remedy;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::domain::{Distance, Rotation};
use crate::office::{Eyes, FaceTemplates, Sitting};
use crate::setup;
use crate::vision::upright::UprightCheck;

/// After this many unusable frames in a row, the camera counts as broken.
const MOST_USELESS_IN_A_ROW: u32 = 30;
/// How long to wait for enough good views.
const PATIENCE: Duration = Duration::from_secs(60);

/// Collects good views of one face, and enrols `whom` with them, or gives them more templates.
pub fn enroll(
    order: &Enroll,
    camera: &str,
    whom: &Whom,
    config: &Config,
    client: &Client,
    context: &Context,
) -> Result<Report> {
    let chosen = choose(config, camera)?;
    let same = Distance(client.threshold()?.distance);
    let mut watched = Watched {
        min_face_px: order.gates(config, client)?.min_face_px,
        sitting: Sitting::new(order.gates(config, client)?, same, order.views as usize),
        clock: SystemClock::new(),
        until: Instant::now() + PATIENCE,
        bar: ProgressBar::new(order.views.into())
            .with_style(ProgressStyle::with_template("{bar:20} {pos} of {len} good views  {msg}")?),
    };
    watched.bar.set_message("look into the camera");
    match client.is_daemon() {
        true => client.lines("/v1/views", watched.until, |line| {
            let view: CameraView =
                serde_json::from_slice(line).context("the daemon is of another version; restart it")?;
            Ok(if view.camera == chosen.name { watched.see(&view) } else { true })
        })?,
        false => watch(chosen, config.access.max_age, &mut context.eyes_of(client)?, &mut watched)?,
    }
    watched.bar.finish_and_clear();
    let sitting = watched.sitting;
    let taken: Vec<String> = (1..=sitting.taken()).map(|n| format!("view {n}")).collect();
    let person = match sitting.is_complete() {
        true => whom.take(client, &sitting.templates(), taken.clone(), order.force),
        false => {
            let (count, wanted, advice) = (sitting.taken(), sitting.wanted(), sitting.advice());
            let advice = with_remedy(&advice, Remedy::of_sitting(advice));
            Err(anyhow!("{}: the camera saw only {count} of {wanted} good views ({advice})", whom.nothing_done()))
        }
    };
    Ok(Report { person, taken, refused: Vec::new(), added: whom.is_known() })
}

/// A sitting with its progress bar.
struct Watched {
    sitting: Sitting,
    min_face_px: f32,
    clock: SystemClock,
    until: Instant,
    bar: ProgressBar,
}

impl Watched {
    /// Judges one frame; returns `false` once there are enough views or the time is over.
    fn see(&mut self, view: &CameraView) -> bool {
        let now = SystemTime::now();
        let faces = view.faces.iter().filter_map(|face| {
            let beside = face.beside.as_ref().and_then(|beside| beside.template(now));
            Some(FaceTemplates { template: face.template.template(now)?, beside })
        });
        self.sitting.hangs(view.rotate);
        let more = self.sitting.see(&faces.collect::<Vec<_>>(), self.clock.now());
        self.bar.set_position(self.sitting.taken() as u64);
        self.bar.set_message(self.sitting.advice().to_string());
        more && Instant::now() < self.until
    }
}

/// The camera of the name `wanted`, or the only one. Second eyes recognise nobody.
pub fn choose<'a>(config: &'a Config, wanted: &str) -> Result<&'a config::Camera> {
    let recognising: Vec<&config::Camera> = config.cameras.iter().filter(|c| c.recognises()).collect();
    let names = || recognising.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    match (&recognising[..], wanted) {
        ([only], "") => Ok(*only),
        (_, "") => bail!("there are several cameras: name one of {} after --camera", names()),
        (cameras, _) => match cameras.iter().find(|c| c.name == wanted) {
            Some(camera) => Ok(*camera),
            None if config.cameras.iter().any(|c| c.name == wanted) => {
                bail!("camera `{wanted}` is a second eye and recognises nobody; the others are {}", names())
            }
            None => bail!("no camera `{wanted}` is configured; the cameras are {}", names()),
        },
    }
}

/// Opens the camera and shows its frames to the sitting. Skips frames that cannot be used or are too old for a door, up to
/// [`MOST_USELESS_IN_A_ROW`].
fn watch(chosen: &config::Camera, max_age: Duration, eyes: &mut Eyes, watched: &mut Watched) -> Result<()> {
    let clock = Arc::new(SystemClock::new());
    let mut source = setup::camera(chosen, clock.clone())?;
    let mut useless = 0;
    let mut upright = UprightCheck::new(setup::framing(chosen));
    loop {
        let frame = match source.next() {
            Ok(frame) => frame,
            Err(error) if error.is_bad_frame() => {
                useless += 1;
                if useless >= MOST_USELESS_IN_A_ROW {
                    return Err(error.into());
                }
                continue;
            }
            Err(CameraError::Stuck { .. }) if Instant::now() < watched.until => continue,
            Err(CameraError::Ended { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let age = clock.now().since(frame.captured_at);
        if age > max_age {
            useless += 1;
            if useless >= MOST_USELESS_IN_A_ROW {
                bail!(
                    "frames of camera {} are {} ms old when they arrive ([access] max_age is {} ms); unplug the camera and plug it in again",
                    chosen.name,
                    age.as_millis(),
                    max_age.as_millis()
                );
            }
            source.recycle(frame.image);
            continue;
        }
        useless = 0;
        let mut found = eyes.vision.detect_nearest(&frame.image)?;
        found.retain(|face| face.bounds.width().min(face.bounds.height()) >= watched.min_face_px / 2.0);
        let mut faces = Vec::with_capacity(found.len());
        for face in found {
            let seen = eyes.vision.look_for_template(&frame.image, face)?;
            let beside = eyes.embed_beside(&frame.image, &seen.face)?;
            let view = FaceView::new(&seen.face.bounds, &seen.embedding, &seen.quality);
            faces.push(view.with_beside(beside.as_ref(), &seen.quality));
        }
        let rotate = upright.look(&mut eyes.vision, &frame.image, clock.now())?.map(Rotation::degrees);
        if !watched.see(&CameraView { camera: chosen.name.clone(), frame: frame.seq, faces, rotate }) {
            return Ok(());
        }
        source.recycle(frame.image);
    }
}
