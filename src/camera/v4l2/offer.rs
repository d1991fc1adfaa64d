//! What a device offers, in the driver's own words: formats, sizes and rates; what of it suits a configuration, and how it is listed for an
//! operator.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;
use v4l::{Device, FourCC};

use super::guard::{Failure, guarded};
use super::rate::Interval;
use super::{PixelFormat, Pixels, V4l2Settings};
use crate::domain::RawFormat;

/// The most sizes listed in a message.
const LISTED: usize = 16;
/// The most sizes of a format that are asked for their rates.
const MOST_SIZES: usize = 64;
/// Up to this many pixels an uncompressed picture is cheaper than a JPEG, and fits through USB 2 at 15 frames a second.
const SMALL_PX: u64 = 640 * 480;

/// A format in a size, or in all sizes of a range, with its rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) fourcc: [u8; 4],
    pub(super) size: Size,
    /// Empty if the driver does not say.
    pub(super) rates: Vec<Rates>,
}

/// Sizes in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Size {
    One {
        width: u32,
        height: u32,
    },
    /// From the first to the last, in steps.
    Range {
        widths: [u32; 3],
        heights: [u32; 3],
    },
    /// The driver does not say.
    Unknown,
}

/// A rate, or all rates of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) fastest: Interval,
    pub(super) slowest: Interval,
}

/// A mode to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) pixels: Pixels,
    pub(super) interval: Interval,
}

impl Size {
    fn of(size: &FrameSizeEnum) -> Size {
        match size {
            FrameSizeEnum::Discrete(one) => Size::One { width: one.width, height: one.height },
            FrameSizeEnum::Stepwise(range) => Size::Range {
                widths: [range.min_width, range.max_width, range.step_width],
                heights: [range.min_height, range.max_height, range.step_height],
            },
        }
    }

    pub(super) fn has(self, width: u32, height: u32) -> bool {
        let within = |[least, most, step]: [u32; 3], side: u32| {
            (least..=most).contains(&side) && side.saturating_sub(least).checked_rem(step).unwrap_or_default() == 0
        };
        match self {
            Size::One { width: w, height: h } => (w, h) == (width, height),
            Size::Range { widths, heights } => within(widths, width) && within(heights, height),
            Size::Unknown => true,
        }
    }

    /// The largest of them in pixels, for asking for rates.
    fn largest(self) -> Option<(u32, u32)> {
        match self {
            Size::One { width, height } => Some((width, height)),
            Size::Range { widths: [_, width, _], heights: [_, height, _] } => Some((width, height)),
            Size::Unknown => None,
        }
    }

    fn words(self) -> String {
        match self {
            Size::One { width, height } => format!("{width}x{height}"),
            Size::Range { widths: [w1, w2, _], heights: [h1, h2, _] } => format!("{w1}x{h1} to {w2}x{h2}"),
            Size::Unknown => "of a size it does not say".into(),
        }
    }
}

impl Rates {
    pub(super) fn one(interval: Interval) -> Rates {
        Rates { fastest: interval, slowest: interval }
    }

    fn of(interval: &FrameIntervalEnum) -> Option<Rates> {
        match interval {
            FrameIntervalEnum::Discrete(one) => Interval::of(*one).map(Rates::one),
            FrameIntervalEnum::Stepwise(range) => {
                let (fastest, slowest) = (Interval::of(range.min)?, Interval::of(range.max)?);
                Some(Rates { fastest, slowest: slowest.max(fastest) })
            }
        }
    }

    /// The rate of these that is nearest to `fps`.
    fn nearest(self, fps: u32) -> Interval {
        Interval::of_fps(fps).clamp(self.fastest, self.slowest.max(self.fastest))
    }

    fn words(self) -> String {
        if self.fastest == self.slowest {
            self.fastest.to_string()
        } else {
            format!("{} to {}", self.slowest, self.fastest)
        }
    }
}

