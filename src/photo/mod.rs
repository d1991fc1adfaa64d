//! Picture files and picture bytes to upright RGB [`Image`](crate::domain::Image)s: photographs, and the two frame formats of cameras.
//!
//! A photograph comes in as a path or as bytes, whatever its kind, and goes out as 8-bit RGB, turned upright as its
//! EXIF orientation says, with a bound on its size. Camera frames have two faster ways, [`JpegDecoder`] and
//! [`yuyv_to_rgb`], which write into a used buffer. The way back is a JPEG of bounded size. Knows nothing of cameras, faces or enrolment.

mod encode;
mod jpeg;
mod kind;
mod markers;
mod still;
mod walk;
mod yuyv;

pub use encode::{Jpeg, cut_out, to_jpeg};
pub use jpeg::JpegDecoder;
pub use still::{decode, load, load_reduced};
pub use walk::{Walk, Walked};
pub use yuyv::yuyv_to_rgb;

use std::io;
use std::path::PathBuf;

/// The largest picture that is decoded, in pixels: 100 megapixels, 300 MB as RGB.
pub const MAX_PIXELS: u64 = 100_000_000;

/// A photograph of more pixels is made smaller as it is read ([`load_reduced`]).
pub const LARGE_PIXELS: u64 = 16_000_000;

/// Why a picture could not be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// What went wrong with the contents of one file.
    #[error("{}: {cause}", path.display())]
    File {
        path: PathBuf,
        #[source]
        cause: Box<PhotoError>,
    },
    #[error("cannot read it: {0}; check the path and its permissions")]
    Read(#[from] io::Error),
    #[error("this is a folder; name one picture inside it")]
    Folder,
    #[error("this is not a regular file; name a picture file")]
    NotAFile,
    #[error("the file has {bytes} bytes, more than the {limit} that a picture may have; scale the picture down")]
    TooLong { bytes: u64, limit: u64 },
    #[error("it is empty (0 bytes); copy it again from its source")]
    Empty,
    #[error("this is not a JPEG, PNG, BMP or WebP picture; convert it to JPEG first")]
    UnknownKind,
    #[error("{0}")]
    OtherKind(&'static str),
    #[error(
        "the picture is cut off or damaged ({0}); copy it again from its source, or save it anew with an image editor"
    )]
    Damaged(String),
    #[error("this kind of picture is not supported ({0}); save it as an ordinary JPEG or PNG")]
    Unsupported(String),
    #[error("the picture is {width}x{height}, more than {} megapixels; scale it down", MAX_PIXELS / 1_000_000)]
    TooLarge { width: u32, height: u32 },
    #[error(
        "a YUYV frame of {width}x{height} has {expected} bytes, this one has {actual}; set the width and height that the camera gives"
    )]
    ShortFrame { width: u32, height: u32, expected: usize, actual: usize },
    #[error("a YUYV frame cannot be {width}x{height}; choose an even width and a height of at least 1")]
    OddFrame { width: u32, height: u32 },
}

/// Refuses a picture of no pixels or of more than [`MAX_PIXELS`].
fn check_size(width: u32, height: u32) -> Result<(), PhotoError> {
    match u64::from(width) * u64::from(height) {
        0 => Err(PhotoError::Damaged(format!("it says it is {width}x{height}"))),
        pixels if pixels > MAX_PIXELS => Err(PhotoError::TooLarge { width, height }),
        _ => Ok(()),
    }
}

/// Runs a decoder on bytes nobody vouches for: should it panic, the picture is damaged and the program goes on.
fn unpanicked<T>(decode: impl FnOnce() -> Result<T, PhotoError>) -> Result<T, PhotoError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(PhotoError::Damaged("its decoder gave up".into())))
}
