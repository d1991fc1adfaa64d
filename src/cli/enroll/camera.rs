//! Enrolment in front of a camera: the daemon's while it runs, else one that this command opens.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Book, Context, Enroll, Report};
use crate::camera::CameraError;
use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::daemon::wire::View;
use crate::domain::{Distance, Embedding};
use crate::gallery::{NewPerson, Template};
use crate::office::Gates;
use crate::setup;
use crate::vision::manifest::{Manifest, Role};

/// Views closer together than this show the same moment.
const BETWEEN_VIEWS: Duration = Duration::from_millis(300);
/// Whoever has not been seen well by then is sent to better light.
const PATIENCE: Duration = Duration::from_secs(60);

/// Collects good views of one face and enrols `person` with them.
pub fn enroll(
    order: &Enroll,
    camera: &str,
    person: NewPerson,
    config: &Config,
    book: &Book,
    context: &Context,
) -> Result<Report> {
    let Some(chosen) = config.cameras.iter().find(|c| camera.is_empty() || c.name == camera) else {
        let names: Vec<_> = config.cameras.iter().map(|c| c.name.as_str()).collect();
        bail!("no camera `{camera}` is configured; there is {}", names.join(", "));
    };
    let manifest = Manifest::load(&config.models.path)?;
    let model = manifest.model(&config.models.embedder, Role::Embedder)?;
    let mut sitting = Sitting {
        gates: setup::gates(config),
        same: setup::near_enough(config, model)?,
        wanted: order.views as usize,
        taken: Vec::new(),
        last: None,
        until: Instant::now() + PATIENCE,
        bar: ProgressBar::new(order.views.into())
            .with_style(ProgressStyle::with_template("{bar:20} {pos} of {len} good views  {msg}")?),
    };
    sitting.bar.set_message("look into the camera");
    match book {
        Book::Remote(client) => client.lines("/v1/views", PATIENCE, |line| {
            let view: View = serde_json::from_slice(line).context("the daemon is of another version; restart it")?;
            if !camera.is_empty() && view.camera != camera {
                return Ok(true);
            }
            sitting.see(&view)
        })?,
        Book::Local(_) => watch(chosen, context, &mut sitting)?,
    }
    sitting.bar.finish_and_clear();
    let taken = (1..=sitting.taken.len()).map(|n| format!("view {n}")).collect();
    let person = match sitting.taken.len() == sitting.wanted {
        true => book.enroll(person, sitting.taken, order.force),
        false => Err(anyhow!(
            "nobody was enrolled: {} good views came within {} s, {} are needed; `usher doctor` says whether the camera gives frames",
            sitting.taken.len(),
            PATIENCE.as_secs(),
            sitting.wanted
        )),
    };
    Ok(Report { person, taken, refused: Vec::new() })
}

/// Opens the camera here and looks through it.
fn watch(chosen: &config::Camera, context: &Context, sitting: &mut Sitting) -> Result<()> {
    let mut eyes = context.eyes(None)?;
    let mut source = setup::camera(chosen, Arc::new(SystemClock::new()))?;
    loop {
        let frame = match source.next() {
            Ok(frame) => frame,
            Err(CameraError::BadFrame { .. } | CameraError::Stuck { .. }) if Instant::now() < sitting.until => continue,
            Err(CameraError::Ended { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut seen = eyes.see(&frame.image)?;
        seen.retain(|s| s.quality.size >= sitting.gates.min_face_px / 2.0);
        if !sitting.see(&View::new(&chosen.name, frame.seq, &seen))? {
            return Ok(());
        }
        source.recycle(frame.image);
    }
}

/// The good views so far.
struct Sitting {
    gates: Gates,
    same: Distance,
    wanted: usize,
    taken: Vec<Template>,
    last: Option<Instant>,
    until: Instant,
    bar: ProgressBar,
}

impl Sitting {
    /// Looks at one frame; `false` when there is nothing more to wait for.
    fn see(&mut self, view: &View) -> Result<bool> {
        let advice = self.judge(view);
        self.bar.set_position(self.taken.len() as u64);
        self.bar.set_message(advice.err().unwrap_or_else(|| "good; move your head a little".into()));
        Ok(self.taken.len() < self.wanted && Instant::now() < self.until)
    }

    fn judge(&mut self, view: &View) -> Result<(), String> {
        let face = match &view.faces[..] {
            [] => return Err("no face in view; look into the camera".into()),
            [face] => face,
            several => return Err(format!("{} faces in view; only one may be", several.len())),
        };
        let Some(template) = face.template.template(SystemTime::now()) else {
            return Err("the view cannot be used".into());
        };
        self.gates.check(&template.quality).map_err(|refusal| refusal.to_string())?;
        if let Some(first) = self.taken.first() {
            // Somebody else may have stepped in.
            if !self.alike(&first.embedding, &template.embedding) {
                return Err("this is not the person of the first view".into());
            }
        }
        if self.last.is_some_and(|at| at.elapsed() < BETWEEN_VIEWS) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        self.taken.push(template);
        Ok(())
    }

    fn alike(&self, a: &Embedding, b: &Embedding) -> bool {
        a.distance(b).is_some_and(|distance| distance <= self.same)
    }
}