/// Asks a device for all that it offers. A driver that lists nothing gives an empty list.
pub(super) fn offers(device: &Device, wanted: &V4l2Settings) -> Result<Vec<Offer>, Failure> {
    let formats = guarded(|| device.enum_formats())?;
    let mut offers: Vec<Offer> = Vec::new();
    for format in formats {
        let fourcc = format.fourcc.repr;
        if offers.iter().any(|offer| offer.fourcc == fourcc) {
            continue;
        }
        // A driver that cannot list its sizes or rates may deliver what is wanted all the same.
        let mut sizes: Vec<Size> = guarded(|| device.enum_framesizes(format.fourcc))
            .map(|sizes| sizes.iter().map(|size| Size::of(&size.size)).collect())
            .unwrap_or_default();
        sizes.sort_unstable();
        sizes.dedup();
        if sizes.is_empty() {
            sizes.push(Size::Unknown);
        }
        for (number, size) in sizes.into_iter().enumerate() {
            let is_wanted = size.has(wanted.width, wanted.height);
            let asked = if is_wanted { Some((wanted.width, wanted.height)) } else { size.largest() };
            let rates = match asked {
                Some(size) if is_wanted || number < MOST_SIZES => rates(device, format.fourcc, size),
                _ => Vec::new(),
            };
            offers.push(Offer { fourcc, size, rates });
        }
    }
    Ok(offers)
}

fn rates(device: &Device, fourcc: FourCC, (width, height): (u32, u32)) -> Vec<Rates> {
    guarded(|| device.enum_frameintervals(fourcc, width, height))
        .map(|intervals| intervals.iter().filter_map(|interval| Rates::of(&interval.interval)).collect())
        .unwrap_or_default()
}

/// The formats that `wanted` allows, the best first.
pub(super) fn preference(wanted: &V4l2Settings) -> Vec<Pixels> {
    let raw = RawFormat::ALL.map(Pixels::Raw);
    let jpeg = [Pixels::Mjpeg { fourcc: *b"MJPG" }, Pixels::Mjpeg { fourcc: *b"JPEG" }];
    match wanted.format {
        PixelFormat::Raw(format) => vec![Pixels::Raw(format)],
        PixelFormat::Mjpeg => jpeg.to_vec(),
        PixelFormat::Auto => {
            let small = u64::from(wanted.width).saturating_mul(u64::from(wanted.height)) <= SMALL_PX;
            let grey = raw.into_iter().filter(|pixels| pixels.is_grey());
            let coloured = raw.into_iter().filter(|pixels| !pixels.is_grey());
            match small {
                true => coloured.chain(jpeg).chain(grey).collect(),
                false => jpeg.into_iter().chain(coloured).chain(grey).collect(),
            }
        }
    }
}

/// The modes that suit `wanted`, the best first: the size exactly, the rate as near as possible, then the preferred format. If the driver lists no
/// format at all, each allowed one is tried.
pub(super) fn attempts(offers: &[Offer], wanted: &V4l2Settings) -> Vec<Attempt> {
    let allowed = preference(wanted);
    let asked = Interval::of_fps(wanted.fps);
    if offers.is_empty() {
        return allowed.into_iter().map(|pixels| Attempt { pixels, interval: asked }).collect();
    }
    let mut ranked: Vec<_> = offers
        .iter()
        .filter(|offer| offer.size.has(wanted.width, wanted.height))
        .filter_map(|offer| {
            let (rank, pixels) = allowed.iter().enumerate().find(|(_, pixels)| pixels.fourcc() == offer.fourcc)?;
            let nearest = offer.rates.iter().map(|rates| rates.nearest(wanted.fps));
            // Of two that are equally near, the faster one.
            let interval =
                nearest.min_by_key(|rate| (rate.frames_from(wanted.fps), Reverse(rate.mhz()))).unwrap_or(asked);
            Some((interval.frames_from(wanted.fps), rank, Attempt { pixels: *pixels, interval }))
        })
        .collect();
    ranked.sort_by_key(|(off, rank, _)| (*off, *rank));
    ranked.into_iter().map(|(_, _, attempt)| attempt).collect()
}

