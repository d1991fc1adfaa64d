//! One question to a camera's web server, and its answer: HTTP/1.0, so that the answer ends with the connection.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use url::{Host, Url};

/// How long each step may take.
const STEP: Duration = Duration::from_secs(2);
/// Longer answers are cut: a camera with twenty profiles answers in some tens of kilobytes.
const LONGEST: u64 = 256 << 10;

/// A web service of a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    at: SocketAddr,
    path: String,
}

/// What it has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Asked {
    /// The service at this address, if it is one over plain HTTP on this host.
    pub(super) fn at(service: &str, host: IpAddr) -> Option<Asked> {
        let url = Url::parse(service).ok().filter(|url| url.scheme() == "http")?;
        let named: IpAddr = match url.host()? {
            Host::Ipv4(address) => address.into(),
            Host::Ipv6(address) => address.into(),
            Host::Domain(_) => return None,
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        (named == host).then(|| Asked { at: SocketAddr::new(host, url.port().unwrap_or(80)), path })
    }

    /// Posts a message of SOAP.
    pub(super) fn post(&self, message: &str) -> io::Result<Answer> {
        let mut connection = TcpStream::connect_timeout(&self.at, STEP)?;
        connection.set_read_timeout(Some(STEP))?;
        connection.set_write_timeout(Some(STEP))?;
        let Asked { at, path } = self;
        let length = message.len();
        let question = format!(
            "POST {path} HTTP/1.0\r\nHost: {at}\r\nContent-Type: application/soap+xml; charset=utf-8\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{message}"
        );
        connection.write_all(question.as_bytes())?;
        let mut bytes = Vec::new();
        match connection.take(LONGEST).read_to_end(&mut bytes) {
            // Some servers keep the connection open all the same: what has come is the answer.
            Err(error) if bytes.is_empty() => return Err(error),
            _ => {}
        }
        read(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its answer is not HTTP"))
    }
}

/// Status and body of an answer.
fn read(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/"))?;
    let status = words.next()?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_services_of_the_same_host_are_asked() {
        let host: IpAddr = "192.0.2.20".parse().unwrap();
        let asked = Asked::at("http://192.0.2.20:8000/onvif/device_service?a=1", host).unwrap();
        assert_eq!((asked.at.port(), asked.path.as_str()), (8000, "/onvif/device_service?a=1"));
        assert_eq!(Asked::at("http://192.0.2.20/x", host).unwrap().at.port(), 80);
        for other in ["http://192.0.2.21/x", "https://192.0.2.20/x", "http://camera/x", "ftp://192.0.2.20/", "", "x"] {
            assert_eq!(Asked::at(other, host), None, "{other}");
        }
    }

    #[test]
    fn answers_have_a_status_and_a_body() {
        let answer = read(b"HTTP/1.1 401 Unauthorized\r\nA: b\r\n\r\n<a/>").unwrap();
        assert_eq!(answer, Answer { status: 401, body: "<a/>".to_owned() });
        for noise in ["", "HTTP/1.1 200 OK\r\n", "RTSP/1.0 200 OK\r\n\r\n", "HTTP/1.1 x\r\n\r\n"] {
            assert_eq!(read(noise.as_bytes()), None, "{noise}");
        }
    }
}
