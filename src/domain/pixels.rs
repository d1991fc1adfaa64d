//! How cameras send pixels.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An uncompressed format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RawFormat {
    /// `Y0 Cb Y1 Cr` for each pair of pixels.
    Yuyv,
    /// `Cb Y0 Cr Y1` for each pair of pixels.
    Uyvy,
    /// A plane of brightness, then a plane of `Cb Cr` for each square of four pixels.
    Nv12,
    /// A plane of brightness, then planes of `Cb` and `Cr` for each square of four pixels.
    Yu12,
    /// `R G B` for each pixel.
    Rgb3,
    /// `B G R` for each pixel.
    Bgr3,
    /// Brightness in 8 bits.
    Grey,
    /// Brightness in 10 bits of 16, least byte first.
    Y10,
    /// Brightness in 12 bits of 16, least byte first.
    Y12,
    /// Brightness in 16 bits, least byte first.
    Y16,
}

impl RawFormat {
    /// All of them, those with colour first.
    pub const ALL: [RawFormat; 10] = [
        RawFormat::Yuyv,
        RawFormat::Uyvy,
        RawFormat::Nv12,
        RawFormat::Yu12,
        RawFormat::Rgb3,
        RawFormat::Bgr3,
        RawFormat::Grey,
        RawFormat::Y16,
        RawFormat::Y12,
        RawFormat::Y10,
    ];

    /// The kernel's four characters for it (`V4L2_PIX_FMT_…` in `linux/videodev2.h`).
    pub fn fourcc(self) -> [u8; 4] {
        match self {
            RawFormat::Yuyv => *b"YUYV",
            RawFormat::Uyvy => *b"UYVY",
            RawFormat::Nv12 => *b"NV12",
            RawFormat::Yu12 => *b"YU12",
            RawFormat::Rgb3 => *b"RGB3",
            RawFormat::Bgr3 => *b"BGR3",
            RawFormat::Grey => *b"GREY",
            RawFormat::Y10 => *b"Y10 ",
            RawFormat::Y12 => *b"Y12 ",
            RawFormat::Y16 => *b"Y16 ",
        }
    }

    /// The format of these four characters.
    pub fn of(fourcc: [u8; 4]) -> Option<RawFormat> {
        RawFormat::ALL.into_iter().find(|format| format.fourcc() == fourcc)
    }

    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            RawFormat::Yuyv => "yuyv",
            RawFormat::Uyvy => "uyvy",
            RawFormat::Nv12 => "nv12",
            RawFormat::Yu12 => "yu12",
            RawFormat::Rgb3 => "rgb3",
            RawFormat::Bgr3 => "bgr3",
            RawFormat::Grey => "grey",
            RawFormat::Y10 => "y10",
            RawFormat::Y12 => "y12",
            RawFormat::Y16 => "y16",
        }
    }

    /// Whether it carries brightness only.
    pub fn is_grey(self) -> bool {
        matches!(self, RawFormat::Grey | RawFormat::Y10 | RawFormat::Y12 | RawFormat::Y16)
    }
}

impl fmt::Display for RawFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str().to_uppercase())
    }
}

/// What an operator asks a camera for. Written as one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PixelFormat {
    /// The cheapest to read of those that the camera offers at the configured size.
    #[default]
    Auto,
    /// One JPEG for each frame.
    Mjpeg,
    Raw(RawFormat),
}

/// The text names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no format of pixels that can be read")]
pub struct UnknownPixelFormat(String);

impl PixelFormat {
    /// All words.
    pub fn words() -> impl Iterator<Item = &'static str> {
        ["auto", "mjpeg"].into_iter().chain(RawFormat::ALL.map(RawFormat::as_str))
    }
}

impl FromStr for PixelFormat {
    type Err = UnknownPixelFormat;

    fn from_str(text: &str) -> Result<PixelFormat, UnknownPixelFormat> {
        match text {
            "auto" => Ok(PixelFormat::Auto),
            "mjpeg" => Ok(PixelFormat::Mjpeg),
            other => {
                let raw = RawFormat::ALL.into_iter().find(|format| format.as_str() == other);
                raw.map(PixelFormat::Raw).ok_or_else(|| UnknownPixelFormat(other.to_owned()))
            }
        }
    }
}

impl TryFrom<String> for PixelFormat {
    type Error = UnknownPixelFormat;

    fn try_from(text: String) -> Result<PixelFormat, UnknownPixelFormat> {
        text.parse()
    }
}

impl From<PixelFormat> for String {
    fn from(format: PixelFormat) -> String {
        match format {
            PixelFormat::Auto => "auto",
            PixelFormat::Mjpeg => "mjpeg",
            PixelFormat::Raw(raw) => raw.as_str(),
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_and_every_fourcc_names_one_format() {
        for word in PixelFormat::words() {
            assert_eq!(String::from(word.parse::<PixelFormat>().unwrap()), word);
        }
        for format in RawFormat::ALL {
            assert_eq!(RawFormat::of(format.fourcc()), Some(format));
        }
        assert_eq!(RawFormat::of(*b"H264"), None);
        assert!("h264".parse::<PixelFormat>().is_err());
    }
}
