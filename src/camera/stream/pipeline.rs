//! The elements of GStreamer that receive and decode, from each origin to one sink that keeps the newest picture.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;

use super::fault::Fault;
use super::route::Route;
use super::within::{Unanswered, within};
use super::{Credentials, Mode, Origin};
use crate::domain::{StreamAddress, StreamScheme};

/// Debian's packages.
const BASE: &str = "gstreamer1.0-plugins-base";
const GOOD: &str = "gstreamer1.0-plugins-good";

/// For so long the network may reorder packets over UDP. Over TCP it cannot.
const UDP_BUFFER: Duration = Duration::from_millis(200);
/// How long GStreamer may take to start and libcamera to look for its camera modules. The first start reads every plugin, which takes seconds.
const MODULES: Duration = Duration::from_secs(30);
/// A connection that is silent for so long is over.
const SILENCE: Duration = Duration::from_secs(5);

/// How RTP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// Within the connection of RTSP.
    Tcp,
    Udp,
}

impl Transport {
    /// For how long packets may wait to be put in order.
    pub(super) fn buffer(self) -> Duration {
        match self {
            Transport::Tcp => Duration::ZERO,
            Transport::Udp => UDP_BUFFER,
        }
    }
}

/// What a pipeline tells of itself while it is built.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// `H264`, as the stream names it.
    pub(super) codec: Option<String>,
    /// Streams that are not video, as `audio`.
    pub(super) others: Vec<String>,
    pub(super) decoder: Option<Decoder>,
}

/// The element that decodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decoder {
    pub(super) name: String,
    pub(super) hardware: bool,
}

/// [`Told`], shared with GStreamer's threads.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(Arc<Mutex<Told>>);

