//! Help with aiming a camera: for a minute after somebody asked, its pictures are searched for faces in all four turns, at a low rate, in a task of its
//! own with networks of its own. The camera's and vision's threads notice nothing but that somebody watches.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::runtime::Handle;

use super::pictures::Pictures;
use crate::api::live::Aim;
use crate::domain::Rotation;
use crate::photo;
use crate::vision::Vision;
use crate::vision::upright::stands;

/// How long it lasts after it was asked for.
const LASTS: Duration = Duration::from_secs(60);
/// The least pause between two pictures, and its length in the time that searching one took: half of one core at most.
const PAUSE: Duration = Duration::from_millis(700);
const IDLE: u32 = 1;
/// How long a picture is waited for before it is asked whether anybody still wants to know.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pictures that must agree on how the camera hangs, and the share of those with a face that must.
const AGREE: u32 = 3;
const SHARE: f32 = 0.8;

/// Opens networks besides those of the cameras.
pub type OpenVision = Arc<dyn Fn() -> Result<Vision> + Send + Sync>;

/// The help with aiming one camera.
#[derive(Clone)]
pub struct Aiming {
    camera: Arc<str>,
    pictures: Pictures,
    open: OpenVision,
    tokio: Handle,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// `None` while it is off.
    until: Option<Instant>,
    found: Aim,
}

impl Aiming {
    /// Off at first.
    pub fn new(camera: Arc<str>, pictures: Pictures, open: OpenVision, tokio: Handle) -> Aiming {
        Aiming { camera, pictures, open, tokio, state: Arc::default() }
    }

    /// What was found so far; `None` while it is off.
    pub fn found(&self) -> Option<Aim> {
        let state = self.hold();
        state.until.map(|_| state.found)
    }

    /// Switches it on, or keeps it on for a minute more.
    pub fn ask(&self) {
        let mut state = self.hold();
        let running = state.until.replace(Instant::now() + LASTS).is_some();
        if !running {
            state.found = Aim::default();
            let this = self.clone();
            self.tokio.spawn_blocking(move || {
                let mut off = Off { state: &this.state, armed: true };
                match this.search() {
                    // It has switched itself off, and may have been switched on again since.
                    Ok(()) => off.armed = false,
                    Err(error) => {
                        tracing::warn!(camera = %this.camera, error = format!("{error:#}"), "the help with aiming has ended");
                    }
                }
            });
        }
    }

    fn search(&self) -> Result<()> {
        let mut vision = (self.open)()?;
        let mut watching = self.pictures.watch();
        let mut hanging = Hanging::default();
        while self.is_wanted() {
            let next = self.tokio.block_on(async { tokio::time::timeout(PATIENCE, watching.changed()).await });
            let picture = watching.borrow_and_update().clone();
            let (Ok(Ok(())), Some(picture)) = (next, picture) else { continue };
            let began = Instant::now();
            // The camera's own thread reports pictures that are damaged.
            if let Ok(image) = photo::decode(&picture.jpeg) {
                hanging.add(stands(&mut vision, &image)?);
                self.hold().found = hanging.found();
            }
            std::thread::sleep(PAUSE.max(began.elapsed().saturating_mul(IDLE)));
        }
        Ok(())
    }

    /// Whether the minute is not over. If it is, this switches the help off.
    fn is_wanted(&self) -> bool {
        let mut state = self.hold();
        state.until = state.until.filter(|until| Instant::now() < *until);
        state.until.is_some()
    }

    /// Every change is a single step, so the state is valid even if another thread panicked.
    fn hold(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Switches the help off when it is dropped while armed: also if a detector panics.
struct Off<'a> {
    state: &'a Mutex<State>,
    armed: bool,
}

impl Drop for Off<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).until = None;
        }
    }
}

/// The pictures that were searched, counted by how they stand.
#[derive(Clone, Copy, Debug, Default)]
struct Hanging {
    looks: u32,
    /// By [`Rotation::ALL`].
    turns: [u32; 4],
}

impl Hanging {
    /// A picture was searched: by how much it must be turned, if it has a face.
    fn add(&mut self, turn: Option<Rotation>) {
        self.looks = self.looks.saturating_add(1);
        for (of, count) in Rotation::ALL.into_iter().zip(&mut self.turns) {
            *count = count.saturating_add(u32::from(turn == Some(of)));
        }
    }

    fn found(&self) -> Aim {
        let faces: u32 = self.turns.iter().sum();
        let sure = |count: u32| count >= AGREE && count as f32 >= SHARE * faces as f32;
        let turn = Rotation::ALL.into_iter().zip(self.turns).find(|(_, count)| sure(*count)).map(|(turn, _)| turn);
        let turn_deg = turn.filter(|turn| *turn != Rotation::None).map(Rotation::degrees);
        Aim { looks: self.looks, faces, turn_deg }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_pictures_must_agree_on_how_the_camera_hangs() {
        let mut hanging = Hanging::default();
        for turn in [Some(Rotation::Quarter), None, Some(Rotation::Quarter)] {
            hanging.add(turn);
        }
        assert_eq!(hanging.found(), Aim { looks: 3, faces: 2, turn_deg: None });
        hanging.add(Some(Rotation::Quarter));
        assert_eq!(hanging.found(), Aim { looks: 4, faces: 3, turn_deg: Some(90) });
        hanging.add(Some(Rotation::Half));
        assert_eq!(hanging.found().turn_deg, None, "three of four");
    }

    #[test]
    fn an_upright_camera_needs_no_turn() {
        let mut hanging = Hanging::default();
        (0..9).for_each(|_| hanging.add(Some(Rotation::None)));
        assert_eq!(hanging.found(), Aim { looks: 9, faces: 9, turn_deg: None });
    }
}
