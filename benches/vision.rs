//! The time of the detector, the embedders, and everything from a camera's JPEG to the nearest of a thousand people.
//!
//! Uses the photographs that `script/setup` fetched, scaled to the frame's size. Without them, or without LiteRT, the bench is skipped.
//! `docs/benchmarks.md` has results and explains them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

mod frames;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use usher::domain::Image;
use usher::photo::JpegDecoder;
use usher::vision::passive::PassiveNetworks;
use usher::vision::runtime::{Accelerator, Runtime};

const SIZES: [(u32, u32); 2] = [(640, 480), (1280, 720)];
const MIN_FACES_PX: [u32; 2] = [40, 80];
const EMBEDDERS: [&str; 3] = ["sface", "mobilefacenet", "dlib"];
const THREADS: [usize; 2] = [1, 2];
const PEOPLE: u32 = 1_000;
/// The number of detections over which the networks' share of the time is measured.
const SHARE_OVER: usize = 40;

fn all(c: &mut Criterion) {
    if let Err(why) = detect(c).and_then(|()| embed(c)).and_then(|()| passive(c)).and_then(|()| frame_to_sighting(c)) {
        eprintln!("bench `vision` is skipped: {why}");
    }
}

fn pictures(width: u32, height: u32) -> Result<Vec<Image>, String> {
    Ok(frames::cached_photos()?.iter().map(|path| frames::frame(path, width, height)).collect())
}

fn detect(c: &mut Criterion) -> Result<(), String> {
    let mut group = c.benchmark_group("detect");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2)).sample_size(30);
    for (width, height) in SIZES {
        let pictures = pictures(width, height)?;
        for min_face_px in MIN_FACES_PX {
            for threads in THREADS {
                let mut vision = frames::vision(min_face_px, EMBEDDERS[0], threads)?;
                let mut turn = pictures.iter().cycle();
                let name = format!("{width}x{height}, faces from {min_face_px} px");
                group.bench_function(BenchmarkId::new(&name, format!("{threads} threads")), |b| {
                    b.iter(|| turn.next().map(|picture| vision.detect(black_box(picture)).expect("detection")));
                });
                let (start, inside, mut faces) = (Instant::now(), vision.detector_time_in_models(), 0);
                for picture in pictures.iter().cycle().take(SHARE_OVER) {
                    faces += vision.detect(picture).expect("detection").len();
                }
                let inside = vision.detector_time_in_models() - inside;
                eprintln!(
                    "detect/{name}/{threads} threads: {:.0} % of the time inside the networks, {:.1} faces a picture",
                    100.0 * inside.as_secs_f64() / start.elapsed().as_secs_f64(),
                    faces as f64 / SHARE_OVER as f64,
                );
            }
        }
    }
    Ok(())
}

fn embed(c: &mut Criterion) -> Result<(), String> {
    let pictures = pictures(640, 480)?;
    let mut group = c.benchmark_group("embed");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2)).sample_size(30);
    for embedder in EMBEDDERS {
        for threads in THREADS {
            let mut vision = frames::vision(80, embedder, threads)?;
            let (picture, face) = pictures
                .iter()
                .find_map(|picture| Some((picture, *vision.detect(picture).ok()?.first()?)))
                .ok_or("no photograph shows a face")?;
            vision.judge(picture, &face);
            group.bench_function(BenchmarkId::new(embedder, format!("{threads} threads")), |b| {
                b.iter(|| vision.embed_judged().expect("an embedding"));
            });
        }
    }
    Ok(())
}

/// The liveness networks on one face, with cutting it out. usher ships none: `USHER_LIVENESS` names their folder, which `models/build/build liveness`
/// makes.
fn passive(c: &mut Criterion) -> Result<(), String> {
    let Some(folder) = std::env::var_os("USHER_LIVENESS").map(PathBuf::from) else {
        eprintln!("bench `passive` is skipped: USHER_LIVENESS names no folder of liveness networks");
        return Ok(());
    };
    let pictures = pictures(640, 480)?;
    let runtime = Runtime::load(None).map_err(|error| error.to_string())?;
    let mut group = c.benchmark_group("passive");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2)).sample_size(30);
    for threads in THREADS {
        let opened = PassiveNetworks::open(&runtime, &folder, &Accelerator::Cpu, threads);
        let mut networks = opened.map_err(|error| error.to_string())?;
        let mut vision = frames::vision(80, EMBEDDERS[0], threads)?;
        let (picture, face) = pictures
            .iter()
            .find_map(|picture| Some((picture, *vision.detect(picture).ok()?.first()?)))
            .ok_or("no photograph shows a face")?;
        group.bench_function(BenchmarkId::new("all networks, one face", format!("{threads} threads")), |b| {
            b.iter(|| networks.score(black_box(picture), &face.bounds).expect("a score"));
        });
    }
    Ok(())
}

/// Everything that the daemon does with a frame before the decision.
fn frame_to_sighting(c: &mut Criterion) -> Result<(), String> {
    let jpegs: Vec<Vec<u8>> = pictures(640, 480)?.iter().map(frames::jpeg).collect();
    let mut group = c.benchmark_group("frame_to_sighting");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(3)).sample_size(30);
    for min_face_px in MIN_FACES_PX {
        for threads in THREADS {
            let mut vision = frames::vision(min_face_px, EMBEDDERS[0], threads)?;
            let gallery = usher::gallery::strangers(PEOPLE, vision.dimension());
            let (mut decoder, mut buffer) = (JpegDecoder::new(), Vec::new());
            let mut turn = jpegs.iter().cycle();
            let name = format!("640x480 JPEG, faces from {min_face_px} px, {PEOPLE} people");
            group.bench_function(BenchmarkId::new(name, format!("{threads} threads")), |b| {
                b.iter(|| {
                    let bytes = turn.next().map_or(&[][..], |jpeg| jpeg);
                    let frame = decoder.decode_into(black_box(bytes), std::mem::take(&mut buffer)).expect("a JPEG");
                    for seen in vision.see(&frame).expect("detection") {
                        black_box(gallery.nearest(seen.embedding.values(), threads));
                    }
                    buffer = frame.into_rgb();
                });
            });
        }
    }
    Ok(())
}

criterion_group!(benches, all);
criterion_main!(benches);
