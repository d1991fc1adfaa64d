//! Allocations per frame in a steady stream of frames, counted in Rust code.
//!
//! LiteRT's own allocations are not counted; `docs/benchmarks.md` explains how to count them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

mod frames;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use usher::photo::JpegDecoder;

/// Uncounted frames at the beginning, in which buffers grow and P-Net is compiled.
const WARM_UP: usize = 8;
const FRAMES: usize = 100;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is passed unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller upholds the system allocator's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the system allocator's contract.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn main() {
    if let Err(why) = run() {
        eprintln!("bench `allocations` is skipped: {why}");
    }
}

fn run() -> Result<(), String> {
    let pictures: Vec<_> = frames::cached_photos()?.iter().map(|path| frames::frame(path, 640, 480)).collect();
    let jpegs: Vec<Vec<u8>> = pictures.iter().map(frames::jpeg).collect();
    let mut vision = frames::vision(40, "sface", 1)?;
    let gallery = usher::gallery::strangers(1_000, vision.dimension());
    let frames = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(FRAMES);
    let text = |e: usher::vision::VisionError| e.to_string();

    let (mut decoder, mut buffer) = (JpegDecoder::new(), Vec::new());
    each("decode", frames, |i| {
        let image =
            decoder.decode_into(&jpegs[i % jpegs.len()], std::mem::take(&mut buffer)).map_err(|e| e.to_string())?;
        buffer = image.into_rgb();
        Ok(0)
    })?;
    each("detect", frames, |i| Ok(vision.detect(&pictures[i % pictures.len()]).map_err(text)?.len()))?;
    each("detect, judge, embed", frames, |i| Ok(vision.see(&pictures[i % pictures.len()]).map_err(text)?.len()))?;
    let seen = pictures.iter().find_map(|p| vision.see(p).ok()?.pop()).ok_or("no photograph shows a face")?;
    each("nearest of 1000", frames, |_| Ok(usize::from(gallery.nearest(seen.embedding.values(), 1).is_some())))
}

/// Counts the allocations of `work` after a warm-up.
fn each(name: &str, frames: usize, mut work: impl FnMut(usize) -> Result<usize, String>) -> Result<(), String> {
    for i in 0..WARM_UP {
        work(i)?;
    }
    let (calls, bytes) = (CALLS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
    let mut faces = 0;
    for i in 0..frames {
        faces += work(i)?;
    }
    let per_frame = |before: usize, now: usize| (now - before) as f64 / frames as f64;
    println!(
        "{name:20} {:8.2} allocations and {:10.0} bytes per frame, with {:.2} faces",
        per_frame(calls, CALLS.load(Ordering::Relaxed)),
        per_frame(bytes, BYTES.load(Ordering::Relaxed)),
        faces as f64 / frames as f64,
    );
    Ok(())
}
