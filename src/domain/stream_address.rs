//! Where a camera on the network offers its pictures: `rtsp://192.0.2.20/sub`, without a user and a password.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// How a stream is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamScheme {
    /// RTSP, RFC 7826 and RFC 2326.
    Rtsp,
    /// RTSP in TLS.
    Rtsps,
    /// Motion-JPEG over HTTP: `multipart/x-mixed-replace`.
    Http,
    /// The same in TLS.
    Https,
}

impl StreamScheme {
    const ALL: [StreamScheme; 4] = [StreamScheme::Rtsp, StreamScheme::Rtsps, StreamScheme::Http, StreamScheme::Https];

    /// The word before `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            StreamScheme::Rtsp => "rtsp",
            StreamScheme::Rtsps => "rtsps",
            StreamScheme::Http => "http",
            StreamScheme::Https => "https",
        }
    }

    /// Whether TLS protects it.
    pub fn is_encrypted(self) -> bool {
        matches!(self, StreamScheme::Rtsps | StreamScheme::Https)
    }

    /// The TCP port where an address names none (IANA's registry).
    pub fn port(self) -> u16 {
        match self {
            StreamScheme::Rtsp => 554,
            StreamScheme::Rtsps => 322,
            StreamScheme::Http => 80,
            StreamScheme::Https => 443,
        }
    }
}

/// The address of a stream. It holds no password, so it may be shown; where a camera takes its password in the address only, the words
/// `{user}` and `{password}` stand for the credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamAddress {
    scheme: StreamScheme,
    /// IPv6 addresses in brackets.
    host: String,
    port: u16,
    /// Path and query, from the first slash on.
    path: String,
    written: String,
}

/// Why a text is no address of a stream. No message repeats the text: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAStream {
    #[error("must begin with rtsp://, rtsps://, http:// or https:// and name a host, as in \"rtsp://192.0.2.20/sub\"")]
    Unreadable,
    #[error(
        "contains a user or a password: remove them, write the user and the password on two lines of a file with mode 0600, and name it with \
         credentials"
    )]
    Secret,
    #[error(
        "contains a password: write {{user}} and {{password}} in their places, the user and the password on two lines of a file with mode 0600, and \
         name it with credentials"
    )]
    SecretInQuery,
}

/// What cameras call a password in the query or the path of an address.
const PASSWORD_KEYS: [&str; 5] = ["password", "passwd", "pass", "pwd", "loginpas"];
/// What stands for the credentials.
const USER: &str = "{user}";
const PASSWORD: &str = "{password}";

impl StreamAddress {
    /// How it is carried.
    pub fn scheme(&self) -> StreamScheme {
        self.scheme
    }

    /// The name or the address of the camera, without brackets.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the address has places for a user and a password.
    pub fn takes_credentials(&self) -> bool {
        self.path.contains(USER) || self.path.contains(PASSWORD)
    }

    /// The address to ask, with the credentials in their places. `at` replaces scheme, host and port.
    pub fn to_ask(&self, user: &str, password: &str, at: Option<(&str, u16)>) -> String {
        let escaped = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let path = self.path.replace(USER, &escaped(user)).replace(PASSWORD, &escaped(password));
        let plain = match self.scheme {
            StreamScheme::Rtsp | StreamScheme::Rtsps => "rtsp",
            StreamScheme::Http | StreamScheme::Https => "http",
        };
        match at {
            Some((host, port)) => format!("{plain}://{host}:{port}{path}"),
            None => format!("{plain}://{}:{}{path}", self.host, self.port),
        }
    }

    /// `192.0.2.20:554`, as the `Host` header of HTTP has it.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl FromStr for StreamAddress {
    type Err = NotAStream;

