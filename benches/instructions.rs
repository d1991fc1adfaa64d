//! What `benches/arm/count` counts the instructions of: the detector and the embedders, each between two marks.
//!
//! A mark is a call without effect, which the emulator's plugin (`benches/arm/plugin.c`) looks for. On standard output a line for each region:
//! its name, how often it does the same, and the faces found. Without the emulator nothing is counted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

#[expect(dead_code, reason = "nothing is decoded here")]
mod frames;

use std::hint::black_box;

use usher::domain::Image;

const EMBEDDERS: [&str; 3] = ["sface", "mobilefacenet", "dlib"];
const MIN_FACES_PX: [u32; 2] = [80, 40];
/// Few are enough: an instruction count has no noise.
const ROUNDS: usize = 2;
/// Descriptors that cannot exist; `plugin.c` has the same numbers.
const BEGIN: i32 = -70_001;
const END: i32 = -70_002;

fn main() {
    if let Err(why) = run() {
        eprintln!("bench `instructions` is skipped: {why}");
    }
}

fn run() -> Result<(), String> {
    let pictures: Vec<Image> = frames::cached_photos()?.iter().map(|path| frames::frame(path, 640, 480)).collect();
    for min_face_px in MIN_FACES_PX {
        let mut vision = frames::vision(min_face_px, EMBEDDERS[0], 1)?;
        region(&format!("detect-{min_face_px}"), pictures.len(), || {
            pictures.iter().map(|picture| vision.detect(black_box(picture)).expect("detection").len()).sum()
        });
    }
    for embedder in EMBEDDERS {
        let mut vision = frames::vision(80, embedder, 1)?;
        let (picture, face) = pictures
            .iter()
            .find_map(|picture| Some((picture, *vision.detect(picture).ok()?.first()?)))
            .ok_or("no photograph shows a face")?;
        region(&format!("judge-{embedder}"), ROUNDS, || {
            for _ in 0..ROUNDS {
                black_box(vision.judge(black_box(picture), &face));
            }
            1
        });
        region(&format!("embed-{embedder}"), ROUNDS, || {
            for _ in 0..ROUNDS {
                black_box(vision.embed_judged().expect("an embedding"));
            }
            1
        });
    }
    Ok(())
}

/// Does `work`, which does the same `times` times and returns the number of faces, once between the marks and once before: then buffers grow,
/// and P-Net is compiled.
fn region(name: &str, times: usize, mut work: impl FnMut() -> usize) {
    work();
    println!("region {name} {times}");
    mark(BEGIN);
    let faces = work();
    mark(END);
    println!("faces {faces}");
}

fn mark(descriptor: i32) {
    // SAFETY: no file has a negative descriptor, so that the call only reports an error.
    unsafe { libc::close(descriptor) };
}
