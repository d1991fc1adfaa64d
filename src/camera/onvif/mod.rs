//! Finding cameras on the network: WS-Discovery asks everybody (OASIS WS-Discovery 1.0 of 2005, as ONVIF's core specification 7 demands), and
//! ONVIF's media service tells which streams a camera has, as far as it does so without a password.
//!
//! An answer may be forged. So its length is limited, its texts are cleaned, and usher asks further only at the address that sent it.
//!
//! `soap`: the messages; `http`: one question and its answer

mod http;
mod soap;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use self::http::{Answer, Asked};
use self::soap::{Match, Profile};
use crate::domain::StreamAddress;

/// Where cameras listen for questions to everybody.
pub const EVERYBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 3702);
/// ONVIF cameras wait for up to half a second before they answer.
pub const PATIENCE: Duration = Duration::from_millis(1500);
/// So many cameras are listed.
const MOST_CAMERAS: usize = 64;
/// So many streams of a camera are asked for.
const MOST_STREAMS: usize = 6;
/// A UDP packet is not longer.
const PACKET: usize = 65_535;

/// A camera that has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkCamera {
    /// Its name and its model, as it gives them.
    pub name: Option<String>,
    pub model: Option<String>,
    /// Where it answered from.
    pub host: IpAddr,
    /// Its streams, in its own order.
    pub streams: Vec<Stream>,
    /// Why there are no more streams.
    pub withheld: Option<Withheld>,
}

/// A stream that a camera offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// As the camera calls it.
    pub name: String,
    /// `H264`
    pub codec: Option<String>,
    /// Pixels.
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// What `[[camera]] url` would be.
    pub address: StreamAddress,
}

/// Why a camera does not tell its streams.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    #[error("it tells its streams only with a password; look them up on its page")]
    WantsPassword,
    #[error("it does not tell its streams ({0}); look them up on its page")]
    NoAnswer(String),
    #[error("it answers under another address only; look its streams up on its page")]
    Elsewhere,
}

/// Asks `whom`, [`EVERYBODY`] or one address, and collects the answers for [`PATIENCE`]. Then each camera is asked for its streams.
///
/// # Errors
/// There is no network to ask on.
pub fn discover(whom: SocketAddr) -> io::Result<Vec<NetworkCamera>> {
    let found = probe(whom)?;
    Ok(found.into_iter().map(|(host, found)| describe(host, found)).collect())
}

/// Who answers, one entry an endpoint, in the order of their addresses.
fn probe(whom: SocketAddr) -> io::Result<Vec<(IpAddr, Match)>> {
    let any: IpAddr =
        if whom.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    let question = soap::probe(&uuid::Uuid::new_v4().to_string());
    socket.send_to(question.as_bytes(), whom)?;
    let (began, mut packet) = (Instant::now(), vec![0; PACKET]);
    let mut found = BTreeMap::new();
    while let Some(left) = PATIENCE.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
        socket.set_read_timeout(Some(left))?;
        let Ok((length, from)) = socket.recv_from(&mut packet) else { continue };
        let answer = packet.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        for one in soap::matches(answer) {
            if found.len() < MOST_CAMERAS {
                found.entry((from.ip(), one.endpoint.clone())).or_insert(one);
            }
        }
    }
    Ok(found.into_iter().map(|((host, _), one)| (host, one)).collect())
}

fn describe(host: IpAddr, found: Match) -> NetworkCamera {
    let Match { name, model, services, .. } = found;
    let (streams, withheld) = match services.iter().find_map(|service| Asked::at(service, host)) {
        None => (Vec::new(), Some(Withheld::Elsewhere)),
        Some(device) => match streams(&device, host) {
            Ok(streams) => (streams, None),
            Err(withheld) => (Vec::new(), Some(withheld)),
        },
    };
    NetworkCamera { name, model, host, streams, withheld }
}