    fn from_str(text: &str) -> Result<StreamAddress, NotAStream> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(NotAStream::Unreadable);
        }
        let url = Url::parse(text).map_err(|_| NotAStream::Unreadable)?;
        let known = StreamScheme::ALL.into_iter().find(|scheme| scheme.as_str() == url.scheme());
        let scheme = known.ok_or(NotAStream::Unreadable)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotAStream::Secret);
        }
        let host = match url.host() {
            Some(Host::Ipv6(address)) => format!("[{address}]"),
            Some(host) if !host.to_string().is_empty() => host.to_string(),
            _ => return Err(NotAStream::Unreadable),
        };
        let (_, after) = text.split_once("://").ok_or(NotAStream::Unreadable)?;
        // As it was written: servers of cameras compare paths byte by byte.
        let at = after.find(['/', '?']).unwrap_or(after.len());
        let (_, path) = after.split_at_checked(at).ok_or(NotAStream::Unreadable)?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        if names_a_password(&path) {
            return Err(NotAStream::SecretInQuery);
        }
        let port = url.port().unwrap_or(scheme.port());
        Ok(StreamAddress { scheme, host, port, path, written: text.to_owned() })
    }
}

/// Whether a key such as `pwd=` has a value other than `{password}`. Some cameras have such keys in the path, with `_` or `&` between them.
fn names_a_password(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let part_of = |part: &str| {
        let (key, value) = part.split_once('=')?;
        let named = PASSWORD_KEYS.contains(&key) && !value.is_empty();
        Some(named && value != PASSWORD)
    };
    path.split(['?', '&', '/', ';', '_']).any(|part| part_of(part).unwrap_or(false))
}

impl fmt::Display for StreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for StreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<StreamAddress, NotAStream> {
        text.parse()
    }

    #[test]
    fn addresses_of_cameras_are_read_as_they_are_written() {
        for (text, host, port, asked) in [
            ("rtsp://192.0.2.20/h264Preview_01_sub", "192.0.2.20", 554, "rtsp://192.0.2.20:554/h264Preview_01_sub"),
            ("rtsps://cam.example:7441/Xy?enableSrtp", "cam.example", 7441, "rtsp://cam.example:7441/Xy?enableSrtp"),
            ("http://[2001:db8::7]:81/stream", "2001:db8::7", 81, "http://[2001:db8::7]:81/stream"),
            ("https://cam", "cam", 443, "http://cam:443/"),
            ("rtsp://cam?channel=1", "cam", 554, "rtsp://cam:554/?channel=1"),
            ("rtsp://cam/Streaming/Channels/102", "cam", 554, "rtsp://cam:554/Streaming/Channels/102"),
        ] {
            let address = read(text).unwrap();
            assert_eq!((address.host(), address.port(), address.to_ask("", "", None).as_str()), (host, port, asked));
            assert_eq!(address.to_string(), text);
        }
        let moved = read("rtsps://cam/sub").unwrap().to_ask("", "", Some(("127.0.0.1", 9)));
        assert_eq!(moved, "rtsp://127.0.0.1:9/sub");
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        for text in
            ["", "cam", "ftp://cam/a", "rtsp://", "rtsp:///sub", "rtsp://cam/a b", "rtsp://cam:99999/", "file:///x"]
        {
            assert_eq!(read(text), Err(NotAStream::Unreadable), "{text}");
        }
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_never_repeated() {
        for text in ["rtsp://admin:hunter2@cam/sub", "rtsp://hunter2@cam/sub", "http://:hunter2@cam/"] {
            assert_eq!(read(text), Err(NotAStream::Secret), "{text}");
        }
        for text in [
            "http://cam/video?user=admin&password=hunter2",
            "http://cam/video?PWD=hunter2",
            "rtsp://cam/user=admin_password=hunter2_channel=1_stream=1.sdp",
            "http://cam/videostream.cgi?loginuse=a&loginpas=hunter2",
        ] {
            assert_eq!(read(text), Err(NotAStream::SecretInQuery), "{text}");
        }
        for error in [NotAStream::Unreadable, NotAStream::Secret, NotAStream::SecretInQuery] {
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn credentials_take_their_places_in_the_address() {
        let address = read("http://cam/video?user={user}&password={password}").unwrap();
        assert!(address.takes_credentials());
        assert_eq!(address.to_ask("a b", "p&w/?", None), "http://cam:80/video?user=a+b&password=p%26w%2F%3F");
        assert!(!read("rtsp://cam/sub").unwrap().takes_credentials());
    }
}
