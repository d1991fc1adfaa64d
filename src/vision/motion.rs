//! Whether anything moves before a camera: compares each frame's [`Glimpse`] with what is usual there, cell by cell.
//!
//! A cell's usual brightness and its noise are learned as running means of the value and of its squared deviation. Sensor noise, flicker of
//! lamps and rounding of a coded stream become usual; a person who comes does not, for some seconds.

use crate::domain::{Bounds, Glimpse};

/// Frames after which a cell's noise counts as known. Before, everything counts as moved.
const LEARNED_AFTER: u32 = 16;
/// The share of a new frame in the running means: over about the last second of a camera's frames.
const SHARE: f32 = 1.0 / 16.0;
/// The same for a cell that has moved: what stays becomes usual after about five seconds.
const SHARE_IF_MOVED: f32 = 1.0 / 64.0;
/// A cell has moved if it deviates by more than so many standard deviations ...
const DEVIATIONS: f32 = 4.0;
/// ... and by so much more: one level, in eighths.
const LEAST: f32 = 8.0;
/// Or by so many of the steps to which a coded stream rounds.
const STEPS: f32 = 1.5;
/// The largest standard deviation that a cell can have, in eighths of a level. Even where trees move, a person is noticed.
const MOST_NOISE: f32 = 6.0 * 8.0;
/// The side of a tile in cells, and how many of its cells must move.
const TILE: usize = 4;
const CELLS_MOVED: u8 = 3;

/// Learns what is usual before one camera. Start anew when the camera is reopened.
#[derive(Debug, Default)]
pub struct MotionGate {
    columns: usize,
    rows: usize,
    frames: u32,
    cells: Vec<Usual>,
}

/// The usual value of a cell and its variance, in eighths of a level.
#[derive(Clone, Copy, Debug, Default)]
struct Usual {
    mean: f32,
    variance: f32,
}

/// The parts of a picture that have moved, in tiles of 32 by 32 pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Motion {
    /// Nothing is known: everything may have moved.
    everywhere: bool,
    across: usize,
    tiles: Vec<u8>,
    any: bool,
}

impl MotionGate {
    /// Compares a frame with what is usual, learns from it, and writes down what has moved.
    pub fn see(&mut self, glimpse: &Glimpse, motion: &mut Motion) {
        if (self.columns, self.rows) != (glimpse.columns(), glimpse.rows()) {
            (self.columns, self.rows, self.frames) = (glimpse.columns(), glimpse.rows(), 0);
            let at_first = |cell: &u16| Usual { mean: f32::from(*cell), variance: 0.0 };
            self.cells.clear();
            self.cells.extend(glimpse.cells().iter().map(at_first));
        }
        self.frames = self.frames.saturating_add(1);
        motion.reset(self.columns.div_ceil(TILE), self.rows.div_ceil(TILE));
        let least = LEAST.max(STEPS * f32::from(glimpse.step()));
        let rows = self.cells.chunks_mut(self.columns.max(1)).zip(glimpse.cells().chunks(self.columns.max(1)));
        for (row, (usual, seen)) in rows.enumerate() {
            let tiles = motion.tiles.get_mut(row / TILE * motion.across..).unwrap_or_default();
            for ((usual, seen), tile) in usual.chunks_mut(TILE).zip(seen.chunks(TILE)).zip(tiles) {
                for (usual, seen) in usual.iter_mut().zip(seen) {
                    *tile += u8::from(usual.moved(f32::from(*seen), least, self.frames));
                }
            }
        }
        motion.any = motion.tiles.iter().any(|cells| *cells >= CELLS_MOVED);
        motion.everywhere = self.frames < LEARNED_AFTER || self.cells.is_empty();
    }
}

