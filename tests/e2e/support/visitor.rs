//! A visitor of the page: HTTP with cookies and forms, without a browser.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Daemon, House, eventually, free_port};

pub const PASSWORD: &str = "a quiet threshold";

/// Somebody at the page of a daemon.
pub struct Visitor {
    port: u16,
    cookies: BTreeMap<String, String>,
}

/// An answer of the page.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Page {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The token that the forms of the page carry.
    pub fn token(&self) -> String {
        let after =
            self.body.split("name=\"csrf\" value=\"").nth(1).unwrap_or_else(|| panic!("no form: {}", self.body));
        after.split('"').next().unwrap().to_owned()
    }
}

/// An answer without end.
pub struct Following {
    path: String,
    stream: TcpStream,
}

impl Following {
    /// Fails if the answer ends within this time.
    pub fn stays_open(&mut self, span: Duration) {
        if let Some(after) = self.end_within(span) {
            panic!("{} ended after {after:?}", self.path);
        }
    }

    /// Fails unless the answer ends within this time.
    pub fn ends_within(mut self, span: Duration) {
        assert!(self.end_within(span).is_some(), "{} goes on after {span:?}", self.path);
    }

    /// After how long the answer ends.
    fn end_within(&mut self, span: Duration) -> Option<Duration> {
        let began = Instant::now();
        let mut piece = [0; 4096];
        loop {
            let left = span.saturating_sub(began.elapsed());
            if left.is_zero() {
                return None;
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            match self.stream.read(&mut piece) {
                Ok(0) => return Some(began.elapsed()),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return None,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Some(began.elapsed()),
                Err(error) => panic!("{}: {error}", self.path),
            }
        }
    }
}

/// The tables that switch the page on, at a free port.
pub fn page_on() -> (u16, String) {
    let port = free_port();
    (port, format!("[web]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\n"))
}

/// A daemon with the page, and an admin called anna who is logged in. `tables` are additional ones.
pub fn with_page(house: House, tables: &str) -> (House, Daemon, Visitor) {
    let (port, web) = page_on();
    let house = house.with(&format!("{web}{tables}"));
    add_account(&house, "anna", "admin");
    let daemon = Daemon::start(&house);
    let mut anna = Visitor::at(port);
    eventually("the page", || TcpStream::connect(("127.0.0.1", port)).ok());
    anna.log_in("anna");
    (house, daemon, anna)
}

/// Adds an account with [`PASSWORD`].
pub fn add_account(house: &House, name: &str, role: &str) {
    use std::process::Stdio;
    let mut command = house.command(&["web", "user", "add", name, "--role", role]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

impl Visitor {
    /// Somebody who is not logged in.
    pub fn at(port: u16) -> Visitor {
        Visitor { port, cookies: BTreeMap::new() }
    }

    /// The port of the page.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Logs in with [`PASSWORD`].
    pub fn log_in(&mut self, name: &str) {
        let page = self.send("/login", &[("name", name), ("password", PASSWORD), ("next", "/")]);
        assert_eq!(page.status, 303, "{page:?}");
    }

    /// What a browser would send back as cookies.
    pub fn cookies(&self) -> &BTreeMap<String, String> {
        &self.cookies
    }

    /// With these cookies.
    pub fn with_cookies(mut self, cookies: &BTreeMap<String, String>) -> Visitor {
        self.cookies = cookies.clone();
        self
    }

    /// Reads a page.
    pub fn get(&mut self, path: &str) -> Page {
        self.request("GET", path, &[], b"")
    }

    /// Reads a page that must be there.
    pub fn page(&mut self, path: &str) -> String {
        let page = self.get(path);
        assert_eq!(page.status, 200, "{path}: {page:?}");
        page.body
    }

    /// Sends a form as it is.
    pub fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        let body = body.collect::<Vec<_>>().join("&");
        self.request("POST", path, &[("Content-Type", "application/x-www-form-urlencoded")], body.as_bytes())
    }

    /// Sends a form of the page `from`, with that page's token.
    pub fn submit(&mut self, from: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.get(from).token();
        let fields: Vec<_> = std::iter::once(("csrf", token.as_str())).chain(fields.iter().copied()).collect();
        self.send(path, &fields)
    }

    /// Sends a form with files (name of the field, name of the file, bytes) of the page `from`.
    pub fn upload(&mut self, from: &str, path: &str, fields: &[(&str, &str)], files: &[(&str, &str, &[u8])]) -> Page {
        let token = self.get(from).token();
        let mut body = Vec::new();
        for (name, value) in std::iter::once(&("csrf", token.as_str())).chain(fields) {
            let head = format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(head.as_bytes());
        }
        for (name, file, bytes) in files {
            let head = format!(
                "--limit\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\nContent-Type: \
                 application/octet-stream\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--limit--\r\n");
        self.request("POST", path, &[("Content-Type", "multipart/form-data; boundary=limit")], &body)
    }

    /// Opens an answer without end, which must begin.
    pub fn follow(&mut self, path: &str, headers: &[(&str, &str)]) -> Following {
        let mut stream = self.ask("GET", path, headers, b"");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        Following { path: path.to_owned(), stream }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if headers.iter().all(|(name, _)| *name != "Host") {
            head += &format!("Host: 127.0.0.1:{}\r\n", self.port);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            head += &format!("Cookie: {}\r\n", pairs.join("; "));
        }
        head += "\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream
    }

    /// Makes a request. A `Host` among the headers replaces the usual one.
    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Page {
        let mut stream = self.ask(method, path, headers, body);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let page = read(&answer);
        for (_, cookie) in page.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            match value {
                "" => drop(self.cookies.remove(name)),
                value => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        page
    }
}

fn read(answer: &[u8]) -> Page {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned()));
    let headers: Vec<(String, String)> = headers.collect();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = &answer[end + 4..];
    let body = if chunked { joined(body) } else { body.to_vec() };
    Page { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
}

/// The chunks of a body, one behind the other.
fn joined(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap().trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
    whole
}

fn encode(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
