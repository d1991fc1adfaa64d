//! Replays photographs and Motion-JPEG files as if they came from a camera: for tests, demonstrations and boards without a camera. Only one
//! picture is in memory at a time.

mod mjpeg;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::mjpeg::{MjpegFile, Part};
use super::{Arrival, CameraError, FrameSource};
use crate::clock::Clock;
use crate::domain::{Glimpse, Image, Moment};
use crate::photo::{self, JpegDecoder, PhotoError};

const PHOTOGRAPHS: [&str; 5] = ["jpg", "jpeg", "png", "bmp", "webp"];
const MOTION_JPEG: [&str; 2] = ["mjpeg", "mjpg"];

/// The settings of a replay.
#[derive(Clone, Copy, Debug)]
pub struct ReplaySettings {
    /// The time between frames. Zero plays as fast as frames are requested. `next` blocks for no longer than this.
    pub interval: Duration,
    /// Whether to start again at the end.
    pub looping: bool,
}

/// A replay, opened by [`Replay::open`].
pub struct Replay {
    path: PathBuf,
    settings: ReplaySettings,
    clock: Arc<dyn Clock>,
    media: Media,
    seq: u64,
    due: Option<Moment>,
    /// Whether a picture has come since the last rewind. A replay without any picture is not rewound.
    had_picture: bool,
}

enum Media {
    /// A photograph is decoded when it arrives.
    Photos {
        files: Vec<PathBuf>,
        at: usize,
        held: Option<Image>,
    },
    Mjpeg {
        file: MjpegFile,
        at: u64,
        held: bool,
        decoder: Box<JpegDecoder>,
        spare: Vec<u8>,
    },
}

impl Replay {
    /// Opens a directory (its photographs in the order of their names, without subdirectories), one photograph, or a Motion-JPEG file (`.mjpeg`
    /// or `.mjpg`: consecutive JPEG images; other bytes between them are skipped).
    ///
    /// # Errors
    /// [`CameraError::Io`] if there is nothing to play at `path`.
    pub fn open(path: &Path, settings: ReplaySettings, clock: Arc<dyn Clock>) -> Result<Replay, CameraError> {
        let kind = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        let media = if kind.is_dir() {
            let files = photographs_in(path).map_err(|error| unreadable(path, &error))?;
            if files.is_empty() {
                return Err(nothing_in(path));
            }
            Media::Photos { files, at: 0, held: None }
        } else if has_extension(path, &MOTION_JPEG) {
            let file = MjpegFile::open(path).map_err(|error| unreadable(path, &error))?;
            Media::Mjpeg { file, at: 0, held: false, decoder: Box::new(JpegDecoder::new()), spare: Vec::new() }
        } else {
            Media::Photos { files: vec![path.to_owned()], at: 0, held: None }
        };
        Ok(Replay { path: path.to_owned(), settings, clock, media, seq: 0, due: None, had_picture: false })
    }

    /// Sleeps until the next frame is due, but for no more than one interval, even if the clock stands still.
    fn keep_pace(&mut self) {
        let interval = self.settings.interval;
        let now = self.clock.now();
        let due = self.due.unwrap_or(now);
        std::thread::sleep(due.since(now).min(interval));
        // A replay that fell behind continues from here instead of catching up in a burst.
        self.due = Some(due.max(now) + interval);
    }
}

impl FrameSource for Replay {
    fn wait(&mut self) -> Result<Arrival, CameraError> {
        self.keep_pace();
        loop {
            if let Some(arrived) = self.media.advance(&self.path).map_err(|error| unreadable(&self.path, &error))? {
                let seq = self.seq;
                self.seq += 1;
                arrived?;
                self.had_picture = true;
                return Ok(Arrival { seq, captured_at: self.clock.now() });
            }
            if !self.had_picture {
                return Err(nothing_in(&self.path));
            }
            if !self.settings.looping {
                return Err(CameraError::Ended { replay: self.path.display().to_string() });
            }
            self.had_picture = false;
            self.media.rewind().map_err(|error| unreadable(&self.path, &error))?;
        }
    }

    fn glimpse(&mut self, glimpse: &mut Glimpse) -> Result<bool, CameraError> {
        let path = &self.path;
        match &mut self.media {
            Media::Photos { held: Some(image), .. } => {
                photo::glimpse_of(image, glimpse);
                Ok(true)
            }
            Media::Mjpeg { file, at, held: true, decoder, .. } => {
                decoder.glimpse(file.last_image(), glimpse).map_err(|cause| bad_frame(part(path, *at), cause))
            }
            _ => Err(CameraError::NoneHeld { origin: path.display().to_string() }),
        }
    }

