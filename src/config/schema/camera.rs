//! `[[camera]]`: where frames come from.
//!
//! Knows nothing of what a camera shows.

use std::ops::RangeInclusive;

use super::rules::{any, name};
use crate::config::reader::Section;
use crate::config::settings::{Camera, Door, PixelFormat, Source};
use crate::domain::Direction;

pub(super) fn camera(section: &mut Section<'_>, doors: &[Door]) -> Camera {
    let name = section.required_text("name", name, "a name of your choice");
    // The words of `kind` are chosen before their keys are read.
    let kind = section.required_choice("kind", [("v4l2", Kind::V4l2), ("replay", Kind::Replay)]);
    let door = match doors {
        // That there is none is told already.
        [] => section.text("door", any, ""),
        [only] => section.text("door", any, &only.name),
        _ => section.required_text("door", any, "the name of a [[door]]"),
    };
    let side = section.choice("side", [("none", None), ("in", Some(Direction::In)), ("out", Some(Direction::Out))]);
    let source = match kind {
        Kind::V4l2 => {
            section.misplaced(&["path", "loop"], "kind \"replay\"");
            Source::V4l2 {
                device: section.path("device", "/dev/video0"),
                identity: section.optional_text("identity", any),
                width: section.integer("width", 160..=3840, 640),
                height: section.integer("height", 120..=2160, 480),
                fps: section.integer("fps", FPS, 15),
                format: section.choice(
                    "format",
                    [("auto", PixelFormat::Auto), ("yuyv", PixelFormat::Yuyv), ("mjpeg", PixelFormat::Mjpeg)],
                ),
            }
        }
        Kind::Replay => {
            section.misplaced(&["device", "identity", "width", "height", "format"], "kind \"v4l2\"");
            Source::Replay {
                path: section.required_path("path", "a picture, a folder of pictures or an MJPEG file"),
                fps: section.integer("fps", FPS, 15),
                repeat: section.flag("loop", false),
            }
        }
    };
    Camera { name, door, side, source }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    V4l2,
    Replay,
}

/// Frames per second.
const FPS: RangeInclusive<u32> = 1..=120;
