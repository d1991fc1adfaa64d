//! The pictures of one camera for people who watch. A camera's own JPEG is handed on as it is; where it has none, a frame is encoded once for
//! everybody, outside the camera's thread. While nobody watches, nothing is taken, and no picture is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::api::live::LivePicture;
use crate::camera::{CameraError, FrameSource};
use crate::domain::{Image, Moment};
use crate::photo;

/// The least time between two pictures.
const PACE: Duration = Duration::from_millis(200);
/// Bytes of pictures a second, over all. A camera with large pictures shows fewer.
const BYTES_PER_S: u64 = 1 << 20;
/// An own JPEG of more bytes is encoded anew, smaller.
const LARGEST_BYTES: usize = 1 << 20;
/// Limits of an encoded picture: its longer side, and its bytes.
const MOST_PX: u32 = 1280;
const MOST_BYTES: usize = 256 << 10;

/// The newest picture of a camera, for those who watch.
#[derive(Clone)]
pub struct Pictures(Arc<watch::Sender<Option<LivePicture>>>);

impl Default for Pictures {
    fn default() -> Pictures {
        Pictures(Arc::new(watch::Sender::new(None)))
    }
}

impl Pictures {
    /// Watches, until the receiver is dropped.
    pub fn watch(&self) -> watch::Receiver<Option<LivePicture>> {
        self.0.subscribe()
    }

    fn is_watched(&self) -> bool {
        self.0.receiver_count() > 0
    }

    fn show(&self, jpeg: Vec<u8>, captured_at: Moment) {
        // Whoever stopped watching in the meantime leaves nothing behind.
        self.0.send_replace(self.is_watched().then(|| LivePicture { jpeg: Bytes::from(jpeg), captured_at }));
    }

    fn forget(&self) {
        self.0.send_if_modified(|picture| picture.take().is_some());
    }
}

/// The camera's side: takes pictures from its frames.
pub struct PictureTaker {
    pictures: Pictures,
    /// `None` only where nothing can be encoded, in tests.
    tokio: Option<Handle>,
    encoding: Arc<AtomicBool>,
    /// The last picture, and when the next one is due.
    taken_at: Option<Moment>,
    pause: Duration,
}

/// How the picture of a frame comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// None is wanted, or it was taken.
    Done,
    /// The frame has to be decoded, for [`PictureTaker::encode`].
    Decode,
}

impl PictureTaker {
    /// Takes pictures for `pictures`.
    pub fn new(pictures: Pictures, tokio: Option<Handle>) -> PictureTaker {
        PictureTaker { pictures, tokio, encoding: Arc::default(), taken_at: None, pause: PACE }
    }

    /// Takes the picture of the frame that `source` holds, if one is due.
    ///
    /// # Errors
    /// A bad frame.
    pub fn take(&mut self, source: &dyn FrameSource, captured_at: Moment) -> Result<Take, CameraError> {
        if !self.pictures.is_watched() {
            self.pictures.forget();
            return Ok(Take::Done);
        }
        // Also due if time has gone backwards.
        let waits = |at: Moment| captured_at >= at && captured_at.since(at) < self.pause;
        if self.taken_at.is_some_and(waits) || self.encoding.load(Ordering::Acquire) {
            return Ok(Take::Done);
        }
        let Some(jpeg) = source.own_jpeg()?.filter(|jpeg| jpeg.len() <= LARGEST_BYTES) else {
            return Ok(Take::Decode);
        };
        self.taken_at = Some(captured_at);
        self.pause = PACE.max(Duration::from_millis(jpeg.len() as u64 * 1000 / BYTES_PER_S));
        self.pictures.show(jpeg, captured_at);
        Ok(Take::Done)
    }

    /// Encodes `image`, elsewhere. While that lasts, no other picture is taken.
    pub fn encode(&mut self, image: &Image, captured_at: Moment) {
        let Some(tokio) = &self.tokio else { return };
        let Some(image) = Image::new(image.width(), image.height(), image.rgb().to_vec()) else { return };
        (self.taken_at, self.pause) = (Some(captured_at), PACE);
        self.encoding.store(true, Ordering::Release);
        let (pictures, encoding) = (self.pictures.clone(), self.encoding.clone());
        tokio.spawn_blocking(move || {
            // Also if the encoder panics.
            let _done = Done(encoding);
            match photo::to_jpeg(&image, MOST_PX, MOST_BYTES) {
                Some(jpeg) => pictures.show(jpeg.bytes, captured_at),
                None => tracing::debug!(?image, "no small enough picture can be made of a frame"),
            }
        });
    }

