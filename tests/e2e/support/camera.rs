//! A made-up V4L2 camera: `tests/support/made_up_camera.c`, loaded before usher, playing what a test writes down.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::compiled::compiled;
use super::raw::raw;
use super::{House, eventually, write_jpeg};

/// A camera on `/dev/video77` of a house. It delivers one frame after the other, a fixed time apart.
pub struct MadeUpCamera {
    folder: PathBuf,
}

impl MadeUpCamera {
    /// Plugs one into `house`: `mode` is `FOURCC WIDTH HEIGHT MILLISECONDS STRIDE`, `settings` are more keys of its `[[camera]]`. `None`,
    /// with a notice, where there is no V4L2.
    pub fn in_house(house: House, mode: &str, settings: &str) -> Option<(MadeUpCamera, House)> {
        let library = library()?;
        let mut house = house.with_camera(&format!("kind = \"v4l2\"\ndevice = \"/dev/video77\"\n{settings}"));
        let camera = MadeUpCamera { folder: house.path("made-up") };
        std::fs::create_dir(&camera.folder).unwrap();
        camera.write("mode", mode);
        camera.plug("Made-up camera", "usb-made-up-1.1");
        house.environment.insert("LD_PRELOAD".into(), library.display().to_string());
        house.environment.insert("MADE_UP_CAMERA".into(), camera.folder.display().to_string());
        Some((camera, house))
    }

    /// Gives its driver these habits, a line each, from the next opening on. See `made_up_camera.c`.
    pub fn has_habits(&self, habits: &[&str]) {
        self.write("habits", &format!("{}\n", habits.join("\n")));
    }

    /// Plugs in a device with this name at this place.
    pub fn plug(&self, card: &str, bus: &str) {
        self.write("device", &format!("{card}\n{bus}\n"));
    }

    /// Unplugs the device.
    pub fn unplug(&self) {
        std::fs::remove_file(self.folder.join("device")).unwrap();
    }

    /// Plays these lines from now on, each `NAME [key=value]…`, the last one for ever. `NAME` is a file of [`MadeUpCamera::file`], or `-`.
    pub fn plays(&self, lines: &[&str]) {
        let line = |line: &&str| match line.split_once(' ').unwrap_or((line, "")) {
            ("-", keys) => format!("- {keys}\n"),
            (name, keys) => format!("{} {keys}\n", self.folder.join(name).display()),
        };
        self.write("frames", &lines.iter().map(line).collect::<String>());
    }

    /// The file with the bytes of a frame of that name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a picture as the bytes of a frame, in the format of the name's ending: `jpg`, or a raw one such as `yuyv`. `obama.nv12+704` has lines of
    /// 704 bytes.
    pub fn develop(&self, name: &str, picture: image::RgbImage) {
        let path = self.file(name);
        let ending = name.rsplit_once('.').unwrap().1;
        match (ending, ending.split_once('+')) {
            ("jpg", _) => drop(write_jpeg(picture, &path)),
            (format, None) => std::fs::write(&path, raw(&picture, format, 0)).unwrap(),
            (_, Some((format, stride))) => {
                std::fs::write(&path, raw(&picture, format, stride.parse().unwrap())).unwrap();
            }
        }
    }

    /// How often `word` is in its log: `open`, `on`, `off`, `line 2`.
    pub fn has_done(&self, word: &str) -> usize {
        self.log().lines().filter(|line| *line == word).count()
    }

    /// Its acts, a line each.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until its log has `word` this many times.
    pub fn does(&self, word: &str, times: usize) {
        eventually(&format!("{times} times `{word}` of the made-up camera"), || {
            (self.has_done(word) >= times).then_some(())
        });
    }

    fn write(&self, name: &str, text: &str) {
        // In one step: the camera may read at any moment.
        let unfinished = self.folder.join(format!("{name}.unfinished"));
        std::fs::write(&unfinished, text).unwrap();
        std::fs::rename(unfinished, self.folder.join(name)).unwrap();
    }
}

/// The library that plays it; `None`, with a notice, where there is no V4L2.
fn library() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        if !cfg!(target_os = "linux") {
            eprintln!("SKIPPED: this test needs Linux for its made-up camera");
            return None;
        }
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("made_up_camera.so");
        Some(compiled("made_up_camera.c", &library, &["-ldl"]))
    };
    BUILT.get_or_init(build).as_deref()
}
