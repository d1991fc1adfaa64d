//! A running pipeline as a frame source.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::dating::{Arrived, Dating};
use super::fault::Fault;
use super::novelty::FROZEN_AFTER;
use super::picture::{Converter, Picture};
use super::pipeline::{Built, Decoder, Transport};
use super::within::{Unanswered, within};
use super::{Memory, Origin, StreamSettings, bus};
use crate::camera::{Arrival, CameraError, FrameSource};
use crate::clock::Clock;
use crate::domain::{Glimpse, Image, Moment};
use crate::photo::PhotoError;

/// How long opening may take in all; below the ten seconds after which the daemon considers a thread dead.
const OPEN_TIMEOUT: Duration = Duration::from_secs(9);
/// How long the first picture may take once the way is known.
const FIRST_PICTURE: Duration = Duration::from_secs(6);
/// How long a camera gets to let go of a connection before the next one, and how long it may go on refusing that.
const LET_GO: Duration = Duration::from_millis(200);
const LONGEST_LET_GO: Duration = Duration::from_secs(2);
/// How long a frozen camera is watched for a change after it was opened again.
const AWAKENING: Duration = Duration::from_secs(5);
/// How long a dropped pipeline may take to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a waiting reader looks at what the pipeline reports.
const POLL: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// A picture that is decoded so long after its arrival shows that the decoder falls behind.
const LATE: Duration = Duration::from_millis(300);
/// From 1900, the epoch of RTP's reports (RFC 3550), to 1970, in seconds.
const NTP_EPOCH_S: u64 = 2_208_988_800;

/// An open stream. Dropping it closes it.
pub(super) struct StreamCamera {
    origin: Origin,
    device: String,
    /// `None` only while it is being dropped.
    built: Option<Built>,
    stuck_after: Duration,
    clock: Arc<dyn Clock>,
    memory: Memory,
    dating: Dating,
    converter: Converter,
    seq: u64,
    size: (u32, u32),
    fps: Option<f64>,
    transport: Transport,
    by_sender: bool,
    /// The picture that arrived last, until it is decoded or the next one arrives.
    held: Option<Picture>,
    /// The first picture, which opening has waited for.
    first: Option<Picture>,
    spare: Vec<u8>,
}

impl StreamCamera {
    /// Opens it in a thread of its own: names may take long to resolve, and drivers to answer.
    pub(super) fn open(
        settings: &StreamSettings,
        memory: &Memory,
        clock: Arc<dyn Clock>,
    ) -> Result<StreamCamera, CameraError> {
        let device = settings.origin.to_string();
        let stream = |fault| CameraError::Stream { device: device.clone(), fault };
        let (origin, stuck_after, memory) = (settings.origin.clone(), settings.stuck_after, memory.clone());
        match within(OPEN_TIMEOUT, "open stream", move || Self::open_now(origin, stuck_after, memory, clock)) {
            Ok(opened) => opened.map_err(stream),
            Err(Unanswered::Late { waited }) => Err(CameraError::Stuck { device, waited }),
            Err(none) => Err(stream(Fault::Other { reason: none.to_string() })),
        }
    }

    fn open_now(
        origin: Origin,
        stuck_after: Duration,
        memory: Memory,
        clock: Arc<dyn Clock>,
    ) -> Result<StreamCamera, Fault> {
        gst::init().map_err(|error| Fault::NoGstreamer(error.to_string()))?;
        let mut transport = Transport::Tcp;
        let (built, first) = match Self::start(&origin, transport) {
            Err(Fault::NoTransport) => {
                transport = Transport::Udp;
                Self::start_again(&origin, transport)?
            }
            started => started?,
        };
        Ok(StreamCamera {
            device: origin.to_string(),
            origin,
            stuck_after,
            clock,
            memory,
            dating: Dating::default(),
            converter: Converter::default(),
            seq: 0,
            size: first.size(),
            fps: first.fps(),
            transport,
            by_sender: sender_time(&first).is_some(),
            held: None,
            first: Some(first),
            spare: Vec::new(),
            built: Some(built),
        })
    }

    /// Starts a pipeline and waits for its first picture.
    fn start(origin: &Origin, transport: Transport) -> Result<(Built, Picture), Fault> {
        let built = Built::new(origin, transport)?;
        let refused = || bus::fault(&built.pipeline, origin, &built.notes);
        let started = first_picture(&built, refused);
        if started.is_err() {
            close(&built.pipeline);
        }
        started.map(|first| (built, first))
    }