    /// The camera gives no frames any more: its last picture is not its newest.
    pub fn lost(&self) {
        self.pictures.forget();
    }
}

/// Says that the encoder is free when it is dropped.
struct Done(Arc<AtomicBool>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::camera::Arrival;
    use crate::domain::Glimpse;
    use crate::lab::drawing;

    /// Holds one frame for good; counts how often its own JPEG is read.
    struct Holding(Option<Vec<u8>>, Cell<u32>);

    impl FrameSource for Holding {
        fn wait(&mut self) -> Result<Arrival, CameraError> {
            Ok(Arrival { seq: 0, captured_at: Moment::default() })
        }

        fn glimpse(&mut self, _: &mut Glimpse) -> Result<bool, CameraError> {
            Ok(false)
        }

        fn own_jpeg(&self) -> Result<Option<Vec<u8>>, CameraError> {
            self.1.set(self.1.get() + 1);
            Ok(self.0.clone())
        }

        fn picture(&mut self) -> Result<Image, CameraError> {
            Err(CameraError::NoneHeld { origin: String::new() })
        }

        fn describe(&self) -> String {
            String::new()
        }
    }

    // Cell is not Sync, and a source need not be.
    fn camera(jpeg: Option<&[u8]>) -> Holding {
        Holding(jpeg.map(<[u8]>::to_vec), Cell::new(0))
    }

    fn ms(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    #[test]
    fn nothing_is_taken_or_kept_while_nobody_watches() {
        let pictures = Pictures::default();
        let mut taker = PictureTaker::new(pictures.clone(), None);
        let source = camera(Some(b"jpeg"));
        assert_eq!(taker.take(&source, ms(0)).unwrap(), Take::Done);
        assert_eq!(source.1.get(), 0);
        let watching = pictures.watch();
        taker.take(&source, ms(100)).unwrap();
        assert_eq!(&watching.borrow().as_ref().unwrap().jpeg[..], b"jpeg");
        drop(watching);
        taker.take(&source, ms(110)).unwrap();
        assert!(pictures.watch().borrow().is_none());
    }

    #[test]
    fn an_own_jpeg_is_handed_on_as_it_is_five_times_a_second_for_all() {
        let pictures = Pictures::default();
        let mut taker = PictureTaker::new(pictures.clone(), None);
        let source = camera(Some(b"jpeg"));
        let viewers: Vec<_> = (0..5).map(|_| pictures.watch()).collect();
        for frame in 0..30 {
            assert_eq!(taker.take(&source, ms(frame * 33)).unwrap(), Take::Done);
        }
        assert!((4..=5).contains(&source.1.get()), "{}", source.1.get());
        assert!(viewers.iter().all(|viewer| viewer.borrow().as_ref().is_some_and(|shown| shown.jpeg == b"jpeg"[..])));
    }

    #[test]
    fn large_pictures_come_less_often_and_those_beyond_the_limit_are_encoded() {
        let pictures = Pictures::default();
        let mut taker = PictureTaker::new(pictures.clone(), None);
        let _watching = pictures.watch();
        let source = camera(Some(&vec![0; LARGEST_BYTES]));
        for frame in 0..30 {
            taker.take(&source, ms(frame * 33)).unwrap();
        }
        assert_eq!(source.1.get(), 1);
        assert_eq!(taker.take(&camera(Some(&vec![0; LARGEST_BYTES + 1])), ms(2000)).unwrap(), Take::Decode);
    }

    #[test]
    fn a_frame_without_a_jpeg_is_encoded_once_for_all() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let pictures = Pictures::default();
        let mut taker = PictureTaker::new(pictures.clone(), Some(runtime.handle().clone()));
        let (mut one, other) = (pictures.watch(), pictures.watch());
        assert_eq!(taker.take(&camera(None), ms(0)).unwrap(), Take::Decode);
        taker.encode(&drawing::face().unwrap(), ms(0));
        assert_eq!(taker.take(&camera(None), ms(10)).unwrap(), Take::Done, "one is being encoded, or was just now");
        runtime.block_on(one.changed()).unwrap();
        let shown = one.borrow().clone().unwrap();
        assert_eq!(shown.captured_at, ms(0));
        assert!(photo::decode(&shown.jpeg).is_ok() && shown.jpeg.len() <= MOST_BYTES);
        assert_eq!(other.borrow().as_ref().unwrap().jpeg, shown.jpeg);
        taker.lost();
        assert!(other.borrow().is_none());
    }
}
