//! What a running pipeline reports, as faults.

use gstreamer as gst;
use gstreamer::prelude::*;

use super::Origin;
use super::fault::Fault;
use super::pipeline::Notes;

/// Waits for no message; the fault among those that have come.
pub(super) fn fault(pipeline: &gst::Pipeline, origin: &Origin, notes: &Notes) -> Option<Fault> {
    let bus = pipeline.bus()?;
    let mut missing = None;
    while let Some(message) = bus.pop() {
        match message.view() {
            gst::MessageView::Error(error) => {
                let debug = error.debug().map(|text| text.to_string()).unwrap_or_default();
                let failed = error.error();
                let (message, details) = (shown(origin, &failed.to_string()), shown(origin, &debug));
                tracing::debug!(message, details, "a stream failed");
                return Some(of_error(&failed, &debug, origin, notes, missing));
            }
            gst::MessageView::Eos(_) => return Some(Fault::Over),
            gst::MessageView::Element(element) => {
                missing = element.structure().and_then(missing_codec).or(missing);
            }
            _ => {}
        }
    }
    None
}

/// The name of a decoder that is not installed.
fn missing_codec(structure: &gst::StructureRef) -> Option<String> {
    let missing = structure.name() == "missing-plugin";
    missing.then(|| structure.get::<String>("name").unwrap_or_else(|_| "of an unknown kind".to_owned()))
}

/// A text of GStreamer without the password.
fn shown(origin: &Origin, text: &str) -> String {
    match origin {
        Origin::Network { credentials: Some(credentials), .. } => credentials.strike_from(text),
        _ => text.to_owned(),
    }
}

fn of_error(error: &gst::glib::Error, debug: &str, origin: &Origin, notes: &Notes, missing: Option<String>) -> Fault {
    let told = notes.read();
    let reason = shown(origin, error.to_string().trim_end_matches(['.', '\n']));
    let codec = || told.codec.clone().or_else(|| missing.clone()).unwrap_or_else(|| "of an unknown kind".to_owned());
    if matches!(origin, Origin::Libcamera { .. } | Origin::Argus { .. }) {
        return Fault::Module { reason };
    }
    // GStreamer's messages are translated, the names of its functions are not.
    if debug.contains("setup_streams_start") || is_answer(debug, 461) {
        return if told.codec.is_none() { no_video(&told.others) } else { Fault::NoTransport };
    }
    if let Some(kind) = error.kind::<gst::ResourceError>() {
        let credentials = matches!(origin, Origin::Network { credentials: Some(_), .. });
        return match kind {
            gst::ResourceError::NotAuthorized if credentials => Fault::WrongPassword,
            gst::ResourceError::NotAuthorized => Fault::WantsPassword,
            gst::ResourceError::NotFound => Fault::WrongPath,
            _ if is_answer(debug, 503) || is_answer(debug, 453) => Fault::Busy,
            // Some cameras answer so to a path that they do not have.
            _ if is_answer(debug, 400) || is_answer(debug, 454) => Fault::WrongPath,
            _ => Fault::Other { reason },
        };
    }
    match error.kind::<gst::StreamError>() {
        Some(gst::StreamError::CodecNotFound) => Fault::NoDecoder { codec: codec() },
        Some(gst::StreamError::Decode | gst::StreamError::Format) => Fault::Undecodable { reason },
        Some(gst::StreamError::TypeNotFound | gst::StreamError::Demux | gst::StreamError::WrongType) => {
            Fault::NotAStream { reason }
        }
        _ if missing.is_some() => Fault::NoDecoder { codec: codec() },
        _ => Fault::Other { reason },
    }
}

/// Whether GStreamer's words for programmers name this status of RTSP, as in `(461)`.
fn is_answer(debug: &str, status: u16) -> bool {
    debug.contains(&format!("({status})")) || debug.contains(&format!(" {status} "))
}

/// A stream in which nothing is to be seen.
pub(super) fn no_video(others: &[String]) -> Fault {
    let found = if others.is_empty() { "nothing".to_owned() } else { others.join(" and ") };
    Fault::NoVideo { found }
}
