//! Cameras, and how faces are found and measured.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::section;
use crate::config::rule;
use crate::config::text::unset_if_empty;
use crate::domain::{Accelerator, Direction, PixelFormat, Rotation, Spectrum};

section! {
    /// The networks.
    Models {
        /// The folder of `MANIFEST.toml` and the model files. Where this key is not set, it is `$USHER_MODELS` if that is set, else the default, and if
        /// that is not there a folder `models` beside the program or above it, as in a checkout.
        #[schemars(schema_with = "rule::path")]
        path: PathBuf = "/usr/share/usher/models".into(),
        /// The embedder: the network of the manifest that makes embeddings. Enrolled templates are
        /// [valid for one embedder only](enrolment.md#another-embedder). `mobilefacenet` takes two thirds of the time, for the smallest boards;
        /// `dlib` ships, too; `facenet` is [made by one command](../models/README.md#facenet).
        #[schemars(schema_with = "rule::name")]
        embedder: String = "sface".to_owned(),
    }
}

section! {
    /// What runs the networks.
    Runtime {
        /// The LiteRT or TensorFlow Lite library. Empty: the usual places are searched.
        #[serde(with = "unset_if_empty")]
        #[schemars(schema_with = "rule::path_or_empty")]
        library: Option<PathBuf> = None,
        /// What computes. A path names an external delegate's library.
        #[schemars(schema_with = "rule::accelerator")]
        accelerator: Accelerator = Accelerator::Auto,
        /// CPU threads for one network.
        #[schemars(range(min = 1, max = 16))]
        threads: u32 = 1,
        per_model: PerModel = PerModel::default(),
    }
}

section! {
    /// An accelerator for one network.
    PerModel {
        /// The detector's proposal network, which runs on each level of the image pyramid.
        #[schemars(schema_with = "rule::accelerator", extend("x-default" = "as `runtime.accelerator`"))]
        pnet: Accelerator = Accelerator::Auto,
        /// The detector's refinement network.
        #[schemars(schema_with = "rule::accelerator", extend("x-default" = "as `runtime.accelerator`"))]
        rnet: Accelerator = Accelerator::Auto,
        /// The detector's output network.
        #[schemars(schema_with = "rule::accelerator", extend("x-default" = "as `runtime.accelerator`"))]
        onet: Accelerator = Accelerator::Auto,
        /// The network that makes embeddings.
        #[schemars(schema_with = "rule::accelerator", extend("x-default" = "as `runtime.accelerator`"))]
        embedder: Accelerator = Accelerator::Auto,
    }
}

section! {
    /// How faces are found.
    Detector {
        /// The smallest face that is looked for: its shorter side in pixels. Half the size costs about four times the work.
        #[schemars(range(min = 20, max = 1000))]
        min_face_px: u32 = 80,
        // 0.709 halves the area (Zhang et al., "Joint Face Detection and Alignment using MTCNN", 2016, and its reference code).
        /// The scale from one level of the image pyramid to the next. A larger one finds more and costs more.
        #[schemars(range(min = 0.5, max = 0.9))]
        pyramid_factor: f64 = 0.709,
        /// The least scores to pass the proposal, the refinement and the output network.
        #[schemars(schema_with = "rule::scores")]
        thresholds: [f64; 3] = [0.6, 0.7, 0.7],
        /// Whether frames in which nothing moves are left out and known faces are only followed. Decisions stay the same, a grant at most one frame
        /// later where motion is noticed and half a second where it is not. `false` looks at everything in every frame, which takes more of the
        /// processor.
        attention: bool = true,
    }
}

section! {
    /// Which pictures may become templates. Stricter than `[access]`: a bad template causes errors every day.
    Enroll {
        /// The smallest face: its shorter side in pixels.
        #[schemars(range(min = 20, max = 1000))]
        min_face_px: u32 = 80,
        /// The least sharpness, measured as for `access.min_sharpness`.
        #[schemars(range(min = 0.0, max = 10_000.0))]
        min_sharpness: f64 = 30.0,
        /// The furthest turn of the head to either side, in degrees.
        #[schemars(range(min = 0.0, max = 90.0))]
        max_yaw_deg: f64 = 30.0,
        /// The furthest nod of the head up or down, in degrees.
        #[schemars(range(min = 0.0, max = 90.0))]
        max_pitch_deg: f64 = 25.0,
        /// The share of photographs that is refused because their embeddings are too weak ([why](enrolment.md#weak-embeddings)): the limit is the length
        /// below which that share of the calibration's photographs is. 0: none.
        #[schemars(range(min = 0.0, max = 0.9))]
        refuse_weakest: f64 = 0.2,
        /// Adds templates from grants that are beyond doubt, at most one a day and three for each person ([how, and the
        /// risk](enrolment.md#templates-from-grants)).
        learn_from_grants: bool = false,
    }
}