/// Lists the usable offers, as in `YUYV 640x480 at 15, 30; …`, then the names of the formats that cannot be read.
pub(super) fn listed(offers: &[Offer]) -> String {
    let mut sizes: BTreeMap<(String, Size), Vec<Rates>> = BTreeMap::new();
    let mut unread: Vec<String> = Vec::new();
    for offer in offers {
        let Some(pixels) = Pixels::of(offer.fourcc) else {
            let name = fourcc_words(offer.fourcc);
            if !unread.contains(&name) {
                unread.push(name);
            }
            continue;
        };
        sizes.entry((pixels.to_string(), offer.size)).or_default().extend(&offer.rates);
    }
    let one = |((format, size), rates): (&(String, Size), &Vec<Rates>)| {
        let mut rates = rates.clone();
        rates.sort_by_key(|rates| Reverse(rates.slowest));
        rates.dedup();
        let rates: Vec<String> = rates.iter().map(|rates| rates.words()).collect();
        let at = if rates.is_empty() { String::new() } else { format!(" at {}", rates.join(", ")) };
        format!("{format} {}{at}", size.words())
    };
    let mut words: Vec<String> = sizes.iter().take(LISTED).map(one).collect();
    if let Some(more @ 1..) = sizes.len().checked_sub(LISTED) {
        words.push(format!("{more} more"));
    }
    match (words.is_empty(), unread.is_empty()) {
        (true, true) => "nothing that its driver lists".into(),
        (true, false) => format!("only {}, which usher does not read", unread.join(", ")),
        (false, true) => words.join("; "),
        (false, false) => format!("{}; and {}, which usher does not read", words.join("; "), unread.join(", ")),
    }
}