impl Notes {
    fn change(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn read(&self) -> Told {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A pipeline that is not running yet.
pub(super) struct Built {
    pub(super) pipeline: gst::Pipeline,
    pub(super) sink: AppSink,
    pub(super) notes: Notes,
    /// The way to the camera stays open as long as the pipeline.
    pub(super) route: Option<Route>,
    /// For how long packets may wait to be put in order.
    pub(super) buffer: Duration,
}

impl Built {
    /// Builds the pipeline of an origin.
    pub(super) fn new(origin: &Origin, transport: Transport) -> Result<Built, Fault> {
        let notes = Notes::default();
        let (pipeline, route, buffer) = match origin {
            Origin::Network { address, credentials, certificate } => {
                let route = Route::open(address, credentials.as_ref(), certificate.as_deref())?;
                let pipeline = network(address, credentials.as_ref(), &route, transport, &notes)?;
                let over_rtp = matches!(address.scheme(), StreamScheme::Rtsp | StreamScheme::Rtsps);
                (pipeline, Some(route), if over_rtp { transport.buffer() } else { Duration::ZERO })
            }
            Origin::Libcamera { id, mode } => (libcamera(id.as_deref(), *mode)?, None, Duration::ZERO),
            Origin::Argus { number, mode } => (argus(*number, *mode)?, None, Duration::ZERO),
            Origin::Pipeline { text } => (written(text)?, None, Duration::ZERO),
        };
        let sink = pipeline.by_name(SINK).and_then(|sink| sink.downcast::<AppSink>().ok());
        let sink = sink.ok_or(Fault::NoElement { element: "appsink", package: BASE })?;
        sink.set_caps(Some(&gst::Caps::builder("video/x-raw").build()));
        sink.set_max_buffers(1);
        sink.set_drop(true);
        sink.set_property("sync", false);
        sink.set_property("enable-last-sample", false);
        let decoders = notes.clone();
        pipeline.connect_deep_element_added(move |_, _, element| note_decoder(element, &decoders));
        Ok(Built { pipeline, sink, notes, route, buffer })
    }
}

/// The sink's name in each pipeline.
const SINK: &str = "usher-pictures";

fn note_decoder(element: &gst::Element, notes: &Notes) {
    let Some(factory) = element.factory() else { return };
    let class = factory.metadata("klass").unwrap_or_default();
    if !class.contains("Decoder") || !(class.contains("Video") || class.contains("Image")) {
        return;
    }
    let name = factory.name().to_string();
    // NVIDIA's and some of Video4Linux's do not say it in their class.
    let hardware = class.contains("Hardware") || name.starts_with("nvv4l2") || name.starts_with("v4l2");
    notes.change(|told| told.decoder = Some(Decoder { name, hardware }));
}

/// An element of GStreamer, or the package that has it.
fn element(name: &'static str, package: &'static str) -> Result<gst::Element, Fault> {
    gst::ElementFactory::make(name).build().map_err(|_| Fault::NoElement { element: name, package })
}

/// The sink of a pipeline that is built element by element.
fn sink() -> Result<gst::Element, Fault> {
    let sink = gst::ElementFactory::make("appsink").name(SINK).build();
    sink.map_err(|_| Fault::NoElement { element: "appsink", package: BASE })
}

/// Sets a property from text, if this version of the element has it: an unknown one would end the program.
fn set(element: &gst::Element, property: &str, value: &str) {
    if element.find_property(property).is_some_and(|known| known.flags().contains(glib::ParamFlags::WRITABLE)) {
        element.set_property_from_str(property, value);
    } else {
        tracing::debug!(element = %element.name(), property, "this version of GStreamer does not know it");
    }
}

/// Sets a text property to exactly this text.
fn set_text(element: &gst::Element, property: &str, value: &str) {
    if element.has_property_with_type(property, String::static_type()) {
        element.set_property(property, value);
    }
}

fn internal(error: &glib::BoolError) -> Fault {
    Fault::Other { reason: error.message.to_string() }
}

/// Source, decoder and sink of a camera on the network.
fn network(
    address: &StreamAddress,
    credentials: Option<&Credentials>,
    route: &Route,
    transport: Transport,
    notes: &Notes,
) -> Result<gst::Pipeline, Fault> {
    let pipeline = gst::Pipeline::new();
    let decoder = element("decodebin", BASE)?;
    let sink = sink()?;
    let source = match address.scheme() {
        StreamScheme::Rtsp | StreamScheme::Rtsps => rtsp(transport)?,
        StreamScheme::Http | StreamScheme::Https => http(route)?,
    };
    set_text(&source, "location", &route.location);
    if let Some(Credentials { user, password }) = credentials.filter(|_| !address.takes_credentials()) {
        set_text(&source, "user-id", user);
        set_text(&source, "user-pw", password);
    }
    pipeline.add_many([&source, &decoder, &sink]).map_err(|error| internal(&error))?;
    match address.scheme() {
        StreamScheme::Rtsp | StreamScheme::Rtsps => choose_video(&source, &decoder, notes),
        StreamScheme::Http | StreamScheme::Https => {
            let parts = element("multipartdemux", GOOD)?;
            set(&parts, "single-stream", "true");
            pipeline.add(&parts).map_err(|error| internal(&error))?;
            source.link(&parts).map_err(|error| internal(&error))?;
            notes.change(|told| told.codec = Some("MJPEG".to_owned()));
            link_when_ready(&parts, &decoder);
        }
    }
    link_decoded(&pipeline, &decoder, &sink);
    Ok(pipeline)
}

fn rtsp(transport: Transport) -> Result<gst::Element, Fault> {
    let source = element("rtspsrc", GOOD)?;
    let silence = SILENCE.as_micros().to_string();
    let protocol = match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    for (property, value) in [
        ("protocols", protocol),
        ("latency", &transport.buffer().as_millis().to_string()),
        ("drop-on-latency", "true"),
        ("tcp-timeout", &silence),
        ("timeout", &silence),
        ("add-reference-timestamp-meta", "true"),
        ("user-agent", "usher"),
    ] {
        set(&source, property, value);
    }
    Ok(source)
}

fn http(route: &Route) -> Result<gst::Element, Fault> {
    let source = element("souphttpsrc", GOOD)?;
    for (property, value) in [
        ("is-live", "true"),
        ("do-timestamp", "true"),
        ("keep-alive", "false"),
        ("retries", "0"),
        ("timeout", &SILENCE.as_secs().to_string()),
        ("user-agent", "usher"),
    ] {
        set(&source, property, value);
    }
    if let Some(host) = &route.host_header {
        source.set_property("extra-headers", gst::Structure::builder("headers").field("Host", host).build());
    }
    Ok(source)
}

/// Of the streams that a camera offers, the first with video is received; sound and events are not even asked for.
fn choose_video(source: &gst::Element, decoder: &gst::Element, notes: &Notes) {
    let chosen = notes.clone();
    source.connect("select-stream", false, move |values| {
        let caps = values.get(2).and_then(|caps| caps.get::<gst::Caps>().ok());
        let caps = caps.as_ref().and_then(|caps| caps.structure(0));
        let text = |key: &str| caps.and_then(|caps| caps.get::<String>(key).ok());
        let media = text("media").unwrap_or_default();
        let mut first = false;
        chosen.change(|told| match media.as_str() {
            "video" if told.codec.is_none() => {
                told.codec = Some(text("encoding-name").unwrap_or_else(|| "an unknown codec".to_owned()));
                first = true;
            }
            "video" => {}
            other => told.others.push(if other.is_empty() { "data".to_owned() } else { other.to_owned() }),
        });
        Some(first.to_value())
    });
    link_when_ready(source, decoder);
}

/// Links the first pad that appears.
fn link_when_ready(source: &gst::Element, decoder: &gst::Element) {
    let decoder = decoder.downgrade();
    source.connect_pad_added(move |_, pad| {
        let Some(sink) = decoder.upgrade().and_then(|decoder| decoder.static_pad("sink")) else { return };
        if !sink.is_linked()
            && let Err(error) = pad.link(&sink)
        {
            tracing::debug!(%error, "a pad of the stream does not fit");
        }
    });
}

/// Links decoded video with the sink. What a Jetson's decoder leaves in its own memory is copied out of it.
fn link_decoded(pipeline: &gst::Pipeline, decoder: &gst::Element, sink: &gst::Element) {
    let (pipeline, sink) = (pipeline.downgrade(), sink.downgrade());
    decoder.connect_pad_added(move |_, pad| {
        let (Some(pipeline), Some(sink)) = (pipeline.upgrade(), sink.upgrade()) else { return };
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let foreign = caps.features(0).is_some_and(|features| features.contains("memory:NVMM"));
        let first = if foreign { copier(&pipeline, &sink) } else { Some(sink) };
        let Some(end) = first.and_then(|first| first.static_pad("sink")) else { return };
        if !end.is_linked()
            && let Err(error) = pad.link(&end)
        {
            tracing::debug!(%error, "decoded video does not fit");
        }
    });
}

/// NVIDIA's copier from its own memory, linked with the sink.
fn copier(pipeline: &gst::Pipeline, sink: &gst::Element) -> Option<gst::Element> {
    let copier = gst::ElementFactory::make("nvvidconv").build().ok()?;
    pipeline.add(&copier).ok()?;
    copier.link(sink).ok()?;
    copier.sync_state_with_parent().ok()?;
    Some(copier)
}

fn libcamera(id: Option<&str>, mode: Mode) -> Result<gst::Pipeline, Fault> {
    let source = element("libcamerasrc", "gstreamer1.0-libcamera")?;
    if let Some(id) = id {
        set_text(&source, "camera-name", id);
    }
    let pipeline = gst::Pipeline::new();
    let sink = sink()?;
    pipeline.add_many([&source, &sink]).map_err(|error| internal(&error))?;
    source.link(&sink).map_err(|error| internal(&error))?;
    if let Some(pad) = source.static_pad("src") {
        ask_for(&pad, mode);
        copy_out(&pad);
    }
    Ok(pipeline)
}

/// Sends copies on, so that the module has its buffers back at once. It has few of them, and libcamera crashes when one is let go after the camera
/// is closed; a sink keeps its last one until then.
fn copy_out(source: &gst::Pad) {
    source.add_probe(gst::PadProbeType::BUFFER, |_, info| match info.buffer_mut() {
        None => gst::PadProbeReturn::Ok,
        Some(buffer) => match buffer.copy_deep() {
            Ok(copy) => {
                *buffer = copy;
                gst::PadProbeReturn::Ok
            }
            // There is no memory for it.
            Err(_) => gst::PadProbeReturn::Drop,
        },
    });
}

/// Answers the source's question which pictures are wanted with this size and rate, and takes whatever it then sends. libcamera moves a size to
/// the nearest one that the module's hardware can give; a filter for the exact size would end the stream there.
fn ask_for(source: &gst::Pad, mode: Mode) {
    source.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, move |source, info| {
        let Some(gst::QueryViewMut::Caps(question)) = info.query_mut().map(gst::QueryRef::view_mut) else {
            return gst::PadProbeReturn::Ok;
        };
        let Some(peer) = source.peer() else { return gst::PadProbeReturn::Ok };
        let mut wanted = peer.query_caps(question.filter_owned().as_ref());
        for caps in wanted.make_mut().iter_mut() {
            caps.set("width", i32::try_from(mode.width).unwrap_or(i32::MAX));
            caps.set("height", i32::try_from(mode.height).unwrap_or(i32::MAX));
            caps.set("framerate", gst::Fraction::new(i32::try_from(mode.fps).unwrap_or(i32::MAX), 1));
        }
        question.set_result(&wanted);
        gst::PadProbeReturn::Handled
    });
}

fn argus(number: u32, mode: Mode) -> Result<gst::Pipeline, Fault> {
    drop(element("nvarguscamerasrc", "nvidia-l4t-gstreamer")?);
    let Mode { width, height, fps } = mode;
    parsed(&format!(
        "nvarguscamerasrc sensor-id={number} ! \
         video/x-raw(memory:NVMM),width={width},height={height},framerate={fps}/1,format=NV12 ! \
         nvvidconv ! video/x-raw,format=NV12 ! appsink name={SINK}"
    ))
}

fn written(text: &str) -> Result<gst::Pipeline, Fault> {
    parsed(&format!("{text} ! appsink name={SINK}"))
}

fn parsed(text: &str) -> Result<gst::Pipeline, Fault> {
    let pipeline = gst::parse::launch(text).map_err(|error| Fault::Pipeline { reason: error.to_string() })?;
    pipeline.downcast::<gst::Pipeline>().map_err(|_| Fault::Pipeline { reason: "it has one element only".to_owned() })
}

/// The ids of the cameras that libcamera's device provider finds. Drivers of modules may not answer.
pub(super) fn modules() -> Result<Vec<String>, Unanswered> {
    within(MODULES, "camera modules", found_modules)
}

fn found_modules() -> Vec<String> {
    let provider = gst::init().ok().and_then(|()| gst::DeviceProviderFactory::by_name("libcameraprovider"));
    provider.iter().flat_map(|provider| provider.devices()).map(|device| device.display_name().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_asked_for_a_size_and_may_give_another() {
        gst::init().unwrap();
        let source = gst::ElementFactory::make("videotestsrc").build().unwrap();
        let sink = sink().unwrap();
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([&source, &sink]).unwrap();
        source.link(&sink).unwrap();
        let pad = source.static_pad("src").unwrap();
        ask_for(&pad, Mode { width: 640, height: 480, fps: 15 });
        let offered: gst::Caps =
            "video/x-raw,format=NV12,width=[16,4096],height=[16,4096]; image/jpeg".parse().unwrap();
        sink.set_property("caps", gst::Caps::builder("video/x-raw").build());
        let wanted: gst::Caps = "video/x-raw,format=NV12,width=640,height=480,framerate=15/1".parse().unwrap();
        assert_eq!(pad.peer_query_caps(Some(&offered)), wanted);
        let given: gst::Caps = "video/x-raw,format=NV12,width=636,height=480,framerate=15/1".parse().unwrap();
        assert!(pad.peer_query_accept_caps(&given));
    }

    #[test]
    fn a_modules_buffers_are_back_while_their_copies_are_held() {
        gst::init().unwrap();
        let pipeline = parsed(
            "videotestsrc num-buffers=2 name=module ! video/x-raw,width=64,height=48 ! appsink name=usher-pictures",
        )
        .unwrap();
        let pad = pipeline.by_name("module").unwrap().static_pad("src").unwrap();
        let (sent, places) = std::sync::mpsc::channel();
        let address = |buffer: &gst::Buffer| buffer.map_readable().unwrap().as_ptr() as usize;
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            sent.send(address(info.buffer().unwrap())).unwrap();
            gst::PadProbeReturn::Ok
        });
        copy_out(&pad);
        pipeline.set_state(gst::State::Playing).unwrap();
        let sink = pipeline.by_name(SINK).unwrap().downcast::<AppSink>().unwrap();
        let held: Vec<gst::Buffer> = (0..2).map(|_| sink.pull_sample().unwrap().buffer_owned().unwrap()).collect();
        let own: Vec<usize> = places.try_iter().collect();
        assert!(own.len() == 2 && held.iter().all(|buffer| !own.contains(&address(buffer))));
        pipeline.set_state(gst::State::Null).unwrap();
    }
}
