//! Enrolment in front of a camera: through the daemon while it runs, else this command opens the camera.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use thiserror::Error;

use super::super::context::Eyes;
use super::{Client, Context, Enroll, Report};
use crate::api::template::{CameraView, FaceView};
use crate::camera::CameraError;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::domain::{Distance, Embedding, Rotation, Spectrum};
use crate::gallery::{NewPerson, Template};
use crate::office::{Gates, Refusal};
use crate::setup;
use crate::vision::upright::UprightCheck;

/// Views closer together than this are one.
const BETWEEN_VIEWS: Duration = Duration::from_millis(300);
/// After this many unusable frames in a row, the camera counts as broken.
const MOST_USELESS_IN_A_ROW: u32 = 30;
/// How long to wait for enough good views.
const PATIENCE: Duration = Duration::from_secs(60);

/// Collects good views of one face, and enrols `person` with them.
pub fn enroll(
    order: &Enroll,
    camera: &str,
    person: NewPerson,
    config: &Config,
    client: &Client,
    context: &Context,
) -> Result<Report> {
    let chosen = choose(config, camera)?;
    let mut sitting = Sitting {
        gates: order.gates(config, client)?,
        same: Distance(client.threshold()?.distance),
        wanted: order.views as usize,
        taken: Vec::new(),
        beside: Vec::new(),
        last: None,
        rotate: None,
        advice: "the camera gave no picture; try `usher status` and `usher doctor`".into(),
        until: Instant::now() + PATIENCE,
        bar: ProgressBar::new(order.views.into())
            .with_style(ProgressStyle::with_template("{bar:20} {pos} of {len} good views  {msg}")?),
    };
    sitting.bar.set_message("look into the camera");
    match client.is_daemon() {
        true => client.lines("/v1/views", sitting.until, |line| {
            let view: CameraView =
                serde_json::from_slice(line).context("the daemon is of another version; restart it")?;
            Ok(if view.camera == chosen.name { sitting.see(&view) } else { true })
        })?,
        false => watch(chosen, config.access.max_age, &mut context.eyes_of(client)?, &mut sitting)?,
    }
    sitting.bar.finish_and_clear();
    let taken: Vec<String> = (1..=sitting.taken.len()).map(|n| format!("view {n}")).collect();
    let person = match taken.len() == sitting.wanted {
        true => client.enroll(person, &sitting.templates(), taken.clone(), order.force),
        false => {
            let (count, wanted, advice) = (taken.len(), sitting.wanted, sitting.advice);
            Err(anyhow!("nobody was enrolled: the camera saw only {count} of {wanted} good views ({advice})"))
        }
    };
    Ok(Report { person, taken, refused: Vec::new() })
}

/// The camera of the name `wanted`, or the only one. Infra-red cameras recognise nobody.
pub fn choose<'a>(config: &'a Config, wanted: &str) -> Result<&'a config::Camera> {
    let visible: Vec<&config::Camera> = config.cameras.iter().filter(|c| c.spectrum == Spectrum::Visible).collect();
    let names = || visible.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    match (&visible[..], wanted) {
        ([only], "") => Ok(*only),
        (_, "") => bail!("there are several cameras: name one of {} after --camera", names()),
        (cameras, _) => match cameras.iter().find(|c| c.name == wanted) {
            Some(camera) => Ok(*camera),
            None if config.cameras.iter().any(|c| c.name == wanted) => {
                bail!("camera `{wanted}` sees infra-red and recognises nobody; the others are {}", names())
            }
            None => bail!("no camera `{wanted}` is configured; the cameras are {}", names()),
        },
    }
}

