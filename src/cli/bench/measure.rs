//! The measurements of `usher bench`, in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use thiserror::Error;

use crate::access::{Judgement, Referee};
use crate::board::{Identity, held_back, soc_temperature_c};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::domain::{GallerySize, Image, Sighting};
use crate::gallery::{Index, strangers};
use crate::lab::stopwatch::Times;
use crate::photo::JpegDecoder;
use crate::setup;
use crate::vision::manifest::{Manifest, Model};
use crate::vision::pipeline::TimedNetwork;
use crate::vision::runtime::{Accelerator, Runtime};
use crate::vision::tracker::Tracker;
use crate::vision::{Vision, VisionError};

/// The number of people in the gallery that whole frames are compared with.
const PEOPLE: u32 = 1_000;
/// The numbers of templates in the searched galleries.
const GALLERIES: [u32; 3] = [1_000, 10_000, 100_000];

/// The inputs of the measurements.
pub struct Benchmark<'a> {
    pub config: &'a Config,
    pub delegates: Vec<Accelerator>,
    pub picture: Image,
    /// A description of the picture.
    pub origin: String,
    /// The picture without a face.
    pub empty: Image,
    /// About how long everything may take.
    pub span: Duration,
}

/// The results.
pub struct Results {
    pub identity: Identity,
    pub library: String,
    /// The accelerators that LiteRT finds on this machine.
    pub accelerators: Vec<String>,
    pub embedder: String,
    pub threads: u32,
    pub min_face_px: u32,
    pub origin: String,
    /// Width and height of the picture.
    pub size: (u32, u32),
    pub faces: usize,
    pub models: Vec<ModelTimes>,
    pub empty_frame: Times,
    pub frame: Times,
    pub searches: Vec<(u32, Times)>,
    /// Before and after the whole frames.
    pub temperature_c: (Option<f64>, Option<f64>),
    pub throttled: Option<Vec<String>>,
}

/// The times of one network on one accelerator, or why it does not run there.
pub struct ModelTimes {
    pub model: String,
    pub on: String,
    pub times: Result<Times, NotMeasured>,
}

/// Why a network was not measured on an accelerator.
#[derive(Debug, Error)]
pub enum NotMeasured {
    /// It would run on the CPU instead.
    #[error("{0}")]
    Elsewhere(String),
    /// It does not run at all.
    #[error(transparent)]
    Failed(#[from] VisionError),
}

impl Benchmark<'_> {
    /// Runs all measurements. A third of the time is for the networks, and half for whole frames, long enough to warm up a board.
    pub fn run(self) -> Result<Results> {
        let runtime = setup::runtime(self.config)?;
        let mut pipeline = FramePipeline::open(self.config, &runtime)?;
        let (empty, picture) = (jpeg(&self.empty)?, jpeg(&self.picture)?);
        let faces = pipeline.process(&picture)?;
        if faces == 0 {
            bail!(
                "no face of at least {} pixels was found in the picture: give a photograph of a face with --photo",
                self.config.detector.min_face_px
            );
        }
        let accelerators = runtime.accelerators();
        let models = self.models(&runtime, &accelerators)?;
        let searches = self.searches(pipeline.vision.dimension())?;
        let before = soc_temperature_c();
        let empty_frame = Times::measure(self.span.mul_f64(0.1), || pipeline.process(&empty).map(drop))?;
        let frame = Times::measure(self.span.mul_f64(0.4), || pipeline.process(&picture).map(drop))?;
        Ok(Results {
            identity: Identity::read(),
            library: runtime.library().display().to_string(),
            accelerators,
            embedder: pipeline.vision.model().to_string(),
            threads: self.config.runtime.threads,
            min_face_px: self.config.detector.min_face_px,
            origin: self.origin,
            size: (self.picture.width(), self.picture.height()),
            faces,
            models,
            empty_frame,
            frame,
            searches,
            temperature_c: (before, soc_temperature_c()),
            throttled: held_back(),
        })
    }