section! {
    /// One section for each camera; at least one. A key of the other kind is an error.
    #[schemars(extend("required" = ["name", "kind", "path"]))]
    Camera {
        /// The camera's name in the journal; unique.
        #[schemars(schema_with = "rule::name", example = &"entrance")]
        name: String = String::new(),
        /// `"v4l2"`: a camera of Video4Linux. `"stream"`: a camera on the network, or anything else that GStreamer reads. `"libcamera"`: a camera module of a
        /// Raspberry Pi. `"argus"`: a camera module of a Jetson. `"replay"`: pictures and recordings for trials. `"stream"`, `"libcamera"` and `"argus"` need
        /// GStreamer ([streams.md](streams.md)).
        kind: CameraKind = CameraKind::V4l2,
        /// The name of the door that it watches. Required when there are several doors.
        #[schemars(schema_with = "rule::any", extend("x-default" = "the only door"))]
        door: String = String::new(),
        /// Which way the people it sees are going: in, out, or not known. Two cameras, one on each side, may watch one door.
        side: Side = Side::None,
        /// The light that it sees. An `"infrared"` camera is the second eye of another one, which `eye_of` names, and sees whether a face is there, too
        /// ([why](liveness-networks.md#a-second-eye-in-the-infra-red)). One whose door has no other camera needs no `eye_of` and
        /// [recognises people itself](cameras.md#an-infra-red-camera-alone).
        spectrum: Spectrum = Spectrum::Visible,
        /// The name of the camera beside it, whose faces it looks for. Infra-red cameras need it at a door that another camera watches, too, and only they
        /// have it.
        #[schemars(schema_with = "rule::name", example = &"entrance")]
        eye_of: Option<String> = None,
        /// The part of that camera's picture that it sees: left, top, right and bottom, in widths and heights of the picture. `[0.1, 0.0, 1.1, 1.0]`: it sees a
        /// tenth less on the left and a tenth more on the right. The gate `infrared` of a receipt says how far off faces are.
        #[schemars(schema_with = "rule::part", extend("x-only" = ["spectrum", "infrared"]))]
        eye_sees: [f64; 4] = [0.0, 0.0, 1.0, 1.0],
        /// The camera's device file, or a link to it such as `/dev/v4l/by-id/…`.
        #[schemars(schema_with = "rule::path", extend("x-only" = ["kind", "v4l2"]))]
        device: PathBuf = "/dev/video0".into(),
        /// The device that it must be, as `usher doctor` and `usher camera list` show it: the name of its link in `/dev/v4l/by-id`, the place where it is
        /// plugged in, its driver's name, or `name @ place`. Another device is refused; the message says which one was found. Not set: any device
        /// ([cameras](cameras.md#another-camera-under-the-same-name)).
        #[schemars(
            schema_with = "rule::any",
            extend("x-only" = ["kind", "v4l2"]),
            example = &"usb-046d_HD_Pro_Webcam_C920_5F3A91C2-video-index0"
        )]
        identity: Option<String> = None,
        /// Columns in pixels.
        #[schemars(range(min = 160, max = 3840), extend("x-only" = ["kind", "v4l2", "libcamera", "argus"]))]
        width: u32 = 640,
        /// Rows in pixels.
        #[schemars(range(min = 120, max = 2160), extend("x-only" = ["kind", "v4l2", "libcamera", "argus"]))]
        height: u32 = 480,
        /// Frames per second. A stream sends as many as are set in the camera; set the same number here.
        #[schemars(range(min = 1, max = 120))]
        fps: u32 = 15,
        /// How the camera sends pixels. `"auto"`: at the configured size and rate, YUYV up to 640x480 and MJPEG above, else what the camera offers of the other
        /// formats in this list, colour before grey ([which formats there are](cameras.md#formats)).
        #[schemars(schema_with = "rule::pixel_format", extend("x-only" = ["kind", "v4l2"]))]
        format: PixelFormat = PixelFormat::Auto,
        /// Where a stream comes from, unless `pipeline` says it: RTSP, or Motion-JPEG over HTTP; `rtsps` and `https` are encrypted. No user and no password: `credentials` names their
        /// file. Cameras offer a large and a small stream; the small one, such as 640x360, is enough for a door
        /// ([recipes](streams.md#cameras-on-the-network)).
        #[schemars(schema_with = "rule::any", extend("x-only" = ["kind", "stream"]), example = &"rtsps://192.0.2.20/h264Preview_01_sub")]
        url: Option<String> = None,
        /// A file with two lines, the user and the password of the camera. A name without a slash is a systemd credential. A path must lead to a file of mode
        /// 0600. Where a camera takes them only in its address, write `{user}` and `{password}` there.
        #[schemars(schema_with = "rule::any", extend("x-only" = ["kind", "stream"]), example = &"/etc/usher/entrance.credentials")]
        credentials: Option<PathBuf> = None,
        /// With `rtsps` and `https`: the SHA-256 of the certificate that the camera must show, as 64 hexadecimal digits; any other is refused. Not set: the
        /// certificate must be signed by an authority that the system trusts. The message about a certificate that is not trusted has the digits.
        #[schemars(
            schema_with = "rule::any",
            extend("x-only" = ["kind", "stream"]),
            example = &"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
        )]
        certificate: Option<String> = None,
        /// Which camera module: the id that libcamera gives it, as `usher camera list` shows it, or the number of the sensor for `"argus"`. Not set: the first.
        #[schemars(
            schema_with = "rule::any",
            extend("x-only" = ["kind", "libcamera", "argus"]),
            example = &"/base/soc/i2c0mux/i2c@1/imx708@1a"
        )]
        sensor: Option<String> = None,
        /// Instead of `url`: a pipeline of GStreamer that ends in raw video, as `gst-launch-1.0` takes it, without a sink.
        #[schemars(
            schema_with = "rule::any",
            extend("x-only" = ["kind", "stream"]),
            example = &"udpsrc port=5000 ! application/x-rtp,encoding-name=H264 ! rtph264depay ! decodebin"
        )]
        pipeline: Option<String> = None,
        /// Whether a face that comes out too dark or too bright steers the camera's exposure while it is there, instead of the whole picture
        /// ([how](cameras.md#people-before-a-bright-door)). It needs a driver that lists those controls, and an automatic exposure: a fixed one is left alone.
        #[schemars(extend("x-only" = ["kind", "v4l2"]))]
        expose_for_faces: bool = true,
        /// By how many degrees the picture must be turned clockwise so that people stand upright in it. `usher doctor` says so when faces appear only in
        /// a turned picture ([how a camera may hang](cameras.md#a-camera-that-hangs-on-its-side)).
        #[schemars(schema_with = "rule::rotation")]
        rotate: Rotation = Rotation::None,
        /// Whether left and right are exchanged, after the turn: for a camera or a loopback that delivers a mirror image. In a mirror image, people
        /// who are asked to turn the head turn it the wrong way.
        mirror: bool = false,
        /// The part of the picture that is looked at, after the turn: left, top, right and bottom, in widths and heights of the picture.
        /// `[0.25, 0.0, 0.75, 1.0]`: the middle half. What lies outside is as if the camera did not see it.
        #[schemars(schema_with = "rule::crop")]
        crop: [f64; 4] = [0.0, 0.0, 1.0, 1.0],
        /// A picture, a folder of pictures or an MJPEG file.
        #[schemars(schema_with = "rule::path", extend("x-only" = ["kind", "replay"]), example = &"/var/lib/usher/replay")]
        path: PathBuf = PathBuf::new(),
        /// Whether to begin again at the end.
        #[schemars(extend("x-only" = ["kind", "replay"]))]
        r#loop: bool = false,
    }
}

/// What gives a camera's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CameraKind {
    V4l2,
    Stream,
    Libcamera,
    Argus,
    Replay,
}

/// The side of its door that a camera stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    None,
    In,
    Out,
}

impl Camera {
    /// Whether it recognises people. A second eye does not.
    pub fn recognises(&self) -> bool {
        self.eye_of.is_none()
    }

    /// Which way the people it sees are going, if that is known.
    pub fn direction(&self) -> Option<Direction> {
        match self.side {
            Side::None => None,
            Side::In => Some(Direction::In),
            Side::Out => Some(Direction::Out),
        }
    }
}