    fn own_jpeg(&self) -> Result<Option<Vec<u8>>, CameraError> {
        match &self.media {
            Media::Mjpeg { file, at, held: true, .. } => {
                let own =
                    photo::own_jpeg(file.last_image()).map_err(|cause| bad_frame(part(&self.path, *at), cause))?;
                Ok(Some(own))
            }
            Media::Mjpeg { .. } => Err(CameraError::NoneHeld { origin: self.path.display().to_string() }),
            Media::Photos { .. } => Ok(None),
        }
    }

    fn picture(&mut self) -> Result<Image, CameraError> {
        let path = &self.path;
        let none_held = || CameraError::NoneHeld { origin: path.display().to_string() };
        match &mut self.media {
            Media::Photos { held, .. } => held.take().ok_or_else(none_held),
            Media::Mjpeg { file, at, held, decoder, spare } => {
                if !std::mem::take(held) {
                    return Err(none_held());
                }
                let decoded = decoder.decode_into(file.last_image(), std::mem::take(spare));
                decoded.map_err(|cause| bad_frame(part(path, *at), cause))
            }
        }
    }

    fn recycle(&mut self, image: Image) {
        if let Media::Mjpeg { spare, .. } = &mut self.media {
            *spare = image.into_rgb();
        }
    }

    fn describe(&self) -> String {
        let what = match &self.media {
            Media::Photos { files, .. } => format!("{} photographs", files.len()),
            Media::Mjpeg { .. } => "Motion-JPEG".into(),
        };
        let pace = match self.settings.interval {
            Duration::ZERO => "as fast as requested".into(),
            interval => format!("one every {} ms", interval.as_millis()),
        };
        let end = if self.settings.looping { "repeated" } else { "once" };
        format!("replay of {}: {what}, {pace}, {end}", self.path.display())
    }
}

/// The frame that is held now, or why there is none.
type Arrived = Result<(), CameraError>;

impl Media {
    /// Holds the next frame, or returns `None` at the end. `path` is for messages.
    fn advance(&mut self, path: &Path) -> std::io::Result<Option<Arrived>> {
        match self {
            Media::Photos { files, at, held } => {
                *held = None;
                let Some(file) = files.get(*at) else { return Ok(None) };
                *at += 1;
                let loaded = photo::load(file).map_err(|error| match error {
                    // The origin already names the file.
                    PhotoError::File { path, cause } => bad_frame(path.display().to_string(), *cause),
                    other => bad_frame(file.display().to_string(), other),
                });
                Ok(Some(loaded.map(|image| *held = Some(image))))
            }
            Media::Mjpeg { file, at, held, .. } => {
                *held = false;
                let Some(found) = file.next_part()? else { return Ok(None) };
                *at += 1;
                Ok(Some(match found {
                    Part::Image(_) => {
                        *held = true;
                        Ok(())
                    }
                    Part::Truncated => {
                        Err(bad_frame(part(path, *at), PhotoError::Damaged("a JPEG without an end marker".into())))
                    }
                }))
            }
        }
    }

    fn rewind(&mut self) -> std::io::Result<()> {
        match self {
            Media::Photos { at, .. } => *at = 0,
            Media::Mjpeg { file, at, .. } => {
                file.rewind()?;
                *at = 0;
            }
        }
        Ok(())
    }
}

/// An image of a Motion-JPEG file, in words.
fn part(path: &Path, at: u64) -> String {
    format!("{}, image {at}", path.display())
}

fn bad_frame(origin: String, cause: PhotoError) -> CameraError {
    CameraError::BadFrame { origin, cause }
}

fn photographs_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if has_extension(&path, &PHOTOGRAPHS) && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn has_extension(path: &Path, any_of: &[&str]) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| any_of.iter().any(|known| known.eq_ignore_ascii_case(e)))
}

fn unreadable(path: &Path, error: &std::io::Error) -> CameraError {
    CameraError::Io {
        origin: path.display().to_string(),
        reason: format!("cannot read it: {error}"),
        advice: "check the path and its permissions".into(),
    }
}