    /// Each installed network on each available accelerator.
    fn models(&self, runtime: &Runtime, found: &[String]) -> Result<Vec<ModelTimes>> {
        let manifest = Manifest::load(&self.config.models.path)?;
        let has = |word: &str| found.iter().any(|name| name.to_lowercase().contains(word));
        let mut asked = vec![Accelerator::Cpu];
        asked.extend(has("gpu").then_some(Accelerator::Gpu));
        asked.extend(has("npu").then_some(Accelerator::Npu));
        asked.extend(self.delegates.iter().cloned());
        let mut models: Vec<&Model> = manifest.models().filter(|model| is_installed(&manifest, model)).collect();
        models.sort_by_key(|model| model.role as u8);
        let span = self.span.mul_f64(0.35) / (models.len() * asked.len()).max(1) as u32;
        let runs = models.iter().flat_map(|model| asked.iter().map(move |on| (*model, on)));
        Ok(runs
            .map(|(model, on)| ModelTimes {
                model: model.name.clone(),
                on: on.to_string(),
                times: self.model(runtime, &manifest, model, on, span),
            })
            .collect())
    }

    fn model(
        &self,
        runtime: &Runtime,
        manifest: &Manifest,
        model: &Model,
        on: &Accelerator,
        span: Duration,
    ) -> Result<Times, NotMeasured> {
        let threads = self.config.runtime.threads as usize;
        let mut network = TimedNetwork::open(runtime, manifest, model, on, threads)?;
        match &network.placement().fallback {
            Some(why) => Err(NotMeasured::Elsewhere(why.clone())),
            None => Ok(Times::measure(span, || network.run())?),
        }
    }

    /// Searches for a stranger in galleries of growing size.
    fn searches(&self, dimension: usize) -> Result<Vec<(u32, Times)>> {
        let mut searches = Vec::new();
        for templates in GALLERIES {
            let index = strangers(templates, dimension);
            let probe = vec![1.0 / (dimension as f32).sqrt(); dimension];
            let span = self.span.mul_f64(0.15) / GALLERIES.len() as u32;
            let times = Times::measure(span, || {
                std::hint::black_box(index.nearest(std::hint::black_box(&probe), 1));
                Ok::<_, anyhow::Error>(())
            })?;
            searches.push((templates, times));
        }
        Ok(searches)
    }
}

/// Optional models may be missing.
fn is_installed(manifest: &Manifest, model: &Model) -> bool {
    !model.optional || manifest.folder().join(&model.file).exists()
}

/// The processing of a frame by a camera's thread and its door.
struct FramePipeline {
    decoder: JpegDecoder,
    /// The memory of the previous frame.
    pixels: Vec<u8>,
    vision: Vision,
    tracker: Tracker,
    gallery: Index,
    referee: Referee,
    clock: SystemClock,
    camera: Arc<str>,
    frame: u64,
}

impl FramePipeline {
    fn open(config: &Config, runtime: &Runtime) -> Result<FramePipeline> {
        let vision = setup::vision(config, runtime)?;
        let head = setup::head::site_head(config, vision.entry())?;
        let near_enough = setup::house::near_enough(config, vision.entry(), head.as_ref())?;
        Ok(FramePipeline {
            decoder: JpegDecoder::new(),
            pixels: Vec::new(),
            gallery: strangers(PEOPLE, vision.dimension()),
            referee: Referee::new(setup::face_rules(
                config,
                near_enough.cut(GallerySize::of(PEOPLE as usize, 1)).distance,
            )?),
            vision,
            tracker: Tracker::new(setup::track_ends_after(config)),
            clock: SystemClock::new(),
            camera: "bench".into(),
            frame: 0,
        })
    }

    /// From a camera's JPEG to the referee's verdict on each face. Returns the number of faces.
    fn process(&mut self, jpeg: &[u8]) -> Result<usize> {
        let captured_at = self.clock.now();
        self.frame += 1;
        let image = self.decoder.decode_into(jpeg, std::mem::take(&mut self.pixels))?;
        let faces = self.vision.detect(&image)?;
        let tracks = self.tracker.track(&faces, captured_at);
        let count = faces.len();
        for (face, track) in faces.into_iter().zip(tracks) {
            let seen = self.vision.look_at(&image, face)?;
            let sighting = Sighting {
                camera: self.camera.clone(),
                frame: self.frame,
                captured_at,
                track,
                face: seen.face,
                quality: seen.quality,
                nearest: self.gallery.nearest(seen.embedding.values(), 1),
                not_them: None,
                passive: None,
            };
            let passes = || Judgement::default();
            std::hint::black_box(self.referee.consider(&sighting, self.clock.now(), &mut |_| passes()));
        }
        self.pixels = image.into_rgb();
        Ok(count)
    }
}

/// A frame as a camera sends it.
fn jpeg(image: &Image) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90)
        .encode(image.rgb(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .context("the picture cannot be encoded as JPEG")?;
    Ok(bytes)
}
