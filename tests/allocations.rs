//! A steady stream of frames of one size allocates almost nothing: everything large is kept from frame to frame.
//!
//! Counts Rust's own allocations on the vision thread; `benches/allocations.rs` prints them for the other stages too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use usher::photo;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on to the system's allocator unchanged; the counter neither allocates nor has a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's promises are the system's.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are the system's.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_frame_like_the_previous_ones_reuses_their_memory() {
    const FRAMES: usize = 5;
    let Some(folder) = support::shared("data/mtcnn-golden") else { return };
    let image = photo::load(&folder.join("facenet-pytorch__data__multiface.jpg")).unwrap();
    let mut vision = support::vision(40);
    let before = CALLS.get();
    assert!(vision.detect(&image).unwrap().len() >= 5);
    assert!(CALLS.get() - before > 50, "the first frame compiles P-Net: is the counter counting?");
    let before = CALLS.get();
    for _ in 0..FRAMES {
        vision.detect(&image).unwrap();
    }
    let each = (CALLS.get() - before) as f64 / FRAMES as f64;
    println!("{each:.1} allocations a frame");
    let places: Vec<_> = vision.detect(&image).unwrap().iter().map(|face| face.bounds).collect();
    vision.follow(&image, &places).unwrap();
    let before = CALLS.get();
    vision.follow(&image, &places).unwrap();
    let followed = CALLS.get() - before;
    println!("{followed} allocations to follow {} faces", places.len());
    assert!(followed < 32, "{followed} allocations");
    assert!(each < 32.0, "{each} allocations a frame");
}