impl Usual {
    /// Whether `seen` is unusual by more than `least`; learns from it. `frames`: how many have been seen, with this one.
    fn moved(&mut self, seen: f32, least: f32, frames: u32) -> bool {
        let off = seen - self.mean;
        let noise = self.variance.sqrt();
        let moved = off.abs() > DEVIATIONS * noise + least;
        let share = if moved { SHARE_IF_MOVED } else { SHARE }.max(1.0 / frames as f32);
        self.mean += share * off;
        // One large deviation must not hide the next ones.
        let square = (off * off).min(9.0 * self.variance + least * least);
        self.variance = (self.variance + share * (square - self.variance)).min(MOST_NOISE * MOST_NOISE);
        moved
    }
}

impl Motion {
    /// The side of a tile in pixels.
    pub const TILE_PX: usize = TILE * Glimpse::CELL_PX;

    /// Of a frame of which nothing is known.
    pub fn unknown() -> Motion {
        Motion { everywhere: true, ..Motion::default() }
    }

    fn reset(&mut self, across: usize, down: usize) {
        (self.everywhere, self.any, self.across) = (false, false, across);
        self.tiles.clear();
        self.tiles.resize(across * down, 0);
    }

    /// Whether nothing has moved.
    pub fn is_still(&self) -> bool {
        !self.everywhere && !self.any
    }

    /// Adds what has moved in another frame.
    pub fn add(&mut self, other: &Motion) {
        self.everywhere |= other.everywhere;
        if other.tiles.is_empty() || !other.any {
            return;
        }
        if (self.across, self.tiles.len()) != (other.across, other.tiles.len()) {
            self.everywhere |= self.any;
            self.across = other.across;
            self.tiles.clear();
            self.tiles.resize(other.tiles.len(), 0);
        }
        for (mine, theirs) in self.tiles.iter_mut().zip(&other.tiles) {
            *mine = (*mine).max(*theirs);
        }
        self.any = true;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        (self.everywhere, self.any) = (false, false);
        self.tiles.fill(0);
    }