/// Opens the camera and shows its frames to `sitting`. Skips frames that cannot be used or are too old for a door, up to
/// [`MOST_USELESS_IN_A_ROW`].
fn watch(chosen: &config::Camera, max_age: Duration, eyes: &mut Eyes, sitting: &mut Sitting) -> Result<()> {
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
            Err(CameraError::Stuck { .. }) if Instant::now() < sitting.until => continue,
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
        found.retain(|face| face.bounds.width().min(face.bounds.height()) >= sitting.gates.min_face_px / 2.0);
        let mut faces = Vec::with_capacity(found.len());
        for face in found {
            let seen = eyes.vision.look_for_template(&frame.image, face)?;
            let beside = eyes.embed_beside(&frame.image, &seen.face)?;
            let view = FaceView::new(&seen.face.bounds, &seen.embedding, &seen.quality);
            faces.push(view.with_beside(beside.as_ref(), &seen.quality));
        }
        let rotate = upright.look(&mut eyes.vision, &frame.image, clock.now())?.map(Rotation::degrees);
        if !sitting.see(&CameraView { camera: chosen.name.clone(), frame: frame.seq, faces, rotate }) {
            return Ok(());
        }
        source.recycle(frame.image);
    }
}

/// What to do about a camera that hangs turned.
pub fn turned(degrees: u16) -> String {
    format!("faces are upright only in a turned picture: set rotate = {degrees} in the [[camera]], and restart usher")
}

/// Why a view is not taken.
#[derive(Debug, Error)]
enum BadView {
    #[error("no face in view; look into the camera")]
    NoFace,
    #[error("{0} faces in view; only one is allowed")]
    Several(usize),
    #[error("the view cannot be used")]
    NoDirection,
    #[error("{0}")]
    Gate(Refusal),
    #[error("this is not the person of the first view")]
    OtherPerson,
}

/// The good views so far.
struct Sitting {
    gates: Gates,
    same: Distance,
    wanted: usize,
    taken: Vec<Template>,
    /// The same views by the other model of a switch, if one is under way.
    beside: Vec<Template>,
    last: Option<Instant>,
    /// What `rotate` of the camera should be, if faces were upright only in a turned picture.
    rotate: Option<u16>,
    /// What to do better, by the newest frame.
    advice: String,
    until: Instant,
    bar: ProgressBar,
}

impl Sitting {
    /// Judges one frame; returns `false` once there are enough views or the time is over.
    fn see(&mut self, view: &CameraView) -> bool {
        // Known once a second only.
        self.rotate = view.rotate.or(self.rotate);
        self.advice = match (self.judge(view), self.rotate) {
            (Ok(()), _) => {
                self.rotate = None;
                "good; move your head a little".to_owned()
            }
            (Err(_), Some(degrees)) => turned(degrees),
            (Err(bad), None) => bad.to_string(),
        };
        self.bar.set_position(self.taken.len() as u64);
        self.bar.set_message(self.advice.clone());
        self.taken.len() < self.wanted && Instant::now() < self.until
    }

    fn judge(&mut self, view: &CameraView) -> Result<(), BadView> {
        let face = match &view.faces[..] {
            [] => return Err(BadView::NoFace),
            [face] => face,
            several => return Err(BadView::Several(several.len())),
        };
        let template = face.template.template(SystemTime::now()).ok_or(BadView::NoDirection)?;
        self.gates.check_embedded(&template.quality).map_err(BadView::Gate)?;
        // Somebody else may have stepped in front of the camera.
        if self.taken.first().is_some_and(|first| !self.alike(&first.embedding, &template.embedding)) {
            return Err(BadView::OtherPerson);
        }
        if self.last.is_some_and(|at| at.elapsed() < BETWEEN_VIEWS) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        self.taken.push(template);
        self.beside.extend(face.beside.as_ref().and_then(|beside| beside.template(SystemTime::now())));
        Ok(())
    }

    /// The views of the model in use; then those of the other model, if it saw all of them.
    fn templates(&self) -> Vec<Template> {
        let beside = if self.beside.len() == self.taken.len() { &self.beside[..] } else { &[] };
        self.taken.iter().chain(beside).cloned().collect()
    }

    fn alike(&self, a: &Embedding, b: &Embedding) -> bool {
        a.distance(b).is_some_and(|distance| distance <= self.same)
    }
}
