//! Enrolment in front of a camera: the daemon's while it runs, else one that this command opens.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Book, Context, Enroll, Report};
use crate::camera::CameraError;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::daemon::wire::View;
use crate::domain::{Distance, Embedding};
use crate::gallery::{NewPerson, Template};
use crate::office::Gates;
use crate::setup;

/// Views closer together than this show the same moment.
const BETWEEN_VIEWS: Duration = Duration::from_millis(300);
/// So many frames in a row that cannot be used are a broken camera.
const MOST_USELESS_IN_A_ROW: u32 = 30;
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
    let chosen = choose(config, camera)?;
    let mut sitting = Sitting {
        gates: setup::gates(config),
        same: Distance(book.cut()?.distance),
        wanted: order.views as usize,
        taken: Vec::new(),
        last: None,
        advice: "the camera gave no picture; `usher status` or `usher doctor` may say why".into(),
        until: Instant::now() + PATIENCE,
        bar: ProgressBar::new(order.views.into())
            .with_style(ProgressStyle::with_template("{bar:20} {pos} of {len} good views  {msg}")?),
    };
    sitting.bar.set_message("look into the camera");
    match book {
        Book::Remote(client) => client.lines("/v1/views", sitting.until, |line| {
            let view: View = serde_json::from_slice(line).context("the daemon is of another version; restart it")?;
            Ok(if view.camera == chosen.name { sitting.see(&view) } else { true })
        })?,
        Book::Local(_) => watch(chosen, config.access.max_age, context, &mut sitting)?,
    }
    sitting.bar.finish_and_clear();
    let taken: Vec<String> = (1..=sitting.taken.len()).map(|n| format!("view {n}")).collect();
    let person = match taken.len() == sitting.wanted {
        true => book.enroll(person, sitting.taken, taken.clone(), order.force),
        false => {
            let (count, wanted, advice) = (taken.len(), sitting.wanted, sitting.advice);
            Err(anyhow!("nobody was enrolled: only {count} of {wanted} good views were seen ({advice})"))
        }
    };
    Ok(Report { person, taken, refused: Vec::new() })
}

/// The camera that is called `wanted`, or the only one.
fn choose<'a>(config: &'a Config, wanted: &str) -> Result<&'a config::Camera> {
    let names = || config.cameras.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    match (&config.cameras[..], wanted) {
        ([only], "") => Ok(only),
        (_, "") => bail!("there are several cameras: name one of {} after --camera", names()),
        (cameras, _) => match cameras.iter().find(|c| c.name == wanted) {
            Some(camera) => Ok(camera),
            None => bail!("no camera `{wanted}` is configured; there is {}", names()),
        },
    }
}

/// Opens the camera here and looks through it. A frame that cannot be used, or that is too old for a door, shows nobody; so many of them
/// in a row end the sitting.
fn watch(chosen: &config::Camera, max_age: Duration, context: &Context, sitting: &mut Sitting) -> Result<()> {
    let mut eyes = context.eyes(None)?;
    let clock = Arc::new(SystemClock::new());
    let mut source = setup::camera(chosen, clock.clone())?;
    let mut useless = 0;
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
                    "the pictures of camera {} are {} ms old when they come ([access] max_age is {} ms); plug it in anew",
                    chosen.name,
                    age.as_millis(),
                    max_age.as_millis()
                );
            }
            source.recycle(frame.image);
            continue;
        }
        useless = 0;
        let mut seen = eyes.see(&frame.image)?;
        seen.retain(|s| s.quality.size >= sitting.gates.min_face_px / 2.0);
        if !sitting.see(&View::new(&chosen.name, frame.seq, &seen)) {
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
    /// What the newest frame asks for.
    advice: String,
    until: Instant,
    bar: ProgressBar,
}

impl Sitting {
    /// Looks at one frame; `false` when there is nothing more to wait for.
    fn see(&mut self, view: &View) -> bool {
        self.advice = self.judge(view).err().unwrap_or_else(|| "good; move your head a little".into());
        self.bar.set_position(self.taken.len() as u64);
        self.bar.set_message(self.advice.clone());
        self.taken.len() < self.wanted && Instant::now() < self.until
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
