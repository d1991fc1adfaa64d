//! Why a stream gives no pictures: one sentence a cause, with what to do.

/// A stream that does not come, or comes no more. No message holds a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error(
        "this usher was built without GStreamer, which it needs; install usher's package, or build it with --features gstreamer"
    )]
    NotBuilt,
    #[error(
        "GStreamer cannot start ({0}); reinstall libgstreamer1.0-0 and the plugins that usher's package recommends"
    )]
    NoGstreamer(String),
    #[error("GStreamer has no element {element}; install {package}")]
    NoElement { element: &'static str, package: &'static str },
    #[error("the name {host} is not known; check the address, or write the camera's number instead of its name")]
    UnknownHost { host: String },
    #[error(
        "nothing listens at {authority}; turn the stream (RTSP, or MJPEG) on in the camera's settings, and check the port"
    )]
    ConnectionRefused { authority: String },
    #[error("{authority} cannot be reached ({reason}); check the camera's power, its cable, and its address")]
    Unreachable { authority: String, reason: String },
    #[error(
        "the camera wants a user and a password; write both into a file with mode 0600 and name it with credentials"
    )]
    WantsPassword,
    #[error(
        "the camera refuses the user or the password; check the two lines of the file that credentials names, and that the user may see streams"
    )]
    WrongPassword,
    #[error("the camera has no stream at this path; look up its path for the small stream, or ask `usher camera list`")]
    WrongPath,
    #[error("the camera refuses TCP and UDP alike for its pictures; change the transport in its settings")]
    NoTransport,
    #[error("the camera serves nobody else at the moment; check that not too many others watch it")]
    Busy,
    #[error("the stream has no video, only {found}; choose another path")]
    NoVideo { found: String },
    #[error(
        "the stream is {codec}, and no decoder for it is installed; install gstreamer1.0-libav, or set the camera to H.264"
    )]
    NoDecoder { codec: String },
    #[error("the stream cannot be decoded ({reason}); set the camera to plain H.264 (not H.264+ or a \"smart\" codec)")]
    Undecodable { reason: String },
    #[error(
        "the answer is no stream of pictures ({reason}); check the address: for MJPEG it must lead to the stream, not to a page"
    )]
    NotAStream { reason: String },
    #[error("the camera ended the stream; check that not too many others watch it")]
    Over,
    #[error(
        "the picture has been the same for {seconds} s: the camera hangs, or its stream is a recording; switch it off and on (in full darkness, \
         some cameras send one picture for ever: give it light). The camera is back when something in the picture changes"
    )]
    Frozen { seconds: u64 },
    #[error(
        "the camera's certificate is {found}, but [[camera]] certificate is {wanted}; if the camera was exchanged by you, set the new one"
    )]
    OtherCertificate { found: String, wanted: String },
    #[error(
        "the camera's certificate is not trusted ({reason}); if this camera is yours, set certificate = \"{found}\""
    )]
    Untrusted { found: String, reason: String },
    #[error("TLS with the camera failed ({reason}); check that the port is the encrypted one")]
    Tls { reason: String },
    #[error("the file {path} with the credentials {reason}")]
    Credentials { path: String, reason: String },
    #[error(
        "the pipeline is no pipeline of GStreamer ({reason}); try it with gst-launch-1.0 and \"! fakesink\" behind it"
    )]
    Pipeline { reason: String },
    #[error(
        "the camera module does not answer ({reason}); check its ribbon cable, and that `usher camera list` shows it"
    )]
    Module { reason: String },
    #[error("the stream failed ({reason}); try the address with gst-play-1.0 or VLC")]
    Other { reason: String },
}
