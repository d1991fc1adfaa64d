//! Picture files and picture bytes to upright RGB [`Image`](crate::domain::Image)s: photographs, and the frames of cameras.
//!
//! A photograph is read from a path or from bytes of any supported kind, and becomes 8-bit RGB of bounded size, turned upright by its EXIF
//! orientation. Camera frames have two faster decoders, [`JpegDecoder`] and [`raw_to_rgb`], which reuse a buffer, and give a small grey
//! [`Glimpse`](crate::domain::Glimpse) of themselves without being decoded. [`own_jpeg`] hands on a camera's JPEG as it
//! is, and [`to_jpeg`] encodes one of bounded size.

mod encode;
mod glimpse;
mod huffman;
mod jpeg;
mod kind;
mod markers;
mod own;
mod raw;
mod still;
mod walk;
mod yuv;

pub use encode::{Jpeg, crop, to_jpeg};
pub use glimpse::{glimpse_of, glimpse_of_raw};
pub use jpeg::JpegDecoder;
pub use own::own_jpeg;
pub use raw::{RawLayout, raw_to_rgb};
pub use still::{decode, decode_reduced, load, load_reduced};
pub use walk::{JpegWalk, Walked};

use std::io;
use std::path::PathBuf;

use crate::domain::RawFormat;

/// The largest picture that is decoded, in pixels: 100 megapixels, 300 MB as RGB.
pub const MAX_PIXELS: u64 = 100_000_000;

/// Photographs with more pixels are reduced while reading ([`load_reduced`]).
pub const LARGE_PIXELS: u64 = 16_000_000;

/// Why a picture cannot be used. Each message says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// An error in one file.
    #[error("{}: {cause}", path.display())]
    File {
        path: PathBuf,
        #[source]
        cause: Box<PhotoError>,
    },
    #[error("cannot read it: {0}; check the path and its permissions")]
    Read(#[from] io::Error),
    #[error("this is a directory; name one picture in it")]
    Folder,
    #[error("this is not a regular file; name a picture file")]
    NotAFile,
    #[error("the file has {bytes} bytes, but a picture may have at most {limit}; scale the picture down")]
    TooLong { bytes: u64, limit: u64 },
    #[error("it is empty (0 bytes); copy it again from its source")]
    Empty,
    #[error("this is not a JPEG, PNG, BMP or WebP picture; convert it to JPEG first")]
    UnknownKind,
    #[error("{0}")]
    OtherKind(&'static str),
    #[error(
        "the picture is truncated or damaged ({0}); copy it again from its source, or resave it with an image editor"
    )]
    Damaged(String),
    #[error("this kind of picture is not supported ({0}); save it as an ordinary JPEG or PNG")]
    Unsupported(String),
    #[error("the picture is {width}x{height}, more than {} megapixels; scale it down", MAX_PIXELS / 1_000_000)]
    TooLarge { width: u32, height: u32 },
    #[error(
        "a {format} frame of {width}x{height} has {expected} bytes, but this one has {actual}; set the width and height that the camera delivers"
    )]
    ShortFrame { format: RawFormat, width: u32, height: u32, expected: usize, actual: usize },
    #[error("a {format} frame cannot be {width}x{height}; choose an even width and height")]
    OddFrame { format: RawFormat, width: u32, height: u32 },
}

/// Refuses a picture without pixels or with more than [`MAX_PIXELS`].
fn check_size(width: u32, height: u32) -> Result<(), PhotoError> {
    match u64::from(width) * u64::from(height) {
        0 => Err(PhotoError::Damaged(format!("its size is given as {width}x{height}"))),
        pixels if pixels > MAX_PIXELS => Err(PhotoError::TooLarge { width, height }),
        _ => Ok(()),
    }
}

/// Runs a decoder on untrusted bytes. A panic in it means that the picture is damaged.
fn catch_panic<T>(decode: impl FnOnce() -> Result<T, PhotoError>) -> Result<T, PhotoError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(PhotoError::Damaged("its decoder panicked".into())))
}