fn nothing_in(path: &Path) -> CameraError {
    CameraError::Io {
        origin: path.display().to_string(),
        reason: "it contains no usable picture".into(),
        advice: "name a directory with JPEG, PNG, BMP or WebP pictures, one such picture, or a .mjpeg file".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimulatedClock;
    use std::time::SystemTime;

    fn settings(looping: bool) -> ReplaySettings {
        ReplaySettings { interval: Duration::ZERO, looping }
    }

    fn open(path: &Path, looping: bool) -> Result<Replay, CameraError> {
        Replay::open(path, settings(looping), Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH)))
    }

    /// A grey JPEG, `side` pixels square.
    fn jpeg(side: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let picture = image::GrayImage::from_pixel(side, side, image::Luma([90]));
        picture.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Jpeg).unwrap();
        bytes
    }

    /// `Ok(side)` of the next frame, or the error message.
    fn next(replay: &mut Replay) -> Result<u32, String> {
        replay.next().map(|frame| frame.image.width()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_directory_plays_its_photographs_by_name_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in
            [("b.JPG", jpeg(20)), ("a.jpeg", jpeg(10)), ("c.png", b"no picture".to_vec()), ("d.jpg", jpeg(30))]
        {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        std::fs::write(folder.path().join("notes.txt"), "not looked at").unwrap();
        std::fs::create_dir(folder.path().join("e.jpg")).unwrap();
        let mut replay = open(folder.path(), false).unwrap();
        assert_eq!((next(&mut replay), next(&mut replay)), (Ok(10), Ok(20)));
        let error = replay.next().unwrap_err();
        assert!(matches!(&error, CameraError::BadFrame { origin, .. } if origin.ends_with("c.png")), "{error}");
        let frame = replay.next().unwrap();
        assert_eq!((frame.seq, frame.image.width()), (3, 30));
        for _ in 0..2 {
            assert!(matches!(replay.next(), Err(CameraError::Ended { .. })));
        }
    }

    #[test]
    fn a_repeated_photograph_keeps_counting_and_is_dated_by_the_clock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.jpg");
        std::fs::write(&path, jpeg(10)).unwrap();
        let clock = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH));
        let mut replay = Replay::open(&path, settings(true), clock.clone()).unwrap();
        for second in 0..5 {
            let frame = replay.next().unwrap();
            assert_eq!((frame.seq, frame.captured_at), (second, Moment(Duration::from_secs(second))));
            replay.recycle(frame.image);
            clock.advance(Duration::from_secs(1));
        }
    }

    #[test]
    fn a_frame_gives_a_glimpse_before_it_is_decoded_and_only_once_its_picture() {
        let folder = tempfile::tempdir().unwrap();
        let (photo, film) = (folder.path().join("one.jpg"), folder.path().join("film.mjpeg"));
        std::fs::write(&photo, jpeg(40)).unwrap();
        std::fs::write(&film, [jpeg(40), jpeg(24)].concat()).unwrap();
        for path in [photo, film] {
            let mut replay = open(&path, true).unwrap();
            let mut glimpse = Glimpse::default();
            assert!(matches!(replay.glimpse(&mut glimpse), Err(CameraError::NoneHeld { .. })));
            assert_eq!(replay.wait().unwrap().seq, 0);
            assert!(replay.glimpse(&mut glimpse).unwrap());
            assert!(glimpse.cells().len() == 25 && glimpse.cells().iter().all(|cell| cell.abs_diff(720) <= 16));
            assert_eq!(replay.picture().unwrap().width(), 40);
            assert!(replay.picture().unwrap_err().is_bad_frame());
            // A frame that nobody wants to see is skipped.
            replay.wait().unwrap();
            assert_eq!(replay.wait().unwrap().seq, 2);
            assert_eq!(replay.picture().unwrap().width(), 40);
        }
    }

    #[test]
    fn a_replay_without_pictures_fails_instead_of_spinning() {
        let folder = tempfile::tempdir().unwrap();
        let missing = open(&folder.path().join("missing"), false).err().unwrap().to_string();
        assert!(missing.contains("missing") && missing.contains("check the path"), "{missing}");
        assert!(matches!(open(folder.path(), true), Err(CameraError::Io { .. })));
        let empty = folder.path().join("empty.mjpeg");
        std::fs::write(&empty, "nothing here").unwrap();
        assert!(matches!(open(&empty, true).unwrap().next(), Err(CameraError::Io { .. })));
        let bad = folder.path().join("bad.jpg");
        std::fs::write(&bad, "nothing here").unwrap();
        let mut replay = open(&bad, true).unwrap();
        assert!(matches!(replay.next(), Err(CameraError::BadFrame { .. })));
        assert!(matches!(replay.next(), Err(CameraError::Io { .. })));
    }

    #[test]
    fn a_motion_jpeg_file_skips_broken_parts_and_starts_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film.mjpeg");
        let cut = jpeg(40);
        let film = [jpeg(10), b"--boundary\r\n".to_vec(), jpeg(20), cut[..cut.len() - 9].to_vec(), jpeg(30)].concat();
        std::fs::write(&path, film).unwrap();
        let mut replay = open(&path, true).unwrap();
        for _ in 0..2 {
            assert_eq!((next(&mut replay), next(&mut replay)), (Ok(10), Ok(20)));
            let error = next(&mut replay).unwrap_err();
            assert!(error.contains("film.mjpeg, image 3"), "{error}");
            let last = replay.next().unwrap();
            assert_eq!(last.image.width(), 30);
            replay.recycle(last.image);
        }
        assert!(replay.describe().contains("film.mjpeg"));
    }
}