    /// Starts a pipeline soon after another one of the same camera, which may need a moment to let go of that.
    fn start_again(origin: &Origin, transport: Transport) -> Result<(Built, Picture), Fault> {
        let began = Instant::now();
        loop {
            std::thread::sleep(LET_GO);
            match Self::start(origin, transport) {
                Err(Fault::Busy) if began.elapsed() < LONGEST_LET_GO => {}
                started => return started,
            }
        }
    }

    fn stream(&self, fault: Fault) -> CameraError {
        CameraError::Stream { device: self.device.clone(), fault }
    }

    fn bad_frame(&self, cause: PhotoError) -> CameraError {
        CameraError::BadFrame { origin: self.origin_of_frames(), cause }
    }

    fn origin_of_frames(&self) -> String {
        format!("camera {}", self.device)
    }

    fn none_held(&self) -> CameraError {
        CameraError::NoneHeld { origin: self.origin_of_frames() }
    }

    /// The next picture that the sink has.
    fn pull(&mut self) -> Result<Picture, CameraError> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let Some(built) = &self.built else { return Err(self.stream(Fault::Over)) };
        let began = Instant::now();
        loop {
            if let Some(picture) = built.sink.try_pull_sample(POLL).and_then(Picture::of) {
                return Ok(picture);
            }
            if let Some(fault) = bus::fault(&built.pipeline, &self.origin, &built.notes) {
                return Err(self.stream(fault));
            }
            if built.sink.is_eos() {
                return Err(self.stream(Fault::Over));
            }
            if began.elapsed() >= self.stuck_after {
                return Err(CameraError::Stuck { device: self.device.clone(), waited: self.stuck_after });
            }
        }
    }

    fn note_size(&mut self, picture: &Picture) {
        let ((width, height), (before_width, before_height)) = (picture.size(), self.size);
        if (width, height) != (before_width, before_height) {
            tracing::info!(camera = %self.device, width, height, before_width, before_height, "the pictures have another size");
            self.size = (width, height);
        }
    }

    /// When the picture was taken, at the latest; and sign to the decoder when it falls behind.
    fn date(&mut self, picture: &Picture) -> Moment {
        let now = self.clock.now();
        let Some(built) = &self.built else { return now };
        let running = running_time(picture.sample());
        let since = built.pipeline.current_running_time().zip(running).map(|(now, then)| now.saturating_sub(then));
        let waited = since.map_or(Duration::ZERO, Duration::from);
        if waited > LATE {
            hurry(built, running, waited);
        }
        let sender = sender_time(picture);
        self.by_sender = sender.is_some();
        let stamp = self.clock.stamp();
        let wall = stamp.at.duration_since(std::time::UNIX_EPOCH).ok().filter(|_| stamp.synchronised == Some(true));
        self.dating.date(Arrived {
            at: Moment(now.0.saturating_sub(waited)),
            buffered: built.buffer,
            sender,
            wall: wall.map(|wall| wall.saturating_sub(waited)),
        })
    }
}

/// Waits for the first picture of a pipeline; `refused` gives what it reports.
fn first_picture(built: &Built, refused: impl Fn() -> Option<Fault>) -> Result<Picture, Fault> {
    let paused = built.pipeline.set_state(gst::State::Paused);
    // What is no live source would be read as fast as it can be.
    if !matches!(paused, Ok(gst::StateChangeSuccess::NoPreroll)) && built.route.is_none() {
        built.sink.set_property("sync", true);
    }
    let began = Instant::now();
    if built.pipeline.set_state(gst::State::Playing).is_err() {
        return Err(refused().unwrap_or_else(|| Fault::Other { reason: "it does not start".to_owned() }));
    }
    loop {
        if let Some(picture) = built.sink.try_pull_sample(POLL).and_then(Picture::of) {
            return Ok(picture);
        }
        if let Some(fault) = refused() {
            return Err(fault);
        }
        if built.sink.is_eos() {
            return Err(Fault::Over);
        }
        if began.elapsed() >= FIRST_PICTURE {
            let told = built.notes.read();
            return Err(match told.codec {
                None if !told.others.is_empty() => bus::no_video(&told.others),
                _ => Fault::Other { reason: format!("no picture came within {} s", FIRST_PICTURE.as_secs()) },
            });
        }
    }
}