    /// Whether anything has moved outside all of `zones`: a tile whose middle is in none of them.
    pub fn is_outside(&self, zones: &[Bounds]) -> bool {
        let side = Motion::TILE_PX as f32;
        let moved = self.tiles.iter().enumerate().filter(|(_, cells)| **cells >= CELLS_MOVED);
        let mut middles = moved.map(|(tile, _)| {
            let across = self.across.max(1);
            ((tile % across) as f32 * side + side / 2.0, (tile / across) as f32 * side + side / 2.0)
        });
        let inside =
            |zone: &Bounds, x: f32, y: f32| (zone.x1..=zone.x2).contains(&x) && (zone.y1..=zone.y2).contains(&y);
        self.everywhere || middles.any(|(x, y)| !zones.iter().any(|zone| inside(zone, x, y)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: u32 = 80;
    const ROWS: u32 = 60;

    /// A stream of glimpses of 640 by 480 pixels with noise of a standard deviation of about `noise` eighths of a level.
    struct Stream {
        gate: MotionGate,
        motion: Motion,
        random: fastrand::Rng,
        noise: f32,
        step: u16,
    }

    impl Stream {
        fn new(noise: f32, step: u16) -> Stream {
            let random = fastrand::Rng::with_seed(7);
            Stream { gate: MotionGate::default(), motion: Motion::default(), random, noise, step }
        }

        /// Whether the next frame has moved; `scene` is the brightness at a column and a row, in levels.
        fn moves(&mut self, scene: impl Fn(u32, u32) -> f32) -> bool {
            let mut glimpse = Glimpse::default();
            glimpse.reset(COLUMNS * 8, ROWS * 8, self.step);
            for (at, cell) in (0..).zip(glimpse.cells_mut()) {
                // The sum of twelve uniform numbers is nearly normal.
                let noise: f32 = (0..12).map(|_| self.random.f32()).sum::<f32>() - 6.0;
                let value = scene(at % COLUMNS, at / COLUMNS) * 8.0 + noise * self.noise;
                let step = f32::from(self.step.max(1));
                *cell = ((value / step).round() * step).clamp(0.0, 2040.0) as u16;
            }
            self.gate.see(&glimpse, &mut self.motion);
            !self.motion.is_still()
        }
    }

    fn room(x: u32, y: u32) -> f32 {
        60.0 + (x * 7 % 90) as f32 + (y * 5 % 40) as f32
    }

    #[test]
    fn noise_of_any_strength_becomes_usual() {
        for (noise, step) in [(0.0, 0), (0.5, 0), (2.0, 6), (8.0, 16), (24.0, 0), (1.0, 16), (3.0, 16)] {
            let mut stream = Stream::new(noise, step);
            assert!((0..15).all(|_| stream.moves(room)), "nothing is known yet");
            let moved = (0..300).skip(15).filter(|_| stream.moves(room)).count();
            assert!(moved <= 2, "{noise} {step}: {moved} of 300 frames");
        }
    }

    #[test]
    fn a_face_that_appears_is_motion_also_in_a_dark_and_noisy_picture() {
        for (noise, step, contrast) in [(0.5, 6, 3.0), (2.0, 6, 4.0), (8.0, 16, 9.0), (0.0, 16, 4.0)] {
            let mut stream = Stream::new(noise, step);
            for _ in 0..100 {
                stream.moves(room);
            }
            // The smallest face that a door looks for, ten cells wide.
            let face = |x: u32, y: u32| if (33..43).contains(&x) && (21..31).contains(&y) { contrast } else { 0.0 };
            assert!(stream.moves(|x, y| room(x, y) + face(x, y)), "{noise} {step}");
            let zone = |x1: f32, y1: f32, x2: f32, y2: f32| Bounds { x1, y1, x2, y2 };
            assert!(!stream.motion.is_outside(&[zone(240.0, 150.0, 370.0, 270.0)]));
            assert!(stream.motion.is_outside(&[zone(0.0, 150.0, 300.0, 270.0)]) && stream.motion.is_outside(&[]));
        }
    }

    #[test]
    fn what_stays_becomes_usual_and_its_leaving_is_motion() {
        let mut stream = Stream::new(1.0, 6);
        let person = |x: u32, y: u32| room(x, y) + if x < 20 { 50.0 } else { 0.0 };
        for _ in 0..50 {
            stream.moves(room);
        }
        assert!(stream.moves(person));
        let still_after = (1..).find(|_| !stream.moves(person)).unwrap();
        assert!((20..400).contains(&still_after), "{still_after}");
        for _ in 0..200 {
            stream.moves(person);
        }
        assert!(!stream.moves(person) && stream.moves(room));
    }

    #[test]
    fn a_stream_that_stands_is_still_and_its_first_change_is_not() {
        let mut stream = Stream::new(0.0, 0);
        for _ in 0..40 {
            stream.moves(room);
        }
        assert!(!stream.moves(room) && stream.moves(|x, y| room(x, y) + if (8..12).contains(&x) { 2.0 } else { 0.0 }));
    }

    #[test]
    fn a_picture_of_another_size_or_too_small_for_cells_is_unknown() {
        let mut stream = Stream::new(0.0, 0);
        for _ in 0..40 {
            stream.moves(room);
        }
        let mut other = Glimpse::default();
        for (width, height) in [(320, 240), (7, 480), (0, 0)] {
            other.reset(width, height, 0);
            stream.gate.see(&other, &mut stream.motion);
            assert!(!stream.motion.is_still() && stream.motion.is_outside(&[Bounds::default()]), "{width}x{height}");
        }
    }

    #[test]
    fn motion_of_several_frames_adds_up() {
        let mut all = Motion::default();
        let mut stream = Stream::new(0.0, 0);
        for _ in 0..40 {
            stream.moves(room);
        }
        let zones = |x: f32| [Bounds { x1: x, y1: 0.0, x2: x + 160.0, y2: 480.0 }];
        for column in [0, 40] {
            stream.moves(|x, y| room(x, y) + if (column..column + 12).contains(&x) { 30.0 } else { 0.0 });
            all.add(&stream.motion);
        }
        assert!(all.is_outside(&zones(0.0)) && all.is_outside(&zones(320.0)));
        all.clear();
        assert!(all.is_still() && !all.is_outside(&[]));
        all.add(&Motion::unknown());
        assert!(!all.is_still());
    }
}
