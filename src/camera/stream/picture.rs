//! Pictures of GStreamer: their brightness as it lies in the decoder's memory, and their colours when they are asked for.

use gstreamer as gst;
use gstreamer_video as video;
use gstreamer_video::prelude::*;

use super::novelty::{Digest, middle_of};
use crate::domain::{Glimpse, Image};
use crate::photo::{Luma, PhotoError, glimpse_of_luma};

/// The newest sample of a sink.
pub(super) struct Picture {
    sample: gst::Sample,
    info: video::VideoInfo,
}

impl Picture {
    /// `None` for a sample that is no picture.
    pub(super) fn of(sample: gst::Sample) -> Option<Picture> {
        let info = video::VideoInfo::from_caps(sample.caps()?).ok()?;
        (info.width() > 0 && info.height() > 0 && sample.buffer().is_some()).then_some(Picture { sample, info })
    }

    pub(super) fn sample(&self) -> &gst::Sample {
        &self.sample
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.info.width(), self.info.height())
    }

    /// Frames a second, if the stream says so.
    pub(super) fn fps(&self) -> Option<f64> {
        let fps = self.info.fps();
        (fps.numer() > 0 && fps.denom() > 0).then(|| f64::from(fps.numer()) / f64::from(fps.denom()))
    }

    /// Calls `look` with the first plane and where the brightness is in it; `None` where brightness has no place of its own.
    fn with_plane<T>(&self, look: impl FnOnce(&[u8], Option<Luma>) -> T) -> Result<T, PhotoError> {
        let buffer = self.sample.buffer().ok_or_else(unmapped)?;
        let frame = video::VideoFrameRef::from_buffer_ref_readable(buffer, &self.info).map_err(|_| unmapped())?;
        let bytes = frame.plane_data(0).map_err(|_| unmapped())?;
        let info = &self.info;
        let plain = (info.is_yuv() || info.is_gray()) && info.comp_depth(0) == 8 && info.comp_plane(0) == 0;
        let unsigned = |value: i32| usize::try_from(value).unwrap_or(0);
        let luma = plain.then(|| Luma {
            width: info.width(),
            height: info.height(),
            offset: usize::try_from(info.comp_poffset(0)).unwrap_or(0),
            pixel_stride: unsigned(info.comp_pstride(0)),
            // The frame's own: decoders pad their rows as they like.
            row_stride: unsigned(frame.plane_stride().first().copied().unwrap_or(0)),
        });
        Ok(look(bytes, luma))
    }

    /// Identifies the picture by its first plane: without what pads its rows, and without the rows at the top and at the bottom, where cameras write
    /// the time of day whatever their sensor does.
    pub(super) fn digest(&self) -> Result<Digest, PhotoError> {
        self.with_plane(|bytes, luma| {
            let mut hasher = blake3::Hasher::new();
            match luma {
                Some(luma) if luma.row_stride > 0 => {
                    let row = (luma.width as usize).saturating_mul(luma.pixel_stride);
                    let middle = middle_of(luma.height as usize);
                    for line in bytes.chunks(luma.row_stride).take(middle.end).skip(middle.start) {
                        hasher.update(line.get(..row).unwrap_or(line));
                    }
                }
                _ => drop(hasher.update(bytes)),
            }
            let mut half = [0; size_of::<Digest>()];
            hasher.finalize_xof().fill(&mut half);
            Digest::from_le_bytes(half)
        })
    }

    /// Its glimpse; `None` where brightness has no place of its own.
    pub(super) fn own_glimpse(&self) -> Option<Glimpse> {
        let mut glimpse = Glimpse::default();
        self.glimpse(&mut glimpse).ok().filter(|read| *read).map(|_| glimpse)
    }

    /// Reads the glimpse; `false` if the picture must be converted first.
    pub(super) fn glimpse(&self, glimpse: &mut Glimpse) -> Result<bool, PhotoError> {
        self.with_plane(|bytes, luma| match luma {
            Some(luma) => {
                glimpse_of_luma(bytes, luma, glimpse);
                true
            }
            None => false,
        })
    }
}

/// Converts pictures to RGB, by the colours that each stream declares.
#[derive(Default)]
pub(super) struct Converter {
    current: Option<Conversion>,
}

struct Conversion {
    from: video::VideoInfo,
    to: video::VideoInfo,
    converter: video::VideoConverter,
    out: gst::Buffer,
}

impl Converter {
    /// The picture's colours. `pixels` is memory that is reused.
    pub(super) fn rgb(&mut self, picture: &Picture, pixels: Vec<u8>) -> Result<Image, PhotoError> {
        if self.current.as_ref().is_none_or(|current| current.from != picture.info) {
            self.current = Some(Conversion::new(&picture.info)?);
        }
        let Some(current) = &mut self.current else { return Err(unmapped()) };
        current.convert(picture, pixels)
    }
}

impl Conversion {
    fn new(from: &video::VideoInfo) -> Result<Conversion, PhotoError> {
        let refused = |_| PhotoError::Damaged(format!("GStreamer cannot convert {} to RGB", from.format()));
        let to = video::VideoInfo::builder(video::VideoFormat::Rgb, from.width(), from.height())
            .fps(from.fps())
            .interlace_mode(from.interlace_mode())
            .build()
            .map_err(refused)?;
        let converter = video::VideoConverter::new(from, &to, None).map_err(refused)?;
        let out = gst::Buffer::with_size(to.size()).map_err(refused)?;
        Ok(Conversion { from: from.clone(), to, converter, out })
    }

    fn convert(&mut self, picture: &Picture, mut pixels: Vec<u8>) -> Result<Image, PhotoError> {
        let buffer = picture.sample.buffer().ok_or_else(unmapped)?;
        let frame = video::VideoFrameRef::from_buffer_ref_readable(buffer, &self.from).map_err(|_| unmapped())?;
        let mut out =
            video::VideoFrameRef::from_buffer_ref_writable(self.out.make_mut(), &self.to).map_err(|_| unmapped())?;
        self.converter.frame_ref(&frame, &mut out);
        let stride = out.plane_stride().first().and_then(|stride| usize::try_from(*stride).ok()).unwrap_or(0).max(1);
        let row = (self.to.width() as usize).saturating_mul(3);
        pixels.clear();
        let bytes = out.plane_data(0).map_err(|_| unmapped())?;
        for line in bytes.chunks(stride).take(self.to.height() as usize) {
            pixels.extend_from_slice(line.get(..row).unwrap_or(line));
        }
        Image::new(self.to.width(), self.to.height(), pixels).ok_or_else(unmapped)
    }
}

fn unmapped() -> PhotoError {
    PhotoError::Damaged("GStreamer's picture cannot be read".to_owned())
}