/// When the picture's first byte arrived, by the pipeline's running time.
fn running_time(sample: &gst::Sample) -> Option<gst::ClockTime> {
    let pts = sample.buffer()?.pts()?;
    sample.segment()?.downcast_ref::<gst::ClockTime>()?.to_running_time(pts)
}

/// When the picture was taken by the sender's clock, since 1970.
fn sender_time(picture: &Picture) -> Option<Duration> {
    let buffer = picture.sample().buffer()?;
    let mut metas = buffer.iter_meta::<gst::ReferenceTimestampMeta>();
    let ntp = metas.find(|meta| meta.reference().structure(0).is_some_and(|caps| caps.name() == "timestamp/x-ntp"))?;
    Duration::from(ntp.timestamp()).checked_sub(Duration::from_secs(NTP_EPOCH_S))
}

/// Tells the decoder how late its pictures are, so that it leaves out what nothing else needs.
fn hurry(built: &Built, running: Option<gst::ClockTime>, late: Duration) {
    let Some(pad) = built.sink.static_pad("sink") else { return };
    let late = i64::try_from(late.as_nanos()).unwrap_or(i64::MAX);
    let event = gst::event::Qos::builder(gst::QOSType::Underflow, 2.0, late).timestamp(running).build();
    if !pad.push_event(event) {
        tracing::trace!("the decoder takes no advice");
    }
}

/// Ends a pipeline. One that does not end in time goes on doing so in its thread.
fn close(pipeline: &gst::Pipeline) {
    let pipeline = pipeline.clone();
    let ended = within(CLOSE_TIMEOUT, "close stream", move || pipeline.set_state(gst::State::Null));
    match ended {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a stream ended with an error"),
        Err(error) => tracing::warn!(%error, "a stream does not end in time"),
    }
}

impl FrameSource for StreamCamera {
    /// Blocks for at most [`StreamSettings::stuck_after`]; of a camera that was found frozen before it was opened, some seconds longer.
    fn wait(&mut self) -> Result<Arrival, CameraError> {
        let began = Instant::now();
        loop {
            self.held = None;
            let picture = self.pull()?;
            self.note_size(&picture);
            let taken = self.date(&picture);
            let digest = picture.digest().map_err(|cause| self.bad_frame(cause))?;
            let fresh = self.memory.hold().see(digest, taken, || picture.own_glimpse());
            if fresh.old_for >= FROZEN_AFTER {
                // It was frozen before it was opened. Watching it for a while lets in a person who comes now, before the next opening.
                if self.seq == 0 && began.elapsed() < AWAKENING {
                    continue;
                }
                return Err(self.stream(Fault::Frozen { seconds: fresh.old_for.as_secs() }));
            }
            let seq = self.seq;
            self.seq = self.seq.saturating_add(1);
            self.held = Some(picture);
            return Ok(Arrival { seq, captured_at: fresh.captured_at });
        }
    }

    fn glimpse(&mut self, glimpse: &mut Glimpse) -> Result<bool, CameraError> {
        let Some(picture) = &self.held else { return Err(self.none_held()) };
        picture.glimpse(glimpse).map_err(|cause| self.bad_frame(cause))
    }

    fn picture(&mut self) -> Result<Image, CameraError> {
        let Some(picture) = self.held.take() else { return Err(self.none_held()) };
        let pixels = std::mem::take(&mut self.spare);
        self.converter.rgb(&picture, pixels).map_err(|cause| self.bad_frame(cause))
    }

    fn recycle(&mut self, image: Image) {
        self.spare = image.into_rgb();
    }

    fn describe(&self) -> String {
        let told = self.built.as_ref().map(|built| built.notes.read()).unwrap_or_default();
        let (width, height) = self.size;
        let codec = told.codec.map(|codec| format!("{codec} ")).unwrap_or_default();
        let fps = self.fps.map(|fps| format!(" at {fps:.0} frames/s")).unwrap_or_default();
        let decoder = match told.decoder {
            Some(Decoder { name, hardware: true }) => format!(", decoded by hardware ({name})"),
            Some(Decoder { name, hardware: false }) => format!(", decoded by software ({name})"),
            None => String::new(),
        };
        let transport = if self.transport == Transport::Udp { ", over UDP" } else { "" };
        format!("camera {}, {codec}{width}x{height}{fps}{decoder}{transport}", self.device)
    }
}

impl Drop for StreamCamera {
    fn drop(&mut self) {
        (self.held, self.first) = (None, None);
        if let Some(built) = self.built.take() {
            close(&built.pipeline);
        }
    }
}
