//! The time for given photographs, one by one, to compare with another program's times on the same files.
//!
//! ```text
//! cargo bench --bench photos -- [--min-face PX] [--rounds N] [--identity] PHOTO…
//! ```
//!
//! Prints a line for each photograph (the median in milliseconds, the number of faces, the file) and the median of the medians. Times the
//! detector on decoded pixels, or with `--identity` everything from the file's bytes (a JPEG) to the nearest of a thousand people for each face.
//! Uses one thread. Without photographs it uses those that `script/setup` fetched, at 640x480.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

mod frames;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use usher::domain::Image;
use usher::photo::{self, JpegDecoder};

const PEOPLE: u32 = 1_000;

struct Options {
    min_face_px: u32,
    rounds: usize,
    identity: bool,
    photos: Vec<PathBuf>,
}

fn main() {
    if let Err(why) = options().and_then(|options| run(&options)) {
        eprintln!("bench `photos` is skipped: {why}");
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options { min_face_px: 40, rounds: 20, identity: false, photos: Vec::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|n| n.parse().ok()).ok_or(format!("{word} needs a number"));
        match word.as_str() {
            // Passed by cargo.
            "--bench" => {}
            "--min-face" => options.min_face_px = number()?,
            "--rounds" => options.rounds = number()?.max(1) as usize,
            "--identity" => options.identity = true,
            photo => options.photos.push(photo.into()),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), String> {
    let mut vision = frames::vision(options.min_face_px, "sface", 1)?;
    let gallery = usher::gallery::strangers(PEOPLE, vision.dimension());
    let (mut decoder, mut buffer) = (JpegDecoder::new(), Vec::new());
    let mut medians = Vec::new();
    let (mut outside, mut inside) = (Duration::ZERO, Duration::ZERO);
    for (path, image) in pictures(options)? {
        let bytes = match path.extension().is_some_and(|e| e == "jpg") && !options.photos.is_empty() {
            true => std::fs::read(&path).map_err(|e| e.to_string())?,
            false => frames::jpeg(&image),
        };
        let mut times = Vec::with_capacity(options.rounds);
        let mut faces = 0;
        // The first round compiles P-Net for the size, the second warms up; neither counts.
        for round in 0..options.rounds + 2 {
            let models = vision.detector_time_in_models();
            let start = Instant::now();
            if options.identity {
                let frame = decoder.decode_into(&bytes, std::mem::take(&mut buffer)).map_err(|e| e.to_string())?;
                let seen = vision.see(&frame).map_err(|e| e.to_string())?;
                faces = seen.iter().filter(|s| gallery.nearest(s.embedding.values(), 1).is_some()).count();
                buffer = frame.into_rgb();
            } else {
                faces = vision.detect(&image).map_err(|e| e.to_string())?.len();
            }
            let spent = start.elapsed();
            if round >= 2 {
                times.push(spent.as_secs_f64() * 1e3);
                outside += spent;
                inside += vision.detector_time_in_models() - models;
            }
        }
        let median = median(&mut times);
        medians.push(median);
        println!("{median:8.3} ms  {faces} faces  {}", path.display());
    }
    println!("{:8.3} ms  median of {} photographs", median(&mut medians), medians.len());
    println!(
        "{:8.1} %   of the time inside the detector's networks",
        100.0 * inside.as_secs_f64() / outside.as_secs_f64()
    );
    Ok(())
}

fn pictures(options: &Options) -> Result<Vec<(PathBuf, Image)>, String> {
    if options.photos.is_empty() {
        let photos = frames::cached_photos()?;
        return Ok(photos.into_iter().map(|path| (path.clone(), frames::frame(&path, 640, 480))).collect());
    }
    let load = |path: &Path| photo::load(path).map_err(|e| e.to_string());
    options.photos.iter().map(|path| Ok((path.clone(), load(path)?))).collect()
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}
