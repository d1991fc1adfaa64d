//! Films of heads and of prints of them: Intel's sample videos (CC-BY-4.0) and prints rendered from them, in `../shared/data/pad`.

use std::path::{Path, PathBuf};

/// Frames a second.
pub const FPS: usize = 12;

/// The woman's head: frames in which she looks ahead, turns to her left (the right of the picture) and back, and to her right and back.
const AHEAD: [usize; 6] = [18, 19, 18, 18, 19, 18];
const LEFT: [usize; 11] = [17, 16, 15, 14, 13, 12, 13, 14, 15, 16, 17];
const RIGHT: [usize; 11] = [19, 20, 21, 22, 7, 6, 7, 22, 21, 20, 19];
/// Where each of the prints looks right from the front.
const FRONT: usize = 10;

/// The pictures.
pub struct Pictures(PathBuf);

#[allow(dead_code, reason = "not every test program shows every film")]
impl Pictures {
    /// `None`, with a notice, where they are missing.
    pub fn there() -> Option<Pictures> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/pad");
        if !folder.exists() {
            eprintln!("SKIPPED: {} is not there; this test needs its clips of heads and prints", folder.display());
            return None;
        }
        Some(Pictures(folder))
    }

    /// A frame of the woman's clip.
    pub fn woman(&self, frame: usize) -> PathBuf {
        self.0.join(format!("intel/female-frames/{frame:03}.jpg"))
    }

    /// A frame of the man's clip. He keeps still.
    pub fn man(&self, frame: usize) -> PathBuf {
        self.0.join(format!("intel/male-frames/{frame:03}.jpg"))
    }

    /// The picture with which the person of a print is enrolled.
    pub fn enrolled(&self, print: &str) -> PathBuf {
        if print.starts_with("male") { self.man(30) } else { self.woman(18) }
    }

    fn print(&self, kind: &str, view: usize) -> PathBuf {
        self.0.join(format!("prints/{kind}/{view:02}.jpg"))
    }

    /// Each frame so often: twice is so slow that a frame may be left out.
    fn slowly(&self, frames: &[usize], each: usize) -> Vec<PathBuf> {
        frames.iter().flat_map(|frame| vec![self.woman(*frame); each]).collect()
    }

    /// She looks ahead for about so many seconds.
    pub fn ahead(&self, seconds: f64) -> Vec<PathBuf> {
        let frames = (seconds * FPS as f64).round() as usize;
        AHEAD.iter().cycle().take(frames).map(|frame| self.woman(*frame)).collect()
    }

    /// She looks ahead for so long, turns to her left, ahead, to her right, and ahead; each frame of a turn is shown so often.
    pub fn willing(&self, first: f64, each: usize) -> Vec<PathBuf> {
        let between = if each == 1 { 0.25 } else { 0.5 };
        [self.ahead(first), self.slowly(&LEFT, each), self.ahead(between), self.slowly(&RIGHT, each), self.ahead(1.2)]
            .concat()
    }

    /// The same in the other order.
    pub fn wrong_order(&self) -> Vec<PathBuf> {
        [self.ahead(1.4), self.slowly(&RIGHT, 2), self.ahead(0.7), self.slowly(&LEFT, 2)].concat()
    }

    /// The man keeps still.
    pub fn still_man(&self) -> Vec<PathBuf> {
        (0..62).map(|frame| self.man(frame)).collect()
    }

    /// A print, turned from the front to both sides by 50° and back; each view for so many frames.
    pub fn sweep(&self, kind: &str, each: usize) -> Vec<PathBuf> {
        self.turned(kind, 0, 20, each)
    }

    /// A print, turned from the front no further than these views, and back.
    pub fn turned(&self, kind: &str, from: usize, to: usize, each: usize) -> Vec<PathBuf> {
        let views = [FRONT; 8].into_iter().chain(FRONT + 1..=to).chain((FRONT..to).rev()).chain([FRONT; 3]);
        let views = views.chain((from..FRONT).rev()).chain(from + 1..=FRONT).chain([FRONT; 6]);
        views.flat_map(|view| vec![self.print(kind, view); each]).collect()
    }

    /// Photographs of the woman, with the head turned as asked, one after the other.
    pub fn swapped_photographs(&self) -> Vec<PathBuf> {
        [18, 18, 13, 18, 22, 18].into_iter().flat_map(|frame| vec![self.woman(frame); FPS]).collect()
    }

    /// The woman, and then a print of her that is turned.
    pub fn head_then_print(&self) -> Vec<PathBuf> {
        [self.ahead(2.0), self.sweep("female-flat", 1)].concat()
    }

    /// The man looks ahead, the woman turns the head as he was asked to, and he is there again.
    pub fn swapped_people(&self) -> Vec<PathBuf> {
        let man: Vec<PathBuf> = (0..2 * FPS).map(|frame| self.man(frame)).collect();
        let turns = [self.slowly(&LEFT, 2), self.ahead(0.5), self.slowly(&RIGHT, 2), self.ahead(0.5)].concat();
        [man.clone(), turns, man].concat()
    }
}
