//! The way to a camera on the network: its name is resolved, its port answers, and where the stream is encrypted, a tunnel ends the TLS. What is
//! wrong before the first byte of the stream is found here, where the reason is known.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::Credentials;
use super::fault::Fault;
use super::tunnel::Tunnel;
use crate::domain::StreamAddress;

/// How long each address of a camera may take to answer.
const CONNECT: Duration = Duration::from_secs(2);
/// Of the addresses of a name, so many are tried.
const MOST_ADDRESSES: usize = 2;

/// An open way to a camera.
pub(super) struct Route {
    /// The address for GStreamer, with credentials in their places where the camera takes them there.
    pub(super) location: String,
    /// The camera's own `Host` header, where a tunnel hides it.
    pub(super) host_header: Option<String>,
    /// Lives as long as the stream.
    _tunnel: Option<Tunnel>,
}

impl Route {
    /// Checks the way, and digs a tunnel where the stream is encrypted.
    pub(super) fn open(
        address: &StreamAddress,
        credentials: Option<&Credentials>,
        certificate: Option<&str>,
    ) -> Result<Route, Fault> {
        let peer = reach(address)?;
        let (user, password) = credentials.map_or(("", ""), |known| (&known.user, &known.password));
        if !address.scheme().is_encrypted() {
            return Ok(Route { location: address.to_ask(user, password, None), host_header: None, _tunnel: None });
        }
        let tunnel = Tunnel::open(peer, address.host(), certificate)?;
        let location = address.to_ask(user, password, Some(("127.0.0.1", tunnel.port())));
        Ok(Route { location, host_header: Some(address.authority()), _tunnel: Some(tunnel) })
    }
}

/// The first address of the camera that answers.
fn reach(address: &StreamAddress) -> Result<SocketAddr, Fault> {
    let resolved = (address.host(), address.port()).to_socket_addrs();
    let unknown = || Fault::UnknownHost { host: address.host().to_owned() };
    let mut fault = unknown();
    for peer in resolved.map_err(|_| unknown())?.take(MOST_ADDRESSES) {
        match TcpStream::connect_timeout(&peer, CONNECT) {
            Ok(_) => return Ok(peer),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                fault = Fault::ConnectionRefused { authority: address.authority() };
            }
            Err(error) => {
                let reason = match error.kind() {
                    ErrorKind::TimedOut | ErrorKind::WouldBlock => "it does not answer".to_owned(),
                    _ => error.to_string(),
                };
                fault = Fault::Unreachable { authority: address.authority(), reason };
            }
        }
    }
    Err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn way(text: &str) -> Result<String, Fault> {
        Route::open(&text.parse().unwrap(), None, None).map(|route| route.location)
    }

    #[test]
    fn each_way_that_is_closed_has_its_reason() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(way(&format!("rtsp://127.0.0.1:{port}/sub")).unwrap(), format!("rtsp://127.0.0.1:{port}/sub"));
        drop(listener);
        let refused = way(&format!("rtsp://127.0.0.1:{port}/sub")).unwrap_err();
        assert_eq!(refused, Fault::ConnectionRefused { authority: format!("127.0.0.1:{port}") });
        let unknown = way("rtsp://no-such-camera.invalid/sub").unwrap_err();
        assert_eq!(unknown, Fault::UnknownHost { host: "no-such-camera.invalid".to_owned() });
    }
}