/// The streams of a camera, from its media service.
fn streams(device: &Asked, host: IpAddr) -> Result<Vec<Stream>, Withheld> {
    let capabilities = ask(device, &soap::capabilities())?;
    // Some cameras have but one service.
    let media = soap::media_service(&capabilities).and_then(|service| Asked::at(&service, host));
    let media = media.as_ref().unwrap_or(device);
    let profiles = soap::profiles(&ask(media, &soap::get_profiles())?);
    let mut streams = Vec::new();
    for Profile { token, name, codec, size } in profiles.into_iter().take(MOST_STREAMS) {
        let answer = ask(media, &soap::get_stream_uri(&token))?;
        // An address with a password in it is not shown.
        let Some(address) = soap::uri(&answer).and_then(|uri| uri.parse().ok()) else { continue };
        let (width, height) = size.unzip();
        streams.push(Stream { name, codec, width, height, address });
    }
    Ok(streams)
}

fn ask(service: &Asked, question: &str) -> Result<String, Withheld> {
    match service.post(question) {
        Ok(Answer { status: 200, body }) => Ok(body),
        Ok(Answer { status, body }) if status == 401 || soap::is_not_authorised(&body) => Err(Withheld::WantsPassword),
        Ok(Answer { status, .. }) => Err(Withheld::NoAnswer(format!("status {status}"))),
        Err(error) => Err(Withheld::NoAnswer(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A camera on the loopback interface: answers probes by UDP and questions by HTTP; the address to probe.
    fn camera(wants_password: bool, other_host: bool) -> SocketAddr {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let web = TcpListener::bind("127.0.0.1:0").unwrap();
        let (at, port) = (udp.local_addr().unwrap(), web.local_addr().unwrap().port());
        let host = if other_host { "192.0.2.99" } else { "127.0.0.1" };
        std::thread::spawn(move || {
            let mut packet = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut packet) {
                assert!(String::from_utf8_lossy(&packet[..length]).contains("NetworkVideoTransmitter"));
                udp.send_to(b"noise", from).unwrap();
                let answer = soap::tests::probe_match(&format!("http://{host}:{port}/onvif/device_service"));
                udp.send_to(answer.as_bytes(), from).unwrap();
                udp.send_to(answer.as_bytes(), from).unwrap();
            }
        });
        std::thread::spawn(move || {
            for mut connection in web.incoming().flatten() {
                let mut bytes = Vec::new();
                let mut part = [0; 2048];
                while !String::from_utf8_lossy(&bytes).contains("</e:Envelope>") {
                    match connection.read(&mut part) {
                        Ok(length) if length > 0 => bytes.extend(&part[..length]),
                        _ => break,
                    }
                }
                let question = String::from_utf8_lossy(&bytes).into_owned();
                let answer = match wants_password {
                    true if question.contains("GetProfiles") => "HTTP/1.1 401 Unauthorized\r\n\r\n".to_owned(),
                    _ => format!("HTTP/1.1 200 OK\r\n\r\n{}", soap::tests::answer(&question, port)),
                };
                connection.write_all(answer.as_bytes()).unwrap();
            }
        });
        at
    }

    #[test]
    fn a_camera_is_found_with_its_streams() {
        let found = discover(camera(false, false)).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].name.as_deref(), found[0].model.as_deref()), (Some("Front door"), Some("RLC-520A")));
        let streams: Vec<_> = found[0]
            .streams
            .iter()
            .map(|stream| {
                (stream.name.as_str(), stream.codec.as_deref(), stream.width, stream.height, stream.address.to_string())
            })
            .collect();
        assert_eq!(
            streams,
            [
                ("main", Some("H265"), Some(2560), Some(1920), "rtsp://127.0.0.1:554/main".to_owned()),
                ("sub", Some("H264"), Some(640), Some(480), "rtsp://127.0.0.1:554/sub".to_owned()),
            ]
        );
        assert_eq!(found[0].withheld, None);
    }

    #[test]
    fn a_camera_that_wants_a_password_is_found_without_its_streams() {
        let found = discover(camera(true, false)).unwrap();
        assert_eq!((found[0].streams.len(), &found[0].withheld), (0, &Some(Withheld::WantsPassword)));
    }

    #[test]
    fn nobody_is_asked_on_the_word_of_another() {
        let found = discover(camera(false, true)).unwrap();
        assert_eq!((found[0].streams.len(), &found[0].withheld), (0, &Some(Withheld::Elsewhere)));
    }

    #[test]
    fn silence_is_no_camera() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(discover(silent.local_addr().unwrap()).unwrap(), []);
    }
}