/// Four characters for a message.
pub(super) fn fourcc_words(fourcc: [u8; 4]) -> String {
    String::from_utf8_lossy(&fourcc).trim_end().escape_default().to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn wanted(width: u32, height: u32, fps: u32, format: PixelFormat) -> V4l2Settings {
        let (device, stuck_after) = ("0".into(), Duration::from_secs(1));
        V4l2Settings { device, identity: None, width, height, fps, format, expose_for_faces: false, stuck_after }
    }

    fn offer(fourcc: &[u8; 4], width: u32, height: u32, rates: &[(u32, u32)]) -> Offer {
        let rate = |(n, d): &(u32, u32)| Rates::one(Interval::of(v4l::Fraction::new(*n, *d)).unwrap());
        Offer { fourcc: *fourcc, size: Size::One { width, height }, rates: rates.iter().map(rate).collect() }
    }

    /// The attempts in words.
    fn tried(offers: &[Offer], wanted: &V4l2Settings) -> Vec<String> {
        attempts(offers, wanted).iter().map(|one| format!("{} {}", one.pixels, one.interval)).collect()
    }

    #[test]
    fn small_pictures_prefer_yuyv_large_ones_mjpeg_and_grey_comes_last() {
        let first = |width, height, format| preference(&wanted(width, height, 30, format))[0];
        assert_eq!(first(640, 480, PixelFormat::Auto), Pixels::Raw(RawFormat::Yuyv));
        assert_eq!(first(1280, 720, PixelFormat::Auto), Pixels::Mjpeg { fourcc: *b"MJPG" });
        let all = preference(&wanted(640, 480, 30, PixelFormat::Auto));
        assert_eq!(all.len(), 12);
        assert!(all[8..].iter().all(|pixels| pixels.is_grey()));
        let only = preference(&wanted(1280, 720, 30, PixelFormat::Raw(RawFormat::Nv12)));
        assert_eq!(only, [Pixels::Raw(RawFormat::Nv12)]);
    }

    #[test]
    fn the_nearest_rate_of_the_same_size_is_tried_first() {
        let offers = [
            offer(b"MJPG", 640, 480, &[(1, 25)]),
            offer(b"YUYV", 640, 480, &[(1, 5), (1, 25), (2, 15)]),
            offer(b"H264", 640, 480, &[(1, 30)]),
            offer(b"YUYV", 320, 240, &[(1, 30)]),
        ];
        assert_eq!(tried(&offers, &wanted(640, 480, 30, PixelFormat::Auto)), ["YUYV 25", "MJPEG 25"]);
        assert_eq!(tried(&offers, &wanted(640, 480, 7, PixelFormat::Auto)), ["YUYV 7.5", "MJPEG 25"]);
        assert_eq!(tried(&offers, &wanted(640, 480, 30, PixelFormat::Mjpeg)), ["MJPEG 25"]);
        assert!(tried(&offers, &wanted(800, 600, 30, PixelFormat::Auto)).is_empty());
        // 29.97 frames a second are 30, and the cheaper format counts.
        let television = [offer(b"MJPG", 640, 480, &[(1, 30)]), offer(b"YUYV", 640, 480, &[(1001, 30_000)])];
        assert_eq!(tried(&television, &wanted(640, 480, 30, PixelFormat::Auto)), ["YUYV 29.97", "MJPEG 30"]);
    }

    #[test]
    fn ranges_of_sizes_and_rates_have_what_lies_within() {
        let slow = Interval::of_fps(5);
        let ranged = Offer {
            fourcc: *b"NV12",
            size: Size::Range { widths: [160, 1920, 16], heights: [120, 1080, 2] },
            rates: vec![Rates { fastest: Interval::of_fps(60), slowest: slow }],
        };
        let offers = [ranged];
        assert_eq!(tried(&offers, &wanted(640, 480, 15, PixelFormat::Auto)), ["NV12 15"]);
        assert_eq!(tried(&offers, &wanted(640, 480, 100, PixelFormat::Auto)), ["NV12 60"]);
        assert_eq!(tried(&offers, &wanted(640, 480, 1, PixelFormat::Auto)), ["NV12 5"]);
        assert!(tried(&offers, &wanted(650, 480, 15, PixelFormat::Auto)).is_empty());
        assert_eq!(listed(&offers), "NV12 160x120 to 1920x1080 at 5 to 60");
    }

    #[test]
    fn what_a_driver_does_not_say_is_tried() {
        let silent = Offer { fourcc: *b"YUYV", size: Size::Unknown, rates: Vec::new() };
        assert_eq!(tried(&[silent], &wanted(640, 480, 15, PixelFormat::Auto)), ["YUYV 15"]);
        assert_eq!(tried(&[], &wanted(640, 480, 15, PixelFormat::Auto)).len(), 12);
        let unread = Offer { fourcc: *b"H264", size: Size::Unknown, rates: Vec::new() };
        assert!(tried(&[unread], &wanted(640, 480, 15, PixelFormat::Auto)).is_empty());
    }

    #[test]
    fn offers_are_listed_by_size_with_what_cannot_be_read_and_a_long_list_is_truncated() {
        let of = |side, rates: &[(u32, u32)]| offer(b"YUYV", side, side, rates);
        let offers = [of(8, &[(1, 30), (1, 5)]), of(4, &[(2, 15)]), of(8, &[(1, 30)]), of(2, &[])];
        assert_eq!(listed(&offers), "YUYV 2x2; YUYV 4x4 at 7.5; YUYV 8x8 at 5, 30");
        let many: Vec<Offer> = (1..=18).map(|side| of(side, &[(1, 10)])).collect();
        assert!(listed(&many).ends_with("YUYV 16x16 at 10; 2 more"));
        assert!(!listed(&many[..16]).contains("more"));
        assert_eq!(listed(&[]), "nothing that its driver lists");
        let unread = offer(b"H264", 8, 8, &[(1, 30)]);
        assert_eq!(listed(std::slice::from_ref(&unread)), "only H264, which usher does not read");
        assert_eq!(listed(&[unread, of(8, &[(1, 5)])]), "YUYV 8x8 at 5; and H264, which usher does not read");
        assert_eq!(fourcc_words(*b"Y8\x00\x07"), "Y8\\u{0}\\u{7}");
    }
}
