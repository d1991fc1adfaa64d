//! Cameras on the network: `tests/support/rtsp_server.py`, and Motion-JPEG over HTTP.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use image::RgbImage;
use tempfile::TempDir;

use super::{eventually, write_jpeg};

/// The Python that Debian's bindings of GStreamer belong to.
const PYTHON: &str = "/usr/bin/python3";

/// An RTSP server with a burned-in clock. Killed when it is dropped.
pub struct RtspCamera {
    folder: TempDir,
    child: Child,
    arguments: Vec<String>,
}

impl RtspCamera {
    /// Starts one that shows an empty scene; `options` are those of the script.
    pub fn start(codec: &str, options: &[&str]) -> RtspCamera {
        let folder = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = [codec].iter().chain(options).map(|word| (*word).to_owned()).collect();
        let empty = RgbImage::from_pixel(640, 480, image::Rgb([118, 120, 116]));
        write_jpeg(empty, &folder.path().join("nobody.jpg"));
        let mut camera = RtspCamera { child: spawn(folder.path(), &arguments), folder, arguments };
        camera.shows_file("nobody.jpg", "640x480");
        camera.wait_for_port();
        camera
    }

    fn wait_for_port(&mut self) {
        eventually("an RTSP server", || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the RTSP server ended: run script/setup");
            self.folder.path().join("port").exists().then_some(())
        });
    }

    pub fn port(&self) -> u16 {
        std::fs::read_to_string(self.folder.path().join("port")).unwrap().parse().unwrap()
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/sub", self.port())
    }

    /// Shows a picture from now on.
    pub fn shows(&self, name: &str, picture: RgbImage) {
        let size = format!("{}x{}", picture.width(), picture.height());
        write_jpeg(picture, &self.folder.path().join(name));
        self.shows_file(name, &size);
    }

    /// Shows an earlier picture at this size.
    pub fn shows_file(&self, name: &str, size: &str) {
        let unfinished = self.folder.path().join("scene.unfinished");
        let text = format!("{} {size}", self.folder.path().join(name).display());
        std::fs::write(&unfinished, text).unwrap();
        std::fs::rename(unfinished, self.folder.path().join("scene")).unwrap();
    }

    /// When the scene was shown for the first time, in milliseconds since 1970.
    pub fn shown_at_ms(&self, name: &str) -> u64 {
        let path = self.folder.path().join(name).display().to_string();
        eventually("the scene in the log", || {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let line = log.lines().rfind(|line| line.starts_with(&path))?.to_owned();
            line.rsplit(' ').next()?.parse().ok()
        })
    }

    /// Sets or ends a state: `freeze`, `hang`, `stall`.
    pub fn set(&self, state: &str, on: bool) {
        let path = self.folder.path().join(state);
        match on {
            true => std::fs::write(path, "").unwrap(),
            false => std::fs::remove_file(path).unwrap(),
        }
    }

    /// `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it as a cut cable does.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Starts it again at the same port.
    pub fn start_again(&mut self) {
        let port = format!("port={}", self.port());
        std::fs::remove_file(self.folder.path().join("port")).unwrap();
        let arguments: Vec<String> = self.arguments.iter().cloned().chain([port]).collect();
        self.child = spawn(self.folder.path(), &arguments);
        self.wait_for_port();
    }
}

impl Drop for RtspCamera {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(folder: &Path, arguments: &[String]) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/rtsp_server.py");
    let mut command = Command::new(PYTHON);
    command.arg(script).arg(folder).args(arguments);
    command.spawn().unwrap_or_else(|error| panic!("{PYTHON} cannot start ({error}): run script/setup"))
}

/// A camera that sends Motion-JPEG over HTTP, as an ESP32-CAM does.
pub struct HttpCamera {
    port: u16,
    picture: Arc<Mutex<RgbImage>>,
    /// What the `Authorization` header must be.
    wanted: Arc<Mutex<Option<String>>>,
}

impl HttpCamera {
    /// Starts one that shows an empty scene.
    pub fn start() -> HttpCamera {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let picture = Arc::new(Mutex::new(RgbImage::from_pixel(640, 480, image::Rgb([118, 120, 116]))));
        let camera = HttpCamera {
            port: listener.local_addr().unwrap().port(),
            picture: picture.clone(),
            wanted: Arc::default(),
        };
        let wanted = camera.wanted.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (picture, wanted) = (picture.clone(), wanted.clone());
                // A reader that goes away ends its thread.
                std::thread::spawn(move || drop(answer(connection, &picture, &wanted)));
            }
        });
        camera
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/stream", self.port)
    }

    pub fn shows(&self, picture: RgbImage) {
        *self.picture.lock().unwrap() = picture;
    }

    /// Wants this `Authorization` header from now on.
    pub fn wants(&self, header: &str) {
        *self.wanted.lock().unwrap() = Some(header.to_owned());
    }
}

fn answer(mut connection: TcpStream, picture: &Mutex<RgbImage>, wanted: &Mutex<Option<String>>) -> std::io::Result<()> {
    static SHOWN: AtomicU64 = AtomicU64::new(0);
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    let asked = lines.next().transpose()?.unwrap_or_default();
    let mut authorization = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Authorization: ") {
            authorization = Some(value.to_owned());
        }
    }
    let wanted = wanted.lock().unwrap().clone();
    if wanted.is_some() && wanted != authorization {
        return connection.write_all(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"camera\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    if asked.contains("/page") {
        let page =
            "<html><body>A page, not a stream. It is longer than a few bytes, as pages are.</body></html>\n".repeat(40);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", page.len());
        return connection.write_all(format!("{head}{page}").as_bytes());
    }
    if !asked.contains("/stream") {
        return connection.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    connection.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=123456789000000000000987654321\r\n\r\n",
    )?;
    loop {
        let mut frame = picture.lock().unwrap().clone();
        // A lens never shows the same bits twice.
        let count = SHOWN.fetch_add(1, Ordering::Relaxed);
        for bit in 0..16 {
            let level = if count >> bit & 1 == 1 { 220 } else { 30 };
            for (x, y) in (0..8).flat_map(|y| (0..8).map(move |x| (x, y))) {
                frame.put_pixel(bit * 8 + x, y, image::Rgb([level; 3]));
            }
        }
        let mut jpeg = std::io::Cursor::new(Vec::new());
        image::DynamicImage::from(frame).write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        let jpeg = jpeg.into_inner();
        let head = format!(
            "\r\n--123456789000000000000987654321\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
            jpeg.len()
        );
        connection.write_all(head.as_bytes())?;
        connection.write_all(&jpeg)?;
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A self-signed certificate with its key in one PEM file, and its SHA-256 in hexadecimal digits.
pub fn certificate(folder: &Path) -> (PathBuf, String) {
    let made = rcgen::generate_simple_self_signed(vec!["camera.example".to_owned()]).unwrap();
    let path = folder.join("camera.pem");
    std::fs::write(&path, format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem())).unwrap();
    let digest = <sha2::Sha256 as sha2::Digest>::digest(made.cert.der());
    (path, digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
